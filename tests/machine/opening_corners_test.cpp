// SPDX-License-Identifier: Apache-2.0
// Corners of allocations while they open and while they end: what the shell says twice or wrongly, one of two
// families that has expired, deadlines that are thrown out.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

const Endpoint kPeer6 = ep("[2001:4860::8]:9");

void both_families(stun::MessageBuilder& b) { b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24); }

struct OpeningCorners : ::testing::Test {
  World world;
  Client alice{world};
  ~OpeningCorners() override { EXPECT_EQ(world.broken_invariant(), ""); }
};

TEST_F(OpeningCorners, OneSocketSaidTwiceIsNotTwo) {
  world.hold_opens = true;
  EXPECT_TRUE(alice.allocate(both_families).none());
  ASSERT_EQ(world.held_opens.size(), 2U);
  Outbox out;
  for (int i = 0; i < 2; ++i) world.server.relay_opened(world.now, world.held_opens[0].relay, out);
  EXPECT_TRUE(out.empty()) << "the other one is not there yet";
  const std::size_t before = world.to_clients.size();
  const OpenRelay first = world.held_opens[0];
  world.answer_opens();
  EXPECT_EQ(alice.answer_since(before).code(), 0);
  EXPECT_EQ(world.sockets.size(), 2U);
  world.server.relay_opened(world.now, first.relay, out);
  EXPECT_TRUE(out.empty());
}

TEST_F(OpeningCorners, WhatNobodyAskedForChangesNothing) {
  world.hold_opens = true;
  EXPECT_TRUE(alice.allocate().none());
  RelayId other = world.held_opens.at(0).relay;
  other.family = IpFamily::V6;
  Outbox out;
  world.server.relay_opened(world.now, other, out);
  world.server.relay_failed(world.now, other, RelayError::AddressInUse, out);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(world.server.allocation_count(), 1U);
  const std::size_t before = world.to_clients.size();
  world.answer_opens();
  EXPECT_EQ(alice.answer_since(before).code(), 0);
  EXPECT_EQ(world.gauges().sockets, 1U);
}

// RFC 8656 §8.2: each relayed transport address of the two has a time-to-expiry of its own
TEST_F(OpeningCorners, ChannelDataToAFamilyThatHasExpiredGoesNowhereEvenBeforeTheTick) {
  ASSERT_EQ(alice.allocate(both_families).code(), 0);
  world.advance(seconds(500));
  ASSERT_EQ(alice.bind(0x4000, kPeer6).code(), 0);
  ASSERT_EQ(alice
                .request(Method::Refresh,
                         [](auto& b) {
                           b.add_u32(AttributeType::Lifetime, 3600);
                           Client::address_family(b, stun::kFamilyV4);
                         })
                .code(),
            0);
  alice.send_channel(0x4000, as_bytes("in time"));
  EXPECT_EQ(world.to_peers.size(), 1U);
  world.advance(seconds(100));
  alice.send_channel(0x4000, as_bytes("late"));
  EXPECT_EQ(world.to_peers.size(), 1U);
  EXPECT_EQ(world.server.counters().drops[index(Drop::NoAllocation)], 1U);
  EXPECT_EQ(world.server.allocation_count(), 1U);
}

// RFC 8656 §7.2 MUST: check 9: a family that cannot be given is named in ADDRESS-ERROR-CODE
TEST(OpeningCorner, AServerWithoutIpv4SaysSoToWhoAsksForBoth) {
  Options options = default_options();
  options.relay_addresses.erase(options.relay_addresses.begin());
  World world(options);
  Client alice(world);
  EXPECT_EQ(alice.allocate().code(), 440);
  const Answer answer = alice.allocate(both_families);
  ASSERT_EQ(answer.code(), 0);
  EXPECT_TRUE(alice.relayed.address.is_v6());
  const auto value = answer.attribute(AttributeType::AddressErrorCode).value();
  ASSERT_GE(value.size(), 4U);
  EXPECT_EQ(Bytes(value.begin(), value.begin() + 4), (Bytes{1, 0, 4, 40}));
  EXPECT_EQ(world.gauges().sockets, 1U);
}

TEST_F(OpeningCorners, AllocatingAndDeletingInTurnForgetsNobodysDeadline) {
  ASSERT_EQ(alice.allocate().code(), 0);
  Client bob(world, "192.12.0.2:40000");
  world.hold_opens = true;
  EXPECT_TRUE(bob.allocate().none());
  const auto opening = std::exchange(world.held_opens, {});
  world.hold_opens = false;
  world.keep_history = false;
  Client restless(world, "192.12.0.3:40000");
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(restless.allocate().code(), 0);
    ASSERT_EQ(restless.refresh(0).code(), 0);
    world.to_clients.clear();
  }
  EXPECT_LE(world.server.deadline_count(), 4U * 64 + 1024) << "thrown out";
  world.held_opens = opening;
  world.answer_opens();
  EXPECT_EQ(world.server.allocation_count(), 2U);
  EXPECT_TRUE(world.server.next_deadline());
  world.advance(seconds(600));
  world.tick();
  EXPECT_EQ(world.gauges(), Gauges{});
}

TEST(OpeningCorner, MorePeersAtOnceThanAnyRateAllowsAreNone) {
  Options options = default_options();
  options.max_new_peers_per_second = 1;
  options.max_permissions_per_allocation = 0;
  World world(options);
  Client alice(world);
  ASSERT_EQ(alice.allocate().code(), 0);
  std::vector<Endpoint> peers;
  for (std::uint8_t i = 1; i <= 65; ++i) peers.push_back(Endpoint{IpAddress::v4(9, 9, 9, i), 1});
  world.advance(seconds(500));
  EXPECT_EQ(alice.permit(peers).code(), 508);
  EXPECT_EQ(world.gauges().permissions, 0U);
  EXPECT_EQ(world.server.counters().denials[index(Denial::NewPeerRate)], 1U);
  peers.pop_back();
  EXPECT_EQ(alice.permit(peers).code(), 0);
  EXPECT_EQ(world.gauges().permissions, 64U);
}

}  // namespace
}  // namespace ts::turn::testing
