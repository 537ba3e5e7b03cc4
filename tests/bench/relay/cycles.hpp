// SPDX-License-Identifier: Apache-2.0
// Allocations that come and go: each cycle is a client of its own with a new socket, which is challenged,
// allocates, binds a channel, and releases. Non-blocking, many at a time, at a pace or as fast as the server
// answers.
#pragma once

#include <array>
#include <vector>

#include "client.hpp"
#include "histogram.hpp"

namespace ts::load {

class Cycles {
 public:
  /// `rate`: cycles begun in a second, 0: whenever one of `at_once` is free. `peer` is what channels are
  /// bound to.
  Cycles(const Options& options, double rate, std::size_t at_once, const Endpoint& peer);

  /// Begins what is due and reads what has arrived; to be called all the time.
  void step(std::uint64_t now_ns, bool measuring);
  /// Waits for the cycles that are under way.
  void finish();

  std::uint64_t done() const noexcept { return done_; }
  std::uint64_t begun() const noexcept { return begun_; }
  std::uint64_t failed() const noexcept { return failed_; }
  /// Requests that were sent once more since there was no answer.
  std::uint64_t resent() const noexcept { return resent_; }
  /// Those that were due while all of `at_once` were under way.
  std::uint64_t late() const noexcept { return late_; }
  /// From the first request, or from when it was due, to the answer to ChannelBind.
  const Histogram& latency() const noexcept { return latency_; }

 private:
  enum class Stage : std::uint8_t { Free, Allocating, Binding, Releasing };
  struct Slot {
    Fd socket;
    Stage stage = Stage::Free;
    stun::TransactionId id{};
    Challenge challenge;
    /// The request that is not answered yet, for retransmission.
    std::array<std::uint8_t, 512> request;
    std::size_t request_bytes = 0;
    std::uint64_t due_ns = 0, again_ns = 0, deadline_ns = 0;
    unsigned challenges = 0;
  };

  void begin_due();
  void begin(Slot& slot, std::size_t index, std::uint64_t due_ns);
  void ask(Slot& slot);
  void receive(Slot& slot);
  void answered(Slot& slot, const stun::MessageView& view);
  void end(Slot& slot, bool well);
  void send(Slot& slot);
  void look_after_late_ones();

  const Options& o_;
  double rate_;
  Endpoint peer_;
  Fd epoll_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> free_;
  std::uint64_t start_ns_;
  std::uint64_t now_ns_ = 0, next_look_ns_ = 0;
  bool measuring_ = false, closing_ = false;
  std::uint64_t paced_ = 0, begun_ = 0, done_ = 0, failed_ = 0, late_ = 0, resent_ = 0;
  Histogram latency_;
};

}  // namespace ts::load
