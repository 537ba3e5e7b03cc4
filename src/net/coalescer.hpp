// SPDX-License-Identifier: Apache-2.0
// Whether to let datagrams and the bytes of streams gather before the next look at the sockets. A wake-up
// costs many times what a datagram costs that waits already, so at a rate at which more will have come by
// then a short sleep saves most of them. A pure function of what was seen. One thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <turnstone/base/time.hpp>

namespace ts::net {

class Coalescer {
 public:
  /// `nap`: how long a datagram may wait, but for the slack (nap.hpp); 0 switches it off.
  explicit Coalescer(Duration nap) noexcept : nap_(nap) {}

  /// A look found datagrams of a flow, or a stream was read: any number that tells flows apart.
  void saw(std::size_t datagrams, std::uint64_t flow) noexcept {
    datagrams_ += datagrams;
    // Fibonacci hashing: the top bits of the product depend on all of the number.
    flows_ |= std::uint64_t{1} << ((flow * 0x9E3779B97F4A7C15ULL) >> 58);
  }

  /// After a look that found `datagrams` in all: how long to sleep before the next one, 0: not at all.
  Duration nap_after(TimePoint now, std::size_t datagrams) noexcept {
    if (now - window_began_ >= kWindow) close_window(now);
    empty_looks_ = datagrams == 0 ? empty_looks_ + 1 : 0;
    const bool pays = pays_ && datagrams < kLongBatch && empty_looks_ <= kMostEmptyLooks;
    return pays ? nap_ : Duration::zero();
  }

  static constexpr Duration kWindow = std::chrono::milliseconds(2);
  /// A batch that saves enough as it is.
  static constexpr std::size_t kLongBatch = 32;
  /// Sleeps in a row that gained nothing.
  static constexpr int kMostEmptyLooks = 2;

 private:
  void close_window(TimePoint now) noexcept {
    const Duration lasted = now - window_began_;
    // At least one more every second nap; and a paced flow that is alone gains nothing by lying in wait.
    const bool busy = 2 * nap_.count() * static_cast<std::int64_t>(datagrams_) >= lasted.count();
    pays_ = nap_ > Duration::zero() && busy && std::popcount(flows_) >= 2;
    window_began_ = now;
    datagrams_ = 0;
    flows_ = 0;
  }

  Duration nap_;
  TimePoint window_began_{};
  std::size_t datagrams_ = 0;
  std::uint64_t flows_ = 0;
  int empty_looks_ = 0;
  bool pays_ = false;
};

}  // namespace ts::net
