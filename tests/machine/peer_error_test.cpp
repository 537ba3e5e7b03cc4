// SPDX-License-Identifier: Apache-2.0
// ICMP errors for what a relay sent (RFC 8656 §11.5, §18.13), and fields of the IP header (§13 to §15).
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

struct PeerError : ::testing::Test {
  World world;
  Client alice{world};
  const Endpoint peer = ep("8.8.8.8:9");

  /// The ICMP attribute's value when the client is told; empty when it is not.
  Bytes told(const RelayId& relay, const Endpoint& to, const IcmpError& error) {
    const std::size_t before = world.to_clients.size();
    world.peer_error(relay, to, error);
    if (world.to_clients.size() == before) return {};
    const Answer indication{world.to_clients.back().bytes};
    EXPECT_EQ(world.to_clients.size(), before + 1);
    EXPECT_TRUE(world.to_clients.back().droppable);
    EXPECT_EQ(indication.view().method(), Method::Data);
    EXPECT_EQ(indication.view().message_class(), stun::MessageClass::Indication);
    EXPECT_EQ(indication.types(), (std::vector{AttributeType::XorPeerAddress, AttributeType::Icmp}));
    EXPECT_EQ(indication.address(AttributeType::XorPeerAddress), to);
    const auto value = indication.attribute(AttributeType::Icmp).value_or(ByteView{});
    return Bytes(value.begin(), value.end());
  }
};

// RFC 8656 §11.5 MUST: a Data indication of an ICMP error has XOR-PEER-ADDRESS and ICMP, and no DATA
// RFC 8656 §18.13 MUST: ICMP has type, code, and the MTU where the packet was too big, else zero
TEST_F(PeerError, IsToldInADataIndication) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.permit({peer}).code(), 0);
  const RelayId relay = alice.relay();
  EXPECT_EQ(told(relay, peer, {3, 3, 77}), (Bytes{0, 0, 3 << 1, 3, 0, 0, 0, 0}));
  EXPECT_EQ(told(relay, peer, {3, 4, 1280}), (Bytes{0, 0, 3 << 1, 4, 0, 0, 5, 0}));
  EXPECT_EQ(told(relay, peer, {11, 0, 77}), (Bytes{0, 0, 11 << 1, 0, 0, 0, 0, 0}));
  const Endpoint other_port = ep("8.8.8.8:10");
  EXPECT_FALSE(told(relay, other_port, {3, 1, 0}).empty()) << "ports are not compared";
}

// RFC 8656 §11.5 MUST: ICMP type 3 or 11 (ICMPv6 1, 2, 3) becomes a Data indication with ICMP
TEST_F(PeerError, OtherTypesAreNot) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.permit({peer}).code(), 0);
  for (int type = 0; type < 256; ++type) {
    const bool named = type == 3 || type == 11;
    EXPECT_EQ(!told(alice.relay(), peer, {static_cast<std::uint8_t>(type), 0, 0}).empty(), named) << type;
  }
}

// RFC 8656 §11.5 MUST: ICMP type 3 or 11 (ICMPv6 1, 2, 3) becomes a Data indication with ICMP
TEST_F(PeerError, NamesTheTypesOfIcmpV6) {
  ASSERT_EQ(alice.allocate([](auto& b) { Client::address_family(b, 2); }).code(), 0);
  const Endpoint six = ep("[2001:4860::8]:9");
  ASSERT_EQ(alice.permit({six}).code(), 0);
  for (int type = 0; type < 256; ++type) {
    const Bytes value = told(alice.relay(), six, {static_cast<std::uint8_t>(type), 0, 1400});
    EXPECT_EQ(!value.empty(), type >= 1 && type <= 3) << type;
    const bool has_mtu = !value.empty() && (value[6] != 0 || value[7] != 0);
    EXPECT_EQ(has_mtu, type == 2) << type;
  }
}

// RFC 8656 §11.5 MUST: an ICMP error is checked against the permissions by its inner destination
TEST_F(PeerError, WithoutPermissionOrAllocationNothingIsSaid) {
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_TRUE(told(alice.relay(), peer, {3, 3, 0}).empty());
  ASSERT_EQ(alice.permit({peer}).code(), 0);
  EXPECT_TRUE(told(alice.relay(), ep("8.8.4.4:9"), {3, 3, 0}).empty());
  const RelayId relay = alice.relay();
  EXPECT_TRUE(told({relay.allocation, IpFamily::V6}, peer, {1, 0, 0}).empty());
  world.advance(seconds(300));
  EXPECT_TRUE(told(relay, peer, {3, 3, 0}).empty());
  alice.refresh(0);
  EXPECT_TRUE(told(relay, peer, {3, 3, 0}).empty());
}

TEST_F(PeerError, IsBoundedInEachSecond) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.permit({peer}).code(), 0);
  const auto burst = [&] {
    std::size_t count = 0;
    for (int i = 0; i < 1000; ++i) count += told(alice.relay(), peer, {3, 3, 0}).empty() ? 0U : 1U;
    return count;
  };
  EXPECT_EQ(burst(), 50U);
  EXPECT_EQ(burst(), 0U);
  world.advance(seconds(1));
  EXPECT_EQ(burst(), 50U);
}

struct IpFields : PeerError {};

// RFC 8656 §14 SHOULD: DSCP and ECN are kept, or Best Effort and Not-ECT
TEST_F(IpFields, DscpAndEcnAreKept) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.permit({peer}).code(), 0);
  ASSERT_EQ(alice.bind(0x4000, peer).code(), 0);
  for (const std::uint8_t tos : std::array<std::uint8_t, 4>{0, 1, 0xB9, 0xFF}) {
    world.deliver(alice.tuple, Client::channel_data(0x4000, as_bytes("x")), tos);
    EXPECT_EQ(world.to_peers.back().tos, tos);
    world.deliver(
        alice.tuple,
        alice.make_plain(
            stun::MessageClass::Indication, Method::Send,
            [&](auto& b) {
              b.add_xor_address(AttributeType::XorPeerAddress, peer).add(AttributeType::Data, as_bytes("y"));
            }),
        tos);
    EXPECT_EQ(world.to_peers.back().tos, tos);
    world.peer_sends(alice.relay(), peer, as_bytes("z"), tos);
    EXPECT_EQ(world.to_clients.back().tos, tos);
  }
}

// RFC 8656 §16 SHOULD: towards a stream the DSCP and ECN of a peer's datagram are ignored
TEST_F(IpFields, StreamsAreNotMarked) {
  Client tcp(world, "192.12.0.1:40009", Transport::Tcp);
  ASSERT_EQ(tcp.allocate().code(), 0);
  ASSERT_EQ(tcp.permit({peer}).code(), 0);
  world.peer_sends(tcp.relay(), peer, as_bytes("z"), 0xB9);
  EXPECT_EQ(world.to_clients.back().tos, 0);
}

// RFC 8656 §15 SHOULD: from a stream datagrams are Not-ECT
TEST_F(IpFields, FromAStreamNothingIsMarked) {
  for (const Transport transport : {Transport::Tcp, Transport::Tls}) {
    Client stream(world, transport == Transport::Tcp ? "192.12.0.1:40010" : "192.12.0.1:40011", transport);
    ASSERT_EQ(stream.allocate().code(), 0);
    ASSERT_EQ(stream.bind(0x4000, peer).code(), 0);
    const std::size_t before = world.to_peers.size();
    stream.send_channel(0x4000, as_bytes("data"));
    stream.send_indication(peer, as_bytes("data"));
    ASSERT_EQ(world.to_peers.size(), before + 2);
    for (std::size_t i = before; i < before + 2; ++i) EXPECT_EQ(world.to_peers[i].tos, 0);
  }
}

// RFC 8656 §13 MUST: DONT-FRAGMENT is ignored from UDP to UDP where either side is IPv6
// RFC 8656 §15 SHOULD: from a stream DF is set for DONT-FRAGMENT only
TEST_F(IpFields, DontFragmentCountsBetweenIpv4AndFromStreams) {
  const Endpoint six = ep("[2001:4860::8]:9");
  const auto sets = [&](const std::string& from, Transport transport, const Endpoint& to) {
    Client client(world, from, transport);
    EXPECT_EQ(client.allocate([&](auto& b) { Client::address_family(b, to.address.is_v4() ? 1 : 2); }).code(),
              0);
    EXPECT_EQ(client.permit({to}).code(), 0);
    client.send_indication(to, as_bytes("x"), true);
    EXPECT_EQ(world.to_peers.back().peer, to);
    const bool set = world.to_peers.back().dont_fragment;
    client.send_indication(to, as_bytes("x"), false);
    EXPECT_FALSE(world.to_peers.back().dont_fragment);
    return set;
  };
  EXPECT_TRUE(sets("192.12.0.1:1", Transport::Udp, peer));
  EXPECT_FALSE(sets("192.12.0.1:2", Transport::Udp, six));
  EXPECT_FALSE(sets("[2001:4860::1]:1", Transport::Udp, peer));
  EXPECT_FALSE(sets("[2001:4860::1]:2", Transport::Udp, six));
  EXPECT_TRUE(sets("192.12.0.1:3", Transport::Tcp, peer));
  EXPECT_TRUE(sets("[2001:4860::1]:3", Transport::Tls, six));
}

}  // namespace
}  // namespace ts::turn::testing
