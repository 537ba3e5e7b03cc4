// SPDX-License-Identifier: Apache-2.0
// Refresh (RFC 8656 §8.2), CreatePermission (§10.2), ChannelBind (§12.2) and the ends of allocations.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

const Endpoint kPeer = ep("8.8.8.8:5000");
const Endpoint kOther = ep("9.9.9.9:6000");

struct Given : ::testing::Test {
  World world;
  Client alice{world};
  void SetUp() override { ASSERT_EQ(alice.allocate().code(), 0); }
  std::uint64_t ended(EndReason why) const { return world.server.counters().allocations_ended[index(why)]; }
  /// Expects the error and that nothing has changed.
  void unchanged(const Answer& answer, int code, const Gauges& before) {
    EXPECT_EQ(answer.code(), code);
    EXPECT_EQ(world.gauges(), before);
    EXPECT_EQ(world.broken_invariant(), "");
  }
  bool relays() {
    const std::size_t before = world.to_peers.size();
    alice.send_indication(kPeer, as_bytes("x"));
    return world.to_peers.size() > before;
  }
};

using Refresh = Given;

// RFC 8656 §8.2 MUST: lifetime zero deletes the allocation and frees the five-tuple
// RFC 8656 §8.2 MUST: success has LIFETIME with what was granted
TEST_F(Refresh, ZeroDeletesAndNothingElseChanges) {
  Client bob(world, "192.12.0.2:1", Transport::Udp, "bob", "builder");
  ASSERT_EQ(bob.allocate().code(), 0);
  ASSERT_EQ(bob.permit({kPeer}).code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  world.advance(seconds(10));
  const Answer answer = alice.refresh(0);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.u32(AttributeType::Lifetime), 0U);
  EXPECT_TRUE(stun::verify_integrity(answer.view(), alice.key()));
  EXPECT_EQ(world.gauges(), (Gauges{1, 1, 0, 1, 1}));
  EXPECT_EQ(ended(EndReason::Refreshed), 1U);
  ASSERT_EQ(world.events.size(), 3U);
  EXPECT_EQ(world.events.back().username, "alice");
  EXPECT_EQ(world.events.back().age, seconds(10));
  EXPECT_EQ(alice.refresh(0).code(), 437);  // §8.3: the client takes it for success
  EXPECT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(world.broken_invariant(), "");
}

// RFC 8656 §8.2 MUST: any other lifetime is the wish between the default and the maximum
TEST_F(Refresh, MovesTheEndExactly) {
  world.advance(seconds(599));
  ASSERT_EQ(alice.refresh(700).u32(AttributeType::Lifetime), 700U);
  world.advance(seconds(700) - nanoseconds(1));
  world.tick();
  EXPECT_EQ(world.gauges().allocations, 1U);
  world.advance(nanoseconds(1));
  world.tick();
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(ended(EndReason::Expired), 1U);
  EXPECT_EQ(world.server.next_deadline(), std::nullopt);
}

TEST_F(Refresh, CanShortenALife) {
  ASSERT_EQ(alice.refresh(3600).code(), 0);
  ASSERT_EQ(alice.refresh(600).code(), 0);
  world.advance(seconds(600));
  EXPECT_LE(world.server.next_deadline().value(), world.now.mono);
  world.tick();
  EXPECT_EQ(world.gauges(), Gauges{});
}

// RFC 8656 §8.2 MUST: REQUESTED-ADDRESS-FAMILY of another family than the allocation's is 443
TEST_F(Refresh, FamilyMustBeTheAllocations) {
  const Gauges before = world.gauges();
  const auto with = [&](std::uint8_t code) {
    return alice.request(Method::Refresh, [&](auto& b) { Client::address_family(b, code); });
  };
  unchanged(with(2), 443, before);
  unchanged(with(9), 443, before);
  unchanged(alice.request(Method::Refresh, [](auto& b) { b.add(AttributeType::Lifetime, as_bytes("12")); }),
            400, before);
  EXPECT_EQ(with(1).code(), 0);
}

// RFC 8656 §5 MUST: another username than the allocation's is 441
// RFC 8656 §5 MUST: a request with no allocation on its five-tuple is 437
TEST_F(Refresh, BelongsToItsUserAndFiveTuple) {
  const Gauges before = world.gauges();
  Client bob(world, "192.12.0.1:40000", Transport::Udp, "bob", "builder");
  unchanged(bob.refresh(0), 441, before);
  unchanged(bob.permit({kPeer}), 441, before);
  unchanged(bob.bind(0x4000, kPeer), 441, before);
  EXPECT_EQ(world.server.counters().auth_failures[index(AuthFailure::WrongUser)], 3U);
  Client elsewhere(world, "192.12.0.1:40001");
  unchanged(elsewhere.refresh(0), 437, before);
  unchanged(elsewhere.permit({kPeer}), 437, before);
  unchanged(elsewhere.bind(0x4000, kPeer), 437, before);
}

// RFC 8656 §5 MUST: a request with no allocation on its five-tuple is 437
TEST_F(Refresh, AfterTheEndIsAMismatchEvenWhenTheTickIsLate) {
  world.advance(seconds(600));
  EXPECT_EQ(alice.refresh(600).code(), 437);
  EXPECT_EQ(alice.permit({kPeer}).code(), 437);
  EXPECT_EQ(alice.bind(0x4000, kPeer).code(), 437);
}

TEST_F(Refresh, ManyOfThemDoNotFillTheDeadlineQueue) {
  for (int i = 0; i < 1000; ++i) {
    world.advance(std::chrono::milliseconds(1));
    ASSERT_EQ(alice.refresh(i % 2 == 0 ? 3600 : 600).code(), 0);
    ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  }
  std::size_t looks = 0;
  while (world.server.allocation_count() != 0 && looks < 100) {
    const auto next = world.server.next_deadline();
    ASSERT_TRUE(next);
    world.advance(*next - world.now.mono);
    world.tick();
    ++looks;
  }
  EXPECT_LE(looks, 6U);
  EXPECT_EQ(world.server.next_deadline(), std::nullopt);
}

TEST_F(Refresh, AllocatingAndDeletingInTurnDoesNotFillTheDeadlineQueue) {
  world.keep_history = false;
  ASSERT_EQ(alice.refresh(0).code(), 0);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(alice.allocate().code(), 0);
    ASSERT_EQ(alice.refresh(0).code(), 0);
    world.to_clients.clear();
  }
  // What is left of the 5000 deadlines pops in one tick; the queue's bound is four a slot and 1024.
  EXPECT_LE(world.server.deadline_count(), 4U * 64 + 1024);
  EXPECT_EQ(world.gauges(), Gauges{});
}

using CreatePermission = Given;

// RFC 8656 §10.2 MUST: no XOR-PEER-ADDRESS, or a malformed one, is 400
// RFC 8656 §10.2 MUST: a peer of another family is 443
// RFC 8656 §10.2 MAY: restricted peers are 403
// RFC 8656 §10.2 MUST: all permissions of a request are installed or none
TEST_F(CreatePermission, InstallsAllPeersOrNone) {
  const Gauges before = world.gauges();
  unchanged(alice.permit({}), 400, before);
  unchanged(alice.permit({kPeer, ep("[2620:fe::1]:1")}), 443, before);
  unchanged(alice.permit({kPeer, ep("10.0.0.1:1")}), 403, before);
  unchanged(alice.permit({kPeer, ep("127.0.0.1:1"), kOther}), 403, before);
  unchanged(alice.request(Method::CreatePermission,
                          [](auto& b) {
                            b.add_xor_address(AttributeType::XorPeerAddress, kPeer);
                            b.add(AttributeType::XorPeerAddress, as_bytes("abcdefg"));
                          }),
            400, before);
  EXPECT_FALSE(relays());
  EXPECT_EQ(alice.permit({kPeer, kOther, kPeer}).code(), 0);
  EXPECT_EQ(world.gauges().permissions, 2U);
  EXPECT_EQ(world.server.counters().denials[index(Denial::Private)], 1U);
  EXPECT_EQ(world.server.counters().denials[index(Denial::Loopback)], 1U);
}

// RFC 8656 §9 MUST: a permission lasts 300 seconds
TEST_F(CreatePermission, LastsExactly300Seconds) {
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  world.advance(seconds(300) - nanoseconds(1));
  EXPECT_TRUE(relays());
  world.advance(nanoseconds(1));
  EXPECT_FALSE(relays());
  EXPECT_EQ(world.gauges().permissions, 1U);
  world.tick();
  EXPECT_EQ(world.gauges().permissions, 0U);
  EXPECT_EQ(world.gauges().allocations, 1U);
}

// RFC 8656 §9 MUST: CreatePermission and ChannelBind install and refresh permissions; data does not
TEST_F(CreatePermission, IsRefreshedByAnotherAndNotByData) {
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  world.advance(seconds(200));
  EXPECT_TRUE(relays());
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  world.advance(seconds(299));
  world.tick();
  EXPECT_TRUE(relays());
  world.advance(seconds(1));
  EXPECT_FALSE(relays());
}

struct Limited : ::testing::Test {
  static Options options(std::uint32_t permissions, std::uint32_t channels) {
    Options o = default_options();
    o.max_permissions_per_allocation = permissions;
    o.max_channels_per_allocation = channels;
    return o;
  }
  static Endpoint peer(int i) { return Endpoint{IpAddress::v4(8, 8, 8, static_cast<std::uint8_t>(i)), 5000}; }
};

// RFC 8656 §10.2 MUST: beyond capacity is 508
TEST_F(Limited, PermissionsAreCapped) {
  World world(options(3, 3));
  Client alice(world);
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(alice.permit({peer(1), peer(2), peer(3), peer(4)}).code(), 508);
  EXPECT_EQ(world.gauges().permissions, 0U);
  EXPECT_EQ(alice.permit({peer(1), peer(2), peer(3)}).code(), 0);
  EXPECT_EQ(alice.permit({peer(4)}).code(), 508);
  EXPECT_EQ(alice.bind(0x4000, peer(4)).code(), 508);
  EXPECT_EQ(alice.permit({peer(1), peer(2), peer(3)}).code(), 0);
  EXPECT_EQ(world.server.counters().denials[index(Denial::QuotaPermissions)], 3U);
}

TEST_F(Limited, OneAddressNamedManyTimesTakesRoomOnce) {
  World world(options(1, 1));
  Client alice(world);
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(alice.permit({ep("8.8.8.8:1"), ep("8.8.8.8:2"), ep("8.8.8.8:3")}).code(), 0);
  EXPECT_EQ(world.gauges().permissions, 1U);
}

TEST_F(Limited, ExpiredPermissionsTakeNoRoomAndLendNone) {
  World world(options(2, 2));
  Client alice(world);
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.permit({peer(1), peer(2)}).code(), 0);
  world.advance(seconds(300));  // no tick
  EXPECT_EQ(alice.permit({peer(1), peer(3), peer(4)}).code(), 508);
  EXPECT_EQ(alice.permit({peer(1), peer(3)}).code(), 0);
  EXPECT_EQ(world.gauges().permissions, 2U);
}

// RFC 8656 §12.2 MUST: beyond capacity is 508
TEST_F(Limited, ChannelsAreCapped) {
  World world(options(8, 2));
  Client alice(world);
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(alice.bind(0x4000, peer(1)).code(), 0);
  EXPECT_EQ(alice.bind(0x4001, peer(2)).code(), 0);
  EXPECT_EQ(alice.bind(0x4002, peer(3)).code(), 508);
  EXPECT_EQ(world.gauges(), (Gauges{1, 2, 2, 1, 1}));
  EXPECT_EQ(alice.bind(0x4001, peer(2)).code(), 0);
}

TEST_F(Limited, ZeroIsNoLimit) {
  Options unlimited = options(0, 0);
  unlimited.max_new_peers_per_second = 0;
  World world(unlimited);
  Client alice(world);
  ASSERT_EQ(alice.allocate().code(), 0);
  std::vector<Endpoint> many;
  for (std::uint8_t i = 0; i < 200; ++i) many.push_back(Endpoint{IpAddress::v4(8, 8, 4, i), 1});
  for (std::uint8_t i = 0; i < 200; ++i) many.push_back(Endpoint{IpAddress::v4(8, 8, 5, i), 1});
  EXPECT_EQ(alice.permit(many).code(), 0);
  EXPECT_EQ(alice.bind(0x4000, peer(1)).code(), 0);
  EXPECT_EQ(world.gauges(), (Gauges{1, 401, 1, 1, 1}));
}

using ChannelBind = Given;

// RFC 8656 §12.2 MUST: channel numbers outside 0x4000-0x4FFF are 400
TEST_F(ChannelBind, NumbersFrom4000To4FFF) {
  const Gauges before = world.gauges();
  for (const unsigned bad : {0U, 0x3FFFU, 0x5000U, 0x7FFFU, 0x8000U, 0xFFFFU}) {
    unchanged(alice.bind(static_cast<std::uint16_t>(bad), kPeer), 400, before);
  }
  EXPECT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  EXPECT_EQ(alice.bind(0x4FFF, kOther).code(), 0);
  EXPECT_EQ(world.gauges(), (Gauges{1, 2, 2, 1, 1}));
}

// RFC 8656 §12.2 MUST: ChannelBind without CHANNEL-NUMBER or XOR-PEER-ADDRESS is 400
// RFC 8656 §12.2 MUST: a peer of another family is 443
// RFC 8656 §12.2 MAY: restricted peers are 403
TEST_F(ChannelBind, NeedsBothAttributes) {
  const Gauges before = world.gauges();
  unchanged(alice.request(Method::ChannelBind, [](auto& b) { b.add_channel_number(0x4000); }), 400, before);
  unchanged(alice.request(Method::ChannelBind,
                          [](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, kPeer); }),
            400, before);
  unchanged(alice.bind(0x4000, ep("[2620:fe::1]:1")), 443, before);
  unchanged(alice.bind(0x4000, ep("10.0.0.1:1")), 403, before);
  unchanged(alice.bind(0x4000, ep("198.41.0.4:22")), 403, before);
}

// RFC 8656 §12.2 MUST: a number bound to another peer is 400, to the same it is a refresh
// RFC 8656 §12.2 MUST: a peer bound to another number is 400
TEST_F(ChannelBind, OneNumberOnePeer) {
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  const Gauges before = world.gauges();
  unchanged(alice.bind(0x4000, kOther), 400, before);
  unchanged(alice.bind(0x4001, kPeer), 400, before);
  unchanged(alice.bind(0x4000, kPeer), 0, before);
  EXPECT_EQ(alice.bind(0x4001, Endpoint{kPeer.address, 5001}).code(), 0);  // another port is another peer
  EXPECT_EQ(world.gauges(), (Gauges{1, 1, 2, 1, 1}));
}

// RFC 8656 §12 MUST: a channel lasts 600 seconds and is refreshed by ChannelBind only
// RFC 8656 §12 MUST: an expired channel leaves number and peer free
TEST_F(ChannelBind, LastsExactly600SecondsAndThenBothSidesAreFree) {
  ASSERT_EQ(alice.refresh(3600).code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  world.advance(seconds(600) - nanoseconds(1));
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  const std::size_t before = world.to_peers.size();
  alice.send_channel(0x4000, as_bytes("in time"));
  EXPECT_EQ(world.to_peers.size(), before + 1);
  EXPECT_EQ(alice.bind(0x4000, kOther).code(), 400);
  world.advance(nanoseconds(1));
  alice.send_channel(0x4000, as_bytes("late"));
  EXPECT_EQ(world.to_peers.size(), before + 1);
  EXPECT_EQ(world.server.counters().drops[index(Drop::NoChannel)], 1U);
  EXPECT_EQ(alice.bind(0x4001, kPeer).code(), 0);
  EXPECT_EQ(alice.bind(0x4000, kOther).code(), 0);
  EXPECT_EQ(world.gauges().channels, 2U);
}

// RFC 8656 §12.2 MUST: success also installs or refreshes the permission
// RFC 8656 §12.6 MUST: ChannelData refreshes neither the channel nor the permission
TEST_F(ChannelBind, InstallsAPermissionOf300Seconds) {
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  EXPECT_TRUE(relays());
  world.advance(seconds(300));
  EXPECT_FALSE(relays());
  alice.send_channel(0x4000, as_bytes("x"));
  EXPECT_EQ(world.server.counters().drops[index(Drop::NoPermission)], 2U);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  EXPECT_TRUE(relays());
}

using Ends = Given;

TEST_F(Ends, ClientClosedEndsItsOwnAllocationOnly) {
  Client tcp(world, "192.12.0.2:1", Transport::Tcp);
  ASSERT_EQ(tcp.allocate().code(), 0);
  world.client_closed(tcp.tuple);
  EXPECT_EQ(ended(EndReason::ClientClosed), 1U);
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 1, 1}));
  world.client_closed(tcp.tuple);
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(Ends, ABrokenRelayEndsItsAllocation) {
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  const RelayId relay = alice.relay();
  world.relay_broke(relay);
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(ended(EndReason::RelayFailed), 1U);
  world.relay_broke(relay);  // said twice
  EXPECT_EQ(alice.refresh(600).code(), 437);
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(Ends, ShutDownEndsAll) {
  for (int i = 1; i < 100; ++i) {
    Client client(world, "192.12.0.3:" + std::to_string(i), i % 2 == 0 ? Transport::Udp : Transport::Tls);
    ASSERT_EQ(client.allocate().code(), 0);
    ASSERT_EQ(client.bind(0x4000, kPeer).code(), 0);
  }
  EXPECT_EQ(world.gauges(), (Gauges{100, 99, 99, 100, 100}));
  world.shut_down();
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(ended(EndReason::Shutdown), 100U);
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(Ends, ALateTickEndsEverythingThatIsDue) {
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  Client bob(world, "192.12.0.2:1");
  ASSERT_EQ(bob.allocate([](auto& b) { b.add_u32(AttributeType::Lifetime, 3600); }).code(), 0);
  ASSERT_EQ(bob.bind(0x4000, kPeer).code(), 0);
  world.advance(seconds(3599));
  world.tick();
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 1, 1}));
  world.advance(seconds(1'000'000));
  world.tick();
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(world.broken_invariant(), "");
}

}  // namespace
}  // namespace ts::turn::testing
