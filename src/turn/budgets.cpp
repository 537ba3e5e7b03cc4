// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/base/check.hpp>
#include <turnstone/turn/budgets.hpp>

namespace ts::turn {

BudgetId Budgets::join(std::string_view name, TokenRate rate, TimePoint now) {
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    Budget* budget = budgets_.find(found->second);
    if (budget->users++ == 0) --idle_;
    return found->second;
  }
  if (idle_ >= tidy_at_) tidy(now);
  const auto [id, budget] = budgets_.emplace(Budget{std::string(name), TokenBucket(rate, now), 1});
  by_name_.emplace(budget.name, id);
  return id;
}

void Budgets::leave(BudgetId id, std::uint64_t unused) {
  Budget* budget = budgets_.find(id);
  if (budget == nullptr || budget->users == 0) {
    TS_BUG("a budget was left that nobody had joined");
    return;
  }
  budget->bucket.give_back(unused);
  if (--budget->users == 0) ++idle_;
}

void Budgets::forget(BudgetId id, const Budget& budget) {
  by_name_.erase(budget.name);
  budgets_.erase(id);
  --idle_;
}

void Budgets::tidy(TimePoint now) {
  const bool crowded = idle_ >= kMaxIdle;
  budgets_.for_each([&](BudgetId id, Budget& budget) {
    if (budget.users == 0 && (crowded || budget.bucket.full(now))) forget(id, budget);
  });
  // As much again before the next look: each join() pays for a constant part of it.
  tidy_at_ = std::clamp<std::size_t>(2 * idle_, 64, kMaxIdle);
}

std::uint64_t Budgets::lease(BudgetId id, std::uint64_t least, std::uint64_t wanted, TimePoint now) noexcept {
  Budget* budget = budgets_.find(id);
  if (budget == nullptr) return 0;
  // Who asks first must not leave nothing to those who ask in the same rhythm just behind. Parts that are not
  // asked for stay, so that one who is alone still gets the whole rate, as long as the burst has room for it.
  constexpr std::uint64_t kMostParts = 16;
  const std::uint64_t parts = std::clamp<std::uint64_t>(budget->users, 1, kMostParts);
  const std::uint64_t fair = budget->bucket.available(now) / parts;
  return budget->bucket.take_up_to(std::max(least, std::min(wanted, fair)), now);
}

Duration Budgets::charge(BudgetId id, std::uint64_t tokens, TimePoint now) noexcept {
  Budget* budget = budgets_.find(id);
  return budget != nullptr ? budget->bucket.charge(tokens, now) : Duration::zero();
}

}  // namespace ts::turn
