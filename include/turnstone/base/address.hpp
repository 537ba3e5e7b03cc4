// SPDX-License-Identifier: Apache-2.0
// IP addresses, transport endpoints and CIDR networks as plain values; parsing and printing (RFC 4291, RFC
// 5952).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <turnstone/base/bytes.hpp>

namespace ts {

enum class IpFamily : std::uint8_t { V4 = 4, V6 = 6 };

/// An IPv4 or IPv6 address; 17 bytes, trivially copyable. Default: 0.0.0.0.
class IpAddress {
 public:
  constexpr IpAddress() noexcept = default;
  static constexpr IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept {
    IpAddress out;
    out.bytes_[0] = a, out.bytes_[1] = b, out.bytes_[2] = c, out.bytes_[3] = d;
    return out;
  }
  /// From exactly 4 or 16 network-order bytes; other sizes yield 0.0.0.0.
  static IpAddress from_bytes(ByteView bytes) noexcept;
  /// The family's unspecified address: 0.0.0.0 or ::.
  static constexpr IpAddress any(IpFamily family) noexcept {
    IpAddress out;
    out.family_ = family;
    return out;
  }
  /// Dotted quad or RFC 4291 text, without zone and without brackets.
  static std::optional<IpAddress> parse(std::string_view text) noexcept;

  constexpr IpFamily family() const noexcept { return family_; }
  constexpr bool is_v4() const noexcept { return family_ == IpFamily::V4; }
  constexpr bool is_v6() const noexcept { return family_ == IpFamily::V6; }
  /// 4 or 16 bytes in network order, valid as long as this object.
  ByteView bytes() const noexcept { return {bytes_.data(), is_v4() ? 4U : 16U}; }
  bool is_unspecified() const noexcept { return *this == any(family_); }

  /// 127.0.0.0/8 or ::1. What an IPv4-mapped address leads to is seen after unmapped().
  bool is_loopback() const noexcept;

  /// The IPv4 address inside an IPv4-mapped IPv6 one (::ffff:0:0/96), else the address itself.
  IpAddress unmapped() const noexcept;
  /// RFC 5952 text.
  std::string to_string() const;

  /// A well-mixed 64-bit hash for tables in memory.
  std::uint64_t hash(std::uint64_t seed = 0) const noexcept;

  friend constexpr bool operator==(const IpAddress&, const IpAddress&) noexcept = default;
  friend constexpr std::strong_ordering operator<=>(const IpAddress&, const IpAddress&) noexcept = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};  // IPv4 in the first four, the rest zero
  IpFamily family_ = IpFamily::V4;
};

/// An address with a port (host order); 20 bytes.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// "192.0.2.1:3478" or "[2001:db8::1]:3478"; the port is required.
  static std::optional<Endpoint> parse(std::string_view text) noexcept;
  std::string to_string() const;
  std::uint64_t hash(std::uint64_t seed = 0) const noexcept { return address.hash(seed ^ port); }

  friend constexpr bool operator==(const Endpoint&, const Endpoint&) noexcept = default;
  friend constexpr std::strong_ordering operator<=>(const Endpoint&, const Endpoint&) noexcept = default;
};

/// A CIDR network.
struct IpNetwork {
  IpAddress address;
  std::uint8_t prefix_bits = 0;

  /// "10.0.0.0/8", or an address alone (then the prefix is the whole address). Host bits must be zero.
  static std::optional<IpNetwork> parse(std::string_view text) noexcept;
  bool contains(const IpAddress& candidate) const noexcept;
  std::string to_string() const;

  friend constexpr bool operator==(const IpNetwork&, const IpNetwork&) noexcept = default;
};

}  // namespace ts
