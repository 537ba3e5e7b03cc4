// SPDX-License-Identifier: Apache-2.0
// Letters between shards (RFC 8016) that cross what happens meanwhile: the allocation is in one place at
// most, nobody gets it who has not its ticket and its password, and what is kept for those who move is
// bounded.
#include "shards.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

struct Crossing : Across {
  /// The client has moved to shard 1.
  Bytes moved_on() {
    const Answer answer = moved.refresh(ticket);
    EXPECT_EQ(answer.code(), 0);
    return ticket_of(answer);
  }
  std::uint64_t denials(std::size_t shard, Denial why) const {
    return shards.servers[shard]->counters().denials[index(why)];
  }
  std::uint64_t drops(std::size_t shard, Drop why) const {
    return shards.servers[shard]->counters().drops[index(why)];
  }
  bool knows_moved() const { return shards.servers[1]->has_allocation(moved.tuple); }

  Mover later{shards, 1, "192.12.9.10:50001"};
};

TEST_F(Crossing, AQueryMissesAnAllocationThatIsOnItsWayOrHasLeft) {
  for (const bool overtaken : {false, true}) {
    Shards two{mobile()};
    Mover home{two, 0, "192.12.0.1:40000"};
    Mover first{two, 1, "192.12.9.9:50000"};
    Mover second{two, 1, "192.12.9.10:50001"};
    const Bytes begun = ticket_of(home.allocate());
    ASSERT_EQ(home.bind().code(), 0);
    const Bytes next = ticket_of(first.refresh(begun));
    two.hold_letters = true;
    first.speak();
    EXPECT_TRUE(second.refresh(next).none());
    ASSERT_EQ(two.letters.size(), 2U);  // Fetch, Query
    two.carry_one();
    if (overtaken) two.delay_first();
    const Answer answer = second.carried();
    EXPECT_EQ(answer.code(), 437);
    EXPECT_TRUE(ticket_of(answer).empty());
    EXPECT_FALSE(two.servers[1]->has_allocation(second.tuple));
    EXPECT_EQ(two.gauge(0), 0U);
    EXPECT_EQ(two.gauge(1), 1U);
    EXPECT_EQ(two.peer_reaches(home.relayed), Reached(1, first.tuple.client));
    // The ticket is as good as before.
    two.hold_letters = false;
    EXPECT_EQ(second.refresh(next).code(), 0);
    EXPECT_EQ(second.refresh({}, 0).code(), 0);
    two.expect_nothing_left();
  }
}

// The ticket and the user are both looked at.
TEST_F(Crossing, AnotherUsersRefreshMovesNothing) {
  Mover stream(shards, 0, "192.12.0.1:41000", Transport::Tcp);
  begin(stream);
  shards.close(0, stream.tuple);
  Mover bob(shards, 1, "192.12.9.11:50000");
  bob.user = "bob", bob.password = "builder";
  for (const std::uint32_t lifetime : {600U, 0U}) {
    const Answer answer = bob.refresh(ticket, lifetime);
    EXPECT_EQ(answer.code(), 441);
    EXPECT_TRUE(ticket_of(answer).empty());
    EXPECT_FALSE(shards.servers[1]->has_allocation(bob.tuple));
    EXPECT_EQ(shards.gauge(0), 1U);
  }
  EXPECT_EQ(shards.servers[1]->counters().auth_failures[index(AuthFailure::WrongUser)], 2U);
  EXPECT_EQ(moved.refresh(ticket).code(), 0);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
}

TEST_F(Crossing, ATicketOfTwoMovesAgoIsWorthNothing) {
  begin();
  const Bytes second = moved_on();
  ASSERT_EQ(later.refresh(second).code(), 0);
  Mover thief(shards, 1, "192.12.9.12:50000");
  EXPECT_EQ(thief.refresh(ticket).code(), 437);
  EXPECT_EQ(denials(1, Denial::WrongTicket), 1U);
  later.speak();
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, later.tuple.client));
}

// What moved last is where the client is.
TEST_F(Crossing, OnlyWhoMovedLastFetches) {
  for (const std::size_t shard : {0U, 1U}) {
    Shards two{mobile()};
    Mover home{two, 0, "192.12.0.1:40000"};
    Mover first{two, 1, "192.12.9.9:50000"};
    Mover last{two, shard, "192.12.9.10:50001"};
    const Bytes begun = ticket_of(home.allocate());
    ASSERT_EQ(home.bind().code(), 0);
    ASSERT_EQ(last.refresh(ticket_of(first.refresh(begun))).code(), 0);
    first.speak();
    EXPECT_TRUE(two.sides[0].to_peers.empty());
    EXPECT_TRUE(two.sides[1].to_peers.empty());
    EXPECT_FALSE(two.servers[1]->has_allocation(first.tuple)) << "nothing is kept for it any longer";
    EXPECT_EQ(two.peer_reaches(home.relayed), Reached(0, home.tuple.client));
    last.speak();
    EXPECT_EQ(two.peer_reaches(home.relayed), Reached(shard, last.tuple.client));
  }
}

TEST_F(Crossing, WhoWasLeftBehindGetsNothingFromTheSameShard) {
  begin();
  const Bytes second = moved_on();
  ASSERT_EQ(later.refresh(second).code(), 0);
  later.speak();
  ASSERT_EQ(shards.sides[1].to_peers.size(), 1U);
  EXPECT_TRUE(knows_moved());
  moved.speak();
  EXPECT_EQ(shards.sides[1].to_peers.size(), 1U);
  EXPECT_FALSE(knows_moved());
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, later.tuple.client));
}

TEST_F(Crossing, TheSameFiveTupleOnAnotherShardIsAMove) {
  begin();
  const Bytes second = moved_on();
  Mover same(shards, 0, "192.12.9.9:50000");
  const Answer answer = same.refresh(second);
  ASSERT_EQ(answer.code(), 0);
  EXPECT_NE(ticket_of(answer), second);
  moved.speak();
  EXPECT_EQ(shards.gauge(0), 1U) << "shard 1 is not where the client is";
  EXPECT_FALSE(knows_moved());
  same.speak();
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, same.tuple.client));
}

TEST_F(Crossing, CredentialsThatEndMeanwhileCount) {
  begin();
  shards.hold_letters = true;
  EXPECT_TRUE(moved.refresh(ticket).none());
  auth::Options options = default_auth();
  options.users = {{"bob", "builder"}};
  const auth::Credentials changed(options);
  shards.servers[1]->use_credentials(changed);
  EXPECT_EQ(moved.carried().code(), 401);
  EXPECT_FALSE(knows_moved());
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, old.tuple.client));
}

// A five-tuple has one allocation.
TEST_F(Crossing, AnAllocationOfItsOwnMeanwhileStays) {
  begin();
  shards.hold_letters = true;
  EXPECT_TRUE(moved.refresh(ticket).none());
  ASSERT_EQ(moved.allocate().code(), 0);
  const Endpoint own = moved.relayed;
  EXPECT_EQ(moved.carried().code(), 437);
  ASSERT_EQ(moved.bind().code(), 0);
  EXPECT_EQ(shards.gauge(0), 1U);
  EXPECT_EQ(shards.gauge(1), 1U);
  EXPECT_EQ(shards.peer_reaches(own), Reached(1, moved.tuple.client));
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, old.tuple.client));
}

TEST_F(Crossing, NeitherBindingNorNoiseFetches) {
  begin();
  moved_on();
  Bytes binding(64);
  stun::MessageBuilder b(binding, stun::MessageClass::Request, Method::Binding, stun::TransactionId{1});
  binding.resize(b.finish().size());
  EXPECT_EQ(moved.send(binding).code(), 0);
  binding[3] = 8;  // longer than it is
  EXPECT_TRUE(moved.send(binding).none());
  EXPECT_EQ(drops(1, Drop::BadMessage), 1U);
  EXPECT_EQ(shards.gauge(0), 1U);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, old.tuple.client));
}

TEST_F(Crossing, LongMessagesThatWaitAreBoundedByTheirBytes) {
  begin();
  moved_on();
  shards.hold_letters = true;
  const Bytes message = Client::channel_data(0x4000, Bytes(10'000));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(moved.send(message).none());
  EXPECT_EQ(drops(1, Drop::QueueFull), 4U);
  shards.carry();
  EXPECT_EQ(shards.sides[1].to_peers.size(), 6U);
}

TEST_F(Crossing, AnAllocationThatComesForSomebodyElseWaitsForItsTicket) {
  begin();
  const Bytes second = moved_on();
  Mover other(shards, 0, "192.12.0.1:40001");
  const Bytes another = ticket_of(other.allocate());
  ASSERT_EQ(other.bind().code(), 0);
  // The client gives the first one up for the other one, of which it hears before the first one comes.
  shards.hold_letters = true;
  moved.speak();
  EXPECT_TRUE(moved.refresh(another).none());
  ASSERT_EQ(shards.letters.size(), 2U);  // Fetch, Query
  shards.delay_first();
  EXPECT_EQ(moved.carried().code(), 0);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, Endpoint{})) << "nobody is there";
  EXPECT_EQ(shards.peer_reaches(other.relayed), Reached(0, other.tuple.client));

  shards.hold_letters = false;
  moved.speak();
  EXPECT_EQ(shards.peer_reaches(other.relayed), Reached(1, moved.tuple.client));
  ASSERT_EQ(later.refresh(second).code(), 0);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, later.tuple.client));
  EXPECT_EQ(moved.refresh({}, 0).code(), 0);
  EXPECT_EQ(later.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

TEST_F(Crossing, WhoNeverSpeaksIsForgottenWithTheLifetime) {
  begin();
  moved_on();
  EXPECT_TRUE(knows_moved());
  shards.now.mono += seconds(600);
  moved.speak();
  EXPECT_TRUE(shards.sides[1].to_peers.empty());
  EXPECT_FALSE(knows_moved());
}

TEST_F(Crossing, ManyWhoNeverSpeakTakeNoRoomForEver) {
  begin();
  std::vector<FiveTuple> seen;
  for (std::uint16_t port = 10'000; port < 11'024; ++port) {
    Mover mover(shards, 1, "192.12.7.7:" + std::to_string(port));
    ticket = ticket_of(mover.refresh(ticket));
    ASSERT_FALSE(ticket.empty());
    seen.push_back(mover.tuple);
  }
  shards.now.mono += seconds(300);
  ticket = ticket_of(moved.refresh(ticket, 3600));
  shards.now.mono += seconds(400);
  const auto kept = [&] {
    return std::count_if(seen.begin(), seen.end(),
                         [&](const FiveTuple& tuple) { return shards.servers[1]->has_allocation(tuple); });
  };
  EXPECT_EQ(kept(), 1024);
  Mover last(shards, 1, "192.12.9.13:50000");
  EXPECT_EQ(last.refresh(ticket).code(), 0);
  EXPECT_EQ(kept(), 0);
  EXPECT_TRUE(knows_moved()) << "its time is not over";
}

TEST(CrossingWithRates, WhatTheAllocationHasSpentStaysSpent) {
  Options options = mobile();
  options.max_bits_per_second_per_allocation = 8 * 65'536;
  Shards shards(options);
  Mover old(shards, 0, "192.12.0.1:40000");
  Mover moved(shards, 1, "192.12.9.9:50000");
  const Bytes ticket = ticket_of(old.allocate());
  ASSERT_EQ(old.bind().code(), 0);
  const Bytes message = Client::channel_data(0x4000, Bytes(10'000));
  for (int i = 0; i < 10; ++i) old.send(message);
  EXPECT_EQ(shards.sides[0].to_peers.size(), 6U);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  moved.send(message);
  EXPECT_EQ(shards.gauge(1), 1U);
  EXPECT_TRUE(shards.sides[1].to_peers.empty());
  shards.now.mono += seconds(1);
  moved.send(message);
  EXPECT_EQ(shards.sides[1].to_peers.size(), 1U);
}

}  // namespace
}  // namespace ts::turn::testing
