// SPDX-License-Identifier: Apache-2.0
// An absolute http or https URL, as an operator writes one (RFC 3986, RFC 9110 §4.2). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ts {

struct HttpUrl {
  bool tls = false;
  /// A DNS name, or an address without brackets.
  std::string host;
  std::uint16_t port = 0;
  /// Path and query, never empty: what stands in the request line.
  std::string target;

  /// `http[s]://host[:port][/path][?query]`. Nothing for anything else: user information and fragments too.
  static std::optional<HttpUrl> parse(std::string_view text);

  /// The Host field: with brackets and the port where they are needed.
  std::string authority() const;
  /// The host is this machine by its very name: 127.0.0.0/8, ::1 or localhost.
  bool is_loopback() const;
};

}  // namespace ts
