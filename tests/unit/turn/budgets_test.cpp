// SPDX-License-Identifier: Apache-2.0
// Shared rates and the list of the revoked.
#include <gtest/gtest.h>

#include <turnstone/turn/budgets.hpp>
#include <turnstone/turn/revocation.hpp>

namespace ts::turn {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{seconds(1000)};
constexpr WallTime kNow{seconds(1'700'000'000)};

TEST(Budgets, AreSharedByName) {
  Budgets budgets;
  const BudgetId a = budgets.join("a", {1000, 1000}, kStart);
  const BudgetId same = budgets.join("a", {1000, 1000}, kStart);
  const BudgetId b = budgets.join("b", {1000, 1000}, kStart);
  EXPECT_EQ(a, same);
  EXPECT_EQ(budgets.size(), 2U);
  EXPECT_EQ(budgets.lease(a, 0, 300, kStart), 300U);
  EXPECT_EQ(budgets.lease(same, 0, 600, kStart), 350U);  // half of 700
  EXPECT_EQ(budgets.lease(a, 200, 600, kStart), 200U);   // half of 350 is less than what is needed
  EXPECT_EQ(budgets.lease(a, 200, 600, kStart), 150U);
  EXPECT_EQ(budgets.lease(a, 1, 1, kStart), 0U);
  EXPECT_EQ(budgets.lease(b, 0, 600, kStart), 600U);
  EXPECT_EQ(budgets.lease(a, 0, 600, kStart + milliseconds(50)), 25U);
  EXPECT_EQ(budgets.lease(BudgetId{}, 0, 600, kStart), 0U);
  EXPECT_EQ(budgets.charge(BudgetId{}, 600, kStart), Duration::zero());
}

TEST(Budgets, RememberWhatWasSpentWhenEverybodyLeft) {
  Budgets budgets;
  BudgetId id = budgets.join("a", {1000, 1000}, kStart);
  EXPECT_EQ(budgets.lease(id, 0, 1000, kStart), 1000U);
  budgets.leave(id, 100);
  id = budgets.join("a", {1000, 1000}, kStart);
  EXPECT_EQ(budgets.lease(id, 0, 1000, kStart), 100U);
  budgets.leave(id, 0);
}

TEST(Budgets, IdleOnesAreForgottenOnceFull) {
  Budgets budgets;
  const BudgetId kept = budgets.join("kept", {1, 1'000'000'000}, kStart);
  EXPECT_EQ(budgets.lease(kept, 0, 1, kStart), 1U);
  TimePoint now = kStart;
  for (int i = 0; i < 100'000; ++i) {
    const BudgetId id = budgets.join("u" + std::to_string(i), {1000, 1000}, now);
    budgets.lease(id, 0, 100, now);
    budgets.leave(id, 0);
    now += milliseconds(1);
  }
  EXPECT_LE(budgets.size(), 500U);
  EXPECT_EQ(budgets.lease(kept, 0, 5, now), 5U);
}

TEST(Budgets, IdleOnesAreBounded) {
  Budgets budgets;
  for (std::size_t i = 0; i < 3 * Budgets::kMaxIdle; ++i) {
    const BudgetId id = budgets.join("u" + std::to_string(i), {1, 1000}, kStart);
    budgets.lease(id, 0, 100, kStart);
    budgets.leave(id, 0);
    ASSERT_LE(budgets.size(), Budgets::kMaxIdle + 1);
  }
}

Revocation user(const std::string& name, seconds life = seconds(100)) {
  return {Revocation::Kind::User, name, kNow + life};
}

TEST(RevocationList, ForgetsWhatLapsed) {
  RevocationList list;
  list.add(user("a", seconds(10)), kNow);
  list.add(user("b"), kNow);
  EXPECT_TRUE(list.matches({"1:a", ":a", nullptr}, kNow + seconds(9)));
  EXPECT_FALSE(list.matches({"1:a", ":a", nullptr}, kNow + seconds(10)));
  EXPECT_TRUE(list.matches({"b", "b", nullptr}, kNow + seconds(10)));
  list.add(user("c"), kNow + seconds(10));
  EXPECT_EQ(list.size(), 2U);
  list.add(user("late"), kNow + seconds(1000));
  EXPECT_EQ(list.size(), 0U);
}

TEST(RevocationList, ALaterEndCounts) {
  RevocationList list;
  list.add(user("a", seconds(100)), kNow);
  list.add(user("a", seconds(10)), kNow);
  EXPECT_EQ(list.size(), 1U);
  EXPECT_TRUE(list.matches({"a", "a", nullptr}, kNow + seconds(99)));
}

TEST(RevocationList, TheOldestGoesWhenItIsFull) {
  RevocationList list;
  for (std::size_t i = 0; i < RevocationList::kMax; ++i) list.add(user("u" + std::to_string(i)), kNow);
  list.add(user("u0"), kNow);  // the newest again
  list.add(user("one more"), kNow);
  EXPECT_EQ(list.size(), RevocationList::kMax);
  EXPECT_TRUE(list.matches({"u0", "u0", nullptr}, kNow));
  EXPECT_FALSE(list.matches({"u1", "u1", nullptr}, kNow));
  EXPECT_TRUE(list.matches({"u2", "u2", nullptr}, kNow));
}

TEST(Revocation, EndsWithWhatItMeans) {
  auth::Options options;
  options.users = {{"alice", "wonder"}};
  const auto end = [&](Revocation::Kind kind, const std::string& name) {
    return with_end(Revocation{kind, name}, options, kNow).until;
  };
  using Kind = Revocation::Kind;
  EXPECT_EQ(end(Kind::Credential, "1700000060:carol;ts1;room=a"), kNow + seconds(60));
  EXPECT_EQ(end(Kind::Credential, "alice"), WallTime::max());
  EXPECT_EQ(end(Kind::User, "alice"), WallTime::max());
  EXPECT_EQ(end(Kind::User, "carol"), kNow + std::chrono::hours(24));
  EXPECT_EQ(end(Kind::Room, "alice"), kNow + std::chrono::hours(24));
  options.credential_ttl = std::chrono::hours(48);
  EXPECT_EQ(end(Kind::Member, "m"), kNow + std::chrono::hours(48));
  EXPECT_EQ(with_end(user("carol"), options, kNow).until, kNow + seconds(100));
  // A user of any realm's is one whose password stays good.
  options.realms.resize(2);
  options.realms[1].users = {{"carol", "eu"}};
  EXPECT_EQ(end(Kind::User, "carol"), WallTime::max());
  EXPECT_EQ(end(Kind::User, "dave"), kNow + std::chrono::hours(48));
}

TEST(RevocationList, KindsAreKeptApart) {
  RevocationList list;
  list.add({Revocation::Kind::Room, "x", kNow + seconds(1)}, kNow);
  auth::Policy policy;
  policy.member = "x";
  EXPECT_FALSE(list.matches({"x", "x", &policy}, kNow));
  policy.room = "x";
  EXPECT_TRUE(list.matches({"y", "y", &policy}, kNow));
}

TEST(RevocationList, WhoComesAndGoesDoesNotMakeItForgetAnOrder) {
  RevocationList list;
  auth::Policy policy;
  const auto member = [&](const std::string& name, RevocationCause cause) {
    return list.add({Revocation::Kind::Member, name, kNow + seconds(100), std::nullopt, cause}, kNow);
  };
  list.add(user("banned by an operator", seconds(1)), kNow);
  member("kicked", RevocationCause::Removal);
  std::size_t forgotten = 0;
  for (std::size_t i = 0; i < RevocationList::kMax + 3; ++i)
    forgotten += member("m" + std::to_string(i), RevocationCause::Departure);
  EXPECT_EQ(forgotten, 3U);
  EXPECT_EQ(list.size(RevocationCause::Departure), RevocationList::kMax);
  EXPECT_EQ(list.size(), RevocationList::kMax + 2);
  EXPECT_TRUE(list.matches({"", "banned by an operator", nullptr}, kNow));
  policy.member = "kicked";
  EXPECT_TRUE(list.matches({"x", "x", &policy}, kNow));
  policy.member = "m2";
  EXPECT_FALSE(list.matches({"x", "x", &policy}, kNow));
  policy.member = "m3";
  EXPECT_TRUE(list.matches({"x", "x", &policy}, kNow));
}

}  // namespace
}  // namespace ts::turn
