// SPDX-License-Identifier: Apache-2.0
// Options of rooms and kicks, over the native protocol.
#include "support.hpp"

namespace ts::dialect {
namespace {

using nlohmann::json;

class RoomsTest : public NativeTest {
 protected:
  std::string code(ConnectionId id, const std::string& text) {
    const Lines lines = say(id, text);
    const json m = json::parse(lines.at(0).substr(lines.at(0).find(' ') + 1));
    return m.value("code", m["t"].get<std::string>());
  }
};

TEST_F(RoomsTest, WhoMakesARoomSetsItsOptions) {
  member(1, "ada"), member(2, "bob"), member(3, "cid");
  EXPECT_EQ(
      say(1, R"({"t":"join","room":"r","options":{"size":2,"locked":null,"meta":{"topic":"tea"}}})"),
      Lines{
          R"(1< {"t":"joined","room":"r","peers":[],"options":{"size":2,"locked":false,"meta":{"topic":"tea"}}})"});
  EXPECT_EQ(
      say(2, R"({"t":"join","room":"r","options":{"size":9}})").at(0),
      R"(2< {"t":"joined","room":"r","peers":[{"peer":"ada","meta":null,"polite":false}],"options":{"size":2,"locked":false,"meta":{"topic":"tea"}}})");
  EXPECT_EQ(code(3, R"({"t":"join","room":"r"})"), "room_full");
  EXPECT_EQ(say(1, R"({"t":"room","id":1,"room":"r","size":0,"locked":true})"),
            (Lines{R"(1< {"t":"ok","id":1})",
                   R"(2< {"t":"room-updated","room":"r","size":0,"locked":true,"meta":{"topic":"tea"}})"}));
  EXPECT_EQ(code(3, R"({"t":"join","room":"r"})"), "room_locked");
  EXPECT_EQ(code(2, R"({"t":"join","room":"r"})"), "joined") << "who is in stays in";
  EXPECT_EQ(code(2, R"({"t":"room","room":"r","locked":false})"), "forbidden");
  EXPECT_EQ(code(3, R"({"t":"room","room":"r","locked":false})"), "not_joined");
  EXPECT_EQ(code(1, R"({"t":"room","room":"r"})"), "bad_request");
  EXPECT_EQ(code(1, R"({"t":"room","room":"r","size":-1})"), "bad_request");
  EXPECT_EQ(code(1, R"({"t":"room","room":"r","size":"2"})"), "bad_request");
  EXPECT_EQ(code(1, R"({"t":"room","room":"r","locked":1})"), "bad_request");
  EXPECT_EQ(code(1, R"({"t":"room","locked":true})"), "bad_request");
  EXPECT_EQ(code(1, R"({"t":"room","room":"r","meta":")" + std::string(4096, 'm') + "\"}"), "too_large");
  EXPECT_EQ(code(3, R"({"t":"join","room":"new","options":[]})"), "bad_request");
  EXPECT_EQ(code(3, R"({"t":"join","room":"new","options":{"meta":")" + std::string(4096, 'm') + "\"}}"),
            "too_large");
  EXPECT_EQ(router_->counters().rooms, 1U);
  // The next one in the row moderates when the first has gone.
  say(1, R"({"t":"leave","room":"r"})");
  EXPECT_EQ(code(2, R"({"t":"room","id":1,"room":"r","locked":false,"size":99999999999})"), "ok");
  EXPECT_EQ(code(3, R"({"t":"join","room":"r"})"), "joined");
  // An empty room is forgotten with its options.
  say(2, R"({"t":"leave","room":"r"})"), say(3, R"({"t":"leave","room":"r"})");
  EXPECT_EQ(say(3, R"({"t":"join","room":"r"})"), Lines{R"(3< {"t":"joined","room":"r","peers":[]})"});
}

TEST_F(RoomsTest, Kick) {
  member(1, "ada", "r"), member(2, "bob", "r"), member(3, "cid", "r"), member(4, "dan");
  said();
  EXPECT_EQ(code(2, R"({"t":"kick","room":"r","peer":"cid"})"), "forbidden");
  EXPECT_EQ(code(4, R"({"t":"kick","room":"r","peer":"cid"})"), "not_joined");
  EXPECT_EQ(code(1, R"({"t":"kick","room":"r","peer":"dan"})"), "unknown_target");
  EXPECT_EQ(code(1, R"({"t":"kick","room":"r","peer":"nobody"})"), "unknown_target");
  EXPECT_EQ(code(1, R"({"t":"kick","room":"r","peer":"ada"})"), "bad_request");
  EXPECT_EQ(code(1, R"({"t":"kick","room":"r"})"), "bad_request");
  EXPECT_EQ(code(1, R"({"t":"kick","peer":"bob"})"), "bad_request");
  EXPECT_EQ(code(1, R"({"t":"kick","room":"r","peer":"cid","reason":")" + std::string(257, 'x') + "\"}"),
            "too_large");
  EXPECT_EQ(say(1, R"({"t":"kick","id":1,"room":"r","peer":"cid","reason":"no\u0020tea"})"),
            (Lines{R"(1< {"t":"ok","id":1})",
                   R"(3< {"t":"kicked","room":"r","code":"forbidden","reason":"no tea"})",
                   R"(1< {"t":"peer-left","room":"r","peer":"cid","reason":"kicked"})",
                   R"(2< {"t":"peer-left","room":"r","peer":"cid","reason":"kicked"})"}));
  EXPECT_TRUE(router_->is_member(3)) << "only the room is left";
  EXPECT_EQ(code(3, R"({"t":"send","room":"r","to":"*","kind":"custom"})"), "not_joined");
}

TEST_F(RoomsTest, Ban) {
  member(1, "ada", "r"), member(2, "bob", "r"), member(3, "cid", "r"), member(4, "dan");
  said();
  EXPECT_EQ(code(2, R"({"t":"ban","room":"r","peer":"cid","seconds":9})"), "forbidden");
  EXPECT_EQ(code(4, R"({"t":"ban","room":"r","peer":"cid","seconds":9})"), "not_joined");
  EXPECT_EQ(code(1, R"({"t":"ban","room":"r","peer":"ada","seconds":9})"), "bad_request");
  for (const char* seconds : {"-1", "1.5", "\"9\"", "null", "true"}) {
    EXPECT_EQ(code(1, R"({"t":"ban","room":"r","peer":"cid","seconds":)" + std::string(seconds) + "}"),
              "bad_request")
        << seconds;
  }
  EXPECT_EQ(code(1, R"({"t":"ban","room":"r","peer":"cid"})"), "bad_request");
  EXPECT_EQ(code(1, R"({"t":"ban","room":"r","peer":"a\u0000","seconds":9})"), "bad_request");
  EXPECT_EQ(
      code(1, R"({"t":"ban","room":"r","peer":"cid","seconds":9,"reason":")" + std::string(257, 'x') + "\"}"),
      "too_large");
  EXPECT_EQ(
      say(1, R"({"t":"ban","id":1,"room":"r","peer":"cid","seconds":60,"reason":"no"})"),
      (Lines{R"(1< {"t":"ok","id":1})", R"(3< {"t":"kicked","room":"r","code":"forbidden","reason":"no"})",
             R"(1< {"t":"peer-left","room":"r","peer":"cid","reason":"kicked"})",
             R"(2< {"t":"peer-left","room":"r","peer":"cid","reason":"kicked"})"}));
  now_.mono += 20s;
  EXPECT_EQ(
      say(3, R"({"t":"join","id":7,"room":"r"})"),
      Lines{
          R"(3< {"t":"error","id":7,"code":"forbidden","message":"banned from this room","retryAfter":40.000})"});
  EXPECT_EQ(code(4, R"({"t":"join","room":"r"})"), "joined") << "with the same token, but another peer id";
  EXPECT_EQ(code(3, R"({"t":"join","room":"elsewhere"})"), "joined");
  say(4, R"({"t":"leave","room":"r"})");
  now_.mono += 40s;
  EXPECT_EQ(code(3, R"({"t":"join","room":"r"})"), "joined");
}

TEST_F(RoomsTest, ABanEndsEarlierOrComesEarlier) {
  member(1, "ada", "r");
  EXPECT_EQ(code(1, R"({"t":"ban","id":1,"room":"r","peer":"bob","seconds":99999999999999999999})"),
            "bad_request");
  EXPECT_EQ(code(1, R"({"t":"ban","id":1,"room":"r","peer":"bob","seconds":999999999999})"), "ok");
  member(2, "bob");
  now_.mono += 24h * 6;
  native_->alive(now_, 1), native_->alive(now_, 2);
  EXPECT_EQ(code(2, R"({"t":"join","room":"r"})"), "forbidden") << "who was not there either";
  EXPECT_EQ(code(1, R"({"t":"ban","id":1,"room":"r","peer":"bob","seconds":0})"), "ok");
  EXPECT_EQ(code(2, R"({"t":"join","room":"r"})"), "joined");
  EXPECT_EQ(code(1, R"({"t":"ban","id":1,"room":"r","peer":"bob","seconds":5})"), "ok");
  EXPECT_EQ(code(2, R"({"t":"join","room":"r"})"), "forbidden");
  say(1, R"({"t":"leave","room":"r"})");
  EXPECT_EQ(code(2, R"({"t":"join","room":"r"})"), "joined") << "the room was gone, and its bans with it";
}

TEST_F(RoomsTest, BansAreBounded) {
  signal::Options o = options();
  o.messages_per_second = 0;
  start(o);
  member(1, "ada", "r");
  for (std::size_t i = 0; i < signal::kMaxBansOfSeniors; ++i) {
    const std::string name = "p" + std::to_string(i);
    ASSERT_EQ(code(1, R"({"t":"ban","id":1,"room":"r","peer":")" + name + R"(","seconds":9})"), "ok");
  }
  EXPECT_EQ(code(1, R"({"t":"ban","id":1,"room":"r","peer":"p0","seconds":9})"), "ok") << "one of them again";
  EXPECT_EQ(code(1, R"({"t":"ban","id":1,"room":"r","peer":"more","seconds":9})"), "forbidden");
  now_.mono += 9s;
  EXPECT_EQ(code(1, R"({"t":"ban","id":1,"room":"r","peer":"more","seconds":9})"), "ok");
}

TEST_F(RoomsTest, ALockedRoomDoesNotLetTheKickedBackIn) {
  member(1, "ada", "r"), member(2, "bob", "r");
  said();
  say(1, R"({"t":"room","room":"r","locked":true})");
  say(1, R"({"t":"kick","room":"r","peer":"bob"})");
  EXPECT_EQ(code(2, R"({"t":"join","room":"r"})"), "room_locked");
}

TEST_F(RoomsTest, RightsOfTheToken) {
  signal::Options o = options();
  o.token_can = {"join", "ice"};
  start(o);
  member(1, "ada");
  EXPECT_EQ(code(1, R"({"t":"join","room":"r"})"), "forbidden") << "nobody may make rooms";
  o.token_can = {"join", "create"};
  start(o);
  open(1);
  const Lines lines = say(1, R"({"t":"hello","v":1,"token":"secret","peer":"ada"})");
  EXPECT_EQ(json::parse(lines.at(0).substr(3))["ice"]["servers"].size(), 0U);
  say(1, R"({"t":"join","room":"r"})");
  EXPECT_EQ(code(1, R"({"t":"send","room":"r","to":"*","kind":"custom"})"), "forbidden");
  o.token_can = {"join", "create", "send", "ice", "room", "kick", "ban"};
  start(o);
  member(1, "ada", "r"), member(2, "bob", "r"), member(3, "cid");
  said();
  EXPECT_EQ(code(2, R"({"t":"room","id":1,"room":"r","locked":true})"), "ok") << "not the first, but allowed";
  EXPECT_EQ(code(3, R"({"t":"join","room":"r"})"), "joined") << "who may change options may come in";
  EXPECT_EQ(code(2, R"({"t":"ban","id":1,"room":"r","peer":"cid","seconds":9})"), "ok");
  EXPECT_EQ(code(2, R"({"t":"kick","id":1,"room":"r","peer":"ada"})"), "ok");
}

TEST_F(RoomsTest, ARoomMayBeClosed) {
  member(1, "ada", "r"), member(2, "bob", "r");
  said();
  signal::Outbox out;
  EXPECT_TRUE(router_->close_room(now_, "r", "over", out));
  EXPECT_EQ(out.items().size(), 3U) << "two kicks, and one tells the other that the first has left";
  EXPECT_FALSE(router_->close_room(now_, "r", "over", out));
  EXPECT_EQ(router_->counters().rooms, 0U);
  EXPECT_EQ(router_->counters().members, 2U);
}

}  // namespace
}  // namespace ts::dialect
