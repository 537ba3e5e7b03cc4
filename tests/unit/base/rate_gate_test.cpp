// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <turnstone/base/rate_gate.hpp>

namespace ts {
namespace {

using namespace std::chrono_literals;

TEST(RateGate, LetsABurstThroughAndThenARate) {
  const TimePoint begin(1h);
  RateGate gate(begin);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(gate.take(begin, 10, 3), Duration::zero()) << i;
  EXPECT_EQ(gate.take(begin, 10, 3), 100ms);
  EXPECT_EQ(gate.take(begin + 99ms, 10, 3), 1ms);
  EXPECT_EQ(gate.take(begin + 100ms, 10, 3), Duration::zero());
  EXPECT_NE(gate.take(begin + 100ms, 10, 3), Duration::zero());
  // A rate of its own, from now on.
  EXPECT_EQ(gate.take(begin + 100ms, 1000, 400), Duration::zero());
}

TEST(RateGate, ForgetsRefusalsAfterAPauseOnly) {
  TimePoint now(1h);
  RateGate gate(now);
  for (int i = 0; i < 3; ++i) gate.take(now, 10, 3);
  for (std::uint32_t i = 1; i <= 5; ++i) {
    EXPECT_NE(gate.take(now, 10, 3), Duration::zero());
    EXPECT_EQ(gate.refusals(), i) << "what passed in between changes nothing";
    now += 100ms;
    EXPECT_EQ(gate.take(now, 10, 3), Duration::zero());
  }
  gate.take(now + 299ms, 10, 3);
  EXPECT_EQ(gate.refusals(), 5U);
  gate.take(now + 400ms, 10, 3);
  EXPECT_EQ(gate.refusals(), 0U);
}

TEST(RateGate, InheritsWhatIsLess) {
  const TimePoint now(1h);
  RateGate old(now);
  old.take(now, 1, 1), old.take(now, 1, 1);
  RateGate fresh(now);
  fresh.inherit(old);
  EXPECT_EQ(fresh.refusals(), 1U);
  EXPECT_NE(fresh.take(now, 1, 1), Duration::zero());
  const RateGate full(now);
  old.inherit(full);
  EXPECT_NE(old.take(now, 1, 1), Duration::zero());
}

}  // namespace
}  // namespace ts
