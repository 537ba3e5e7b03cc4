// SPDX-License-Identifier: Apache-2.0
// What moderators have decided, kept for nodes that were away.
#include <gtest/gtest.h>

#include <turnstone/base/hash.hpp>
#include <turnstone/signal/cluster_key.hpp>
#include <turnstone/signal/cluster_verdicts.hpp>

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1h};

TEST(Kicks, MeanAMembershipAndNotTheNextOne) {
  Kicks kicks;
  kicks.add(kNow, {"n", 1, "r"}, 7, "rude");
  ASSERT_NE(kicks.find(kNow, "n", 1, "r", 7), nullptr);
  EXPECT_EQ(kicks.find(kNow, "n", 1, "r", 7)->reason, "rude");
  EXPECT_NE(kicks.find(kNow, "n", 1, "r", 6), nullptr);
  EXPECT_EQ(kicks.find(kNow, "n", 1, "r", 8), nullptr) << "it has come again";
  EXPECT_EQ(kicks.find(kNow, "n", 2, "r", 7), nullptr);
  EXPECT_EQ(kicks.find(kNow, "m", 1, "r", 7), nullptr);
  EXPECT_EQ(kicks.find(kNow, "n", 1, "s", 7), nullptr);
  kicks.add(kNow, {"n", 1, "r"}, 5, "older");
  EXPECT_EQ(kicks.find(kNow, "n", 1, "r", 7)->reason, "rude");
  EXPECT_EQ(kicks.find(kNow + kVerdictTime, "n", 1, "r", 7), nullptr);
}

TEST(Kicks, AreFewEnough) {
  Kicks kicks;
  for (std::uint64_t i = 0; i < kMaxVerdicts + 10; ++i) kicks.add(kNow, {"n", i, "r"}, 1, "");
  EXPECT_EQ(kicks.size(), kMaxVerdicts);
  EXPECT_EQ(kicks.find(kNow, "n", 9, "r", 1), nullptr) << "the oldest go";
  EXPECT_NE(kicks.find(kNow, "n", 10, "r", 1), nullptr);
  kicks.add(kNow + kVerdictTime, {"n", 0, "r"}, 1, "");
  EXPECT_EQ(kicks.size(), 1U);
}

RemoteBan ban(std::string_view peer, std::chrono::seconds time, std::uint64_t stamp) {
  return {"r", peer, "mark", time, "why", stamp};
}

TEST(Bans, TheLaterWordCounts) {
  Bans bans;
  EXPECT_TRUE(bans.take(kNow, ban("bob", 60s, 5)));
  EXPECT_TRUE(bans.take(kNow, ban("bob", 60s, 5))) << "told again";
  EXPECT_TRUE(bans.take(kNow, ban("bob", 0s, 8)));
  EXPECT_FALSE(bans.take(kNow, ban("bob", 60s, 5))) << "it has ended since";
  EXPECT_TRUE(bans.take(kNow, ban("bob", 60s, 9)));
  EXPECT_TRUE(bans.take(kNow, ban("cid", 60s, 1))) << "another one";
}

TEST(Bans, AreToldWithWhatIsLeftOfThem) {
  Bans bans;
  bans.take(kNow, ban("bob", 60s, 5));
  bans.take(kNow, ban("cid", 0s, 6));
  const auto words = bans.words(kNow + 20s);
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(words[0].peer, "bob");
  EXPECT_EQ(words[0].time, 40s);
  EXPECT_EQ(words[0].stamp, 5U);
  EXPECT_EQ(words[0].credential, "mark");
  EXPECT_EQ(words[1].time, 0s);
  EXPECT_EQ(bans.words(kNow + 60s).size(), 1U);
  EXPECT_EQ(bans.words(kNow + kVerdictTime).size(), 0U);
  for (std::uint64_t i = 0; i < kMaxVerdicts + 10; ++i) bans.take(kNow, ban(std::to_string(i), 60s, i));
  EXPECT_EQ(bans.size(), kMaxVerdicts);
}

TEST(ClusterKey, IsAnotherForEachPurpose) {
  const ClusterKey frames = derive("the secret of all nodes", kFramesPurpose);
  EXPECT_EQ(derive("the secret of all nodes", kFramesPurpose).bytes, frames.bytes);
  EXPECT_NE(derive("the secret of all nodes", "forwarding").bytes, frames.bytes);
  EXPECT_NE(derive("another secret", kFramesPurpose).bytes, frames.bytes);
  // HMAC-SHA-256("key", "turnstone x"), by openssl.
  EXPECT_EQ(hex(derive("key", "x").bytes),
            "81174eedff5c21bd8811cfc9523f52395265aa9f0b58768371ae1507e6be21b4");
}

}  // namespace
}  // namespace ts::signal
