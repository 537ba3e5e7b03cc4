// SPDX-License-Identifier: Apache-2.0
// The signal application over a real Router on a fake clock: the events of the server that it replaces, and
// what that one got wrong; in one room with the native protocol.
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <turnstone/dialect/native.hpp>
#include <turnstone/dialect/sio_app.hpp>

namespace ts::dialect {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using Lines = std::vector<std::string>;

class SeededRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& b : out) b = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937 engine_{7};
};

signal::Options signal_options() {
  signal::Options o;
  o.token = "secret";
  o.max_members_per_room = 4;
  o.max_message_bytes = 1024;
  return o;
}

/// Of each token what was put in for it.
class Tokens final : public signal::Authenticator {
 public:
  signal::Identity& add(const std::string& token) {
    auto made = std::make_shared<signal::Identity>();
    made->credential = token;
    made->can = signal::Rights::all();
    known_[token] = made;
    return *made;
  }
  Result<std::shared_ptr<const signal::Identity>, signal::Failure> authenticate(
      const Now& now, std::string_view token) override {
    const auto found = known_.find(std::string(token));
    if (found == known_.end()) return signal::Failure{signal::ErrorCode::Unauthorized, "unknown"};
    if (found->second->expires <= now.wall) return signal::Failure{signal::ErrorCode::TokenExpired, "late"};
    return std::shared_ptr<const signal::Identity>(found->second);
  }

 private:
  std::map<std::string, std::shared_ptr<signal::Identity>> known_;
};

class SioAppTest : public ::testing::Test {
 protected:
  void SetUp() override { start({}); }
  void start(const SocketIoOptions& options, const signal::Options& rules = signal_options(),
             signal::Authenticator* authenticator = nullptr) {
    app_.reset();
    sio_.reset();
    native_.reset();
    router_ = std::make_unique<signal::Router>(rules, random_, ice_, authenticator);
    native_ = std::make_unique<Native>(*router_);
    sio_ = std::make_unique<SocketIo>(options, random_);
    app_ = std::make_unique<SioApp>(options, *router_, *sio_, 1);
    native_->set_others([this](const signal::Outbox& o) { app_->deliver(now_, o); });
    app_->set_others([this](const Now&, const signal::Outbox& o) { native_->deliver(o, frames_); });
  }

  /// "1 text": what WebSocket 1 is told; "1 x": it is closed; "n9 text": what native connection 9 is told.
  Lines said() {
    Lines out;
    for (const EngineAction& action : sio_->engine().take_actions(now_)) {
      if (const auto* frame = std::get_if<EngineFrame>(&action)) {
        out.push_back(std::to_string(frame->socket) + (frame->wire.binary ? " b:" : " ") +
                      *frame->wire.bytes);
      } else if (const auto* close = std::get_if<EngineCloseSocket>(&action)) {
        out.push_back(std::to_string(close->socket) + " x");
      }
    }
    for (const Frame& f : std::exchange(frames_, {})) {
      out.push_back("n" + std::to_string(f.connection) + " " + *f.text);
    }
    return out;
  }
  Lines say(EngineSocketId id, std::string_view text, bool binary = false) {
    sio_->engine().socket_message(now_, id, binary, text);
    return said();
  }
  Lines connect(EngineSocketId id, const std::string& auth = R"({"token":"secret"})") {
    sio_->engine().socket_opened(now_, id, {"4", "websocket", ""}, IpAddress{});
    said();
    Lines lines = say(id, "40" + auth);
    if (lines.size() == 1 && lines[0].find("40{\"sid\":\"") != std::string::npos) {
      sids_[id] = lines[0].substr(lines[0].find("sid") + 6, 20);
    }
    return lines;
  }
  Lines ready(EngineSocketId id, const std::string& name, const std::string& type = {}) {
    return say(id, "42[\"ready\",\"" + name + "\"" + (type.empty() ? "" : "," + type) + "]");
  }
  Lines connect_from(EngineSocketId id, const IpAddress& address) {
    sio_->engine().socket_opened(now_, id, {"4", "websocket", ""}, address);
    said();
    return say(id, R"(40{"token":"secret"})");
  }
  void lose(EngineSocketId id) { sio_->engine().socket_closed(now_, id, EngineEnd::TransportClose); }
  Lines after(Duration time) {
    now_.mono += time;
    sio_->tick(now_);
    app_->tick(now_);
    native_->tick(now_, frames_);
    return said();
  }
  Lines native(signal::ConnectionId id, std::string_view text) {
    native_->text(now_, id, text, frames_);
    return said();
  }
  void native_member(signal::ConnectionId id, const std::string& name) {
    native_->opened(now_, id, Endpoint{}, frames_);
    native(id, R"({"t":"hello","v":1,"token":"secret","peer":")" + name + "\"}");
    native(id, R"({"t":"join","room":"default"})");
  }
  std::string entry(EngineSocketId id, const std::string& name, const std::string& type = {}) {
    return R"({"socketId":")" + sids_[id] + R"(","peerId":")" + name + "\"" +
           (type.empty() ? "" : ",\"peerType\":" + type) + "}";
  }
  static std::string existing(const std::string& name, const std::string& list) {
    return R"(42["message",{"from":"all","target":")" + name +
           R"(","payload":{"action":"open","connections":[)" + list + R"(],"bePolite":false}}])";
  }
  static std::string opened(const std::string& name, const std::string& entry) {
    return R"(42["message",{"from":")" + name +
           R"(","target":"all","payload":{"action":"open","connections":[)" + entry +
           R"(],"bePolite":true}}])";
  }
  static std::string closed(const std::string& name) {
    return R"(42["message",{"from":")" + name +
           R"(","target":"all","payload":{"action":"close","message":"Peer has left the signaling server"}}])";
  }
  static std::string taken(const std::string& name) {
    const std::string why = "\"" + name +
                            " is already connected to the signalling server. Please change your peer ID and "
                            "try again.\"";
    return "42[\"uniquenessError\",{\"message\":" + why + ",\"error\":" + why + "}]";
  }

  SeededRandom random_;
  signal::UrlIceProvider ice_{{"stun:s.test"}};
  Now now_{TimePoint(1h), WallTime(1s)};
  std::unique_ptr<signal::Router> router_;
  std::unique_ptr<Native> native_;
  std::unique_ptr<SocketIo> sio_;
  std::unique_ptr<SioApp> app_;
  Frames frames_;
  std::map<EngineSocketId, std::string> sids_;
};

TEST_F(SioAppTest, LetsInWhoHasTheToken) {
  EXPECT_EQ(connect(1).size(), 1U);
  for (const char* auth :
       {"", R"({"token":"wrong"})", R"({"token":1})", R"({"token":""})", R"({"Token":"secret"})"}) {
    EXPECT_EQ(connect(2, auth), Lines{R"(2 44{"message":"Authentication error"})"}) << auth;
    EXPECT_EQ(connect(2).size(), 1U);  // the engine stays, and another try counts
    lose(2);
  }
  EXPECT_EQ(connect(3, R"({"token":"secret","room":"a\u0001b"})"),
            Lines{R"(3 44{"message":"Invalid room"})"});
}

// Its clients come back by themselves when the engine closes, and not after a disconnect that was said.
TEST_F(SioAppTest, ADrainSendsClientsElsewhere) {
  connect(1), connect(2);
  ready(1, "ada");
  native_->drain(now_, {1s, {}, 500ms}, frames_);
  EXPECT_EQ(said(), Lines{}) << "there is no word for it";
  const Lines late = ready(2, "bob");
  EXPECT_EQ(late, Lines{"2 x"}) << "it would have no room here";
  EXPECT_EQ(after(1499ms), Lines{});
  EXPECT_EQ(after(1ms), Lines{"1 x"});
  EXPECT_EQ(router_->counters().members, 0U);
}

TEST_F(SioAppTest, TokensSayWhichRoomsOneMayHear) {
  Tokens tokens;
  signal::Identity& tea = tokens.add("tea");
  tea.all_rooms = false;
  tea.rooms = {"party-*", "tea"};
  tokens.add("deaf").can = signal::Rights::of({"send"});
  tokens.add("late").expires = now_.wall;
  start({}, signal_options(), &tokens);
  const std::string forbidden = R"(44{"message":"Forbidden room","data":{"code":"forbidden"}})";
  EXPECT_EQ(connect(1, R"({"token":"tea","room":"coffee"})"), Lines{"1 " + forbidden});
  EXPECT_EQ(connect(2, R"({"token":"deaf"})"), Lines{"2 " + forbidden});
  EXPECT_EQ(connect(3, R"({"token":"late"})"),
            Lines{R"(3 44{"message":"Authentication error","data":{"code":"token_expired"}})"});
  // Its own room, since it names none.
  connect(4, R"({"token":"tea"})");
  ready(4, "ada");
  EXPECT_EQ(app_->connections("tea"), "[" + entry(4, "ada") + "]");
  connect(5, R"({"token":"tea","room":"party-7"})");
  ready(5, "bob");
  EXPECT_EQ(app_->connections("party-7"), "[" + entry(5, "bob") + "]");
}

TEST_F(SioAppTest, TokensSayWhatOneMayDo) {
  Tokens tokens;
  tokens.add("mute").can = signal::Rights::of({"join", "create"});
  tokens.add("eve").peer = "eve";
  tokens.add("short").expires = now_.wall + 10s;
  start({}, signal_options(), &tokens);
  connect(1, R"({"token":"mute"})");
  const Lines refused{R"(1 42["messageError",{"code":"forbidden"}])"};
  EXPECT_EQ(say(1, R"(42["message",1])"), refused) << "before ready";
  ready(1, "ada");
  EXPECT_EQ(say(1, R"(42["message",1])"), refused);
  EXPECT_EQ(say(1, R"(42["messageOne",{"target":"ada"}])"), refused);
  connect(2, R"({"token":"eve"})");
  EXPECT_EQ(ready(2, "bob"), Lines{R"(2 42["messageError",{"code":"forbidden"}])"}) << "not its peer id";
  EXPECT_EQ(ready(2, "eve").size(), 2U);
  connect(3, R"({"token":"short"})");
  now_.wall += 10s;
  EXPECT_EQ(ready(3, "bob"), Lines{R"(3 42["messageError",{"code":"token_expired"}])"});
}

TEST_F(SioAppTest, ANameIsNotLostToAnotherCredential) {
  Tokens tokens;
  tokens.add("one");
  tokens.add("two");
  start({}, signal_options(), &tokens);
  connect(1, R"({"token":"one"})");
  ready(1, "ada");
  connect(2, R"({"token":"two"})");
  const Lines lines = ready(2, "ada");
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0], "2 " + taken("ada")) << "at once, and nobody is asked whether he lives";
  after(2s);
  EXPECT_EQ(app_->connections({}), "[" + entry(1, "ada") + "]");
}

TEST_F(SioAppTest, WhoIsRemovedFromTheRoomIsToldAndLetGo) {
  native_member(9, "mod");
  connect(1);
  ready(1, "ada");
  said();
  const Lines lines = native(9, R"({"t":"kick","room":"default","peer":"ada"})");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), R"(1 42["messageError",{"code":"forbidden"}])"), 1);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "1 x"), 1);
  EXPECT_EQ(app_->connections({}), "[]");
  connect(2);
  EXPECT_EQ(ready(2, "ada").size(), 2U) << "the name is free";
}

TEST_F(SioAppTest, NoTokenLetsNobodyIn) {
  signal::Options rules = signal_options();
  rules.token.clear();
  start({}, rules);
  EXPECT_EQ(connect(1, ""), Lines{R"(1 44{"message":"Authentication error"})"});
  EXPECT_EQ(connect(2, R"({"token":""})"), Lines{R"(2 44{"message":"Authentication error"})"});
  rules.open = true;
  start({}, rules);
  EXPECT_EQ(connect(3, "").at(0).substr(0, 12), R"(3 40{"sid":")");
}

TEST_F(SioAppTest, ReadyTellsEverybody) {
  connect(1), connect(2), connect(3);
  EXPECT_EQ(ready(1, "ada"), (Lines{"1 " + existing("ada", ""), "3 " + opened("ada", entry(1, "ada")),
                                    "2 " + opened("ada", entry(1, "ada"))}));
  EXPECT_EQ(ready(2, "bob", R"({"kind":["robot"]})"),
            (Lines{"2 " + existing("bob", entry(1, "ada")),
                   "1 " + opened("bob", entry(2, "bob", R"({"kind":["robot"]})")),
                   "3 " + opened("bob", entry(2, "bob", R"({"kind":["robot"]})"))}));
  EXPECT_EQ(ready(3, "cid").at(0),
            "3 " + existing("cid", entry(1, "ada") + "," + entry(2, "bob", R"({"kind":["robot"]})")));
  EXPECT_EQ(app_->connections({}), "[" + entry(1, "ada") + "," + entry(2, "bob", R"({"kind":["robot"]})") +
                                       "," + entry(3, "cid") + "]");
  lose(2);
  EXPECT_EQ(said(), (Lines{"1 " + closed("bob"), "3 " + closed("bob")}));
  EXPECT_EQ(say(3, "41"), Lines{"1 " + closed("cid")});
  EXPECT_EQ(router_->counters().members, 1U);
}

TEST_F(SioAppTest, MessageGoesToEveryOther) {
  connect(1), connect(2), connect(3);
  // Ahead of ready, as newer clients do it.
  EXPECT_EQ(say(1, R"(42["message",{"from":"x","message": [1,  2]}])"),
            (Lines{R"(2 42["message",{"from":"x","message": [1,  2]}])",
                   R"(3 42["message",{"from":"x","message": [1,  2]}])"}));
  ready(1, "ada");
  ready(2, "bob");
  EXPECT_EQ(say(1, R"(427["message",{"payload":"\u00e9"},"ignored"])"),
            (Lines{R"(2 42["message",{"payload":"\u00e9"}])", R"(3 42["message",{"payload":"\u00e9"}])",
                   "1 437[]"}));
  EXPECT_EQ(say(3, R"(42["message","text"])"),
            (Lines{R"(1 42["message","text"])", R"(2 42["message","text"])"}));
  EXPECT_EQ(say(1, R"(42["message"])"), Lines{});
  EXPECT_EQ(say(1, R"(42["something",1])"), Lines{});
  const std::string large(3000, 'x');
  EXPECT_EQ(say(1, "42[\"message\",\"" + large + "\"]").size(), 2U);
}

TEST_F(SioAppTest, MessageOneGoesToOne) {
  connect(1), connect(2), connect(3);
  ready(1, "ada"), ready(2, "bob");
  EXPECT_EQ(say(1, R"(42["messageOne",{"target":"bob","extra":[null],"payload":1}])"),
            Lines{R"(2 42["message",{"target":"bob","extra":[null],"payload":1}])"});
  EXPECT_EQ(say(1, R"(42["messageOne",{"target":"ada"}])"), Lines{R"(1 42["message",{"target":"ada"}])"});
  EXPECT_EQ(say(3, R"(42["messageOne",{"target":"ada"}])"), Lines{R"(1 42["message",{"target":"ada"}])"});
  EXPECT_EQ(say(1, R"(42["messageOne",{"target":"eve"}])"),
            Lines{R"(1 42["messageError",{"code":"unknown_target","target":"eve"}])"});
  EXPECT_EQ(say(3, R"(423["messageOne",{"target":"__proto__"}])"),
            (Lines{R"(3 42["messageError",{"code":"unknown_target","target":"__proto__"}])", "3 433[]"}));
  for (const char* bad : {R"(42["messageOne"])", R"(42["messageOne",null])",
                          R"(42["messageOne",{"target":1}])", R"(42["messageOne","bob"])"}) {
    EXPECT_EQ(say(1, bad), Lines{R"(1 42["messageError",{"code":"bad_request"}])"}) << bad;
  }
}

TEST_F(SioAppTest, AttachmentsGoAlong) {
  connect(1), connect(2), connect(3);
  ready(1, "ada"), ready(2, "bob");
  say(1, R"(451-["messageOne",{"target":"bob","x":{"_placeholder":true,"num":0}}])");
  EXPECT_EQ(
      say(1, "\x01\x02", true),
      (Lines{R"(2 451-["message",{"target":"bob","x":{"_placeholder":true,"num":0}}])", "2 b:\x01\x02"}));
  say(1, R"(451-["message",{"_placeholder":true,"num":0}])");
  EXPECT_EQ(say(1, "\x03", true), (Lines{R"(2 451-["message",{"_placeholder":true,"num":0}])", "2 b:\x03",
                                         R"(3 451-["message",{"_placeholder":true,"num":0}])", "3 b:\x03"}));
}

TEST_F(SioAppTest, StrangeNamesAreNames) {
  connect(1), connect(2);
  for (const char* name : {"__proto__", "constructor", "hasOwnProperty", "%s%n"}) {
    const Lines lines = ready(1, name);
    EXPECT_NE(std::find(lines.begin(), lines.end(), "1 " + existing(name, "")), lines.end()) << name;
    EXPECT_EQ(say(2, std::string(R"(42["messageOne",{"target":")") + name + "\"}]").size(), 1U);
    now_.mono += 1s;
  }
  for (const char* bad : {R"(42["ready"])", R"(42["ready",1])", R"(42["ready",null])", R"(42["ready",""])",
                          R"(42["ready","*"])", R"(42["ready","a\nb"])"}) {
    EXPECT_EQ(say(2, bad), Lines{R"(2 42["messageError",{"code":"bad_request"}])"}) << bad;
  }
}

TEST_F(SioAppTest, ASecondReadyTakesThePlaceOfTheFirst) {
  connect(1), connect(2);
  ready(1, "ada"), ready(2, "bob");
  EXPECT_EQ(ready(1, "ada"), Lines{"1 " + existing("ada", entry(2, "bob"))});
  EXPECT_EQ(ready(1, "eve"), (Lines{"2 " + closed("ada"), "1 " + existing("eve", entry(2, "bob")),
                                    "2 " + opened("eve", entry(1, "eve"))}));
  connect(3);
  EXPECT_EQ(ready(3, "ada").size(), 3U);
  EXPECT_EQ(router_->counters().members, 3U);
}

TEST_F(SioAppTest, ATakenNameIsRefused) {
  connect(1), connect(2), connect(3);
  ready(1, "ada");
  EXPECT_EQ(ready(2, "ada"), Lines{"1 2"});  // is it there?
  EXPECT_EQ(say(1, "3"), (Lines{"2 " + taken("ada"), "2 41", "2 x"}));
  // The one who has it goes on as before.
  EXPECT_EQ(say(3, R"(42["messageOne",{"target":"ada"}])"), Lines{R"(1 42["message",{"target":"ada"}])"});
  EXPECT_EQ(after(2s), Lines{});
}

TEST_F(SioAppTest, AGhostGivesItsNameUp) {
  connect(1), connect(2), connect(3);
  ready(1, "ada"), ready(3, "bob");
  EXPECT_EQ(ready(2, "ada"), Lines{"1 2"});
  EXPECT_EQ(after(999ms), Lines{});
  EXPECT_EQ(after(1ms),
            (Lines{"1 41", "3 " + closed("ada"), "2 " + closed("ada"), "1 x",
                   "2 " + existing("ada", entry(3, "bob")), "3 " + opened("ada", entry(2, "ada"))}));
  EXPECT_EQ(app_->connections({}), "[" + entry(3, "bob") + "," + entry(2, "ada") + "]");
}

TEST_F(SioAppTest, ContestsThatEndOtherwise) {
  connect(1), connect(2), connect(3), connect(4);
  ready(1, "ada");
  ready(2, "ada"), ready(3, "ada");
  lose(2);
  lose(1);  // by itself: the next one has it at once
  const Lines lines = said();
  EXPECT_NE(std::find(lines.begin(), lines.end(), "3 " + existing("ada", "")), lines.end());
  EXPECT_EQ(after(2s), Lines{});
  EXPECT_EQ(ready(4, "ada"), Lines{"3 2"});
  EXPECT_EQ(say(3, "3").back(), "4 x");
}

TEST_F(SioAppTest, WhoTakesAnotherNameWaitsNoMore) {
  connect(1), connect(2);
  ready(1, "ada");
  EXPECT_EQ(ready(2, "ada"), Lines{"1 2"});
  ready(2, "bob");
  lose(1);
  said();
  EXPECT_EQ(app_->connections({}), "[" + entry(2, "bob") + "]");
  EXPECT_EQ(after(2s), Lines{});
  EXPECT_EQ(router_->counters().members, 1U);
}

TEST_F(SioAppTest, RoomsDoNotMeet) {
  connect(1, R"({"token":"secret","room":"a"})");
  connect(2, R"({"token":"secret","room":"a"})");
  connect(3, R"({"token":"secret","room":"b"})");
  ready(1, "ada"), ready(3, "cid");
  EXPECT_EQ(ready(2, "bob"),
            (Lines{"2 " + existing("bob", entry(1, "ada")), "1 " + opened("bob", entry(2, "bob"))}));
  EXPECT_EQ(say(3, R"(42["message",1])"), Lines{});
  EXPECT_EQ(say(3, R"(42["messageOne",{"target":"ada"}])"),
            Lines{R"(3 42["messageError",{"code":"unknown_target","target":"ada"}])"});
  EXPECT_EQ(app_->connections("b"), "[" + entry(3, "cid") + "]");
  EXPECT_EQ(app_->connections({}), "[]");
}

TEST_F(SioAppTest, MeetsTheNativeProtocol) {
  native_member(9, "nat");
  said();
  connect(1);
  const Lines lines = ready(1, "ada", "\"cam\"");
  EXPECT_EQ(lines.at(0), "1 " + existing("ada", R"({"socketId":"nat","peerId":"nat"})"));
  EXPECT_EQ(
      json::parse(lines.at(1).substr(3)),
      json::parse(
          R"({"t":"peer-joined","seq":2,"room":"default","peer":"ada","meta":{"peerType":"cam"},"polite":true})"));
  EXPECT_EQ(
      say(1, R"(42["messageOne",{"target":"nat","sdp":1}])"),
      Lines{
          R"(n9 {"t":"msg","room":"default","from":"ada","kind":"custom","data":{"target":"nat","sdp":1},"seq":3})"});
  EXPECT_EQ(native(9, R"({"t":"send","to":"ada","kind":"offer","data":{"sdp":2}})"),
            Lines{R"(1 42["message",{"sdp":2}])"});
  EXPECT_EQ(say(1, R"(42["message",[1]])").size(), 1U);
  // Too large for the other protocol: it stays among Socket.IO.
  EXPECT_EQ(say(1, "42[\"message\",\"" + std::string(2000, 'x') + "\"]"), Lines{});
  connect(2);
  const Lines refused = ready(2, "nat");
  EXPECT_EQ(refused, (Lines{"2 " + taken("nat"), "2 41", "2 x"}));
  EXPECT_EQ(native(9, R"({"t":"bye"})").at(0), "1 " + closed("nat"));
}

TEST_F(SioAppTest, StrictModeStampsTheSender) {
  SocketIoOptions o;
  o.stamp_from = true;
  start(o);
  connect(1), connect(2);
  EXPECT_EQ(say(1, R"(42["message",{"a":1}])"), Lines{R"(1 42["messageError",{"code":"not_joined"}])"});
  ready(1, "ada"), ready(2, "bob");
  EXPECT_EQ(say(1, R"(42["message",{"from":"bob","a":1,"\u0066rom":2}])"),
            Lines{R"(2 42["message",{"from":"ada","a":1}])"});
  EXPECT_EQ(say(1, R"(42["messageOne",{"target":"bob"}])"),
            Lines{R"(2 42["message",{"from":"ada","target":"bob"}])"});
}

TEST_F(SioAppTest, RatesAreLimited) {
  signal::Options rules = signal_options();
  rules.messages_per_second = 1;
  rules.message_burst = 2;
  start({}, rules);
  connect(1), connect(2);
  say(1, R"(42["message",1])");
  EXPECT_EQ(say(1, R"(42["message",1])").size(), 1U);
  EXPECT_EQ(say(1, R"(42["message",1])"), Lines{R"(1 42["messageError",{"code":"rate_limited"}])"});
  Lines last;
  for (std::uint32_t i = 1; i < signal::kMaxRefusals; ++i) last = say(1, R"(42["message",1])");
  EXPECT_EQ(last, (Lines{"1 41", "1 x"}));
}

TEST_F(SioAppTest, FullRoomsAndServersSaySo) {
  for (EngineSocketId i = 1; i <= 5; ++i) connect(i);
  for (EngineSocketId i = 1; i <= 4; ++i) ready(i, "p" + std::to_string(i));
  EXPECT_EQ(ready(5, "p5"), Lines{R"(5 42["messageError",{"code":"room_full"}])"});
  lose(1);
  said();
  EXPECT_EQ(ready(5, "p5").at(0).substr(0, 15), "5 42[\"message\",");
  EXPECT_EQ(router_->counters().members, 4U);
}

TEST_F(SioAppTest, HeartbeatsKeepTheMembership) {
  connect(1);
  ready(1, "ada");
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(after(25s), Lines{"1 2"});
    say(1, "3");
  }
  EXPECT_EQ(router_->counters().members, 1U);
}

TEST_F(SioAppTest, WhoRecoversIsAMemberAgain) {
  connect(1), connect(2);
  ready(2, "bob");
  sio_->engine().socket_opened(now_, 3, {"4", "websocket", ""}, IpAddress{});
  said();
  const json first = json::parse(say(3, R"(40{"token":"secret","recovery":true})").at(0).substr(4));
  ready(3, "ada");
  lose(3);
  said();
  EXPECT_EQ(app_->connections({}), "[" + entry(2, "bob") + "]");
  say(2, R"(42["message","missed"])");
  sio_->engine().socket_opened(now_, 4, {"4", "websocket", ""}, IpAddress{});
  said();
  const Lines lines =
      say(4, R"(40{"token":"secret","offset":"1","pid":")" + first["pid"].get<std::string>() + "\"}");
  EXPECT_EQ(json::parse(lines.at(0).substr(4)), first);
  EXPECT_EQ(lines.at(1), R"(4 42["message","missed","2"])");
  sids_[4] = first["sid"];
  EXPECT_EQ(app_->connections({}), "[" + entry(2, "bob") + "," + entry(4, "ada") + "]");
}

// What a hostile or unlucky client meets.

TEST_F(SioAppTest, LockedRoomsAreShutToThoseWhoAreNotIn) {
  native_member(9, "mod");
  connect(1), connect(2);
  ready(1, "ada");
  native(9, R"({"t":"room","room":"default","locked":true})");
  const Lines heard = say(1, R"(42["message",{"secret":1}])");
  ASSERT_EQ(heard.size(), 1U) << "the bystander does not hear it";
  EXPECT_EQ(heard[0].substr(0, 2), "n9");
  const Lines locked{R"(2 42["messageError",{"code":"room_locked"}])"};
  EXPECT_EQ(say(2, R"(42["message",1])"), locked);
  EXPECT_EQ(say(2, R"(42["messageOne",{"target":"ada"}])"), locked);
  EXPECT_EQ(ready(2, "bob"), locked);
  // Nor does somebody come in anew, and be it who was thrown out.
  const std::string refusal = R"(44{"message":"Locked room","data":{"code":"room_locked"}})";
  EXPECT_EQ(connect(3), Lines{"3 " + refusal});
  native(9, R"({"t":"kick","room":"default","peer":"ada"})");
  EXPECT_EQ(connect(4), Lines{"4 " + refusal});
  native(9, R"({"t":"room","room":"default","locked":false})");
  connect(5);
  EXPECT_EQ(say(5, R"(42["message",1])").size(), 1U) << "the other bystander";
}

TEST_F(SioAppTest, FullRoomsAreNotHeard) {
  for (EngineSocketId i = 1; i <= 5; ++i) connect(i);
  for (EngineSocketId i = 1; i <= 4; ++i) ready(i, "p" + std::to_string(i));
  for (const std::string& line : say(1, R"(42["message",1])")) EXPECT_NE(line.substr(0, 2), "5 ");
  const Lines full{R"(5 42["messageError",{"code":"room_full"}])"};
  EXPECT_EQ(say(5, R"(42["message",1])"), full);
  EXPECT_EQ(say(5, R"(42["messageOne",{"target":"p1"}])"), full);
  lose(1);
  said();
  EXPECT_EQ(say(2, R"(42["message",1])").size(), 3U);
}

TEST_F(SioAppTest, ARoomTakesItsOwnGhostsPlace) {
  for (EngineSocketId i = 1; i <= 5; ++i) connect(i);
  for (EngineSocketId i = 1; i <= 4; ++i) ready(i, "p" + std::to_string(i));
  EXPECT_EQ(ready(5, "p2"), Lines{"2 2"});
  EXPECT_EQ(after(1s).back().substr(0, 15), "4 42[\"message\",");
  EXPECT_NE(app_->connections({}).find(entry(5, "p2")), std::string::npos);
}

TEST_F(SioAppTest, TheCommonRoomIsAsLargeAsItIsToBe) {
  signal::Options rules = signal_options();
  rules.common_rooms = {{"default", 0}};
  start({}, rules);
  for (EngineSocketId i = 1; i <= 10; ++i) {
    connect(i);
    ready(i, "p" + std::to_string(i));
  }
  EXPECT_EQ(router_->counters().members, 10U);
  rules.common_rooms = {{"default", 6}};
  start({}, rules);
  for (EngineSocketId i = 1; i <= 7; ++i) {
    connect(i);
    ready(i, "p" + std::to_string(i));
  }
  EXPECT_EQ(router_->counters().members, 6U);
}

TEST_F(SioAppTest, LeavingAndComingBackIsNoWayRoundTheRate) {
  signal::Options rules = signal_options();
  rules.messages_per_second = 1;
  rules.message_burst = 2;
  start({}, rules);
  connect(1), connect(2);
  say(1, R"(42["message",1])"), say(1, R"(42["message",1])");
  say(1, "41");
  say(1, R"(40{"token":"secret"})");
  EXPECT_EQ(say(1, R"(42["message",1])"), Lines{R"(1 42["messageError",{"code":"rate_limited"}])"});
  // One in between that passes does not make up for the refusals: only a pause does.
  Lines last;
  for (std::uint32_t i = 1; i < signal::kMaxRefusals; ++i) {
    if (i == 100) {
      now_.mono += 1s;
      EXPECT_EQ(say(1, R"(42["message",1])").size(), 1U);
    }
    last = say(1, R"(42["message",1])");
  }
  EXPECT_EQ(last, (Lines{"1 41", "1 x"}));
}

TEST_F(SioAppTest, BytesJoinsAndAddressesHaveRates) {
  const std::string refused = R"( 42["messageError",{"code":"rate_limited"}])";
  signal::Options rules = signal_options();
  rules.bytes_per_second = 1000;
  start({}, rules);
  connect(1), connect(2);
  EXPECT_EQ(say(1, "42[\"message\",\"" + std::string(5000, 'x') + "\"]").size(), 1U);
  EXPECT_EQ(say(1, R"(42["message",1])"), Lines{"1" + refused});
  now_.mono += 2s;
  EXPECT_EQ(say(1, R"(42["message",1])").size(), 1U);

  rules = signal_options();
  rules.joins_per_second = 1;
  start({}, rules);
  connect(1), connect(2);
  // Each name that it takes is a join; the same one again is none.
  for (const char* name : {"a", "b", "c", "d", "d", "d"}) EXPECT_NE(ready(1, name), Lines{"1" + refused});
  EXPECT_EQ(router_->counters().members, 1U);
  ready(1, "e");
  EXPECT_EQ(router_->counters().over_rate[0][2], 1U);
  now_.mono += 2s;
  EXPECT_NE(ready(1, "e"), Lines{"1" + refused});
  EXPECT_EQ(router_->counters().over_rate[0][2], 1U);

  rules = signal_options();
  rules.address_messages_per_second = 1;
  start({}, rules);
  connect_from(1, IpAddress::v4(192, 0, 2, 1)), connect_from(2, IpAddress::v4(192, 0, 2, 1));
  connect_from(3, IpAddress::v4(192, 0, 2, 2));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(say(1, R"(42["message",1])").size(), 2U);
  EXPECT_EQ(say(2, R"(42["message",1])"), Lines{"2" + refused});
  EXPECT_EQ(say(3, R"(42["message",1])").size(), 2U);
  EXPECT_EQ(router_->counters().over_rate[1][0], 1U);
}

TEST_F(SioAppTest, TokensSayHowFastOneMayBe) {
  Tokens tokens;
  tokens.add("slow").limits.messages_per_second = 1;
  signal::Options rules = signal_options();
  rules.messages_per_second = 1000;
  rules.message_burst = 1;
  start({}, rules, &tokens);
  connect(1, R"({"token":"slow"})"), connect(2, R"({"token":"slow"})");
  EXPECT_EQ(say(1, R"(42["message",1])").size(), 1U);
  now_.mono += 500ms;
  EXPECT_EQ(say(1, R"(42["message",1])"), Lines{R"(1 42["messageError",{"code":"rate_limited"}])"});
}

TEST_F(SioAppTest, TheRoutersHeartbeatIsNotTheirs) {
  signal::Options rules = signal_options();
  rules.heartbeat = 5s;
  start({}, rules);
  connect(1);
  ready(1, "ada");
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(after(11s), Lines{});
    EXPECT_EQ(after(14s), Lines{"1 2"});
    say(1, "3");
    EXPECT_EQ(router_->counters().members, 1U);
  }
  // Nor does silence between two pings give the name away to another dialect.
  after(24s);
  native_->opened(now_, 9, Endpoint{}, frames_);
  const Lines lines = native(9, R"({"t":"hello","v":1,"token":"secret","peer":"ada"})");
  EXPECT_NE(lines.at(0).find("peer_taken"), std::string::npos) << lines.at(0);
}

TEST_F(SioAppTest, FewMayWaitForAName) {
  connect(1);
  ready(1, "ada");
  for (EngineSocketId i = 2; i <= 9; ++i) {
    connect(i);
    EXPECT_EQ(ready(i, "ada").size(), i == 2 ? 1U : 0U);
  }
  connect(10);
  EXPECT_EQ(ready(10, "ada"), (Lines{"10 " + taken("ada"), "10 41", "10 x"}));
  lose(5);
  said();
  connect(11);
  EXPECT_EQ(ready(11, "ada"), Lines{}) << "there is a place again";
  say(1, "3");
  EXPECT_EQ(sio_->engine().session_count(), 1U) << "all the others were turned away";
}

TEST_F(SioAppTest, BystandersComeAndGoInAnyOrder) {
  for (EngineSocketId i = 1; i <= 12; ++i) connect(i);
  for (const EngineSocketId id : {1U, 12U, 6U, 11U}) lose(id);
  ready(3, "ada"), ready(10, "bob");
  lose(10), lose(2);
  connect(13);
  said();
  Lines heard = say(4, R"(42["message",1])");
  std::sort(heard.begin(), heard.end());
  Lines expected;
  for (const char* id : {"13", "3", "5", "7", "8", "9"})
    expected.push_back(std::string(id) + R"( 42["message",1])");
  EXPECT_EQ(heard, expected) << "each of the others once";
}

class RecoveringTest : public SioAppTest {
 protected:
  signal::Identity& ada() {
    signal::Identity& made = tokens_.add("ada");
    made.credential = "sub:ada";
    return made;
  }
  /// A lost member "ada" of room "a", whose secret is returned.
  std::string lost() {
    sio_->engine().socket_opened(now_, 1, {"4", "websocket", ""}, IpAddress{});
    said();
    const json told = json::parse(say(1, R"(40{"token":"ada","room":"a","recovery":true})").at(0).substr(4));
    sid_ = told["sid"];
    ready(1, "ada");
    lose(1);
    said();
    return told["pid"];
  }
  /// "recovered", "new" or the refusal.
  std::string back(const std::string& token, const std::string& pid, const std::string& more = "") {
    sio_->engine().socket_opened(now_, 2, {"4", "websocket", ""}, IpAddress{});
    said();
    std::string line = say(2, R"(40{"token":")" + token + R"(","pid":")" + pid + "\"" + more + "}").at(0);
    if (line.find("\"sid\"") == std::string::npos) return line;
    return line.find(sid_) == std::string::npos ? "new" : "recovered";
  }
  Tokens tokens_;
  std::string sid_;
};

TEST_F(RecoveringTest, ItIsTheNewTokenThatCounts) {
  ada().expires = now_.wall + 60s;
  start({}, signal_options(), &tokens_);
  const std::string pid = lost();
  now_.wall += 60s;
  EXPECT_NE(back("ada", pid).find("token_expired"), std::string::npos);
  lose(2);
  signal::Identity& fresh = tokens_.add("fresh");
  fresh.credential = "sub:ada";
  fresh.can = signal::Rights::of({"join", "create"});
  EXPECT_EQ(back("fresh", pid), "recovered");
  EXPECT_NE(app_->connections("a").find("\"ada\""), std::string::npos) << "in spite of the old one's end";
  EXPECT_EQ(say(2, R"(42["message",1])").at(0).substr(0, 40), R"(2 42["messageError",{"code":"forbidden"})");
}

TEST_F(RecoveringTest, NobodyElseMay) {
  ada();
  tokens_.add("eve");
  start({}, signal_options(), &tokens_);
  EXPECT_EQ(back("eve", lost()), "new");
}

TEST_F(RecoveringTest, NotIntoARoomThatIsNotItsOwnAnyMore) {
  ada();
  signal::Identity& narrow = tokens_.add("narrow");
  narrow.credential = "sub:ada";
  narrow.all_rooms = false;
  narrow.rooms = {"b"};
  start({}, signal_options(), &tokens_);
  EXPECT_EQ(back("narrow", lost()), "new");
  lose(2);
  EXPECT_EQ(back("ada", lost(), R"(,"room":"c")"), "new");
}

TEST_F(RecoveringTest, TheRateGoesOn) {
  ada();
  signal::Options rules = signal_options();
  rules.messages_per_second = 1;
  rules.message_burst = 1;
  start({}, rules, &tokens_);
  EXPECT_EQ(back("ada", lost()), "recovered");
  EXPECT_NE(say(2, R"(42["message",1])").at(0).find("rate_limited"), std::string::npos);
}

}  // namespace
}  // namespace ts::dialect
