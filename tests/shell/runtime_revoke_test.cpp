// SPDX-License-Identifier: Apache-2.0
// Revocation through the whole server, on every shard.
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using Kind = turn::Revocation::Kind;

TEST(RuntimeRevoke, EndsAllocationsOnEveryShardAtOnce) {
  const Server server(loopback_config(2));
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<TurnClient>(i % 3 == 0 ? Via::Tcp : Via::Udp, server.turn()));
    ASSERT_EQ(clients.back()->allocate(), 0);
  }
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 12));
  server.runtime->revoke({Kind::User, "nobody"});
  server.runtime->revoke({Kind::Room, "lobby"});
  ASSERT_EQ(clients[0]->refresh(600), 0);
  ASSERT_EQ(clients[1]->refresh(600), 0);

  server.runtime->revoke({Kind::User, TurnClient::user});
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  EXPECT_EQ(server.metric("turnstone_allocations_ended_total", "revoked"), 12);
  EXPECT_EQ(server.metric("turnstone_relay_ports_used"), 0);
  for (const auto& client : clients) EXPECT_EQ(client->refresh(600), 403);
  for (const auto& client : clients) EXPECT_EQ(client->allocate(), 403);
  EXPECT_EQ(server.metric("turnstone_auth_failures_total", "revoked"), 24);
}

TEST(RuntimeRevoke, ARevocationAfterTheStopIsHarmless) {
  const Server server;
  server.runtime->stop();
  server.runtime->revoke({Kind::User, TurnClient::user});
}

TEST(RuntimeLimits, TheTotalRateIsForAllShards) {
  config::Config config = loopback_config(2);
  config.turn.max_bits_per_second = 8'000'000;  // 1,000,000 bytes a second, and as much at once
  const Server server(config);
  UdpSocket sink(at("127.0.0.1"));
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<TurnClient>(Via::Udp, server.turn()));
    ASSERT_EQ(clients.back()->allocate(), 0);
    ASSERT_EQ(clients.back()->bind(0x4000, sink.local()), 0);
  }
  const auto start = Clock::now();
  const Bytes payload = pattern(1000);
  for (int i = 0; i < 3000; ++i)
    clients[static_cast<std::size_t>(i) % clients.size()]->send_channel(0x4000, payload);
  ASSERT_EQ(clients[0]->refresh(600), 0);  // all has been seen
  for (const auto& client : clients) ASSERT_EQ(client->refresh(600), 0);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double passed = server.metric("turnstone_relayed_packets_total", "to_peer");
  const double dropped = server.metric("turnstone_drops_total", "bit_rate");
  EXPECT_GT(passed, 500);
  EXPECT_LE(passed, 1000 * (1.2 + seconds));
  if (seconds < 1) {
    EXPECT_GT(dropped, 500);
  }
}

}  // namespace
}  // namespace ts::shell_test
