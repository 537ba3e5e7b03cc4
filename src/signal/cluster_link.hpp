// SPDX-License-Identifier: Apache-2.0
// What a Cluster keeps of another node: a stream of operations to it, and one from it with the members that
// it told of.
#pragma once

#include <turnstone/signal/cluster.hpp>

#include "cluster_wire.hpp"

namespace ts::signal {

struct Cluster::Link {
  std::string node;
  std::string mark;
  /// Where its HTTP port is, as it says; may be empty.
  std::string url{};
  /// The Router's members point here.
  RemoteNode state;
  TimePoint heard_at{};
  /// Of the newest frame that came.
  std::uint64_t serial = 0;
  /// It has spoken to this very process: its beacons are no old ones that somebody has kept.
  bool proven = false;

  // Ours to it. Stream 0: it was broken off, and begins when the node is heard, at `retry_at`.
  std::uint64_t stream = 0;
  /// Streams in a row of which nothing was confirmed.
  unsigned failures = 0;
  TimePoint retry_at{};
  TimePoint begun_at{};
  /// Operations up to this number have arrived; `waiting` begins with the next.
  std::uint64_t confirmed = 0;
  std::deque<Sent> waiting;
  std::size_t waiting_bytes = 0;
  /// What the stream began with may be as much as there is.
  bool is_beginning = false;
  std::size_t beginning_bytes = 0;
  /// Answers that the next stream takes.
  std::vector<std::shared_ptr<const std::string>> answers;
  /// So many of those that wait are under way, since `round_at` from the first of them on.
  std::size_t sent = 0;
  std::size_t sent_bytes = 0;
  TimePoint round_at{};
  /// What was confirmed when it last asked for what it has missed.
  std::optional<std::uint64_t> asked_at;
  /// When the last one was confirmed, or the first one pushed.
  TimePoint progress{};

  // Its to us. Stream 0: none has begun.
  std::uint64_t in_stream = 0;
  std::uint64_t in_done = 0;
  /// It cannot be read on.
  bool in_broken = false;
  bool owes_ack = false;
  std::size_t unconfirmed_bytes = 0;
  /// Something is missing after in_done, as was said then.
  bool in_gap = false;
  TimePoint gap_told{};
  bool in_snapshot = false;
  /// The stream that came without its beginning; 0: none.
  std::uint64_t headless = 0;
  boost::unordered_flat_map<std::uint64_t, Member> members;
  /// Those that it gave, should it end before all have heard them.
  std::array<std::deque<Order>, kOrderKinds> orders;

  void send_again() noexcept { sent = sent_bytes = 0; }
  bool takes(std::size_t bytes) const noexcept {
    return stream != 0 && (is_beginning || waiting_bytes + bytes <= kMaxLinkBytes + beginning_bytes);
  }
};

}  // namespace ts::signal
