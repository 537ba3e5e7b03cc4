// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>

#include <turnstone/base/proxy_header.hpp>

namespace ts {
namespace {

using Parsed = Result<std::optional<ProxyHeader>, ProxyHeaderError>;

constexpr std::string_view kLineStart = "PROXY ";
constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kBinaryHeadBytes = 16;

Parsed need_more() noexcept { return std::optional<ProxyHeader>{}; }

bool begins_like(std::string_view text, std::string_view start) noexcept {
  const std::size_t common = std::min(text.size(), start.size());
  return text.substr(0, common) == start.substr(0, common);
}

/// §2.1: decimal, "heading zeroes are not permitted".
std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  std::uint16_t out = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc{} || at != end || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  return out;
}

/// The four fields after the protocol, with one space between them.
std::optional<ProxiedEndpoints> parse_fields(std::string_view text, IpFamily family) noexcept {
  std::array<std::string_view, 4> fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t space = text.find(' ');
    if ((space == std::string_view::npos) != (i + 1 == fields.size())) return std::nullopt;
    fields[i] = text.substr(0, space);
    text.remove_prefix(std::min(space, text.size() - 1) + 1);
  }
  const auto client = IpAddress::parse(fields[0]);
  const auto server = IpAddress::parse(fields[1]);
  const auto client_port = parse_port(fields[2]);
  const auto server_port = parse_port(fields[3]);
  if (!client || !server || !client_port || !server_port) return std::nullopt;
  if (client->family() != family || server->family() != family) return std::nullopt;
  return ProxiedEndpoints{{*client, *client_port}, {*server, *server_port}};
}

Parsed parse_line(std::string_view text) noexcept {
  const std::string_view window = text.substr(0, kMaxProxyLineBytes);
  const std::size_t end = window.find("\r\n");
  if (end == std::string_view::npos) {
    if (window.size() == kMaxProxyLineBytes) return ProxyHeaderError::TooLong;
    return need_more();
  }
  ProxyHeader out;
  out.bytes = end + 2;
  std::string_view rest = window.substr(kLineStart.size(), end - kLineStart.size());
  const std::size_t space = std::min(rest.find(' '), rest.size());
  const std::string_view protocol = rest.substr(0, space);
  // §2.1: what follows UNKNOWN is ignored.
  if (protocol == "UNKNOWN") return std::optional<ProxyHeader>(out);
  if ((protocol != "TCP4" && protocol != "TCP6") || space == rest.size()) return ProxyHeaderError::Malformed;
  out.endpoints = parse_fields(rest.substr(space + 1), protocol == "TCP4" ? IpFamily::V4 : IpFamily::V6);
  if (!out.endpoints) return ProxyHeaderError::Malformed;
  return std::optional<ProxyHeader>(out);
}

/// The addresses, then the ports, of a family (§2.2).
std::optional<ProxiedEndpoints> parse_addresses(ByteView block, std::size_t address_bytes) noexcept {
  ByteReader reader(block);
  ProxiedEndpoints out;
  out.client.address = IpAddress::from_bytes(reader.bytes(address_bytes));
  out.server.address = IpAddress::from_bytes(reader.bytes(address_bytes));
  out.client.port = reader.u16();
  out.server.port = reader.u16();
  return reader.ok() ? std::optional(out) : std::nullopt;
}

Parsed parse_binary(ByteView bytes) noexcept {
  constexpr std::uint8_t kVersion2Local = 0x20;
  constexpr std::uint8_t kVersion2Proxy = 0x21;
  constexpr std::uint8_t kUnspecified = 0x00;
  constexpr std::uint8_t kTcp4 = 0x11;
  constexpr std::uint8_t kTcp6 = 0x21;
  constexpr std::uint8_t kUnixStream = 0x31;
  constexpr std::size_t kUnixBytes = 216;
  if (bytes.size() < kBinaryHeadBytes) return need_more();
  const std::uint8_t command = bytes[12];
  const std::uint8_t family = bytes[13];
  if (command != kVersion2Local && command != kVersion2Proxy) return ProxyHeaderError::Malformed;
  ProxyHeader out;
  out.bytes = kBinaryHeadBytes + load_be16(bytes.data() + 14);
  if (out.bytes > kMaxProxyHeaderBytes) return ProxyHeaderError::TooLong;
  if (bytes.size() < out.bytes) return need_more();
  const ByteView block = bytes.subspan(kBinaryHeadBytes, out.bytes - kBinaryHeadBytes);
  if (command == kVersion2Local || family == kUnspecified) return std::optional<ProxyHeader>(out);
  switch (family) {
    case kTcp4: out.endpoints = parse_addresses(block, 4); break;
    case kTcp6: out.endpoints = parse_addresses(block, 16); break;
    case kUnixStream:
      if (block.size() < kUnixBytes) return ProxyHeaderError::Malformed;
      return std::optional<ProxyHeader>(out);
    default: break;  // datagrams do not come on a stream; the rest "must be rejected"
  }
  if (!out.endpoints) return ProxyHeaderError::Malformed;
  return std::optional<ProxyHeader>(out);
}

}  // namespace

Result<std::optional<ProxyHeader>, ProxyHeaderError> parse_proxy_header(ByteView bytes) noexcept {
  if (bytes.empty()) return need_more();
  const std::string_view text = as_text(bytes);
  if (begins_like(text, kSignature)) return parse_binary(bytes);
  if (begins_like(text, kLineStart)) {
    return text.size() < kLineStart.size() ? need_more() : parse_line(text);
  }
  return ProxyHeaderError::NotAHeader;
}

}  // namespace ts
