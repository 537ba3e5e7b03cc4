// SPDX-License-Identifier: Apache-2.0
// Rooms, presence, sends and queues.
#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include "support.hpp"

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

/// "ada {} polite" for each peer.
Lines show(const std::vector<PeerView>& peers) {
  Lines all;
  for (const PeerView& p : peers) {
    all.push_back(std::string(p.peer) + " " + std::string(p.meta) + (p.polite ? " polite" : " impolite"));
  }
  return all;
}

/// ada(1), bob(2), cid(3) have said hello.
class RoomTest : public RouterTest {
 protected:
  void SetUp() override {
    RouterTest::SetUp();
    member(1, "ada", "\"A\""), member(2, "bob"), member(3, "cid");
  }
  Lines list(ConnectionId id) { return show(*router_->list(id, "r", out_)); }
};

TEST_F(RoomTest, JoinOrderDecidesWhoIsPolite) {
  EXPECT_EQ(show(router_->join(now_, 1, "r", {}, out_)->peers), Lines{});
  EXPECT_EQ(said(), Lines{});
  EXPECT_EQ(show(router_->join(now_, 2, "r", "{}", out_)->peers), Lines{"ada \"A\" impolite"});
  EXPECT_EQ(said(), Lines{"1: peer-joined r bob {} polite"});
  EXPECT_EQ(show(router_->join(now_, 3, "r", {}, out_)->peers),
            (Lines{"ada \"A\" impolite", "bob {} impolite"}));
  EXPECT_EQ(said(), (Lines{"1: peer-joined r cid  polite", "2: peer-joined r cid  polite"}));
  EXPECT_EQ(list(1), (Lines{"bob {} polite", "cid  polite"}));
  EXPECT_EQ(list(2), (Lines{"ada \"A\" impolite", "cid  polite"}));
  EXPECT_EQ(list(3), (Lines{"ada \"A\" impolite", "bob {} impolite"}));
  // The first one comes back as the newest.
  ASSERT_TRUE(router_->leave(1, "r", out_));
  EXPECT_EQ(said(), (Lines{"2: peer-left r ada left", "3: peer-left r ada left"}));
  join(1, "r");
  EXPECT_EQ(list(1), (Lines{"bob {} impolite", "cid  impolite"}));
  EXPECT_EQ(list(2), (Lines{"cid  polite", "ada \"A\" polite"}));
}

TEST_F(RoomTest, JoinAgainRefreshes) {
  join(1, "r"), join(2, "r");
  EXPECT_EQ(show(router_->join(now_, 1, "r", {}, out_)->peers), Lines{"bob  polite"});
  EXPECT_EQ(said(), Lines{});
  EXPECT_EQ(show(router_->join(now_, 1, "r", "2", out_)->peers), Lines{"bob  polite"});
  EXPECT_EQ(said(), Lines{"2: peer-updated r ada 2"});
  EXPECT_EQ(counters().memberships, 2U);
}

TEST_F(RoomTest, JoinErrorsChangeNothing) {
  join(1, "r"), join(2, "r"), join(3, "r");
  member(4, "dan");
  const std::vector<std::tuple<ConnectionId, std::string, std::string, ErrorCode>> cases{
      {4, "r", "", ErrorCode::RoomFull},
      {4, "", "", ErrorCode::BadRequest},
      {4, std::string(129, 'r'), "", ErrorCode::BadRequest},
      {4, "a\x1F", "", ErrorCode::BadRequest},
      {4, "\xFF", "", ErrorCode::BadRequest},
      {4, "new", std::string(4097, '1'), ErrorCode::TooLarge}};
  for (const auto& [id, room, meta, expected] : cases) {
    EXPECT_EQ(code(router_->join(now_, id, room, meta, out_)), expected);
    EXPECT_EQ(said(), Lines{});
  }
  EXPECT_EQ(counters().rooms, 1U);
  EXPECT_EQ(counters().memberships, 3U);
  join(4, "x"), join(4, std::string(128, 'r'));
  EXPECT_EQ(code(router_->join(now_, 4, "y", {}, out_)), ErrorCode::Forbidden) << "in two rooms already";
  EXPECT_EQ(code(router_->join(now_, 4, "x", {}, out_)), ErrorCode::None) << "a refresh is no third room";
  EXPECT_EQ(counters().rooms, 3U);
}

TEST_F(RoomTest, RoomsAddIceServers) {
  EXPECT_TRUE(router_->join(now_, 1, "r", {}, out_)->ice.servers.empty());
  EXPECT_EQ(router_->join(now_, 1, "closed-relay", {}, out_)->ice.servers.size(), 1U);
}

TEST_F(RoomTest, NotJoined) {
  join(1, "r");
  for (const char* room : {"r", "nowhere", ""}) {
    EXPECT_EQ(code(router_->leave(2, room, out_)), ErrorCode::NotJoined);
    EXPECT_EQ(code(router_->list(2, room, out_)), ErrorCode::NotJoined);
    EXPECT_EQ(code(send(2, room, {"ada"})), ErrorCode::NotJoined);
    EXPECT_EQ(code(send(2, room, {"*"})), ErrorCode::NotJoined);
    if (*room != '\0') {
      EXPECT_EQ(code(router_->update(2, room, "1", out_)), ErrorCode::NotJoined);
    }
  }
  EXPECT_EQ(said(), Lines{});
}

TEST_F(RoomTest, LeavingByEveryReason) {
  const std::vector<std::pair<CloseReason, std::string>> cases{
      {CloseReason::Bye, "left"},      {CloseReason::GoingAway, "left"}, {CloseReason::Lost, "lost"},
      {CloseReason::Kicked, "kicked"}, {CloseReason::TooLarge, "lost"},  {CloseReason::Silent, "lost"}};
  join(1, "r"), join(1, "s");
  ConnectionId id = 10;
  for (const auto& [reason, told] : cases) {
    member(++id, "eve");
    join(id, "r"), join(id, "s");
    router_->closed(id, reason, out_);
    EXPECT_EQ(said(), (Lines{"1: peer-left s eve " + told, "1: peer-left r eve " + told}));
    EXPECT_EQ(counters().closed[index(reason)], 1U);
    router_->closed(id, reason, out_);
    EXPECT_EQ(said(), Lines{});
  }
}

TEST_F(RoomTest, Update) {
  join(1, "r"), join(1, "s"), join(2, "r"), join(3, "s");
  ASSERT_TRUE(router_->update(1, "r", "1", out_));
  EXPECT_EQ(said(), Lines{"2: peer-updated r ada 1"});
  ASSERT_TRUE(router_->update(1, {}, "2", out_));
  EXPECT_EQ(said(), (Lines{"2: peer-updated r ada 2", "3: peer-updated s ada 2"}));
  EXPECT_EQ(code(router_->update(1, {}, std::string(4097, '1'), out_)), ErrorCode::TooLarge);
  EXPECT_EQ(list(2), Lines{"ada 2 impolite"});
}

TEST_F(RoomTest, TargetedSends) {
  join(1, "r"), join(2, "r"), join(3, "s"), join(2, "s");
  struct Case {
    ConnectionId from;
    std::string room;
    std::vector<std::string_view> to;
    ErrorCode code;
    std::uint32_t delivered;
    Lines lines;
  };
  const std::vector<Case> cases{
      {1, "r", {"bob"}, ErrorCode::None, 1, {"2: msg r ada offer 1"}},
      {1, "", {"bob"}, ErrorCode::None, 1, {"2: msg  ada offer 1"}},
      {2, "", {"ada", "cid"}, ErrorCode::None, 2, {"1: msg  bob offer 1", "3: msg  bob offer 1"}},
      {2, "r", {"ada", "cid"}, ErrorCode::None, 1, {"1: msg r bob offer 1"}},
      {2, "r", {"ada", "ada"}, ErrorCode::None, 1, {"1: msg r bob offer 1"}},
      {1, "r", {"cid"}, ErrorCode::UnknownTarget, 0, {}},
      {1, "", {"cid"}, ErrorCode::UnknownTarget, 0, {}},
      {1, "r", {"nobody"}, ErrorCode::UnknownTarget, 0, {}},
      {1, "r", {"ada"}, ErrorCode::UnknownTarget, 0, {}},
      {1, "r", {"__proto__", ""}, ErrorCode::UnknownTarget, 0, {}},
      {1, "s", {"bob"}, ErrorCode::NotJoined, 0, {}},
      {1, "r", {}, ErrorCode::BadRequest, 0, {}},
      {1, "r", std::vector<std::string_view>(65, "bob"), ErrorCode::BadRequest, 0, {}},
      {1, "r", std::vector<std::string_view>(64, "bob"), ErrorCode::None, 1, {"2: msg r ada offer 1"}},
  };
  for (const Case& k : cases) {
    const auto sent = send(k.from, k.room, k.to);
    EXPECT_EQ(code(sent), k.code);
    if (sent) {
      EXPECT_EQ(sent->delivered, k.delivered);
    }
    EXPECT_EQ(said(), k.lines);
  }
  EXPECT_EQ(counters().relayed[index(Kind::Offer)], 7U);
}

TEST_F(RoomTest, Broadcasts) {
  join(1, "r"), join(2, "r"), join(3, "r"), join(1, "s"), join(2, "s");
  EXPECT_EQ(send(1, "r", {"*"})->delivered, 2U);
  EXPECT_EQ(out_.items().size(), 1U) << "one event for all receivers";
  EXPECT_EQ(said(), (Lines{"2: msg r ada offer 1", "3: msg r ada offer 1"}));
  EXPECT_EQ(send(1, "", {"*"})->delivered, 2U) << "each room-mate once";
  EXPECT_EQ(said(), (Lines{"2: msg  ada offer 1", "3: msg  ada offer 1"}));
  member(4, "dan");
  join(4, "alone");
  EXPECT_EQ(send(4, "alone", {"*"})->delivered, 0U);
  EXPECT_EQ(said(), Lines{});
}

TEST_F(RoomTest, QueuedSendsAreDeliveredInOrderAtTheJoin) {
  join(1, "r"), join(2, "r");
  EXPECT_EQ(send(1, "r", {"cid"}, "1", 1000)->queued, 1U);
  EXPECT_EQ(send(1, "", {"cid", "bob", "cid"}, "2", 1000)->queued, 1U);
  EXPECT_EQ(said(), Lines{"2: msg  ada offer 2"});
  join(3, "elsewhere");
  EXPECT_EQ(counters().queued, 2U);
  ASSERT_TRUE(router_->join(now_, 3, "r", {}, out_));
  EXPECT_EQ(said(), (Lines{"1: peer-joined r cid  polite", "2: peer-joined r cid  polite",
                           "3: msg r ada offer 1", "3: msg  ada offer 2"}));
  EXPECT_EQ(counters().queued, 0U);
  pass(2s);
  EXPECT_EQ(tick(), Lines{});
}

TEST_F(RoomTest, QueuedSendsExpire) {
  join(1, "r");
  EXPECT_EQ(send(1, "r", {"cid"}, "1", 1000)->queued, 1U);
  EXPECT_EQ(send(1, "r", {"dan"}, "1", 1'000'000)->queued, 1U);
  EXPECT_EQ(router_->next_deadline(), now_.mono + 1s);
  pass(1s);
  EXPECT_EQ(tick(), Lines{"1: expired cid"});
  pass(9s);
  router_->alive(now_, 2), router_->alive(now_, 3);
  EXPECT_EQ(tick(), Lines{"1: expired dan"}) << "the wait is cut to the limit";
  // Late by clock, though no tick came.
  EXPECT_EQ(send(1, "r", {"cid"}, "1", 1000)->queued, 1U);
  pass(1s);
  ASSERT_TRUE(router_->join(now_, 3, "r", {}, out_));
  EXPECT_EQ(said(), (Lines{"1: peer-joined r cid  polite", "1: expired cid"}));
  EXPECT_EQ(counters().expired, 3U);
}

TEST_F(RoomTest, QueueLimits) {
  join(1, "r"), join(2, "r"), join(1, "s");
  EXPECT_EQ(code(send(1, "", {"x"}, "1", 1000)), ErrorCode::BadRequest) << "which room to wait in?";
  EXPECT_EQ(send(1, "r", {"x"}, "1", 1000)->queued, 1U);
  EXPECT_EQ(send(2, "r", {"x"}, "1", 1000)->queued, 1U);
  EXPECT_EQ(code(send(1, "r", {"x"}, "1", 1000)), ErrorCode::QueueFull) << "two wait for x";
  EXPECT_EQ(send(1, "r", {"y"}, "1", 1000)->queued, 1U);
  EXPECT_EQ(code(send(1, "r", {"z"}, "1", 1000)), ErrorCode::QueueFull) << "two of ada wait";
  EXPECT_EQ(code(send(2, "r", {"z"}, std::string(2'000'000, '1'), 1000)), ErrorCode::QueueFull);
  EXPECT_EQ(send(1, "r", {"bob", "x"}, "1", 1000)->delivered, 1U) << "reached one";
  out_.clear();
  const std::string too_long(65, 'x');
  for (const std::string_view name : {"", "\xFF", "a\n"}) {
    EXPECT_EQ(code(send(2, "r", {name}, "1", 1000)), ErrorCode::UnknownTarget);
  }
  EXPECT_EQ(code(send(2, "r", {too_long}, "1", 1000)), ErrorCode::UnknownTarget);
  EXPECT_EQ(code(send(2, "r", {"bob"}, "1", 1000)), ErrorCode::UnknownTarget) << "oneself";
  EXPECT_EQ(counters().queued, 3U);
}

TEST_F(RoomTest, WhatASenderQueuedLeavesWithIt) {
  join(1, "r"), join(1, "s"), join(2, "r");
  EXPECT_EQ(send(1, "r", {"cid"}, "1", 1000)->queued, 1U);
  EXPECT_EQ(send(1, "s", {"cid"}, "2", 1000)->queued, 1U);
  EXPECT_EQ(send(2, "r", {"cid"}, "3", 1000)->queued, 1U);
  ASSERT_TRUE(router_->leave(1, "r", out_));
  EXPECT_EQ(counters().queued, 2U);
  out_.clear();
  ASSERT_TRUE(router_->join(now_, 3, "r", {}, out_));
  EXPECT_EQ(said(), (Lines{"2: peer-joined r cid  polite", "3: msg r bob offer 3"}));
  router_->closed(1, CloseReason::Lost, out_);
  EXPECT_EQ(counters().queued, 0U);
  pass(5s);
  EXPECT_EQ(tick(), Lines{});
}

/// A reference without any cleverness: who is in which room.
TEST_F(RoomTest, RandomWalkAgainstASimpleModel) {
  Options o = test_options();
  o.messages_per_second = 0, o.max_connections = 1000;
  start(o);
  std::mt19937 random(7);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  std::map<ConnectionId, std::vector<std::string>> model;
  const std::vector<std::string> rooms{"a", "b", "c", "d"};
  const auto size = [&](const std::string& room) {
    std::size_t n = 0;
    for (const auto& [id, in] : model) n += static_cast<std::size_t>(std::count(in.begin(), in.end(), room));
    return n;
  };
  for (int step = 0; step < 20'000; ++step) {
    const ConnectionId id = 1 + below(6);
    const std::string& room = rooms[below(4)];
    const std::string name = "p" + std::to_string(id);
    const std::string target = "p" + std::to_string(1 + below(8));
    out_.clear();
    if (!model.contains(id)) {
      member(id, name);
      model[id];
      continue;
    }
    auto& in = model[id];
    const auto at = std::find(in.begin(), in.end(), room);
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        const auto expected = at != in.end()    ? ErrorCode::None
                              : in.size() >= 2  ? ErrorCode::Forbidden
                              : size(room) >= 3 ? ErrorCode::RoomFull
                                                : ErrorCode::None;
        ASSERT_EQ(code(router_->join(now_, id, room, {}, out_)), expected);
        if (expected == ErrorCode::None && at == in.end()) in.push_back(room);
        break;
      }
      case 3:
        ASSERT_EQ(code(router_->leave(id, room, out_)),
                  at == in.end() ? ErrorCode::NotJoined : ErrorCode::None);
        if (at != in.end()) in.erase(at);
        break;
      case 4: {
        const auto sent = send(id, room, {"*"});
        ASSERT_EQ(code(sent), at == in.end() ? ErrorCode::NotJoined : ErrorCode::None);
        if (sent) {
          ASSERT_EQ(sent->delivered, size(room) - 1);
        }
        break;
      }
      case 5: static_cast<void>(send(id, room, {target}, "1", 50)); break;
      case 6:
        pass(std::chrono::milliseconds(below(20)));
        for (const auto& [other, unused] : model) router_->alive(now_, other);
        router_->tick(now_, out_);
        break;
      default:
        if (below(4) != 0) break;
        router_->closed(id, CloseReason::Lost, out_);
        model.erase(id);
        break;
    }
    std::size_t memberships = 0;
    for (const auto& [other, list] : model) memberships += list.size();
    ASSERT_EQ(counters().memberships, memberships);
    ASSERT_EQ(counters().members, model.size());
    ASSERT_LE(counters().queued, 12U);
  }
}

}  // namespace
}  // namespace ts::signal
