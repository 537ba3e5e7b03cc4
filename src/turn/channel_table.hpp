// SPDX-License-Identifier: Apache-2.0
// The channel bindings of one allocation (RFC 8656 §12): an array sorted by number, and for more than a few
// of them an index by peer, so that a peer's datagram finds its channel without a look at each.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/base/time.hpp>

namespace ts::turn {

struct Channel {
  std::uint16_t number = 0;
  Endpoint peer;
  TimePoint expires;
  /// Until when the shell was told that this flows; min(): it was not.
  TimePoint told_until = TimePoint::min();
};

/// Pointers and iterators are valid until the next insert() or erase_if(). Numbers and peers may not be
/// changed through them.
class ChannelTable {
 public:
  std::size_t size() const noexcept { return channels_.size(); }
  bool empty() const noexcept { return channels_.empty(); }
  /// By number.
  auto begin() const noexcept { return channels_.begin(); }
  auto end() const noexcept { return channels_.end(); }
  auto begin() noexcept { return channels_.begin(); }
  auto end() noexcept { return channels_.end(); }

  /// Null: there is none.
  Channel* find(std::uint16_t number) noexcept;
  Channel* find(const Endpoint& peer) noexcept;

  /// Adds a binding; neither its number nor its peer may be bound. `seed`: a number that clients cannot know,
  /// for the order in the index. May allocate.
  void insert(const Channel& channel, std::uint64_t seed);

  /// How many were taken out. Does not allocate.
  template <class Predicate>
  std::size_t erase_if(Predicate predicate) {
    const std::size_t erased = std::erase_if(channels_, predicate);
    if (erased != 0) reindex();
    return erased;
  }

  /// So many, four cache lines of them, are looked at one by one.
  static constexpr std::size_t kMostWithoutIndex = 8;

 private:
  static constexpr std::uint16_t kFree = 0xFFFF;  // there are fewer channel numbers

  /// Places in channels_ by the hash of the peer, with linear probing. At most half of it is in use.
  struct Index {
    std::uint64_t seed;
    std::vector<std::uint16_t> places;
  };

  void put(std::uint16_t place) noexcept;
  void reindex() noexcept;

  std::vector<Channel> channels_;
  std::unique_ptr<Index> index_;  // null up to kMostWithoutIndex
};

}  // namespace ts::turn
