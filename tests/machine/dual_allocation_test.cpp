// SPDX-License-Identifier: Apache-2.0
// Dual allocations (RFC 8656 §7.2, check 9; §8): two relayed transport addresses, each with a life of its
// own.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

void both_families(stun::MessageBuilder& b) { b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24); }

struct Dual : ::testing::Test {
  explicit Dual(Options o = default_options()) : world(std::move(o)) {}

  World world;
  Client alice{world};
  Endpoint v4;
  Endpoint v6;
  const Endpoint peer4 = ep("8.8.8.8:9");
  const Endpoint peer6 = ep("[2001:4860::8]:9");

  static std::vector<Endpoint> relayed_of(const Answer& answer) {
    std::vector<Endpoint> out;
    const auto view = answer.view();
    view.for_each([&](const stun::Attribute& a) {
      if (a.type == AttributeType::XorRelayedAddress)
        out.push_back(stun::decode_xor_address(a.value, view.transaction_id()).value());
    });
    return out;
  }
  Answer allocate() {
    Answer answer = alice.allocate(both_families);
    if (answer.code() != 0) return answer;
    for (const Endpoint& each : relayed_of(answer)) (each.address.is_v4() ? v4 : v6) = each;
    return answer;
  }
  Answer refresh(std::uint32_t lifetime, std::uint8_t family) {
    return alice.request(Method::Refresh, [&](auto& b) {
      b.add_u32(AttributeType::Lifetime, lifetime);
      Client::address_family(b, family);
    });
  }
  bool relays(const Endpoint& relayed, const Endpoint& peer) {
    const std::size_t before = world.to_clients.size();
    world.peer_sends(world.relay_at(relayed), peer, as_bytes("in"));
    const bool inward = world.to_clients.size() == before + 1;
    const std::size_t sent = world.to_peers.size();
    alice.send_indication(peer, as_bytes("out"));
    const bool outward = world.to_peers.size() == sent + 1 && world.to_peers.back().from == relayed;
    EXPECT_EQ(inward, outward);
    return inward && outward;
  }
};

// RFC 8656 §7.2 MUST: a dual allocation has two XOR-RELAYED-ADDRESS, one of each family, and counts once
TEST_F(Dual, HasOneRelayedAddressOfEachFamily) {
  Options o = default_options();
  o.max_allocations_per_user = 1;
  World w(o);
  Client client(w);
  const Bytes request =
      client.make(Method::Allocate, [](auto& b) { Client::requested_transport(b), both_families(b); });
  const Answer answer = client.send(request);
  ASSERT_EQ(answer.code(), 0);
  const auto relayed = relayed_of(answer);
  ASSERT_EQ(relayed.size(), 2U);
  EXPECT_EQ(relayed[0].address, ip("198.41.0.4"));
  EXPECT_EQ(relayed[1].address, ip("2620:fe::9"));
  EXPECT_FALSE(answer.attribute(AttributeType::AddressErrorCode));
  EXPECT_EQ(w.gauges(), (Gauges{1, 0, 0, 2, 2}));
  EXPECT_EQ(client.send(request).bytes, answer.bytes) << "a retransmission is answered alike";
  EXPECT_EQ(Client(w, "192.12.0.1:40001").allocate().code(), 486);
  EXPECT_EQ(client.refresh(0).code(), 0);
  EXPECT_EQ(w.gauges(), Gauges{});
  EXPECT_EQ(w.broken_invariant(), "");
  EXPECT_EQ(Client(w, "192.12.0.1:40001").allocate().code(), 0);
}

TEST_F(Dual, TheNumberOfTheDraftIsUnderstoodToo) {
  const Answer answer =
      alice.allocate([](auto& b) { b.add_u32(static_cast<AttributeType>(0x8032), 2U << 24); });
  ASSERT_EQ(answer.code(), 0);
  EXPECT_EQ(relayed_of(answer).size(), 2U);
}

TEST_F(Dual, AnEvenPortIsEvenInBothFamilies) {
  const Answer answer = alice.allocate([](auto& b) {
    both_families(b);
    b.add(AttributeType::EvenPort, as_bytes(std::string_view("\0", 1)));
  });
  ASSERT_EQ(answer.code(), 0);
  for (const Endpoint& each : relayed_of(answer)) EXPECT_EQ(each.port % 2, 0);
}

TEST_F(Dual, RelaysBothFamiliesWithSendAndChannels) {
  ASSERT_EQ(allocate().code(), 0);
  ASSERT_EQ(alice.permit({peer4, peer6}).code(), 0);
  EXPECT_TRUE(relays(v4, peer4));
  EXPECT_TRUE(relays(v6, peer6));
  ASSERT_EQ(alice.bind(0x4000, peer4).code(), 0);
  ASSERT_EQ(alice.bind(0x4001, peer6).code(), 0);
  EXPECT_EQ(alice.bind(0x4000, peer6).code(), 400) << "a number is the allocation's, not the family's";
  alice.send_channel(0x4000, as_bytes("four"));
  EXPECT_EQ(world.to_peers.back().from, v4);
  EXPECT_EQ(world.to_peers.back().peer, peer4);
  alice.send_channel(0x4001, as_bytes("six"));
  EXPECT_EQ(world.to_peers.back().from, v6);
  EXPECT_EQ(world.to_peers.back().peer, peer6);
  world.peer_sends(world.relay_at(v6), peer6, as_bytes("back"));
  EXPECT_EQ(world.to_clients.back().bytes, Client::channel_data(0x4001, as_bytes("back")));
  EXPECT_EQ(world.shell_error, "");
}

// RFC 8656 §7.2 MUST: a family that is not relayed is told with ADDRESS-ERROR-CODE 440, one without ports 508
TEST_F(Dual, PartOfItSucceedsWithAnAddressErrorCode) {
  const auto error_of = [](World& w) {
    Client client(w);
    const Bytes request =
        client.make(Method::Allocate, [](auto& b) { Client::requested_transport(b), both_families(b); });
    const Answer answer = client.send(request);
    EXPECT_EQ(answer.code(), 0);
    EXPECT_EQ(relayed_of(answer).size(), 1U);
    EXPECT_EQ(client.send(request).bytes, answer.bytes);
    EXPECT_EQ(w.broken_invariant(), "");
    const auto value = answer.attribute(AttributeType::AddressErrorCode).value_or(ByteView{});
    return Bytes(value.begin(), value.end());
  };
  Options four = default_options();
  four.relay_addresses.pop_back();
  World without_six(four);
  EXPECT_EQ(error_of(without_six), (Bytes{2, 0, 4, 40}));

  Options o = default_options();
  o.ports = {50000, 50000};
  for (const std::uint8_t taken : std::array<std::uint8_t, 2>{1, 2}) {
    World w(o);
    Client other(w, "192.12.0.7:7");
    ASSERT_EQ(other.allocate([&](auto& b) { Client::address_family(b, taken); }).code(), 0);
    EXPECT_EQ(error_of(w), (Bytes{taken, 0, 5, 8}));
    EXPECT_EQ(w.gauges(), (Gauges{2, 0, 0, 2, 2}));
  }
}

TEST_F(Dual, ASocketThatDoesNotOpenLeavesTheOtherOne) {
  for (const IpFamily bad : {IpFamily::V4, IpFamily::V6}) {
    World w;
    w.opener = [&](const OpenRelay& open) {
      return open.relay.family == bad ? std::optional(RelayError::NoResources) : std::nullopt;
    };
    Client client(w);
    const Answer answer = client.allocate(both_families);
    ASSERT_EQ(answer.code(), 0);
    const auto relayed = relayed_of(answer);
    ASSERT_EQ(relayed.size(), 1U);
    EXPECT_NE(relayed[0].address.family(), bad);
    const auto error = answer.attribute(AttributeType::AddressErrorCode).value_or(ByteView{});
    EXPECT_EQ(Bytes(error.begin(), error.end()),
              (Bytes{static_cast<std::uint8_t>(bad == IpFamily::V4 ? 1 : 2), 0, 5, 8}));
    EXPECT_EQ(w.gauges(), (Gauges{1, 0, 0, 1, 1}));
    EXPECT_EQ(client.refresh(0).code(), 0);
    EXPECT_EQ(w.gauges(), Gauges{});
    EXPECT_EQ(w.broken_invariant(), "");
  }
  world.opener = [](const OpenRelay&) { return std::optional(RelayError::NoResources); };
  EXPECT_EQ(allocate().code(), 508);
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(Dual, EachFamilyTriesOtherPorts) {
  int left = 6;
  world.opener = [&](const OpenRelay&) {
    return left-- > 0 ? std::optional(RelayError::AddressInUse) : std::nullopt;
  };
  ASSERT_EQ(allocate().code(), 0);
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 2, 2}));
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(Dual, TheAnswerWaitsForBothSocketsAndAnEarlyEndClosesThem) {
  world.hold_opens = true;
  EXPECT_TRUE(alice.allocate(both_families).none());
  EXPECT_EQ(world.held_opens.size(), 2U);
  const auto held = std::exchange(world.held_opens, {});
  world.server.relay_opened(world.now, held[0].relay, world.outbox);
  EXPECT_TRUE(world.outbox.empty()) << "one is not enough";
  world.server.client_closed(world.now, alice.tuple, world.outbox);
  ASSERT_EQ(world.outbox.close_relays.size(), 1U);
  EXPECT_EQ(world.outbox.close_relays[0].relay, held[0].relay);
  world.outbox.clear();
  world.server.relay_opened(world.now, held[1].relay, world.outbox);
  ASSERT_EQ(world.outbox.close_relays.size(), 2U) << "nobody remembers what protocol it was";
  EXPECT_EQ(world.outbox.close_relays[0].relay, held[1].relay);
  EXPECT_EQ(world.outbox.close_relays[1].relay, held[1].relay);
  EXPECT_EQ(world.ledger.ports().used, 0U);
}

// RFC 8656 §8.1 MUST: deleting one family leaves permissions and channels of the other alone
TEST_F(Dual, ARefreshWithZeroDeletesOneFamilyOnly) {
  for (const std::uint8_t family : std::array<std::uint8_t, 2>{1, 2}) {
    World w;
    Client client(w);
    const Answer answer = client.allocate(both_families);
    ASSERT_EQ(answer.code(), 0);
    const auto relayed = relayed_of(answer);
    ASSERT_EQ(client.permit({peer4, peer6}).code(), 0);
    ASSERT_EQ(client.bind(0x4000, peer4).code(), 0);
    ASSERT_EQ(client.bind(0x4001, peer6).code(), 0);
    const Bytes request = client.make(Method::Refresh, [&](auto& b) {
      b.add_u32(AttributeType::Lifetime, 0);
      Client::address_family(b, family);
    });
    const Answer deleted = client.send(request);
    ASSERT_EQ(deleted.code(), 0);
    EXPECT_EQ(deleted.u32(AttributeType::Lifetime), 0U);
    EXPECT_EQ(client.send(request).bytes, deleted.bytes) << "a retransmission is answered alike";
    EXPECT_EQ(w.gauges(), (Gauges{1, 1, 1, 1, 1}));
    const bool four_left = family == 2;
    EXPECT_EQ(client.permit({peer4}).code(), four_left ? 0 : 443);
    EXPECT_EQ(client.permit({peer6}).code(), four_left ? 443 : 0);
    EXPECT_EQ(client.bind(0x4002, four_left ? peer6 : peer4).code(), 443);
    client.send_channel(four_left ? 0x4001 : 0x4000, as_bytes("gone"));
    client.send_indication(four_left ? peer6 : peer4, as_bytes("gone"));
    EXPECT_TRUE(w.to_peers.empty());
    client.send_channel(four_left ? 0x4000 : 0x4001, as_bytes("here"));
    ASSERT_EQ(w.to_peers.size(), 1U);
    EXPECT_EQ(w.to_peers[0].from, relayed[four_left ? 0 : 1]);
    // Again with another transaction: that family is not there.
    EXPECT_EQ(client
                  .request(Method::Refresh,
                           [&](auto& b) {
                             b.add_u32(AttributeType::Lifetime, 0);
                             Client::address_family(b, family);
                           })
                  .code(),
              443);
    w.advance(seconds(599));
    client.renew_nonce();
    EXPECT_EQ(client.refresh(600).code(), 0);
    w.advance(seconds(599));
    w.tick();
    EXPECT_EQ(w.gauges().allocations, 1U);
    client.renew_nonce();
    EXPECT_EQ(client.refresh(0).code(), 0);
    EXPECT_EQ(w.gauges(), Gauges{});
    EXPECT_EQ(w.broken_invariant(), "");
  }
}

// RFC 8656 §8.2 MUST: a Refresh for a family that the allocation does not have is answered with 443
TEST_F(Dual, ARefreshForAFamilyThatIsNotThereIsAMismatch) {
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(refresh(600, 2).code(), 443);
  EXPECT_EQ(refresh(0, 2).code(), 443);
  EXPECT_EQ(refresh(600, 3).code(), 443);
  EXPECT_EQ(refresh(600, 1).code(), 0);
  EXPECT_EQ(world.gauges().allocations, 1U);
  EXPECT_EQ(refresh(0, 1).code(), 0);
  EXPECT_EQ(world.gauges(), Gauges{});
}

TEST_F(Dual, DeletingOneAndThenTheOtherEndsTheAllocation) {
  ASSERT_EQ(allocate().code(), 0);
  EXPECT_EQ(refresh(0, 1).code(), 0);
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 1, 1}));
  EXPECT_EQ(refresh(0, 2).code(), 0);
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(alice.refresh(600).code(), 437);
}

// RFC 8656 §6 MUST: each relayed transport address has its own time-to-expiry
TEST_F(Dual, EachFamilyExpiresForItself) {
  for (const bool with_tick : {true, false}) {
    World w;
    Client client(w);
    const auto relayed = relayed_of(client.allocate(both_families));
    ASSERT_EQ(relayed.size(), 2U);
    const auto refresh_six = [&] {
      client.renew_nonce();
      return client
          .request(Method::Refresh,
                   [](auto& b) {
                     b.add_u32(AttributeType::Lifetime, 3600);
                     Client::address_family(b, 2);
                   })
          .code();
    };
    EXPECT_EQ(refresh_six(), 0);
    w.advance(seconds(400));
    client.renew_nonce();
    ASSERT_EQ(client.permit({peer4, peer6}).code(), 0);
    w.advance(seconds(200) - nanoseconds(1));
    w.peer_sends(w.relay_at(relayed[0]), peer4, as_bytes("x"));
    EXPECT_EQ(w.to_clients.back().droppable, true);
    w.advance(nanoseconds(1));
    if (with_tick) w.tick();
    const std::size_t before = w.to_clients.size();
    w.peer_sends(RelayId{w.relay_at(relayed[1]).allocation, IpFamily::V4}, peer4, as_bytes("late"));
    EXPECT_EQ(w.to_clients.size(), before);
    client.send_indication(peer4, as_bytes("late"));
    EXPECT_TRUE(w.to_peers.empty());
    client.send_indication(peer6, as_bytes("six"));
    EXPECT_EQ(w.to_peers.size(), 1U);
    client.renew_nonce();
    EXPECT_EQ(client.permit({peer4}).code(), 443);
    EXPECT_EQ(w.gauges(), (Gauges{1, 1, 0, 1, 1}));
    EXPECT_EQ(client.refresh(600).code(), 0) << "and does not come back to life";
    EXPECT_EQ(client.permit({peer4}).code(), 443);
    w.advance(seconds(600));
    w.tick();
    EXPECT_EQ(w.gauges(), Gauges{});
    EXPECT_EQ(w.broken_invariant(), "");
  }
}

TEST_F(Dual, ABrokenSocketTakesItsFamilyOnly) {
  ASSERT_EQ(allocate().code(), 0);
  ASSERT_EQ(alice.permit({peer4, peer6}).code(), 0);
  world.relay_broke(world.relay_at(v4));
  EXPECT_EQ(world.gauges(), (Gauges{1, 1, 0, 1, 1}));
  EXPECT_TRUE(relays(v6, peer6));
  world.relay_broke(world.relay_at(v6));
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(Dual, EndsWhole) {
  ASSERT_EQ(allocate().code(), 0);
  world.client_closed(alice.tuple);
  EXPECT_EQ(world.gauges(), Gauges{});
  ASSERT_EQ(allocate().code(), 0);
  world.advance(seconds(600));
  world.tick();
  EXPECT_EQ(world.gauges(), Gauges{});
  alice.renew_nonce();
  ASSERT_EQ(allocate().code(), 0);
  world.shut_down();
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(world.broken_invariant(), "");
}

}  // namespace
}  // namespace ts::turn::testing
