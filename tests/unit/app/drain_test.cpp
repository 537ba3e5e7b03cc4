// SPDX-License-Identifier: Apache-2.0
// What a drain does, and when: on a real clock, so that each test takes a little while.
#include "../../../src/app/drain.hpp"

#include <gtest/gtest.h>

namespace ts::app {
namespace {

using namespace std::chrono_literals;

struct Draining : ::testing::Test {
  Drain::Hands hands() {
    Drain::Hands out;
    out.refuse = [this](bool on) { refuses = on; };
    out.send_away = [this](const signal::Farewell& how) {
      farewell = how;
      ++farewells;
    };
    out.welcome = [this] { ++welcomes; };
    out.disconnect = [this] { ++disconnects; };
    out.count = [this](std::function<void(Remaining)> told) { told(left); };
    return out;
  }
  static config::ShutdownOptions options(std::chrono::milliseconds timeout,
                                         std::chrono::milliseconds spread) {
    return {timeout, spread};
  }

  boost::asio::io_context context;
  Remaining left;
  bool refuses = false;
  std::optional<signal::Farewell> farewell;
  int farewells = 0;
  int welcomes = 0;
  int disconnects = 0;
  int ends = 0;
  Drain drain{context, hands()};
};

TEST_F(Draining, TheSpreadFitsIntoTheTimeThatThereIs) {
  left.sessions = 1;
  drain.begin(options(2100ms, 10min), [this] { ++ends; });
  ASSERT_TRUE(farewell);
  EXPECT_EQ(farewell->retry_after, 1s);
  EXPECT_EQ(farewell->spread, 100ms);
  context.run_for(3s);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(disconnects, 1) << "whoever was told to go has gone when it ends";
}

TEST_F(Draining, WithoutAnEndTheSpreadIsAsWritten) {
  left.sessions = 1;
  drain.begin(options(5s, 10min), nullptr);
  ASSERT_TRUE(farewell);
  EXPECT_EQ(farewell->spread, 10min);
  EXPECT_TRUE(drain.cancel());
  EXPECT_FALSE(refuses);
  EXPECT_EQ(welcomes, 1);
}

// "turnstone ctl drain" before SIGTERM, as a preStop hook does it.
TEST_F(Draining, AnEndThatComesLaterShortensTheSpread) {
  left.sessions = 1;
  drain.begin(options(2100ms, 10min), nullptr);
  ASSERT_EQ(farewell->spread, 10min);
  drain.begin(options(2100ms, 10min), nullptr);
  EXPECT_EQ(farewells, 1) << "nothing new";
  drain.begin(options(2100ms, 10min), [this] { ++ends; });
  EXPECT_EQ(farewells, 2);
  EXPECT_EQ(farewell->spread, 100ms);
  context.run_for(3s);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(disconnects, 1) << "whoever was told to go has gone when it ends";
}

TEST_F(Draining, AnEndThatIsLateEnoughTellsNobodyAnew) {
  left.sessions = 1;
  drain.begin(options(60s, 5s), nullptr);
  drain.begin(options(60s, 5s), [this] { ++ends; });
  EXPECT_EQ(farewells, 1);
  EXPECT_EQ(farewell->spread, 5s);
  left.sessions = 0;
  context.run_for(1s);
  EXPECT_EQ(ends, 1);
}

TEST_F(Draining, WhoWasCutOffIsNotSentAwayAgain) {
  left.sessions = 1;
  drain.begin(options(60s, 0s), nullptr);
  context.run_for(2500ms);
  ASSERT_EQ(disconnects, 1);
  drain.begin(options(3s, 0s), [this] { ++ends; });
  EXPECT_EQ(farewells, 1);
  context.run_for(4s);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(disconnects, 1);
}

TEST_F(Draining, NobodyComesBackToAServerThatHasDrained) {
  drain.begin(options(60s, 0s), [this] { ++ends; });
  context.run_for(1s);
  ASSERT_EQ(ends, 1);
  EXPECT_FALSE(drain.cancel());
  EXPECT_TRUE(refuses);
  EXPECT_TRUE(drain.is_on());
  EXPECT_EQ(welcomes, 0);
}

}  // namespace
}  // namespace ts::app
