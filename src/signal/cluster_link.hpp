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

  // Ours to it. Stream 0: it was broken off, and begins when the node is heard.
  std::uint64_t stream = 0;
  /// Operations up to this number have arrived; `waiting` begins with the next.
  std::uint64_t confirmed = 0;
  std::deque<Sent> waiting;
  std::size_t waiting_bytes = 0;
  /// So many of those that wait are under way.
  std::size_t sent = 0;
  std::size_t sent_bytes = 0;
  TimePoint sent_at{};
  /// When the last one was confirmed, or the first one sent.
  TimePoint progress{};

  // Its to us. Stream 0: none has begun.
  std::uint64_t in_stream = 0;
  std::uint64_t in_done = 0;
  bool owes_ack = false;
  bool in_snapshot = false;
  /// The stream that came without its beginning; 0: none.
  std::uint64_t headless = 0;
  boost::unordered_flat_map<std::uint64_t, Member> members;

  void send_again() noexcept { sent = sent_bytes = 0; }
};

}  // namespace ts::signal
