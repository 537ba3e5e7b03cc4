// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <turnstone/signal/replay.hpp>

namespace ts::signal {
namespace {

Replay::Text text(int number) { return std::make_shared<const std::string>(std::to_string(number)); }

TEST(Replay, NumbersKeepsAndForgets) {
  Replay replay;
  EXPECT_EQ(replay.last(), 0U);
  EXPECT_TRUE(replay.covers(0));
  EXPECT_FALSE(replay.covers(1));
  EXPECT_FALSE(replay.drop());
  for (int i = 1; i <= 100; ++i) EXPECT_EQ(replay.push(text(i)), static_cast<std::uint64_t>(i));
  EXPECT_EQ(replay.count(), 100U);
  replay.acknowledge(40);
  EXPECT_EQ(replay.count(), 60U);
  EXPECT_FALSE(replay.covers(39));
  EXPECT_TRUE(replay.covers(40));
  EXPECT_TRUE(replay.covers(100));
  EXPECT_FALSE(replay.covers(101));
  EXPECT_FALSE(replay.covers(~std::uint64_t{0})) << "no number is beyond reckoning";
  const auto rest = replay.after(97);
  ASSERT_EQ(rest.size(), 3U);
  EXPECT_EQ(rest[0].seq, 98U);
  EXPECT_EQ(*rest[0].text, "98");
  EXPECT_EQ(replay.after(0).size(), 60U);
  EXPECT_TRUE(replay.after(100).empty());
  EXPECT_TRUE(replay.drop());
  EXPECT_FALSE(replay.covers(40));
  EXPECT_TRUE(replay.covers(41));
  replay.acknowledge(~std::uint64_t{0});
  EXPECT_EQ(replay.count(), 0U);
  EXPECT_EQ(replay.bytes(), 0U);
  EXPECT_EQ(replay.push(text(101)), 101U) << "numbers go on";
  replay.push(text(102));
  replay.clear();
  EXPECT_EQ(replay.last(), 102U);
  EXPECT_FALSE(replay.covers(100));
  EXPECT_TRUE(replay.covers(102));
  EXPECT_EQ(replay.bytes(), 0U);
}

TEST(Replay, StaysSmallWhenItIsEmptiedAsItIsFilled) {
  Replay replay;
  for (int i = 1; i <= 10'000; ++i) {
    replay.push(text(i));
    if (replay.count() > 10) replay.drop();
  }
  EXPECT_EQ(replay.count(), 10U);
  EXPECT_EQ(*replay.after(9'999).at(0).text, "10000");
  EXPECT_EQ(replay.bytes(), 9 * (4 + 64) + 5 + 64U);
}

}  // namespace
}  // namespace ts::signal
