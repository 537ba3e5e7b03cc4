// SPDX-License-Identifier: Apache-2.0
// Datagrams that the kernel drops because a socket's buffer is full are counted.
#include "../../src/net/udp_batch.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

constexpr const char* kDrops = "turnstone_udp_receive_buffer_drops_total";

TEST(UdpDrops, TotalsOfTheKernelAreCountedOnceAndPastTheirEnd) {
  net::DropCount count;
  EXPECT_EQ(count.added(5), 5U);
  EXPECT_EQ(count.added(5), 0U);
  EXPECT_EQ(count.added(7), 2U);
  EXPECT_EQ(count.added(6), 0U) << "it waited longer than the last one";
  EXPECT_EQ(count.added(8), 1U);
  net::DropCount late(0xFFFFFFFE);
  EXPECT_EQ(late.added(0xFFFFFFFF), 1U);
  EXPECT_EQ(late.added(3), 4U);
  EXPECT_EQ(late.added(0xFFFFFFFF), 0U);
}

TEST(UdpDrops, AreToldWithTheNextDatagram) {
  const Socket socket(SOCK_DGRAM, at("127.0.0.1"), 4096);
  ASSERT_TRUE(net::enable_drop_count(socket.fd()));
  UdpSocket from(at("127.0.0.1"));
  constexpr int kSent = 100;
  for (int i = 0; i < kSent; ++i) from.send(socket.local(), pattern(1000));
  net::ReceiveBatch batch;
  net::DropCount count;
  std::size_t received = 0;
  std::uint64_t dropped = 0;
  const auto receive = [&] {
    ASSERT_TRUE(socket.readable(kPatience));
    const auto datagrams = batch.receive(socket.fd(), false);
    received += datagrams.size();
    if (datagrams.back().dropped != 0) dropped += count.added(datagrams.back().dropped);
    batch.recycle();
  };
  receive();
  EXPECT_EQ(dropped, 0U) << "those came before";
  from.send(socket.local(), pattern(10));
  receive();
  EXPECT_EQ(received + dropped, kSent + 1U);
  EXPECT_EQ(dropped, net::drops_of(socket.fd()));
  EXPECT_GT(dropped, 10U);
}

/// A server that is not quick enough for anybody.
config::Config with_small_buffers() {
  config::Config out = loopback_config();
  out.net.udp_listener_buffer_bytes = 4096;
  out.net.udp_relay_buffer_bytes = 4096;
  return out;
}

/// Sends until the kernel has dropped some.
template <class Send>
void flood(const Server& server, const char* socket, Send send) {
  const auto deadline = Clock::now() + kPatience;
  while (server.metric(kDrops, socket) == 0) {
    ASSERT_LT(Clock::now(), deadline);
    for (int i = 0; i < 5000; ++i) send();
  }
}

TEST(UdpDrops, ListenersAndRelaysHaveTheirMetric) {
  const Server server(with_small_buffers());
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  UdpSocket peer(at("127.0.0.1"));
  EXPECT_EQ(server.metric(kDrops), 0);
  const Bytes data = pattern(1000);
  flood(server, "relay", [&] { peer.send(client.relayed, data); });
  EXPECT_EQ(server.metric(kDrops, "listener"), 0);
  flood(server, "listener", [&] { peer.send(server.turn(), data); });
}

}  // namespace
}  // namespace ts::shell_test
