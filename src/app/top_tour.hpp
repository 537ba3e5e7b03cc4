// SPDX-License-Identifier: Apache-2.0
// The way of a look through the places of all shards, which goes on where the look before had to stop. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace ts::app {

class TopTour {
 public:
  /// A new look at that many shards, whose number stays the same.
  void begin(std::size_t shards) noexcept;
  /// Everything was looked at.
  bool is_complete() const noexcept { return complete_; }
  /// Where to look now. While it is not complete.
  std::size_t shard() const noexcept { return shard_; }
  std::uint32_t place() const noexcept { return place_; }
  /// What was there: so many allocations of the `live` ones of the shard, and where its places go on.
  void saw(std::size_t found, std::size_t live, std::optional<std::uint32_t> next) noexcept;

 private:
  std::size_t shards_ = 0;
  std::size_t shard_ = 0;
  std::uint32_t place_ = 0;
  /// Of the beginning.
  std::uint32_t first_place_ = 0;
  /// Shards that were left behind.
  std::size_t passed_ = 0;
  /// Of this shard, from its first place on; nothing: the look began in the middle of it.
  std::optional<std::size_t> found_;
  bool complete_ = false;
};

}  // namespace ts::app
