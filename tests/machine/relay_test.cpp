// SPDX-License-Identifier: Apache-2.0
// The data path both ways: Send and Data (RFC 8656 §11), ChannelData (§12.4-12.7), and that it allocates
// nothing.
#include <array>
#include <numeric>

#include <gtest/gtest.h>

#include "common/counting_new.hpp"
#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

const Endpoint kPeer = ep("8.8.8.8:5000");

Bytes payload(std::size_t size) {
  Bytes out(size);
  std::iota(out.begin(), out.end(), std::uint8_t{1});
  return out;
}

class Relay : public ::testing::TestWithParam<Transport> {
 protected:
  void SetUp() override { ASSERT_EQ(alice.allocate().code(), 0); }
  bool stream() const { return GetParam() == Transport::Tcp || GetParam() == Transport::Tls; }
  std::uint64_t drops(Drop why) const { return world.server.counters().drops[index(why)]; }
  World world;
  Client alice{world, "192.12.0.1:40000", GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Transports, Relay,
                         ::testing::Values(Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls));

// RFC 8656 §11.2 MUST: the datagram leaves from the relayed address, to the peer, with the data unchanged
// RFC 8656 §11.2 MUST: DONT-FRAGMENT sets DF
// RFC 8656 §9 MUST: permissions are by address; ports do not count
TEST_P(Relay, SendGoesOutUnchanged) {
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  for (const std::size_t size : {0U, 1U, 3U, 4U, 1200U, 60'000U}) {
    const Bytes data = payload(size);
    alice.send_indication(kPeer, data, size == 3);
    ASSERT_FALSE(world.to_peers.empty());
    EXPECT_EQ(world.to_peers.back().bytes, data);
    EXPECT_EQ(world.to_peers.back().peer, kPeer);
    EXPECT_EQ(world.to_peers.back().from, alice.relayed);
    EXPECT_EQ(world.to_peers.back().dont_fragment, size == 3);
  }
  EXPECT_EQ(world.to_peers.size(), 6U);
  EXPECT_EQ(world.server.counters().to_peer[index(GetParam())].packets, 6U);
  EXPECT_EQ(world.server.counters().to_peer[index(GetParam())].bytes, 61'208U);
  EXPECT_EQ(world.server.counters().requests[index(RequestKind::Send)][index(Outcome::Success)], 6U);
  alice.send_indication(Endpoint{kPeer.address, 1}, payload(1));  // §9: ports do not matter
  EXPECT_EQ(world.to_peers.size(), 7U);
}

// RFC 8656 §11.2 MUST: a Send indication without XOR-PEER-ADDRESS or DATA is discarded
// RFC 8656 §11.2 MUST: a Send indication with an unknown comprehension-required attribute is discarded
// RFC 8656 §11.2 MUST: a Send indication to a peer without a permission is discarded and refreshes nothing
// RFC 8656 §11.2 MAY: a Send indication to a restricted peer is discarded
// RFC 8656 §5 MUST: an indication or ChannelData with no allocation on its five-tuple is ignored
TEST_P(Relay, SendIsDroppedSilently) {
  ASSERT_EQ(alice.permit({kPeer, ep("198.41.0.4:50000")}).code(), 0);
  const std::size_t answers = world.to_clients.size();
  const auto indication = [&](auto&& add) {
    world.deliver(alice.tuple, alice.make_plain(stun::MessageClass::Indication, Method::Send, add));
  };
  indication([](auto& b) { b.add(AttributeType::Data, "x"); });
  indication([](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, kPeer); });
  indication([](auto& b) { b.add(AttributeType::XorPeerAddress, "short").add(AttributeType::Data, "x"); });
  EXPECT_EQ(drops(Drop::BadMessage), 3U);
  indication([](auto& b) {
    b.add_xor_address(AttributeType::XorPeerAddress, kPeer).add(AttributeType::Data, "x");
    b.add_u32(static_cast<AttributeType>(0x7001), 0);
  });
  EXPECT_EQ(drops(Drop::UnknownComprehension), 1U);
  alice.send_indication(ep("8.8.8.9:5000"), payload(1));
  alice.send_indication(ep("[2620:fe::1]:5000"), payload(1));
  EXPECT_EQ(drops(Drop::NoPermission), 2U);
  alice.send_indication(ep("198.41.0.4:22"), payload(1));
  EXPECT_EQ(drops(Drop::PeerDenied), 1U);
  Client stranger(world, "192.12.0.1:40001", GetParam());
  stranger.send_indication(kPeer, payload(1));
  EXPECT_EQ(drops(Drop::NoAllocation), 1U);
  EXPECT_TRUE(world.to_peers.empty());
  EXPECT_EQ(world.to_clients.size(), answers);
  alice.send_indication(ep("198.41.0.4:50000"), payload(1));
  EXPECT_EQ(world.to_peers.size(), 1U);
}

// RFC 8656 §11.3 MUST: without a channel a peer's datagram becomes a Data indication with peer and data
// RFC 8489 §14 MUST: padding is zero on sending and ignored on receiving
TEST_P(Relay, DataIndicationCarriesPeerAndData) {
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  for (const std::size_t size : {0U, 1U, 2U, 3U, 4U, 1200U, 65'500U}) {
    const Bytes data = payload(size);
    world.peer_sends(alice.relay(), kPeer, data);
    const SentToClient& sent = world.to_clients.back();
    EXPECT_TRUE(sent.droppable);
    EXPECT_EQ(sent.tuple, alice.tuple);
    const Answer got{sent.bytes};
    EXPECT_EQ(got.view().method(), Method::Data);
    EXPECT_EQ(got.view().message_class(), stun::MessageClass::Indication);
    EXPECT_EQ(got.types(), (std::vector{AttributeType::XorPeerAddress, AttributeType::Data}));
    EXPECT_EQ(got.address(AttributeType::XorPeerAddress), kPeer);
    const auto value = *got.attribute(AttributeType::Data);
    EXPECT_EQ(Bytes(value.begin(), value.end()), data);
    for (std::size_t i = 36 + size; i < sent.bytes.size(); ++i) EXPECT_EQ(sent.bytes[i], 0) << "padding";
  }
  world.peer_sends(alice.relay(), kPeer, payload(65'501));
  EXPECT_EQ(drops(Drop::TooLarge), 1U);
}

TEST_P(Relay, IndicationsHaveDifferentTransactionIds) {
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  world.peer_sends(alice.relay(), kPeer, payload(4));
  world.peer_sends(alice.relay(), kPeer, payload(4));
  const auto n = world.to_clients.size();
  EXPECT_NE(world.to_clients[n - 1].bytes, world.to_clients[n - 2].bytes);
}

// RFC 8656 §12.5 MUST: with a channel the server sends ChannelData
// RFC 8656 §12.5 MUST: over TCP and TLS ChannelData is padded to four bytes
// RFC 8656 §12.6 MUST: ChannelData is relayed as a datagram from the relayed address to the bound peer
// RFC 8656 §12.6 MUST: ChannelData of length zero is relayed as an empty datagram
TEST_P(Relay, ChannelDataBothWays) {
  ASSERT_EQ(alice.bind(0x4001, kPeer).code(), 0);
  for (const std::size_t size : {0U, 1U, 2U, 3U, 4U, 1200U, 65'507U}) {
    const Bytes data = payload(size);
    alice.send_channel(0x4001, data);
    EXPECT_EQ(world.to_peers.back().bytes, data);
    EXPECT_EQ(world.to_peers.back().peer, kPeer);
    EXPECT_FALSE(world.to_peers.back().dont_fragment);
    world.peer_sends(alice.relay(), kPeer, data);
    const Bytes& got = world.to_clients.back().bytes;
    // §12.5: padded on streams; "over UDP, the padding is not required".
    EXPECT_EQ(got.size(), stream() ? stun::padded(4 + size) : 4 + size);
    EXPECT_EQ(load_be16(&got[0]), 0x4001);
    EXPECT_EQ(load_be16(&got[2]), size);
    EXPECT_TRUE(std::equal(data.begin(), data.end(), got.begin() + 4));
    for (std::size_t i = 4 + size; i < got.size(); ++i) EXPECT_EQ(got[i], 0) << "padding";
  }
  world.peer_sends(alice.relay(), Endpoint{kPeer.address, 5001}, payload(5));  // no channel for this port
  EXPECT_EQ(Answer{world.to_clients.back().bytes}.view().method(), Method::Data);
}

// RFC 8656 §12.6 MUST: ChannelData of reserved numbers is discarded
// RFC 8656 §12.6 MUST: a ChannelData datagram shorter than its length field is discarded
// RFC 8656 §12.6 MUST: ChannelData on a number that is not bound is discarded
// RFC 8656 §5 MUST: an indication or ChannelData with no allocation on its five-tuple is ignored
TEST_P(Relay, ChannelDataOfWrongLengthsAndNumbers) {
  ASSERT_EQ(alice.bind(0x4001, kPeer).code(), 0);
  Bytes data = Client::channel_data(0x4001, payload(8));
  for (std::size_t n = 1; n < data.size(); ++n) world.deliver(alice.tuple, ByteView(data).first(n));
  EXPECT_EQ(drops(Drop::BadMessage), 11U);
  EXPECT_TRUE(world.to_peers.empty());
  data.resize(data.size() + 3);  // padding, which does not go out
  world.deliver(alice.tuple, data);
  EXPECT_EQ(world.to_peers.back().bytes, payload(8));
  alice.send_channel(0x4002, payload(1));
  EXPECT_EQ(drops(Drop::NoChannel), 1U);
  alice.send_channel(0x5000, payload(1));
  alice.send_channel(0xFFFF, payload(1));
  EXPECT_EQ(drops(Drop::NotStun), 2U);
  Client stranger(world, "192.12.0.1:40001", GetParam());
  stranger.send_channel(0x4001, payload(1));
  EXPECT_EQ(drops(Drop::NoAllocation), 1U);
  EXPECT_EQ(world.to_peers.size(), 1U);
}

// RFC 8656 §9 MUST: datagrams of peers without a permission are discarded
TEST_P(Relay, PeersNeedAPermission) {
  const std::size_t before = world.to_clients.size();
  world.peer_sends(alice.relay(), kPeer, payload(4));
  EXPECT_EQ(drops(Drop::NoPermission), 1U);
  world.peer_sends(RelayId{}, kPeer, payload(4));
  EXPECT_EQ(drops(Drop::NoAllocation), 1U);
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  world.advance(seconds(300));
  world.peer_sends(alice.relay(), kPeer, payload(4));
  EXPECT_EQ(drops(Drop::NoPermission), 2U);
  EXPECT_EQ(world.to_clients.size(), before + 1);
}

// RFC 8656 §6 MUST: data does not refresh an allocation
TEST_P(Relay, NothingIsRelayedFromTheNanosecondOfTheEnd) {
  ASSERT_EQ(alice.bind(0x4001, kPeer).code(), 0);
  world.advance(seconds(599));
  ASSERT_EQ(alice.bind(0x4001, kPeer).code(), 0);
  world.advance(seconds(1) - nanoseconds(1));
  const auto all_ways = [&] {
    const std::size_t before = world.to_peers.size() + world.to_clients.size();
    alice.send_channel(0x4001, payload(1));
    alice.send_indication(kPeer, payload(1));
    world.peer_sends(alice.relay(), kPeer, payload(1));
    return world.to_peers.size() + world.to_clients.size() - before;
  };
  EXPECT_EQ(all_ways(), 3U);
  world.advance(nanoseconds(1));
  EXPECT_EQ(all_ways(), 0U);
  EXPECT_EQ(drops(Drop::NoAllocation), 3U);
}

TEST_P(Relay, AnExpiredChannelFallsBackToDataIndications) {
  ASSERT_EQ(alice.refresh(3600).code(), 0);
  ASSERT_EQ(alice.bind(0x4001, kPeer).code(), 0);
  world.advance(seconds(600));
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  world.peer_sends(alice.relay(), kPeer, payload(4));
  EXPECT_EQ(Answer{world.to_clients.back().bytes}.view().method(), Method::Data);
}

TEST_P(Relay, TwoClientsOfOneServerMeet) {
  Client bob(world, "192.12.0.2:40000", GetParam(), "bob", "builder");
  ASSERT_EQ(bob.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4001, bob.relayed).code(), 0);
  ASSERT_EQ(bob.permit({alice.relayed}).code(), 0);
  alice.send_channel(0x4001, payload(9));
  const SentToPeer sent = world.to_peers.back();
  world.peer_sends(world.relay_at(sent.peer), sent.from, sent.bytes);
  EXPECT_EQ(world.to_clients.back().tuple, bob.tuple);
  EXPECT_EQ(Answer{world.to_clients.back().bytes}.address(AttributeType::XorPeerAddress), alice.relayed);
}

TEST_P(Relay, Ipv6Peers) {
  Client six(world, "192.12.0.3:40000", GetParam());
  ASSERT_EQ(six.allocate([](auto& b) { Client::address_family(b, 2); }).code(), 0);
  const Endpoint peer = ep("[2620:fe::fe]:53");
  ASSERT_EQ(six.permit({peer}).code(), 0);
  six.send_indication(peer, payload(5));
  EXPECT_EQ(world.to_peers.back().peer, peer);
  world.peer_sends(six.relay(), peer, payload(5));
  EXPECT_EQ(Answer{world.to_clients.back().bytes}.address(AttributeType::XorPeerAddress), peer);
  EXPECT_EQ(six.permit({kPeer}).code(), 443);
}

TEST_P(Relay, TenThousandPacketsEachWayAllocateNothing) {
  const Endpoint other = ep("9.9.9.9:6000");
  ASSERT_EQ(alice.bind(0x4001, kPeer).code(), 0);
  ASSERT_EQ(alice.permit({other}).code(), 0);
  const Bytes channel = Client::channel_data(0x4001, payload(1200));
  const Bytes send = alice.make_plain(stun::MessageClass::Indication, Method::Send, [&](auto& b) {
    b.add_xor_address(AttributeType::XorPeerAddress, other).add(AttributeType::Data, payload(1200));
  });
  Bytes buffer(kHeadroomBytes + 1200 + kTailroomBytes);
  const MutableBytes datagram = MutableBytes(buffer).subspan(kHeadroomBytes, 1200);
  const RelayId relay = alice.relay();
  Outbox out;
  std::size_t moved = 0;
  const auto turn = [&] {  // a batch, as the shell makes it
    for (int i = 0; i < 32; ++i) {
      world.server.from_client(world.now, Inbound{alice.tuple, 7, channel}, out);
      world.server.from_client(world.now, Inbound{alice.tuple, 7, send}, out);
      world.server.from_peer(world.now, relay, kPeer, datagram, out);
      world.server.from_peer(world.now, relay, other, datagram, out);
    }
    moved += out.to_peers.size() + out.to_clients.size();
    out.clear();
  };
  turn();
  moved = 0;
  const std::size_t before = ts::testing::heap_allocations();
  for (int i = 0; i < 313; ++i) turn();
  EXPECT_EQ(ts::testing::heap_allocations() - before, 0U);
  EXPECT_EQ(moved, 313U * 32 * 4);
}

}  // namespace
}  // namespace ts::turn::testing
