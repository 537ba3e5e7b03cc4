// SPDX-License-Identifier: Apache-2.0
// Revocation: live allocations end at once, and their credentials are let in no more.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn {
namespace {

using namespace testing;
using std::chrono::seconds;
using Kind = Revocation::Kind;

const Endpoint kPeer = ep("8.8.4.4:5000");

/// A server with clients of every sort, each with an allocation.
struct Revoking : ::testing::Test {
  Client ephemeral(const std::string& user, const auth::Policy& policy, const std::string& from) {
    const auto minted = auth::mint("north", user, policy, w.now.wall + seconds(3600)).value();
    return Client(w, from, Transport::Udp, minted.username, minted.password);
  }
  static auth::Policy in_room(const std::string& room, const std::string& member) {
    auth::Policy out;
    out.room = room, out.member = member;
    return out;
  }
  void SetUp() override {
    for (Client* c : all) ASSERT_EQ(c->allocate().code(), 0);
  }
  void revoke(Kind kind, const std::string& name, seconds life = seconds(3600)) {
    Outbox out;
    w.server.revoke(w.now, Revocation{kind, name, w.now.wall + life}, out);
    for (const CloseRelay& close : out.close_relays) closed.push_back(close.relay);
    for (const AllocationEvent& event : out.events) {
      EXPECT_TRUE(event.ended);
      EXPECT_EQ(event.reason, EndReason::Revoked);
      ended.push_back(event.username);
    }
  }
  std::vector<bool> live() const {
    std::vector<bool> out;
    for (const Client* c : all) out.push_back(w.server.has_allocation(c->tuple));
    return out;
  }

  World w;
  Client alice{w, "192.12.0.1:1000"};
  Client bob{w, "192.12.0.1:1001", Transport::Udp, "bob", "builder"};
  Client bob_too = ephemeral("bob", {}, "192.12.0.1:1002");
  Client lobby = ephemeral("carol", in_room("lobby", "m1"), "192.12.0.1:1003");
  Client lobby_too = ephemeral("dave", in_room("lobby", "m2"), "192.12.0.1:1004");
  Client cellar = ephemeral("carol", in_room("cellar", "m3"), "192.12.0.1:1005");
  std::vector<Client*> all{&alice, &bob, &bob_too, &lobby, &lobby_too, &cellar};
  std::vector<RelayId> closed;
  std::vector<std::string> ended;
};

TEST_F(Revoking, ACredential) {
  const RelayId relay = lobby.relay();
  revoke(Kind::Credential, lobby.username);
  EXPECT_EQ(live(), (std::vector<bool>{true, true, true, false, true, true}));
  EXPECT_EQ(closed, std::vector<RelayId>{relay});
  EXPECT_EQ(ended, std::vector<std::string>{lobby.username});
  EXPECT_EQ(w.server.counters().allocations_ended[index(EndReason::Revoked)], 1U);
  // Every request of it is refused, with the reason, and signed.
  const Answer answers[] = {lobby.allocate(), lobby.refresh(600), lobby.permit({kPeer}),
                            lobby.bind(0x4000, kPeer)};
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.code(), 403);
    EXPECT_TRUE(stun::verify_integrity(answer.view(), lobby.key()));
    const auto error = stun::decode_error_code(answer.attribute(AttributeType::ErrorCode).value()).value();
    EXPECT_EQ(error.reason, "The credential has been revoked");
  }
  EXPECT_EQ(w.server.counters().auth_failures[index(AuthFailure::Revoked)], 4U);
  // Only who has the password is told.
  lobby.password = "wrong";
  EXPECT_EQ(lobby.allocate().code(), 401);
  // The other credential of the same user goes on.
  EXPECT_EQ(cellar.refresh(600).code(), 0);
}

TEST_F(Revoking, AUserStaticOrEphemeral) {
  revoke(Kind::User, "bob");
  EXPECT_EQ(live(), (std::vector<bool>{true, false, false, true, true, true}));
  EXPECT_EQ(bob.allocate().code(), 403);
  EXPECT_EQ(bob_too.allocate().code(), 403);
  revoke(Kind::User, "carol");
  EXPECT_EQ(live(), (std::vector<bool>{true, false, false, false, true, false}));
}

TEST_F(Revoking, ARoom) {
  revoke(Kind::Room, "lobby");
  EXPECT_EQ(live(), (std::vector<bool>{true, true, true, false, false, true}));
  EXPECT_EQ(lobby.allocate().code(), 403);
  Client late = ephemeral("erin", in_room("lobby", "m9"), "192.12.0.1:1009");
  EXPECT_EQ(late.allocate().code(), 403);
}

TEST_F(Revoking, AMember) {
  revoke(Kind::Member, "m2");
  EXPECT_EQ(live(), (std::vector<bool>{true, true, true, true, false, true}));
  EXPECT_EQ(lobby_too.allocate().code(), 403);
}

TEST_F(Revoking, NothingElse) {
  revoke(Kind::Room, "");
  revoke(Kind::Member, "");
  revoke(Kind::User, "");
  revoke(Kind::Room, "attic");
  revoke(Kind::User, "m1");
  revoke(Kind::Credential, "bob_");
  EXPECT_EQ(live(), std::vector<bool>(6, true));
  EXPECT_TRUE(closed.empty());
}

TEST_F(Revoking, ARelayedPacketAfterwardsIsDropped) {
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  const RelayId relay = alice.relay();
  revoke(Kind::User, "alice");
  w.to_clients.clear();
  alice.send_channel(0x4000, Bytes(10));
  w.peer_sends(relay, kPeer, Bytes(10));
  EXPECT_TRUE(w.to_peers.empty());
  EXPECT_TRUE(w.to_clients.empty());
  EXPECT_EQ(w.server.counters().permissions, 0U);
  EXPECT_EQ(w.ledger.ports().used, 5U);
}

TEST_F(Revoking, LapsesAtItsTime) {
  revoke(Kind::User, "alice", seconds(60));
  EXPECT_EQ(alice.allocate().code(), 403);
  w.advance(seconds(60));
  EXPECT_EQ(alice.allocate().code(), 0);
}

TEST_F(Revoking, AnAllocationThatIsBeingOpenedIsGoneToo) {
  ASSERT_EQ(alice.refresh(0).code(), 0);
  w.hold_opens = true;
  EXPECT_TRUE(alice.allocate().none());
  revoke(Kind::User, "alice");
  EXPECT_FALSE(w.server.has_allocation(alice.tuple));
  const std::size_t before = w.to_clients.size();
  w.answer_opens();
  EXPECT_EQ(w.to_clients.size(), before);
  EXPECT_EQ(w.ledger.ports().used, 5U);
  EXPECT_EQ(alice.allocate().code(), 403);
}

TEST_F(Revoking, BindingsAreForEverybody) {
  revoke(Kind::User, "alice");
  EXPECT_EQ(alice.send(alice.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {})).code(),
            0);
}

// Members come and go all the time: their end looks at their own allocations alone.
TEST_F(Revoking, OnlyMembersAreLookedUp) {
  EXPECT_EQ(w.server.member_count(), 3U);
  Client again(w, "192.12.0.1:1010", Transport::Udp, cellar.username, cellar.password);
  ASSERT_EQ(again.allocate().code(), 0);
  EXPECT_EQ(w.server.member_count(), 3U);
  revoke(Kind::Member, "m3");
  EXPECT_EQ(ended.size(), 2U);
  EXPECT_EQ(w.server.member_count(), 2U);
  ASSERT_EQ(lobby.refresh(0).code(), 0);
  EXPECT_EQ(w.server.member_count(), 1U);
  revoke(Kind::Room, "lobby");
  EXPECT_EQ(w.server.member_count(), 0U);
}

TEST_F(Revoking, ARealmsMemberIsMeantAlone) {
  Outbox out;
  Revocation other{Kind::Member, "m1", w.now.wall + seconds(60), auth::RealmId{1}};
  w.server.revoke(w.now, other, out);
  EXPECT_TRUE(out.events.empty());
  other.realm = auth::kDefaultRealm;
  w.server.revoke(w.now, other, out);
  EXPECT_EQ(out.events.size(), 1U);
}

TEST_F(Revoking, IsCountedByItsCause) {
  Outbox out;
  Revocation revocation{Kind::Member, "gone", w.now.wall + seconds(60)};
  revocation.cause = RevocationCause::Departure;
  w.server.revoke(w.now, revocation, out);
  revoke(Kind::User, "nobody");
  Counters sum = w.server.counters();
  EXPECT_EQ(sum.revocations, (std::array<std::uint64_t, 3>{1, 0, 1}));
  EXPECT_EQ(sum.revocations_forgotten, (std::array<std::uint64_t, 3>{}));
  sum.revocations_forgotten[1] = 5;
  sum += w.server.counters();
  EXPECT_EQ(sum.revocations[0], 1U) << "every shard has the same";
  EXPECT_EQ(sum.revocations_forgotten[1], 5U);
}

}  // namespace
}  // namespace ts::turn
