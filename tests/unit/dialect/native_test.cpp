// SPDX-License-Identifier: Apache-2.0
// The native protocol over a real Router on a fake clock: every answer, every error, and what others get.
#include <map>
#include <set>

#include <turnstone/dialect/json.hpp>

#include "support.hpp"

namespace ts::dialect {
namespace {

constexpr auto kServers =
    R"("servers":[{"urls":["stun:s.test"]},{"urls":["turn:t.test"],"username":"1:ada","credential":"pw"}],"ttl":600)";

TEST_F(NativeTest, Welcome) {
  open(1);
  const Lines lines = say(1, R"({"t":"hello","id":7,"v":1,"token":"secret","peer":"ada","meta":{"n":1}})");
  ASSERT_EQ(lines.size(), 1U);
  const auto m = nlohmann::json::parse(lines[0].substr(3));
  EXPECT_EQ(m["t"], "welcome");
  EXPECT_EQ(m["id"], 7);
  EXPECT_EQ(m["v"], 1);
  EXPECT_EQ(m["sid"].get<std::string>().size(), 22U);
  EXPECT_EQ(m["key"].get<std::string>().size(), 43U);
  EXPECT_EQ(m["peer"], "ada");
  EXPECT_TRUE(m["features"].is_array());
  EXPECT_EQ(m["limits"]["messageBytes"], 8192);
  EXPECT_EQ(m["limits"]["roomMembers"], 3);
  EXPECT_EQ(m["heartbeat"], 25);
  EXPECT_EQ(m["ice"], nlohmann::json::parse("{" + std::string(kServers) + "}"));
  open(2);
  const auto other = nlohmann::json::parse(say(2, R"({"t":"hello","v":1,"token":"secret"})")[0].substr(3));
  EXPECT_EQ(other["peer"].get<std::string>().size(), 16U);
  EXPECT_FALSE(other.contains("id"));
}

TEST_F(NativeTest, RefusedHellos) {
  member(1, "taken");
  const std::vector<std::tuple<std::string, std::string, std::string>> cases{
      {R"({"t":"hello","v":1})", "unauthorized", "4001 unauthorized"},
      {R"({"t":"hello","v":1,"token":""})", "unauthorized", "4001 unauthorized"},
      {R"({"t":"hello","v":1,"token":42})", "unauthorized", "4001 unauthorized"},
      {R"({"t":"hello","v":1,"token":"x"})", "unauthorized", "4001 unauthorized"},
      {R"({"t":"hello","v":2,"token":"secret"})", "unsupported_version", "4003 unsupported_version"},
      {R"({"t":"hello","v":1.0,"token":"secret"})", "unsupported_version", "4003 unsupported_version"},
      {R"({"t":"hello","token":"secret"})", "bad_request", "4003 bad_request"},
      {R"({"t":"hello","v":"1","token":"secret"})", "bad_request", "4003 bad_request"},
      {R"({"t":"hello","v":1,"token":"secret","peer":""})", "bad_request", "4003 bad_request"},
      {R"({"t":"hello","v":1,"token":"secret","peer":5})", "bad_request", "4003 bad_request"},
      {R"({"t":"hello","v":1,"token":"secret","peer":"a\u0000"})", "bad_request", "4003 bad_request"},
      {R"({"t":"hello","v":1,"token":"secret","peer":"taken"})", "peer_taken", "4008 peer_taken"},
      {R"({"t":"hello","v":1,"token":"secret","peer":"t\u0061ken"})", "peer_taken", "4008 peer_taken"},
      {R"({"t":"hello","v":1,"token":"secret","meta":")" + std::string(5000, 'x') + "\"}", "too_large",
       "4003 too_large"},
      {R"({"t":"hello","v":1,"token":"secret")", "bad_json", "4003 bad_json"},
      {R"([])", "bad_json", "4003 bad_json"},
      {R"({"t":1})", "bad_request", "4003 bad_request"},
      {R"({})", "bad_request", "4003 bad_request"},
      {R"({"t":"join","room":"r"})", "unauthorized", "4001 unauthorized"},
      {R"({"t":"ping"})", "unauthorized", "4001 unauthorized"},
      {R"({"t":"nonsense"})", "unauthorized", "4001 unauthorized"},
      {std::string(9000, ' '), "too_large", "4003 too_large"},
  };
  ConnectionId id = 10;
  for (const auto& [text, code, close] : cases) {
    open(++id);
    const Lines lines = say(id, text);
    ASSERT_EQ(lines.size(), 2U) << text;
    const auto m = nlohmann::json::parse(lines[0].substr(4));
    EXPECT_EQ(m["t"], "error");
    EXPECT_EQ(m["code"], code) << text;
    EXPECT_FALSE(m["message"].get<std::string>().empty());
    EXPECT_EQ(lines[1], std::to_string(id) + "! " + close);
    EXPECT_EQ(say(id, R"({"t":"ping"})"), Lines{}) << "nothing is heard after a close";
  }
  EXPECT_EQ(router_->counters().connections, 1U);
}

TEST_F(NativeTest, ByeBeforeAndAfterHello) {
  open(1);
  EXPECT_EQ(say(1, R"({"t":"bye"})"), Lines{"1! 1000 bye"});
  member(2, "ada", "r"), member(3, "bob", "r");
  said();
  EXPECT_EQ(say(3, R"({"t":"bye"})"),
            (Lines{"3! 1000 bye", R"(2< {"t":"peer-left","room":"r","peer":"bob","reason":"left"})"}));
  native_->closed(now_, 3, CloseReason::Lost, frames_);
  EXPECT_EQ(said(), Lines{});
}

TEST_F(NativeTest, ASession) {
  member(1, "ada"), member(2, "bob");
  EXPECT_EQ(say(1, R"({"t":"join","id":"1","room":"r","meta":{ "name" : "Ada" }})"),
            Lines{R"(1< {"t":"joined","id":"1","room":"r","peers":[]})"});
  EXPECT_EQ(
      say(2, R"({"t":"join","id":1.5e3,"room":"r"})"),
      (Lines{
          R"(2< {"t":"joined","id":1.5e3,"room":"r","peers":[{"peer":"ada","meta":{ "name" : "Ada" },"polite":false}]})",
          R"(1< {"t":"peer-joined","room":"r","peer":"bob","meta":null,"polite":true})"}));
  EXPECT_EQ(
      say(2,
          R"({"t":"send","id":"o","room":"r","to":"ada","kind":"offer","data":{"sdp" : "v=0\r\n\u00e9"},"from":"eve"})"),
      (Lines{R"(2< {"t":"ok","id":"o","delivered":1,"queued":0})",
             R"(1< {"t":"msg","room":"r","from":"bob","kind":"offer","data":{"sdp" : "v=0\r\n\u00e9"}})"}));
  EXPECT_EQ(say(1, R"({"t":"send","to":"bob","kind":"end"})"),
            Lines{R"(2< {"t":"msg","from":"ada","kind":"end","data":null})"})
      << "without id no ok, without room no room";
  EXPECT_EQ(
      say(1, R"({"t":"update","id":2,"room":"r","meta":[]})"),
      (Lines{R"(1< {"t":"ok","id":2})", R"(2< {"t":"peer-updated","room":"r","peer":"ada","meta":[]})"}));
  EXPECT_EQ(say(2, R"({"t":"list","id":3,"room":"r"})"),
            Lines{R"(2< {"t":"list","id":3,"room":"r","peers":[{"peer":"ada","meta":[],"polite":false}]})"});
  EXPECT_EQ(say(1, R"({"t":"ice","id":4})"), Lines{R"(1< {"t":"ice","id":4,)" + std::string(kServers) + "}"});
  EXPECT_EQ(say(1, R"({"t":"ping","id":5})"), Lines{R"(1< {"t":"pong","id":5})"});
  EXPECT_EQ(say(1, R"({"t":"ping"})"), Lines{R"(1< {"t":"pong"})"});
  EXPECT_EQ(say(1, R"({"t":"ack","seq":9})"), Lines{});
  EXPECT_EQ(
      say(2, R"({"t":"leave","id":6,"room":"r"})"),
      (Lines{R"(2< {"t":"ok","id":6})", R"(1< {"t":"peer-left","room":"r","peer":"bob","reason":"left"})"}));
}

TEST_F(NativeTest, ErrorsOfMembersDoNotClose) {
  member(1, "ada", "r"), member(2, "bob", "r"), member(3, "cid", "r"), member(4, "dan", "s");
  said();
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"t":"fly"})", "unknown_type"},
      {R"({"t":"unknown"})", "unknown_type"},
      {R"({"t":"invalid"})", "unknown_type"},
      {R"({"t":"welcome"})", "unknown_type"},
      {R"({"t":"resume"})", "unknown_type"},
      {R"({"t":"hello","v":1,"token":"secret"})", "bad_request"},
      {R"({"t":null})", "bad_request"},
      {R"({"id":1})", "bad_request"},
      {R"({"t":"join"})", "bad_request"},
      {R"({"t":"join","room":""})", "bad_request"},
      {R"({"t":"join","room":null})", "bad_request"},
      {R"({"t":"join","room":7})", "bad_request"},
      {R"({"t":"join","room":"\n"})", "bad_request"},
      {R"({"t":"join","room":"r"})", "room_full"},
      {R"({"t":"leave"})", "bad_request"},
      {R"({"t":"leave","room":"r"})", "not_joined"},
      {R"({"t":"list"})", "bad_request"},
      {R"({"t":"list","room":"r"})", "not_joined"},
      {R"({"t":"update"})", "bad_request"},
      {R"({"t":"update","meta":1,"room":"r"})", "not_joined"},
      {R"({"t":"update","meta":1,"room":false})", "bad_request"},
      {R"({"t":"update","meta":")" + std::string(4096, 'm') + "\"}", "too_large"},
      {R"({"t":"send"})", "bad_request"},
      {R"({"t":"send","to":"ada","kind":"offer"})", "unknown_target"},
      {R"({"t":"send","to":"ada","kind":"offer","room":"r"})", "not_joined"},
      {R"({"t":"send","to":"ada","kind":"Offer"})", "bad_request"},
      {R"({"t":"send","to":"ada","kind":3})", "bad_request"},
      {R"({"t":"send","to":"ada"})", "bad_request"},
      {R"({"t":"send","to":[],"kind":"end"})", "bad_request"},
      {R"({"t":"send","to":["ada",1],"kind":"end"})", "bad_request"},
      {R"({"t":"send","to":{},"kind":"end"})", "bad_request"},
      {R"({"t":"send","to":null,"kind":"end"})", "bad_request"},
      {R"({"t":"send","to":["*"],"kind":"end"})", "unknown_target"},
      {R"({"t":"send","to":"x","kind":"end","queue":-1})", "bad_request"},
      {R"({"t":"send","to":"x","kind":"end","queue":1.5})", "bad_request"},
      {R"({"t":"send","to":"x","kind":"end","queue":"1"})", "bad_request"},
      {R"({"t":"send","to":"x","kind":"end","queue":99999999999999999999})", "bad_request"},
      {R"({"t":"send","to":"x","kind":"end","queue":0})", "unknown_target"},
      {R"({"t":"send","to":"x","kind":"end","queue":null,"room":null})", "unknown_target"},
      {R"({"t":"ping","t":"fly"})", "unknown_type"},
      {R"({"t":"fl\u0079"})", "unknown_type"},
      {R"({"t":"ping","id":{}})", "bad_request"},
      {R"({"t":"ping","id":")" + std::string(127, 'i') + "\"}", "bad_request"},
      {R"({"t":"ping")", "bad_json"},
      {R"({"t":"ping"}{)", "bad_json"},
      {R"("ping")", "bad_json"},
      {"", "bad_json"},
      {"{\"t\":\"ping\",\"x\":\"\xFF\"}", "bad_json"},
      {R"({"t":"ping","x":)" + std::string(40, '[') + std::string(40, ']') + "}", "bad_json"},
      {R"({"t":"ping","x":)" + std::string(5000, '['), "bad_json"},
      {R"({"t":"ping","x":")" + std::string(9000, 'x') + "\"}", "too_large"},
  };
  const signal::Counters before = router_->counters();
  for (const auto& [text, code] : cases) {
    const Lines lines = say(4, text);
    ASSERT_EQ(lines.size(), 1U) << text;
    ASSERT_TRUE(lines[0].starts_with("4< ")) << lines[0];
    EXPECT_EQ(nlohmann::json::parse(lines[0].substr(3))["code"], code) << text.substr(0, 80);
  }
  EXPECT_EQ(router_->counters().rooms, before.rooms);
  EXPECT_EQ(router_->counters().memberships, before.memberships);
  EXPECT_EQ(router_->counters().queued, 0U);
  EXPECT_EQ(say(4, R"({"t":"send","id":"a\"b","to":"x","kind":"end"})"),
            Lines{R"(4< {"t":"error","id":"a\"b","code":"unknown_target","message":"no such peer here"})"})
      << "ids are echoed in errors, as they came";
}

TEST_F(NativeTest, UnknownMembersAreIgnoredAndTheLastDuplicateWins) {
  member(1, "ada");
  EXPECT_EQ(say(1, R"({"x":[{}],"id":1,"t":"fly","__proto__":{"t":"bye"},"id":2,"\u0074":"ping"})"),
            Lines{R"(1< {"t":"pong","id":2})"});
}

TEST_F(NativeTest, NamesAreEscaped) {
  member(1, R"(a\"\\<\/b>\u00e9)");
  member(2, "bob");
  say(1, R"({"t":"join","room":"\"r\""})"), say(2, R"({"t":"join","room":"\"r\""})");
  EXPECT_EQ(say(1, R"({"t":"send","room":"\"r\"","to":"b\u006fb","kind":"custom","data":1})"),
            Lines{"2< "
                  "{\"t\":\"msg\",\"room\":\"\\\"r\\\"\",\"from\":\"a\\\"\\\\</"
                  "b>\xC3\xA9\",\"kind\":\"custom\",\"data\":1}"});
}

TEST_F(NativeTest, ABroadcastIsOneText) {
  member(1, "ada", "r"), member(2, "bob", "r"), member(3, "cid", "r");
  frames_.clear();
  native_->text(now_, 1, R"({"t":"send","to":"*","kind":"custom","data":0})", frames_);
  ASSERT_EQ(frames_.size(), 2U);
  EXPECT_EQ(frames_[0].text, frames_[1].text);
  EXPECT_EQ(*frames_[0].text, R"({"t":"msg","from":"ada","kind":"custom","data":0})");
}

TEST_F(NativeTest, QueueAndExpiry) {
  member(1, "ada", "r");
  said();
  EXPECT_EQ(
      say(1, R"({"t":"send","id":1,"room":"r","to":["bob","cid"],"kind":"offer","data":{},"queue":500})"),
      Lines{R"(1< {"t":"ok","id":1,"delivered":0,"queued":2})"});
  EXPECT_EQ(
      say(1, R"({"t":"send","id":2,"room":"r","to":"bob","kind":"offer","queue":500})"),
      Lines{R"(1< {"t":"error","id":2,"code":"queue_full","message":"too many messages wait already"})"});
  member(2, "bob");
  EXPECT_EQ(say(2, R"({"t":"join","room":"r"})"),
            (Lines{R"(2< {"t":"joined","room":"r","peers":[{"peer":"ada","meta":null,"polite":false}]})",
                   R"(1< {"t":"peer-joined","room":"r","peer":"bob","meta":null,"polite":true})",
                   R"(2< {"t":"msg","room":"r","from":"ada","kind":"offer","data":{}})"}));
  EXPECT_EQ(native_->next_deadline(), now_.mono + 500ms);
  now_.mono += 500ms;
  EXPECT_EQ(tick(), Lines{R"(1< {"t":"expired","to":"cid"})"});
}

TEST_F(NativeTest, Deadlines) {
  open(1);
  member(2, "ada", "r"), member(3, "bob", "r");
  said();
  now_.mono += 10s;
  native_->alive(now_, 2);
  EXPECT_EQ(tick(), Lines{"1! 4008 no hello in time"});
  now_.mono += 40s;
  EXPECT_EQ(tick(), (Lines{"3! 4008 silent for too long",
                           R"(2< {"t":"peer-left","room":"r","peer":"bob","reason":"lost"})"}));
  for (int i = 0; i < 10; ++i) now_.mono += 40s, say(2, R"({"t":"ping"})");
  EXPECT_EQ(tick(), Lines{R"(2< {"t":"ice",)" + std::string(kServers) + "}"});
}

TEST_F(NativeTest, RateLimitedRequestsKeepTheirId) {
  signal::Options o = options();
  o.message_burst = 2, o.messages_per_second = 1;
  start(o);
  member(1, "ada");
  EXPECT_EQ(say(1, R"({"t":"ping"})"), Lines{R"(1< {"t":"pong"})"});
  EXPECT_EQ(
      say(1, R"({"t":"join","id":"j","room":"r"})"),
      Lines{
          R"(1< {"t":"error","id":"j","code":"rate_limited","message":"too many messages","retryAfter":1.000})"});
  EXPECT_EQ(router_->counters().rooms, 0U);
  now_.mono += 250ms;
  EXPECT_EQ(
      say(1, "garbage"),
      Lines{R"(1< {"t":"error","code":"rate_limited","message":"too many messages","retryAfter":0.750})"});
  Lines last;
  int refusals = 2;
  while (router_->knows(1)) last = say(1, R"({"t":"ping"})"), ++refusals;
  EXPECT_EQ(refusals, static_cast<int>(signal::kMaxRefusals));
  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(last[1], "1! 4029 too many messages");
}

TEST_F(NativeTest, BytesAndJoinsHaveRates) {
  signal::Options o = options();
  o.joins_per_second = 1;
  start(o);
  member(1, "ada");
  for (int i = 0; i < 4; ++i) say(1, R"({"t":"join","room":"r"})"), say(1, R"({"t":"leave","room":"r"})");
  const std::string refused = say(1, R"({"t":"join","id":"j","room":"r"})").at(0);
  EXPECT_TRUE(refused.starts_with(
      R"(1< {"t":"error","id":"j","code":"rate_limited","message":"too many joins","retryAfter":)"))
      << refused;
  EXPECT_EQ(say(1, R"({"t":"ping"})"), Lines{R"(1< {"t":"pong"})"});
  o.joins_per_second = 0, o.bytes_per_second = 20;
  start(o);
  member(2, "bob");
  Lines last;
  for (int i = 0; i < 10; ++i) last = say(2, R"({"t":"ping"})");
  EXPECT_NE(last.at(0).find(R"("code":"rate_limited","message":"too many bytes","retryAfter":)"),
            std::string::npos)
      << last.at(0);
}

TEST_F(NativeTest, LimitsDrainAndTheEnd) {
  for (ConnectionId id = 1; id <= 20; ++id) open(id);
  EXPECT_EQ(said(), Lines{});
  open(21);
  EXPECT_EQ(
      said(),
      (Lines{
          R"(21< {"t":"error","code":"rate_limited","message":"too many connections","retryAfter":10.000})",
          "21! 4008 too many connections"}));
  say(1, R"({"t":"hello","v":1,"token":"secret","peer":"ada"})");
  native_->drain(now_, {2500ms, {}, {}}, frames_);
  EXPECT_EQ(said(), Lines{R"(1< {"t":"goaway","retryAfter":2.500})"});
  open(22);
  EXPECT_EQ(
      said(),
      (Lines{
          R"(22< {"t":"error","code":"server_draining","message":"the server is about to stop","retryAfter":2.500})",
          "22! 1012 draining"}));
  native_->slow_consumer(now_, 1, frames_);
  EXPECT_EQ(said(), Lines{"1! 4008 slow_consumer"});
  native_->close_all(now_, CloseCode::Restart, frames_);
  EXPECT_EQ(said().size(), 19U);
  EXPECT_EQ(router_->counters().connections, 0U);
}

TEST_F(NativeTest, Kicked) {
  member(1, "ada");
  signal::Outbox out;
  router_->kick(1, ErrorCode::Forbidden, "by an admin", out);
  EXPECT_EQ(out.items().size(), 2U);
}

TEST_F(NativeTest, Counts) {
  member(1, "ada", "r"), member(2, "bob", "r");
  say(1, R"({"t":"send","to":"bob","kind":"offer"})");
  say(1, R"({"t":"send","to":"cid","kind":"offer"})");
  say(1, "x");
  say(1, R"({"t":"fly"})");
  const signal::Counters& c = router_->counters();
  const auto messages = [&](MessageType t, ErrorCode e) {
    return c.messages[signal::index(t)][signal::index(e)];
  };
  EXPECT_EQ(messages(MessageType::Hello, ErrorCode::None), 2U);
  EXPECT_EQ(messages(MessageType::Join, ErrorCode::None), 2U);
  EXPECT_EQ(messages(MessageType::Send, ErrorCode::None), 1U);
  EXPECT_EQ(messages(MessageType::Send, ErrorCode::UnknownTarget), 1U);
  EXPECT_EQ(messages(MessageType::Invalid, ErrorCode::BadJson), 1U);
  EXPECT_EQ(messages(MessageType::Unknown, ErrorCode::UnknownType), 1U);
  EXPECT_EQ(c.received.messages, 8U);
  EXPECT_EQ(c.sent.messages, 9U);
  EXPECT_EQ(c.relayed[signal::index(signal::Kind::Offer)], 1U);
  EXPECT_EQ(c.members, 2U);
}

/// Hostile sessions: no answer is malformed, closed connections stay silent, and nothing stays behind.
TEST_F(NativeTest, RandomSessionsLeaveNothingBehind) {
  const std::vector<std::string> texts{
      R"({"t":"hello","v":1,"token":"secret","peer":"p1"})",
      R"({"t":"hello","v":1,"token":"secret"})",
      R"({"t":"hello","v":1,"token":"wrong"})",
      R"({"t":"join","id":1,"room":"r"})",
      R"({"t":"join","id":1,"room":"s","meta":{"a":1}})",
      R"({"t":"join","room":"u"})",
      R"({"t":"leave","room":"r"})",
      R"({"t":"leave","room":"s"})",
      R"({"t":"send","id":"x","to":"*","kind":"custom","data":[1,2]})",
      R"({"t":"send","id":"x","room":"r","to":["p1","p2"],"kind":"offer","queue":50})",
      R"({"t":"send","id":"x","room":"s","to":"p1","kind":"offer","queue":5000})",
      R"({"t":"update","meta":5})",
      R"({"t":"list","room":"r"})",
      R"({"t":"ice"})",
      R"({"t":"ping"})",
      R"({"t":"bye"})",
      R"({"t":"ack","seq":1})"};
  std::mt19937 random(11);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  std::set<ConnectionId> live;
  ConnectionId next = 1;
  for (int step = 0; step < 30'000; ++step) {
    if (live.size() < 8 && below(4) == 0) {
      live.insert(next);
      open(next);
      if (below(8) != 0) {
        native_->text(now_, next, texts[below(2)], frames_);
        native_->text(now_, next, texts[3], frames_);
      }
      ++next;
    } else if (!live.empty()) {
      auto at = live.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(below(live.size())));
      std::string text = texts[3 + below(texts.size() - 3)];
      if (below(20) == 0) text[below(text.size())] = static_cast<char>(below(256));
      if (below(60) == 0) {
        native_->closed(now_, *at, CloseReason::Lost, frames_);
        live.erase(at);
      } else {
        native_->text(now_, *at, text, frames_);
      }
    }
    now_.mono += std::chrono::milliseconds(below(40));
    native_->tick(now_, frames_);
    for (const Frame& f : frames_) {
      ASSERT_TRUE(live.contains(f.connection) || f.close_code != 0);
      if (f.close_code != 0) {
        live.erase(f.connection);
      } else {
        ASSERT_TRUE(json::valid(*f.text)) << *f.text;
      }
    }
    frames_.clear();
    ASSERT_EQ(router_->counters().connections, live.size());
  }
  for (const ConnectionId id : live) native_->closed(now_, id, CloseReason::Lost, frames_);
  const signal::Counters& c = router_->counters();
  EXPECT_EQ(c.connections + c.members + c.rooms + c.memberships + c.queued, 0U);
  EXPECT_GT(c.relayed[signal::index(signal::Kind::Offer)], 100U);
  now_.mono += 1h;
  frames_.clear();
  native_->tick(now_, frames_);
  EXPECT_TRUE(frames_.empty());
  EXPECT_EQ(native_->next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace ts::dialect
