// SPDX-License-Identifier: Apache-2.0
// Who relays the most, by two looks.
#include "../../../src/app/load_ranking.hpp"

#include <gtest/gtest.h>

namespace ts::app {
namespace {

using std::chrono::seconds;

struct Ranking : ::testing::Test {
  LoadRanking ranking{3};
  TimePoint now{seconds(1000)};

  void see(std::uint32_t index, std::uint64_t bytes, std::chrono::nanoseconds age = seconds(100),
           std::uint32_t generation = 1, std::size_t shard = 0) {
    turn::AllocationLoad load;
    load.handle = SlotHandle{index, generation};
    load.age = age;
    load.relayed = turn::Traffic{bytes / 100, bytes};
    ranking.add(shard, load, now);
  }
  static std::vector<std::uint32_t> places(const std::vector<LoadRanking::Entry>& entries) {
    std::vector<std::uint32_t> out;
    for (const LoadRanking::Entry& entry : entries) out.push_back(entry.handle.index);
    return out;
  }
};

TEST_F(Ranking, TheFirstLookGoesByWhatEachHasDoneSinceItBegan) {
  ranking.begin();
  see(0, 100'000, seconds(1000));
  see(1, 5'000, seconds(10));
  see(2, 0);
  const auto top = ranking.finish();
  ASSERT_EQ(places(top), (std::vector<std::uint32_t>{1, 0}));
  EXPECT_DOUBLE_EQ(top[0].bytes_per_second, 500);
  EXPECT_DOUBLE_EQ(top[0].packets_per_second, 5);
  EXPECT_DOUBLE_EQ(top[0].seconds, 10);
}

TEST_F(Ranking, LaterOnesGoByWhatCameSinceTheLookBefore) {
  ranking.begin();
  see(0, 1'000'000'000);
  see(1, 1'000);
  ranking.finish();
  now += seconds(5);
  ranking.begin();
  see(0, 1'000'000'000);
  see(1, 51'000);
  const auto top = ranking.finish();
  ASSERT_EQ(places(top), (std::vector<std::uint32_t>{1})) << "the other one is silent now";
  EXPECT_DOUBLE_EQ(top[0].bytes_per_second, 10'000);
  EXPECT_DOUBLE_EQ(top[0].seconds, 5);
}

// Nobody looked for the night: what was done since then on the average is not what is done now.
TEST_F(Ranking, AnOldLookIsForgotten) {
  ranking.begin();
  see(0, 1'000'000, seconds(10));
  ranking.finish();
  now += seconds(61);
  ranking.begin();
  see(0, 2'000'000, seconds(71));
  EXPECT_DOUBLE_EQ(ranking.finish().at(0).seconds, 71) << "since it began";
}

TEST_F(Ranking, WhatOneLookDoesNotReachIsComparedWithTheOneBeforeThat) {
  for (const std::uint32_t place : {0U, 1U}) {
    ranking.begin();
    see(place, 1'000'000);
    ranking.finish();
    now += seconds(5);
  }
  ranking.begin();
  see(0, 1'001'000);
  const auto top = ranking.finish();
  EXPECT_DOUBLE_EQ(top.at(0).seconds, 10);
  EXPECT_DOUBLE_EQ(top[0].bytes_per_second, 100);
}

TEST_F(Ranking, AnotherAllocationAtThePlaceIsAnotherOne) {
  ranking.begin();
  see(0, 1'000'000);
  see(0, 1'000'000, seconds(100), 1, 1);
  ranking.finish();
  now += seconds(5);
  ranking.begin();
  see(0, 2'000, seconds(2), 2);
  see(0, 1'000'500, seconds(105), 1, 1);
  const auto top = ranking.finish();
  ASSERT_EQ(top.size(), 2U);
  EXPECT_EQ(top[0].handle.generation, 2U);
  EXPECT_DOUBLE_EQ(top[0].bytes_per_second, 1'000);
  EXPECT_EQ(top[1].shard, 1U);
  EXPECT_DOUBLE_EQ(top[1].bytes_per_second, 100);
}

TEST_F(Ranking, KeepsTheBusiestInTheirOrder) {
  ranking.begin();
  for (const std::uint32_t i : {5U, 1U, 9U, 3U, 7U, 2U, 8U}) see(i, i * 1000);
  EXPECT_EQ(places(ranking.finish()), (std::vector<std::uint32_t>{9, 8, 7}));
}

TEST_F(Ranking, ALookThatWasNotFinishedIsForgotten) {
  ranking.begin();
  see(0, 1'000);
  ranking.begin();
  see(1, 1'000);
  EXPECT_EQ(places(ranking.finish()), (std::vector<std::uint32_t>{1}));
  EXPECT_TRUE(ranking.finish().empty());
}

TEST_F(Ranking, WhatHasJustBegunIsNotBlownUp) {
  ranking.begin();
  see(0, 1'000, std::chrono::milliseconds(1));
  EXPECT_DOUBLE_EQ(ranking.finish().at(0).bytes_per_second, 1'000);
}

}  // namespace
}  // namespace ts::app
