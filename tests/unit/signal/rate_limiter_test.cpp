// SPDX-License-Identifier: Apache-2.0
// What passes of messages, bytes and joins, of one connection and of all of one address; who is in whose way;
// and what the Router makes of it.
#include <functional>
#include <set>

#include "support.hpp"

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart = TimePoint(std::chrono::hours(1));
const IpAddress kAda = IpAddress::v4(192, 0, 2, 1);
const IpAddress kBob = IpAddress::v4(192, 0, 2, 2);

/// All off.
Options boundless() {
  Options o = test_options();
  o.messages_per_second = o.bytes_per_second = o.joins_per_second = 0;
  o.address_messages_per_second = o.address_bytes_per_second = o.address_joins_per_second = 0;
  return o;
}

struct World {
  explicit World(Options o) : options(std::move(o)), limiter(options, counters, 7) {}
  ConnectionRates from(const IpAddress& address) {
    ConnectionRates out;
    out.place = limiter.place(address);
    return out;
  }
  /// How many of many messages, or joins (no `bytes`), pass at once.
  int pass(ConnectionRates& rates, TimePoint now, std::optional<std::size_t> bytes, int tries = 2000) {
    int passed = 0;
    for (int i = 0; i < tries; ++i)
      passed += (bytes ? limiter.message(now, rates, 0, *bytes) : limiter.join(now, rates, 1)) ? 0 : 1;
    return passed;
  }
  std::uint64_t refused(RateScope scope, RateUnit unit) const {
    return counters.over_rate[index(scope)][index(unit)];
  }

  Options options;
  Counters counters;
  RateLimiter limiter;
};

struct RateCase {
  const char* name;
  std::uint32_t Options::*rate;
  std::uint32_t per_second;
  std::optional<std::size_t> bytes;
  int at_once;
  int a_second_later;
  RateScope scope;
  RateUnit unit;
};

class RateTest : public ::testing::TestWithParam<RateCase> {};

TEST_P(RateTest, BurstThenRate) {
  const RateCase& k = GetParam();
  Options o = boundless();
  o.*k.rate = k.per_second;
  World world(o);
  ConnectionRates rates = world.from(kAda);
  EXPECT_EQ(world.pass(rates, kStart, k.bytes), k.at_once);
  EXPECT_EQ(world.refused(k.scope, k.unit), 2000U - static_cast<unsigned>(k.at_once));
  EXPECT_EQ(world.pass(rates, kStart + 1s, k.bytes), k.a_second_later);
  EXPECT_EQ(world.pass(rates, kStart + 1h, k.bytes), k.at_once) << "no more than a burst is saved up";
}

TEST_P(RateTest, ItMayPassAfterTheTimeThatIsTold) {
  const RateCase& k = GetParam();
  Options o = boundless();
  o.*k.rate = k.per_second;
  World world(o);
  ConnectionRates rates = world.from(kAda);
  world.pass(rates, kStart, k.bytes);
  const auto ask = [&](TimePoint now) {
    return k.bytes ? world.limiter.message(now, rates, 0, *k.bytes) : world.limiter.join(now, rates, 1);
  };
  const auto refusal = ask(kStart);
  ASSERT_TRUE(refusal);
  EXPECT_TRUE(ask(kStart + refusal->retry_after - 2ns));
  EXPECT_FALSE(ask(kStart + refusal->retry_after));
}

TEST_P(RateTest, WhoSharesIt) {
  const RateCase& k = GetParam();
  Options o = boundless();
  o.*k.rate = k.per_second;
  World world(o);
  ConnectionRates first = world.from(kAda);
  ConnectionRates second = world.from(kAda);
  ConnectionRates other = world.from(kBob);
  world.pass(first, kStart, k.bytes);
  EXPECT_EQ(world.pass(second, kStart, k.bytes), k.scope == RateScope::Address ? 0 : k.at_once);
  EXPECT_EQ(world.pass(other, kStart, k.bytes), k.at_once);
}

TEST_P(RateTest, ZeroIsNoLimitAndHoldsAtOnce) {
  const RateCase& k = GetParam();
  World world(boundless());
  ConnectionRates rates = world.from(kAda);
  EXPECT_EQ(world.pass(rates, kStart, k.bytes), 2000);
  world.options.*k.rate = k.per_second;
  EXPECT_EQ(world.pass(rates, kStart, k.bytes), k.at_once);
  world.options.*k.rate = 0;
  EXPECT_EQ(world.pass(rates, kStart, k.bytes), 2000);
}

TEST_P(RateTest, TwoHundredRefusalsWithoutAPausePersist) {
  const RateCase& k = GetParam();
  Options o = boundless();
  o.*k.rate = k.per_second;
  World world(o);
  ConnectionRates rates = world.from(kAda);
  const auto ask = [&](TimePoint now) {
    return k.bytes ? world.limiter.message(now, rates, 0, *k.bytes) : world.limiter.join(now, rates, 1);
  };
  world.pass(rates, kStart, k.bytes, k.at_once);
  for (std::uint32_t i = 0; i < kMaxRefusals; ++i) {
    const auto refusal = ask(kStart);
    ASSERT_TRUE(refusal);
    ASSERT_FALSE(refusal->persists) << i;
  }
  EXPECT_TRUE(ask(kStart)->persists);
  // Others of the address are not to blame.
  ConnectionRates second = world.from(kAda);
  if (const auto refusal = world.limiter.message(kStart, second, 0, 1)) {
    EXPECT_FALSE(refusal->persists);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RateTest,
                         ::testing::Values(RateCase{"bytes", &Options::bytes_per_second, 1000, 100, 40, 10,
                                                    RateScope::Connection, RateUnit::Bytes},
                                           RateCase{"joins", &Options::joins_per_second, 3, std::nullopt, 12,
                                                    3, RateScope::Connection, RateUnit::Joins},
                                           RateCase{"address_messages", &Options::address_messages_per_second,
                                                    7, 1, 28, 7, RateScope::Address, RateUnit::Messages},
                                           RateCase{"address_bytes", &Options::address_bytes_per_second, 1000,
                                                    100, 40, 10, RateScope::Address, RateUnit::Bytes},
                                           RateCase{"address_joins", &Options::address_joins_per_second, 10,
                                                    std::nullopt, 40, 10, RateScope::Address,
                                                    RateUnit::Joins}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(RateLimiter, MessagesOfAConnectionAreAsTheyWere) {
  Options o = boundless();
  o.messages_per_second = 10, o.message_burst = 5;
  World world(o);
  ConnectionRates rates = world.from(kAda);
  EXPECT_EQ(world.pass(rates, kStart, 0, 100), 5);
  EXPECT_EQ(world.refused(RateScope::Connection, RateUnit::Messages), 95U);
  // A token's own rate takes its place.
  EXPECT_TRUE(world.limiter.message(kStart + 90ms, rates, 0, 0));
  int passed = 0;
  for (int i = 0; i < 100; ++i) passed += world.limiter.message(kStart + 500ms, rates, 1000, 0) ? 0 : 1;
  EXPECT_EQ(passed, 5);
  for (int i = 0; i < 100; ++i) passed += world.limiter.message(kStart + 510ms, rates, 1000, 0) ? 0 : 1;
  EXPECT_EQ(passed, 10) << "and with it a burst has come back in five milliseconds";
}

TEST(RateLimiter, AMessageLargerThanTheBurstPassesAndIsPaidFor) {
  Options o = boundless();
  o.bytes_per_second = 1000;
  World world(o);
  ConnectionRates rates = world.from(kAda);
  EXPECT_FALSE(world.limiter.message(kStart, rates, 0, 20'000));
  EXPECT_TRUE(world.limiter.message(kStart + 15s, rates, 0, 1));
  EXPECT_FALSE(world.limiter.message(kStart + 16s + 1ns, rates, 0, 1));
  // Nobody owes more than a minute.
  EXPECT_FALSE(world.limiter.message(kStart + 1h, rates, 0, 4'000'000'000U));
  EXPECT_FALSE(world.limiter.message(kStart + 1h + 61s, rates, 0, 1));
}

TEST(RateLimiter, AllRoomsThatOneMayBeInMayBeJoinedAtOnce) {
  Options o = boundless();
  o.joins_per_second = 5;
  World world(o);
  ConnectionRates rates = world.from(kAda);
  int joined = 0;
  while (!world.limiter.join(kStart, rates, 100)) ++joined;
  EXPECT_EQ(joined, 100);
}

TEST(RateLimiter, WhatIsRefusedForTheAddressIsTakenFromNobodyElse) {
  Options o = boundless();
  o.bytes_per_second = 1000, o.address_bytes_per_second = 1000;
  World world(o);
  ConnectionRates first = world.from(kAda);
  ConnectionRates second = world.from(kAda);
  EXPECT_EQ(world.pass(first, kStart, 100, 1000), 40);
  EXPECT_EQ(world.pass(second, kStart, 100, 1000), 0);
  world.options.address_bytes_per_second = 0;
  EXPECT_EQ(world.pass(second, kStart, 100, 1000), 40);
}

TEST(RateLimiter, Places) {
  World world(boundless());
  const auto place = [&](const char* text) { return world.limiter.place(*IpAddress::parse(text)); };
  EXPECT_EQ(place("2001:db8:0:1::1"), place("2001:db8:0:1:ffff::2")) << "a /64";
  EXPECT_NE(place("2001:db8:0:1::1"), place("2001:db8:0:2::1"));
  EXPECT_EQ(place("192.0.2.1"), place("::ffff:192.0.2.1"));
  for (const char* none : {"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "10.1.2.3", "172.31.0.1",
                           "192.168.7.7", "169.254.1.1", "fd00::1", "fe80::1"})
    EXPECT_EQ(place(none), ConnectionRates::kNoPlace) << none;
  for (const char* far : {"11.1.2.3", "172.32.0.1", "192.169.7.7", "169.253.1.1", "fb00::1", "fec0::1"})
    EXPECT_NE(place(far), ConnectionRates::kNoPlace) << far;
  std::set<std::uint32_t> places;
  for (std::uint8_t i = 0; i < 200; ++i) {
    places.insert(world.limiter.place(IpAddress::v4(198, 51, 100, i)));
    EXPECT_LT(*places.rbegin(), RateLimiter::kPlaces);
  }
  EXPECT_GT(places.size(), 190U);
}

TEST(RateLimiter, AConferenceBehindOneNatIsNotTouched) {
  World world(Options{});
  std::vector<ConnectionRates> all(64, world.from(kAda));
  int refused = 0;
  const auto say = [&](TimePoint now, std::size_t who, std::size_t bytes) {
    refused += world.limiter.message(now, all[who], 0, bytes) ? 1 : 0;
  };
  // Ten come each second, and call everybody who is there: a description each way at once, and ten candidates
  // each way, one every half a second.
  for (std::size_t tenth = 0; tenth < 64 + 51; ++tenth) {
    const TimePoint now = kStart + tenth * 100ms;
    if (tenth < all.size()) refused += world.limiter.join(now, all[tenth], 1) ? 1 : 0;
    for (std::size_t newcomer = 0; newcomer < std::min(tenth + 1, all.size()); ++newcomer) {
      const std::size_t age = tenth - newcomer;
      if (age % 5 != 0 || age > 50) continue;
      const std::size_t bytes = age == 0 ? 12'000 : 250;
      for (std::size_t mate = 0; mate < newcomer; ++mate) say(now, newcomer, bytes), say(now, mate, bytes);
    }
  }
  EXPECT_EQ(refused, 0);
}

TEST_F(RouterTest, BytesAreCounted) {
  Options o = test_options();
  o.bytes_per_second = 1000;
  start(o);
  member(1, "ada");
  ASSERT_TRUE(router_->admit(now_, 1, out_, 5000));
  const auto refused = router_->admit(now_, 1, out_, 1);
  ASSERT_EQ(code(refused), ErrorCode::RateLimited);
  EXPECT_GE(refused.error().retry_after, 1s);
  EXPECT_EQ(refused.error().message, "too many bytes");
  pass(2s);
  EXPECT_TRUE(router_->admit(now_, 1, out_, 1));
}

TEST_F(RouterTest, JoinsAreCountedAndRefreshesAreNot) {
  Options o = test_options();
  o.joins_per_second = 1;
  start(o);
  member(1, "ada"), member(2, "bob");
  join(2, "r");
  out_.clear();
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(code(router_->join(now_, 1, "r", {}, out_)), ErrorCode::None) << i;
    for (int k = 0; k < 10; ++k) ASSERT_TRUE(router_->join(now_, 1, "r", {}, out_)) << "a refresh";
    ASSERT_TRUE(router_->leave(1, "r", out_));
  }
  out_.clear();
  for (std::uint32_t i = 0; i < kMaxRefusals; ++i)
    ASSERT_EQ(code(router_->join(now_, 1, "r", {}, out_)), ErrorCode::RateLimited);
  EXPECT_EQ(said(), Lines{});
  EXPECT_EQ(code(router_->join(now_, 1, "r", {}, out_)), ErrorCode::RateLimited);
  EXPECT_EQ(said(), Lines{"1: close 4029 too many joins"});
  EXPECT_FALSE(router_->knows(1));
  EXPECT_EQ(router_->counters().closed[index(CloseReason::RateLimited)], 1U);
}

TEST_F(RouterTest, AnAddressSharesItsRates) {
  Options o = test_options();
  o.address_messages_per_second = 1;
  start(o);
  const Endpoint ada{kAda, 1000};
  ASSERT_TRUE(router_->opened(now_, 1, ada, 0, out_));
  ASSERT_TRUE(router_->opened(now_, 2, Endpoint{kAda, 1001}, 0, out_));
  ASSERT_TRUE(router_->opened(now_, 3, Endpoint{kBob, 1000}, 0, out_));
  for (ConnectionId i = 0; i < 4; ++i) ASSERT_TRUE(router_->admit(now_, 1 + i % 2, out_));
  EXPECT_EQ(code(router_->admit(now_, 1, out_)), ErrorCode::RateLimited);
  EXPECT_EQ(code(router_->admit(now_, 2, out_)), ErrorCode::RateLimited);
  EXPECT_TRUE(router_->admit(now_, 3, out_));
  // Nor does a new connection help.
  router_->closed(1, CloseReason::Bye, out_);
  ASSERT_TRUE(router_->opened(now_, 4, ada, 0, out_));
  EXPECT_EQ(code(router_->admit(now_, 4, out_)), ErrorCode::RateLimited);
}

}  // namespace
}  // namespace ts::signal
