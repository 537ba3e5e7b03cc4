// SPDX-License-Identifier: Apache-2.0
// The native protocol without WebSockets: events down, POSTs up, with the real dialect and router.
#include <algorithm>
#include <set>
#include <vector>

#include "http_support.hpp"

namespace ts::net::http_test {
namespace {

using ::testing::HasSubstr;

struct Event {
  std::string name;
  std::string id;
  std::string data;
  bool ended = false;
};

/// A stream of events, and a connection that is kept for what is posted.
class Events {
 public:
  explicit Events(Server& server, std::string_view fields = {}, std::string_view version = "1.1",
                  int receive_buffer = 0)
      : down_(server.connect(receive_buffer)), up_(server.connect()) {
    open(fields, version);
  }
  Events(Client down, Client up) : down_(std::move(down)), up_(std::move(up)) { open({}, "1.1"); }

  const Answer& head() const { return head_; }
  const std::string& id() const { return id_; }
  Client& down() { return down_; }
  Client& up() { return up_; }

  /// The next event that is not a comment.
  Event next(bool comments_too = false) {
    for (;;) {
      const std::size_t end = text_.find("\n\n");
      if (end == std::string::npos) {
        if (!more()) return {{}, {}, {}, true};
        continue;
      }
      std::string block = text_.substr(0, end + 1);
      text_.erase(0, end + 2);
      if (block.starts_with(":")) {
        ++comments;
        if (!comments_too) continue;
        return {};
      }
      return parse(block);
    }
  }
  /// The next message; of a closing event its name and data.
  std::string next_text() {
    const Event event = next();
    return event.name.empty() ? event.data : event.name + " " + event.data;
  }
  Answer post(std::string_view body, std::string_view fields = {}, std::string_view more = {}) {
    return up_.ask("POST", "/v1/events?c=" + id_ + std::string(more),
                   std::string(fields) + (body.empty() ? "Content-Length: 0\r\n" : ""), body);
  }
  /// The next comment; false: the stream has ended.
  bool next_comment() {
    const std::size_t before = comments;
    while (comments == before) {
      if (next(true).ended) return false;
    }
    return true;
  }
  bool chunks_ended() const { return last_chunk_; }

  std::size_t comments = 0;

 private:
  void open(std::string_view fields, std::string_view version) {
    down_.send("GET /v1/events HTTP/" + std::string(version) + "\r\nHost: test\r\n" + std::string(fields) +
               "\r\n");
    head_ = down_.answer(true);
    if (head_.status != 200) return;
    chunked_ = head_.field("transfer-encoding") == "chunked";
    const Event first = next();
    EXPECT_EQ(first.name, "connection");
    const std::size_t from = first.data.find("\"c\":\"") + 5;
    id_ = first.data.substr(from, first.data.find('"', from) - from);
  }
  bool more() {
    raw_ += down_.take_buffer();
    if (!chunked_ && !raw_.empty()) {
      text_ += std::exchange(raw_, {});
      return true;
    }
    bool any = false;
    for (;;) {
      const std::size_t line = raw_.find("\r\n");
      if (!chunked_ || line == std::string::npos) break;
      const std::size_t size = std::stoul(raw_.substr(0, line), nullptr, 16);
      if (raw_.size() < line + 2 + size + 2) break;
      if (size == 0) last_chunk_ = true;
      text_ += raw_.substr(line + 2, size);
      raw_.erase(0, line + 2 + size + 2);
      any = true;
    }
    return any || down_.fill();
  }
  static Event parse(const std::string& block) {
    Event out;
    bool first = true;
    for (std::size_t at = 0; at < block.size();) {
      const std::size_t end = block.find('\n', at);
      const std::string line = block.substr(at, end - at);
      at = end + 1;
      if (line.starts_with("event: ")) out.name = line.substr(7);
      if (line.starts_with("id: ")) out.id = line.substr(4);
      if (!line.starts_with("data: ")) continue;
      if (!std::exchange(first, false)) out.data += '\n';
      out.data += line.substr(6);
    }
    return out;
  }

  Client down_;
  Client up_;
  Answer head_;
  bool chunked_ = false;
  bool last_chunk_ = false;
  std::string id_;
  std::string raw_;
  std::string text_;
};

std::string hello(std::string_view name) {
  return R"({"t":"hello","v":1,"peer":")" + std::string(name) + "\"}";
}

std::string member_of(const std::string& text, const std::string& name) {
  const std::size_t from = text.find('"' + name + "\":\"") + name.size() + 4;
  return text.substr(from, text.find('"', from) - from);
}

constexpr std::string_view kJoinRoom = R"({"t":"join","room":"r"})";

/// Greeted, and in room "r".
std::string enter(Events& events, std::string_view name) {
  EXPECT_EQ(events.post(hello(name) + "\n" + std::string(kJoinRoom)).status, 204U);
  std::string welcome = events.next_text();
  EXPECT_THAT(welcome, HasSubstr("welcome"));
  EXPECT_THAT(events.next_text(), HasSubstr("joined"));
  return welcome;
}

TEST(EventStream, OpensWithAnIdThatNobodyGuesses) {
  Server server(open_settings());
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    Events events(server);
    EXPECT_EQ(events.head().status, 200U);
    EXPECT_EQ(events.head().field("content-type"), "text/event-stream");
    EXPECT_EQ(events.head().field("cache-control"), "no-store");
    EXPECT_EQ(events.head().field("x-accel-buffering"), "no");
    EXPECT_EQ(events.head().field("transfer-encoding"), "chunked");
    EXPECT_EQ(events.head().field("content-length"), "");
    EXPECT_GE(events.id().size(), 22U) << "128 bits as base64url";
    ids.insert(events.id());
  }
  EXPECT_EQ(ids.size(), 20U);
  EXPECT_TRUE(server.settles_at(0));
}

TEST(EventStream, AndAWebSocketTalkBothWays) {
  Server server(open_settings());
  Events ada(server);
  enter(ada, "ada");
  Client bob = server.connect();
  EXPECT_EQ(bob.upgrade().status, 101U);
  bob.text(hello("bob"));
  EXPECT_THAT(bob.next_text(), HasSubstr("welcome"));
  bob.text(kJoinRoom);
  EXPECT_THAT(bob.next_text(), HasSubstr("\"ada\""));
  const Event joined = ada.next();
  EXPECT_THAT(joined.data, HasSubstr("peer-joined"));
  EXPECT_EQ(joined.id, "2") << "the number of the message";
  bob.text(R"({"t":"send","room":"r","to":"ada","kind":"custom","data":{"a":)"
           "\n"
           R"(1,)"
           "\r\n"
           R"("b":2}})");
  EXPECT_THAT(ada.next_text(), HasSubstr("\"data\":{\"a\":\n1,\n\"b\":2}"));
  EXPECT_EQ(ada.post(R"({"t":"send","room":"r","to":"bob","kind":"custom","data":"hi"})").status, 204U);
  EXPECT_THAT(bob.next_text(), HasSubstr("\"from\":\"ada\",\"kind\":\"custom\",\"data\":\"hi\""));
  // The POSTs came over one connection.
  EXPECT_EQ(ada.post(R"({"t":"ping","id":7})").status, 204U);
  const Event pong = ada.next();
  EXPECT_EQ(pong.data, R"({"t":"pong","id":7})");
  EXPECT_EQ(pong.id, "") << "a pong has no number";
  EXPECT_EQ(server.run([&] { return server.http().counters(); }).websockets_open, 2U);
  EXPECT_EQ(ada.post(R"({"t":"bye"})").status, 204U);
  EXPECT_EQ(ada.next_text(), R"(close {"code":1000,"reason":"bye"})");
  EXPECT_TRUE(ada.next().ended);
  EXPECT_TRUE(ada.chunks_ended());
  EXPECT_THAT(bob.next_text(), HasSubstr("\"reason\":\"left\""));
}

TEST(EventStream, SpeaksHttp10AndTls) {
  Server server(open_settings());
  Events old(server, {}, "1.0");
  EXPECT_EQ(old.head().field("transfer-encoding"), "");
  enter(old, "old");
  Events secure(server.connect_tls(), server.connect_tls());
  enter(secure, "secure");
  EXPECT_THAT(old.next_text(), HasSubstr("\"secure\""));
}

TEST(EventStream, ManyMessagesOfOnePostKeepTheirOrder) {
  Server server(open_settings());
  Events ada(server);
  enter(ada, "ada");
  std::string body;
  for (int i = 1; i <= 50; ++i) body += "{\"t\":\"ping\",\"id\":" + std::to_string(i) + "}\r\n\n";
  EXPECT_EQ(ada.post(body, "Content-Type: application/x-ndjson\r\n").status, 204U);
  for (int i = 1; i <= 50; ++i)
    EXPECT_EQ(ada.next_text(), "{\"t\":\"pong\",\"id\":" + std::to_string(i) + "}");
}

TEST(EventStream, ABadMessageBetweenGoodOnesIsAnError) {
  Server server(open_settings());
  Events ada(server);
  enter(ada, "ada");
  EXPECT_EQ(
      ada.post("{\"t\":\"ping\",\"id\":1}\n{\"t\":\"ping\",\"id\":2}\n{\"t\":\n{\"t\":\"ping\",\"id\":4}")
          .status,
      204U);
  EXPECT_EQ(ada.next_text(), R"({"t":"pong","id":1})");
  EXPECT_EQ(ada.next_text(), R"({"t":"pong","id":2})");
  EXPECT_THAT(ada.next_text(), HasSubstr("bad_json"));
  EXPECT_EQ(ada.next_text(), R"({"t":"pong","id":4})");
}

TEST(EventStream, WhatFollowsTheEndIsNotTakenInSilence) {
  Server server(open_settings());
  Events ada(server);
  // Without a hello, anything else is the end.
  EXPECT_EQ(ada.post("{\"t\":\"ping\",\"id\":1}\n" + hello("ada")).status, 404U);
  EXPECT_THAT(ada.next_text(), HasSubstr("unauthorized"));
  EXPECT_THAT(ada.next_text(), HasSubstr("close {\"code\":4001"));
  // The stream is being closed, and is not gone: nobody has closed the other direction.
  EXPECT_EQ(ada.post(hello("ada")).status, 404U);
  EXPECT_EQ(ada.post("").status, 404U);
}

TEST(EventStream, UnknownAndMissingIds) {
  Server server(open_settings());
  Events ada(server);
  Client client = server.connect();
  EXPECT_EQ(client.ask("POST", "/v1/events", "", "{}").status, 400U);
  EXPECT_EQ(client.ask("POST", "/v1/events?c=%", "", "{}").status, 400U);
  for (const std::string& id : {std::string(), std::string("x"), ada.id() + "x", ada.id().substr(1)})
    EXPECT_EQ(client.ask("POST", "/v1/events?c=" + id, "", "{}").status, 404U) << id;
  for (const char* number : {"0", "-1", "1x", "", "99999999999999999999999"})
    EXPECT_EQ(client.ask("POST", "/v1/events?c=" + ada.id() + "&n=" + number, "", "{}").status, 400U)
        << number;
  const Answer answer = client.ask("PUT", "/v1/events?c=" + ada.id(), "", "{}");
  EXPECT_EQ(answer.status, 405U);
  EXPECT_EQ(answer.field("allow"), "GET, POST, OPTIONS");
  EXPECT_EQ(client.ask("HEAD", "/v1/events").status, 405U);
  enter(ada, "ada");  // nothing of it has reached the stream
}

TEST(EventStream, ARepeatedPostIsTakenOnce) {
  Server server(open_settings());
  Events ada(server);
  enter(ada, "ada");
  EXPECT_EQ(ada.post(R"({"t":"ping","id":1})", "", "&n=1").status, 204U);
  EXPECT_EQ(ada.post(R"({"t":"ping","id":1})", "", "&n=1").status, 204U);
  EXPECT_EQ(ada.post(R"({"t":"ping","id":3})", "", "&n=3").status, 409U);
  EXPECT_EQ(ada.post(R"({"t":"ping","id":2})", "", "&n=2").status, 204U);
  EXPECT_EQ(ada.next_text(), R"({"t":"pong","id":1})");
  EXPECT_EQ(ada.next_text(), R"({"t":"pong","id":2})");
}

TEST(EventStream, OriginsAreThoseOfWebSockets) {
  Settings settings = open_settings();
  settings.signal.open = false;
  settings.signal.token = "t";
  settings.signal.allowed_origins = {"https://app.example", "https://other.example"};
  Server server(settings);
  constexpr std::string_view kApp = "Origin: https://app.example\r\n";
  EXPECT_EQ(Events(server, "Origin: https://test.evil\r\n").head().status, 403U);
  EXPECT_EQ(Events(server, "Origin: null\r\n").head().status, 403U);
  Events app(server, kApp);
  EXPECT_EQ(app.head().status, 200U);
  EXPECT_EQ(app.head().field("access-control-allow-origin"), "https://app.example");
  EXPECT_EQ(app.head().field("vary"), "Origin");
  const std::string with_token = R"({"t":"hello","v":1,"token":"t","peer":"ada"})";
  // Who has got hold of the id, in a page elsewhere.
  EXPECT_EQ(app.post(with_token, "Origin: https://test.evil\r\n").status, 403U);
  EXPECT_EQ(app.post(with_token, "Origin: https://other.example\r\n").status, 403U);
  EXPECT_EQ(app.post(with_token).status, 403U);
  const Answer taken = app.post(with_token, kApp);
  EXPECT_EQ(taken.status, 204U);
  EXPECT_EQ(taken.field("access-control-allow-origin"), "https://app.example");
  EXPECT_THAT(app.next_text(), HasSubstr("welcome"));
  // A page of this host tells its origin only with a POST.
  Events own(server);
  EXPECT_EQ(own.post(R"({"t":"hello","v":1,"token":"t"})", "Origin: http://test\r\n").status, 204U);
  EXPECT_EQ(own.post("", kApp).status, 403U);
  Client client = server.connect();
  const Answer preflight = client.ask("OPTIONS", "/v1/events", kApp);
  EXPECT_EQ(preflight.status, 204U);
  EXPECT_EQ(preflight.field("access-control-allow-origin"), "https://app.example");
  EXPECT_THAT(preflight.field("access-control-allow-methods"), HasSubstr("POST"));
  EXPECT_EQ(client.ask("OPTIONS", "/v1/events", "Origin: null\r\n").field("access-control-allow-origin"), "");
  // What is refused is told to the page, too.
  EXPECT_EQ(client.ask("POST", "/v1/events?c=x", kApp, "{}").field("access-control-allow-origin"),
            "https://app.example");
}

TEST(EventStream, WhatIsTooLarge) {
  Settings settings = open_settings();
  settings.signal.max_message_bytes = 1000;
  Server server(settings);
  Events ada(server);
  enter(ada, "ada");
  EXPECT_EQ(ada.post("{\"t\":\"ping\",\"x\":\"" + std::string(1000, 'x') + "\"}").status, 204U);
  EXPECT_THAT(ada.next_text(), HasSubstr("too_large"));
  const Answer answer = ada.post(std::string(65'540, ' '), "Origin: http://test\r\n");
  EXPECT_EQ(answer.status, 413U);
  EXPECT_EQ(answer.field("access-control-allow-origin"), "http://test");
  Client client = server.connect();
  EXPECT_EQ(client.ask("POST", "/v1/events?c=" + ada.id(), "", R"({"t":"ping","id":1})").status, 204U);
  EXPECT_EQ(ada.next_text(), R"({"t":"pong","id":1})");
}

TEST(EventStream, AMessageOfTheGreatestLengthFits) {
  Settings settings = open_settings();
  settings.signal.max_message_bytes = 300'000;
  Server server(settings);
  Events ada(server);
  enter(ada, "ada");
  std::string text = R"({"t":"ping","id":1,"x":")";
  text += std::string(300'000 - text.size() - 2, 'x') + "\"}";
  EXPECT_EQ(ada.post(text).status, 204U);
  EXPECT_EQ(ada.next_text(), R"({"t":"pong","id":1})");
}

TEST(EventStream, IsResumedLikeAWebSocket) {
  Server server(open_settings());
  Events bob(server);
  enter(bob, "bob");
  std::string session;
  {
    Events ada(server);
    const std::string welcome = enter(ada, "ada");
    session = R"("resume":{"sid":")" + member_of(welcome, "sid") + R"(","key":")" +
              member_of(welcome, "key") + "\",";
    EXPECT_THAT(bob.next_text(), HasSubstr("peer-joined"));
  }
  EXPECT_TRUE(server.settles_at(2)) << "the client's end is noticed without a message";
  EXPECT_EQ(bob.post(R"({"t":"send","room":"r","to":"ada","kind":"custom","data":"missed"})").status, 204U);
  Events again(server, "Last-Event-ID: 1\r\n");
  EXPECT_EQ(again.post(R"({"t":"hello","v":1,)" + session + R"("seq":1}})").status, 204U);
  EXPECT_THAT(again.next_text(), HasSubstr("\"resumed\":true"));
  const Event missed = again.next();
  EXPECT_THAT(missed.data, HasSubstr("\"missed\""));
  EXPECT_EQ(missed.id, "2");
  EXPECT_THAT(bob.next_text(), HasSubstr("peer-resumed"));
}

TEST(EventStream, AnOldStreamTakesNothingOnceItsSessionIsResumed) {
  Server server(open_settings());
  Events ada(server);
  const std::string welcome = enter(ada, "ada");
  Events again(server);
  again.post(R"({"t":"hello","v":1,"resume":{"sid":")" + member_of(welcome, "sid") + R"(","key":")" +
             member_of(welcome, "key") + R"(","seq":1}})");
  EXPECT_THAT(again.next_text(), HasSubstr("\"resumed\":true"));
  EXPECT_EQ(ada.post(R"({"t":"leave","room":"r"})").status, 404U);
  EXPECT_THAT(ada.next_text(), HasSubstr("close {\"code\":4009"));
  EXPECT_TRUE(ada.next().ended);
  again.post(R"({"t":"list","room":"r","id":1})");
  EXPECT_THAT(again.next_text(), HasSubstr("\"t\":\"list\""));
}

TEST(EventStream, TheByeOfAPageThatGoesComesAfterItsEnd) {
  Server server(open_settings());
  Events bob(server);
  enter(bob, "bob");
  Events ada(server);
  enter(ada, "ada");
  EXPECT_THAT(bob.next_text(), HasSubstr("peer-joined"));
  ada.down().close();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bob.post("").status, 204U) << "the end is noticed meanwhile";
  EXPECT_EQ(ada.post(R"({"t":"bye"})").status, 204U);
  EXPECT_THAT(bob.next_text(), HasSubstr("\"reason\":\"left\""));
  EXPECT_EQ(ada.post(R"({"t":"bye"})").status, 404U);
}

TEST(EventStream, WithoutAHelloItEnds) {
  Settings settings = open_settings();
  settings.signal.hello_timeout = 100ms;
  Server server(settings);
  Events ada(server);
  std::string last;
  for (Event event = ada.next(); !event.ended; event = ada.next()) last = event.name + event.data;
  EXPECT_THAT(last, HasSubstr("close{\"code\":4008"));
  ada.down().close();
  ada.up().close();
  EXPECT_TRUE(server.settles_at(0));
}

TEST(EventStream, CommentsKeepItAliveAndSilenceEndsIt) {
  Settings settings = open_settings();
  settings.http.ping_interval = 100ms;
  settings.signal.heartbeat = 1s;
  Server server(settings);
  Events ada(server);
  enter(ada, "ada");
  const auto end = std::chrono::steady_clock::now() + 3s;
  while (std::chrono::steady_clock::now() < end) {
    ASSERT_TRUE(ada.next_comment());
    ASSERT_EQ(ada.post("").status, 204U) << "an empty POST is a sign of life";
  }
  EXPECT_GE(ada.comments, 10U);
  std::string last;
  for (Event event = ada.next(); !event.ended; event = ada.next()) last = event.name + event.data;
  EXPECT_THAT(last, HasSubstr("close{\"code\":4008"));
}

TEST(EventStream, WhoDoesNotReadIsClosed) {
  Settings settings = open_settings();
  settings.signal.max_send_queue_bytes = 100'000;
  settings.http.close_timeout = 200ms;
  Server server(settings);
  Events slow(server, {}, "1.1", 4096);
  enter(slow, "slow");
  Events fast(server);
  enter(fast, "fast");
  const std::string message =
      R"({"t":"send","room":"r","to":"slow","kind":"custom","data":")" + std::string(20'000, 'x') + "\"}";
  for (int i = 0; i < 40; ++i) EXPECT_EQ(fast.post(message).status, 204U);
  std::string text;
  do text = fast.next_text();
  while (!text.empty() && text.find("peer-left") == std::string::npos);
  EXPECT_THAT(text, HasSubstr("\"slow\""));
  EXPECT_EQ(slow.post("").status, 404U);
}

TEST(EventStream, MoreOnItsConnectionIsRefusedOrCutOff) {
  Server server(open_settings());
  Client early = server.connect();
  early.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(early.answer().status, 400U);
  early.close();
  Events ada(server);
  enter(ada, "ada");
  ada.down().send(std::string(70'000, 'x'));
  while (!ada.next().ended) {
  }
  ada.up().close();
  ada.down().close();
  EXPECT_TRUE(server.settles_at(0));
}

TEST(EventStream, TheServersEndIsTold) {
  Server server(open_settings());
  Events ada(server);
  enter(ada, "ada");
  server.run([&] { server.http().drain({1500ms, {}, {}}); });
  const std::string away = ada.next_text();
  EXPECT_THAT(away, HasSubstr("goaway"));
  EXPECT_THAT(away, HasSubstr("retryAfter"));
  // Newcomers are told, too.
  Events late(server);
  EXPECT_THAT(late.next_text(), HasSubstr("server_draining"));
  EXPECT_THAT(late.next_text(), HasSubstr("close {\"code\":1012"));
  std::atomic<bool> done{false};
  server.run([&] { server.http().close_all(signal::CloseCode::Restart, 2s, [&done] { done = true; }); });
  EXPECT_THAT(ada.next_text(), HasSubstr("close {\"code\":1012"));
  EXPECT_TRUE(ada.next().ended);
  ada.down().close();
  late.down().close();
  EXPECT_TRUE(server.settles_at(0));
  for (int i = 0; i < 300 && !done; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(done);
}

TEST(EventStream, ThereIsNoneWithoutSignaling) {
  Settings settings = open_settings();
  settings.signaling = false;
  Server server(settings);
  EXPECT_EQ(server.connect().get("/v1/events").status, 404U);
  EXPECT_EQ(server.connect().ask("POST", "/v1/events?c=x", "", "{}").status, 404U);
}

TEST(EventStream, StopsWithTheServerAtOnce) {
  Server server(open_settings());
  Events ada(server);
  enter(ada, "ada");
  server.run([&] { server.http().stop(); });
  EXPECT_TRUE(ada.next().ended);
  EXPECT_TRUE(server.settles_at(0));
}

}  // namespace
}  // namespace ts::net::http_test
