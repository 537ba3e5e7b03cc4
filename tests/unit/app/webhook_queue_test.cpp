// SPDX-License-Identifier: Apache-2.0
// What waits to be posted to a URL: order, bounds, pauses.
#include "../../../src/app/webhook_queue.hpp"

#include <gtest/gtest.h>

namespace ts::app {
namespace {

using namespace std::chrono_literals;

class NoChance final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& b : out) b = 0;
  }
};

std::shared_ptr<const WebhookPost> post(const std::string& id) {
  return std::make_shared<const WebhookPost>(WebhookPost{id, "{}"});
}

class WebhookQueueTest : public ::testing::Test {
 protected:
  void SetUp() override { queue_.set_limit(4); }
  std::string next() {
    const auto sending = queue_.next(now_);
    if (!sending) return {};
    lane_ = sending->lane;
    return sending->post->id;
  }
  WebhookQueue queue_;
  NoChance random_;
  TimePoint now_{1h};
  std::size_t lane_ = 0;
};

TEST_F(WebhookQueueTest, EventsOfOneKeyGoOneAfterTheOther) {
  queue_.push(now_, 1, post("a"));
  queue_.push(now_, 1, post("b"));
  queue_.push(now_, 2, post("c"));
  EXPECT_EQ(next(), "a");
  const std::size_t first = lane_;
  EXPECT_EQ(next(), "c");
  EXPECT_EQ(next(), "");
  queue_.settle(first);
  EXPECT_EQ(next(), "b");
}

TEST_F(WebhookQueueTest, AFailureIsTriedAgainWithTheSameIdAndLongerPauses) {
  queue_.push(now_, 1, post("a"));
  queue_.push(now_, 1, post("b"));
  const std::chrono::milliseconds pauses[] = {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s};
  for (const auto pause : pauses) {
    ASSERT_EQ(next(), "a");
    ASSERT_TRUE(queue_.retry(now_, lane_, 10min, random_));
    EXPECT_EQ(next(), "") << "b waits for a";
    EXPECT_EQ(queue_.next_due(), now_ + pause);
    now_ += pause - 1ms;
    EXPECT_EQ(next(), "");
    now_ += 1ms;
  }
  ASSERT_EQ(next(), "a");
  EXPECT_FALSE(queue_.retry(now_ + 10min, lane_, 10min, random_));
  EXPECT_EQ(next(), "b");
}

TEST_F(WebhookQueueTest, TheOldestMakesRoomButNotTheOneOnItsWay) {
  for (const char* id : {"a", "b", "c", "d"}) EXPECT_EQ(queue_.push(now_, 1, post(id)), 0U);
  EXPECT_EQ(next(), "a");
  EXPECT_EQ(queue_.push(now_, 2, post("e")), 1U);
  EXPECT_EQ(queue_.size(), 4U);
  queue_.settle(lane_);
  EXPECT_EQ(next(), "e");
  EXPECT_EQ(next(), "c");
  EXPECT_EQ(queue_.set_limit(2), 1U) << "d goes, what is on its way stays";
}

TEST_F(WebhookQueueTest, WhatNobodyWillTellOfIsPostedAgain) {
  queue_.push(now_, 1, post("a"));
  EXPECT_EQ(next(), "a");
  queue_.release();
  EXPECT_EQ(next(), "a");
  queue_.settle(lane_);
  queue_.settle(lane_);
  EXPECT_EQ(queue_.size(), 0U);
  EXPECT_EQ(queue_.next_due(), std::nullopt);
}

}  // namespace
}  // namespace ts::app
