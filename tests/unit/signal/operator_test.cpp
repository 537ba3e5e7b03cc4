// SPDX-License-Identifier: Apache-2.0
// What operators do with the Router: drain it, look at rooms, remove members.
#include <set>

#include "support.hpp"

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

/// Tells what was released, too.
class KeptIce final : public IceProvider {
 public:
  IceServers servers(const Now&, std::string_view, std::string_view) override { return {}; }
  bool ended(std::string_view room, std::string_view peer, LeaveReason) override {
    told.push_back("ended " + std::string(room) + "/" + std::string(peer));
    return false;
  }
  void released(std::string_view room, std::string_view peer) override {
    told.push_back("released " + std::string(room) + "/" + std::string(peer));
  }
  Lines told;
};

class Operator : public RouterTest {
 protected:
  void SetUp() override { router_ = std::make_unique<Router>(test_options(), random_, kept_); }
  KeptIce kept_;
};

TEST_F(Operator, EachMemberIsSentAwayAtATimeOfItsOwn) {
  for (ConnectionId id = 1; id <= 8; ++id) member(id, "peer" + std::to_string(id));
  router_->drain(now_, {1s, 10s, {}}, out_);
  std::set<std::chrono::milliseconds> times;
  std::size_t told = 0;
  for (const auto& item : out_.items()) {
    const auto& event = std::get<GoAway>(item.event);
    EXPECT_GE(event.retry_after, 1s);
    EXPECT_LT(event.retry_after, 11s);
    times.insert(event.retry_after);
    told += out_.receivers(item).size();
  }
  EXPECT_EQ(told, 8U);
  EXPECT_GE(times.size(), 7U);
  out_.clear();
  const auto refused = router_->opened(now_, 20, {}, 0, out_);
  ASSERT_EQ(code(refused), ErrorCode::ServerDraining);
  EXPECT_GE(refused.error().retry_after, 1s);
  EXPECT_LT(refused.error().retry_after, 11s);
  out_.clear();
  router_->closed(1, CloseReason::Bye, out_);
  router_->undrain();
  EXPECT_TRUE(router_->opened(now_, 21, {}, 0, out_));
}

TEST_F(Operator, WhoGoesElsewhereKeepsItsCalls) {
  member(1, "ada"), member(2, "bob"), member(3, "cid"), member(4, "dan");
  for (const ConnectionId id : {1U, 2U, 3U}) join(id, "r");
  join(4, "s");
  router_->drain(now_, {1s, {}, {}}, out_);
  router_->closed(1, CloseReason::GoingAway, out_);
  EXPECT_EQ(kept_.told, (Lines{"released r/ada", "released /ada"}));
  kept_.told.clear();
  router_->closed(now_, 2, CloseReason::Lost, out_);
  EXPECT_EQ(kept_.told, (Lines{"released r/bob", "released /bob"}));
  kept_.told.clear();
  ASSERT_TRUE(router_->leave(now_, 3, "r", out_));
  EXPECT_EQ(kept_.told, (Lines{"ended r/cid", "ended /cid"})) << "who says that it leaves has left";
  kept_.told.clear();
  EXPECT_TRUE(router_->remove(now_, "s", "dan", "", out_));
  EXPECT_EQ(kept_.told, (Lines{"ended s/dan", "ended /dan"})) << "a kick is a kick";
  kept_.told.clear();
  router_->undrain();
  router_->closed(3, CloseReason::Bye, out_);
  EXPECT_EQ(kept_.told, Lines{"ended /cid"});
}

TEST_F(Operator, WhoStaysIsClosedSomeTimeAfterItsOwn) {
  member(1, "ada"), member(2, "bob");
  join(1, "r"), join(2, "r");
  said();
  router_->drain(now_, {1s, 10s, 500ms}, out_);
  ASSERT_EQ(out_.items().size(), 2U);
  const auto first = std::get<GoAway>(out_.items()[0].event).retry_after;
  const auto second = std::get<GoAway>(out_.items()[1].event).retry_after;
  ASSERT_NE(first, second);
  out_.clear();
  ASSERT_TRUE(router_->next_deadline());
  EXPECT_LE(*router_->next_deadline(), now_.mono + std::min(first, second) + 500ms);
  now_.mono += std::min(first, second) + 499ms;
  router_->tick(now_, out_);
  EXPECT_EQ(said(), Lines{});
  now_.mono += 1ms;
  router_->tick(now_, out_);
  const bool ada = first < second;
  EXPECT_EQ(said(), Lines{ada ? "1: close 1012 restart" : "2: close 1012 restart"})
      << "the other one goes on with its call";
  EXPECT_EQ(kept_.told,
            (Lines{ada ? "released r/ada" : "released r/bob", ada ? "released /ada" : "released /bob"}));
  router_->undrain();
  now_.mono += 11s;
  router_->alive(now_, ada ? 2 : 1);
  router_->tick(now_, out_);
  EXPECT_EQ(said(), Lines{}) << "whoever is still there may stay";
}

TEST_F(Operator, RoomsAndMembersByPages) {
  for (ConnectionId id = 1; id <= 4; ++id) member(id, "peer" + std::to_string(id));
  join(1, "alpha"), join(2, "alpha"), join(3, "beta"), join(4, "alto");
  std::set<std::string> names;
  std::optional<std::uint32_t> next = 0;
  while (next) {
    const RoomPage page = router_->rooms("al", *next, 1, 10);
    for (const RoomSummary& room : page.found) names.insert(room.name + std::to_string(room.members));
    next = page.next;
  }
  EXPECT_EQ(names, (std::set<std::string>{"alpha2", "alto1"}));
  EXPECT_EQ(router_->rooms("", 0, 1000, 1).found.size(), 1U);
  EXPECT_EQ(router_->rooms("", 4'000'000'000U, 10, 10).found.size(), 0U);

  const auto members = router_->members("alpha", 0, 1);
  ASSERT_TRUE(members);
  EXPECT_EQ(members->total, 2U);
  ASSERT_EQ(members->found.size(), 1U);
  EXPECT_EQ(members->found[0].peer, "peer1");
  ASSERT_TRUE(members->next);
  EXPECT_EQ(router_->members("alpha", *members->next, 10)->found.at(0).peer, "peer2");
  EXPECT_FALSE(router_->members("alpha", *members->next, 10)->next);
  EXPECT_EQ(router_->members("alpha", 999, 10)->found.size(), 0U);
  EXPECT_FALSE(router_->members("gamma", 0, 10));
}

TEST_F(Operator, NobodyWhoStaysIsMissedWhileOthersLeave) {
  for (ConnectionId id = 1; id <= 3; ++id) {
    member(id, "peer" + std::to_string(id));
    join(id, "r");
  }
  const auto first = router_->members("r", 0, 2);
  ASSERT_TRUE(first && first->next);
  router_->closed(1, CloseReason::Bye, out_);
  out_.clear();
  const auto second = router_->members("r", *first->next, 2);
  ASSERT_TRUE(second);
  ASSERT_EQ(second->found.size(), 1U);
  EXPECT_EQ(second->found[0].peer, "peer3");
}

TEST_F(Operator, RemovesAMember) {
  member(1, "ada"), member(2, "bob");
  join(1, "r"), join(2, "r");
  EXPECT_FALSE(router_->remove(now_, "s", "ada", "", out_));
  EXPECT_FALSE(router_->remove(now_, "r", "eve", "", out_));
  EXPECT_TRUE(router_->remove(now_, "r", "ada", "noise", out_));
  EXPECT_EQ(said(), (Lines{"1: kicked forbidden noise", "2: peer-left r ada kicked"}));
  EXPECT_FALSE(router_->remove(now_, "r", "ada", "", out_));
}

TEST_F(Operator, OtherLimitsHoldAtOnce) {
  member(1, "ada"), member(2, "bob");
  join(1, "r");
  Options options = test_options();
  options.max_members_per_room = 1;
  options.heartbeat = 1s;
  router_->use(options);
  EXPECT_EQ(code(router_->join(now_, 2, "r", {}, out_)), ErrorCode::RoomFull);
  EXPECT_EQ(router_->options().heartbeat, test_options().heartbeat) << "clients have been told another one";
}

TEST(TokenAuthenticator, TakesAnotherToken) {
  Options options;
  options.token = "old";
  TokenAuthenticator tokens(options);
  EXPECT_TRUE(tokens.authenticate(Now{}, "old"));
  options.token = "new";
  options.token_can = {"join"};
  tokens.use(options);
  EXPECT_FALSE(tokens.authenticate(Now{}, "old"));
  const auto who = tokens.authenticate(Now{}, "new");
  ASSERT_TRUE(who);
  EXPECT_FALSE((*who)->can.has(Right::Send));
}

}  // namespace
}  // namespace ts::signal
