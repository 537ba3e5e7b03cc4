// SPDX-License-Identifier: Apache-2.0
// Mobility (RFC 8016) on one shard: tickets, moves, and the two five-tuples in between.
#include "mobility.hpp"

#include <gtest/gtest.h>

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

const Endpoint kPeer = ep("192.12.0.77:7000");

Answer refresh_with(Client& client, const Bytes& ticket, std::uint32_t lifetime = 600) {
  return client.request(Method::Refresh, [&](auto& b) {
    b.add_u32(AttributeType::Lifetime, lifetime).add(AttributeType::MobilityTicket, ByteView(ticket));
  });
}

struct Mobile : ::testing::Test {
  World world{mobile()};
  Client alice{world};
  Client moved{world, "192.12.9.9:50000"};
  Client third{world, "192.12.9.10:50000"};
  Bytes ticket;

  /// An allocation with a permission and a channel, and its first ticket.
  void allocate(Client& client) {
    const Answer answer = client.allocate([](auto& b) { b.add_flag(AttributeType::MobilityTicket); });
    ASSERT_EQ(answer.code(), 0);
    ticket = ticket_of(answer);
    ASSERT_FALSE(ticket.empty());
    ASSERT_EQ(client.bind(0x4000, kPeer).code(), 0);
    moved.relayed = third.relayed = client.relayed;
  }
  /// Where a datagram of the peer goes; nothing: nowhere.
  std::optional<FiveTuple> peer_reaches() {
    const std::size_t before = world.to_clients.size();
    world.peer_sends(alice.relay(), kPeer, as_bytes("hello"));
    return world.to_clients.size() > before ? std::optional(world.to_clients.back().tuple) : std::nullopt;
  }
  std::size_t sent_to_peer() const { return world.to_peers.size(); }
  ~Mobile() override { EXPECT_EQ(world.broken_invariant(), ""); }
};

// RFC 8016 §3.1.2 MUST: an Allocate that asks for mobility is answered with a ticket, or 405 where it is off
TEST_F(Mobile, AnEmptyTicketInAllocateAsksForMobility) {
  allocate(alice);
  EXPECT_EQ(ticket_of(moved.allocate()), Bytes{}) << "nobody asked";

  World off;
  Client bob(off);
  EXPECT_EQ(bob.allocate([](auto& b) { b.add_flag(AttributeType::MobilityTicket); }).code(), 405);
  EXPECT_EQ(off.server.counters().denials[index(Denial::MobilityOff)], 1U);
  EXPECT_EQ(off.gauges(), Gauges{});
}

// RFC 8016 §3.1.2 MUST: a ticket with a value in Allocate is answered with 400
TEST_F(Mobile, AValueInAllocateIs400) {
  EXPECT_EQ(alice.allocate([](auto& b) { b.add_u32(AttributeType::MobilityTicket, 7); }).code(), 400);
  EXPECT_EQ(world.gauges(), Gauges{});
}

TEST_F(Mobile, ARetransmittedAllocateGetsTheSameTicket) {
  const Bytes request = alice.make(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add_flag(AttributeType::MobilityTicket);
  });
  EXPECT_EQ(ticket_of(alice.send(request)), ticket_of(alice.send(request)));
}

// RFC 8016 §3.2.2 MUST: data goes to and comes from the old five-tuple until data comes from the new one
TEST_F(Mobile, TheOldFiveTupleServesUntilTheNewOneSpeaks) {
  allocate(alice);
  const Gauges before = world.gauges();
  const Answer answer = refresh_with(moved, ticket);
  ASSERT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.u32(AttributeType::Lifetime), 600U);
  EXPECT_NE(ticket_of(answer), ticket);
  EXPECT_FALSE(ticket_of(answer).empty());
  EXPECT_EQ(world.gauges(), before);

  EXPECT_EQ(peer_reaches(), alice.tuple);
  alice.send_channel(0x4000, as_bytes("still here"));
  alice.send_indication(kPeer, as_bytes("still here"));
  EXPECT_EQ(sent_to_peer(), 2U);
  EXPECT_EQ(peer_reaches(), alice.tuple);
  EXPECT_EQ(alice.refresh(600).code(), 437);

  moved.send_channel(0x4000, as_bytes("here now"));
  EXPECT_EQ(sent_to_peer(), 3U);
  EXPECT_EQ(world.to_peers.back().from, alice.relayed);
  EXPECT_EQ(peer_reaches(), moved.tuple);
  EXPECT_EQ(world.gauges(), before);

  // The old five-tuple is free.
  alice.send_channel(0x4000, as_bytes("late"));
  EXPECT_EQ(sent_to_peer(), 3U);
  EXPECT_EQ(alice.refresh(600).code(), 437);
  EXPECT_EQ(alice.permit({kPeer}).code(), 437);
  EXPECT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(moved.refresh(600).code(), 0);
}

TEST_F(Mobile, ASendIndicationEndsTheOldFiveTupleToo) {
  allocate(alice);
  ASSERT_EQ(refresh_with(moved, ticket).code(), 0);
  moved.send_indication(kPeer, as_bytes("here now"));
  EXPECT_EQ(sent_to_peer(), 1U);
  EXPECT_EQ(peer_reaches(), moved.tuple);
}

TEST_F(Mobile, RequestsOnTheNewFiveTupleDoNotEndTheOldOne) {
  allocate(alice);
  ASSERT_EQ(refresh_with(moved, ticket).code(), 0);
  EXPECT_EQ(moved.permit({ep("192.12.0.78:1")}).code(), 0);
  EXPECT_EQ(moved.bind(0x4001, ep("192.12.0.79:1")).code(), 0);
  EXPECT_EQ(moved.refresh(700).code(), 0);
  EXPECT_EQ(peer_reaches(), alice.tuple);
}

// RFC 8016 §3.2.2 MUST: the new ticket differs; the old one is for retransmissions alone
TEST_F(Mobile, AnOldTicketIsGoodForRetransmissionsOnly) {
  allocate(alice);
  const Bytes request =
      moved.make(Method::Refresh, [&](auto& b) { b.add(AttributeType::MobilityTicket, ByteView(ticket)); });
  const Answer first = moved.send(request);
  ASSERT_EQ(first.code(), 0);
  EXPECT_EQ(ticket_of(moved.send(request)), ticket_of(first));
  moved.send_channel(0x4000, as_bytes("here now"));
  EXPECT_EQ(ticket_of(moved.send(request)), ticket_of(first)) << "also once the old five-tuple is gone";
  world.advance(seconds(35));
  EXPECT_EQ(ticket_of(moved.send(request)), ticket_of(first)) << "for at least 30 seconds";
  world.advance(seconds(30));
  EXPECT_EQ(moved.send(request).code(), 437);

  EXPECT_EQ(refresh_with(third, ticket).code(), 437);
  EXPECT_EQ(world.server.counters().denials[index(Denial::WrongTicket)], 2U);
  EXPECT_EQ(refresh_with(third, ticket_of(first)).code(), 0);
  third.send_channel(0x4000, as_bytes("on again"));
  EXPECT_EQ(peer_reaches(), third.tuple);
}

TEST_F(Mobile, AClientMayMoveOnOrBackBeforeItSpeaks) {
  allocate(alice);
  const Bytes second = ticket_of(refresh_with(moved, ticket));
  const Bytes fourth = ticket_of(refresh_with(third, second));
  moved.send_channel(0x4000, as_bytes("too late"));
  EXPECT_EQ(sent_to_peer(), 0U);
  EXPECT_EQ(peer_reaches(), alice.tuple);
  EXPECT_EQ(refresh_with(alice, fourth).code(), 0);
  third.send_channel(0x4000, as_bytes("too late"));
  EXPECT_EQ(sent_to_peer(), 0U);
  EXPECT_EQ(alice.refresh(600).code(), 0);
  alice.send_channel(0x4000, as_bytes("home"));
  EXPECT_EQ(sent_to_peer(), 1U);
  EXPECT_EQ(peer_reaches(), alice.tuple);
}

// RFC 8016 §3.2.2 MUST: a ticket that comes from the five-tuple of the allocation is answered with 400
TEST_F(Mobile, WithoutAMoveATicketIs400) {
  allocate(alice);
  EXPECT_EQ(refresh_with(alice, ticket).code(), 400);
  const Bytes second = ticket_of(refresh_with(moved, ticket));
  EXPECT_EQ(refresh_with(moved, second).code(), 400);
  EXPECT_EQ(alice.permit({kPeer}).code(), 0);
}

// RFC 8016 §3.2.2 MUST: a ticket that names no allocation is answered with 437
TEST_F(Mobile, ForgedAndForeignTicketsAre437) {
  allocate(alice);
  for (std::size_t i = 0; i < ticket.size(); ++i) {
    Bytes forged = ticket;
    forged[i] ^= 0x10;
    EXPECT_EQ(refresh_with(moved, forged).code(), 437) << i;
  }
  for (const std::size_t size : {1UL, 12UL, ticket.size() - 1, ticket.size() + 4, 2000UL})
    EXPECT_EQ(refresh_with(moved, Bytes(size, 1)).code(), 437) << size;
  EXPECT_EQ(refresh_with(moved, {}).code(), 400) << "an empty one asks for mobility, in Allocate";
  World other(mobile(), 99);
  Client stranger(other);
  EXPECT_EQ(refresh_with(stranger, ticket).code(), 437) << "another process has another key";
  ASSERT_EQ(alice.refresh(0).code(), 0);
  EXPECT_EQ(refresh_with(moved, ticket).code(), 437) << "the allocation is gone";
}

// RFC 8016 §3.2.2 MUST: another user's ticket is answered with 441
TEST_F(Mobile, AnotherUsersTicketIs441) {
  allocate(alice);
  Client bob(world, "192.12.9.9:50000", Transport::Udp, "bob", "builder");
  EXPECT_EQ(refresh_with(bob, ticket).code(), 441);
  bob.send_channel(0x4000, as_bytes("mine"));
  EXPECT_EQ(sent_to_peer(), 0U);
  EXPECT_EQ(peer_reaches(), alice.tuple);
  EXPECT_EQ(refresh_with(moved, ticket).code(), 0) << "the ticket is not used up";
}

TEST_F(Mobile, AuthenticationComesFirst) {
  allocate(alice);
  const Answer answer =
      moved.send(moved.make_plain(stun::MessageClass::Request, Method::Refresh,
                                  [&](auto& b) { b.add(AttributeType::MobilityTicket, ByteView(ticket)); }));
  EXPECT_EQ(answer.code(), 401);
  EXPECT_FALSE(answer.attribute(AttributeType::MobilityTicket));
  world.options.mobility = false;
  EXPECT_EQ(refresh_with(moved, ticket).code(), 405);
}

TEST_F(Mobile, AFiveTupleWithAnAllocationOfItsOwnIs437) {
  allocate(alice);
  const Endpoint relayed = alice.relayed;
  ASSERT_EQ(moved.allocate().code(), 0);
  EXPECT_NE(moved.relayed, relayed);
  EXPECT_EQ(refresh_with(moved, ticket).code(), 437);
  EXPECT_EQ(moved.refresh(600).code(), 0);
}

TEST_F(Mobile, ARefreshToZeroFromTheNewPlaceEndsTheAllocation) {
  allocate(alice);
  const Answer answer = refresh_with(moved, ticket, 0);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.u32(AttributeType::Lifetime), 0U);
  EXPECT_EQ(world.gauges(), Gauges{});
  allocate(alice);
  ASSERT_EQ(refresh_with(moved, ticket).code(), 0);
  EXPECT_EQ(moved.refresh(0).code(), 0);
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(moved.allocate().code(), 0);
}

TEST_F(Mobile, AQuotaCountsAMovedAllocationOnce) {
  Options limited = mobile();
  limited.max_allocations_per_user = 1;
  World small(limited);
  Client from(small);
  Client to(small, "192.12.9.9:50000");
  Answer answer = from.allocate([](auto& b) { b.add_flag(AttributeType::MobilityTicket); });
  ASSERT_EQ(refresh_with(to, ticket_of(answer)).code(), 0);
  Client more(small, "192.12.9.11:1");
  EXPECT_EQ(more.allocate().code(), 486);
  EXPECT_EQ(to.refresh(0).code(), 0);
  EXPECT_EQ(more.allocate().code(), 0);
}

TEST_F(Mobile, ItExpiresWithBothFiveTuples) {
  allocate(alice);
  ASSERT_EQ(refresh_with(moved, ticket).code(), 0);
  world.advance(seconds(601));
  world.tick();
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_FALSE(world.server.has_allocation(alice.tuple));
  EXPECT_FALSE(world.server.has_allocation(moved.tuple));
}

TEST_F(Mobile, AStreamsEndLeavesTheAllocationToItsTicketForAMinute) {
  for (const bool comes_back : {true, false}) {
    Client stream(world, "192.12.0.1:41000", Transport::Tcp);
    allocate(stream);
    alice.relayed = stream.relayed;
    world.client_closed(stream.tuple);
    EXPECT_FALSE(world.server.has_allocation(stream.tuple));
    EXPECT_EQ(peer_reaches(), std::nullopt);
    EXPECT_EQ(world.gauges().allocations, 1U);
    world.advance(seconds(59));
    world.tick();
    if (comes_back) {
      // Nothing is left of the old way: data goes to the new one at once.
      EXPECT_EQ(refresh_with(moved, ticket).code(), 0);
      EXPECT_EQ(peer_reaches(), moved.tuple);
      EXPECT_EQ(world.server.counters().allocations[index(Transport::Udp)], 1U);
      EXPECT_EQ(world.server.counters().allocations[index(Transport::Tcp)], 0U);
      EXPECT_EQ(moved.refresh(0).code(), 0);
    } else {
      world.advance(seconds(2));
      world.tick();
      EXPECT_EQ(refresh_with(moved, ticket).code(), 437);
    }
    EXPECT_EQ(world.gauges(), Gauges{});
  }
}

// RFC 8016 §3.2.2 MUST: the end of the old connection moves data to the new five-tuple
TEST_F(Mobile, TheEndOfTheOldStreamMovesTheData) {
  Client stream(world, "192.12.0.1:41000", Transport::Tls);
  allocate(stream);
  alice.relayed = stream.relayed;
  ASSERT_EQ(refresh_with(moved, ticket).code(), 0);
  EXPECT_EQ(peer_reaches(), stream.tuple);
  world.client_closed(stream.tuple);
  EXPECT_EQ(peer_reaches(), moved.tuple);
}

TEST_F(Mobile, TheEndOfTheNewStreamLeavesTheOldWay) {
  allocate(alice);
  Client stream(world, "192.12.0.1:41000", Transport::Tcp);
  const Bytes second = ticket_of(refresh_with(stream, ticket));
  world.client_closed(stream.tuple);
  EXPECT_EQ(peer_reaches(), alice.tuple);
  EXPECT_EQ(alice.refresh(600).code(), 0);
  EXPECT_EQ(refresh_with(moved, second).code(), 0);
}

TEST_F(Mobile, ARefreshForAnotherFamilyIs443) {
  allocate(alice);
  const auto with_family = [&](std::uint8_t code) {
    return moved.request(Method::Refresh, [&](auto& b) {
      b.add(AttributeType::MobilityTicket, ByteView(ticket));
      Client::address_family(b, code);
    });
  };
  EXPECT_EQ(with_family(stun::kFamilyV6).code(), 443);
  EXPECT_EQ(with_family(stun::kFamilyV4).code(), 0);
}

TEST_F(Mobile, AMoveToTheOtherFamilyKeepsTheRelayedAddress) {
  allocate(alice);
  Client v6(world, "[2620:0:ccc::2]:40000");
  ASSERT_EQ(refresh_with(v6, ticket).code(), 0);
  v6.send_channel(0x4000, as_bytes("over IPv6"));
  EXPECT_EQ(world.to_peers.back().from, alice.relayed);
  EXPECT_EQ(peer_reaches(), v6.tuple);
}

}  // namespace
}  // namespace ts::turn::testing
