// SPDX-License-Identifier: Apache-2.0
// Data through the relay over real sockets: transports, families, shards, sizes, order, source addresses,
// noise.
#include <random>

#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

/// Sends until it comes back: on a busy machine a datagram may be lost.
template <class Send>
bool comes_back(TurnClient& client, const Bytes& data, const Send& send) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    send();
    while (const auto got = client.next(1500ms)) {
      if (got->bytes == data) return true;
    }
  }
  return false;
}

struct Path {
  Via via;
  bool v6;
  std::uint32_t shards;
};

class RelayData : public testing::TestWithParam<Path> {
 protected:
  const char* host() const { return GetParam().v6 ? "::1" : "127.0.0.1"; }
  IpFamily family() const { return GetParam().v6 ? IpFamily::V6 : IpFamily::V4; }
};

// RFC 8656 §5 MUST: UDP between client and server
// RFC 8656 §11.2 MUST: the datagram leaves from the relayed address, to the peer, with the data unchanged
// RFC 8656 §12.6 MUST: ChannelData is relayed as a datagram from the relayed address to the bound peer
TEST_P(RelayData, EverySizeBothWaysOnChannelsAndIndications) {
  const Server server(loopback_config(GetParam().shards));
  TurnClient client(GetParam().via, server.listener(GetParam().via, host()));
  ASSERT_TRUE(client.ok());
  ASSERT_EQ(client.allocate(family()), 0);
  EXPECT_EQ(client.relayed.address, *IpAddress::parse(host()));
  const EchoPeer on_channel(host());
  const EchoPeer by_indication(host());
  ASSERT_EQ(client.bind(kChannel, on_channel.local()), 0);
  ASSERT_EQ(client.permit(by_indication.local()), 0);
  for (const std::size_t size : {0U, 1U, 3U, 4U, 1200U, 9000U, 60'000U}) {
    const Bytes data = pattern(size, static_cast<std::uint32_t>(size));
    client.send_channel(kChannel, data);
    auto got = client.next();
    ASSERT_TRUE(got) << size;
    EXPECT_EQ(got->channel, kChannel);
    EXPECT_EQ(got->bytes, data) << size;
    client.send_indication(by_indication.local(), data);
    got = client.next();
    ASSERT_TRUE(got) << size;
    EXPECT_EQ(got->channel, 0);
    EXPECT_EQ(got->peer, by_indication.local());
    EXPECT_EQ(got->bytes, data) << size;
  }
}

TEST_P(RelayData, KeepsTheOrder) {
  const Server server(loopback_config(GetParam().shards));
  TurnClient client(GetParam().via, server.listener(GetParam().via, host()));
  ASSERT_EQ(client.allocate(family()), 0);
  const EchoPeer peer(host());
  ASSERT_EQ(client.bind(kChannel, peer.local()), 0);
  constexpr std::uint32_t kBursts = 25;
  constexpr std::uint32_t kBurst = 16;
  for (std::uint32_t burst = 0; burst < kBursts; ++burst) {
    for (std::uint32_t i = 0; i < kBurst; ++i)
      client.send_channel(kChannel, pattern(1 + (burst * 37 + i * 11) % 1200, burst * kBurst + i));
    for (std::uint32_t i = 0; i < kBurst; ++i) {
      const auto got = client.next();
      ASSERT_TRUE(got) << burst << ' ' << i;
      ASSERT_EQ(got->bytes, pattern(1 + (burst * 37 + i * 11) % 1200, burst * kBurst + i));
    }
  }
}

// RFC 8489 §6.3.1.1 MUST: a Binding success response has the source address in XOR-MAPPED-ADDRESS
// RFC 8489 §12 MUST: UDP and TCP are served
TEST_P(RelayData, BindingTellsTheClientsAddress) {
  const Server server(loopback_config(GetParam().shards));
  TurnClient client(GetParam().via, server.listener(GetParam().via, host()));
  ASSERT_TRUE(client.ok());
  const auto seen = client.binding();
  ASSERT_TRUE(seen);
  EXPECT_EQ(*seen, GetParam().via == Via::Udp ? client.udp().local() : client.wire().socket().local());
}

INSTANTIATE_TEST_SUITE_P(Paths, RelayData,
                         testing::Values(Path{Via::Udp, false, 1}, Path{Via::Udp, true, 2},
                                         Path{Via::Tcp, false, 2}, Path{Via::Tcp, true, 1},
                                         Path{Via::Tls, false, 1}, Path{Via::Tls, true, 2}),
                         [](const auto& p) {
                           return std::string(name(p.param.via)) + (p.param.v6 ? "_v6" : "_v4") + "_" +
                                  std::to_string(p.param.shards);
                         });

TEST(Relay, ClientsOfOneServerMeetOnTheirRelayedAddresses) {
  const Server server(loopback_config(2));
  for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
    for (const Via other : {Via::Udp, Via::Tcp, Via::Tls}) {
      TurnClient a(Via::Udp, server.turn());
      TurnClient b(other, server.listener(other));
      ASSERT_EQ(a.allocate(family), 0);
      ASSERT_EQ(b.allocate(family), 0);
      ASSERT_EQ(a.bind(kChannel, b.relayed), 0);
      ASSERT_EQ(b.permit(a.relayed), 0);
      a.send_channel(kChannel, pattern(500, 1));
      const auto at_b = b.next();
      ASSERT_TRUE(at_b);
      EXPECT_EQ(at_b->peer, a.relayed);
      EXPECT_EQ(at_b->bytes, pattern(500, 1));
      b.send_indication(a.relayed, pattern(700, 2));
      const auto at_a = a.next();
      ASSERT_TRUE(at_a);
      EXPECT_EQ(at_a->channel, kChannel);
      EXPECT_EQ(at_a->bytes, pattern(700, 2));
    }
  }
}

TEST(Relay, ManyClientsOnTwoShards) {
  const Server server(loopback_config(2));
  const EchoPeer peer;
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (int i = 0; i < 32; ++i) {
    clients.push_back(std::make_unique<TurnClient>(i % 2 == 0 ? Via::Udp : Via::Tcp, server.turn()));
    ASSERT_EQ(clients.back()->allocate(), 0);
    ASSERT_EQ(clients.back()->bind(kChannel, peer.local()), 0);
  }
  for (std::uint32_t i = 0; i < 32; ++i) clients[i]->send_channel(kChannel, pattern(300, i));
  for (std::uint32_t i = 0; i < 32; ++i) {
    const auto got = clients[i]->next();
    ASSERT_TRUE(got) << i;
    EXPECT_EQ(got->bytes, pattern(300, i));
  }
  const std::string metrics = server.metrics();
  EXPECT_EQ(sample(metrics, "turnstone_allocations"), 32);
  EXPECT_GT(sample(metrics, "turnstone_shard_allocations", "shard=\"0\""), 0);
  EXPECT_GT(sample(metrics, "turnstone_shard_allocations", "shard=\"1\""), 0);
}

// RFC 8656 §9 MUST: datagrams of peers without a permission are discarded
TEST(Relay, NothingWithoutPermission) {
  const Server server;
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  UdpSocket peer(at("127.0.0.1"));
  client.send_indication(peer.local(), pattern(10));
  peer.send(client.relayed, pattern(10));
  EXPECT_FALSE(peer.receive(kSilence));
  EXPECT_FALSE(client.next(kSilence));
  EXPECT_EQ(server.metric("turnstone_drops_total", "no_permission"), 2);
}

class Wildcard : public testing::TestWithParam<std::uint32_t> {};

// RFC 8489 §6.3.1.2 MUST: the response goes from the address and port that were asked back to the source
// RFC 8656 §7.2 MUST: the response goes to the five-tuple of the request
TEST_P(Wildcard, AnswersAndDataLeaveFromTheAddressThatWasAsked) {
  config::Config config = loopback_config(GetParam());
  config.net.bind.clear();
  const Server server(std::move(config));
  for (const char* host : {"127.0.0.2", "127.0.0.77", "::1"}) {
    TurnClient client(Via::Udp, server.turn(host));
    ASSERT_TRUE(client.binding()) << host;
    EXPECT_EQ(client.last_from, server.turn(host));
    ASSERT_EQ(client.allocate(), 0) << host;
    EXPECT_EQ(client.last_from, server.turn(host));
    const EchoPeer peer;
    ASSERT_EQ(client.bind(kChannel, peer.local()), 0);
    client.send_channel(kChannel, pattern(99));
    const auto got = client.next();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes, pattern(99));
    EXPECT_EQ(client.last_from, server.turn(host));
  }
}
INSTANTIATE_TEST_SUITE_P(Shards, Wildcard, testing::Values(1U, 2U));

TEST(Relay, NoiseDoesNotDisturbALiveRelay) {
  const Server server;
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  const EchoPeer peer;
  ASSERT_EQ(client.bind(kChannel, peer.local()), 0);
  UdpSocket noise(at("127.0.0.1"));
  std::mt19937 random(7);
  Bytes bytes;
  for (int i = 0; i < 20'000; ++i) {
    bytes.resize(random() % 120);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    if (bytes.size() >= 8 && i % 2 == 0) {  // half of it passes the first glance
      bytes[0] = static_cast<std::uint8_t>(i % 4 == 0 ? 0 : 0x40);
      bytes[1] = static_cast<std::uint8_t>(random() % 12);
      if (i % 8 == 0) bytes[2] = 0, bytes[3] = static_cast<std::uint8_t>((bytes.size() - 8) & 0xFC);
      if (i % 8 == 0) store_be32(bytes.data() + 4, stun::kMagicCookie);
    }
    noise.send(i % 5 == 0 ? client.relayed : server.turn(), bytes);
    if (i % 1000 == 999) {
      const Bytes data = pattern(800, static_cast<std::uint32_t>(i));
      ASSERT_TRUE(comes_back(client, data, [&] { client.send_channel(kChannel, data); })) << i;
    }
  }
  EXPECT_GT(server.metric("turnstone_drops_total"), 0);
  EXPECT_EQ(server.metric("turnstone_allocations"), 1);
  EXPECT_EQ(server.metric("turnstone_bugs_total"), 0);
}

}  // namespace
}  // namespace ts::shell_test
