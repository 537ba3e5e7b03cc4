// SPDX-License-Identifier: Apache-2.0
// What the application is asked and answers about a hello, and native clients that wait for it.
#include <turnstone/dialect/hello_hook.hpp>
#include <turnstone/dialect/peerjs.hpp>

#include "support.hpp"

namespace ts::dialect {
namespace {

using signal::HelloAnswer;
using signal::HelloQuestion;
using signal::HookResult;
using signal::QuestionId;

TEST(HelloQuestion, IsJsonWhateverAClientSends) {
  HelloQuestion question;
  question.token = "a\"b\n";
  question.dialect = "native";
  question.client = *IpAddress::parse("::ffff:192.0.2.1");
  EXPECT_EQ(
      hello_question("hello_1", question),
      R"({"type":"hello","id":"hello_1","token":"a\"b\u000a","dialect":"native","address":"192.0.2.1"})");
}

TEST(HelloAnswer, SaysWhoItIs) {
  const auto answer = decode_hello_answer(
      R"({"allow":true,"sub":"alice","peer":"a","meta":{"n":1},"rooms":["x","y-*"],"can":["join","kick"],)"
      R"("limits":{"rooms":3,"messages":20},"expires":1767225600})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->result, HookResult::Allowed);
  EXPECT_EQ(answer->subject, "alice");
  EXPECT_EQ(answer->meta, R"({"n":1})");
  EXPECT_EQ(answer->rooms, (std::vector<std::string>{"x", "y-*"}));
  EXPECT_TRUE(answer->can && answer->can->has(signal::Right::Kick));
  EXPECT_EQ(answer->limits.rooms, 3U);
  EXPECT_EQ(answer->limits.messages_per_second, 20U);
  EXPECT_EQ(answer->expires, WallTime(std::chrono::seconds(1767225600)));
  const auto no = decode_hello_answer(R"({"allow":false,"reason":"paid accounts only"})");
  ASSERT_TRUE(no);
  EXPECT_EQ(no->result, HookResult::Refused);
  EXPECT_EQ(no->reason, "paid accounts only");
}

TEST(HelloAnswer, WhatIsNotUnderstoodLetsNobodyIn) {
  const std::string deep(1000, '[');
  const std::string bad[] = {"",
                             "{}",
                             "true",
                             R"({"sub":"alice"})",
                             R"({"allow":"true"})",
                             R"({"allow":1})",
                             R"({"allow":true,"rom":["x"]})",
                             R"({"allow":false,"allow":true})",
                             R"({"allow":true,"rooms":"x"})",
                             R"({"allow":true,"rooms":[""]})",
                             R"({"allow":true,"rooms":[1]})",
                             R"({"allow":true,"can":["fly"]})",
                             R"({"allow":true,"peer":"*"})",
                             R"({"allow":true,"sub":"a\u0000b"})",
                             R"({"allow":true,"limits":{"rooms":0}})",
                             R"({"allow":true,"limits":{"rooms":-1}})",
                             R"({"allow":true,"limits":{"other":1}})",
                             R"({"allow":true,"expires":"never"})",
                             R"({"allow":true,"expires":99999999999999})",
                             R"({"allow":true} x)",
                             R"({"allow":true,"meta":)" + deep + "}",
                             R"({"allow":true,"meta":")" + std::string(5000, 'x') + "\"}",
                             R"({"allow":true)" + std::string(20'000, ' ') + "}"};
  for (const std::string& text : bad) EXPECT_FALSE(decode_hello_answer(text)) << text.substr(0, 60);
}

TEST(HelloAnswer, AReasonIsShownOnlyWhereItIsOne) {
  EXPECT_EQ(decode_refusal(R"({"reason":"no"})"), "no");
  for (const char* text : {"", "no", "{}", R"({"reason":1})", R"({"reason":"a\nb"})", R"({"reason":"x"} y)"})
    EXPECT_EQ(decode_refusal(text), "") << text;
}

const std::string kHello = R"({"t":"hello","v":1,"token":"opaque","peer":"ada"})";

class WaitingTest : public NativeTest {
 protected:
  void SetUp() override {
    NativeTest::SetUp();
    router_->doorman().set_ask([this](QuestionId id, const HelloQuestion& question) {
      asked_.push_back(id);
      questions_.push_back(question);
    });
  }
  Lines answer(QuestionId id, HookResult result) {
    HelloAnswer out;
    out.result = result;
    router_->doorman().answered(now_, id, out);
    frames_ = native_->take_frames();
    return said();
  }

  std::vector<QuestionId> asked_;
  std::vector<HelloQuestion> questions_;
};

TEST_F(WaitingTest, WhatCameMeanwhileIsDoneInOrderAfterTheWelcome) {
  native_->opened(now_, 1, Endpoint{*IpAddress::parse("192.0.2.7"), 9}, frames_, "https://app.example");
  EXPECT_EQ(say(1, kHello), Lines{});
  EXPECT_EQ(say(1, R"({"t":"join","id":1,"room":"r"})"), Lines{});
  EXPECT_EQ(say(1, R"({"t":"ping","id":2})"), Lines{});
  ASSERT_EQ(questions_.size(), 1U);
  EXPECT_EQ(questions_[0].token, "opaque");
  EXPECT_EQ(questions_[0].peer, "ada");
  EXPECT_EQ(questions_[0].origin, "https://app.example");
  EXPECT_EQ(questions_[0].client, *IpAddress::parse("192.0.2.7"));
  const Lines lines = answer(asked_[0], HookResult::Allowed);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_NE(lines[0].find(R"("t":"welcome")"), std::string::npos);
  EXPECT_NE(lines[1].find(R"("t":"joined")"), std::string::npos);
  EXPECT_NE(lines[2].find(R"("t":"pong")"), std::string::npos);
  EXPECT_TRUE(router_->is_member(1));
}

TEST_F(WaitingTest, ARefusalCloses) {
  open(1), open(2);
  say(1, kHello), say(2, kHello);
  const Lines refused = answer(asked_[0], HookResult::Refused);
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_NE(refused[0].find(R"("code":"unauthorized")"), std::string::npos);
  EXPECT_EQ(refused[1], "1! 4001 unauthorized");
  const Lines late = answer(asked_[1], HookResult::TimedOut);
  ASSERT_EQ(late.size(), 2U);
  EXPECT_NE(late[0].find(R"("code":"unavailable")"), std::string::npos);
  EXPECT_NE(late[0].find(R"("retryAfter":2)"), std::string::npos);
  EXPECT_EQ(late[1], "2! 4008 unavailable");
}

TEST_F(WaitingTest, AConnectionThatEndsTakesItsHelloAlong) {
  open(1);
  say(1, kHello);
  native_->closed(now_, 1, CloseReason::Lost, frames_);
  EXPECT_EQ(router_->doorman().counters().waiting, 0U);
  EXPECT_EQ(answer(asked_[0], HookResult::Allowed), Lines{});
  EXPECT_EQ(router_->counters().connections, 0U);
}

TEST_F(WaitingTest, AHelloThatTookTooLongIsClosedAndItsAnswerComesToNobody) {
  open(1);
  say(1, kHello);
  now_.mono += 11s;
  const Lines lines = tick();
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back().substr(0, 7), "1! 4008");
  EXPECT_EQ(answer(asked_[0], HookResult::Allowed), Lines{}) << "its socket has not ended yet";
  native_->closed(now_, 1, CloseReason::Lost, frames_);
}

TEST_F(WaitingTest, TwoHellosOnOneConnectionAreOneAndAMistake) {
  open(1);
  say(1, kHello), say(1, kHello);
  EXPECT_EQ(asked_.size(), 1U);
  const Lines lines = answer(asked_[0], HookResult::Allowed);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_NE(lines[1].find(R"("code":"bad_request")"), std::string::npos);
}

TEST_F(WaitingTest, TooMuchBeforeTheWelcomeCloses) {
  open(1);
  say(1, kHello);
  Lines lines;
  for (int i = 0; i < 40 && lines.empty(); ++i) lines = say(1, R"({"t":"ping"})");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_NE(lines[0].find(R"("code":"rate_limited")"), std::string::npos);
  EXPECT_FALSE(router_->knows(1));
  EXPECT_EQ(router_->doorman().counters().waiting, 0U);
}

TEST_F(WaitingTest, WhileDrainingNobodyIsAskedAndNobodyComesIn) {
  open(1), open(2);
  say(1, kHello);
  native_->drain(now_, signal::Farewell{}, frames_);
  said();
  const Lines told = say(2, kHello);
  EXPECT_EQ(asked_.size(), 1U);
  ASSERT_FALSE(told.empty());
  EXPECT_NE(told[0].find("server_draining"), std::string::npos);
  const Lines late = answer(asked_[0], HookResult::Allowed);
  ASSERT_FALSE(late.empty());
  EXPECT_NE(late[0].find("server_draining"), std::string::npos);
}

TEST_F(WaitingTest, PeerJsWaitsAsWell) {
  PeerJs peerjs(PeerJsOptions{}, *router_, random_, 2);
  peerjs.opened(now_, 7, Endpoint{}, {"peerjs", "ada", "opaque", "https://app.example"});
  peerjs.opened(now_, 8, Endpoint{}, {"peerjs", "bob", "opaque"});
  peerjs.opened(now_, 9, Endpoint{}, {"peerjs", "cyd", "opaque"});
  peerjs.text(now_, 7, R"({"type":"OFFER","dst":"nobody"})");
  EXPECT_TRUE(peerjs.take_frames().empty());
  ASSERT_EQ(questions_.size(), 3U);
  EXPECT_EQ(questions_[0].dialect, "peerjs");
  EXPECT_EQ(questions_[0].origin, "https://app.example");
  peerjs.closed(now_, 8, CloseReason::Lost);
  HelloAnswer yes;
  yes.result = HookResult::Allowed;
  for (const QuestionId id : {asked_[0], asked_[1]}) router_->doorman().answered(now_, id, yes);
  router_->doorman().answered(now_, asked_[2], HelloAnswer{});
  const Frames frames = peerjs.take_frames();
  ASSERT_EQ(frames.size(), 3U);
  EXPECT_EQ(*frames[0].text, R"({"type":"OPEN"})");
  EXPECT_EQ(frames[0].connection, 7U);
  EXPECT_NE(frames[1].text->find("ERROR"), std::string::npos);
  EXPECT_EQ(frames[2].connection, 9U);
  EXPECT_NE(frames[2].close_code, 0);
  EXPECT_EQ(router_->counters().queued, 1U) << "the offer that was held waits for its peer";
  peerjs.closed(now_, 7, CloseReason::Lost);
  EXPECT_EQ(router_->counters().connections, 0U);
}

}  // namespace
}  // namespace ts::dialect
