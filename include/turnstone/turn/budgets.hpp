// SPDX-License-Identifier: Apache-2.0
// Rates that allocations on all shards share: a user's, a credential's, the whole server's. Shards lease
// tokens in advance, so that the data path asks here a few times a second and not for each packet.
#pragma once

#include <string>
#include <string_view>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/slot_map.hpp>
#include <turnstone/base/token_bucket.hpp>

namespace ts::turn {

/// Names a budget of a Ledger.
using BudgetId = SlotHandle;

/// Budgets by name, counted by their users. One that nobody uses is kept until its bucket is full again, so
/// that coming and going gains nothing.
class Budgets {
 public:
  /// The budget of this name, made if need be. Each join() wants a leave().
  BudgetId join(std::string_view name, TokenRate rate, TimePoint now);
  /// `unused` tokens of leases go back.
  void leave(BudgetId id, std::uint64_t unused);
  /// Tokens for the caller to spend at any time: `wanted` of them, or a fair part of what is there, but
  /// `least` where there are as many.
  std::uint64_t lease(BudgetId id, std::uint64_t least, std::uint64_t wanted, TimePoint now) noexcept;
  /// Takes tokens that have been spent already, into debt if need be; see TokenBucket::charge().
  Duration charge(BudgetId id, std::uint64_t tokens, TimePoint now) noexcept;

  std::size_t size() const noexcept { return by_name_.size(); }
  /// Idle budgets are forgotten early when there are more than this.
  static constexpr std::size_t kMaxIdle = 16'384;

 private:
  struct Budget {
    std::string name;
    TokenBucket bucket;
    std::uint32_t users = 0;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  void forget(BudgetId id, const Budget& budget);
  void tidy(TimePoint now);

  SlotMap<Budget> budgets_;
  boost::unordered_flat_map<std::string, BudgetId, TextHash, std::equal_to<>> by_name_;
  std::size_t idle_ = 0;
  std::size_t tidy_at_ = 64;
};

}  // namespace ts::turn
