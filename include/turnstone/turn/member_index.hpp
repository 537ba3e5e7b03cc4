// SPDX-License-Identifier: Apache-2.0
// Which allocations a member of a policy has, so that the end of a membership costs what it ends, and not a
// look at every allocation. Holds only allocations whose credential names a member.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <turnstone/base/slot_map.hpp>

namespace ts::turn {

class MemberIndex {
 public:
  /// An empty member is none.
  void add(std::string_view member, SlotHandle allocation) {
    if (member.empty()) return;
    const auto at = allocations_.find(member);
    if (at == allocations_.end()) {
      allocations_.emplace(member, std::vector{allocation});
    } else {
      at->second.push_back(allocation);
    }
  }

  /// What is not there is ignored.
  void remove(std::string_view member, SlotHandle allocation) {
    const auto at = allocations_.find(member);
    if (at == allocations_.end()) return;
    std::erase(at->second, allocation);
    if (at->second.empty()) allocations_.erase(at);
  }

  /// The member's allocations, which the index then holds no more: each is looked at once, however many they
  /// are.
  std::vector<SlotHandle> take(std::string_view member) {
    const auto at = allocations_.find(member);
    if (at == allocations_.end()) return {};
    std::vector<SlotHandle> out = std::move(at->second);
    allocations_.erase(at);
    return out;
  }

  /// The member's allocations, valid until the next call that changes something.
  std::span<const SlotHandle> of(std::string_view member) const {
    const auto at = allocations_.find(member);
    return at == allocations_.end() ? std::span<const SlotHandle>() : std::span(at->second);
  }

  /// Members that have an allocation.
  std::size_t size() const noexcept { return allocations_.size(); }

 private:
  // Ordered: names come from clients, and no choice of theirs makes it slow.
  std::map<std::string, std::vector<SlotHandle>, std::less<>> allocations_;
};

}  // namespace ts::turn
