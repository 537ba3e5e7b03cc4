// SPDX-License-Identifier: Apache-2.0
// WebSocket signaling over real sockets, with the real dialect and router.
#include "http_support.hpp"

namespace ts::net::http_test {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kHello = R"({"t":"hello","v":1})";
constexpr std::string_view kJoin = R"({"t":"join","room":"r"})";

std::string send_all(std::size_t bytes) {
  return R"({"t":"send","room":"r","to":"*","kind":"custom","data":")" + std::string(bytes, 'x') + "\"}";
}

/// Upgraded, greeted and in room "r".
Client member(Server& server, Client client, const std::string& name) {
  EXPECT_EQ(client.upgrade().status, 101U);
  client.text(R"({"t":"hello","v":1,"peer":")" + name + "\"}");
  EXPECT_THAT(client.next_text(), HasSubstr("welcome"));
  client.text(kJoin);
  EXPECT_THAT(client.next_text(), HasSubstr("joined"));
  static_cast<void>(server);
  return client;
}

TEST(WebSocketUpgrade, EchoesTheSubprotocolWhenOffered) {
  Server server(open_settings());
  Client with = server.connect();
  Answer answer = with.upgrade("Sec-WebSocket-Protocol: other, signal.v1+json\r\n");
  EXPECT_EQ(answer.status, 101U);
  EXPECT_EQ(answer.field("sec-websocket-protocol"), "signal.v1+json");
  EXPECT_EQ(answer.field("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(answer.field("sec-websocket-extensions"), "");
  Client without = server.connect();
  answer = without.upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n", "/v1/ws?x=1");
  EXPECT_EQ(answer.status, 101U);
  EXPECT_EQ(answer.field("sec-websocket-protocol"), "");
  EXPECT_EQ(answer.field("sec-websocket-extensions"), "");
  EXPECT_EQ(server.connect().upgrade("Sec-WebSocket-Protocol: other\r\n").status, 400U);
}

TEST(WebSocketUpgrade, OriginsAreChecked) {
  Settings settings = open_settings();
  settings.signal.open = false;
  settings.signal.token = "t";
  settings.signal.allowed_origins = {"https://app.example"};
  Server server(settings);
  EXPECT_EQ(server.connect().upgrade("").status, 101U);
  EXPECT_EQ(server.connect().upgrade("Origin: http://test\r\n").status, 101U);
  EXPECT_EQ(server.connect().upgrade("Origin: https://TEST:443\r\n").status, 101U);
  EXPECT_EQ(server.connect().upgrade("Origin: https://app.example\r\n").status, 101U);
  EXPECT_EQ(server.connect().upgrade("Origin: https://test.evil\r\n").status, 403U);
  EXPECT_EQ(server.connect().upgrade("Origin: null\r\n").status, 403U);
  EXPECT_EQ(server.connect().upgrade("Origin: http://test:8080\r\n").status, 403U);
  settings.signal.allowed_origins = {"*"};
  Server any(settings);
  EXPECT_EQ(any.connect().upgrade("Origin: https://test.evil\r\n").status, 101U);
  Server open(open_settings());
  EXPECT_EQ(open.connect().upgrade("Origin: https://test.evil\r\n").status, 101U);
}

TEST(WebSocketUpgrade, BadOnes) {
  Server server(open_settings());
  const std::string head = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
  for (const char* rest : {"Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                           "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n"}) {
    Client client = server.connect();
    client.send(head + rest + "\r\n");
    const unsigned status = client.answer().status;
    EXPECT_TRUE(status == 400 || status == 426) << rest << status;
    client.half_close();
    EXPECT_TRUE(client.ended());
  }
  Client early = server.connect();
  early.send(head + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
             Client::frame(1, kHello));
  EXPECT_EQ(early.answer().status, 400U);
  early.close();
  EXPECT_TRUE(server.settles_at(0));
}

TEST(WebSocket, TwoMembersTalk) {
  Server server(open_settings());
  Client a = member(server, server.connect(), "a");
  Client b = member(server, server.connect_tls(), "b");
  EXPECT_THAT(a.next_text(), HasSubstr("peer-joined"));
  // More than a frame's short forms of length, and in order.
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{300}, std::size_t{60'000}}) {
    a.text(send_all(bytes));
    EXPECT_THAT(b.next_text(), HasSubstr("\"" + std::string(bytes, 'x') + "\""));
    b.text(send_all(bytes));
    EXPECT_THAT(a.next_text(), HasSubstr("\"" + std::string(bytes, 'x') + "\""));
  }
  b.text(R"({"t":"bye"})");
  EXPECT_EQ(b.next_close(), 1000U);
  b.send(Client::frame(8, "\x03\xe8"));
  EXPECT_TRUE(b.ended());
  b.close();
  EXPECT_THAT(a.next_text(), HasSubstr("peer-left"));
  EXPECT_TRUE(server.settles_at(1));
  EXPECT_EQ(server.run([&] { return server.http().counters(); }).websockets_open, 1U);
}

TEST(WebSocket, ManyMessagesStayInOrder) {
  Settings settings = open_settings();
  settings.signal.messages_per_second = 0;
  Server server(settings);
  Client a = member(server, server.connect(), "a");
  Client b = member(server, server.connect(), "b");
  constexpr int kCount = 3000;
  std::string all;
  for (int i = 0; i < kCount; ++i) {
    all += Client::frame(
        1, R"({"t":"send","room":"r","to":"b","kind":"custom","data":)" + std::to_string(i) + "}");
    if (i % 100 == 0) all += Client::frame(9, "p");
  }
  std::thread sender([&] { a.send(all); });
  for (int i = 0; i < kCount; ++i)
    ASSERT_THAT(b.next_text(), HasSubstr("\"data\":" + std::to_string(i) + ",\"seq\":"));
  sender.join();
}

TEST(WebSocket, WhatTlsHasReadAheadIsNotForgotten) {
  Server server(open_settings());
  for (const bool first : {false, true}) {
    Client client = server.connect_tls();
    client.upgrade();
    constexpr int kCount = 50;
    // On the server's thread, so that it finds all of it at once: records of ours, and between them others.
    server.run([&] {
      for (int i = 0; i < kCount; ++i) {
        if (first) {
          EXPECT_EQ(SSL_key_update(client.tls(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        }
        client.send(Client::frame(9, std::to_string(i)));
        if (!first) {
          EXPECT_EQ(SSL_key_update(client.tls(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        }
      }
    });
    for (int i = 0; i < kCount; ++i) EXPECT_EQ(client.next().payload, std::to_string(i));
  }
}

TEST(WebSocket, FragmentsMakeOneMessage) {
  Server server(open_settings());
  Client client = server.connect();
  client.upgrade();
  std::string first = Client::frame(1, kHello.substr(0, 5));
  first[0] = 1;  // not the last
  client.send(first);
  client.send(Client::frame(9, "between"));
  client.send(Client::frame(0, kHello.substr(5)));
  EXPECT_EQ(client.next().payload, "between");
  EXPECT_THAT(client.next_text(), HasSubstr("welcome"));
}

TEST(WebSocket, PingsAreAnswered) {
  Server server(open_settings());
  Client client = server.connect();
  client.upgrade();
  client.send(Client::frame(9, "hey"));
  const Frame pong = client.next();
  EXPECT_EQ(pong.opcode, 10);
  EXPECT_EQ(pong.payload, "hey");
}

TEST(WebSocket, TheServerPingsAndGivesUpOnTheSilent) {
  Settings settings = open_settings();
  settings.http.ping_interval = 100ms;
  Server server(settings);
  Client lively = server.connect();
  lively.upgrade();
  for (int i = 0; i < 4; ++i) {
    const Frame ping = lively.next();
    ASSERT_EQ(ping.opcode, 9);
    lively.send(Client::frame(10, ping.payload));
  }
  EXPECT_EQ(lively.next().opcode, 9);
  EXPECT_EQ(lively.next().opcode, -1);
  EXPECT_TRUE(server.settles_at(0));
}

TEST(WebSocket, WhatBreaksTheRulesIsClosed) {
  Server server(open_settings());
  const auto code = [&server](const std::string& bytes) {
    Client client = server.connect();
    client.upgrade();
    client.send(bytes);
    const unsigned out = client.next_close();
    client.half_close();
    client.ended();
    return out;
  };
  EXPECT_EQ(code(Client::frame(2, "binary")), 1003U);
  EXPECT_EQ(code(Client::frame(1, std::string(65'537, ' '))), 1009U);
  EXPECT_EQ(code(Client::frame(1, "\xff")), 1007U);
  EXPECT_EQ(code(Client::frame(1, kHello, false)), 1002U);
  EXPECT_EQ(code(Client::frame(3, "")), 1002U);
  EXPECT_EQ(code(Client::frame(1, "{")), 4003U);
  EXPECT_TRUE(server.settles_at(0));
  const signal::Counters counters = server.run([&] { return server.router().counters(); });
  EXPECT_EQ(counters.closed[signal::index(signal::CloseReason::TooLarge)], 1U);
  EXPECT_EQ(counters.connections, 0U);
}

TEST(WebSocket, TheCloseHandshakeIsAnswered) {
  Server server(open_settings());
  for (const bool tls : {false, true}) {
    Client client = tls ? server.connect_tls() : server.connect();
    client.upgrade();
    client.send(Client::frame(8, "\x03\xe9"));
    EXPECT_EQ(client.next_close(), 1001U);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(client.ended());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    client.close();
    EXPECT_TRUE(server.settles_at(0));
  }
  const signal::Counters counters = server.run([&] { return server.router().counters(); });
  EXPECT_EQ(counters.closed[signal::index(signal::CloseReason::GoingAway)], 2U);
}

TEST(WebSocket, HelloIsDueInTime) {
  Settings settings = open_settings();
  settings.signal.hello_timeout = 100ms;
  Server server(settings);
  Client client = server.connect();
  client.upgrade();
  EXPECT_EQ(client.next_close(), 4008U);
}

TEST(WebSocket, ASlowConsumerIsClosed) {
  Settings settings = open_settings();
  settings.signal.messages_per_second = 0;
  settings.signal.max_send_queue_bytes = 100'000;
  settings.http.close_timeout = 300ms;
  Server server(settings);
  Client fast = member(server, server.connect(), "fast");
  Client slow = member(server, server.connect(4096), "slow");
  EXPECT_THAT(fast.next_text(), HasSubstr("peer-joined"));
  std::thread sender([&] {
    for (int i = 0; i < 200; ++i) fast.text(send_all(50'000));
  });
  EXPECT_THAT(fast.next_text(), HasSubstr("peer-left"));
  sender.join();
  EXPECT_TRUE(server.settles_at(1));
  const signal::Counters counters = server.run([&] { return server.router().counters(); });
  EXPECT_EQ(counters.closed[signal::index(signal::CloseReason::SlowConsumer)], 1U);
}

TEST(WebSocket, ASlowConsumerThatWakesUpIsToldWhy) {
  Settings settings = open_settings();
  settings.signal.messages_per_second = 0;
  settings.signal.max_send_queue_bytes = 100'000;
  Server server(settings);
  Client fast = member(server, server.connect(), "fast");
  Client slow = member(server, server.connect(4096), "slow");
  EXPECT_THAT(fast.next_text(), HasSubstr("peer-joined"));
  for (int i = 0; i < 10; ++i) fast.text(send_all(50'000));
  EXPECT_THAT(fast.next_text(), HasSubstr("peer-left"));
  EXPECT_EQ(slow.next_close(), 4008U);
}

TEST(WebSocket, PingsWithoutReadingDoNotFillTheMemory) {
  Settings settings = open_settings();
  settings.signal.max_send_queue_bytes = 10'000;
  settings.http.close_timeout = 300ms;
  Server server(settings);
  Client client = server.connect(4096);
  client.upgrade();
  std::string many;
  for (int i = 0; i < 1000; ++i) many += Client::frame(9, std::string(125, 'p'));
  for (int i = 0; i < 200; ++i) {
    if (!client.send(many)) break;
  }
  EXPECT_TRUE(server.settles_at(0));
}

TEST(WebSocket, AbruptEndsAtEveryStage) {
  Server server(open_settings());
  Client other = member(server, server.connect(), "other");
  for (int stage = 0; stage < 6; ++stage) {
    for (const bool reset : {false, true}) {
      Client client = stage % 2 == 0 ? server.connect() : server.connect_tls();
      if (stage >= 1) client.upgrade();
      if (stage >= 2) client.text(kHello);
      if (stage >= 3) client.next_text();
      if (stage >= 4) client.text(kJoin);
      if (stage >= 5) client.send(std::string_view(Client::frame(1, send_all(100))).substr(0, 40));
      if (reset) {
        client.reset();
      } else {
        client.close();
      }
    }
  }
  EXPECT_TRUE(server.settles_at(1));
  EXPECT_EQ(server.run([&] { return server.router().counters(); }).members, 1U);
}

TEST(WebSocket, AHalfClosedOneIsClosed) {
  Server server(open_settings());
  Client client = member(server, server.connect(), "a");
  client.half_close();
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(server.settles_at(0));
}

TEST(WebSocketShutdown, DrainThenClose) {
  Settings settings = open_settings();
  Server server(settings);
  Client a = member(server, server.connect(), "a");
  Client b = member(server, server.connect_tls(), "b");
  EXPECT_THAT(a.next_text(), HasSubstr("peer-joined"));
  server.run([&] { server.http().drain({1500ms, {}, {}}); });
  EXPECT_THAT(a.next_text(), HasSubstr("goaway"));
  EXPECT_THAT(b.next_text(), HasSubstr("goaway"));
  Client late = server.connect();
  late.upgrade();
  EXPECT_THAT(late.next_text(), HasSubstr("server_draining"));
  EXPECT_EQ(late.next_close(), 1012U);
  std::promise<void> done;
  server.run([&] { server.http().close_all(signal::CloseCode::Drain, 5000ms, [&] { done.set_value(); }); });
  for (Client* client : {&a, &b, &late}) {
    if (client != &late) {
      EXPECT_EQ(client->next_close(), 1001U);
    }
    client->send(Client::frame(8, "\x03\xe9"));
    EXPECT_TRUE(client->ended());
    client->close();
  }
  EXPECT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
}

TEST(WebSocketShutdown, PoliteClientsLeaveNothingBehindThatKeepsTheThreadRunning) {
  // The dialect's next deadline is seconds to minutes away.
  Server server(open_settings());
  Client a = member(server, server.connect(), "a");
  std::promise<void> done;
  server.run([&] { server.http().close_all(signal::CloseCode::Drain, 5000ms, [&] { done.set_value(); }); });
  EXPECT_EQ(a.next_close(), 1001U);
  a.send(Client::frame(8, "\x03\xe9"));
  EXPECT_TRUE(a.ended());
  EXPECT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_TRUE(server.comes_to_rest());
}

TEST(WebSocketShutdown, ThoseWhoDoNotAnswerAreCutOff) {
  Server server(open_settings());
  Client a = member(server, server.connect(), "a");
  std::promise<void> done;
  server.run([&] { server.http().close_all(signal::CloseCode::Restart, 200ms, [&] { done.set_value(); }); });
  EXPECT_EQ(a.next_close(), 1012U);
  EXPECT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_TRUE(a.ended());
}

TEST(WebSocketShutdown, TheServerMayGoWithSocketsOpen) {
  std::optional<Client> a, b;
  {
    Server server(open_settings());
    a.emplace(member(server, server.connect(), "a"));
    b.emplace(member(server, server.connect_tls(), "b"));
    a->text(send_all(1000));
  }
  EXPECT_TRUE(a->ended());
  EXPECT_TRUE(b->ended());
}

}  // namespace
}  // namespace ts::net::http_test
