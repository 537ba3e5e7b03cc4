// SPDX-License-Identifier: Apache-2.0
// Mobility (RFC 8016) between two shards: the new five-tuple lands on a Server that does not have the
// allocation.
#include <gtest/gtest.h>

#include "shards.hpp"

namespace ts::turn::testing {
namespace {

// RFC 8016 §3.2.2 MUST: the old five-tuple serves until data comes from the new one, on another shard too
TEST_F(Across, TheAllocationFollowsWhenTheClientSpeaks) {
  begin();
  const Answer answer = moved.refresh(ticket);
  ASSERT_EQ(answer.code(), 0);
  const Bytes second = ticket_of(answer);
  EXPECT_NE(second, ticket);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, old.tuple.client));
  old.speak();
  EXPECT_EQ(shards.sides[0].to_peers.size(), 1U);

  moved.speak();
  ASSERT_EQ(shards.sides[1].to_peers.size(), 1U) << "what asked for the allocation is relayed as well";
  EXPECT_EQ(shards.sides[1].to_peers.back().from, old.relayed);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
  EXPECT_EQ(shards.gauge(0), 0U);
  EXPECT_EQ(shards.gauge(1), 1U);
  EXPECT_EQ(shards.servers[0]->counters().channels, 0U);
  EXPECT_EQ(shards.servers[1]->counters().channels, 1U);
  EXPECT_EQ(old.refresh({}).code(), 437);
  EXPECT_EQ(moved.refresh({}).code(), 0);

  // And back, with the ticket that it got while the allocation was elsewhere.
  Mover back(shards, 0, "192.12.0.2:1");
  ASSERT_EQ(back.refresh(second).code(), 0);
  back.speak();
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, back.tuple.client));
  EXPECT_EQ(back.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

TEST_F(Across, FlowsEndHereAndBeginThere) {
  shards.options.tell_flows = true;
  begin();
  auto& here = shards.sides[0].flows;
  auto& there = shards.sides[1].flows;
  ASSERT_EQ(here.size(), 1U);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  ASSERT_EQ(here.size(), 1U) << "until the client speaks";
  moved.speak();
  ASSERT_EQ(here.size(), 2U);
  EXPECT_TRUE(here[1].ended);
  EXPECT_EQ(here[1].tuple, old.tuple);
  ASSERT_EQ(there.size(), 1U);
  EXPECT_FALSE(there[0].ended);
  EXPECT_EQ(there[0].tuple, moved.tuple);
  EXPECT_EQ(there[0].relay, old.relayed);
  EXPECT_EQ(there[0].until, here[0].until);
  shards.revoke({Revocation::Kind::User, "alice", shards.now.wall + std::chrono::seconds(60)});
  ASSERT_EQ(there.size(), 2U);
  EXPECT_TRUE(there[1].ended);
}

TEST_F(Across, ARequestBringsTheAllocationToo) {
  begin();
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  EXPECT_EQ(moved.refresh({}, 700).u32(AttributeType::Lifetime), 700U);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
  EXPECT_EQ(moved.allocate().code(), 437);
}

TEST_F(Across, ARetransmissionIsAnsweredAlike) {
  begin();
  const Bytes request =
      moved.make(Method::Refresh, [&](auto& b) { b.add(AttributeType::MobilityTicket, ByteView(ticket)); });
  const Bytes second = ticket_of(moved.send(request));
  EXPECT_EQ(ticket_of(moved.send(request)), second);
  moved.speak();
  EXPECT_EQ(ticket_of(moved.send(request)), second);
}

TEST_F(Across, WhatComesWhileItIsOnItsWayWaitsInOrder) {
  begin();
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  shards.hold_letters = true;
  for (int i = 0; i < 3; ++i) moved.speak();
  EXPECT_EQ(moved.refresh({}).code(), -1);
  for (int i = 0; i < 200; ++i) moved.speak();
  EXPECT_GT(shards.servers[1]->counters().drops[index(Drop::QueueFull)], 0U) << "bounded";
  shards.carry();
  EXPECT_EQ(shards.sides[1].to_peers.size(), 63U);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
}

TEST_F(Across, AnEndMeanwhileLeavesNothing) {
  begin();
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  shards.servers[0]->shut_down(shards.now, shards.sides[0].out);
  shards.flush(0);
  EXPECT_EQ(moved.refresh({}).code(), 437);
  moved.speak();
  EXPECT_FALSE(shards.servers[1]->has_allocation(moved.tuple));
  shards.expect_nothing_left();
}

TEST_F(Across, TheNewStreamsEndLeavesTheAllocationWhereItWas) {
  begin();
  Mover stream(shards, 1, "192.12.9.9:50000", Transport::Tcp);
  ASSERT_EQ(stream.refresh(ticket).code(), 0);
  shards.close(1, stream.tuple);
  EXPECT_FALSE(shards.servers[1]->has_allocation(stream.tuple));
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, old.tuple.client));
}

TEST_F(Across, AStreamThatEndsWhileTheAllocationComesLeavesItToTheTicket) {
  begin();
  Mover stream(shards, 1, "192.12.9.9:50000", Transport::Tcp);
  const Bytes second = ticket_of(stream.refresh(ticket));
  shards.hold_letters = true;
  stream.speak();
  shards.close(1, stream.tuple);  // carries, with the visitor gone
  EXPECT_EQ(shards.servers[1]->allocation_count(), 1U);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, Endpoint{}));
  shards.hold_letters = false;
  ASSERT_EQ(moved.refresh(second).code(), 0);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
  EXPECT_EQ(moved.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

// RFC 8016 §3.2.2 MUST: the end of the old connection moves data to the new five-tuple, on another shard too
TEST_F(Across, TheOldStreamsEndHandsTheAllocationOver) {
  Mover stream(shards, 0, "192.12.0.1:41000", Transport::Tcp);
  begin(stream);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  shards.close(0, stream.tuple);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
}

TEST_F(Across, ADetachedAllocationFollowsAtOnce) {
  Mover stream(shards, 0, "192.12.0.1:41000", Transport::Tcp);
  begin(stream);
  shards.close(0, stream.tuple);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
}

TEST_F(Across, ARefreshToZeroEndsItOnTheOtherShard) {
  begin();
  const Answer answer = moved.refresh(ticket, 0);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.u32(AttributeType::Lifetime), 0U);
  shards.expect_nothing_left();
}

TEST_F(Across, AFiveTupleWithAnAllocationOfItsOwnIs437) {
  begin();
  ASSERT_EQ(moved.allocate().code(), 0);
  EXPECT_EQ(moved.refresh(ticket).code(), 437);
}

// RFC 8656 §7.2 MUST: both relayed transport addresses of a dual allocation stay its own when it moves
TEST_F(Across, ADualAllocationFollowsWithBothSockets) {
  const Answer answer = old.send(old.make(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24).add_flag(AttributeType::MobilityTicket);
  }));
  ASSERT_EQ(answer.code(), 0);
  ASSERT_EQ(shards.sides[0].sockets.size(), 2U);
  const auto permit = [](Mover& mover) {
    return mover.send(mover.make(Method::CreatePermission, [](auto& b) {
      b.add_xor_address(AttributeType::XorPeerAddress, kPeer);
      b.add_xor_address(AttributeType::XorPeerAddress, kPeer6);
    }));
  };
  const std::map<Socket, Endpoint> sockets = shards.sides[0].sockets;
  ASSERT_EQ(moved.refresh(ticket_of(answer)).code(), 0);
  ASSERT_EQ(permit(moved).code(), 0) << "it brings the allocation";
  EXPECT_TRUE(shards.sides[0].sockets.empty());
  for (const auto& [slot, local] : sockets)
    EXPECT_EQ(shards.peer_reaches(local), Reached(1, moved.tuple.client)) << local.to_string();
  EXPECT_EQ(moved.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

// RFC 8656 §8.2 MUST: a Refresh to zero of one family leaves the other one, also when it is a move
TEST_F(Across, AMoveCanEndOneOfTwoFamilies) {
  const Answer answer = old.send(old.make(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24).add_flag(AttributeType::MobilityTicket);
  }));
  ticket = ticket_of(answer);
  const Bytes request = moved.make(Method::Refresh, [&](auto& b) {
    b.add_u32(AttributeType::Lifetime, 0)
        .add_u32(AttributeType::RequestedAddressFamily, 2U << 24)
        .add(AttributeType::MobilityTicket, ByteView(ticket));
  });
  for (int i = 0; i < 2; ++i) {  // a retransmission is answered alike
    const Answer cut = moved.send(request);
    ASSERT_EQ(cut.code(), 0) << i;
    EXPECT_EQ(cut.u32(AttributeType::Lifetime), 0U);
    EXPECT_FALSE(ticket_of(cut).empty());
    EXPECT_EQ(shards.sides[0].sockets.size(), 1U);
  }
  ASSERT_EQ(moved.bind().code(), 0);
  ASSERT_EQ(shards.sides[1].sockets.size(), 1U);
  EXPECT_EQ(shards.peer_reaches(shards.sides[1].sockets.begin()->second), Reached(1, moved.tuple.client));
  EXPECT_EQ(moved.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

TEST_F(Across, ARevocationMeetsAnAllocationOnItsWay) {
  begin();
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  shards.hold_letters = true;
  moved.speak();
  // Fetch at the old shard, whose letter is on its way when both shards hear of the revocation.
  auto [fetch, none] = std::move(shards.letters.front());
  shards.letters.clear();
  shards.servers[0]->receive(shards.now, fetch, shards.sides[0].out);
  shards.flush(0);
  ASSERT_EQ(shards.letters.size(), 1U);
  Revocation revocation;
  revocation.kind = Revocation::Kind::User;
  revocation.name = "alice";
  shards.revoke(revocation);
  shards.carry();
  EXPECT_EQ(shards.servers[1]->counters().allocations_ended[index(EndReason::Revoked)], 1U);
  shards.expect_nothing_left();
}

// Rates go along with an allocation: what it has spent is not given again, and the shares are the new
// shard's.
TEST(AcrossWithRates, TheAllocationKeepsItsLimits) {
  Options options = mobile();
  options.max_packets_per_second_per_allocation = 20;
  options.max_bits_per_second_per_user = 8'000'000;
  Shards shards(options);
  Mover old(shards, 0, "192.12.0.1:40000");
  Mover moved(shards, 1, "192.12.9.9:50000");
  const Bytes ticket = ticket_of(old.allocate());
  ASSERT_EQ(old.bind().code(), 0);
  for (int i = 0; i < 30; ++i) old.speak();
  EXPECT_EQ(shards.sides[0].to_peers.size(), 20U);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  moved.speak();
  EXPECT_EQ(shards.servers[1]->allocation_count(), 1U);
  EXPECT_EQ(shards.sides[1].to_peers.size(), 0U);
  EXPECT_EQ(shards.servers[1]->counters().drops[index(Drop::PacketRate)], 1U);
  shards.now.mono += std::chrono::seconds(1);
  for (int i = 0; i < 30; ++i) moved.speak();
  EXPECT_EQ(shards.sides[1].to_peers.size(), 20U);
  EXPECT_EQ(moved.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

TEST_F(Across, AMemberIsFoundWhereItsAllocationWent) {
  auth::Policy policy;
  policy.member = "m1";
  const auto minted = auth::mint("north", "carol", policy, shards.now.wall + std::chrono::hours(1)).value();
  for (Mover* mover : {&old, &moved}) mover->user = minted.username, mover->password = minted.password;
  begin();
  EXPECT_EQ(shards.servers[0]->member_count(), 1U);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  moved.speak();
  EXPECT_EQ(shards.servers[0]->member_count(), 0U);
  EXPECT_EQ(shards.servers[1]->member_count(), 1U);
  shards.revoke({Revocation::Kind::Member, "m1", shards.now.wall + std::chrono::hours(1)});
  EXPECT_EQ(shards.servers[1]->counters().allocations_ended[index(EndReason::Revoked)], 1U);
  EXPECT_EQ(shards.servers[1]->member_count(), 0U);
  shards.expect_nothing_left();
}

}  // namespace
}  // namespace ts::turn::testing
