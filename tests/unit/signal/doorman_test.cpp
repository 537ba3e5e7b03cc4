// SPDX-License-Identifier: Apache-2.0
// Hellos that the application judges: who waits, how many, whom an answer is for, and what it may grant.
#include <turnstone/signal/doorman.hpp>

#include "support.hpp"

namespace ts::signal {
namespace {

class DoormanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    doorman_.use(Rights::of({"join", "send"}), Rights::of({"join", "create"}));
    doorman_.set_ask([this](QuestionId id, const HelloQuestion&) { asked_.push_back(id); });
  }
  std::optional<QuestionId> ask(const char* address = "192.0.2.1", const std::string& token = "opaque") {
    HelloQuestion question;
    question.token = token;
    question.client = *IpAddress::parse(address);
    return doorman_.ask(std::move(question), [this](const Now&, const Verdict& verdict) {
      verdicts_.push_back(verdict);
      codes_.push_back(verdict.identity ? ErrorCode::None : verdict.failure.code);
    });
  }
  static HelloAnswer allowed() {
    HelloAnswer out;
    out.result = HookResult::Allowed;
    return out;
  }
  std::uint64_t counted(HookResult result) const { return doorman_.counters().results[index(result)]; }

  Doorman doorman_;
  Now now_{TimePoint(std::chrono::hours(1)), WallTime(std::chrono::seconds(1'700'000'000))};
  std::vector<QuestionId> asked_;
  std::vector<Verdict> verdicts_;
  std::vector<ErrorCode> codes_;
};

TEST_F(DoormanTest, AnAnswerIsForWhoAskedAndForNobodyElse) {
  const auto one = ask();
  const auto two = ask();
  ASSERT_TRUE(one && two);
  EXPECT_NE(*one, *two);
  doorman_.withdraw(*one);
  doorman_.answered(now_, *one, allowed());
  EXPECT_TRUE(verdicts_.empty()) << "the connection has ended";
  doorman_.answered(now_, *two, allowed());
  doorman_.answered(now_, *two, allowed());
  EXPECT_EQ(codes_, std::vector{ErrorCode::None});
  EXPECT_EQ(counted(HookResult::Withdrawn), 1U);
  EXPECT_EQ(counted(HookResult::Allowed), 1U);
  EXPECT_EQ(doorman_.counters().waiting, 0U);
}

TEST_F(DoormanTest, NoAnswerLetsNobodyIn) {
  for (const HookResult result : {HookResult::Unreachable, HookResult::TimedOut, HookResult::BadAnswer}) {
    HelloAnswer answer;
    answer.result = result;
    doorman_.answered(now_, *ask(), answer);
    ASSERT_EQ(codes_.back(), ErrorCode::Unavailable);
    EXPECT_EQ(verdicts_.back().failure.retry_after, Doorman::kRetry);
  }
  HelloAnswer no;
  no.result = HookResult::Refused;
  doorman_.answered(now_, *ask(), no);
  EXPECT_EQ(codes_.back(), ErrorCode::Unauthorized);
  HelloAnswer late = allowed();
  late.expires = now_.wall;
  doorman_.answered(now_, *ask(), late);
  EXPECT_EQ(codes_.back(), ErrorCode::TokenExpired);
}

TEST_F(DoormanTest, NothingIsGrantedBeyondTheCeiling) {
  HelloAnswer answer = allowed();
  answer.can = Rights::all();
  doorman_.answered(now_, *ask(), answer);
  const Rights can = verdicts_.back().identity->can;
  EXPECT_TRUE(can.has(Right::Join) && can.has(Right::Send));
  EXPECT_FALSE(can.has(Right::Kick) || can.has(Right::Ban) || can.has(Right::Create));
  doorman_.answered(now_, *ask(), allowed());
  EXPECT_TRUE(verdicts_.back().identity->can.has(Right::Join));
  EXPECT_FALSE(verdicts_.back().identity->can.has(Right::Create)) << "the usual rights are cut as well";
}

TEST_F(DoormanTest, SubjectsAndTokensAreTheirOwnKindOfCredential) {
  HelloAnswer answer = allowed();
  answer.subject = "alice";
  doorman_.answered(now_, *ask("192.0.2.1", "a"), answer);
  doorman_.answered(now_, *ask("192.0.2.1", "b"), answer);
  EXPECT_EQ(verdicts_[0].identity->credential, verdicts_[1].identity->credential);
  doorman_.answered(now_, *ask("192.0.2.1", "a"), allowed());
  doorman_.answered(now_, *ask("192.0.2.1", "b"), allowed());
  EXPECT_NE(verdicts_[2].identity->credential, verdicts_[3].identity->credential);
  EXPECT_EQ(verdicts_[2].identity->credential.find("opaque"), std::string::npos);
}

TEST_F(DoormanTest, OneAddressHasItsShareAndAllHaveTheirs) {
  for (std::size_t i = 0; i < Doorman::kMaxWaitingOfOne; ++i) ASSERT_TRUE(ask("2001:db8::1"));
  EXPECT_FALSE(ask("2001:db8::2")) << "the same /64";
  EXPECT_TRUE(ask("2001:db8:0:1::1"));
  for (int i = 0; doorman_.counters().waiting < Doorman::kMaxWaiting; ++i)
    ASSERT_TRUE(ask(("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250)).c_str()));
  EXPECT_FALSE(ask("198.51.100.1"));
  EXPECT_EQ(counted(HookResult::Busy), 2U);
  doorman_.withdraw(asked_.front());
  EXPECT_TRUE(ask("198.51.100.1"));
}

TEST_F(DoormanTest, WhoWaitsIsToldWhenNobodyWillAnswer) {
  ask(), ask();
  doorman_.abandon(now_);
  EXPECT_EQ(codes_, (std::vector{ErrorCode::Unavailable, ErrorCode::Unavailable}));
  doorman_.answered(now_, asked_[0], allowed());
  EXPECT_EQ(codes_.size(), 2U);
  doorman_.set_ask(nullptr);
  EXPECT_FALSE(ask());
}

class AskingRouter : public RouterTest {};

TEST_F(AskingRouter, AsksAboutWhatNobodyHereKnows) {
  ASSERT_TRUE(router_->opened(now_, 1, Endpoint{}, 0, out_));
  Hello hello{"opaque"};
  EXPECT_FALSE(router_->must_ask(now_, 1, hello)) << "there is no hook";
  router_->doorman().set_ask([](QuestionId, const HelloQuestion&) {});
  EXPECT_TRUE(router_->must_ask(now_, 1, hello));
  EXPECT_FALSE(router_->must_ask(now_, 1, Hello{"secret"})) << "the shared token is known here";
  EXPECT_FALSE(router_->must_ask(now_, 1, Hello{""}));
  EXPECT_FALSE(router_->must_ask(now_, 1, Hello{std::string(kMaxHookTokenBytes + 1, 'x')}));
  EXPECT_FALSE(router_->must_ask(now_, 2, hello)) << "no such connection";
  hello.identity = std::make_shared<const Identity>();
  EXPECT_FALSE(router_->must_ask(now_, 1, hello));
}

TEST_F(AskingRouter, TheApplicationsMetaStays) {
  auto who = std::make_shared<Identity>();
  who->credential = "hook:alice";
  who->can = Rights::all();
  who->meta = R"({"name":"Alice"})";
  ASSERT_TRUE(router_->opened(now_, 1, Endpoint{}, 0, out_));
  Hello hello;
  hello.peer = "ada";
  hello.meta = R"({"name":"Mallory"})";
  hello.identity = who;
  ASSERT_TRUE(router_->hello(now_, 1, hello, out_));
  join(1, "r", R"({"name":"Eve"})");
  join(1, "r", R"({"name":"Eve"})");
  EXPECT_EQ(code(router_->update(1, "", "1", out_)), ErrorCode::Forbidden);
  member(2, "bob");
  const auto joined = router_->join(now_, 2, "r", {}, out_);
  ASSERT_TRUE(joined);
  ASSERT_EQ(joined->peers.size(), 1U);
  EXPECT_EQ(joined->peers[0].meta, R"({"name":"Alice"})");
}

class Told final : public Observer {
 public:
  void member_joined(const MemberEvent& m) override { lines.push_back("joined " + name(m)); }
  void member_left(const MemberEvent& m, LeaveReason why) override {
    lines.push_back("left " + name(m) + " " + std::string(label(why)));
  }
  void room_opened(std::string_view room) override { lines.push_back("opened " + std::string(room)); }
  void room_emptied(std::string_view room) override { lines.push_back("empty " + std::string(room)); }
  std::vector<std::string> lines;

 private:
  static std::string name(const MemberEvent& m) { return std::string(m.room) + " " + std::string(m.peer); }
};

TEST_F(AskingRouter, AnObserverHearsOfRoomsAndMembersOnce) {
  Told told;
  router_->set_observer(&told);
  member(1, "ada");
  member(2, "bob");
  join(1, "r");
  join(1, "r");
  join(2, "r");
  ASSERT_TRUE(router_->leave(now_, 1, "r", out_));
  router_->closed(2, CloseReason::Lost, out_);
  out_.clear();
  EXPECT_EQ(told.lines, (Lines{"opened r", "joined r ada", "joined r bob", "left r ada left",
                               "left r bob lost", "empty r"}));
  router_->set_observer(nullptr);
}

}  // namespace
}  // namespace ts::signal
