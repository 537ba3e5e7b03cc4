// SPDX-License-Identifier: Apache-2.0
// Corners of mobility (RFC 8016) on one shard: malformed moves, streams that come back, late clocks.
#include <gtest/gtest.h>

#include "mobility.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

const Endpoint kPeer = ep("192.12.0.77:7000");

struct MobileCorners : ::testing::Test {
  World world{mobile()};
  Client stream{world, "192.12.0.1:40000", Transport::Tcp};
  Client moved{world, "192.12.9.9:50000"};
  Client third{world, "192.12.9.10:50000"};
  Bytes ticket;

  void begin() {
    const Answer answer = stream.allocate([](auto& b) { b.add_flag(AttributeType::MobilityTicket); });
    ASSERT_EQ(answer.code(), 0);
    ticket = ticket_of(answer);
    ASSERT_EQ(stream.bind(0x4000, kPeer).code(), 0);
  }
  template <class F>
  Answer move(Client& client, F&& more) {
    return client.request(Method::Refresh, [&](auto& b) {
      more(b);
      b.add(AttributeType::MobilityTicket, ByteView(ticket));
    });
  }
  Answer move(Client& client, std::uint32_t lifetime = 600) {
    return move(client, [&](auto& b) { b.add_u32(AttributeType::Lifetime, lifetime); });
  }
  std::optional<FiveTuple> peer_reaches() {
    const std::size_t before = world.to_clients.size();
    world.peer_sends(stream.relay(), kPeer, as_bytes("hello"));
    return world.to_clients.size() > before ? std::optional(world.to_clients.back().tuple) : std::nullopt;
  }
  ~MobileCorners() override { EXPECT_EQ(world.broken_invariant(), ""); }
};

TEST_F(MobileCorners, AMalformedMoveIs400AndUsesNothingUp) {
  begin();
  const Gauges before = world.gauges();
  const std::array<std::uint8_t, 3> three{0, 0, 0};
  for (const AttributeType type : {AttributeType::Lifetime, AttributeType::RequestedAddressFamily}) {
    const Answer answer = move(moved, [&](auto& b) { b.add(type, ByteView(three)); });
    EXPECT_EQ(answer.code(), 400);
    EXPECT_TRUE(ticket_of(answer).empty());
  }
  EXPECT_EQ(world.gauges(), before);
  EXPECT_FALSE(world.server.has_allocation(moved.tuple));
  EXPECT_EQ(move(moved).code(), 0);
}

// RFC 8656 §8.2: 443 for a family that the allocation has not, also where a move would end it
TEST_F(MobileCorners, AMoveEndsTheFamilyThatIsThereOnly) {
  begin();
  const auto end_of = [&](Client& client, std::uint8_t family) {
    return move(client, [&](auto& b) {
      b.add_u32(AttributeType::Lifetime, 0);
      Client::address_family(b, family);
    });
  };
  EXPECT_EQ(end_of(moved, stun::kFamilyV6).code(), 443);
  EXPECT_EQ(peer_reaches(), stream.tuple);
  const Answer answer = end_of(moved, stun::kFamilyV4);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.u32(AttributeType::Lifetime), 0U);
  EXPECT_TRUE(ticket_of(answer).empty());
  EXPECT_EQ(world.gauges(), Gauges{});
}

TEST_F(MobileCorners, WhatHasExpiredDoesNotMoveEvenBeforeTheTick) {
  begin();
  world.advance(seconds(600));
  EXPECT_EQ(move(moved).code(), 437);
  EXPECT_FALSE(world.server.has_allocation(moved.tuple));
  world.tick();
  EXPECT_EQ(world.gauges(), Gauges{});
}

TEST_F(MobileCorners, ATicketOfTwoMovesAgoIsWorthNothing) {
  begin();
  const Bytes first = ticket;
  ticket = ticket_of(move(moved));
  ticket = ticket_of(move(third));
  ASSERT_FALSE(ticket.empty());
  Client thief(world, "192.12.9.11:50000");
  const Bytes last = std::exchange(ticket, first);
  EXPECT_EQ(move(thief).code(), 437);
  EXPECT_EQ(move(third).code(), 437);
  EXPECT_EQ(world.server.counters().denials[index(Denial::WrongTicket)], 2U);
  ticket = last;
  EXPECT_EQ(move(thief).code(), 0);
}

TEST_F(MobileCorners, AStreamMayComeBackFromWhereItWas) {
  begin();
  world.client_closed(stream.tuple);
  EXPECT_EQ(peer_reaches(), std::nullopt);
  const Answer answer = move(stream);
  ASSERT_EQ(answer.code(), 0);
  EXPECT_NE(ticket_of(answer), ticket);
  EXPECT_EQ(peer_reaches(), stream.tuple);
  stream.send_channel(0x4000, as_bytes("back"));
  EXPECT_EQ(world.to_peers.size(), 1U);
}

// An allocation that has left a five-tuple does not take it from the next one there.
TEST_F(MobileCorners, WhoComesToALeftFiveTupleKeepsIt) {
  for (const std::uint32_t lifetime : {600U, 0U}) {
    World w(mobile());
    Client former(w, "192.12.0.1:40000", Transport::Tcp);
    Client away(w, "192.12.9.9:50000");
    const Bytes held = ticket_of(former.allocate([](auto& b) { b.add_flag(AttributeType::MobilityTicket); }));
    w.client_closed(former.tuple);
    Client next(w, "192.12.0.1:40000", Transport::Tcp, "bob", "builder");
    ASSERT_EQ(next.allocate().code(), 0);
    ASSERT_EQ(next.bind(0x4001, kPeer).code(), 0);
    EXPECT_EQ(away.request(Method::Refresh,
                           [&](auto& b) {
                             b.add_u32(AttributeType::Lifetime, lifetime)
                                 .add(AttributeType::MobilityTicket, ByteView(held));
                           })
                  .code(),
              0);
    EXPECT_TRUE(w.server.has_allocation(next.tuple));
    next.send_channel(0x4001, as_bytes("mine"));
    EXPECT_EQ(w.to_peers.size(), 1U);
    EXPECT_EQ(next.refresh(600).code(), 0);
    EXPECT_EQ(w.gauges().allocations, lifetime == 0 ? 1U : 2U);
    EXPECT_EQ(w.broken_invariant(), "");
  }
}

TEST_F(MobileCorners, AStreamThatEndsWhileTheSocketIsOpenedTakesTheAllocationAlong) {
  world.hold_opens = true;
  EXPECT_TRUE(stream.allocate([](auto& b) { b.add_flag(AttributeType::MobilityTicket); }).none());
  EXPECT_EQ(world.server.allocation_count(), 1U);
  world.client_closed(stream.tuple);
  EXPECT_EQ(world.server.allocation_count(), 0U);
  world.answer_opens();
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_TRUE(world.events.empty());
}

TEST_F(MobileCorners, NobodyIsToldOfErrorsWhileNobodyIsThere) {
  begin();
  const auto told = [&] {
    const std::size_t before = world.to_clients.size();
    world.peer_error(stream.relay(), kPeer, IcmpError{3, 3, 0});
    return world.to_clients.size() - before;
  };
  EXPECT_EQ(told(), 1U);
  world.client_closed(stream.tuple);
  EXPECT_EQ(told(), 0U);
  ASSERT_EQ(move(moved).code(), 0);
  EXPECT_EQ(told(), 1U);
  EXPECT_EQ(world.to_clients.back().tuple, moved.tuple);
}

}  // namespace
}  // namespace ts::turn::testing
