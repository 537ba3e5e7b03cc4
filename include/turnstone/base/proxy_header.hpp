// SPDX-License-Identifier: Apache-2.0
// The header that a load balancer puts in front of a stream: PROXY protocol versions 1 (text) and 2 (binary),
// as HAProxy's proxy-protocol.txt defines them.
#pragma once

#include <optional>

#include <turnstone/base/address.hpp>
#include <turnstone/base/bytes.hpp>
#include <turnstone/base/result.hpp>

namespace ts {

/// The whole line of version 1 with its CR LF (§2.1).
inline constexpr std::size_t kMaxProxyLineBytes = 107;
/// A header of version 2 with its TLVs: more than any balancer sends, less than a nuisance.
inline constexpr std::size_t kMaxProxyHeaderBytes = 2048;

/// Both ends of the connection that the balancer took.
struct ProxiedEndpoints {
  Endpoint client;
  Endpoint server;

  friend bool operator==(const ProxiedEndpoints&, const ProxiedEndpoints&) noexcept = default;
};

struct ProxyHeader {
  /// What it takes of the stream, with TLVs.
  std::size_t bytes = 0;
  /// Nothing: the balancer's own connection (LOCAL), or of a kind it does not tell (UNKNOWN, UNSPEC, Unix):
  /// the socket's addresses hold.
  std::optional<ProxiedEndpoints> endpoints;
};

enum class ProxyHeaderError : std::uint8_t { NotAHeader, TooLong, Malformed };

/// The header at the front of `bytes`; nothing when more bytes are needed, and then all of `bytes` are the
/// header's. What follows the header is not looked at.
Result<std::optional<ProxyHeader>, ProxyHeaderError> parse_proxy_header(ByteView bytes) noexcept;

}  // namespace ts
