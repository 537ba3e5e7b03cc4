// SPDX-License-Identifier: Apache-2.0
// One thread drives clients and peer, spinning: a server that answers never pays for waking somebody up.
#pragma once

#include <memory>
#include <vector>

#include "batch.hpp"
#include "client.hpp"
#include "cycles.hpp"
#include "payload.hpp"
#include "window.hpp"

namespace ts::load {

class Relay {
 public:
  explicit Relay(const Options& options);
  int run();

 private:
  // relay.cpp: the work from its beginning to its end
  void set_up();
  void connect_bare(Allocation& a);
  void watch(std::size_t index);
  void loop();
  void keep_pace(std::uint64_t now_ns);
  void fill_window(std::uint64_t now_ns);
  void drain();
  void report() const;

  // relay_send.cpp
  /// Sends up to `count` packets over the next allocations; how many went.
  std::size_t send_some(std::size_t count, std::uint64_t due_ns);
  std::size_t send_to_peer(std::size_t index, std::size_t count, std::uint64_t due_ns);
  std::size_t send_over_stream(std::size_t index, std::size_t count, std::uint64_t due_ns);
  std::size_t send_to_clients(std::size_t count, std::uint64_t due_ns);
  void prepare(std::size_t at, std::size_t head_bytes, std::uint64_t sequence);
  std::size_t send_prepared(const Fd& socket, std::size_t count, std::size_t datagram_bytes);

  // relay_receive.cpp
  /// Reads everything that has arrived; how many right packets have come to their end.
  std::size_t receive_all();
  void receive_at_peer();
  void receive_at_client(std::size_t index);
  void peer_got(ByteView payload, const SocketAddress& from);
  void client_got(std::size_t index, ByteView message);
  void arrived(ByteView payload, std::size_t index, Order& order);

  const Options& o_;
  std::vector<Allocation> clients_;
  std::vector<SocketAddress> relayed_;
  Fd peer_;
  Fd epoll_;
  Batch in_, out_;
  std::unique_ptr<Cycles> churn_;
  std::size_t next_client_ = 0;
  /// Packets of its burst that it has had.
  std::size_t turn_ = 0;
  Totals totals_;
  Histogram latency_;
  Window window_;
  /// Open loop: bursts that were due so far. Closed loop: packets that are given up.
  std::uint64_t paced_ = 0, given_up_ = 0, last_progress_ns_ = 0;
  std::uint64_t measured_ = 0;
};

}  // namespace ts::load
