// SPDX-License-Identifier: Apache-2.0
// Engine.IO on a fake clock: packets and payloads, opening, both transports, upgrade, heartbeat, and every
// way in which a session dies.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <turnstone/dialect/engine_io.hpp>

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

SocketIoOptions options() {
  SocketIoOptions o;
  o.ping_interval = 300ms;
  o.ping_timeout = 200ms;
  o.upgrade_timeout = 1000ms;
  o.close_timeout = 500ms;
  o.max_sessions = 5;
  o.max_polling_sessions_per_source = 3;
  o.max_send_queue_bytes = 1000;
  return o;
}

class EngineIoTest : public ::testing::Test, public EngineIo::Upper {
 protected:
  void engine_opened(const Now&, EngineSession session) override { session_ = session; }
  void engine_message(const Now& now, EngineSession session, bool binary, std::string_view data) override {
    heard_.push_back((binary ? "b:" : "") + std::string(data));
    if (data == "close me") engine_->close(now, session, EngineEnd::ServerClose);
    if (data == "echo") send(session, "echo");
  }
  void engine_alive(const Now&, EngineSession) override { ++beats_; }
  void engine_closed(const Now&, EngineSession, EngineEnd why) override { ended_.emplace_back(label(why)); }

  void SetUp() override { start(options()); }
  void start(const SocketIoOptions& o) { engine_ = std::make_unique<EngineIo>(o, random_, *this); }

  /// "1= packets" for an answer, "1! code" for a refusal, "1< frame" and "1x" for a WebSocket.
  Lines said() {
    struct Print {
      std::string operator()(const EngineAnswer& a) const {
        std::string text = a.payload;
        std::replace(text.begin(), text.end(), '\x1e', '|');
        return std::to_string(a.request) + "= " + text;
      }
      std::string operator()(const EngineReject& r) const {
        return std::to_string(r.request) + "! " + std::to_string(r.refusal.status()) + " " +
               std::string(label(r.refusal.error));
      }
      std::string operator()(const EngineFrame& f) const {
        return std::to_string(f.socket) + (f.wire.binary ? "<b " : "< ") + *f.wire.bytes;
      }
      std::string operator()(const EngineCloseSocket& c) const { return std::to_string(c.socket) + "x"; }
    };
    Lines out;
    for (const EngineAction& action : engine_->take_actions(now_)) out.push_back(std::visit(Print{}, action));
    return out;
  }
  Lines get(EngineRequestId id, const std::string& sid, const std::string& transport = "polling",
            const std::string& eio = "4") {
    engine_->get(now_, id, {eio, transport, sid}, source_);
    return said();
  }
  /// A POST whose body comes in an exactly sized buffer.
  Lines post(EngineRequestId id, const std::string& sid, std::string_view body) {
    if (const auto refusal = engine_->post_begins(now_, id, {"4", "polling", sid})) {
      Lines out = said();
      out.push_back(std::to_string(id) + "! " + std::to_string(refusal->status()) + " " +
                    std::string(label(refusal->error)));
      return out;
    }
    const auto copy = std::make_unique<char[]>(body.size());
    body.copy(copy.get(), body.size());
    engine_->post(now_, id, {copy.get(), body.size()});
    return said();
  }
  Lines ws(EngineSocketId id, std::string_view text, bool binary = false) {
    const auto copy = std::make_unique<char[]>(text.size());
    text.copy(copy.get(), text.size());
    engine_->socket_message(now_, id, binary, {copy.get(), text.size()});
    return said();
  }
  std::string sid_of(const Lines& lines) {
    const std::size_t at = lines.empty() ? std::string::npos : lines[0].find("0{");
    if (at == std::string::npos) return {};
    return nlohmann::json::parse(lines[0].substr(at + 1))["sid"].get<std::string>();
  }
  std::string open_polling() { return sid_of(get(1, "")); }
  std::string open_socket(EngineSocketId id, const std::string& sid = {}) {
    engine_->socket_opened(now_, id, {"4", "websocket", sid}, source_);
    const Lines lines = said();
    return sid.empty() ? sid_of(lines) : (lines.empty() ? "" : lines[0]);
  }
  void send(EngineSession session, const std::string& text, bool binary = false) {
    engine_->send(session, {std::make_shared<const std::string>(binary ? text : "4" + text), binary});
  }
  Lines after(Duration time) {
    now_.mono += time;
    engine_->tick(now_);
    return said();
  }
  std::uint64_t sessions(EngineTransport t) {
    return engine_->counters().sessions[static_cast<std::size_t>(t)];
  }

  SeededRandom random_;
  Now now_{TimePoint(1h), WallTime(1s)};
  IpAddress source_ = *IpAddress::parse("192.0.2.1");
  std::unique_ptr<EngineIo> engine_;
  EngineSession session_;
  Lines heard_;
  Lines ended_;
  int beats_ = 0;
};

TEST(EnginePacket, Texts) {
  EXPECT_EQ(parse_engine_packet("4hello")->data, "hello");
  EXPECT_EQ(parse_engine_packet("6")->type, EngineType::Noop);
  for (const char* bad : {"", "7", "x", "-1", "/"}) EXPECT_FALSE(parse_engine_packet(bad)) << bad;
}

TEST(EnginePacket, Payloads) {
  std::string text;
  append_engine_packet(text, {std::make_shared<const std::string>("4a"), false});
  append_engine_packet(text, {std::make_shared<const std::string>("\x01\x02\x03\x04"), true});
  EXPECT_EQ(text,
            "4a\x1e"
            "bAQIDBA==");
  EnginePayload payload(text);
  EXPECT_EQ(payload.next()->data, "a");
  EXPECT_FALSE(payload.done());
  const auto binary = payload.next();
  EXPECT_TRUE(binary->binary);
  EXPECT_EQ(binary->data, "\x01\x02\x03\x04");
  EXPECT_TRUE(payload.done());
  for (const char* bad : {"", "4a\x1e",
                          "\x1e"
                          "4a",
                          "b!!", "abc"}) {
    EnginePayload broken(bad);
    bool all = true;
    while (all && !broken.done()) all = broken.next().has_value();
    EXPECT_FALSE(all) << bad;
  }
}

TEST_F(EngineIoTest, OpensByPolling) {
  const Lines lines = get(1, "");
  ASSERT_EQ(lines.size(), 1U);
  ASSERT_EQ(lines[0].substr(0, 4), "1= 0");
  const auto open = nlohmann::json::parse(lines[0].substr(4));
  EXPECT_EQ(open.size(), 5U);
  EXPECT_EQ(open["sid"].get<std::string>().size(), 20U);
  EXPECT_EQ(open["upgrades"], nlohmann::json::array({"websocket"}));
  EXPECT_EQ(open["pingInterval"], 300);
  EXPECT_EQ(open["pingTimeout"], 200);
  EXPECT_EQ(open["maxPayload"], 1'000'000);
  EXPECT_EQ(sessions(EngineTransport::Polling), 1U);
}

TEST_F(EngineIoTest, OpensByWebSocket) {
  engine_->socket_opened(now_, 9, {"4", "websocket", ""}, source_);
  const Lines lines = said();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].substr(0, 4), "9< 0");
  EXPECT_EQ(nlohmann::json::parse(lines[0].substr(4))["upgrades"], nlohmann::json::array());
}

TEST_F(EngineIoTest, RefusesWhatIsNoHandshake) {
  EXPECT_EQ(get(1, "", ""), Lines{"1! 400 unknown_transport"});
  EXPECT_EQ(get(1, "", "abc"), Lines{"1! 400 unknown_transport"});
  EXPECT_EQ(get(1, "", "websocket"), Lines{"1! 400 bad_request"});
  EXPECT_EQ(get(1, "", "polling", ""), Lines{"1! 400 unsupported_version"});
  EXPECT_EQ(get(1, "", "polling", "3"), Lines{"1! 400 unsupported_version"});
  EXPECT_EQ(get(1, "AAAAAAAAAAAAAAAAAAAA"), Lines{"1! 400 unknown_session"});
  EXPECT_EQ(get(1, "__proto__"), Lines{"1! 400 unknown_session"});
  EXPECT_EQ(post(1, "", "4x"), Lines{"1! 400 bad_handshake_method"});
  EXPECT_EQ(EngineRefusal{EngineError::UnknownSession}.json(),
            R"({"code":1,"message":"Session ID unknown"})");
  EXPECT_EQ(EngineRefusal{EngineError::Forbidden}.status(), 403U);
  EXPECT_EQ(engine_->check_upgrade(now_, {"4", "abc", ""})->error, EngineError::UnknownTransport);
  EXPECT_EQ(engine_->check_upgrade(now_, {"4", "polling", ""})->error, EngineError::BadRequest);
  EXPECT_EQ(engine_->check_upgrade(now_, {"abc", "websocket", ""})->error, EngineError::UnsupportedVersion);
  EXPECT_EQ(engine_->check_upgrade(now_, {"4", "websocket", "zz"})->error, EngineError::UnknownSession);
  EXPECT_FALSE(engine_->check_upgrade(now_, {"4", "websocket", ""}));
}

TEST_F(EngineIoTest, LimitsSessions) {
  for (EngineRequestId i = 1; i <= 3; ++i) EXPECT_NE(sid_of(get(i, "")), "");
  EXPECT_EQ(get(4, ""), Lines{"4! 503 unavailable"});  // of this source
  source_ = *IpAddress::parse("2001:db8::1");
  const std::string sid = sid_of(get(5, ""));
  EXPECT_NE(open_socket(6), "");
  EXPECT_EQ(engine_->check_upgrade(now_, {"4", "websocket", ""})->error, EngineError::Unavailable);
  EXPECT_EQ(open_socket(7), "");  // five are there
  // Nobody came back: all of them go in time, and their places with them.
  after(300ms);
  after(200ms);
  EXPECT_EQ(engine_->session_count(), 0U);
  source_ = *IpAddress::parse("192.0.2.1");
  EXPECT_NE(sid_of(get(8, "")), "");
  engine_->drain();
  EXPECT_EQ(get(9, ""), Lines{"9! 503 unavailable"});
}

TEST_F(EngineIoTest, OneSourceIsAnIpv6Slash64) {
  for (int i = 1; i <= 3; ++i) {
    source_ = *IpAddress::parse("2001:db8::" + std::to_string(i));
    EXPECT_NE(open_polling(), "");
  }
  EXPECT_EQ(open_polling(), "");
  source_ = *IpAddress::parse("2001:db8:0:1::1");
  EXPECT_NE(open_polling(), "");
}

TEST_F(EngineIoTest, PollingCarriesMessages) {
  const std::string sid = open_polling();
  EXPECT_EQ(post(2, sid,
                 "4hello\x1e"
                 "4wor\x1e"
                 "bAQID"),
            Lines{"2= ok"});
  EXPECT_EQ(heard_, (Lines{"hello", "wor", "b:\x01\x02\x03"}));
  send(session_, "a");
  send(session_, "\x01\x02", true);
  EXPECT_EQ(get(3, sid), Lines{"3= 4a|bAQI="});
  EXPECT_EQ(get(4, sid), Lines{});  // parked
  send(session_, "b");
  send(session_, "c");
  EXPECT_EQ(said(), Lines{"4= 4b|4c"});
}

TEST_F(EngineIoTest, WebSocketsCarryMessages) {
  open_socket(5);
  EXPECT_EQ(ws(5, "4echo"), Lines{"5< 4echo"});
  EXPECT_EQ(ws(5, "\x01\x02", true), Lines{});
  EXPECT_EQ(ws(5, "bAQID"), Lines{});
  send(session_, "\x07", true);
  EXPECT_EQ(said(), Lines{"5<b \x07"});
  EXPECT_EQ(heard_, (Lines{"echo", "b:\x01\x02", "b:\x01\x02\x03"}));
  // What means nothing here is let pass.
  EXPECT_EQ(ws(5, "6"), Lines{});
  EXPECT_EQ(ws(5, "5"), Lines{});
  EXPECT_TRUE(ended_.empty());
}

TEST_F(EngineIoTest, Beats) {
  const std::string sid = open_polling();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(get(10, sid), Lines{});
    EXPECT_EQ(after(300ms), Lines{"10= 2"});
    EXPECT_EQ(post(11, sid, "3"), Lines{"11= ok"});
  }
  EXPECT_EQ(beats_, 3);
  EXPECT_EQ(get(12, sid), Lines{});
  EXPECT_EQ(after(300ms), Lines{"12= 2"});
  EXPECT_EQ(get(13, sid), Lines{});
  EXPECT_EQ(after(200ms), Lines{"13= 1"});
  EXPECT_EQ(ended_, Lines{"ping_timeout"});
  EXPECT_EQ(get(14, sid), Lines{"14! 400 unknown_session"});
}

TEST_F(EngineIoTest, BeatsOnWebSockets) {
  open_socket(5);
  EXPECT_EQ(after(299ms), Lines{});
  EXPECT_EQ(after(1ms), Lines{"5< 2"});
  EXPECT_EQ(ws(5, "3"), Lines{});
  EXPECT_EQ(after(300ms), Lines{"5< 2"});
  EXPECT_EQ(after(200ms), Lines{"5x"});
  EXPECT_EQ(ended_, Lines{"ping_timeout"});
}

TEST_F(EngineIoTest, TimeIsUpWithoutATick) {
  const std::string sid = open_polling();
  after(300ms);
  now_.mono += 200ms;
  EXPECT_EQ(get(2, sid), Lines{"2! 400 unknown_session"});
}

TEST_F(EngineIoTest, AStallOfOursIsNotTheClientsFault) {
  open_socket(5);
  EXPECT_EQ(after(10s), Lines{"5< 2"});
  EXPECT_EQ(ws(5, "3"), Lines{});
  EXPECT_TRUE(ended_.empty());
}

TEST_F(EngineIoTest, OverlappingGets) {
  const std::string sid = open_polling();
  get(2, sid);
  EXPECT_EQ(get(3, sid), (Lines{"2= 1", "3! 400 bad_request"}));
  EXPECT_EQ(ended_, Lines{"transport_error"});
  EXPECT_EQ(get(4, sid), Lines{"4! 400 unknown_session"});
}

TEST_F(EngineIoTest, OverlappingPosts) {
  const std::string sid = open_polling();
  EXPECT_FALSE(engine_->post_begins(now_, 2, {"4", "polling", sid}));
  EXPECT_EQ(post(3, sid, "4x"), Lines{"3! 400 bad_request"});
  EXPECT_EQ(ended_, Lines{"transport_error"});
  engine_->post(now_, 2, "4late");
  EXPECT_EQ(said(), Lines{"2! 400 unknown_session"});
  EXPECT_TRUE(heard_.empty());
}

TEST_F(EngineIoTest, RequestsThatBreakOff) {
  std::string sid = open_polling();
  get(2, sid);
  engine_->request_gone(now_, 2);
  EXPECT_EQ(said(), Lines{});
  EXPECT_EQ(ended_, Lines{"transport_close"});
  sid = open_polling();
  engine_->post_begins(now_, 3, {"4", "polling", sid});
  engine_->request_gone(now_, 3);
  EXPECT_EQ(ended_.size(), 2U);
  engine_->request_gone(now_, 3);
  EXPECT_EQ(engine_->session_count(), 0U);
}

TEST_F(EngineIoTest, OversizedPostsCostTheMessageOnly) {
  const std::string sid = open_polling();
  engine_->post_begins(now_, 2, {"4", "polling", sid});
  engine_->post_refused(2, EngineError::TooLarge);
  EXPECT_TRUE(ended_.empty());
  EXPECT_EQ(post(3, sid, "4x"), Lines{"3= ok"});
}

TEST_F(EngineIoTest, ClientsClose) {
  const std::string sid = open_polling();
  get(2, sid);
  EXPECT_EQ(post(3, sid,
                 "1\x1e"
                 "4after"),
            (Lines{"2= 6", "3= ok"}));
  EXPECT_EQ(get(4, sid), Lines{"4! 400 unknown_session"});
  open_socket(5);
  EXPECT_EQ(ws(5, "1"), Lines{"5x"});
  EXPECT_EQ(ended_, (Lines{"client_close", "client_close"}));
  EXPECT_TRUE(heard_.empty());
}

TEST_F(EngineIoTest, PacketsThatKill) {
  for (const char* bad : {"abc", "", "2", "2probe", "7", "b*"}) {
    const std::string sid = open_polling();
    get(2, sid);
    EXPECT_EQ(post(3, sid, bad), (Lines{"2= 1", "3! 400 bad_request"})) << bad;
    open_socket(5);
    EXPECT_EQ(ws(5, bad), Lines{"5x"}) << bad;
  }
  open_socket(5);
  EXPECT_EQ(ws(5,
               "bAQID\x1e"
               "4x"),
            Lines{"5x"});
  EXPECT_EQ(ended_, Lines(13, "parse_error"));
}

TEST_F(EngineIoTest, ServersClose) {
  const std::string sid = open_polling();
  send(session_, "last");
  EXPECT_EQ(post(2, sid,
                 "4close me\x1e"
                 "4after"),
            Lines{"2= ok"});
  EXPECT_EQ(ended_, Lines{"server_close"});
  send(session_, "too late");
  EXPECT_EQ(get(3, sid), Lines{"3= 4last"});
  EXPECT_EQ(get(4, sid), Lines{"4= 1"});
  EXPECT_EQ(get(5, sid), Lines{"5! 400 unknown_session"});
  open_socket(5);
  EXPECT_EQ(ws(5, "4close me"), Lines{"5x"});
  // Nobody fetches the rest.
  open_polling();
  engine_->close(now_, session_, EngineEnd::ServerClose);
  EXPECT_EQ(engine_->session_count(), 1U);
  after(500ms);
  EXPECT_EQ(engine_->session_count(), 0U);
  EXPECT_EQ(heard_, (Lines{"close me", "close me"}));
}

TEST_F(EngineIoTest, Upgrades) {
  const std::string sid = open_polling();
  get(2, sid);
  EXPECT_FALSE(engine_->check_upgrade(now_, {"4", "websocket", sid}));
  EXPECT_EQ(open_socket(5, sid), "");
  EXPECT_EQ(ws(5, "2probe"), (Lines{"5< 3probe", "2= 6"}));
  EXPECT_EQ(get(3, sid), Lines{"3= 6"});  // one that was on its way
  send(session_, "queued");
  EXPECT_EQ(ws(5, "5"), Lines{"5< 4queued"});
  EXPECT_EQ(sessions(EngineTransport::Polling), 0U);
  EXPECT_EQ(sessions(EngineTransport::WebSocket), 1U);
  EXPECT_EQ(ws(5, "4echo"), Lines{"5< 4echo"});
  EXPECT_EQ(get(6, sid), Lines{"6! 400 bad_request"});
  EXPECT_EQ(post(7, sid, "4x"), Lines{"7! 400 bad_request"});
  EXPECT_EQ(open_socket(8, sid), "8x");
  EXPECT_EQ(ws(5, "4echo"), Lines{"5< 4echo"});
  EXPECT_EQ(engine_->counters().upgraded, 1U);
}

TEST_F(EngineIoTest, UpgradesThatFailLeavePollingAsItWas) {
  const std::string sid = open_polling();
  open_socket(5, sid);
  EXPECT_EQ(open_socket(6, sid), "6x");  // one at a time
  EXPECT_EQ(ws(5, "4not yet"), Lines{"5x"});
  open_socket(7, sid);
  ws(7, "2probe");
  engine_->socket_closed(now_, 7, EngineEnd::TransportClose);
  EXPECT_EQ(get(2, sid), Lines{});
  send(session_, "still here");
  EXPECT_EQ(said(), Lines{"2= 4still here"});
  open_socket(8, sid);
  for (int i = 0; i < 3; ++i) {
    after(300ms);
    post(3, sid, "3");
  }
  EXPECT_EQ(after(100ms), Lines{"8x"});
  EXPECT_TRUE(ended_.empty());
  EXPECT_TRUE(heard_.empty());
}

TEST_F(EngineIoTest, APostUnderWayAtTheSwitchIsRefused) {
  const std::string sid = open_polling();
  engine_->post_begins(now_, 2, {"4", "polling", sid});
  open_socket(5, sid);
  ws(5, "2probe");
  ws(5, "5");
  engine_->post(now_, 2, "4late");
  EXPECT_EQ(said(), Lines{"2! 400 bad_request"});
  EXPECT_TRUE(ended_.empty());
}

TEST_F(EngineIoTest, ClosedWhileUpgrading) {
  const std::string sid = open_polling();
  open_socket(5, sid);
  ws(5, "2probe");
  send(session_, "last");
  engine_->close(now_, session_, EngineEnd::ServerClose);
  EXPECT_EQ(ws(5, "5"), (Lines{"5< 4last", "5x"}));
  EXPECT_EQ(engine_->session_count(), 0U);
}

TEST_F(EngineIoTest, SlowClientsEnd) {
  const std::string sid = open_polling();
  for (int i = 0; i < 12; ++i) send(session_, std::string(100, 'x'));
  EXPECT_EQ(said(), Lines{});
  EXPECT_EQ(ended_, Lines{"slow_consumer"});
  EXPECT_EQ(get(2, sid), Lines{"2! 400 unknown_session"});
}

TEST_F(EngineIoTest, SocketsThatBreakOff) {
  open_socket(5);
  engine_->socket_closed(now_, 5, EngineEnd::TransportClose);
  engine_->socket_closed(now_, 5, EngineEnd::TransportClose);
  EXPECT_EQ(said(), Lines{});
  EXPECT_EQ(ended_, Lines{"transport_close"});
}

TEST_F(EngineIoTest, ProbesOutOfTurn) {
  open_socket(5);
  engine_->probe(now_, session_);
  EXPECT_EQ(said(), Lines{"5< 2"});
  ws(5, "3");
  EXPECT_EQ(beats_, 1);
  EXPECT_EQ(after(299ms), Lines{});
  EXPECT_EQ(after(1ms), Lines{"5< 2"});
}

TEST_F(EngineIoTest, EverybodyGoes) {
  const std::string sid = open_polling();
  get(2, sid);
  open_socket(5);
  engine_->close_all(now_);
  EXPECT_EQ(said(), (Lines{"2= 1", "5x"}));
  EXPECT_EQ(ended_, (Lines{"drain", "drain"}));
  EXPECT_EQ(sessions(EngineTransport::Polling) + sessions(EngineTransport::WebSocket), 0U);
}

TEST_F(EngineIoTest, AMarkIsPartOfTheId) {
  engine_->set_mark("AbCd-_12");
  const std::string sid = open_polling();
  ASSERT_TRUE(sid.starts_with("AbCd-_12")) << sid;
  EXPECT_EQ(sid.size(), 28U);
  EXPECT_EQ(get(2, sid.substr(8)), Lines{"2! 400 unknown_session"});
  EXPECT_EQ(get(3, "AbCd-_13" + sid.substr(8)), Lines{"3! 400 unknown_session"});
  EXPECT_EQ(get(4, "AbCd-_12"), Lines{"4! 400 unknown_session"});
  EXPECT_EQ(post(5, sid, "4hello"), Lines{"5= ok"});
  EXPECT_EQ(open_socket(6, sid), "");
  EXPECT_EQ(ws(6, "2probe"), Lines{"6< 3probe"});
}

}  // namespace
}  // namespace ts::dialect
