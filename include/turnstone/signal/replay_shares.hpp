// SPDX-License-Identifier: Apache-2.0
// Who holds how much of the room that unacknowledged messages have in common, so that whoever holds most
// gives way when it is full, and not whoever comes next.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <turnstone/base/slot_map.hpp>

namespace ts::signal {

/// Sorts holders by the magnitude of what they hold. A change costs the same however many there are.
class ReplayShares {
 public:
  /// Stays where it is from the first set() until set() to 0 bytes.
  struct Holder {
    SlotHandle who;
    std::uint8_t magnitude = 0;
    std::uint32_t place = 0;
  };

  void set(Holder& holder, std::size_t bytes) {
    const auto magnitude = static_cast<std::uint8_t>(std::bit_width(bytes));
    if (magnitude == holder.magnitude) return;
    if (holder.magnitude != 0) {
      auto& former = by_magnitude_[holder.magnitude];
      former[holder.place] = former.back();
      former[holder.place]->place = holder.place;
      former.pop_back();
    }
    holder.magnitude = magnitude;
    if (magnitude == 0) return;
    auto& now = by_magnitude_[magnitude];
    holder.place = static_cast<std::uint32_t>(now.size());
    now.push_back(&holder);
  }

  /// One of those who hold most: nobody has more than twice as much. Null: nobody holds anything.
  const Holder* largest() const noexcept {
    for (std::size_t i = by_magnitude_.size(); i-- > 1;) {
      if (!by_magnitude_[i].empty()) return by_magnitude_[i].back();
    }
    return nullptr;
  }

 private:
  std::array<std::vector<Holder*>, std::numeric_limits<std::size_t>::digits + 1> by_magnitude_;
};

}  // namespace ts::signal
