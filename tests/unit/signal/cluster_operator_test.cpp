// SPDX-License-Identifier: Apache-2.0
// Several nodes and their operators: a node that drains, goes on or ends, and members that are removed at
// another node than their own.
#include <algorithm>

#include "cluster_support.hpp"

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

class Operators : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    member(node(0), 1, "ada"), member(node(1), 2, "bob"), member(node(2), 3, "cid"),
        member(node(2), 4, "dan");
    forget_said();
  }
  void settle(Node& at) {
    at.settle();
    pump();
  }
  void tick(Node& at) {
    at.router.tick(now_, at.out);
    settle(at);
  }
};

TEST_F(Operators, ADrainedNodesMembersLeaveWhenTheyGo) {
  Node& old = node(2);
  old.router.drain(now_, Farewell{1000ms, 0ms, 500ms}, old.out);
  EXPECT_EQ(lines(old.out), (Lines{"3: goaway 1000", "4: goaway 1000"})) << "members elsewhere stay";
  settle(old);
  pass(1s);
  tick(old);
  EXPECT_EQ(node(0).said(), Lines{}) << "nobody has gone";
  EXPECT_EQ(list(node(0), 1), (Lines{"bob polite", "cid polite", "dan polite"}));
  // One moves by itself, and the other is closed.
  const Resume session{welcome_.sid, welcome_.key, 0};
  old.said();
  EXPECT_EQ(hello(node(1), 9, "dan", session), ErrorCode::None);
  EXPECT_EQ(old.said(), (Lines{"4: close 4009 superseded", "3: peer-left r dan lost"}));
  EXPECT_EQ(node(0).said(), Lines{"1: peer-left r dan lost"});
  join(node(1), 9, "r");
  EXPECT_EQ(node(0).said(), Lines{"1: peer-joined r dan  polite"});
  old.said();
  pass(1s);
  tick(old);
  EXPECT_EQ(old.said(), Lines{"3: close 1012 restart"});
  EXPECT_EQ(node(0).said(), Lines{"1: peer-left r cid lost"});
  EXPECT_EQ(list(node(1), 2), (Lines{"ada impolite", "dan polite"}));
  // Calls go on over the relay of the node that they began at.
  EXPECT_EQ(old.ice.ends, Lines{});
}

TEST_F(Operators, ANodeThatClosesAllAndGoesOnKnowsTheOthers) {
  Node& old = node(2);
  old.router.drain(now_, Farewell{}, old.out);
  old.router.close_all(CloseCode::Restart, "restart", old.out);
  settle(old);
  const Lines told = old.said();
  EXPECT_EQ(std::count(told.begin(), told.end(), "3: close 1012 restart"), 1);
  EXPECT_EQ(node(0).said(), (Lines{"1: peer-left r cid lost", "1: peer-left r dan lost"}));
  EXPECT_EQ(old.cluster.snapshot().remote_members, 2U);
  old.router.undrain();
  member(old, 8, "eve");
  EXPECT_EQ(list(old, 8), (Lines{"ada impolite", "bob impolite"}));
  EXPECT_EQ(node(0).said(), Lines{"1: peer-joined r eve  polite"});
  EXPECT_EQ(send(node(0), 1, "eve", "1"), ErrorCode::None);
  pump();
  EXPECT_EQ(old.said(), Lines{"8: msg r ada custom 1"});
}

TEST_F(Operators, AGoodbyeIsSaidOnce) {
  Node& old = node(2);
  old.cluster.leave();
  old.router.close_all(CloseCode::Drain, "drain", old.out);
  settle(old);
  EXPECT_EQ(node(0).said(), (Lines{"1: peer-left r cid left", "1: peer-left r dan left"}));
  EXPECT_EQ(old.cluster.snapshot().waiting_bytes, 0U) << "not of each member again";
}

TEST_F(Operators, RemoveMembersOfOtherNodes) {
  const auto members = node(0).router.members("r", 0, 10);
  ASSERT_TRUE(members);
  ASSERT_EQ(members->found.size(), 4U);
  EXPECT_FALSE(members->found[0].elsewhere);
  EXPECT_TRUE(members->found[1].elsewhere);
  ASSERT_TRUE(node(0).router.remove(now_, "r", "cid", "noise", node(0).out));
  settle(node(0));
  EXPECT_EQ(node(2).said(), (Lines{"3: kicked forbidden noise", "4: peer-left r cid kicked"}));
  EXPECT_EQ(node(1).said(), Lines{"2: peer-left r cid kicked"});
  EXPECT_EQ(node(2).ice.ends, (Lines{"r/cid", "/cid"})) << "its own node ends what it was given";
  EXPECT_EQ(node(0).ice.ends, Lines{});
}

TEST_F(Operators, WhoIsOutOfReachStays) {
  unlink(node(0));
  const auto removed = node(0).router.remove(now_, "r", "cid", "noise", node(0).out);
  EXPECT_EQ(code(removed), ErrorCode::UnknownTarget);
  EXPECT_GT(removed.error().retry_after, 0ms);
  EXPECT_EQ(node(0).router.remove(now_, "r", "eve", "", node(0).out).error().retry_after, 0ms);
  EXPECT_EQ(list(node(0), 1).size(), 3U);
  EXPECT_EQ(node(0).router.close_room(now_, "r", "over", node(0).out), std::optional<std::size_t>(3));
  settle(node(0));
  EXPECT_EQ(list(node(0), 1), Lines{"not in it"});
  EXPECT_EQ(list(node(1), 2).size(), 3U);
}

/// Orders of members are those of their nodes: two may have the same one.
TEST_F(Operators, APageEndsBetweenOrders) {
  lose_ = [](const Cluster::Publication&) { return true; };
  join(node(0), 1, "s"), join(node(1), 2, "s"), join(node(2), 3, "s");
  lose_ = {};
  pass(1s);
  std::size_t seen = 0;
  std::optional<std::uint64_t> next = 0;
  for (int pages = 0; next && pages < 5; ++pages) {
    const auto page = node(0).router.members("s", *next, 1);
    ASSERT_TRUE(page);
    seen += page->found.size();
    next = page->next;
  }
  EXPECT_EQ(next, std::nullopt);
  EXPECT_EQ(seen, 3U);
}

}  // namespace
}  // namespace ts::signal
