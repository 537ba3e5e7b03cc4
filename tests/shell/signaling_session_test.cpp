// SPDX-License-Identifier: Apache-2.0
// Sessions of the native protocol that outlive their WebSocket, over real sockets.
#include <nlohmann/json.hpp>

#include "http_support.hpp"

namespace ts::net::http_test {
namespace {

using nlohmann::json;

struct Session {
  Client client;
  json welcome;
};

std::string hello(const std::string& peer, const std::string& more = {}) {
  return R"({"t":"hello","v":1,"peer":")" + peer + "\"" + more + "}";
}

std::string resume(const json& welcome, int seq) {
  return R"(,"resume":{"sid":")" + welcome["sid"].get<std::string>() + R"(","key":")" +
         welcome["key"].get<std::string>() + R"(","seq":)" + std::to_string(seq) + "}";
}

Session enter(Client client, const std::string& text) {
  EXPECT_EQ(client.upgrade().status, 101U);
  client.text(text);
  json welcome = json::parse(client.next_text());
  return {std::move(client), std::move(welcome)};
}

json next(Client& client) {
  const std::string text = client.next_text();
  return text.empty() ? json{{"t", "closed"}} : json::parse(text);
}

Session in_room(Server& server, const std::string& peer) {
  Session out = enter(server.connect(), hello(peer));
  out.client.text(R"({"t":"join","room":"r"})");
  EXPECT_EQ(next(out.client)["t"], "joined");
  return out;
}

/// Waits until the server has noticed that so many members are lost.
bool lost(Server& server, std::uint64_t count) {
  for (int i = 0; i < 1000; ++i) {
    if (server.run([&] { return server.router().counters().lost; }) == count) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

TEST(SignalingSession, ANetworkFailureIsResumed) {
  Server server(open_settings());
  std::optional<Session> ada(in_room(server, "ada"));
  Session bob = in_room(server, "bob");
  EXPECT_EQ(next(ada->client)["t"], "peer-joined");
  for (const bool tls : {false, true}) {
    ada->client.reset();
    ASSERT_TRUE(lost(server, 1));
    for (int i = 0; i < 20; ++i) {
      bob.client.text(R"({"t":"send","id":1,"to":"ada","kind":"custom","data":)" + std::to_string(i) + "}");
      EXPECT_EQ(next(bob.client)["queued"], 1);
    }
    const int seen = tls ? 22 : 2;
    Client client = tls ? server.connect_tls() : server.connect();
    Session back = enter(std::move(client), hello("ada", resume(ada->welcome, seen)));
    EXPECT_EQ(back.welcome["resumed"], true);
    EXPECT_EQ(back.welcome["sid"], ada->welcome["sid"]);
    for (int i = 0; i < 20; ++i) {
      const json m = next(back.client);
      EXPECT_EQ(m["data"], i);
      EXPECT_EQ(m["seq"], seen + 1 + i);
    }
    EXPECT_EQ(next(bob.client)["t"], "peer-resumed");
    ada.emplace(std::move(back));
  }
  EXPECT_EQ(server.run([&] { return server.router().counters().members; }), 2U);
}

TEST(SignalingSession, TheTimeRunsOut) {
  Settings settings = open_settings();
  settings.signal.resume_time = 200ms;
  Server server(settings);
  Session ada = in_room(server, "ada");
  Session bob = in_room(server, "bob");
  const auto begin = std::chrono::steady_clock::now();
  ada.client.reset();
  const json left = next(bob.client);
  EXPECT_EQ(left["t"], "peer-left");
  EXPECT_EQ(left["reason"], "lost");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 200ms);
  Session late = enter(server.connect(), hello("ada", resume(ada.welcome, 1)));
  EXPECT_EQ(late.welcome["resumed"], false);
  EXPECT_EQ(late.welcome["reason"], "unknown");
}

TEST(SignalingSession, TheOlderSocketIsClosed) {
  Server server(open_settings());
  Session ada = in_room(server, "ada");
  Session again = enter(server.connect(), hello("ada", resume(ada.welcome, 1)));
  EXPECT_EQ(again.welcome["resumed"], true);
  EXPECT_EQ(ada.client.next_close(), 4009U);
  again.client.text(R"({"t":"ping"})");
  EXPECT_EQ(next(again.client)["t"], "pong");
}

TEST(SignalingSession, OnlyAnEndInGoodOrderIsLeaving) {
  Server server(open_settings());
  Session bob = in_room(server, "bob");
  for (const std::string_view code :
       {std::string_view("\x03\xe8"), std::string_view("\x03\xe9"), std::string_view()}) {
    Session ada = in_room(server, "ada");
    EXPECT_EQ(next(bob.client)["t"], "peer-joined");
    ada.client.send(Client::frame(8, code));
    EXPECT_EQ(next(bob.client)["reason"], "left");
  }
  Session ada = in_room(server, "ada");
  EXPECT_EQ(next(bob.client)["t"], "peer-joined");
  ada.client.send(Client::frame(8, "\x0f\xa0"));  // 4000
  ASSERT_TRUE(lost(server, 1));
  Session back = enter(server.connect(), hello("ada", resume(ada.welcome, 1)));
  EXPECT_EQ(back.welcome["resumed"], true);
  EXPECT_EQ(next(bob.client)["t"], "peer-resumed");
}

TEST(SignalingSession, ACloseAtTheEndOfTheServerWaitsForNobody) {
  Server server(open_settings());
  Session ada = in_room(server, "ada");
  ada.client.reset();
  ASSERT_TRUE(lost(server, 1));
  std::promise<void> done;
  server.run([&] { server.http().close_all(signal::CloseCode::Drain, 5000ms, [&] { done.set_value(); }); });
  EXPECT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_TRUE(server.comes_to_rest());
}

}  // namespace
}  // namespace ts::net::http_test
