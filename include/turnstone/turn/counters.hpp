// SPDX-License-Identifier: Apache-2.0
// What one turn::Server counts: plain integers of one thread, copied by value at a scrape. A leaf.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ts::turn {

/// How a client reaches us. Indexes the per-transport counters.
enum class Transport : std::uint8_t { Udp, Tcp, Tls, Dtls };
inline constexpr std::size_t kTransportCount = 4;

/// Rows of the request counters: what a client asked for.
enum class RequestKind : std::uint8_t {
  Binding,
  Allocate,
  Refresh,
  CreatePermission,
  ChannelBind,
  Send,
  Connect,
  ConnectionBind,
  Other
};
inline constexpr std::size_t kRequestKindCount = 9;

/// Columns of the request counters: how it was answered. Success, then every error code we send.
enum class Outcome : std::uint8_t {
  Success,
  E300,
  E400,
  E401,
  E403,
  E405,
  E420,
  E437,
  E438,
  E440,
  E441,
  E442,
  E443,
  E446,
  E447,
  E486,
  E487,
  E500,
  E508
};
inline constexpr std::size_t kOutcomeCount = 19;

/// Why a request failed to authenticate.
enum class AuthFailure : std::uint8_t {
  NoCredentials,
  MissingAttribute,
  UnknownUser,
  WrongPassword,
  Expired,
  StaleNonce,
  WrongRealm,
  WrongUser,
  BadAlgorithm,  ///< a password algorithm that was not offered, or an offer that was tampered with
  WrongAddress,  ///< the credential is bound to another address
  Revoked,
  SourceBusy,  ///< a source outside of this process has not answered yet
  BadPolicy,   ///< the policy in the username cannot be read
};
inline constexpr std::size_t kAuthFailureCount = 13;

/// Why a peer was refused.
enum class Denial : std::uint8_t {
  SpecialPurpose,
  Private,
  Loopback,
  LinkLocal,
  Multicast,
  OwnAddress,
  OwnEndpoint,
  DeniedByRule,
  NoPermission,
  QuotaUser,
  QuotaTotal,
  QuotaPermissions,
  QuotaChannels,
  NoPort,
  DeniedByCredential,  ///< the credential's own networks
  QuotaCredential,
  NewPeerRate,
  MobilityOff,
  WrongTicket,
  QuotaConnections,  ///< RFC 6062: peer data connections of an allocation
  Draining,          ///< the server is about to stop
  ClosedRelay,       ///< no room-mate has announced the peer
};
inline constexpr std::size_t kDenialCount = 22;

/// Why a datagram or message was dropped without an answer.
enum class Drop : std::uint8_t {
  NotStun,
  BadMessage,
  BadFingerprint,
  UnknownMethod,
  UnexpectedClass,
  NoAllocation,
  NoChannel,
  NoPermission,
  PeerDenied,
  UnknownComprehension,
  TooLarge,
  SendFailed,
  QueueFull,
  SourceRate,  ///< too many unauthenticated requests of one source
  BitRate,
  PacketRate,
};
inline constexpr std::size_t kDropCount = 16;

/// Why an allocation ended.
enum class EndReason : std::uint8_t {
  Refreshed,
  Expired,
  ClientClosed,
  RelayFailed,
  Shutdown,
  Revoked,
  Admin,  ///< an operator has ended this one
};
inline constexpr std::size_t kEndReasonCount = 7;

/// Why something was granted no longer. Each has a list of its own, so that what clients can cause, by
/// coming, going and removing each other, never makes the server forget an operator's order, nor those who
/// come and go the removals.
enum class RevocationCause : std::uint8_t {
  Order,      ///< an operator's
  Removal,    ///< somebody was kicked or banned
  Departure,  ///< a membership ended by itself
};
inline constexpr std::size_t kRevocationCauseCount = 3;

/// How a question to the external source of credentials ended.
enum class HookResult : std::uint8_t { Found, NoSuchUser, BadAnswer, TimedOut, Unreachable };
inline constexpr std::size_t kHookResultCount = 5;

/// Packets and payload bytes.
struct Traffic {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  void add(std::size_t size) noexcept { ++packets, bytes += size; }
  Traffic& operator+=(const Traffic& o) noexcept {
    packets += o.packets, bytes += o.bytes;
    return *this;
  }
};

template <class Enum>
constexpr std::size_t index(Enum e) noexcept {
  return static_cast<std::size_t>(e);
}

struct Counters {
  std::array<std::array<std::uint64_t, kOutcomeCount>, kRequestKindCount> requests{};
  std::array<std::uint64_t, kAuthFailureCount> auth_failures{};
  std::array<std::uint64_t, kDenialCount> denials{};
  std::array<std::uint64_t, kDropCount> drops{};
  std::array<std::uint64_t, kEndReasonCount> allocations_ended{};
  std::uint64_t allocations_created = 0;
  /// Relayed payload, by the client's transport: from client to peer, and back.
  std::array<Traffic, kTransportCount> to_peer{};
  std::array<Traffic, kTransportCount> to_client{};
  std::array<std::uint64_t, kHookResultCount> hook_results{};
  /// From question to answer, of all questions together.
  std::uint64_t hook_nanoseconds = 0;
  /// Requests that an earlier answer decided.
  std::uint64_t hook_cache_hits = 0;
  /// Revocations that had to make room for others. Every shard has the same ones: the sum over shards is the
  /// most of them.
  std::array<std::uint64_t, kRevocationCauseCount> revocations_forgotten{};

  // Gauges.
  /// Those that still count; as revocations_forgotten.
  std::array<std::uint64_t, kRevocationCauseCount> revocations{};
  std::uint64_t hook_cache_entries = 0;
  /// Requests that wait for an answer.
  std::uint64_t hook_waiting = 0;
  std::array<std::uint64_t, kTransportCount> allocations{};
  std::uint64_t permissions = 0;
  std::uint64_t channels = 0;
  std::uint64_t ports_used = 0;
  std::uint64_t ports_free = 0;

  /// Adds another shard's counters.
  Counters& operator+=(const Counters& other) noexcept;
};

namespace detail {
inline void add_all(std::uint64_t& a, const std::uint64_t& b) noexcept { a += b; }
inline void add_all(Traffic& a, const Traffic& b) noexcept { a += b; }
inline void keep_greater(std::uint64_t& a, std::uint64_t b) noexcept {
  if (a < b) a = b;
}
template <class T, std::size_t N>
void add_all(std::array<T, N>& a, const std::array<T, N>& b) noexcept {
  for (std::size_t i = 0; i < N; ++i) add_all(a[i], b[i]);
}
}  // namespace detail

inline Counters& Counters::operator+=(const Counters& o) noexcept {
  detail::add_all(requests, o.requests);
  detail::add_all(auth_failures, o.auth_failures);
  detail::add_all(denials, o.denials);
  detail::add_all(drops, o.drops);
  detail::add_all(allocations_ended, o.allocations_ended);
  detail::add_all(allocations_created, o.allocations_created);
  detail::add_all(to_peer, o.to_peer);
  detail::add_all(to_client, o.to_client);
  detail::add_all(hook_results, o.hook_results);
  detail::add_all(hook_nanoseconds, o.hook_nanoseconds);
  detail::add_all(hook_cache_hits, o.hook_cache_hits);
  for (std::size_t i = 0; i < kRevocationCauseCount; ++i) {
    detail::keep_greater(revocations_forgotten[i], o.revocations_forgotten[i]);
    detail::keep_greater(revocations[i], o.revocations[i]);
  }
  detail::add_all(hook_cache_entries, o.hook_cache_entries);
  detail::add_all(hook_waiting, o.hook_waiting);
  detail::add_all(allocations, o.allocations);
  detail::add_all(permissions, o.permissions);
  detail::add_all(channels, o.channels);
  detail::add_all(ports_used, o.ports_used);
  detail::add_all(ports_free, o.ports_free);
  return *this;
}

}  // namespace ts::turn
