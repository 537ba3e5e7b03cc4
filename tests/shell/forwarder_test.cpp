// SPDX-License-Identifier: Apache-2.0
// Two HTTP servers as nodes that pass requests and WebSockets of each other's Engine.IO sessions on, over
// real sockets.
#include <thread>

#include <nlohmann/json.hpp>

#include <turnstone/net/forwarder.hpp>
#include <turnstone/net/http_listener.hpp>
#include <turnstone/signal/forward_pass.hpp>

#include "http_support.hpp"
#include "socketio_host.hpp"

namespace ts::net::http_test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr std::string_view kPath = "/engine.io/";

class Node {
 public:
  explicit Node(const std::string& name, std::string_view secret = "a secret of both nodes")
      : mark(signal::mark_of(name)), machines_(random_, long_times()), server_(settings()) {
    server_.run([&] {
      machines_.echo().set_mark(mark);
      machines_.mount(server_.http());
      ForwarderOptions options;
      options.mark = mark;
      options.connect_timeout = 1000ms;
      forwarder_ = std::make_unique<Forwarder>(
          server_.context(), options, signal::derive(secret, signal::kForwardPurpose),
          [this](std::string_view sid) -> std::optional<OtherNode> {
            if (signal::mark_in(sid) != other.mark) return std::nullopt;
            return other;
          },
          [](const std::string&) {});
      server_.http().pass_on(*forwarder_);
    });
    listen();
  }
  ~Node() {
    stop_listening();
    server_.run([this] { forwarder_.reset(); });
  }

  void listen() {
    server_.run([this] {
      auto made =
          HttpListener::make(server_.context(), Endpoint{IpAddress::v4(127, 0, 0, 1), 0},
                             [this](DetachedStream stream) { server_.http().serve(std::move(stream)); });
      ASSERT_TRUE(made) << made.error();
      listener_ = std::move(*made);
      listener_->start();
      url = "http://" + listener_->local().to_string();
    });
  }
  void stop_listening() {
    server_.run([this] { listener_.reset(); });
  }
  void knows(const Node& one) {
    server_.run([&] { other = OtherNode{one.mark, one.url}; });
  }
  void allow(std::size_t most) {
    server_.run([&] { forwarder_->cap(most); });
  }
  /// As the whole server does.
  void stop() {
    server_.run([this] {
      forwarder_->stop();
      server_.http().close_all(signal::CloseCode::Drain, 1000ms, [] {});
    });
  }
  Client connect() { return server_.connect(); }
  Client connect_as(std::string_view remote) { return server_.connect_as(*Endpoint::parse(remote)); }
  Server& server() { return server_; }
  std::uint64_t counted(Forwarded result) {
    return server_.run([&] { return forwarder_->counters().requests[static_cast<std::size_t>(result)]; });
  }
  ForwardCounters counters() {
    return server_.run([&] { return forwarder_->counters(); });
  }
  std::size_t sessions() {
    return server_.run([&] { return machines_.echo().session_count(); });
  }
  bool comes_to(std::size_t count) {
    for (int i = 0; i < 500 && sessions() != count; ++i) std::this_thread::sleep_for(10ms);
    return sessions() == count;
  }

  const std::string mark;
  std::string url;
  OtherNode other;

 private:
  static Settings settings() {
    Settings out;
    out.signaling = false;
    return out;
  }
  /// Nothing of what is tested waits for a heartbeat.
  static dialect::SocketIoOptions long_times() {
    dialect::SocketIoOptions out = SocketIoHost::options();
    out.ping_interval = 20'000ms;
    out.ping_timeout = 20'000ms;
    return out;
  }

  SystemRandom random_;
  SocketIoHost machines_;
  Server server_;
  std::unique_ptr<Forwarder> forwarder_;
  std::unique_ptr<HttpListener> listener_;
};

/// A node that answers when the test does.
class SlowNode {
 public:
  SlowNode() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    url = "http://" + endpoint_of(address).to_string();
  }
  SlowNode(const SlowNode&) = delete;
  SlowNode& operator=(const SlowNode&) = delete;
  ~SlowNode() { ::close(fd_); }
  /// A connection on which all of a request has come, up to these bytes.
  Client asked(std::string_view end) {
    Client out(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC), nullptr);
    std::string all;
    while (!all.ends_with(end) && out.fill()) all += out.take_buffer();
    EXPECT_TRUE(all.ends_with(end));
    return out;
  }

  std::string url;

 private:
  int fd_;
};

class Forwarding : public ::testing::Test {
 protected:
  void SetUp() override {
    a_.knows(b_);
    b_.knows(a_);
  }
  static std::string target(const std::string& sid = {}, std::string_view transport = "polling") {
    return std::string(kPath) + "?EIO=4&transport=" + std::string(transport) +
           (sid.empty() ? "" : "&sid=" + sid);
  }
  static std::string open(Node& at) {
    Client client = at.connect();
    const Answer answer = client.get(target());
    EXPECT_EQ(answer.status, 200U);
    return json::parse(answer.body.substr(1))["sid"];
  }
  static Answer post(Node& at, const std::string& sid, std::string_view body) {
    Client client = at.connect();
    return client.ask("POST", target(sid), {}, body);
  }
  static void begin_get(Client& client, const std::string& sid) {
    client.send("GET " + target(sid) + " HTTP/1.1\r\nHost: test\r\n\r\n");
  }
  /// So many requests of others are on their way.
  static bool passes_on(Node& node, std::uint64_t count) {
    for (int i = 0; i < 500 && node.counters().under_way != count; ++i) std::this_thread::sleep_for(10ms);
    return node.counters().under_way == count;
  }

  Node a_{"node-a"};
  Node b_{"node-b"};
};

TEST_F(Forwarding, EveryRequestOfASessionMayGoToAnyNode) {
  const std::string sid = open(b_);
  EXPECT_EQ(signal::mark_in(sid), b_.mark);
  Client at_a = a_.connect();
  Client at_b = b_.connect();
  for (int i = 0; i < 6; ++i) {
    const std::string text = "4hello " + std::to_string(i);
    EXPECT_EQ(post(i % 3 == 0 ? b_ : a_, sid, text).body, "ok");
    Client& client = i % 2 == 0 ? at_a : at_b;
    const Answer answer = client.get(target(sid));
    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(answer.body, text);
    EXPECT_EQ(answer.field("content-type"), "text/plain; charset=UTF-8");
    EXPECT_EQ(answer.field("cache-control"), "no-store");
  }
  EXPECT_EQ(a_.counted(Forwarded::Answered), 7U);
  EXPECT_EQ(b_.counted(Forwarded::Answered), 0U) << "what is its own it passes to nobody";
  EXPECT_EQ(b_.counted(Forwarded::Refused), 0U);
}

TEST_F(Forwarding, APollIsHeldAndAnsweredFromElsewhere) {
  const std::string sid = open(b_);
  Client waits = a_.connect();
  begin_get(waits, sid);
  ASSERT_TRUE(passes_on(a_, 1));
  EXPECT_EQ(post(b_, sid, "4now").body, "ok");
  EXPECT_EQ(waits.answer().body, "4now");
  EXPECT_TRUE(passes_on(a_, 0));
}

TEST_F(Forwarding, LargeBodiesArriveWhole) {
  const std::string sid = open(b_);
  std::string text = "4";
  for (int i = 0; text.size() < 900'000; ++i) text += std::to_string(i);
  EXPECT_EQ(post(a_, sid, text).body, "ok");
  Client client = a_.connect();
  EXPECT_TRUE(client.get(target(sid)).body == text);
  EXPECT_EQ(post(a_, sid, std::string(1'000'001, '4')).status, 413U);
}

TEST_F(Forwarding, AClientThatGoesIsMissedAtItsNode) {
  const std::string sid = open(b_);
  {
    Client waits = a_.connect();
    begin_get(waits, sid);
    ASSERT_TRUE(passes_on(a_, 1));
  }
  EXPECT_TRUE(b_.comes_to(0));
  EXPECT_TRUE(passes_on(a_, 0));
  EXPECT_EQ(a_.counted(Forwarded::Gone), 1U);
}

TEST_F(Forwarding, APollThatWaitsIsAnsweredWhenTheServerEnds) {
  const std::string sid = open(b_);
  Client waits = a_.connect();
  waits.send("GET " + target(sid) + " HTTP/1.1\r\nHost: test\r\nOrigin: http://page\r\n\r\n");
  ASSERT_TRUE(passes_on(a_, 1));
  a_.stop();
  const Answer answer = waits.answer();
  EXPECT_EQ(answer.status, 503U);
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_EQ(answer.field("access-control-allow-origin"), "*");
  EXPECT_TRUE(waits.ended());
}

TEST_F(Forwarding, APostThatIsOnItsWayIsAnsweredWhenTheServerEnds) {
  SlowNode slow;
  a_.server().run([&] { a_.other = OtherNode{b_.mark, slow.url}; });
  const std::string head = "POST " + target(b_.mark + "AAAAAAAAAAAAAAAAAAAA") +
                           " HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n";
  Client posts = a_.connect();
  posts.send(head + "4x");
  Client asked = slow.asked("4x");
  // Nobody answers this one, and behind it more has come.
  Client hangs = a_.connect();
  hangs.send(head + "4y" + head + "4z");
  Client silent = slow.asked("4y");
  a_.stop();
  asked.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
  const Answer answer = posts.answer();
  EXPECT_EQ(answer.status, 200U) << "it has been said there, and must not be said again";
  EXPECT_EQ(answer.body, "ok");
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(hangs.ended());
  EXPECT_TRUE(silent.ended());
  EXPECT_TRUE(a_.server().settles_at(0));
}

TEST_F(Forwarding, WhatAGetBringsAlongIsNoRequest) {
  const std::string sid = open(b_);
  Client client = a_.connect();
  for (int i = 0; i < 3; ++i) {
    const std::string text = "4" + std::to_string(i);
    EXPECT_EQ(post(a_, sid, text).body, "ok");
    const std::string smuggled = "GET " + target() + " HTTP/1.1\r\nHost: test\r\n\r\n";
    EXPECT_EQ(client.ask("GET", target(sid), {}, smuggled).body, text);
  }
  EXPECT_EQ(b_.sessions(), 1U);
}

TEST_F(Forwarding, FieldsForPagesAreTheOwners) {
  const std::string sid = open(b_);
  EXPECT_EQ(post(b_, sid, "4x").body, "ok");
  Client client = a_.connect();
  client.send("GET " + target(sid) + " HTTP/1.1\r\nHost: test\r\nOrigin: http://page\r\n\r\n");
  const Answer answer = client.answer();
  EXPECT_EQ(answer.field("access-control-allow-origin"), "*");
  EXPECT_EQ(answer.body, "4x");
}

TEST_F(Forwarding, SessionsOfNobodyAreUnknown) {
  const std::string sid = open(b_);
  const std::string unknown = R"({"code":1,"message":"Session ID unknown"})";
  EXPECT_EQ(post(a_, "00000000" + sid.substr(8), "4x").body, unknown);
  EXPECT_EQ(post(a_, "x", "4x").body, unknown);
  EXPECT_EQ(post(a_, b_.mark + "AAAAAAAAAAAAAAAAAAAA", "4x").body, unknown) << "as its node says";
  EXPECT_EQ(a_.counted(Forwarded::Answered), 1U);
}

TEST_F(Forwarding, ANodeThatIsGoneIsTold) {
  const std::string sid = open(b_);
  b_.stop_listening();
  Client client = a_.connect();
  const Answer answer = client.get(target(sid), "Origin: http://page\r\n");
  EXPECT_EQ(answer.status, 503U);
  EXPECT_EQ(answer.field("access-control-allow-origin"), "*") << "so that the page may read it";
  EXPECT_EQ(a_.counted(Forwarded::Unreachable), 1U);
  EXPECT_EQ(client.get(target()).status, 200U) << "the connection is good for more";
}

TEST_F(Forwarding, ANodeThatIsElsewhereNowIsFound) {
  const std::string sid = open(b_);
  EXPECT_EQ(post(a_, sid, "4x").body, "ok");
  b_.stop_listening();
  b_.listen();
  a_.knows(b_);
  EXPECT_EQ(post(a_, sid, "4y").body, "ok");
}

TEST_F(Forwarding, NoMoreThanMay) {
  const std::string sid = open(b_);
  a_.allow(1);
  Client waits = a_.connect();
  begin_get(waits, sid);
  ASSERT_TRUE(passes_on(a_, 1));
  EXPECT_EQ(post(a_, sid, "4x").status, 503U);
  EXPECT_EQ(a_.counted(Forwarded::Busy), 1U);
  EXPECT_EQ(post(b_, sid, "4y").body, "ok");
  EXPECT_EQ(waits.answer().body, "4y");
  ASSERT_TRUE(passes_on(a_, 0));
  EXPECT_EQ(post(a_, sid, "4z").body, "ok");
}

TEST_F(Forwarding, LargeBodiesOfOneClientKeepNobodyElseOut) {
  // Without a length each counts as the largest there may be, until its end or body_timeout.
  constexpr std::size_t kHeld = 70;
  constexpr std::size_t kShare = 8;  // of bodies of a million bytes
  const std::string sid = open(b_);
  const std::string large = "4" + std::string(900'000, 'x');
  const std::string addresses[] = {"[2001:db8::1]:9", "[2001:db8::ffff:2]:9"};  // of one /64
  std::vector<Client> held;
  for (std::size_t i = 0; i < kHeld; ++i) {
    held.push_back(a_.connect_as(addresses[i % 2]));
    held.back().send("POST " + target(sid) + " HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  for (int i = 0; i < 500 && a_.counted(Forwarded::Busy) < kHeld - kShare; ++i)
    std::this_thread::sleep_for(10ms);
  EXPECT_EQ(a_.counted(Forwarded::Busy), kHeld - kShare);
  Client other = a_.connect_as("[2001:db8:0:1::1]:9");
  EXPECT_EQ(other.ask("POST", target(sid), {}, large).body, "ok");
  EXPECT_EQ(other.get(target(sid)).body, large);
  other.close();
  Client same = a_.connect_as(addresses[0]);
  EXPECT_EQ(same.ask("POST", target(sid), {}, "4small").body, "ok");
  EXPECT_EQ(same.ask("POST", target(sid), {}, large).status, 503U);
  held.clear();
  same.close();
  ASSERT_TRUE(a_.server().settles_at(0));
  Client again = a_.connect_as(addresses[0]);
  EXPECT_EQ(again.ask("POST", target(sid), {}, large).body, "ok");
}

TEST_F(Forwarding, WithoutAGoodPassNothingIsTaken) {
  const std::string sid = open(b_);
  Client client = b_.connect();
  const std::string get = target(sid);
  EXPECT_EQ(client.get(get, "Turnstone-Forwarded: 1 x\r\n").status, 403U);
  signal::PassMaker stranger(signal::derive("another secret", signal::kForwardPurpose), a_.mark);
  signal::PassedRequest request;
  request.method = "POST";
  request.target = get;
  request.client = *Endpoint::parse("192.0.2.1:9");
  request.body = sha256({as_bytes("4good")});
  const auto send = [&](signal::PassMaker& maker, std::string_view body) {
    Client fresh = b_.connect();
    return fresh
        .ask("POST", get, "Turnstone-Forwarded: " + maker.make(now().wall, b_.mark, request) + "\r\n", body)
        .status;
  };
  EXPECT_EQ(send(stranger, "4good"), 403U);
  EXPECT_EQ(b_.counted(Forwarded::Refused), 2U);
  signal::PassMaker friendly(signal::derive("a secret of both nodes", signal::kForwardPurpose), a_.mark);
  EXPECT_EQ(send(friendly, "4good"), 200U);
  EXPECT_EQ(send(friendly, "4evil"), 400U) << "another body than was promised";
}

TEST_F(Forwarding, AForwardedRequestGoesNoFurther) {
  // Two nodes that each take the other one's sessions for the other's: a request turns round once.
  const std::string sid = open(b_);
  a_.server().run([&] { a_.other = OtherNode{b_.mark, a_.url}; });  // a's own place
  EXPECT_EQ(post(a_, sid, "4x").status, 403U) << "the pass is for another node";
  EXPECT_EQ(a_.counted(Forwarded::Refused), 1U);
}

class ForwardedSocket : public Forwarding {
 protected:
  Client upgrade(Node& at, const std::string& sid) {
    Client client = at.connect();
    EXPECT_EQ(client.upgrade("", target(sid, "websocket")).status, 101U);
    return client;
  }
  /// At a node that has not made the session.
  Client change_over(const std::string& sid) {
    Client client = upgrade(a_, sid);
    client.text("2probe");
    EXPECT_EQ(client.next_text(), "3probe");
    client.text("5");
    return client;
  }
};

TEST_F(ForwardedSocket, MayBeAtAnyNode) {
  const std::string sid = open(b_);
  Client client = change_over(sid);
  for (int i = 0; i < 20; ++i) {
    const std::string text = "4" + std::to_string(i) + std::string(static_cast<std::size_t>(i) * 3000, 'x');
    client.text(text);
    EXPECT_EQ(client.next_text(), text);
  }
  EXPECT_EQ(a_.counted(Forwarded::Upgraded), 1U);
  EXPECT_EQ(a_.counters().websockets, 1U);
  client.close();
  EXPECT_TRUE(b_.comes_to(0));
  EXPECT_TRUE(passes_on(a_, 0));
  EXPECT_EQ(a_.counters().websockets, 0U);
  EXPECT_TRUE(a_.server().settles_at(0));
}

TEST_F(ForwardedSocket, EndsInGoodMannerFromBothEnds) {
  Client first = change_over(open(b_));
  first.send(Client::frame(8, "\x03\xe8"));
  EXPECT_EQ(first.next_close(), 1000U);
  EXPECT_TRUE(b_.comes_to(0));
  Client second = change_over(open(b_));
  second.text("1");
  EXPECT_EQ(second.next().opcode, 8);
  second.close();
  EXPECT_TRUE(b_.comes_to(0));
  EXPECT_TRUE(passes_on(a_, 0));
}

TEST_F(ForwardedSocket, WhatIsRefusedStaysOnPolling) {
  const std::string sid = open(b_);
  Client unknown = a_.connect();
  EXPECT_EQ(unknown.upgrade("", target(b_.mark + "AAAAAAAAAAAAAAAAAAAA", "websocket")).status, 400U);
  a_.allow(1);  // half of it is none
  Client busy = a_.connect();
  EXPECT_EQ(busy.upgrade("", target(sid, "websocket")).status, 503U);
  EXPECT_EQ(post(a_, sid, "4x").body, "ok") << "the session is as it was";
}

TEST_F(ForwardedSocket, WhoReadsNothingIsNotReadFor) {
  const std::string sid = open(b_);
  Client slow = a_.server().connect(4096);
  ASSERT_EQ(slow.upgrade("", target(sid, "websocket")).status, 101U);
  slow.text("2probe");
  EXPECT_EQ(slow.next_text(), "3probe");
  slow.text("5");
  // The echo fills both nodes' sockets, then its own node's queue, and ends there.
  const std::string text = "4" + std::string(500'000, 'x');
  std::thread talks([&] {
    for (int i = 0; i < 60 && slow.text(text); ++i) {
    }
  });
  EXPECT_TRUE(b_.comes_to(0));
  talks.join();
}

TEST_F(ForwardedSocket, TheServersEndIsTheirs) {
  Client client = change_over(open(b_));
  client.text("4there");
  EXPECT_EQ(client.next_text(), "4there");
  a_.server().run([&] { a_.server().http().close_all(signal::CloseCode::Drain, 2000ms, [] {}); });
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(b_.comes_to(0));
}

}  // namespace
}  // namespace ts::net::http_test
