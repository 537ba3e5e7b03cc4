// SPDX-License-Identifier: Apache-2.0
// Rates of TCP allocations over real sockets: flows pause, nothing is lost, and what ends during a pause
// ends.
#include "tcp_turn.hpp"

namespace ts::shell_test {
namespace {

config::Config limited_to(std::uint64_t bits_per_second, std::uint32_t shards = 1) {
  config::Config out = loopback_config(shards);
  out.turn.max_bits_per_second_per_allocation = bits_per_second;
  return out;
}

/// What is there at once, and what the reads of both directions may owe.
constexpr std::size_t kBurstBytes = 65'536;

class TcpPace : public testing::TestWithParam<Via> {};
INSTANTIATE_TEST_SUITE_P(Streams, TcpPace, testing::Values(Via::Tcp, Via::Tls),
                         [](const auto& p) { return std::string(name(p.param)); });

TEST_P(TcpPace, BothDirectionsKeepTheRate) {
  const Server server(limited_to(400'000));
  Bridge bridge(GetParam(), server);
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  auto start = Clock::now();
  std::thread sender([&] { bridge.data.wire().write(pattern(200'000, 1)); });
  EXPECT_EQ(bridge.peer.receive(200'000), pattern(200'000, 1));
  sender.join();
  EXPECT_GT(seconds_since(start), 1.5);  // (200,000 - 65,536) / 50,000 = 2.7
  EXPECT_LT(seconds_since(start), 6);
  start = Clock::now();
  ASSERT_TRUE(bridge.peer.send(pattern(100'000, 2)));
  EXPECT_EQ(bridge.data.receive_data(100'000), pattern(100'000, 2));
  EXPECT_GT(seconds_since(start), 1);
  EXPECT_LT(seconds_since(start), 6);
  EXPECT_EQ(server.metric("turnstone_drops_total"), 0);
  EXPECT_GT(server.metric("turnstone_peer_stream_pauses_total"), 2);
  const double paused = server.metric("turnstone_peer_stream_pause_seconds_total");
  EXPECT_GT(paused, 2.5) << "of two directions";
  EXPECT_LT(paused, 20);
  bridge.data.close();
  EXPECT_EQ(bridge.peer.ending(), 0);
}

TEST_P(TcpPace, AnEndDuringAPauseLeavesNothing) {
  const Server server(limited_to(80, 2));
  server.metrics();
  const std::size_t before = descriptor_count();
  enum class End { Refresh, Control, ClientReset, PeerReset };
  for (const End end : {End::Refresh, End::Control, End::ClientReset, End::PeerReset}) {
    Bridge bridge(GetParam(), server);
    // The second read goes into debt for more than a minute; the other direction owes the same.
    ASSERT_TRUE(bridge.data.wire().write(pattern(kBurstBytes + 20'000, 1)));
    EXPECT_EQ(bridge.peer.receive(kBurstBytes).size(), kBurstBytes);
    ASSERT_TRUE(bridge.peer.send(pattern(20'000, 2)));
    std::this_thread::sleep_for(kSilence);
    switch (end) {
      case End::Refresh: ASSERT_EQ(bridge.client.refresh(0), 0); break;
      case End::Control: bridge.client.close(); break;
      case End::ClientReset: {
        // Nothing is written once the descriptor's number may be somebody else's.
        if (SSL* tls = bridge.data.wire().tls()) SSL_set_quiet_shutdown(tls, 1);
        const linger now{1, 0};
        ::setsockopt(bridge.data.wire().socket().fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        bridge.data.wire().socket().reset();
        break;
      }
      case End::PeerReset: bridge.peer.reset(); break;
    }
    EXPECT_TRUE(server.settles(kOpenStreams, "peer_tcp", 0)) << static_cast<int>(end);
  }
  EXPECT_TRUE(server.settles(kOpenStreams, std::string("turn_") + name(GetParam()), 0));
  const auto deadline = Clock::now() + kPatience;
  while (descriptor_count() > before && Clock::now() < deadline) std::this_thread::sleep_for(10ms);
  EXPECT_LE(descriptor_count(), before);
}

TEST_P(TcpPace, AServerStopsDuringAPause) {
  auto server = std::make_unique<Server>(limited_to(80));
  Bridge bridge(GetParam(), *server);
  ASSERT_TRUE(bridge.data.wire().write(pattern(kBurstBytes + 20'000, 1)));
  EXPECT_EQ(bridge.peer.receive(kBurstBytes).size(), kBurstBytes);
  server.reset();
  bridge.peer.receive(kBurstBytes);
  EXPECT_NE(bridge.peer.ending(), -1);
}

}  // namespace
}  // namespace ts::shell_test
