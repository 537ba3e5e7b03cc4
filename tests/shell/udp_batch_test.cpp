// SPDX-License-Identifier: Apache-2.0
// SendBatch on a socket with an error queue: what an earlier datagram ran into costs no later one.
#include "../../src/net/udp_batch.hpp"

#include "../../src/net/udp_errors.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

TEST(UdpBatch, AnErrorOfAnEarlierDatagramCostsNoLaterOne) {
  const Socket from(SOCK_DGRAM, at("127.0.0.1"));
  ASSERT_TRUE(net::enable_error_queue(from.fd(), IpFamily::V4));
  const Endpoint nobody = UdpSocket(at("127.0.0.1")).local();
  UdpSocket peer(at("127.0.0.1"));
  const Bytes data = pattern(100);
  net::SendBatch batch;
  for (int round = 0; round < 20; ++round) {
    batch.add(from.fd(), nobody, std::nullopt, data);
    EXPECT_EQ(batch.flush(nullptr).sent, 1U);
    pollfd p{from.fd(), 0, 0};
    ASSERT_EQ(::poll(&p, 1, static_cast<int>(kPatience.count())), 1) << "the ICMP error is there";
    batch.add(from.fd(), peer.local(), std::nullopt, data);
    const auto stats = batch.flush(nullptr);
    EXPECT_EQ(stats.sent, 1U);
    EXPECT_EQ(stats.failed, 0U);
    ASSERT_TRUE(peer.receive());
    const auto error = net::next_error(from.fd());
    ASSERT_TRUE(error);
    EXPECT_EQ(error->to, nobody);
    EXPECT_EQ(error->type, 3);
    EXPECT_EQ(error->code, 3);
    EXPECT_FALSE(net::next_error(from.fd()));
  }
}

}  // namespace
}  // namespace ts::shell_test
