// SPDX-License-Identifier: Apache-2.0
// Closed relays through the whole server: what is announced over WebSockets opens the relay, and what is
// withdrawn closes it.
#include <fstream>

#include <nlohmann/json.hpp>

#include "http_support.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using net::http_test::Client;
using nlohmann::json;

/// What the relay may take to forget whom nobody may reach any more.
constexpr auto kAtOnce = 100ms;

Client connect(const Server& server) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(server.http().port);
  const timeval patience{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  Client out(fd, nullptr);
  EXPECT_EQ(out.upgrade().status, 101U);
  return out;
}

json await(Client& client, std::string_view type) {
  for (;;) {
    const std::string text = client.next_text();
    if (text.empty()) return json{{"t", "closed"}};
    json m = json::parse(text);
    if (m["t"] == type) return m;
  }
}

/// Says hello and joins; the ICE servers of the room.
json enter(Client& client, const std::string& peer) {
  client.text(R"({"t":"hello","v":1,"peer":")" + peer + "\"}");
  await(client, "welcome");
  client.text(R"({"t":"join","room":"tea"})");
  return await(client, "joined")["ice"];
}

void log_in(TurnClient& turn, const json& ice) {
  const json& server = ice["servers"].back();
  turn.log_in(server["username"], server["credential"].get<std::string>());
}

/// Sends a candidate to whoever is in the room, and waits until the server has it.
void announce(Client& client, const std::string& address) {
  client.text(
      R"({"t":"send","id":"c","to":"*","kind":"candidate","data":{"candidate":"candidate:1 1 udp 1 )" +
      address + R"( 9 typ host generation 0","sdpMid":"0"}})");
  EXPECT_EQ(await(client, "ok")["id"], "c");
}

config::Config configuration() {
  config::Config out = loopback_config(2);
  out.signal.closed_relay = true;
  out.signal.resume_time = 300ms;
  return out;
}

const Endpoint kNear = *Endpoint::parse("127.0.0.1:9");
const Endpoint kFar = *Endpoint::parse("127.0.0.2:9");

TEST(ClosedRelay, OpensAndClosesWithARoomMate) {
  std::chrono::milliseconds best = 10s;
  for (int round = 0; round < 3; ++round) {
    const Server server(configuration());
    Client ada = connect(server);
    const json ice = enter(ada, "ada");
    EXPECT_NE(ice["servers"].back()["username"].get<std::string>().find(";closed=1"), std::string::npos);
    Client ben = connect(server);
    enter(ben, "ben");
    TurnClient turn(Via::Udp, server.turn());
    log_in(turn, ice);
    ASSERT_EQ(turn.allocate(), 0);
    EXPECT_EQ(turn.permit(kNear), 403);
    announce(ben, "127.0.0.1");
    EXPECT_EQ(turn.permit(kNear), 0);
    EXPECT_EQ(turn.bind(0x4000, kNear), 0);
    EXPECT_EQ(turn.permit(kFar), 403);
    EXPECT_EQ(server.metric("turnstone_denials_total", "closed_relay"), 2);
    ben.text(R"({"t":"bye"})");
    EXPECT_EQ(await(ada, "peer-left")["peer"], "ben");
    const auto begin = Clock::now();
    EXPECT_TRUE(server.settles("turnstone_permissions", "", 0));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
    best = std::min(best, took);
    EXPECT_EQ(turn.bind(0x4000, kNear), 403);
    EXPECT_EQ(turn.refresh(600), 0);
  }
  EXPECT_LT(best, kAtOnce);
}

TEST(ClosedRelay, StaysOpenForWhoIsLostAndComesBack) {
  config::Config config = configuration();
  config.signal.resume_time = 30s;
  const Server server(config);
  Client ada = connect(server);
  const json ice = enter(ada, "ada");
  Client ben = connect(server);
  enter(ben, "ben");
  announce(ben, "127.0.0.1");
  TurnClient turn(Via::Udp, server.turn());
  log_in(turn, ice);
  ASSERT_EQ(turn.allocate(), 0);
  ben.reset();
  ASSERT_TRUE(server.settles("turnstone_signaling_lost_members", "", 1));
  EXPECT_EQ(turn.permit(kNear), 0);
}

TEST(ClosedRelay, NobodyOpensItAlone) {
  const Server server(configuration());
  Client ada = connect(server);
  const json ice = enter(ada, "ada");
  announce(ada, "127.0.0.1");
  TurnClient turn(Via::Udp, server.turn());
  log_in(turn, ice);
  ASSERT_EQ(turn.allocate(), 0);
  EXPECT_EQ(turn.permit(kNear), 403);
}

}  // namespace
}  // namespace ts::shell_test
