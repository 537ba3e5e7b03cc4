// SPDX-License-Identifier: Apache-2.0
// DeadlineQueue: one queue for everything that expires. An entry is a promise to look at an object at a time:
// an object whose deadline moved later is looked at, found alive and put back, so that a refresh costs
// nothing.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include <turnstone/base/time.hpp>

namespace ts {

/// A binary heap of (time, id). Duplicates and stale ids are allowed: the owner decides when an entry pops.
template <class Id>
class DeadlineQueue {
 public:
  void push(TimePoint when, Id id) {
    heap_.push_back(Entry{when, id});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  /// The earliest time at which an entry will pop.
  std::optional<TimePoint> next() const noexcept {
    return heap_.empty() ? std::nullopt : std::optional<TimePoint>(heap_.front().when);
  }

  /// Takes the earliest entry that is due at `now`.
  std::optional<Id> pop_due(TimePoint now) {
    if (heap_.empty() || heap_.front().when > now) return std::nullopt;
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Id id = heap_.back().id;
    heap_.pop_back();
    return id;
  }

  std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct Entry {
    TimePoint when;
    Id id;
  };
  static bool later(const Entry& a, const Entry& b) noexcept { return a.when > b.when; }

  std::vector<Entry> heap_;
};

}  // namespace ts
