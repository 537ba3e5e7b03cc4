// SPDX-License-Identifier: Apache-2.0
// What one signal::Router counts, and the stable names of its enumerators: plain integers of one thread,
// copied by value at a scrape. A leaf.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ts::signal {

/// What a client sent. Unknown: a type that we do not know; Invalid: not a message at all.
enum class MessageType : std::uint8_t {
  Hello,
  Join,
  Leave,
  Send,
  Update,
  Ice,
  List,
  Ping,
  Bye,
  Ack,
  Room,
  Kick,
  Ban,
  Unknown,
  Invalid
};
inline constexpr std::size_t kMessageTypeCount = 15;

/// How a message was answered. None is success; the rest are the protocol's stable error codes.
enum class ErrorCode : std::uint8_t {
  None,
  BadJson,
  BadRequest,
  UnknownType,
  UnsupportedVersion,
  Unauthorized,
  TokenExpired,
  Forbidden,
  NotJoined,
  RoomFull,
  RoomLocked,
  PeerTaken,
  UnknownTarget,
  TooLarge,
  RateLimited,
  QueueFull,
  SlowConsumer,
  ServerDraining,
  Unavailable,
  Internal
};
inline constexpr std::size_t kErrorCodeCount = 20;

/// What a relayed message is for.
enum class Kind : std::uint8_t { Offer, Answer, Candidate, End, Custom };
inline constexpr std::size_t kKindCount = 5;

/// Why a connection ended. Bye to Lost come from the client or the network, the rest from us.
enum class CloseReason : std::uint8_t {
  Bye,
  GoingAway,
  Lost,
  TooLarge,
  Unauthorized,
  BadHello,
  PeerTaken,
  HelloTimeout,
  Silent,
  Limit,
  RateLimited,
  SlowConsumer,
  Kicked,
  Drain,
  Superseded
};
inline constexpr std::size_t kCloseReasonCount = 15;

/// What became of a resume that was asked for. Unknown: no such session (any more), or the wrong key; Gap:
/// more was missed than is kept; Denied: the token that replaces the session's is for another peer id.
enum class ResumeOutcome : std::uint8_t { Resumed, Unknown, Gap, Denied };
inline constexpr std::size_t kResumeOutcomeCount = 4;

/// Label of a metric, and `t` of the native protocol.
constexpr std::string_view label(MessageType type) noexcept {
  constexpr std::array<std::string_view, kMessageTypeCount> names{
      "hello", "join", "leave", "send", "update", "ice",     "list",   "ping",
      "bye",   "ack",  "room",  "kick", "ban",    "unknown", "invalid"};
  return names[static_cast<std::size_t>(type)];
}

/// Label of a metric ("ok" for None), and `code` of the native protocol.
constexpr std::string_view label(ErrorCode code) noexcept {
  constexpr std::array<std::string_view, kErrorCodeCount> names{
      "ok",           "bad_json",      "bad_request",     "unknown_type", "unsupported_version",
      "unauthorized", "token_expired", "forbidden",       "not_joined",   "room_full",
      "room_locked",  "peer_taken",    "unknown_target",  "too_large",    "rate_limited",
      "queue_full",   "slow_consumer", "server_draining", "unavailable",  "internal"};
  return names[static_cast<std::size_t>(code)];
}

/// Label of a metric, and `kind` of the native protocol.
constexpr std::string_view label(Kind kind) noexcept {
  constexpr std::array<std::string_view, kKindCount> names{"offer", "answer", "candidate", "end", "custom"};
  return names[static_cast<std::size_t>(kind)];
}

/// Label of a metric.
constexpr std::string_view label(CloseReason reason) noexcept {
  constexpr std::array<std::string_view, kCloseReasonCount> names{
      "bye",          "going_away",    "lost",          "too_large", "unauthorized",
      "bad_hello",    "peer_taken",    "hello_timeout", "silent",    "limit",
      "rate_limited", "slow_consumer", "kicked",        "drain",     "superseded"};
  return names[static_cast<std::size_t>(reason)];
}

/// Label of a metric, and `reason` of a welcome.
constexpr std::string_view label(ResumeOutcome outcome) noexcept {
  constexpr std::array<std::string_view, kResumeOutcomeCount> names{"resumed", "unknown", "gap", "denied"};
  return names[static_cast<std::size_t>(outcome)];
}

/// Whose rate was exceeded, and of what.
enum class RateScope : std::uint8_t { Connection, Address };
inline constexpr std::size_t kRateScopeCount = 2;
enum class RateUnit : std::uint8_t { Messages, Bytes, Joins };
inline constexpr std::size_t kRateUnitCount = 3;

/// Label of a metric.
constexpr std::string_view label(RateScope scope) noexcept {
  return scope == RateScope::Connection ? "connection" : "address";
}

/// Label of a metric.
constexpr std::string_view label(RateUnit unit) noexcept {
  constexpr std::array<std::string_view, kRateUnitCount> names{"messages", "bytes", "joins"};
  return names[static_cast<std::size_t>(unit)];
}

/// Why what one node had to say to another did not get there. Link: the other one did not confirm in time, or
/// too much waited for it; Node: it ended; Left: the member was gone when it came.
enum class ClusterLoss : std::uint8_t { Link, Node, Left };
inline constexpr std::size_t kClusterLossCount = 3;

/// Label of a metric.
constexpr std::string_view label(ClusterLoss loss) noexcept {
  constexpr std::array<std::string_view, kClusterLossCount> names{"link", "node", "left"};
  return names[static_cast<std::size_t>(loss)];
}

/// What became of a question to the application about a hello. BadAnswer: not understood; Busy: too many
/// waited to ask; Withdrawn: the client went away.
enum class HookResult : std::uint8_t { Allowed, Refused, BadAnswer, TimedOut, Unreachable, Busy, Withdrawn };
inline constexpr std::size_t kHookResultCount = 7;

/// Label of a metric.
constexpr std::string_view label(HookResult result) noexcept {
  constexpr std::array<std::string_view, kHookResultCount> names{
      "allowed", "refused", "bad_answer", "timed_out", "unreachable", "busy", "withdrawn"};
  return names[static_cast<std::size_t>(result)];
}

/// Of one signal::Doorman.
struct HookCounters {
  std::array<std::uint64_t, kHookResultCount> results{};
  /// Gauge: hellos that wait for an answer.
  std::uint64_t waiting = 0;
};

/// Why a frame on the bus was not taken. Version: of a node that speaks another one; Signature: of nobody
/// with the cluster's secret, or for another channel; Replay: one that had been there before.
enum class ClusterRefusal : std::uint8_t { Version, Signature, Replay };
inline constexpr std::size_t kClusterRefusalCount = 3;

/// Label of a metric.
constexpr std::string_view label(ClusterRefusal refusal) noexcept {
  constexpr std::array<std::string_view, kClusterRefusalCount> names{"version", "signature", "replay"};
  return names[static_cast<std::size_t>(refusal)];
}

/// Of one signal::Cluster, and of what carries its frames.
struct ClusterCounters {
  /// Gauges: whether frames get through, other nodes, those of them that are out of reach, their members, and
  /// bytes that wait for a confirmation.
  bool up = false;
  std::uint64_t nodes = 0;
  std::uint64_t nodes_out_of_reach = 0;
  std::uint64_t remote_members = 0;
  std::uint64_t waiting_bytes = 0;

  std::uint64_t frames_sent = 0;
  std::uint64_t frames_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  /// Frames of others that were none.
  std::uint64_t frames_malformed = 0;
  std::array<std::uint64_t, kClusterRefusalCount> frames_refused{};
  std::uint64_t frames_repeated = 0;
  /// Streams to other nodes that were begun anew.
  std::uint64_t resyncs = 0;
  /// Other nodes that were given up since nothing came of them.
  std::uint64_t nodes_lost = 0;
  /// Peer ids that two nodes had given away at once.
  std::uint64_t conflicts = 0;
  /// Messages whose senders were told that they may not have arrived.
  std::array<std::uint64_t, kClusterLossCount> undelivered{};
  /// Of the connection to Redis.
  std::uint64_t connects = 0;
  std::uint64_t connect_failures = 0;
};

/// Messages and their bytes, as text on the wire without framing.
struct Traffic {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  void add(std::size_t size) noexcept { ++messages, bytes += size; }
  Traffic& operator+=(const Traffic& o) noexcept {
    messages += o.messages, bytes += o.bytes;
    return *this;
  }
};

template <class Enum>
constexpr std::size_t index(Enum e) noexcept {
  return static_cast<std::size_t>(e);
}

struct Counters {
  // Gauges.
  std::uint64_t connections = 0;
  /// Connections whose hello was accepted.
  std::uint64_t members = 0;
  std::uint64_t rooms = 0;
  /// Sum of the rooms' sizes.
  std::uint64_t memberships = 0;
  /// Sends that wait for their target.
  std::uint64_t queued = 0;
  /// Members without a connection, who may resume.
  std::uint64_t lost = 0;
  /// Bytes of messages that were not acknowledged, kept for a resume.
  std::uint64_t replay_bytes = 0;

  std::uint64_t connections_opened = 0;
  /// Received messages, by type and by how they were answered.
  std::array<std::array<std::uint64_t, kErrorCodeCount>, kMessageTypeCount> messages{};
  /// Messages handed to room-mates, one for each receiver.
  std::array<std::uint64_t, kKindCount> relayed{};
  /// Queued sends that ran out.
  std::uint64_t expired = 0;
  std::array<std::uint64_t, kResumeOutcomeCount> resumes{};
  /// Lost members who did not come back.
  std::uint64_t sessions_expired = 0;
  Traffic received;
  Traffic sent;
  std::array<std::uint64_t, kCloseReasonCount> closed{};
  /// Messages and joins refused for a rate, whatever the dialect.
  std::array<std::array<std::uint64_t, kRateUnitCount>, kRateScopeCount> over_rate{};

  /// Adds another router's counters.
  Counters& operator+=(const Counters& o) noexcept {
    connections += o.connections, members += o.members, rooms += o.rooms, memberships += o.memberships;
    queued += o.queued, connections_opened += o.connections_opened, expired += o.expired;
    lost += o.lost, replay_bytes += o.replay_bytes, sessions_expired += o.sessions_expired;
    for (std::size_t i = 0; i < kResumeOutcomeCount; ++i) resumes[i] += o.resumes[i];
    for (std::size_t t = 0; t < kMessageTypeCount; ++t) {
      for (std::size_t c = 0; c < kErrorCodeCount; ++c) messages[t][c] += o.messages[t][c];
    }
    for (std::size_t i = 0; i < kKindCount; ++i) relayed[i] += o.relayed[i];
    for (std::size_t i = 0; i < kCloseReasonCount; ++i) closed[i] += o.closed[i];
    for (std::size_t s = 0; s < kRateScopeCount; ++s) {
      for (std::size_t u = 0; u < kRateUnitCount; ++u) over_rate[s][u] += o.over_rate[s][u];
    }
    received += o.received, sent += o.sent;
    return *this;
  }
};

}  // namespace ts::signal
