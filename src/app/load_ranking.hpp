// SPDX-License-Identifier: Apache-2.0
// Which allocations relay the most, by two looks at all of them. Pure: the time comes with what was seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/time.hpp>
#include <turnstone/turn/inspect.hpp>

namespace ts::app {

class LoadRanking {
 public:
  struct Entry {
    std::size_t shard = 0;
    SlotHandle handle;
    double bytes_per_second = 0;
    double packets_per_second = 0;
    /// Over how long: since the look before, if that was within a minute; else since it began.
    double seconds = 0;
  };

  explicit LoadRanking(std::size_t most) : most_(most) {}

  /// Begins a look; what an unfinished one has seen is forgotten.
  void begin();
  /// `at`: when it was seen.
  void add(std::size_t shard, const turn::AllocationLoad& load, TimePoint at);
  /// The busiest ones, by bytes, at most `most`. What was seen is what later looks compare with, for a
  /// minute.
  std::vector<Entry> finish();

 private:
  struct Seen {
    std::uint32_t generation = 0;
    turn::Traffic relayed;
    TimePoint at;
  };
  /// By shard and place.
  using ByPlace = boost::unordered_flat_map<std::uint64_t, Seen>;

  std::size_t most_;
  ByPlace before_;
  ByPlace now_;
  TimePoint newest_{};
  /// A heap, the least of them in front.
  std::vector<Entry> best_;
};

}  // namespace ts::app
