// SPDX-License-Identifier: Apache-2.0
// Members of several nodes in one room; nodes that die, are stopped, are cut off, and come back.
#include <algorithm>

#include "cluster_support.hpp"

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

class Rooms : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    member(node(0), 1, "ada"), member(node(1), 2, "bob"), member(node(2), 3, "cid");
  }
};

TEST_F(Rooms, MembersOfOtherNodesAreThere) {
  EXPECT_EQ(node(0).said(), (Lines{"1: peer-joined r bob  polite", "1: peer-joined r cid  polite"}));
  EXPECT_EQ(node(1).said(), Lines{"2: peer-joined r cid  polite"});
  EXPECT_EQ(list(node(0), 1), (Lines{"bob polite", "cid polite"}));
  EXPECT_EQ(list(node(1), 2), (Lines{"ada impolite", "cid polite"}));
  EXPECT_EQ(list(node(2), 3), (Lines{"ada impolite", "bob impolite"}));
  EXPECT_EQ(node(0).router.counters().members, 1U) << "a node counts its own";
  EXPECT_EQ(node(0).router.counters().memberships, 1U);
  EXPECT_EQ(node(0).cluster.snapshot().remote_members, 2U);
  EXPECT_TRUE(node(0).cluster.is_whole());
}

TEST_F(Rooms, MessagesArriveInOrder) {
  forget_said();
  for (const std::string_view data : {"1", "2", "3"})
    EXPECT_EQ(send(node(0), 1, "bob", data), ErrorCode::None);
  pump();
  EXPECT_EQ(node(1).said(),
            (Lines{"2: msg r ada custom 1", "2: msg r ada custom 2", "2: msg r ada custom 3"}));
  EXPECT_EQ(send(node(2), 3, "*", "4"), ErrorCode::None);
  pump();
  EXPECT_EQ(node(0).said(), Lines{"1: msg r cid custom 4"});
  EXPECT_EQ(node(1).said(), Lines{"2: msg r cid custom 4"});
  EXPECT_EQ(node(2).said(), Lines{});
}

TEST_F(Rooms, WhatWaitsIsSentOnwards) {
  EXPECT_EQ(send(node(0), 1, "dan", "1", 5000), ErrorCode::None);
  EXPECT_EQ(hello(node(2), 9, "dan"), ErrorCode::None);
  join(node(2), 9, "r");
  const Lines said = node(2).said();
  EXPECT_EQ(std::count(said.begin(), said.end(), "9: msg r ada custom 1"), 1);
}

TEST_F(Rooms, LeavingAndUpdatesAreTold) {
  forget_said();
  ASSERT_TRUE(node(1).router.update(2, "r", "7", node(1).out));
  node(1).settle();
  ASSERT_TRUE(node(1).router.leave(now_, 2, "r", node(1).out));
  node(1).settle();
  pump();
  EXPECT_EQ(node(0).said(), (Lines{"1: peer-updated r bob 7", "1: peer-left r bob left"}));
  EXPECT_EQ(list(node(2), 3), Lines{"ada impolite"});
  EXPECT_EQ(send(node(0), 1, "bob", "1"), ErrorCode::UnknownTarget);
  EXPECT_EQ(hello(node(0), 8, "bob"), ErrorCode::PeerTaken) << "it is in no room, but there";
}

TEST_F(Rooms, OfOnePeerIdThereIsOne) {
  EXPECT_EQ(hello(node(2), 9, "ada"), ErrorCode::PeerTaken);
  EXPECT_EQ(list(node(1), 2), (Lines{"ada impolite", "cid polite"}));
}

TEST_F(Rooms, TwoWhoTakeOneIdAtOnceBecomeOne) {
  forget_said();
  lose_ = [](const Cluster::Publication&) { return true; };
  EXPECT_EQ(hello(node(0), 8, "eve"), ErrorCode::None);
  EXPECT_EQ(hello(node(2), 9, "eve"), ErrorCode::None);
  lose_ = {};
  pass(1s);
  const bool first = node(0).router.is_member(8);
  EXPECT_NE(first, node(2).router.is_member(9));
  for (std::size_t i = 0; i < 3; ++i) {
    const auto holder = node(i).router.holder("eve");
    ASSERT_TRUE(holder);
    EXPECT_EQ(holder->remote, i != (first ? 0U : 2U));
  }
  const Lines said = node(first ? 2U : 0U).said();
  EXPECT_EQ(said, Lines{first ? "9: close 4009 superseded" : "8: close 4009 superseded"});
}

TEST_F(Rooms, TheKeyOfASessionMovesItsClientToAnotherNode) {
  ASSERT_EQ(hello(node(0), 8, "eve"), ErrorCode::None);
  const Welcome eve = welcome_;
  join(node(0), 8, "r");
  EXPECT_EQ(hello(node(1), 9, "eve", Resume{eve.sid, "wrong", 0}), ErrorCode::PeerTaken);
  forget_said();
  EXPECT_EQ(hello(node(1), 9, "eve", Resume{eve.sid, eve.key, 0}), ErrorCode::None);
  EXPECT_EQ(welcome_.outcome, ResumeOutcome::Unknown) << "what was missed is at the other node";
  EXPECT_FALSE(node(0).router.is_member(8));
  const Lines said = node(0).said();
  EXPECT_EQ(std::count(said.begin(), said.end(), "8: close 4009 superseded"), 1);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(node(i).router.holder("eve")->remote, i != 1) << i;
}

TEST_F(Rooms, WhoIsLostMayBeReplacedAtAnotherNode) {
  close(node(0), 1, CloseReason::Lost);
  EXPECT_EQ(list(node(1), 2), (Lines{"ada impolite lost", "cid polite"}));
  forget_said();
  EXPECT_EQ(hello(node(2), 9, "ada"), ErrorCode::None);
  EXPECT_EQ(node(1).said(), Lines{"2: peer-left r ada lost"});
  EXPECT_EQ(node(0).router.counters().lost, 0U);
}

TEST_F(Rooms, ModeratorsActAcrossNodes) {
  forget_said();
  ASSERT_TRUE(node(0).router.kick(now_, 1, {"r", "cid", "rude"}, node(0).out));
  node(0).settle();
  pump();
  EXPECT_EQ(node(2).said(), Lines{"3: kicked forbidden rude"});
  EXPECT_EQ(node(1).said(), Lines{"2: peer-left r cid kicked"});
  EXPECT_EQ(list(node(2), 3), Lines{"not in it"});
  ASSERT_TRUE(node(0).router.ban(now_, 1, {"r", "cid", 60s}, node(0).out));
  node(0).settle();
  pump();
  EXPECT_EQ(code(node(2).router.join(now_, 3, "r", {}, node(2).out)), ErrorCode::Forbidden);
  // Who has been there longest anywhere moderates, and nobody else.
  EXPECT_EQ(code(node(1).router.kick(now_, 2, {"r", "ada"}, node(1).out)), ErrorCode::Forbidden);
}

TEST_F(Rooms, ABanRemovesWhoIsElsewhere) {
  forget_said();
  ASSERT_TRUE(node(0).router.ban(now_, 1, {"r", "cid", 60s, "rude"}, node(0).out));
  node(0).settle();
  pump();
  EXPECT_EQ(node(2).said(), Lines{"3: kicked forbidden rude"}) << "once";
  EXPECT_EQ(list(node(0), 1), Lines{"bob polite"});
  // It holds at nodes that come later, too.
  Node& late = add_node();
  link(late);
  pump();
  pass(1s);
  ASSERT_EQ(hello(late, 9, "dan"), ErrorCode::None);
  close(node(2), 3, CloseReason::Bye);
  ASSERT_EQ(hello(late, 10, "cid"), ErrorCode::None);
  EXPECT_EQ(code(late.router.join(now_, 10, "r", {}, late.out)), ErrorCode::Forbidden);
}

TEST_F(Rooms, WhoIsOutOfReachIsNotKicked) {
  unlink(node(0));
  EXPECT_EQ(code(node(0).router.kick(now_, 1, {"r", "cid"}, node(0).out)), ErrorCode::UnknownTarget);
  EXPECT_EQ(list(node(0), 1).size(), 2U);
}

TEST_F(Rooms, OptionsHoldEverywhere) {
  RoomChange change;
  change.size = 3;
  ASSERT_TRUE(node(0).router.configure(1, "r", change, node(0).out));
  node(0).settle();
  pump();
  ASSERT_EQ(hello(node(1), 8, "eve"), ErrorCode::None);
  EXPECT_EQ(code(node(1).router.join(now_, 8, "r", {}, node(1).out)), ErrorCode::RoomFull);
}

TEST_F(Rooms, ClosingARoomEmptiesItEverywhere) {
  forget_said();
  EXPECT_TRUE(node(1).router.close_room(now_, "r", "over", node(1).out));
  node(1).settle();
  pump();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(list(node(i), i + 1), Lines{"not in it"});
  EXPECT_EQ(node(0).router.counters().rooms, 0U);
}

TEST_F(Rooms, OrdersReachAllAndThoseWhoComeLater) {
  node(0).cluster.order(now_, "stop", now_.wall + 60s);
  pump();
  EXPECT_EQ(node(1).orders, Lines{"stop"});
  EXPECT_EQ(node(2).orders, Lines{"stop"});
  Node& late = add_node();
  link(late);
  pump();
  pass(600ms);
  EXPECT_EQ(late.orders, Lines{"stop"});
  EXPECT_EQ(late.router.holder("ada")->remote, true);
}

TEST_F(Rooms, ANodeThatDiesIsNoticed) {
  forget_said();
  node(2).running = false;
  EXPECT_EQ(send(node(0), 1, "cid", "1"), ErrorCode::None);
  pump();
  pass(5s);
  const Lines said = node(0).said();
  EXPECT_EQ(std::count(said.begin(), said.end(), "1: undelivered r cid"), 1) << "an error, and not silence";
  EXPECT_EQ(std::count(said.begin(), said.end(), "1: peer-left r cid lost"), 1);
  EXPECT_EQ(list(node(1), 2), Lines{"ada impolite"});
  EXPECT_EQ(hello(node(0), 9, "cid"), ErrorCode::None) << "its ids are free";
}

TEST_F(Rooms, ANodeThatStopsSaysSo) {
  forget_said();
  node(2).cluster.leave();
  pump();
  EXPECT_EQ(node(0).said(), Lines{"1: peer-left r cid left"});
  EXPECT_EQ(node(2).cluster.next_deadline(), std::nullopt);
}

TEST_F(Rooms, ANodeThatWasStoppedComesBack) {
  node(2).running = false;
  pass(5s);
  EXPECT_EQ(list(node(0), 1), Lines{"bob polite"});
  forget_said();
  node(2).running = true;
  pass(4s);
  EXPECT_EQ(list(node(0), 1), (Lines{"bob polite", "cid polite"}));
  EXPECT_EQ(list(node(2), 3), (Lines{"ada impolite", "bob impolite"}));
  EXPECT_EQ(send(node(2), 3, "ada", "1"), ErrorCode::None);
  EXPECT_EQ(send(node(0), 1, "cid", "2"), ErrorCode::None);
  pump();
  EXPECT_EQ(node(2).said().back(), "3: msg r ada custom 2");
  EXPECT_EQ(node(0).said().back(), "1: msg r cid custom 1");
}

TEST_F(Rooms, WithoutTheBusMembersStayAndSendersAreTold) {
  member(node(0), 8, "eve");
  forget_said();
  bus_stopped_ = true;
  for (const auto& one : nodes_) unlink(*one);
  EXPECT_EQ(send(node(0), 1, "eve", "1"), ErrorCode::None);
  EXPECT_EQ(send(node(0), 1, "bob", "2"), ErrorCode::UnknownTarget);
  EXPECT_EQ(send(node(0), 1, "*", "3"), ErrorCode::None);
  pass(10s);
  const Lines said = node(0).said();
  EXPECT_EQ(std::count(said.begin(), said.end(), "8: msg r ada custom 1"), 1);
  EXPECT_EQ(std::count(said.begin(), said.end(), "8: msg r ada custom 3"), 1);
  EXPECT_EQ(std::count(said.begin(), said.end(), "1: undelivered r bob"), 1);
  EXPECT_EQ(std::count(said.begin(), said.end(), "1: undelivered r cid"), 1);
  EXPECT_EQ(list(node(0), 1).size(), 3U) << "nobody knows that they are gone";
  EXPECT_FALSE(node(0).cluster.is_up());
  // What happens meanwhile is known afterwards.
  ASSERT_TRUE(node(1).router.leave(now_, 2, "r", node(1).out));
  node(1).settle();
  close(node(2), 3, CloseReason::Bye);
  forget_said();
  bus_stopped_ = false;
  link_all();
  pass(1s);
  EXPECT_EQ(list(node(0), 1), Lines{"eve polite"});
  EXPECT_TRUE(node(0).cluster.is_whole());
  EXPECT_EQ(send(node(0), 1, "bob", "4"), ErrorCode::UnknownTarget);
}

TEST_F(Rooms, AShortCutLosesNothing) {
  forget_said();
  EXPECT_EQ(send(node(0), 1, "bob", "1"), ErrorCode::None);
  for (const auto& one : nodes_) unlink(*one);  // before anything was carried
  pass(1s);
  link_all();
  pass(1s);
  EXPECT_EQ(node(1).said(), Lines{"2: msg r ada custom 1"});
  EXPECT_EQ(node(0).said(), Lines{});
}

TEST_F(Rooms, ABusThatCarriesNothingIsNoticed) {
  bus_stopped_ = true;  // the connections stay, as with a Redis that was stopped
  pass(2s);
  EXPECT_FALSE(node(0).cluster.is_up());
  EXPECT_EQ(send(node(0), 1, "bob", "1"), ErrorCode::UnknownTarget);
  bus_stopped_ = false;
  pass(2s);
  EXPECT_TRUE(node(0).cluster.is_whole());
  EXPECT_EQ(list(node(0), 1), (Lines{"bob polite", "cid polite"}));
  EXPECT_EQ(node(0).cluster.counters().nodes_lost, 0U);
}

TEST_F(Rooms, LostFramesAreSentAgainInOrder) {
  forget_said();
  std::size_t count = 0;
  lose_ = [&](const Cluster::Publication& one) {
    return one.channel != node(0).cluster.common_channel() && ++count % 3 == 0;
  };
  Lines expected;
  for (int i = 0; i < 60; ++i) {
    const std::string data = std::to_string(i);
    ASSERT_EQ(send(node(0), 1, "bob", data), ErrorCode::None);
    pump();
    expected.push_back("2: msg r ada custom " + data);
  }
  pass(10s);
  EXPECT_EQ(node(1).said(), expected);
  EXPECT_EQ(node(0).said(), Lines{});
}

TEST_F(Rooms, WhatComesTwiceCountsOnce) {
  forget_said();
  std::vector<Cluster::Publication> seen;
  lose_ = [&](const Cluster::Publication& one) {
    seen.push_back(one);
    return false;
  };
  EXPECT_EQ(send(node(0), 1, "bob", "1"), ErrorCode::None);
  pump();
  lose_ = {};
  for (const Cluster::Publication& one : seen) publish(one);
  EXPECT_EQ(node(1).said(), Lines{"2: msg r ada custom 1"});
  EXPECT_GE(refused(node(1), ClusterRefusal::Replay), 1U);
}

TEST_F(Rooms, FramesOfStrangersAreCounted) {
  for (const std::string_view frame : {"", "TSN", "nonsense", "TSN\x02"})
    node(0).cluster.received(now_, frame);
  EXPECT_EQ(node(0).cluster.counters().frames_malformed, 4U);
  EXPECT_EQ(node(0).cluster.received(now_, "TSN\x01\x01"), ClusterRefusal::Version);
  EXPECT_EQ(node(0).cluster.received(now_, "TSN\x02\x01"), ClusterRefusal::Signature);
  EXPECT_EQ(refused(node(0), ClusterRefusal::Version), 1U);
  EXPECT_EQ(refused(node(0), ClusterRefusal::Signature), 1U);
  EXPECT_TRUE(node(0).cluster.is_whole());
}

TEST_F(ClusterTest, WhoJoinsAtOnceIsPoliteToOneAnotherInOneWay) {
  ASSERT_EQ(hello(node(0), 1, "ada"), ErrorCode::None);
  ASSERT_EQ(hello(node(1), 2, "bob"), ErrorCode::None);
  lose_ = [](const Cluster::Publication&) { return true; };
  join(node(0), 1, "r"), join(node(1), 2, "r");
  lose_ = {};
  pass(1s);
  const Lines ada = list(node(0), 1);
  const Lines bob = list(node(1), 2);
  ASSERT_EQ(ada.size(), 1U);
  ASSERT_EQ(bob.size(), 1U);
  EXPECT_NE(ada[0] == "bob polite", bob[0] == "ada polite");
}

}  // namespace
}  // namespace ts::signal
