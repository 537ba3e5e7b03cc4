// SPDX-License-Identifier: Apache-2.0
// Corners that the scripts leave out.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

const Endpoint kPeer = ep("8.8.8.8:5000");

struct Corners : ::testing::Test {
  World world;
  Client alice{world};
};

TEST_F(Corners, ARefreshWithAMalformedFamilyChangesNothing) {
  ASSERT_EQ(alice.allocate().code(), 0);
  const Gauges before = world.gauges();
  EXPECT_EQ(alice
                .request(Method::Refresh,
                         [](auto& b) {
                           b.add(AttributeType::RequestedAddressFamily, as_bytes("\x01"));
                           b.add_u32(AttributeType::Lifetime, 0);
                         })
                .code(),
            400);
  EXPECT_EQ(world.gauges(), before);
}

// RFC 8656 §7.2 MUST: check 9: a family that cannot be given is named in ADDRESS-ERROR-CODE
// RFC 8656 §18.12 MUST: ADDRESS-ERROR-CODE has the family, 440 or 508, and zero reserved bits
TEST(Corner, AServerWithoutIpv6SaysSoToWhoAsksForBoth) {
  Options o = default_options();
  o.relay_addresses.pop_back();
  World world(o);
  Client alice(world);
  const Answer answer =
      alice.allocate([](auto& b) { b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24); });
  ASSERT_EQ(answer.code(), 0);
  const auto value = answer.attribute(AttributeType::AddressErrorCode).value();
  ASSERT_GE(value.size(), 4U);
  EXPECT_EQ(Bytes(value.begin(), value.begin() + 4), (Bytes{2, 0, 4, 40}));
  EXPECT_EQ(world.gauges().sockets, 1U);
}

TEST_F(Corners, AChannelThatHasExpiredIsNotUsedEvenBeforeTheTick) {
  ASSERT_EQ(alice.refresh(0).code(), 437);
  ASSERT_EQ(alice.allocate([](auto& b) { b.add_u32(AttributeType::Lifetime, 3600); }).code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  world.advance(seconds(599));
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  world.peer_sends(alice.relay(), kPeer, as_bytes("in time"));
  EXPECT_EQ(world.to_clients.back().bytes[0], 0x40);
  world.advance(seconds(1));
  world.peer_sends(alice.relay(), kPeer, as_bytes("late"));
  EXPECT_EQ(Answer{world.to_clients.back().bytes}.view().method(), Method::Data);
}

// RFC 8489 §9.2.4 MUST: a wrong integrity value is 401 with REALM and NONCE
TEST_F(Corners, TheOwnersNameWithAWrongPasswordEndsNothing) {
  ASSERT_EQ(alice.allocate().code(), 0);
  alice.password = "guess";
  const Answer answer = alice.refresh(0);
  EXPECT_EQ(answer.code(), 401);
  EXPECT_TRUE(answer.attribute(AttributeType::Nonce) && answer.attribute(AttributeType::Realm));
  EXPECT_EQ(world.gauges().allocations, 1U);
}

}  // namespace
}  // namespace ts::turn::testing
