// SPDX-License-Identifier: Apache-2.0
// Several nodes when things come late, twice, forged, or not at all: claims, kicks and bans end the same way
// at all of them.
#include <algorithm>

#include "../../../src/signal/cluster_wire.hpp"
#include "cluster_support.hpp"

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

class Faults : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    member(node(0), 1, "ada"), member(node(1), 2, "bob"), member(node(2), 3, "cid");
    forget_said();
  }
  void settle(Node& at) {
    at.settle();
    pump();
  }
  /// Nobody but its own node has heard of it yet.
  void alone(const std::function<void()>& act) {
    lose_ = [](const Cluster::Publication&) { return true; };
    act();
    lose_ = {};
  }
  /// The one node at which the member is no remote one; all agree, or -1.
  int home(std::string_view peer) {
    int found = -1;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const auto holder = node(i).router.holder(peer);
      if (!holder) return -1;
      if (holder->remote) continue;
      if (found >= 0) return -1;
      found = static_cast<int>(i);
    }
    return found;
  }
  static long count(const Lines& said, std::string_view line) {
    return std::count(said.begin(), said.end(), line);
  }
};

// Claims.

TEST_F(Faults, ANodeThatWasStoppedYieldsWhatOthersHaveClaimedSince) {
  node(2).running = false;
  pass(4s);
  ASSERT_EQ(hello(node(0), 9, "cid"), ErrorCode::None) << "its ids were free";
  join(node(0), 9, "r");
  forget_said();
  node(2).running = true;
  pass(3s);
  EXPECT_TRUE(node(0).router.is_member(9)) << "who has moved stays";
  EXPECT_FALSE(node(2).router.is_member(3));
  EXPECT_EQ(count(node(2).said(), "3: close 4009 superseded"), 1);
  EXPECT_EQ(home("cid"), 0);
  EXPECT_EQ(list(node(2), 3), Lines{"not in it"});
  EXPECT_EQ(list(node(1), 2), (Lines{"ada impolite", "cid polite"}));
  EXPECT_EQ(send(node(1), 2, "cid", "1"), ErrorCode::None);
  pump();
  EXPECT_EQ(count(node(0).said(), "9: msg r bob custom 1"), 1);
}

TEST_F(Faults, ANodeThatStartsAloneDoesNotTakeTheIdsOfTheOthers) {
  Node& late = add_node();  // Redis is out of its reach
  ASSERT_EQ(hello(late, 9, "cid"), ErrorCode::None);
  link(late);
  pass(2s);
  EXPECT_EQ(home("cid"), 2) << "who was there first";
  EXPECT_TRUE(node(2).router.is_member(3));
  EXPECT_FALSE(late.router.is_member(9));
}

TEST_F(Faults, ThreeWhoTakeOneIdAtOnceBecomeOne) {
  alone([&] {
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(hello(node(i), 10 + i, "eve"), ErrorCode::None);
  });
  pass(2s);
  const int at = home("eve");
  ASSERT_GE(at, 0);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(node(i).router.is_member(10 + i), static_cast<int>(i) == at) << i;
}

/// A claim that comes before the goodbye of the one whose place it takes.
TEST_F(Faults, WhoIsToldOfTooEarlyIsThereWhenThePlaceIsFree) {
  alone([&] {
    EXPECT_EQ(hello(node(0), 8, "eve"), ErrorCode::None);
    EXPECT_EQ(hello(node(1), 9, "eve"), ErrorCode::None);
  });
  const std::string first = node(0).cluster.node();
  const std::string second = node(1).cluster.node();
  const bool first_wins = first > second;  // of equal claims
  Node& winner = node(first_wins ? 0U : 1U);
  // Node 2 hears both, and nobody hears node 2 or the other one: the loser has not yielded yet.
  lose_ = [&](const Cluster::Publication& one) {
    return one.channel == node(0).cluster.own_channel() || one.channel == node(1).cluster.own_channel();
  };
  pass(500ms);
  ASSERT_TRUE(node(2).router.holder("eve"));
  winner.cluster.leave();
  pump();
  ASSERT_TRUE(node(2).router.holder("eve")) << "the other one is there, and was told of";
  EXPECT_TRUE(node(2).router.holder("eve")->remote);
  EXPECT_EQ(node(2).cluster.snapshot().nodes, 1U);
}

TEST_F(Faults, WhoeverIsHiddenComesBackWithItsRooms) {
  ASSERT_EQ(hello(node(0), 8, "eve"), ErrorCode::None);
  const Welcome eve = welcome_;
  join(node(0), 8, "r");
  join(node(0), 8, "s");
  forget_said();
  // It moves to node 1; node 0, which is cut off from all but its beacons, does not hear of it.
  lose_ = [&](const Cluster::Publication& one) { return one.channel == node(0).cluster.own_channel(); };
  EXPECT_EQ(hello(node(1), 9, "eve", Resume{eve.sid, eve.key, 0}), ErrorCode::None);
  EXPECT_EQ(node(2).said(), Lines{"3: peer-left r eve lost"});
  ASSERT_TRUE(node(0).router.update(8, "r", "7", node(0).out));
  settle(node(0));
  close(node(1), 9, CloseReason::Bye);
  EXPECT_EQ(node(2).said(), Lines{"3: peer-joined r eve 7 polite"}) << "it is still at node 0";
  EXPECT_EQ(node(1).said().back(), "2: peer-joined r eve 7 polite");
  EXPECT_EQ(home("eve"), 0);
}

TEST_F(Faults, AMessageOfOneWhoIsHiddenIsAnswered) {
  ASSERT_EQ(hello(node(0), 8, "eve"), ErrorCode::None);
  const Welcome eve = welcome_;
  join(node(0), 8, "r");
  lose_ = [&](const Cluster::Publication& one) { return one.channel == node(0).cluster.own_channel(); };
  EXPECT_EQ(hello(node(1), 9, "eve", Resume{eve.sid, eve.key, 0}), ErrorCode::None);
  forget_said();
  EXPECT_EQ(send(node(0), 8, "cid", "1"), ErrorCode::None);
  pump();
  EXPECT_EQ(node(2).said(), Lines{}) << "eve is another one there";
  lose_ = {};
  pass(2s);
  EXPECT_EQ(home("eve"), 1);
}

// Streams.

TEST_F(Faults, ALostFrameUnderSteadyTrafficIsSentAgainAtOnce) {
  int frames = 0;
  lose_ = [&](const Cluster::Publication& one) {
    return one.channel == node(1).cluster.own_channel() && ++frames == 3;
  };
  Lines heard;
  Lines expected;
  Duration late{};
  for (int i = 0; i < 60; ++i) {
    const std::string data = std::to_string(i);
    ASSERT_EQ(send(node(0), 1, "bob", data), ErrorCode::None);
    expected.push_back("2: msg r ada custom " + data);
    pass(100ms);
    for (std::string& line : node(1).said()) heard.push_back(std::move(line));
    if (heard.size() < expected.size()) late += 100ms;
  }
  EXPECT_EQ(heard, expected);
  EXPECT_LE(late, 200ms) << "and not when it becomes quiet";
  EXPECT_EQ(node(0).cluster.counters().resyncs, 0U);
  EXPECT_EQ(node(0).said(), Lines{}) << "nothing was given up";
}

TEST_F(Faults, ALastFrameThatIsLostIsSentAgain) {
  bool lost = false;
  lose_ = [&](const Cluster::Publication& one) {
    return one.channel == node(1).cluster.own_channel() && !std::exchange(lost, true);
  };
  EXPECT_EQ(send(node(0), 1, "bob", "1"), ErrorCode::None);
  pump();
  EXPECT_EQ(node(1).said(), Lines{});
  pass(600ms);
  EXPECT_EQ(node(1).said(), Lines{"2: msg r ada custom 1"});
}

TEST_F(Faults, ANodeThatHearsNothingIsNotToldEverythingWithoutEnd) {
  lose_ = [&](const Cluster::Publication& one) { return one.channel == node(2).cluster.own_channel(); };
  EXPECT_EQ(send(node(0), 1, "cid", "1"), ErrorCode::None);
  pass(4s);
  EXPECT_EQ(count(node(0).said(), "1: undelivered r cid"), 1) << "an error, and not silence";
  EXPECT_EQ(send(node(0), 1, "cid", "2"), ErrorCode::UnknownTarget) << "and at once, though it is heard";
  const auto before = node(0).cluster.counters().frames_sent;
  pass(20s);
  EXPECT_LT(node(0).cluster.counters().frames_sent - before, 20 * 2 + 200U);
  EXPECT_FALSE(node(0).cluster.is_whole());
  lose_ = {};
  pass(5s);
  EXPECT_TRUE(node(0).cluster.is_whole());
  EXPECT_EQ(send(node(0), 1, "cid", "3"), ErrorCode::None);
  pump();
  EXPECT_EQ(node(2).said().back(), "3: msg r ada custom 3");
}

/// The message arrived when its target had gone, and the answer found the way closed.
TEST_F(Faults, AnswersOutliveAStream) {
  bool message = true;
  lose_ = [&](const Cluster::Publication& one) {
    return one.channel == node(1).cluster.own_channel() && message;
  };
  EXPECT_EQ(send(node(0), 1, "bob", "1"), ErrorCode::None);
  pump();
  ASSERT_TRUE(node(1).router.leave(now_, 2, "r", node(1).out));
  node(1).settle();
  // What node 1 says gets nowhere for long enough that it begins anew.
  message = false;
  lose_ = [&](const Cluster::Publication& one) { return one.channel == node(0).cluster.own_channel(); };
  pass(3500ms);
  lose_ = {};
  pass(5s);
  EXPECT_GE(count(node(0).said(), "1: undelivered r bob"), 1);
}

// Time.

TEST_F(Faults, WhoWasStoppedDoesNotTakeOthersForDead) {
  std::vector<Cluster::Publication> old;
  lose_ = [&](const Cluster::Publication& one) {
    if (one.channel == node(0).cluster.common_channel()) old.push_back(one);
    return false;
  };
  node(0).cluster.tick(now_);
  pass(600ms);
  lose_ = {};
  // All stand still for ten seconds; the first that node 0 hears then is what it said itself before.
  now_.mono += 10s;
  for (const Cluster::Publication& one : old) node(0).cluster.received(now_, one.frame);
  node(0).cluster.tick(now_);
  EXPECT_EQ(node(0).cluster.counters().nodes_lost, 0U);
  EXPECT_FALSE(node(0).cluster.is_up()) << "an old echo is none";
  pass(3s);
  EXPECT_TRUE(node(0).cluster.is_whole());
  EXPECT_EQ(list(node(0), 1), (Lines{"bob polite", "cid polite"}));
}

// Moderation.

TEST_F(Faults, AKickThatANodeDidNotHearHoldsWhenItIsBack) {
  node(2).running = false;
  ASSERT_TRUE(node(0).router.kick(now_, 1, {"r", "cid", "rude"}, node(0).out));
  settle(node(0));
  EXPECT_EQ(list(node(1), 2), Lines{"ada impolite"}) << "for all others at once";
  pass(4s);
  node(2).running = true;
  pass(4s);
  EXPECT_EQ(list(node(2), 3), Lines{"not in it"});
  EXPECT_EQ(count(node(2).said(), "3: kicked forbidden rude"), 1);
  EXPECT_EQ(list(node(0), 1), Lines{"bob polite"});
  EXPECT_EQ(count(node(0).said(), "1: peer-joined r cid  polite"), 0) << "not for a moment";
  join(node(2), 3, "r");
  EXPECT_EQ(list(node(0), 1), (Lines{"bob polite", "cid polite"})) << "a kick is no ban";
}

TEST_F(Faults, AKickHoldsWhenTheModeratorsNodeIsGone) {
  node(2).running = false;
  ASSERT_TRUE(node(0).router.kick(now_, 1, {"r", "cid", "rude"}, node(0).out));
  settle(node(0));
  pass(4s);
  node(0).cluster.leave();
  pump();
  node(0).running = false;
  node(2).running = true;
  pass(4s);
  EXPECT_EQ(list(node(2), 3), Lines{"not in it"});
  EXPECT_EQ(list(node(1), 2), Lines{});
}

TEST_F(Faults, ABanHoldsWhenItsNodeIsBackThoughTheRoomHasEndedElsewhere) {
  node(2).running = false;
  ASSERT_TRUE(node(0).router.ban(now_, 1, {"r", "cid", 600s, "rude"}, node(0).out));
  settle(node(0));
  close(node(0), 1, CloseReason::Bye);
  close(node(1), 2, CloseReason::Bye);
  pass(4s);
  EXPECT_EQ(node(0).router.counters().rooms, 0U);
  node(2).running = true;
  pass(4s);
  EXPECT_EQ(list(node(2), 3), Lines{"not in it"});
  EXPECT_EQ(count(node(2).said(), "3: kicked forbidden rude"), 1);
}

TEST_F(Faults, ABanDoesNotMeanTheNextRoomOfThatName) {
  unlink(node(2));
  close(node(2), 3, CloseReason::Bye);
  ASSERT_TRUE(node(0).router.ban(now_, 1, {"r", "dan", 600s}, node(0).out));
  settle(node(0));
  close(node(0), 1, CloseReason::Bye);
  close(node(1), 2, CloseReason::Bye);
  pass(4s);
  member(node(0), 5, "fay");
  member(node(1), 6, "dan");
  EXPECT_EQ(list(node(0), 5), Lines{"dan polite"});
  link(node(2));
  pass(4s);
  EXPECT_EQ(list(node(0), 5), Lines{"dan polite"});
  EXPECT_EQ(list(node(1), 6), Lines{"fay impolite"});
}

TEST_F(Faults, ABanThatHasEndedIsNotBroughtBack) {
  ASSERT_TRUE(node(0).router.ban(now_, 1, {"r", "dan", 600s}, node(0).out));
  settle(node(0));
  node(2).running = false;
  pass(1s);
  ASSERT_TRUE(node(0).router.ban(now_, 1, {"r", "dan", 0s}, node(0).out));
  settle(node(0));
  pass(3s);
  node(2).running = true;
  pass(4s);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(hello(node(i), 20 + i, i == 0 ? "dan" : i == 1 ? "d1" : "d2"), ErrorCode::None);
  }
  EXPECT_EQ(code(node(0).router.join(now_, 20, "r", {}, node(0).out)), ErrorCode::None);
  settle(node(0));
  EXPECT_EQ(list(node(2), 3).size(), 3U);
}

TEST_F(Faults, AnOrderOutlivesItsNode) {
  node(2).running = false;
  node(0).cluster.order(now_, "stop", now_.wall + 600s, 1);
  pump();
  EXPECT_EQ(node(1).orders, Lines{"stop"});
  pass(4s);
  node(0).cluster.leave();
  pump();
  node(0).running = false;
  node(2).running = true;
  pass(4s);
  EXPECT_EQ(node(2).orders, Lines{"stop"});
}

// Agreement.

TEST_F(Faults, WhoCameAgainWhileANodeWasAwayIsJuniorThereToo) {
  node(2).running = false;
  ASSERT_TRUE(node(0).router.leave(now_, 1, "r", node(0).out));
  settle(node(0));
  join(node(0), 1, "r");
  node(2).running = true;
  pass(600ms);  // before it was given up
  EXPECT_EQ(list(node(2), 3), (Lines{"bob impolite", "ada polite"}));
  EXPECT_EQ(list(node(1), 2), (Lines{"cid polite", "ada polite"}));
  EXPECT_EQ(list(node(0), 1), (Lines{"bob impolite", "cid impolite"}));
}

TEST_F(Faults, OptionsThatAreSetAtOnceAreTheSameEverywhere) {
  options_.token_can = {"join", "create", "send", "room"};
  link(add_node()), link(add_node());  // nodes 3 and 4, whose members may set options
  pass(1s);
  member(node(3), 7, "fay", "q"), member(node(4), 8, "gus", "q");
  alone([&] {
    RoomChange small;
    small.size = 2;
    RoomChange locked;
    locked.locked = true;
    ASSERT_TRUE(node(3).router.configure(7, "q", small, node(3).out));
    settle(node(3));
    ASSERT_TRUE(node(4).router.configure(8, "q", locked, node(4).out));
    settle(node(4));
  });
  pass(1s);
  const auto a = node(3).router.join(now_, 7, "q", {}, node(3).out);
  const auto b = node(4).router.join(now_, 8, "q", {}, node(4).out);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->room.size, b->room.size);
  EXPECT_EQ(a->room.locked, b->room.locked);
}

// Strangers.

TEST_F(Faults, NodesOfAnotherSecretAreNotHeard) {
  Node& stranger = add_stranger("the secret of other nodes");
  ASSERT_EQ(hello(stranger, 9, "ada"), ErrorCode::None);
  link(stranger);
  pass(3s);
  EXPECT_EQ(node(0).cluster.snapshot().nodes, 2U);
  EXPECT_TRUE(node(0).router.is_member(1));
  EXPECT_EQ(node(0).router.holder("ada")->remote, false);
  EXPECT_GT(refused(node(0), ClusterRefusal::Signature), 0U);
  EXPECT_EQ(stranger.cluster.snapshot().nodes, 0U);
  EXPECT_TRUE(node(0).cluster.is_whole());
}

TEST_F(Faults, WhatANodeSaidBeforeItEndedIsNotHeardAgain) {
  std::vector<Cluster::Publication> old;
  lose_ = [&](const Cluster::Publication& one) {
    old.push_back(one);
    return false;
  };
  ASSERT_EQ(hello(node(2), 9, "eve"), ErrorCode::None);
  pass(1s);
  node(2).cluster.leave();
  pump();
  lose_ = {};
  node(2).running = false;
  forget_said();
  for (int times = 0; times < 3; ++times) {
    for (const Cluster::Publication& one : old) publish(one);
    pass(500ms);
  }
  EXPECT_FALSE(node(0).router.holder("eve"));
  EXPECT_FALSE(node(0).router.holder("cid"));
  EXPECT_EQ(node(0).said(), Lines{});
  EXPECT_TRUE(node(0).cluster.is_whole());
  EXPECT_GT(refused(node(0), ClusterRefusal::Replay), 0U);
  // A node that starts now hears of it for the first time, and takes nothing for its own.
  Node& late = add_node();
  link(late);
  pump();
  for (const Cluster::Publication& one : old) publish(one);
  pass(600ms);
  EXPECT_FALSE(late.router.holder("eve"));
  EXPECT_TRUE(late.cluster.is_whole()) << "beacons alone are no node";
}

TEST_F(Faults, AClockThatHasGoneMadTakesNobodyAlong) {
  const HmacSha256Key key(ByteView(derive("the secret of all nodes", kFramesPurpose).bytes));
  wire::Op claim{wire::OpType::Member};
  claim.number = 1, claim.stamp = wire::kMaxStamp, claim.peer = "mad";
  wire::Head head;
  head.type = wire::FrameType::Data;
  head.node = "mad", head.serial = 1, head.stream = 1, head.first = 1, head.count = 1;
  std::string frame = wire::encode(head, wire::encode(claim));
  wire::seal(key, node(0).cluster.own_channel(), frame);
  node(0).cluster.received(now_, frame);
  EXPECT_FALSE(node(0).router.holder("mad"));
  EXPECT_EQ(node(0).cluster.counters().frames_malformed, 1U);
  // And its own clock goes on: others can still claim after it.
  ASSERT_EQ(hello(node(0), 8, "eve"), ErrorCode::None);
  const Welcome eve = welcome_;
  ASSERT_EQ(hello(node(1), 9, "eve", Resume{eve.sid, eve.key, 0}), ErrorCode::None);
  EXPECT_EQ(home("eve"), 1);
}

TEST_F(Faults, ANodeThatComesAndGoesLeavesNothing) {
  for (int i = 0; i < 50; ++i) {
    Node& brief = add_node();
    link(brief);
    pump();
    ASSERT_EQ(hello(brief, 9, "eve"), ErrorCode::None) << i;
    brief.cluster.leave();
    pump();
    brief.running = false;
  }
  pass(1s);
  EXPECT_EQ(node(0).cluster.snapshot().nodes, 2U);
  EXPECT_EQ(node(0).cluster.snapshot().remote_members, 2U);
  EXPECT_EQ(node(0).cluster.snapshot().waiting_bytes, 0U);
}

}  // namespace
}  // namespace ts::signal
