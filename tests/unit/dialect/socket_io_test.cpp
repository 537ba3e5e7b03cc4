// SPDX-License-Identifier: Apache-2.0
// Socket.IO on a fake clock, over the real Engine.IO machine: packets, joining, leaving, acknowledgements,
// attachments, what closes the transport, and recovery.
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <turnstone/dialect/socket_io.hpp>

namespace ts::dialect {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

class SeededRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& b : out) b = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937 engine_{7};
};

std::optional<SioPacket> parse(std::string_view text) {
  // Exactly sized, so that a read past the end is seen.
  static std::vector<std::unique_ptr<char[]>> kept;
  kept.push_back(std::make_unique<char[]>(text.size()));
  text.copy(kept.back().get(), text.size());
  return parse_sio_packet({kept.back().get(), text.size()});
}

TEST(SioPacket, Forms) {
  auto p = parse("0");
  EXPECT_EQ(p->type, SioType::Connect);
  EXPECT_EQ(p->nsp, "/");
  EXPECT_TRUE(p->data.absent());
  p = parse(R"(0/admin,{"token":"123"})");
  EXPECT_EQ(p->nsp, "/admin");
  EXPECT_EQ(p->data.raw, R"({"token":"123"})");
  EXPECT_EQ(parse("0/admin")->nsp, "/admin");
  EXPECT_EQ(parse("1/admin,")->type, SioType::Disconnect);
  p = parse(R"(2/admin,456["project:delete",123])");
  EXPECT_EQ(p->ack, 456U);
  EXPECT_EQ(p->data.raw, R"(["project:delete",123])");
  p = parse(R"(51-["hello",{"_placeholder":true,"num":0}])");
  EXPECT_EQ(p->attachments, 1U);
  p = parse(R"(51-/admin,456["hello",{"_placeholder":true,"num":0}])");
  EXPECT_EQ(p->nsp, "/admin");
  EXPECT_EQ(p->ack, 456U);
  EXPECT_EQ(parse("3/admin,456[]")->type, SioType::Ack);
  EXPECT_EQ(parse(R"(61-456[{"_placeholder":true,"num":0}])")->attachments, 1U);
  EXPECT_EQ(parse("2[1]")->data.raw, "[1]");
  EXPECT_EQ(parse(R"(50-["x"])")->attachments, 0U);
}

TEST(SioPacket, WhatIsNone) {
  const std::string deep = "2[\"x\"," + std::string(70, '[') + std::string(70, ']') + "]";
  for (const std::string& bad : {std::string(),
                                 std::string("7"),
                                 std::string("abc"),
                                 std::string("2"),
                                 std::string("2{}"),
                                 std::string("2[]"),
                                 std::string("2[{}]"),
                                 std::string(R"(2["x")"),
                                 std::string(R"(2["x"]x)"),
                                 std::string(R"(2abc["x"])"),
                                 std::string(R"(5["x"])"),
                                 std::string(R"(511-["x"])"),
                                 std::string(R"(5-1-["x"])"),
                                 std::string(R"(51["x"])"),
                                 std::string(R"(2["connect"])"),
                                 std::string(R"(2["disconnecting"])"),
                                 std::string(R"(2["newListener"])"),
                                 std::string(R"(2["\u0063onnect"])"),
                                 std::string("0[]"),
                                 std::string("0\"x\""),
                                 std::string("1{}"),
                                 std::string("3{}"),
                                 std::string("3"),
                                 std::string("21234567890123456[\"x\"]"),
                                 deep,
                                 std::string("2[\"\xff\"]"),
                                 std::string(R"(51-["x",{"_placeholder":true,"num":1}])"),
                                 std::string(R"(51-["x",{"_placeholder":true,"num":0,"num":7}])"),
                                 std::string(R"(51-["x",{"_placeholder":true,"num":"0"}])"),
                                 std::string(R"(51-["x",{"_placeholder":true}])"),
                                 std::string(R"(51-["x",[{"a":{"\u005fplaceholder":true,"num":-1}}]])")}) {
    EXPECT_FALSE(parse(bad)) << bad;
  }
  // Without attachments, it is an object like any other; false marks nothing.
  EXPECT_TRUE(parse(R"(2["x",{"_placeholder":true,"num":9}])"));
  EXPECT_TRUE(parse(R"(51-["x",{"_placeholder":false,"num":9}])"));
}

TEST(SioEvent, Arguments) {
  SioEvent event;
  EXPECT_TRUE(event.argument(0).absent());
  event.arguments = R"( 1 , "2,3" ,{"a":[1,2]})";
  EXPECT_EQ(event.argument(0).raw, "1");
  EXPECT_EQ(event.argument(1).raw, "\"2,3\"");
  EXPECT_EQ(event.argument(2).raw, R"({"a":[1,2]})");
  EXPECT_TRUE(event.argument(3).absent());
}

class SocketIoTest : public ::testing::Test, public SocketIo::Application {
 protected:
  std::optional<std::string> refuses(const Now&, std::string_view auth) override {
    if (auth.find("wrong") != auth.npos) return R"({"message":"no","data":{"why":1}})";
    return std::nullopt;
  }
  void connected(const Now&, SioSocket socket, std::string_view auth) override {
    last_ = socket;
    log_.push_back("connected " + std::string(auth));
  }
  void event(const Now& now, SioSocket socket, const SioEvent& event) override {
    log_.push_back(std::string(event.name) + " " + std::string(event.arguments));
    if (event.name == "leave") return sio_->disconnect(now, socket, false);
    if (event.name == "die") return sio_->disconnect(now, socket, true);
    if (event.ack) return sio_->acknowledge(socket, *event.ack, event.arguments, event.attachments);
    SioMessage back(nsp_, "back", event.arguments, event.attachments);
    sio_->emit(now, socket, back);
  }
  void alive(const Now&, SioSocket) override { log_.emplace_back("alive"); }
  void disconnected(const Now&, SioSocket, bool may_recover) override {
    log_.emplace_back(may_recover ? "lost" : "gone");
  }
  void recovered(const Now&, SioSocket socket) override {
    last_ = socket;
    log_.emplace_back("recovered");
  }
  void forgotten(SioSocket) override { log_.emplace_back("forgotten"); }

  void SetUp() override { start({}); }
  void start(const SocketIoOptions& options) {
    sio_ = std::make_unique<SocketIo>(options, random_);
    sio_->add_namespace("/", *this);
    sio_->add_namespace("/custom", *this);
  }
  Lines said() {
    Lines out;
    for (const EngineAction& action : sio_->engine().take_actions(now_)) {
      if (const auto* frame = std::get_if<EngineFrame>(&action)) {
        out.push_back((frame->wire.binary ? "b:" : "") + *frame->wire.bytes);
      } else if (std::holds_alternative<EngineCloseSocket>(action)) {
        out.emplace_back("x");
      }
    }
    return out;
  }
  /// A WebSocket of that number, said hello to.
  void open(EngineSocketId id) {
    sio_->engine().socket_opened(now_, id, {"4", "websocket", ""}, IpAddress{});
    said();
  }
  Lines say(std::string_view text, EngineSocketId id = 1, bool binary = false) {
    const auto copy = std::make_unique<char[]>(text.size());
    text.copy(copy.get(), text.size());
    sio_->engine().socket_message(now_, id, binary, {copy.get(), text.size()});
    return said();
  }
  nlohmann::json join(const std::string& auth = "", EngineSocketId id = 1) {
    open(id);
    welcome_ = say("40" + auth, id);
    return nlohmann::json::parse(welcome_.at(0).substr(2));
  }
  Lines log() { return std::exchange(log_, {}); }

  SeededRandom random_;
  Now now_{TimePoint(1h), WallTime(1s)};
  std::unique_ptr<SocketIo> sio_;
  std::string nsp_ = "/";
  SioSocket last_;
  Lines log_;
  Lines welcome_;
};

TEST_F(SocketIoTest, Joins) {
  const auto answer = join(R"({"token":"t"})");
  EXPECT_EQ(answer.size(), 1U);
  EXPECT_EQ(answer["sid"].get<std::string>().size(), 20U);
  EXPECT_EQ(answer["sid"], sio_->sid(last_));
  EXPECT_EQ(say("40/custom,").at(0).substr(0, 18), R"(40/custom,{"sid":")");
  EXPECT_EQ(log(), (Lines{R"(connected {"token":"t"})", "connected {}"}));
}

TEST_F(SocketIoTest, RefusesWithoutClosing) {
  open(1);
  EXPECT_EQ(say("40/random"), Lines{R"(44/random,{"message":"Invalid namespace"})"});
  EXPECT_EQ(say(R"(40{"token":"wrong"})"), Lines{R"(44{"message":"no","data":{"why":1}})"});
  EXPECT_EQ(log(), Lines{});
  // And it may try again.
  EXPECT_EQ(say("40").size(), 1U);
  EXPECT_EQ(log(), Lines{"connected {}"});
}

TEST_F(SocketIoTest, NobodyJoins) {
  start([] {
    SocketIoOptions o;
    o.connect_timeout = 1000ms;
    return o;
  }());
  open(1);
  say(R"(40{"token":"wrong"})");
  join("", 2);
  now_.mono += 1000ms;
  sio_->tick(now_);
  EXPECT_EQ(said(), Lines{"x"});
  EXPECT_EQ(sio_->counters().engine.ended[static_cast<std::size_t>(EngineEnd::ConnectTimeout)], 1U);
  EXPECT_TRUE(sio_->is_connected(last_));
}

TEST_F(SocketIoTest, EventsAndAcknowledgements) {
  join();
  EXPECT_EQ(say(R"(42["message",1,"2",{"3":[true]}])"), Lines{R"(42["back",1,"2",{"3":[true]}])"});
  EXPECT_EQ(say(R"(42["message"])"), Lines{R"(42["back"])"});
  EXPECT_EQ(say(R"(42456["message",1,"2",{"3":[false]}])"), Lines{R"(43456[1,"2",{"3":[false]}])"});
  EXPECT_EQ(say(R"(420["message"])"), Lines{"430[]"});
  EXPECT_EQ(say("43[1]"), Lines{});  // acknowledges nothing of ours
  say("40/custom,");
  nsp_ = "/custom";
  EXPECT_EQ(say(R"(42/custom,["x",7])"), Lines{R"(42/custom,["back",7])"});
  EXPECT_EQ(say(R"(42/custom,9["x",7])"), Lines{"43/custom,9[7]"});
}

TEST_F(SocketIoTest, Attachments) {
  join();
  const std::string two = R"({"_placeholder":true,"num":0},{"_placeholder":true,"num":1})";
  EXPECT_EQ(say("452-[\"message\"," + two + "]"), Lines{});
  EXPECT_EQ(say("\x01\x02", 1, true), Lines{});
  EXPECT_EQ(say("\x03", 1, true), (Lines{"452-[\"back\"," + two + "]", "b:\x01\x02", "b:\x03"}));
  say("452-789[\"message\"," + two + "]");
  say("\x01", 1, true);
  EXPECT_EQ(say("\x02", 1, true), (Lines{"462-789[" + two + "]", "b:\x01", "b:\x02"}));
}

TEST_F(SocketIoTest, WhatClosesTheTransport) {
  for (const Lines& script :
       {Lines{"4abc"}, Lines{R"(42["early"])"}, Lines{"40", "40"}, Lines{"40", "42{}"},
        Lines{"40", R"(42abc["x"])"}, Lines{"40", R"(42["connect"])"}, Lines{"40", R"(42/custom,["x"])"},
        Lines{"40", "41", R"(42["x"])"}, Lines{"40", "44{\"message\":\"x\"}"}, Lines{"40", "41/custom,"},
        Lines{"40", R"(451-["x"])", R"(42["x"])"}, Lines{"40", "b\x01"}, Lines{R"(451-["x"])"},
        Lines{"40", R"(4511-["x"])"}}) {
    open(1);
    Lines last;
    for (const std::string& text : script) {
      last = text.starts_with("b") ? say(text.substr(1), 1, true) : say(text);
    }
    ASSERT_FALSE(last.empty()) << script.back();
    EXPECT_EQ(last.back(), "x") << script.back();
  }
  EXPECT_EQ(sio_->engine().session_count(), 0U);
}

TEST_F(SocketIoTest, AttachmentsAreBounded) {
  start([] {
    SocketIoOptions o;
    o.max_payload = 1000;
    return o;
  }());
  join();
  say(R"(453-["x"])");
  EXPECT_EQ(say(std::string(600, 'a'), 1, true), Lines{});
  EXPECT_EQ(say(std::string(600, 'a'), 1, true), Lines{"x"});
}

TEST_F(SocketIoTest, LeavesANamespaceOnly) {
  join();
  say("40/custom,");
  log();
  EXPECT_EQ(say("41/custom"), Lines{});
  EXPECT_EQ(log(), (Lines{"gone", "forgotten"}));
  EXPECT_EQ(say(R"(42["m",1])"), Lines{R"(42["back",1])"});
  EXPECT_EQ(say("41"), Lines{});
  EXPECT_EQ(sio_->engine().session_count(), 1U);
  EXPECT_EQ(say("40").size(), 1U);  // and may come again
}

TEST_F(SocketIoTest, IsPutOut) {
  join();
  log();
  EXPECT_EQ(say(R"(42["leave"])"), Lines{"41"});
  EXPECT_EQ(log(), (Lines{"leave ", "gone", "forgotten"}));
  say("40");
  EXPECT_EQ(say(R"(42["die"])"), (Lines{"41", "x"}));
  EXPECT_EQ(sio_->engine().session_count(), 0U);
}

TEST_F(SocketIoTest, HeartbeatsAreTold) {
  join();
  log();
  say("3");
  EXPECT_EQ(log(), Lines{});  // nobody asked
  sio_->probe(now_, last_);
  EXPECT_EQ(said(), Lines{"2"});
  say("3");
  EXPECT_EQ(log(), Lines{"alive"});
}

// Recovery.

TEST_F(SocketIoTest, RecoversWhatWasMissed) {
  const auto first = join(R"({"recovery":true})");
  const std::string pid = first["pid"];
  EXPECT_EQ(pid.size(), 20U);
  EXPECT_NE(pid, first["sid"]);
  EXPECT_EQ(say(R"(42["m","a"])"), Lines{R"(42["back","a","1"])"});
  SioMessage two("/", "two", "2");
  sio_->emit(now_, last_, two);
  EXPECT_EQ(said(), Lines{R"(42["two",2,"2"])"});
  sio_->engine().socket_closed(now_, 1, EngineEnd::TransportClose);
  SioMessage three("/", "three", "");
  const std::string bytes = "\x07";
  SioMessage four("/", "four", R"({"_placeholder":true,"num":0})", {&bytes, 1});
  sio_->emit(now_, last_, three);
  sio_->emit(now_, last_, four);
  EXPECT_EQ(said(), Lines{});
  EXPECT_EQ(sio_->counters().kept, 1U);
  log();
  now_.mono += 100s;
  sio_->tick(now_);
  const auto again = join(R"({"pid":")" + pid + R"(","offset":"1"})", 2);
  EXPECT_EQ(again, first);
  EXPECT_EQ(Lines(welcome_.begin() + 1, welcome_.end()),
            (Lines{R"(42["two",2,"2"])", R"(42["three","3"])",
                   R"(451-["four",{"_placeholder":true,"num":0},"4"])", "b:\x07"}));
  EXPECT_EQ(log(), Lines{"recovered"});
  EXPECT_EQ(sio_->counters().kept, 0U);
  EXPECT_EQ(sio_->counters().connects[static_cast<std::size_t>(SioConnect::Recovered)], 1U);
}

TEST_F(SocketIoTest, RecoversFromAGhostThatWasNotNoticed) {
  const auto first = join(R"({"recovery":true})");
  log();
  open(2);
  const Lines lines = say(R"(40{"pid":")" + first["pid"].get<std::string>() + "\"}", 2);
  EXPECT_EQ(lines.at(0), "x");
  EXPECT_EQ(nlohmann::json::parse(lines.at(1).substr(2)), first);
  EXPECT_EQ(log(), (Lines{"lost", "recovered"}));
}

TEST_F(SocketIoTest, DoesNotRecover) {
  const auto first = join(R"({"recovery":true})");
  const std::string pid = first["pid"];
  const auto lose = [&](EngineSocketId id) {
    sio_->engine().socket_closed(now_, id, EngineEnd::TransportClose);
  };
  lose(1);
  // The credential is asked for again; the pid must be right, the number one of ours, the namespace the same.
  open(2);
  EXPECT_EQ(say(R"(40{"token":"wrong","pid":")" + pid + "\"}", 2).at(0).substr(0, 2), "44");
  EXPECT_NE(join(R"({"pid":"AAAAAAAAAAAAAAAAAAAA"})", 3)["sid"], first["sid"]);
  EXPECT_NE(join(R"({"pid":")" + pid.substr(0, 19) + "!\"}", 4)["sid"], first["sid"]);
  EXPECT_NE(join(R"({"offset":"9","pid":")" + pid + "\"}", 5)["sid"], first["sid"]);
  open(6);
  EXPECT_EQ(say(R"(40/custom,{"pid":")" + pid + "\"}", 6).at(0).find(first["sid"].get<std::string>()),
            std::string::npos);
  now_.mono += 120s;
  sio_->tick(now_);
  EXPECT_EQ(log().back(), "forgotten");
  EXPECT_EQ(sio_->counters().kept, 0U);
  EXPECT_NE(join(R"({"pid":")" + pid + "\"}", 7)["sid"], first["sid"]);
}

TEST_F(SocketIoTest, DoesNotRecoverOverAGap) {
  const auto first = join(R"({"recovery":true})");
  const SioSocket socket = last_;
  for (int i = 0; i < 300; ++i) {
    SioMessage m("/", "m", std::to_string(i));
    sio_->emit(now_, socket, m);
  }
  sio_->engine().socket_closed(now_, 1, EngineEnd::TransportClose);
  const auto with = [&](const std::string& offset) {
    return R"({"pid":")" + first["pid"].get<std::string>() + R"(","offset":")" + offset + "\"}";
  };
  EXPECT_NE(join(with("43"), 2)["sid"], first["sid"]);
  EXPECT_EQ(join(with("44"), 3)["sid"], first["sid"]);
  EXPECT_EQ(welcome_.size(), 257U);
}

TEST_F(SocketIoTest, WhoLeavesIsNotKept) {
  join(R"({"recovery":true})");
  log();
  say("41");
  EXPECT_EQ(log(), (Lines{"gone", "forgotten"}));
  EXPECT_EQ(sio_->counters().kept, 0U);
}

TEST_F(SocketIoTest, RecoveryIsOffOrForAll) {
  SocketIoOptions o;
  o.recovery = Recovery::Off;
  start(o);
  EXPECT_FALSE(join(R"({"recovery":true})").contains("pid"));
  o.recovery = Recovery::All;
  start(o);
  EXPECT_TRUE(join().contains("pid"));
}

TEST_F(SocketIoTest, TheOldestMakeRoomForOtherLostOnes) {
  SocketIoOptions o;
  o.max_recoverable = 3;
  start(o);
  Lines pids;
  for (EngineSocketId id = 1; id <= 5; ++id) {
    pids.push_back(join(R"({"recovery":true})", id)["pid"]);
    sio_->engine().socket_closed(now_, id, EngineEnd::TransportClose);
    now_.mono += 1s;
  }
  EXPECT_EQ(sio_->counters().kept, 3U);
  EXPECT_EQ(sio_->counters().crowded_out, 2U);
  const auto recovers = [&](const std::string& pid, EngineSocketId id) {
    join(R"({"pid":")" + pid + "\"}", id);
    return log().back() == "recovered";
  };
  EXPECT_FALSE(recovers(pids[1], 11));
  EXPECT_TRUE(recovers(pids[2], 12));
  // It lost its turn with its return: now it is the youngest.
  sio_->engine().socket_closed(now_, 12, EngineEnd::TransportClose);
  join(R"({"recovery":true})", 13);
  sio_->engine().socket_closed(now_, 13, EngineEnd::TransportClose);
  EXPECT_EQ(sio_->counters().kept, 3U);
  EXPECT_FALSE(recovers(pids[3], 14));
  EXPECT_TRUE(recovers(pids[2], 15));
}

TEST_F(SocketIoTest, WhatIsKeptForAllTogetherIsBounded) {
  SocketIoOptions o;
  o.max_recovery_bytes = 65'536;
  start(o);
  std::vector<SioSocket> sockets;
  Lines pids;
  for (EngineSocketId id = 1; id <= 20; ++id) {
    pids.push_back(join(R"({"recovery":true})", id)["pid"]);
    sockets.push_back(last_);
  }
  for (const SioSocket socket : sockets) {
    for (int i = 0; i < 10; ++i) {
      SioMessage m("/", "m", "\"" + std::string(1000, 'x') + "\"");
      sio_->emit(now_, socket, m);
      EXPECT_LE(sio_->counters().kept_bytes, 65'536U);
    }
  }
  said();
  EXPECT_GT(sio_->counters().kept_bytes, 60'000U);
  for (EngineSocketId id = 1; id <= 20; ++id) {
    sio_->engine().socket_closed(now_, id, EngineEnd::TransportClose);
  }
  log();
  join(R"({"offset":"0","pid":")" + pids[0] + "\"}", 21);
  EXPECT_NE(log().back(), "recovered") << "the oldest went";
  join(R"({"offset":"190","pid":")" + pids[19] + "\"}", 22);
  EXPECT_EQ(log().back(), "recovered");
  EXPECT_EQ(welcome_.size(), 11U);
  now_.mono += 121s;
  sio_->tick(now_);
  EXPECT_EQ(sio_->counters().kept_bytes, 0U) << "nothing outlives its time";
  EXPECT_EQ(sio_->counters().kept, 0U);
}

// Strangers.

TEST_F(SocketIoTest, StrangersSendLittleAndAreHalfOfAllAtMost) {
  SocketIoOptions o;
  o.max_sessions = 4;
  start(o);
  open(1);
  EXPECT_EQ(sio_->engine().max_message_bytes(1), 65'536U);
  open(2);
  const EngineQuery fresh{"4", "websocket", ""};
  const auto refusal = sio_->engine().check_upgrade(now_, fresh);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status(), 503U);
  EXPECT_EQ(say(R"(40{"token":"wrong"})", 1).at(0).substr(0, 2), "44");
  EXPECT_TRUE(sio_->engine().check_upgrade(now_, fresh));
  say("40", 1);
  EXPECT_EQ(sio_->engine().max_message_bytes(1), o.max_payload);
  EXPECT_FALSE(sio_->engine().check_upgrade(now_, fresh)) << "one less";
  open(3);
  EXPECT_TRUE(sio_->engine().check_upgrade(now_, fresh));
  sio_->engine().socket_closed(now_, 2, EngineEnd::TransportClose);
  EXPECT_FALSE(sio_->engine().check_upgrade(now_, fresh));
}

TEST_F(SocketIoTest, NobodyJoinsAgainAndAgain) {
  join();
  for (int i = 0; i < 15; ++i) {
    say("41");
    EXPECT_EQ(say("40").size(), 1U) << i;
  }
  say("41");
  EXPECT_EQ(say("40"), Lines{"x"});
}

TEST_F(SocketIoTest, NothingOfAStrangersPacketIsLookedAt) {
  open(1);
  EXPECT_EQ(say(R"(451-["x",malformed)"), Lines{"x"});
  EXPECT_EQ(sio_->counters().received[static_cast<std::size_t>(SioType::BinaryEvent)], 1U);
}

TEST(SioPacket, DepthDoesNotMultiplyTheWork) {
  const auto cost = [](std::size_t depth) {
    const std::string text = "51-[\"x\"," + std::string(depth, '[') + '"' + std::string(500'000, 'a') + '"' +
                             std::string(depth, ']') + R"(,{"_placeholder":true,"num":0}])";
    auto least = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 5; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_TRUE(parse_sio_packet(text));
      least = std::min(least, std::chrono::steady_clock::now() - begin);
    }
    return least;
  };
  EXPECT_LT(cost(60), 8 * cost(1));
}

}  // namespace
}  // namespace ts::dialect
