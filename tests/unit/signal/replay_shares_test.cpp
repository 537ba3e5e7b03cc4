// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/signal/replay_shares.hpp>

namespace ts::signal {
namespace {

TEST(ReplayShares, NobodyHasMoreThanTwiceAsMuchAsTheLargest) {
  ReplayShares shares;
  std::vector<ReplayShares::Holder> holders(50);
  std::vector<std::size_t> bytes(holders.size());
  for (std::uint32_t i = 0; i < holders.size(); ++i) holders[i].who = SlotHandle{i, 1};
  EXPECT_EQ(shares.largest(), nullptr);
  std::mt19937 random(7);
  for (int step = 0; step < 10'000; ++step) {
    const std::size_t at = random() % holders.size();
    bytes[at] = random() % 3 == 0 ? 0 : std::size_t{1} << (random() % 20);
    shares.set(holders[at], bytes[at]);
    const std::size_t most = *std::max_element(bytes.begin(), bytes.end());
    const ReplayShares::Holder* largest = shares.largest();
    if (most == 0) {
      ASSERT_EQ(largest, nullptr);
      continue;
    }
    ASSERT_NE(largest, nullptr);
    ASSERT_GE(2 * bytes[largest->who.index], most);
  }
  for (ReplayShares::Holder& holder : holders) shares.set(holder, 0);
  EXPECT_EQ(shares.largest(), nullptr);
  shares.set(holders[0], ~std::size_t{0});
  EXPECT_EQ(shares.largest(), &holders[0]);
}

}  // namespace
}  // namespace ts::signal
