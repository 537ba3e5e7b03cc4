// SPDX-License-Identifier: Apache-2.0
// The way of a look through all places, some at a time.
#include "../../../src/app/top_tour.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ts::app {
namespace {

using Where = std::pair<std::size_t, std::uint32_t>;

/// Shards with so many places, of which the first `live` are taken.
struct World {
  struct Shard {
    std::uint32_t places = 0;
    std::uint32_t live = 0;
  };
  std::vector<Shard> shards;
  TopTour tour;

  /// Where a look went that had so many turns of ten places.
  std::vector<Where> look(int turns = 100) {
    std::vector<Where> out;
    tour.begin(shards.size());
    for (int i = 0; i < turns && !tour.is_complete(); ++i) {
      const Shard& shard = shards[tour.shard()];
      const std::uint32_t from = tour.place();
      const std::uint32_t to = std::min(from + 10, shard.places);
      out.emplace_back(tour.shard(), from);
      const std::uint32_t found = std::min(to, shard.live) - std::min(from, shard.live);
      tour.saw(found, shard.live, to < shard.places ? std::optional(to) : std::nullopt);
    }
    return out;
  }
};

TEST(TopTour, SeesAllPlacesOfAllShards) {
  World world{{{25, 25}, {0, 0}, {10, 10}}, {}};
  EXPECT_EQ(world.look(), (std::vector<Where>{{0, 0}, {0, 10}, {0, 20}, {1, 0}, {2, 0}}));
  EXPECT_TRUE(world.tour.is_complete());
  EXPECT_EQ(world.look().size(), 5U) << "and again";
  EXPECT_TRUE(world.tour.is_complete());
}

TEST(TopTour, GoesOnWhereItHadToStop) {
  World world{{{30, 30}, {20, 20}}, {}};
  EXPECT_EQ(world.look(2), (std::vector<Where>{{0, 0}, {0, 10}}));
  EXPECT_FALSE(world.tour.is_complete());
  EXPECT_EQ(world.look(2), (std::vector<Where>{{0, 20}, {1, 0}}));
  EXPECT_FALSE(world.tour.is_complete());
  EXPECT_EQ(world.look(), (std::vector<Where>{{1, 10}, {0, 0}, {0, 10}, {0, 20}, {1, 0}}))
      << "all of them once";
  EXPECT_TRUE(world.tour.is_complete());
}

TEST(TopTour, LooksForNobodyInPlacesThatAPeakHasLeftEmpty) {
  World world{{{200'000, 5}, {200'000, 0}, {200'000, 12}}, {}};
  EXPECT_EQ(world.look(), (std::vector<Where>{{0, 0}, {1, 0}, {2, 0}, {2, 10}}));
  EXPECT_TRUE(world.tour.is_complete());
}

TEST(TopTour, APlaceThatIsOutOfTheShardNowEndsIt) {
  World world{{{30, 30}}, {}};
  world.look(2);
  world.shards[0] = {10, 10};
  EXPECT_EQ(world.look(), (std::vector<Where>{{0, 20}, {0, 0}}));
  EXPECT_TRUE(world.tour.is_complete());
}

TEST(TopTour, WithoutShardsThereIsNothingToSee) {
  World world;
  EXPECT_TRUE(world.look().empty());
  EXPECT_TRUE(world.tour.is_complete());
}

}  // namespace
}  // namespace ts::app
