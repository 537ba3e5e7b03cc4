// SPDX-License-Identifier: Apache-2.0
// Draining: nobody new is let in, signaling clients are asked to go elsewhere, and what is there ends by
// itself, or when the time is up. One io_context's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <turnstone/config/config.hpp>
#include <turnstone/signal/outbox.hpp>

namespace ts::app {

/// What a drain waits for.
struct Remaining {
  std::uint64_t allocations = 0;
  std::uint64_t sessions = 0;

  bool none() const noexcept { return allocations == 0 && sessions == 0; }
};

class Drain {
 public:
  /// What a drain does to the rest of the server.
  struct Hands {
    /// New allocations are refused, or welcome again.
    std::function<void(bool)> refuse;
    /// Signaling clients are to go elsewhere, each in its time, whatever they were told before; new ones are
    /// refused.
    std::function<void(const signal::Farewell&)> send_away;
    /// Signaling is open again.
    std::function<void()> welcome;
    /// Disconnects the signaling clients that are left.
    std::function<void()> disconnect;
    /// Counts what is left; the answer comes on this thread, once.
    std::function<void(std::function<void(Remaining)>)> count;
  };

  Drain(boost::asio::io_context& context, Hands hands);

  /// Begins, unless it has. With `done` the server is to end: it is called, once, when nothing is left, or
  /// when ShutdownOptions::drain_timeout has passed since then. Whoever was sent away by a drain without an
  /// end is told an earlier time where that one would be too late.
  void begin(const config::ShutdownOptions& options, std::function<void()> done);
  /// Everybody is welcome again. False: the server is about to end, or does not drain.
  bool cancel();
  /// Counts no more and calls nobody. For the end.
  void stop();

  bool is_on() const noexcept { return on_; }
  /// As last counted.
  Remaining remaining() const noexcept { return remaining_; }

 private:
  using Clock = std::chrono::steady_clock;

  void send_away(const config::ShutdownOptions& options, bool ends, bool first);
  void look_soon();
  void look();
  void counted(Remaining remaining);
  void finish(bool in_time);

  boost::asio::steady_timer timer_;
  Hands hands_;
  bool on_ = false;
  bool stopped_ = false;
  bool disconnected_ = false;
  /// An allocation on its way between two shards is on neither: nothing is left when that is seen twice.
  bool none_before_ = false;
  Remaining remaining_;
  Clock::time_point began_;
  Clock::time_point disconnect_at_;
  Clock::time_point end_at_;
  std::function<void()> done_;
};

}  // namespace ts::app
