// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <turnstone/base/token_bucket.hpp>

namespace ts {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{seconds(1000)};

TEST(TokenBucket, GivesTheBurstAndThenTheRate) {
  TokenBucket bucket({1000, 500}, kStart);
  EXPECT_TRUE(bucket.take(500, kStart));
  EXPECT_FALSE(bucket.take(1, kStart));
  EXPECT_FALSE(bucket.take(10, kStart + milliseconds(9)));
  EXPECT_TRUE(bucket.take(10, kStart + milliseconds(10)));
  EXPECT_FALSE(bucket.take(1, kStart + milliseconds(10)));
}

TEST(TokenBucket, HoldsTheBurstAtMost) {
  TokenBucket bucket({1000, 500}, kStart);
  EXPECT_EQ(bucket.available(kStart + hours(1000)), 500U);
  EXPECT_FALSE(bucket.take(501, kStart + hours(1000)));
  EXPECT_TRUE(bucket.take(500, kStart + hours(1000)));
  EXPECT_EQ(bucket.available(kStart + hours(1000) + milliseconds(100)), 100U);
  EXPECT_FALSE(bucket.full(kStart + hours(1000) + milliseconds(499)));
  EXPECT_TRUE(bucket.full(kStart + hours(1000) + milliseconds(500)));
}

TEST(TokenBucket, LosesNothingToRounding) {
  // Looked at once a nanosecond-prime step, three tokens a second still come to three.
  TokenBucket bucket({3, 1000}, kStart);
  EXPECT_TRUE(bucket.take(1000, kStart));
  TimePoint now = kStart;
  std::uint64_t taken = 0;
  for (int i = 0; i < 100'000; ++i) {
    now += nanoseconds(99'991);
    taken += bucket.take_up_to(1000, now);
  }
  EXPECT_EQ(taken, 29U);  // 9.9991 s
  EXPECT_EQ(bucket.take_up_to(1000, kStart + seconds(10)), 1U);
}

TEST(TokenBucket, ExtremesDoNotOverflow) {
  const std::uint64_t rates[] = {0, 1, 3, TokenBucket::kMost - 1, TokenBucket::kMost, ~std::uint64_t{0}};
  const nanoseconds steps[] = {nanoseconds(0), nanoseconds(1),   nanoseconds(999'999'999), seconds(1),
                               seconds(59),    hours(24 * 3650), hours(24 * 36500)};
  for (const std::uint64_t rate : rates) {
    for (const std::uint64_t burst : rates) {
      TokenBucket bucket({rate, burst}, TimePoint{});
      TimePoint now{};
      for (const nanoseconds step : steps) {
        const std::uint64_t before = bucket.take_up_to(~std::uint64_t{0}, now);
        EXPECT_LE(before, TokenBucket::kMost);
        now += step;
        const std::uint64_t held = std::clamp<std::uint64_t>(rate, 1, TokenBucket::kMost);
        const std::uint64_t most = std::clamp<std::uint64_t>(burst, 1, TokenBucket::kMost);
        const auto earned = static_cast<double>(held) * static_cast<double>(step.count()) / 1e9;
        EXPECT_LE(static_cast<double>(bucket.available(now)),
                  std::min(earned + 2, static_cast<double>(most)));
        EXPECT_GE(static_cast<double>(bucket.available(now)),
                  std::min(earned - 2, static_cast<double>(most)));
      }
    }
  }
}

TEST(TokenBucket, TimeThatRunsBackwardsGivesNothing) {
  TokenBucket bucket({1000, 500}, kStart);
  EXPECT_TRUE(bucket.take(500, kStart));
  EXPECT_FALSE(bucket.take(1, kStart - seconds(10)));
  EXPECT_EQ(bucket.available(kStart + milliseconds(5)), 5U);
}

TEST(TokenBucket, PartsAndReturns) {
  TokenBucket bucket({1000, 500}, kStart);
  EXPECT_EQ(bucket.take_up_to(300, kStart), 300U);
  EXPECT_EQ(bucket.take_up_to(300, kStart), 200U);
  bucket.give_back(50);
  EXPECT_EQ(bucket.take_up_to(300, kStart), 50U);
  bucket.give_back(5000);
  EXPECT_EQ(bucket.available(kStart), 500U);
}

// charge(): debts, and what others get meanwhile.

TEST(TokenDebt, WhatIsThereIsPaidAtOnce) {
  TokenBucket bucket({1000, 500}, kStart);
  EXPECT_EQ(bucket.charge(500, kStart), Duration::zero());
  EXPECT_EQ(bucket.available(kStart), 0U);
  const Duration rest = bucket.charge(100, kStart);
  // The debt, and as much as is kept for others meanwhile.
  EXPECT_GE(rest, milliseconds(200));
  EXPECT_LE(rest, milliseconds(200) + nanoseconds(1));
  EXPECT_EQ(bucket.debt(), 100U);
  EXPECT_EQ(bucket.charge(0, kStart), rest);
}

TEST(TokenDebt, HalfOfWhatComesInPaysIt) {
  TokenBucket bucket({1000, 500}, kStart);
  bucket.charge(700, kStart);
  EXPECT_EQ(bucket.available(kStart + milliseconds(101)), 50U);
  EXPECT_EQ(bucket.debt(), 149U);
  EXPECT_FALSE(bucket.full(kStart + milliseconds(101)));
  EXPECT_TRUE(bucket.take(50, kStart + milliseconds(101)));
  // A tenth of a second's worth is kept; then all of it pays.
  EXPECT_EQ(bucket.available(kStart + milliseconds(311)), 100U);
  EXPECT_EQ(bucket.debt(), 39U);
  EXPECT_EQ(bucket.available(kStart + milliseconds(350)), 100U);
  EXPECT_EQ(bucket.debt(), 0U);
  EXPECT_EQ(bucket.available(kStart + milliseconds(400)), 150U);
  EXPECT_TRUE(bucket.full(kStart + milliseconds(750)));
}

TEST(TokenDebt, AChargeLeavesToOthersWhatWasKeptForThem) {
  TokenBucket bucket({1000, 500}, kStart);
  bucket.charge(700, kStart);
  EXPECT_EQ(bucket.available(kStart + milliseconds(100)), 50U);
  bucket.charge(10, kStart + milliseconds(100));
  EXPECT_EQ(bucket.available(kStart + milliseconds(100)), 50U);
  EXPECT_EQ(bucket.debt(), 160U);
}

TEST(TokenDebt, LosesNothingToRounding) {
  TokenBucket bucket({3, 1000}, kStart);
  bucket.charge(1030, kStart);
  TimePoint now = kStart;
  std::uint64_t taken = 0;
  for (int i = 0; i < 100'000; ++i) {
    now += nanoseconds(99'991);
    taken += bucket.take_up_to(1000, now);
  }
  EXPECT_EQ(taken + (30 - bucket.debt()), 29U);  // 9.9991 s
  EXPECT_NEAR(static_cast<double>(taken), 14.5, 1);
}

TEST(TokenDebt, ExtremesDoNotOverflow) {
  const std::uint64_t rates[] = {0, 1, 3, TokenBucket::kMost, ~std::uint64_t{0}};
  const nanoseconds steps[] = {nanoseconds(1), nanoseconds(999'999'999), seconds(59), hours(24 * 36500)};
  for (const std::uint64_t rate : rates) {
    for (const std::uint64_t burst : rates) {
      for (const std::uint64_t charge : rates) {
        TokenBucket bucket({rate, burst}, TimePoint{});
        TimePoint now{};
        for (const nanoseconds step : steps) {
          const Duration rest = bucket.charge(charge, now);
          EXPECT_GE(rest, Duration::zero());
          EXPECT_LE(rest, hours(1));
          EXPECT_LE(bucket.debt(), TokenBucket::kMost);
          now += step;
          EXPECT_LE(bucket.available(now), std::clamp<std::uint64_t>(burst, 1, TokenBucket::kMost));
        }
      }
    }
  }
}

}  // namespace
}  // namespace ts
