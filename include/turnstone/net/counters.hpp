// SPDX-License-Identifier: Apache-2.0
// What the sockets count, per shard: plain integers of one thread, copied by value at a scrape. A leaf.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ts::net {

/// What a stream turned out to speak; PeerTcp: a connection to a peer (RFC 6062); TurnDtls: an association.
enum class StreamKind : std::uint8_t { TurnTcp, TurnTls, Http, Https, PeerTcp, TurnDtls };
inline constexpr std::size_t kStreamKindCount = 6;

/// Why a stream was closed by us before it was of use.
enum class StreamRefusal : std::uint8_t {
  Limit,
  HandshakeTimeout,
  TlsFailed,
  UnknownProtocol,
  AcceptFailed,
  AddressLimit,
  BadProxyHeader
};
inline constexpr std::size_t kStreamRefusalCount = 7;

/// Which UDP sockets.
enum class UdpSocketKind : std::uint8_t { Listener, Relay };
inline constexpr std::size_t kUdpSocketKindCount = 2;

/// How long things took, in classes.
struct DelayHistogram {
  /// The longest of each class but the last one, which has no end.
  static constexpr std::array<std::chrono::microseconds, 10> kBounds{
      std::chrono::microseconds(50),    std::chrono::microseconds(100),  std::chrono::microseconds(150),
      std::chrono::microseconds(200),   std::chrono::microseconds(500),  std::chrono::microseconds(1000),
      std::chrono::microseconds(2000),  std::chrono::microseconds(5000), std::chrono::microseconds(10'000),
      std::chrono::microseconds(20'000)};
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  std::uint64_t nanoseconds = 0;

  void add(std::chrono::nanoseconds each, std::uint64_t count) noexcept {
    std::size_t at = 0;
    while (at < kBounds.size() && each > kBounds[at]) ++at;
    counts[at] += count;
    nanoseconds += static_cast<std::uint64_t>(each.count()) * count;
  }
  DelayHistogram& operator+=(const DelayHistogram& o) noexcept {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += o.counts[i];
    nanoseconds += o.nanoseconds;
    return *this;
  }
};

struct Counters {
  std::array<std::uint64_t, kStreamKindCount> streams_accepted{};
  /// Gauge.
  std::array<std::uint64_t, kStreamKindCount> streams_open{};
  std::array<std::uint64_t, kStreamRefusalCount> streams_refused{};
  /// Datagrams that the kernel did not take from us.
  std::uint64_t udp_send_errors = 0;
  /// Datagrams that it dropped because a socket's receive buffer was full; a train counts once.
  std::array<std::uint64_t, kUdpSocketKindCount> udp_receive_drops{};
  std::uint64_t udp_receive_batches = 0;
  std::uint64_t udp_received_packets = 0;
  std::uint64_t udp_sent_packets = 0;
  /// Of these, those that left in trains (UDP_SEGMENT).
  std::uint64_t udp_sent_in_trains = 0;
  /// Sleeps that let datagrams gather; and how long the one was in which each datagram that came of them
  /// waited, the most that it can have been delayed.
  std::uint64_t naps = 0;
  DelayHistogram nap_delays;
  /// Rests between two reads of a TCP allocation's data that a rate asks for, and how long they are together.
  std::uint64_t data_pauses = 0;
  std::uint64_t data_pause_nanoseconds = 0;

  Counters& operator+=(const Counters& o) noexcept {
    for (std::size_t i = 0; i < kStreamKindCount; ++i) {
      streams_accepted[i] += o.streams_accepted[i];
      streams_open[i] += o.streams_open[i];
    }
    for (std::size_t i = 0; i < kStreamRefusalCount; ++i) streams_refused[i] += o.streams_refused[i];
    for (std::size_t i = 0; i < kUdpSocketKindCount; ++i) udp_receive_drops[i] += o.udp_receive_drops[i];
    udp_send_errors += o.udp_send_errors;
    udp_receive_batches += o.udp_receive_batches;
    udp_received_packets += o.udp_received_packets;
    udp_sent_packets += o.udp_sent_packets;
    udp_sent_in_trains += o.udp_sent_in_trains;
    naps += o.naps;
    nap_delays += o.nap_delays;
    data_pauses += o.data_pauses;
    data_pause_nanoseconds += o.data_pause_nanoseconds;
    return *this;
  }
};

/// What applications are told of; in the order of config::kWebhookEvents.
enum class WebhookEvent : std::uint8_t { MemberJoined, MemberLeft, RoomOpened, RoomEmpty, AllocationEnded };
inline constexpr std::size_t kWebhookEventCount = 5;

/// Label of a metric, and `type` of the event.
constexpr std::string_view label(WebhookEvent event) noexcept {
  constexpr std::array<std::string_view, kWebhookEventCount> names{
      "member.joined", "member.left", "room.opened", "room.empty", "allocation.ended"};
  return names[static_cast<std::size_t>(event)];
}

/// Why an event is not told any more. Full: newer ones needed its place; Late: it was tried for too long;
/// Gone: the URL answered 410; Churn: more allocations ended at once than are taken note of; Stopped: the
/// server ended, or the URL was taken out of the configuration.
enum class WebhookDrop : std::uint8_t { Full, Late, Gone, Churn, Stopped };
inline constexpr std::size_t kWebhookDropCount = 5;

/// Label of a metric.
constexpr std::string_view label(WebhookDrop why) noexcept {
  constexpr std::array<std::string_view, kWebhookDropCount> names{"full", "late", "gone", "churn", "stopped"};
  return names[static_cast<std::size_t>(why)];
}

struct WebhookCounters {
  /// That happened while somebody wanted to know.
  std::array<std::uint64_t, kWebhookEventCount> events{};
  /// Posts that were taken, and that were not.
  std::uint64_t delivered = 0;
  std::uint64_t failed = 0;
  /// Events, once for each URL.
  std::array<std::uint64_t, kWebhookDropCount> dropped{};
  /// Gauge: events that wait, once for each URL.
  std::uint64_t waiting = 0;
};

/// What came of requests that belong to sessions of other nodes; the last one is of requests that other nodes
/// have passed on to this one.
enum class Forwarded : std::uint8_t {
  Answered,
  /// A WebSocket, whose bytes are passed on.
  Upgraded,
  /// The other node could not be reached, or broke off.
  Unreachable,
  TimedOut,
  /// The client has gone before the answer.
  Gone,
  /// Too many were under way.
  Busy,
  /// One that came without a good pass.
  Refused
};
inline constexpr std::size_t kForwardedCount = 7;

/// Label of a metric.
constexpr std::string_view label(Forwarded result) noexcept {
  constexpr std::array<std::string_view, kForwardedCount> names{
      "answered", "upgraded", "unreachable", "timed_out", "gone", "busy", "refused"};
  return names[static_cast<std::size_t>(result)];
}

/// Of one net::Forwarder.
struct ForwardCounters {
  std::array<std::uint64_t, kForwardedCount> requests{};
  /// Gauges: what is under way, and the WebSockets of that.
  std::uint64_t under_way = 0;
  std::uint64_t websockets = 0;
};

}  // namespace ts::net
