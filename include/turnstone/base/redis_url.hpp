// SPDX-License-Identifier: Apache-2.0
// Where a Redis server is, as an operator writes it: redis://host[:port], or rediss:// for TLS. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ts {

struct RedisUrl {
  bool tls = false;
  /// A DNS name, or an address without brackets.
  std::string host;
  std::uint16_t port = 6379;

  /// Nothing for anything else: user information too, since URLs are shown.
  static std::optional<RedisUrl> parse(std::string_view text);

  /// The host is this machine by its very name: 127.0.0.0/8, ::1 or localhost.
  bool is_loopback() const;
};

}  // namespace ts
