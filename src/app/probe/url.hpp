// SPDX-License-Identifier: Apache-2.0
// URLs of a probe as values: stun:, stuns: (RFC 7064), turn:, turns: (RFC 7065), ws:, wss:, http:, https:.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <turnstone/base/result.hpp>

namespace ts::app::probe {

enum class Service : std::uint8_t { Stun, Turn, WebSocket, Http };
enum class Carrier : std::uint8_t { Udp, Tcp, Tls, Dtls };

/// "UDP", "TCP", "TLS", "DTLS".
std::string_view name(Carrier carrier) noexcept;

constexpr bool is_stream(Carrier carrier) noexcept {
  return carrier == Carrier::Tcp || carrier == Carrier::Tls;
}
constexpr bool is_secure(Carrier carrier) noexcept {
  return carrier == Carrier::Tls || carrier == Carrier::Dtls;
}

/// A server to probe.
struct Url {
  Service service = Service::Stun;
  Carrier carrier = Carrier::Udp;
  /// A host name or an address, without brackets.
  std::string host;
  std::uint16_t port = 0;
  /// WebSocket and HTTP: path and query; empty when the URL had none.
  std::string target;

  /// "host:port", an IPv6 address in brackets.
  std::string authority() const;
  friend bool operator==(const Url&, const Url&) = default;
};

/// What is wrong with a text that should be a URL, in words.
struct UrlError {
  std::string text;
};

/// Accepts `stun:host?transport=tcp` beyond RFC 7064, as clients do.
Result<Url, UrlError> parse_url(std::string_view text);

/// The URL for printing: without query values, which may be secrets, and without what stands before an @.
std::string redacted(std::string_view text);

}  // namespace ts::app::probe
