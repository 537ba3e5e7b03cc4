// SPDX-License-Identifier: Apache-2.0
// The console's files on the admin listener, and what the admin API tells them.
#include <turnstone/net/assets.hpp>

#include "admin_client.hpp"

namespace ts::shell_test {
namespace {

using nlohmann::json;

std::size_t occurrences(const std::string& text, std::string_view what) {
  std::size_t out = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++out;
  return out;
}

struct Console : ::testing::Test {
  Server server{admin_config(2)};
  AdminClient admin{server.runtime->ports().admin};
  std::string host = "Host: " + admin.server().to_string() + "\r\n";

  static void exchange(TurnClient& client, int datagrams) {
    for (int i = 0; i < datagrams; ++i) {
      client.send_channel(0x4001, pattern(1000));
      ASSERT_TRUE(client.next());
    }
  }
};

TEST_F(Console, ItsFilesAreForWhoeverConnects) {
  std::size_t files = 0;
  for (const net::Asset& asset : net::assets()) {
    if (!asset.path.starts_with(net::kConsolePath)) continue;
    ++files;
    const std::string path(asset.path);
    SCOPED_TRACE(path);
    const AdminAnswer answer = admin.raw("GET", path, host);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, asset.body);
    EXPECT_EQ(occurrences(answer.head, "Content-Security-Policy: "), 1U);
    EXPECT_NE(answer.head.find("Content-Security-Policy: default-src 'none';"), std::string::npos);
    EXPECT_NE(answer.head.find("frame-ancestors 'none'"), std::string::npos);
    EXPECT_NE(answer.head.find("Cross-Origin-Resource-Policy: same-origin"), std::string::npos);
    EXPECT_EQ(occurrences(answer.head, "Cache-Control: "), 1U);
    EXPECT_NE(answer.head.find("Cache-Control: no-cache"), std::string::npos);
    EXPECT_EQ(answer.head.find("Access-Control-Allow-Origin"), std::string::npos);
    EXPECT_EQ(admin.raw("HEAD", path, host).body, "");
    EXPECT_EQ(admin.raw("POST", path, host).status, 405);
    EXPECT_EQ(admin.raw("GET", path, "Host: evil.example\r\n").status, 421) << "DNS rebinding";
    EXPECT_NE(Wire(server.http(), {}).get(path).find(" 404 "), std::string::npos) << "not for the public";
  }
  EXPECT_GE(files, 10U);
  for (const char* path : {"/", "/console"}) {
    const AdminAnswer answer = admin.raw("GET", path, host);
    EXPECT_EQ(answer.status, 303) << path;
    EXPECT_NE(answer.head.find("Location: console/"), std::string::npos) << path;
    EXPECT_EQ(admin.raw("POST", path, host).status, 401) << path;
  }
  for (const char* path : {"/console/nothing", "/console/../v1/status", "/demo.js", "/client/turnstone.js"})
    EXPECT_EQ(admin.raw("GET", path, host).status, 401) << path;
}

TEST_F(Console, WhoeverHasSeenThePageIsStillAStranger) {
  std::vector<std::unique_ptr<Wire>> strangers;
  for (int i = 0; i < 64; ++i) {
    Wire& wire = *strangers.emplace_back(std::make_unique<Wire>(admin.server(), Wire::Settings{}));
    ASSERT_TRUE(wire.write("GET /console/ HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    Bytes bytes;
    while (as_text(bytes).find("</html>") == std::string_view::npos)
      ASSERT_EQ(wire.read(bytes), Wire::Read::Some);
  }
  EXPECT_EQ(admin.get("/v1/status").status, 200) << "they keep no operator out";
}

TEST_F(Console, StatsTellWhatHappensAndWhy) {
  TurnClient client(Via::Tcp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  const EchoPeer peer;
  ASSERT_EQ(client.bind(0x4001, peer.local()), 0);
  exchange(client, 3);
  TurnClient stranger(Via::Udp, server.turn());
  stranger.log_in("alice", "wrong");
  EXPECT_EQ(stranger.allocate(), 401);
  const AdminAnswer answer = admin.get("/v1/stats");
  ASSERT_EQ(answer.status, 200);
  json stats = answer.json();
  EXPECT_EQ(stats["allocations"]["tcp"], 1);
  EXPECT_EQ(stats["now"]["allocations"], 1);
  EXPECT_EQ(stats["now"]["to_peer_bytes"], 3000);
  EXPECT_EQ(stats["now"]["to_client_bytes"], 3000);
  EXPECT_EQ(stats["relayed"]["to_peer"]["tcp"]["packets"], 3);
  EXPECT_GE(stats["auth_failures"]["wrong_password"], 1);
  EXPECT_EQ(stats["now"]["auth_failures"], stats["auth_failures"]["wrong_password"]);
  EXPECT_EQ(stats["threads"], 2);
  EXPECT_EQ(stats["allocations_by_thread"].size(), 2U);
  EXPECT_EQ(stats["draining"], false);
  EXPECT_GT(stats["ports"]["free"], 0);
  EXPECT_GT(stats["process"]["open_fds"], 0);
  EXPECT_GT(stats["certificate_expires"], stats["time"]);
  EXPECT_EQ(stats["signaling"]["rooms"], 0);
  EXPECT_EQ(answer.body.find(AdminClient::kToken), std::string::npos);
  EXPECT_EQ(server.metric("turnstone_allocations"), 1) << "a scrape tells the same";
}

TEST(ConsoleOfFewDescriptors, TheLimitOfStreamsIsTheOneInForce) {
  config::Config config = admin_config();
  config.net.max_streams = 4'000'000'000U;
  const Server server(std::move(config));
  const AdminClient admin(server.runtime->ports().admin);
  const json limit = admin.get("/v1/stats").json()["limits"]["streams"];
  EXPECT_GT(limit, 0);
  EXPECT_LT(limit, 4'000'000'000U) << "nobody has descriptors for so many";
}

TEST_F(Console, TopTalkersComeFirstAndTheirRatesAreOfNow) {
  TurnClient quiet(Via::Udp, server.turn());
  TurnClient loud(Via::Udp, server.turn());
  const EchoPeer peer;
  for (TurnClient* client : {&quiet, &loud}) {
    ASSERT_EQ(client->allocate(), 0);
    ASSERT_EQ(client->bind(0x4001, peer.local()), 0);
  }
  TurnClient silent(Via::Udp, server.turn());
  ASSERT_EQ(silent.allocate(), 0);
  exchange(quiet, 1);
  exchange(loud, 20);
  json top = admin.get("/v1/top").json();
  EXPECT_EQ(top["complete"], true);
  ASSERT_EQ(top["allocations"].size(), 2U) << "who is silent does not talk";
  EXPECT_EQ(top["allocations"][0]["to_peer"]["bytes"], 20'000);
  EXPECT_EQ(top["allocations"][0]["user"], "alice");
  EXPECT_GT(top["allocations"][0]["bits_per_second"], top["allocations"][1]["bits_per_second"]);
  const std::string first = top["allocations"][0]["id"];
  // Answers are kept for a second; after that only what came since counts.
  std::this_thread::sleep_for(1100ms);
  exchange(quiet, 2);
  top = admin.get("/v1/top").json();
  ASSERT_EQ(top["allocations"].size(), 1U);
  EXPECT_NE(top["allocations"][0]["id"], first);
  EXPECT_EQ(admin.get("/v1/top").json(), top) << "asked again at once";
  EXPECT_EQ(admin.get("/v1/top?limit=5").status, 400);
}

TEST_F(Console, HistoryIsThereBeforeAnybodyLooks) {
  const auto deadline = Clock::now() + kPatience;
  json history;
  do {
    std::this_thread::sleep_for(100ms);
    history = admin.get("/v1/history").json();
  } while (history["at"].empty() && Clock::now() < deadline);
  ASSERT_FALSE(history["at"].empty());
  EXPECT_GT(history["at"][0], 0);
  for (const auto& [name, column] : history.items()) EXPECT_EQ(column.size(), history["at"].size()) << name;
}

}  // namespace
}  // namespace ts::shell_test
