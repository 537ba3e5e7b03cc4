// SPDX-License-Identifier: Apache-2.0
#include "top_tour.hpp"

namespace ts::app {

void TopTour::begin(std::size_t shards) noexcept {
  shards_ = shards;
  first_place_ = place_;
  passed_ = 0;
  complete_ = shards == 0;
  found_.reset();
  if (place_ == 0) found_ = 0;
}

void TopTour::saw(std::size_t found, std::size_t live, std::optional<std::uint32_t> next) noexcept {
  if (found_) *found_ += found;
  // After a peak there may be a hundred thousand empty places, in which nobody needs to look.
  const bool all_found = found_ && *found_ >= live;
  if (next && !all_found) {
    place_ = *next;
    complete_ = passed_ == shards_ && place_ >= first_place_;
    return;
  }
  // The shard of the beginning is looked at twice, when that was in the middle of it.
  ++passed_;
  complete_ = passed_ > shards_ || (passed_ == shards_ && first_place_ == 0);
  shard_ = (shard_ + 1) % shards_;
  place_ = 0;
  found_ = 0;
}

}  // namespace ts::app
