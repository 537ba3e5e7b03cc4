// SPDX-License-Identifier: Apache-2.0
// What an ephemeral credential allows, as a tail of its username: the password is a MAC over the username, so
// that nobody but who has the shared secret can change it, and unmodified browsers carry it.
//
//   <expiry>:<user>;ts1;room=R;member=M;peers=10.0.0.0/8+2001:db8::/32;bps=2000000;pps=500;allocations=2;ip=…;closed=1
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/base/address.hpp>

namespace ts::auth {

/// A policy only restricts. What is empty or 0 is not restricted.
struct Policy {
  /// What quotas count by, where that does not stand in the username (a token's `sub`); else empty.
  std::string account{};
  /// For revocation and the log.
  std::string room;
  std::string member;
  /// Where peers may be, within what the server allows.
  std::vector<IpNetwork> peers;
  /// Relayed payload of all of the credential's allocations, both directions together.
  std::uint64_t max_bits_per_second = 0;
  std::uint32_t max_packets_per_second = 0;
  /// Allocations at a time.
  std::uint32_t max_allocations = 0;
  /// Where the client may be.
  std::vector<IpNetwork> clients;
  /// Peers are only what the room-mates of `member` have announced (signaling.closed_relay).
  bool closed = false;

  bool empty() const noexcept { return *this == Policy{}; }
  /// True when a client at this address may use the credential.
  bool admits_client(const IpAddress& address) const noexcept;
  /// True when the address is in `peers`. It must be reduced to what it really leads to.
  bool admits_peer(const IpAddress& address) const noexcept;

  friend bool operator==(const Policy&, const Policy&) = default;
};

/// Begins the policy in a username.
inline constexpr std::string_view kPolicyMarker = ";ts1;";
/// RFC 8489 §14.3: a USERNAME is shorter than 509 bytes. One with a policy is never longer.
inline constexpr std::size_t kMaxPolicyUsernameBytes = 508;

/// A username in two: what stands before the first marker, and the policy's text behind it. Views into the
/// username.
struct SplitUsername {
  std::string_view name;
  std::optional<std::string_view> policy;
};
SplitUsername split_username(std::string_view username) noexcept;

/// Reads the text behind the marker: `key=value` pairs with `;` between them, at least one, every key known
/// and well-formed and there once. Anything else is nothing: a policy that is not understood allows nothing.
std::optional<Policy> parse_policy(std::string_view text);

/// Reads a policy that is a JSON object with the same keys: networks are a list of texts, or one text with
/// `+` between them, at most 64 a key; numbers are numbers. As strict as parse_policy().
std::optional<Policy> parse_policy_json(std::string_view text);

/// The marker and the text of a policy; empty for an empty one. In room and member every byte but letters,
/// digits and "-._~:@" is percent-encoded.
std::string format_policy(const Policy& policy);

/// The longest room and member, in bytes before encoding.
inline constexpr std::size_t kMaxPolicyNameBytes = 128;
/// The greatest bit rate: 1 Tb/s.
inline constexpr std::uint64_t kMaxPolicyBitsPerSecond = 1'000'000'000'000;

}  // namespace ts::auth
