// SPDX-License-Identifier: Apache-2.0
// Sessions that outlive their connection, over the native protocol.
#include <turnstone/dialect/json.hpp>

#include "support.hpp"

namespace ts::dialect {
namespace {

using nlohmann::json;

struct Session {
  std::string sid;
  std::string key;
};

class ResumeTest : public NativeTest {
 protected:
  static signal::Options resume_options() {
    signal::Options o = options();
    o.resume_time = 30s;
    o.max_resume_messages = 8;
    o.max_resume_bytes = 4096;
    return o;
  }
  void SetUp() override { start(resume_options()); }

  /// Says hello and joins "r"; what a resume needs.
  Session enter(ConnectionId id, const std::string& peer) {
    open(id);
    const json m = json::parse(text_of(say(id, hello(peer)).at(0)));
    say(id, R"({"t":"join","room":"r"})");
    return {m["sid"], m["key"]};
  }
  static std::string hello(const std::string& peer, const std::string& rest = {}) {
    return R"({"t":"hello","v":1,"token":"secret","peer":")" + peer + "\"" + rest + "}";
  }
  static std::string resume(const Session& s, std::uint64_t seq) {
    return R"(,"resume":{"sid":")" + s.sid + R"(","key":")" + s.key + R"(","seq":)" + std::to_string(seq) +
           "}";
  }
  static std::string text_of(const std::string& line) { return line.substr(line.find(' ') + 1); }
  /// Of the first line.
  static json message(const Lines& lines) { return json::parse(text_of(lines.at(0))); }
  Lines lose(ConnectionId id) {
    native_->closed(now_, id, CloseReason::Lost, frames_);
    return said();
  }
  Lines send(ConnectionId from, const std::string& to, int number) {
    return say(from,
               R"({"t":"send","to":")" + to + R"(","kind":"custom","data":)" + std::to_string(number) + "}");
  }
};

TEST_F(ResumeTest, MessagesOfASessionAreNumbered) {
  open(1);
  const json welcome = message(say(1, hello("ada")));
  EXPECT_FALSE(welcome.contains("seq"));
  EXPECT_FALSE(welcome.contains("resumed"));
  EXPECT_EQ(welcome["limits"]["resumeMs"], 30'000);
  EXPECT_EQ(welcome["features"].back(), "resume");
  EXPECT_EQ(say(1, R"({"t":"join","id":1,"room":"r"})"),
            Lines{R"(1< {"t":"joined","id":1,"room":"r","peers":[],"seq":1})"});
  EXPECT_EQ(say(1, R"({"t":"ping"})"), Lines{R"(1< {"t":"pong"})"});
  EXPECT_FALSE(message(say(1, R"({"t":"ice","id":2})")).contains("seq"));
  EXPECT_EQ(message(say(1, R"({"t":"leave","id":3,"room":"x"})"))["seq"], 2);
  EXPECT_FALSE(message(say(1, R"({"t":"fly"})")).contains("seq")) << "an error that answers nothing";
  EXPECT_EQ(message(say(1, R"({"t":"update","id":4,"meta":1})"))["seq"], 3);
}

TEST_F(ResumeTest, WhatWasMissedIsReplayedInOrder) {
  const Session ada = enter(1, "ada");
  enter(2, "bob");
  said();
  EXPECT_EQ(send(2, "ada", 1), Lines{R"(1< {"t":"msg","from":"bob","kind":"custom","data":1,"seq":3})"});
  EXPECT_EQ(lose(1), Lines{}) << "nobody is told";
  EXPECT_EQ(message(say(2, R"({"t":"list","id":1,"room":"r"})"))["peers"][0]["lost"], true);
  EXPECT_EQ(message(say(2, R"({"t":"send","id":2,"to":"ada","kind":"custom","data":2})"))["queued"], 1);
  EXPECT_EQ(send(2, "ada", 3), Lines{});
  EXPECT_EQ(router_->counters().lost, 1U);
  now_.mono += 29s;
  native_->alive(now_, 2);
  EXPECT_EQ(tick(), Lines{});

  open(3);
  const Lines back = say(3, hello("ada", resume(ada, 2)));
  ASSERT_EQ(back.size(), 5U);
  const json welcome = message(back);
  EXPECT_EQ(welcome["resumed"], true);
  EXPECT_EQ(welcome["sid"], ada.sid);
  EXPECT_EQ(welcome["key"], ada.key);
  EXPECT_EQ(welcome["peer"], "ada");
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(back[static_cast<std::size_t>(i)], R"(3< {"t":"msg","from":"bob","kind":"custom","data":)" +
                                                     std::to_string(i) + ",\"seq\":" + std::to_string(i + 2) +
                                                     "}");
  }
  EXPECT_EQ(back[4], R"(2< {"t":"peer-resumed","room":"r","peer":"ada","seq":4})");
  EXPECT_EQ(send(2, "ada", 4), Lines{R"(3< {"t":"msg","from":"bob","kind":"custom","data":4,"seq":6})"});
  EXPECT_EQ(router_->counters().lost, 0U);
  EXPECT_EQ(router_->counters().members, 2U);
  EXPECT_EQ(message(say(3, R"({"t":"list","id":1,"room":"r"})"))["peers"][0]["peer"], "bob");
  now_.mono += 5s;
  EXPECT_EQ(tick(), Lines{}) << "the old end is not its end any more";
}

TEST_F(ResumeTest, AnAnswerThatWasLostComesWithTheResume) {
  const Session ada = enter(1, "ada");
  said();
  EXPECT_EQ(message(say(1, R"({"t":"join","id":"j","room":"s"})"))["seq"], 2);
  lose(1);
  open(2);
  const Lines back = say(2, hello("ada", resume(ada, 1)));
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(text_of(back[1]), R"({"t":"joined","id":"j","room":"s","peers":[],"seq":2})");
}

TEST_F(ResumeTest, WithoutAResumeInTimeTheMemberLeaves) {
  const Session ada = enter(1, "ada");
  enter(2, "bob");
  said();
  lose(1);
  now_.mono += 30s;
  native_->alive(now_, 2);
  EXPECT_EQ(tick(), Lines{R"(2< {"t":"peer-left","room":"r","peer":"ada","reason":"lost","seq":2})"});
  EXPECT_EQ(router_->counters().sessions_expired, 1U);
  open(3);
  const json welcome = message(say(3, hello("ada", resume(ada, 1))));
  EXPECT_EQ(welcome["resumed"], false);
  EXPECT_EQ(welcome["reason"], "unknown");
  EXPECT_NE(welcome["sid"], ada.sid);
  EXPECT_EQ(welcome["peer"], "ada");
  EXPECT_EQ(router_->counters().resumes[signal::index(signal::ResumeOutcome::Unknown)], 1U);
}

TEST_F(ResumeTest, WhatTheLastTickOfALostMemberBringsGoesNowhere) {
  enter(1, "ada");
  say(1, R"({"t":"send","room":"r","to":"cid","kind":"offer","queue":900})");
  lose(1);
  now_.mono += 60s;
  EXPECT_EQ(tick(), Lines{}) << "its message runs out, and so does its own time";
}

TEST_F(ResumeTest, OnlyTheKeyProvesTheSession) {
  const Session ada = enter(1, "ada");
  enter(2, "bob");
  said();
  open(3);
  json welcome = message(say(3, hello("eve", resume({ada.sid, ada.key.substr(1)}, 0))));
  EXPECT_EQ(welcome["resumed"], false);
  EXPECT_EQ(welcome["peer"], "eve");
  open(4);
  welcome = message(say(4, hello("mal", resume({"x" + ada.sid, ada.key}, 0))));
  EXPECT_EQ(welcome["resumed"], false);
  open(5);
  const Lines refused = say(5, hello("ada", resume({ada.sid, ""}, 0)));
  EXPECT_EQ(message(refused)["code"], "peer_taken");
  EXPECT_TRUE(router_->is_member(1));
  // With the key, no token is needed.
  open(6);
  welcome = message(say(6, R"({"t":"hello","v":1)" + resume(ada, 2) + "}"));
  EXPECT_EQ(welcome["resumed"], true);
  EXPECT_EQ(welcome["peer"], "ada");
}

TEST_F(ResumeTest, MalformedResumes) {
  ConnectionId id = 10;
  for (const char* bad : {"1", "[]", "{}", R"({"sid":"a"})", R"({"sid":1,"key":"b","seq":0})",
                          R"({"sid":"a","key":"b","seq":-1})", R"({"sid":"a","key":"b","seq":"0"})"}) {
    open(++id);
    const Lines lines = say(id, hello("ada", R"(,"resume":)" + std::string(bad)));
    EXPECT_EQ(message(lines)["code"], "bad_request") << bad;
    EXPECT_EQ(lines.at(1), std::to_string(id) + "! 4003 bad_request");
  }
  open(++id);
  EXPECT_FALSE(message(say(id, hello("ada", R"(,"resume":null)"))).contains("resumed"));
}

TEST_F(ResumeTest, TheSameSessionOverANewConnectionSupersedes) {
  const Session ada = enter(1, "ada");
  enter(2, "bob");
  said();
  open(3);
  const Lines lines = say(3, hello("ada", resume(ada, 2)));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(message(lines)["resumed"], true);
  EXPECT_EQ(lines[1], "1! 4009 superseded");
  EXPECT_EQ(lines[2], R"(2< {"t":"peer-resumed","room":"r","peer":"ada","seq":2})");
  EXPECT_EQ(lose(1), Lines{}) << "the old connection's end means nothing";
  EXPECT_FALSE(router_->is_lost(3));
  EXPECT_EQ(router_->counters().connections, 2U);
  EXPECT_EQ(send(2, "ada", 1), Lines{R"(3< {"t":"msg","from":"bob","kind":"custom","data":1,"seq":3})"});
}

TEST_F(ResumeTest, AHelloWithThePeerIdOfAGhostTakesItsPlace) {
  enter(1, "ada"), enter(2, "bob");
  said();
  open(3);
  EXPECT_EQ(message(say(3, hello("ada")))["code"], "peer_taken") << "it is alive";
  lose(1);
  open(4);
  const Lines lines = say(4, hello("ada"));
  EXPECT_EQ(message(lines)["t"], "welcome");
  EXPECT_EQ(lines.at(1), R"(2< {"t":"peer-left","room":"r","peer":"ada","reason":"lost","seq":2})");
  // One that the server has not missed yet, but that should have pinged by now.
  now_.mono += 32s;
  open(5);
  const Lines overdue = say(5, hello("ada"));
  EXPECT_EQ(message(overdue)["t"], "welcome");
  EXPECT_EQ(overdue.at(1), "4! 4009 superseded");
}

TEST_F(ResumeTest, AcknowledgedMessagesAreForgotten) {
  const Session ada = enter(1, "ada");
  enter(2, "bob");
  said();
  EXPECT_GT(router_->counters().replay_bytes, 0U);
  EXPECT_EQ(say(1, R"({"t":"ack","seq":2})"), Lines{});
  for (int i = 0; i < 6; ++i) send(2, "ada", i);
  say(1, R"({"t":"ack","seq":99})");
  say(2, R"({"t":"ack","seq":99})");
  EXPECT_EQ(router_->counters().replay_bytes, 0U);
  EXPECT_EQ(message(say(1, R"({"t":"ack","id":1})"))["code"], "bad_request");
  EXPECT_EQ(message(say(1, R"({"t":"ack","id":1,"seq":"2"})"))["code"], "bad_request");
  // What was acknowledged cannot be asked for again.
  lose(1);
  open(3);
  const json welcome = message(say(3, R"({"t":"hello","v":1,"token":"secret")" + resume(ada, 2) + "}"));
  EXPECT_EQ(welcome["resumed"], false);
  EXPECT_EQ(welcome["reason"], "gap");
  EXPECT_EQ(welcome["peer"], "ada") << "it has the key";
}

TEST_F(ResumeTest, AClientThatNeverAcknowledgesCanStillResume) {
  const Session ada = enter(1, "ada");
  enter(2, "bob");
  for (int i = 0; i < 100; ++i) send(2, "ada", i);
  said();
  lose(1);
  for (int i = 100; i < 108; ++i) send(2, "ada", i);
  open(3);
  const Lines back = say(3, hello("ada", resume(ada, 102)));
  ASSERT_EQ(back.size(), 1U + 8U + 1U);
  EXPECT_EQ(json::parse(text_of(back[8]))["data"], 107);
}

TEST_F(ResumeTest, MoreThanIsKeptEndsTheResumeAtOnce) {
  for (const bool large : {false, true}) {
    start(resume_options());
    const Session ada = enter(1, "ada");
    enter(2, "bob");
    lose(1);
    said();
    if (large) {
      say(2, R"({"t":"send","to":"ada","kind":"custom","data":")" + std::string(3000, 'x') + "\"}");
      say(2, R"({"t":"send","to":"ada","kind":"custom","data":")" + std::string(3000, 'x') + "\"}");
    } else {
      for (int i = 0; i < 9; ++i) EXPECT_EQ(send(2, "ada", i), Lines{});
    }
    EXPECT_LE(router_->next_deadline(), now_.mono);
    if (large) {
      EXPECT_EQ(tick(), Lines{R"(2< {"t":"peer-left","room":"r","peer":"ada","reason":"lost","seq":2})"});
    }
    open(3);
    const Lines lines = say(3, hello("ada", resume(ada, 2)));
    EXPECT_EQ(message(lines)["resumed"], false);
    EXPECT_EQ(message(lines)["reason"], large ? "unknown" : "gap");
    EXPECT_EQ(message(lines)["peer"], "ada");
    if (!large) {
      EXPECT_EQ(lines.at(1), R"(2< {"t":"peer-left","room":"r","peer":"ada","reason":"lost","seq":2})");
    }
  }
}

TEST_F(ResumeTest, AllReplaysTogetherAreBounded) {
  signal::Options o = resume_options();
  o.max_resume_total_bytes = 2000;
  start(o);
  for (ConnectionId id = 1; id <= 3; ++id) enter(id, "p" + std::to_string(id));
  for (int i = 0; i < 50; ++i) {
    say(1, R"({"t":"send","to":"*","kind":"custom","data":")" + std::string(200, 'x') + "\"}");
    ASSERT_LE(router_->counters().replay_bytes, 2000U);
  }
}

TEST_F(ResumeTest, WhoLeavesOrIsClosedDoesNotResume) {
  enter(9, "bob");
  ConnectionId id = 10;
  for (const auto reason : {CloseReason::Bye, CloseReason::GoingAway, CloseReason::TooLarge}) {
    const Session ada = enter(++id, "ada");
    said();
    native_->closed(now_, id, reason, frames_);
    EXPECT_EQ(message(said())["t"], "peer-left");
    open(++id);
    EXPECT_EQ(message(say(id, hello("ada", resume(ada, 1))))["resumed"], false);
    say(id, R"({"t":"bye"})");
  }
  const Session ada = enter(++id, "ada");
  said();
  native_->slow_consumer(now_, id, frames_);
  EXPECT_EQ(said().size(), 2U);
  enter(++id, "ada");
  say(id, R"({"t":"bye"})");
}

TEST_F(ResumeTest, ASilentMemberMayResume) {
  const Session ada = enter(1, "ada");
  now_.mono += 51s;
  EXPECT_EQ(tick(), Lines{"1! 4008 silent for too long"});
  open(2);
  EXPECT_EQ(message(say(2, hello("ada", resume(ada, 1))))["resumed"], true);
  now_.mono += 51s;
  EXPECT_EQ(tick(), Lines{"2! 4008 silent for too long"});
  now_.mono += 30s;
  EXPECT_EQ(tick(), Lines{});
  EXPECT_EQ(router_->counters().lost, 0U) << "its time runs out like any other's";
}

TEST_F(ResumeTest, LostMembersDoNotKeepOthersOut) {
  signal::Options o = resume_options();
  o.max_connections = 3;
  start(o);
  std::vector<Session> sessions;
  for (ConnectionId id = 1; id <= 3; ++id) sessions.push_back(enter(id, "p" + std::to_string(id)));
  for (ConnectionId id = 1; id <= 3; ++id) lose(id);
  for (ConnectionId id = 4; id <= 6; ++id) {
    open(id);
    EXPECT_EQ(message(say(id, hello("", resume(sessions[id - 4], 3))))["t"], "error") << "an empty peer id";
  }
  for (ConnectionId id = 7; id <= 9; ++id) {
    open(id);
    const std::string peer = "p" + std::to_string(id - 6);
    EXPECT_EQ(message(say(id, hello(peer, resume(sessions[id - 7], 1))))["resumed"], true);
  }
  // Lost ones are no more than there may be connections.
  for (int round = 0; round < 4; ++round) {
    for (ConnectionId id = 1; id <= 3; ++id) {
      const ConnectionId next = 100 + static_cast<ConnectionId>(round) * 10 + id;
      if (router_->knows(id + 6)) lose(id + 6);
      open(next);
      say(next, R"({"t":"hello","v":1,"token":"secret"})");
      lose(next);
    }
  }
  EXPECT_EQ(router_->counters().lost, 3U);
  EXPECT_EQ(router_->counters().connections, 0U);
}

TEST_F(ResumeTest, DrainAndEndOfTheServer) {
  enter(1, "ada"), enter(2, "bob"), enter(3, "cid");
  lose(1);
  said();
  native_->drain(now_, {1s, {}, {}}, frames_);
  EXPECT_EQ(said(),
            (Lines{R"(2< {"t":"goaway","retryAfter":1.000})", R"(3< {"t":"goaway","retryAfter":1.000})"}));
  lose(2);
  EXPECT_EQ(router_->counters().lost, 1U) << "there is nothing to come back to";
  native_->close_all(now_, CloseCode::Restart, frames_);
  EXPECT_EQ(said(), Lines{"3! 1012 restart"});
  EXPECT_EQ(router_->counters().lost + router_->counters().replay_bytes, 0U);
}

/// Sessions lost and resumed at random: nothing is missed, nothing comes twice, and nothing stays behind.
TEST_F(ResumeTest, RandomLossesMissNothing) {
  signal::Options o = resume_options();
  o.max_resume_messages = 1000, o.max_resume_bytes = 1'000'000, o.messages_per_second = 0;
  start(o);
  enter(1, "bob");
  std::mt19937 random(5);
  ConnectionId id = 2;
  const Session ada = enter(id, "ada");
  said();
  std::uint64_t seen = 1;
  std::vector<int> got;
  const auto take = [&](const Lines& lines) {
    for (const std::string& line : lines) {
      if (!line.starts_with(std::to_string(id) + "<")) continue;
      const json m = json::parse(text_of(line));
      if (!m.contains("seq") || m["seq"] <= seen) continue;
      ASSERT_EQ(m["seq"], seen + 1);
      seen = m["seq"];
      if (m["t"] == "msg") got.push_back(m["data"]);
    }
  };
  constexpr int kCount = 3000;
  for (int i = 0; i < kCount; ++i) {
    const Lines lines = send(1, "ada", i);
    const bool arrives = random() % 4 != 0;  // else the network loses it, and the connection with it
    if (arrives) {
      take(lines);
      if (random() % 5 == 0) say(id, R"({"t":"ack","seq":)" + std::to_string(seen) + "}");
      continue;
    }
    if (random() % 2 == 0) lose(id);
    if (random() % 2 == 0) send(1, "ada", ++i);
    now_.mono += 100ms;
    native_->alive(now_, 1);
    open(++id);
    take(say(id, hello("ada", resume(ada, seen))));
  }
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], static_cast<int>(i));
  EXPECT_GE(got.size(), static_cast<std::size_t>(kCount));
  native_->closed(now_, 1, CloseReason::Lost, frames_);
  lose(id);
  now_.mono += 30s;
  tick();
  const signal::Counters& c = router_->counters();
  EXPECT_EQ(c.connections + c.members + c.rooms + c.memberships + c.lost + c.replay_bytes, 0U);
}

TEST_F(ResumeTest, WhoHoldsLittleKeepsItWhenTheRestIsFull) {
  signal::Options o = resume_options();
  o.max_resume_messages = 1000;
  o.max_resume_bytes = 20'000;
  o.max_resume_total_bytes = 20'000;
  start(o);
  const Session ada = enter(1, "ada");
  enter(2, "bob");
  enter(3, "hog");
  send(2, "ada", 7);
  lose(1);
  for (int i = 0; i < 200; ++i) {
    say(2, R"({"t":"send","to":"hog","kind":"custom","data":")" + std::string(500, 'x') + "\"}");
    ASSERT_LE(router_->counters().replay_bytes, 20'000U);
  }
  EXPECT_GT(router_->counters().replay_bytes, 15'000U);
  open(4);
  const Lines back = say(4, hello("ada", resume(ada, 3)));
  EXPECT_EQ(message(back)["resumed"], true);
  EXPECT_EQ(json::parse(text_of(back.at(1)))["data"], 7);
  for (ConnectionId id = 1; id <= 4; ++id) native_->closed(now_, id, CloseReason::Bye, frames_);
  EXPECT_EQ(router_->counters().replay_bytes, 0U);
}

}  // namespace
}  // namespace ts::dialect
