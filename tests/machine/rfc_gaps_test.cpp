// SPDX-License-Identifier: Apache-2.0
// Requirements of RFC 8489 and RFC 8656 that no other test shows.
#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

const Endpoint kPeer = ep("8.8.8.8:9");

struct Gaps : ::testing::Test {
  ~Gaps() override { EXPECT_EQ(world.broken_invariant(), ""); }
  World world;
  Client alice{world};
  Client bob{world, "192.12.0.2:40000", Transport::Udp, "bob", "builder"};
};

// RFC 8489 §6.3 MUST: an unknown method, or a class that its method does not have, is discarded
TEST_F(Gaps, OnlyMethodsOfOursAreAnswered) {
  ASSERT_EQ(alice.allocate().code(), 0);
  for (unsigned method = 0; method <= 0xFFF; ++method) {
    // Those from 0x001 to 0x00B that are requests, and 0x00C, which is an indication only.
    const bool ours = method == 1 || method == 3 || method == 4 || (method >= 8 && method <= 0xB);
    const Answer answer =
        alice.send(alice.make_plain(stun::MessageClass::Request, static_cast<Method>(method), [](auto&) {}));
    EXPECT_EQ(!answer.none(), ours) << method;
    for (const auto other : {stun::MessageClass::Indication, stun::MessageClass::SuccessResponse,
                             stun::MessageClass::ErrorResponse}) {
      EXPECT_TRUE(alice.send(alice.make_plain(other, static_cast<Method>(method), [](auto&) {})).none())
          << method;
    }
  }
  EXPECT_EQ(world.gauges().allocations, 1U);
}

// RFC 8489 §6.3 MUST: unknown comprehension-optional attributes are ignored
// RFC 8489 §6.3 SHOULD: known attributes that nobody expects there are ignored
TEST_F(Gaps, WhatNobodyExpectsIsIgnored) {
  const auto strange = [](auto& b) {
    b.add_u32(static_cast<AttributeType>(0xFF01), 1).add_channel_number(0x4001);
    b.add_xor_address(AttributeType::XorPeerAddress, ep("127.0.0.1:1"));
    b.add_xor_address(AttributeType::XorMappedAddress, kPeer).add(AttributeType::Data, as_bytes("x"));
  };
  EXPECT_EQ(alice.allocate(strange).code(), 0);
  const auto refresh = [&](auto& b) { strange(b), b.add_u32(AttributeType::Lifetime, 700); };
  EXPECT_EQ(alice.request(Method::Refresh, refresh).u32(AttributeType::Lifetime), 700U);
  EXPECT_EQ(alice
                .request(Method::ChannelBind,
                         [](auto& b) {
                           b.add_channel_number(0x4000).add_xor_address(AttributeType::XorPeerAddress, kPeer);
                           b.add_u32(AttributeType::Lifetime, 0).add_flag(AttributeType::DontFragment);
                         })
                .code(),
            0);
  EXPECT_EQ(world.gauges(), (Gauges{1, 1, 1, 1, 1}));
  EXPECT_EQ(alice.send(alice.make_plain(stun::MessageClass::Request, Method::Binding, strange)).code(), 0);
}

// RFC 8489 §12 SHOULD: Binding is not redirected
TEST_F(Gaps, BindingIsAnsweredWhereAllocateIsRedirected) {
  Options o = default_options();
  o.alternate_servers = {ep("198.41.0.5:3478")};
  World w(o);
  Client client(w);
  ASSERT_EQ(client.allocate().code(), 300);
  const Answer plain =
      client.send(client.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {}));
  EXPECT_EQ(plain.code(), 0);
  EXPECT_EQ(client.request(Method::Binding, [](auto&) {}).code(), 0) << "with credentials too";
}

// RFC 8489 §14.8 MUST: reason phrases are UTF-8 of fewer than 128 characters
TEST_F(Gaps, ReasonPhrasesAreShortPrintableText) {
  int phrases = 0;
  for (unsigned code = 300; code < 700; ++code) {
    const std::string_view phrase = stun::reason_phrase(static_cast<stun::ErrorCode>(code));
    EXPECT_LT(phrase.size(), 128U) << code;
    for (const char c : phrase) EXPECT_TRUE(c >= ' ' && c <= '~') << code;
    phrases += phrase.empty() ? 0 : 1;
  }
  EXPECT_EQ(phrases, 18);
}

// RFC 8489 §14.9 MUST: REALM is prepared as OpaqueString
TEST_F(Gaps, TheRealmOfAChallengeIsInNormalForm) {
  auth::Options options = default_auth();
  options.realm = "cafe\xcc\x81";
  World w(default_options(), 1, options);
  Client client(w);
  const Answer answer = client.send(
      client.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport));
  EXPECT_EQ(answer.code(), 401);
  EXPECT_EQ(as_text(answer.attribute(AttributeType::Realm).value()), "caf\xc3\xa9");
}

// RFC 8656 §5 MUST: another username than the allocation's is 441
TEST_F(Gaps, EveryRequestNeedsTheAllocationsUser) {
  ASSERT_EQ(alice.allocate().code(), 0);
  Client other(world, "192.12.0.1:40000", Transport::Udp, "bob", "builder");
  EXPECT_EQ(other.refresh(600).code(), 441);
  EXPECT_EQ(other.permit({kPeer}).code(), 441);
  EXPECT_EQ(other.bind(0x4000, kPeer).code(), 441);
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 1, 1}));
}

// RFC 8656 §7.2 SHOULD: ports are from 49152 to 65535, and never below 1024
TEST_F(Gaps, PortsAreFromTheDynamicRangeUnlessToldOtherwise) {
  Options o = default_options();
  o.ports = Options{}.ports;
  World w(o);
  std::uint16_t low = 65535;
  std::uint16_t high = 0;
  for (std::uint16_t i = 0; i < 400; ++i) {
    Client client(w, "192.12.0.1:" + std::to_string(10'000 + i));
    client.username = i % 2 == 0 ? "alice" : "bob";
    client.password = i % 2 == 0 ? "wonder" : "builder";
    ASSERT_EQ(client.allocate().code(), 0);
    low = std::min(low, client.relayed.port);
    high = std::max(high, client.relayed.port);
    ASSERT_EQ(client.refresh(0).code(), 0);
  }
  EXPECT_GE(low, 49152);
  EXPECT_LT(low, 52000) << "the whole of it";
  EXPECT_GT(high, 62000);
}

// RFC 8656 §9 MUST: permissions of one allocation are not another's, and end with it
TEST_F(Gaps, PermissionsBelongToOneAllocation) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(bob.allocate().code(), 0);
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  bob.send_indication(kPeer, as_bytes("x"));
  EXPECT_TRUE(world.to_peers.empty());
  const std::size_t before = world.to_clients.size();
  world.peer_sends(bob.relay(), kPeer, as_bytes("x"));
  EXPECT_EQ(world.to_clients.size(), before);
  alice.send_indication(kPeer, as_bytes("x"));
  EXPECT_EQ(world.to_peers.size(), 1U);
  ASSERT_EQ(alice.refresh(0).code(), 0);
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(world.gauges().permissions, 0U);
  alice.send_indication(kPeer, as_bytes("x"));
  EXPECT_EQ(world.to_peers.size(), 1U);
}

// RFC 8656 §12 MUST: channels of one allocation are not another's, and end with it
TEST_F(Gaps, ChannelsBelongToOneAllocation) {
  const Endpoint other = ep("8.8.4.4:9");
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(bob.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  bob.send_channel(0x4000, as_bytes("x"));
  EXPECT_TRUE(world.to_peers.empty());
  EXPECT_EQ(bob.bind(0x4000, other).code(), 0) << "the number of another peer there";
  EXPECT_EQ(bob.bind(0x4001, kPeer).code(), 0) << "the peer of another number there";
  alice.send_channel(0x4000, as_bytes("x"));
  bob.send_channel(0x4000, as_bytes("x"));
  ASSERT_EQ(world.to_peers.size(), 2U);
  EXPECT_EQ(world.to_peers[0].peer, kPeer);
  EXPECT_EQ(world.to_peers[1].peer, other);
  ASSERT_EQ(alice.refresh(0).code(), 0);
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(world.gauges().channels, 2U);
  alice.send_channel(0x4000, as_bytes("x"));
  EXPECT_EQ(world.to_peers.size(), 2U);
  EXPECT_EQ(alice.bind(0x4000, other).code(), 0);
}

// RFC 8656 §18.7 MUST: the reserved bits of EVEN-PORT are ignored
TEST_F(Gaps, OfEvenPortTheFirstBitCounts) {
  for (const unsigned value : {0x00U, 0x01U, 0x7FU, 0x80U, 0x81U, 0xFFU}) {
    const std::array<std::uint8_t, 1> even{static_cast<std::uint8_t>(value)};
    const Answer answer = alice.allocate([&](auto& b) { b.add(AttributeType::EvenPort, ByteView(even)); });
    ASSERT_EQ(answer.code(), 0) << value;
    EXPECT_EQ(alice.relayed.port % 2, 0) << value;
    EXPECT_EQ(answer.attribute(AttributeType::ReservationToken).has_value(), (value & 0x80) != 0) << value;
    ASSERT_EQ(alice.refresh(0).code(), 0);
  }
}

}  // namespace
}  // namespace ts::turn::testing
