// SPDX-License-Identifier: Apache-2.0
// Engine.IO and Socket.IO over real sockets: the cases of the protocols' documents, each in our own words,
// and what HTTP adds to them.
#include <nlohmann/json.hpp>

#include "http_support.hpp"
#include "socketio_host.hpp"

namespace ts::net::http_test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Host {
 public:
  explicit Host(const dialect::SocketIoOptions& options = SocketIoHost::options())
      : machines_(random_, options), server_(settings()) {
    server_.run([this] { machines_.mount(server_.http()); });
  }
  Client connect() { return server_.connect(); }
  Server& server() { return server_; }
  std::size_t sessions(bool echo = false) {
    return server_.run(
        [&] { return (echo ? machines_.echo() : machines_.socketio().engine()).session_count(); });
  }

 private:
  static Settings settings() {
    Settings out;
    out.signaling = false;
    return out;
  }
  SystemRandom random_;
  SocketIoHost machines_;
  Server server_;
};

std::string polling(const std::string& path, const std::string& sid = {}) {
  return path + "?EIO=4&transport=polling" + (sid.empty() ? "" : "&sid=" + sid);
}
std::string websocket(const std::string& path, const std::string& sid = {}) {
  return path + "?EIO=4&transport=websocket" + (sid.empty() ? "" : "&sid=" + sid);
}
std::string open_sid(Client& client, const std::string& path) {
  const Answer answer = client.get(polling(path));
  EXPECT_EQ(answer.status, 200U);
  return json::parse(answer.body.substr(1))["sid"];
}
/// Upgraded; the open packet is still to be read.
Client socket(Host& host, const std::string& path, const std::string& sid = {}) {
  Client client = host.connect();
  EXPECT_EQ(client.upgrade("", websocket(path, sid)).status, 101U);
  return client;
}
/// The next text that is no heartbeat.
std::string next_said(Client& client) {
  for (;;) {
    std::string text = client.next_text();
    if (text != "2") return text;
    client.text("3");
  }
}
bool closes(Client& client) {
  for (;;) {
    const Frame f = client.next();
    if (f.opcode == -1 || f.opcode == 8) return true;
  }
}

/// What both endpoints have in common.
class EngineProtocol : public ::testing::TestWithParam<std::string> {
 protected:
  const std::string path_ = GetParam();
  Host host_;
};
INSTANTIATE_TEST_SUITE_P(Both, EngineProtocol, ::testing::Values("/engine.io/", "/socket.io/"),
                         [](const auto& one) { return one.param.substr(1, 6); });

void expect_open(const std::string& packet, const json& upgrades) {
  ASSERT_THAT(packet, StartsWith("0{"));
  const json open = json::parse(packet.substr(1));
  EXPECT_EQ(open.size(), 5U);
  EXPECT_TRUE(open["sid"].is_string());
  EXPECT_EQ(open["upgrades"], upgrades);
  EXPECT_EQ(open["pingInterval"], 300);
  EXPECT_EQ(open["pingTimeout"], 200);
  EXPECT_EQ(open["maxPayload"], 1'000'000);
}

TEST_P(EngineProtocol, PollingOpens) {
  const Answer answer = host_.connect().get(polling(path_));
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.field("content-type"), "text/plain; charset=UTF-8");
  EXPECT_EQ(answer.field("cache-control"), "no-store");
  expect_open(answer.body, json::array({"websocket"}));
}

TEST_P(EngineProtocol, PollingRefusesBadHandshakes) {
  Client client = host_.connect();
  const auto code = [&](std::string_view method, const std::string& query) {
    const Answer answer = client.ask(method, path_ + query);
    EXPECT_EQ(answer.status, 400U) << query;
    EXPECT_EQ(answer.field("content-type"), "application/json");
    return json::parse(answer.body).dump();
  };
  EXPECT_EQ(code("GET", "?transport=polling"), R"({"code":5,"message":"Unsupported protocol version"})");
  EXPECT_EQ(code("GET", "?EIO=abc&transport=polling"),
            R"({"code":5,"message":"Unsupported protocol version"})");
  EXPECT_EQ(code("GET", "?EIO=4"), R"({"code":0,"message":"Transport unknown"})");
  EXPECT_EQ(code("GET", "?EIO=4&transport=abc"), R"({"code":0,"message":"Transport unknown"})");
  EXPECT_EQ(code("POST", "?EIO=4&transport=polling"), R"({"code":2,"message":"Bad handshake method"})");
  EXPECT_EQ(code("PUT", "?EIO=4&transport=polling"), R"({"code":2,"message":"Bad handshake method"})");
  EXPECT_EQ(code("GET", "?EIO=4&transport=websocket"), R"({"code":3,"message":"Bad request"})");
  EXPECT_EQ(code("GET", "?EIO=4&transport=polling&sid=x"), R"({"code":1,"message":"Session ID unknown"})");
}

TEST_P(EngineProtocol, WebSocketOpens) {
  Client client = socket(host_, path_);
  expect_open(client.next_text(), json::array());
}

TEST_P(EngineProtocol, WebSocketRefusesBadHandshakes) {
  for (const char* query : {"?transport=websocket", "?EIO=abc&transport=websocket", "?EIO=4",
                            "?EIO=4&transport=abc", "?EIO=4&transport=websocket&sid=x"}) {
    Client client = host_.connect();
    const Answer answer = client.upgrade("", path_ + query);
    EXPECT_EQ(answer.status, 400U) << query;
    EXPECT_EQ(answer.field("content-type"), "text/html");
    client.half_close();
    EXPECT_TRUE(client.ended());
  }
}

TEST_P(EngineProtocol, PollingBeats) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.get(polling(path_, sid)).body, "2");
    const Answer pong = client.ask("POST", polling(path_, sid), "", "3");
    EXPECT_EQ(pong.status, 200U);
    EXPECT_EQ(pong.body, "ok");
  }
}

TEST_P(EngineProtocol, PollingTimesOut) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(client.get(polling(path_, sid)).status, 400U);
}

TEST_P(EngineProtocol, WebSocketBeats) {
  Client client = socket(host_, path_);
  client.next_text();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.next_text(), "2");
    client.text("3");
  }
}

TEST_P(EngineProtocol, WebSocketTimesOut) {
  Client client = socket(host_, path_);
  EXPECT_TRUE(closes(client));
}

TEST_P(EngineProtocol, PollingCloses) {
  Client poller = host_.connect();
  Client poster = host_.connect();
  const std::string sid = open_sid(poller, path_);
  std::thread post([&] {
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(poster.ask("POST", polling(path_, sid), "", "1").status, 200U);
  });
  const Answer last = poller.get(polling(path_, sid));
  post.join();
  EXPECT_EQ(last.status, 200U);
  EXPECT_EQ(last.body, "6");
  EXPECT_EQ(poller.get(polling(path_, sid)).status, 400U);
}

TEST_P(EngineProtocol, WebSocketCloses) {
  Client client = socket(host_, path_);
  client.next_text();
  client.text("1");
  EXPECT_EQ(client.next().opcode, 8);
}

TEST_P(EngineProtocol, Upgrades) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  Client ws = socket(host_, path_, sid);
  ws.text("2probe");
  EXPECT_EQ(ws.next_text(), "3probe");
  EXPECT_EQ(client.get(polling(path_, sid)).body, "6");
  ws.text("5");
  EXPECT_EQ(ws.next_text(), "2");
}

TEST_P(EngineProtocol, AfterTheUpgradeRequestsAreRefused) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  Client ws = socket(host_, path_, sid);
  ws.text("2probe");
  ws.text("5");
  EXPECT_EQ(ws.next_text(), "3probe");
  EXPECT_EQ(ws.next_text(), "2");
  EXPECT_EQ(client.get(polling(path_, sid)).status, 400U);
}

TEST_P(EngineProtocol, AfterTheUpgradeAnotherWebSocketIsClosed) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  Client ws = socket(host_, path_, sid);
  ws.text("2probe");
  ws.text("5");
  ws.next_text();
  Client other = socket(host_, path_, sid);
  EXPECT_TRUE(closes(other));
  EXPECT_EQ(ws.next_text(), "2");
}

// Messages of Engine.IO.

class EngineEcho : public ::testing::Test {
 protected:
  const std::string path_ = "/engine.io/";
  Host host_;
};

TEST_F(EngineEcho, PollingPayloads) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  for (const std::string payload : {"4hello",
                                    "4test1\x1e"
                                    "4test2\x1e"
                                    "4test3",
                                    "4hello\x1e"
                                    "bAQIDBA=="}) {
    EXPECT_EQ(client.ask("POST", polling(path_, sid), "", payload).body, "ok");
    EXPECT_EQ(client.get(polling(path_, sid)).body, payload);
  }
}

TEST_F(EngineEcho, PollingPacketsThatAreNone) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  EXPECT_EQ(client.ask("POST", polling(path_, sid), "", "abc").status, 400U);
  EXPECT_EQ(client.get(polling(path_, sid)).status, 400U);
}

TEST_F(EngineEcho, TwoGetsAtOnce) {
  Client first = host_.connect();
  Client second = host_.connect();
  const std::string sid = open_sid(first, path_);
  std::thread burst([&] {
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(second.get(polling(path_, sid)).status, 400U);
  });
  EXPECT_EQ(first.get(polling(path_, sid)).body, "1");
  burst.join();
  EXPECT_EQ(first.get(polling(path_, sid)).status, 400U);
}

TEST_F(EngineEcho, TwoPostsAtOnce) {
  Client first = host_.connect();
  Client second = host_.connect();
  const std::string sid = open_sid(first, path_);
  first.send("POST " + polling(path_, sid) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n4he");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(second.ask("POST", polling(path_, sid), "", "4x").status, 400U);
  first.send("llo123");
  EXPECT_EQ(first.answer().status, 400U);
  EXPECT_EQ(second.get(polling(path_, sid)).status, 400U);
}

TEST_F(EngineEcho, AGetThatBreaksOff) {
  for (const bool tls : {false, true}) {
    Client client = host_.connect();
    const std::string sid = open_sid(client, path_);
    EXPECT_EQ(host_.sessions(true), 1U);
    Client parked = tls ? host_.server().connect_tls() : host_.connect();
    parked.send("GET " + polling(path_, sid) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    std::this_thread::sleep_for(50ms);
    parked.close();
    for (int i = 0; i < 20 && host_.sessions(true) != 0; ++i) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(host_.sessions(true), 0U) << tls;  // long before the heartbeat says so
  }
}

TEST_F(EngineEcho, ARequestBehindAParkedOneWaits) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  const std::string get = "GET " + polling(path_, sid) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send(get + "POST " + polling(path_, sid) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3");
  EXPECT_EQ(client.answer().body, "2");
  EXPECT_EQ(client.answer().body, "ok");
}

TEST_F(EngineEcho, LargeBodies) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  const std::string large = "4" + std::string(999'999, 'x');
  std::thread post([&] { EXPECT_EQ(client.ask("POST", polling(path_, sid), "", large).status, 200U); });
  post.join();
  EXPECT_EQ(client.get(polling(path_, sid)).body.size(), large.size());
  Client over = host_.connect();
  const Answer answer =
      over.ask("POST", polling(path_, sid), "Content-Length: 1000001\r\nOrigin: http://o\r\n");
  EXPECT_EQ(answer.status, 413U);
  EXPECT_EQ(answer.field("access-control-allow-origin"), "*");
  // Nobody else may send that much.
  EXPECT_EQ(host_.connect().ask("POST", "/nothing", "Content-Length: 100000\r\n").status, 413U);
  EXPECT_EQ(client.ask("POST", polling(path_, sid), "", "3").status, 200U);
  Client chunks = host_.connect();
  chunks.send("POST " + polling(path_, sid) +
              " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n");
  EXPECT_EQ(chunks.answer().status, 413U);
}

TEST_F(EngineEcho, BinaryBodiesAreRefused) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  EXPECT_EQ(
      client.ask("POST", polling(path_, sid), "Content-Type: application/octet-stream\r\n", "4x").status,
      400U);
  EXPECT_EQ(client.ask("POST", polling(path_, sid), "", "4x").status, 200U);
}

TEST_F(EngineEcho, WebSocketMessages) {
  Client client = socket(host_, path_);
  client.next_text();
  client.text("4hello");
  EXPECT_EQ(next_said(client), "4hello");
  client.send(Client::frame(2, "\x01\x02\x03\x04"));
  const Frame binary = client.next();
  EXPECT_EQ(binary.opcode, 2);
  EXPECT_EQ(binary.payload, "\x01\x02\x03\x04");
  const std::string large = "4" + std::string(999'999, 'x');
  std::thread sender([&] { client.text(large); });
  sender.join();
  EXPECT_EQ(next_said(client), large);
  client.text("abc");
  EXPECT_TRUE(closes(client));
}

TEST_F(EngineEcho, WebSocketMessagesBeyondMaxPayload) {
  Client client = socket(host_, path_);
  client.next_text();
  std::string head =
      Client::frame(1, std::string(70'000, 'x')).substr(0, 2) + std::string("\0\0\0\0\0\x0f\x42\x41", 8);
  client.send(head + "abcd");
  EXPECT_EQ(client.next_close(), 1009U);
}

TEST_F(EngineEcho, BytesRightBehindTheUpgrade) {
  Client client = host_.connect();
  client.send("GET " + websocket(path_) +
              " HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
              Client::frame(1, "4early"));
  EXPECT_EQ(client.answer().status, 101U);
  EXPECT_THAT(client.next_text(), StartsWith("0{"));
  EXPECT_EQ(next_said(client), "4early");
}

TEST_F(EngineEcho, NothingIsLostOrReorderedByTheUpgrade) {
  Client poller = host_.connect();
  Client poster = host_.connect();
  const std::string sid = open_sid(poller, path_);
  Client ws = socket(host_, path_, sid);
  std::string all;
  for (int i = 0; i < 200; ++i)
    all += (i == 0 ? "4m"
                   : "\x1e"
                     "4m") +
           std::to_string(i);
  EXPECT_EQ(poster.ask("POST", polling(path_, sid), "", all).body, "ok");
  ws.text("2probe");
  EXPECT_EQ(ws.next_text(), "3probe");
  EXPECT_EQ(poller.get(polling(path_, sid)).body, all);
  poster.ask("POST", polling(path_, sid), "", "4last by polling");
  ws.text("5");
  ws.text("4first by WebSocket");
  EXPECT_EQ(next_said(ws), "4last by polling");
  EXPECT_EQ(next_said(ws), "4first by WebSocket");
}

TEST_F(EngineEcho, Cors) {
  Client client = host_.connect();
  const char* origin = "Origin: https://app.example\r\n";
  EXPECT_EQ(client.get(polling(path_), origin).field("access-control-allow-origin"), "*");
  EXPECT_EQ(client.get(path_, origin).field("access-control-allow-origin"), "*");  // errors too
  const Answer preflight = client.ask("OPTIONS", polling(path_),
                                      "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"
                                      "Access-Control-Request-Headers: x-token\r\n");
  EXPECT_EQ(preflight.status, 204U);
  EXPECT_EQ(preflight.field("access-control-allow-headers"), "x-token");
  EXPECT_THAT(preflight.field("access-control-allow-methods"), HasSubstr("POST"));
  EXPECT_EQ(preflight.field("access-control-allow-origin"), "*");
}

TEST_F(EngineEcho, ASlowWebSocketEnds) {
  dialect::SocketIoOptions options = SocketIoHost::options();
  options.max_send_queue_bytes = 100'000;
  options.ping_timeout = 20s;
  Host host(options);
  Client client = host.server().connect(4096);
  EXPECT_EQ(client.upgrade("", websocket(path_)).status, 101U);
  std::thread sender([&] {
    const std::string text = "4" + std::string(50'000, 'x');
    while (client.text(text)) {
    }
  });
  for (int i = 0; i < 500 && host.sessions(true) != 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(host.sessions(true), 0U);
  sender.join();
}

TEST_F(EngineEcho, TheServerStops) {
  Client poller = host_.connect();
  const std::string sid = open_sid(poller, path_);
  Client ws = socket(host_, path_);
  ws.next_text();
  std::promise<void> done;
  std::thread stop([&] {
    std::this_thread::sleep_for(50ms);
    host_.server().run(
        [&] { host_.server().http().close_all(signal::CloseCode::Drain, 2s, [&] { done.set_value(); }); });
  });
  EXPECT_EQ(poller.get(polling(path_, sid)).body, "1");
  EXPECT_TRUE(closes(ws));
  ws.close();
  stop.join();
  EXPECT_EQ(done.get_future().wait_for(5s), std::future_status::ready);
}

// Socket.IO.

class SocketIoProtocol : public ::testing::Test {
 protected:
  Client opened() {
    Client client = socket(host_, path_);
    client.next_text();
    return client;
  }
  /// In the main namespace, told so, and past its "auth".
  Client joined() {
    Client client = opened();
    client.text("40");
    client.next_text();
    EXPECT_EQ(client.next_text(), R"(42["auth",{}])");
    return client;
  }
  void expect_join(const std::string& packet, const std::string& prefix, const std::string& auth) {
    Client client = opened();
    client.text(packet);
    const std::string answer = client.next_text();
    ASSERT_THAT(answer, StartsWith("40" + prefix));
    const json told = json::parse(answer.substr(2 + prefix.size()));
    EXPECT_EQ(told.size(), 1U);
    EXPECT_TRUE(told["sid"].is_string());
    EXPECT_EQ(client.next_text(), "42" + prefix + "[\"auth\"," + auth + "]");
  }
  const std::string path_ = "/socket.io/";
  Host host_;
};

TEST_F(SocketIoProtocol, Joins) {
  expect_join("40", "", "{}");
  expect_join(R"(40{"token":"123"})", "", R"({"token":"123"})");
  expect_join("40/custom,", "/custom,", "{}");
  expect_join(R"(40/custom,{"token":"abc"})", "/custom,", R"({"token":"abc"})");
}

TEST_F(SocketIoProtocol, UnknownNamespaces) {
  Client client = opened();
  client.text("40/random");
  EXPECT_EQ(client.next_text(), R"(44/random,{"message":"Invalid namespace"})");
}

TEST_F(SocketIoProtocol, WhatIsNoHandshakeCloses) {
  Client client = opened();
  client.text("4abc");
  EXPECT_EQ(client.next().opcode, 8);
}

TEST_F(SocketIoProtocol, WhoDoesNotJoinIsClosed) {
  Client client = opened();
  EXPECT_EQ(next_said(client), "");  // and it was not for want of heartbeats
}

TEST_F(SocketIoProtocol, LeavingKeepsTheTransport) {
  Client client = joined();
  client.text("41");
  EXPECT_EQ(client.next_text(), "2");
}

TEST_F(SocketIoProtocol, LeavingOneOfTwo) {
  Client client = joined();
  client.text("40/custom");
  EXPECT_THAT(next_said(client), StartsWith("40/custom,"));
  EXPECT_EQ(next_said(client), R"(42/custom,["auth",{}])");
  client.text("41/custom");
  client.text(R"(42["message","message to main namespace"])");
  EXPECT_EQ(next_said(client), R"(42["message-back","message to main namespace"])");
}

TEST_F(SocketIoProtocol, Messages) {
  Client client = joined();
  client.text(R"(42["message",1,"2",{"3":[true]}])");
  EXPECT_EQ(next_said(client), R"(42["message-back",1,"2",{"3":[true]}])");
  client.text(R"(42456["message-with-ack",1,"2",{"3":[false]}])");
  EXPECT_EQ(next_said(client), R"(43456[1,"2",{"3":[false]}])");
  const std::string two = R"({"_placeholder":true,"num":0},{"_placeholder":true,"num":1})";
  const auto attach = [&](const std::string& packet) {
    client.text(packet);
    client.send(Client::frame(2, "\x01\x02\x03"));
    client.send(Client::frame(2, "\x04\x05\x06"));
    const std::string text = next_said(client);
    EXPECT_EQ(client.next().payload, "\x01\x02\x03");
    EXPECT_EQ(client.next().payload, "\x04\x05\x06");
    return text;
  };
  EXPECT_EQ(attach("452-[\"message\"," + two + "]"), "452-[\"message-back\"," + two + "]");
  EXPECT_EQ(attach("452-789[\"message-with-ack\"," + two + "]"), "462-789[" + two + "]");
}

TEST_F(SocketIoProtocol, MessagesThatClose) {
  for (const char* bad : {"4abc", "42{}", R"(42abc["message-with-ack",1])"}) {
    Client client = joined();
    client.text(bad);
    EXPECT_TRUE(closes(client)) << bad;
  }
}

TEST_F(SocketIoProtocol, MessagesByPolling) {
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  client.ask("POST", polling(path_, sid), "", "40");
  EXPECT_THAT(client.get(polling(path_, sid)).body, StartsWith("40{"));
  EXPECT_EQ(client.get(polling(path_, sid)).body, R"(42["auth",{}])");
  client.ask("POST", polling(path_, sid), "",
             R"(451-["message",{"_placeholder":true,"num":0}])"
             "\x1e"
             "bAQID");
  EXPECT_EQ(client.get(polling(path_, sid)).body, R"(451-["message-back",{"_placeholder":true,"num":0}])"
                                                  "\x1e"
                                                  "bAQID");
}

TEST_F(SocketIoProtocol, WithoutTheLastSlash) {
  EXPECT_EQ(host_.connect().get("/socket.io?EIO=4&transport=polling").status, 200U);
  EXPECT_EQ(host_.connect().get("/socket.io/x?EIO=4&transport=polling").status, 404U);
}

// Strangers.

TEST_F(SocketIoProtocol, StrangersSendLittle) {
  const std::string large = R"(42["message",")" + std::string(70'000, 'x') + "\"]";
  Client stranger = opened();
  stranger.text(large);
  EXPECT_EQ(stranger.next_close(), 1009U);
  Client member = joined();
  member.text(large);
  EXPECT_EQ(next_said(member).size(), large.size() + 5);
  // By polling, and over a WebSocket that takes over.
  Client client = host_.connect();
  const std::string sid = open_sid(client, path_);
  EXPECT_EQ(host_.connect().ask("POST", polling(path_, sid), "Content-Length: 70000\r\n").status, 413U);
  EXPECT_EQ(client.ask("POST", polling(path_, sid), "", "40").status, 200U);
  EXPECT_EQ(client.ask("POST", polling(path_, sid), "", large).status, 200U);
  Client ws = socket(host_, path_, sid);
  ws.text("2probe");
  EXPECT_EQ(ws.next_text(), "3probe");
  ws.text("5");
  ws.text(large);
  while (!next_said(ws).starts_with(R"(42["message-back")")) {
  }
}

TEST_F(SocketIoProtocol, BodiesOfRefusedPostsAreNotWaitedFor) {
  Client client = host_.connect();
  client.send("POST " + polling(path_, "AAAAAAAAAAAAAAAAAAAA") +
              " HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + std::string(10'000, 'x'));
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 400U);
  EXPECT_EQ(json::parse(answer.body)["message"], "Session ID unknown");
  // A small one is no reason to end the connection.
  Client again = host_.connect();
  EXPECT_EQ(again.ask("POST", polling(path_, "AAAAAAAAAAAAAAAAAAAA"), "", "40").status, 400U);
  EXPECT_EQ(again.get(polling(path_)).status, 200U);
}

}  // namespace
}  // namespace ts::net::http_test
