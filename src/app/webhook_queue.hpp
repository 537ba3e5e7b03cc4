// SPDX-License-Identifier: Apache-2.0
// What waits to be posted to one URL: in lanes, each of which keeps its order and waits for its first event;
// bounded, tried again with growing pauses. Pure: time is an argument.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <turnstone/base/random.hpp>
#include <turnstone/base/time.hpp>

namespace ts::app {

/// An event as it is posted; the same for all URLs and all tries.
struct WebhookPost {
  std::string id;
  std::string body;
};

class WebhookQueue {
 public:
  /// Posts at a time.
  static constexpr std::size_t kLanes = 8;
  static constexpr std::chrono::milliseconds kFirstPause{1000};
  static constexpr std::chrono::milliseconds kLongestPause{60'000};

  struct Sending {
    std::size_t lane = 0;
    std::shared_ptr<const WebhookPost> post;
  };

  /// What has to be dropped for want of place: how many.
  std::size_t set_limit(std::size_t most);
  /// Events of one key are posted in order. How many older ones had to make room.
  std::size_t push(TimePoint now, std::uint64_t key, std::shared_ptr<const WebhookPost> post);
  /// The next post that may begin; its lane is busy then.
  std::optional<Sending> next(TimePoint now);
  /// The post of a busy lane has arrived, or will never: it is forgotten.
  void settle(std::size_t lane);
  /// It failed, and is tried again after a pause of its own; false: its time is over, and it is forgotten.
  bool retry(TimePoint now, std::size_t lane, std::chrono::milliseconds retry_time, RandomSource& random);
  /// Nobody will tell how the posts on their way end: they are posted again.
  void release();
  /// When next() may have something that waits for its time; nothing: never.
  std::optional<TimePoint> next_due() const noexcept;

  std::size_t size() const noexcept { return size_; }

 private:
  struct Entry {
    std::shared_ptr<const WebhookPost> post;
    std::uint64_t number = 0;
    TimePoint since{};
    TimePoint due{};
    std::uint32_t failures = 0;
  };
  struct Lane {
    std::deque<Entry> entries;
    bool busy = false;
  };

  bool drop_oldest();

  std::array<Lane, kLanes> lanes_;
  std::size_t most_ = 1;
  std::size_t size_ = 0;
  std::size_t first_ = 0;
  std::uint64_t numbers_ = 0;
};

}  // namespace ts::app
