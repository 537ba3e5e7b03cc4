// SPDX-License-Identifier: Apache-2.0
// Corners of TCP allocations (RFC 6062): late clocks, FINGERPRINT in answers that come later, limits.
#include <set>

#include "tcp_client.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

const Endpoint kPeer = ep("9.9.9.9:7000");

struct TcpCorners : ::testing::Test {
  std::uint64_t drops(Drop why) const { return world.server.counters().drops[index(why)]; }
  ~TcpCorners() override { EXPECT_EQ(world.broken_invariant(), ""); }

  World world;
  TcpClient client{world};
  TcpClient data{world, "192.12.0.1:40001"};
};

/// The allocation ends in ten seconds, and nobody calls tick().
struct NearTheEnd : TcpCorners {
  NearTheEnd() {
    EXPECT_EQ(client.allocate_tcp().code(), 0);
    EXPECT_EQ(client.permit({kPeer}).code(), 0);
    world.advance(seconds(295));
    EXPECT_EQ(client.permit({kPeer}).code(), 0);
    world.advance(seconds(295));
  }
  void end() { world.advance(seconds(10)); }
  ~NearTheEnd() override {
    world.tick();
    EXPECT_EQ(world.gauges(), Gauges{});
    EXPECT_EQ(world.server.connection_count(), 0U);
  }
};

// RFC 6062 §5.5 MUST: data connections are closed with their allocation
TEST_F(NearTheEnd, NobodyIsAnsweredWhatAConnectLedTo) {
  for (const std::uint16_t port : {std::uint16_t{1}, std::uint16_t{2}})
    EXPECT_TRUE(client.connect(Endpoint{kPeer.address, port}).none());
  end();
  const std::size_t before = world.to_clients.size();
  world.peer_connected(world.connects[0].connection);
  world.peer_refuses(world.connects[1].connection);
  EXPECT_EQ(world.to_clients.size(), before);
  world.tick();
  const std::set<ConnectionId> closed(world.closed_connections.begin(), world.closed_connections.end());
  EXPECT_EQ(closed, (std::set<ConnectionId>{world.connects[0].connection, world.connects[1].connection}));
}

TEST_F(NearTheEnd, PeersAreLetInUntilThenOnly) {
  EXPECT_TRUE(world.peer_comes(client.relay(), kPeer));
  end();
  const std::size_t before = world.to_clients.size();
  EXPECT_FALSE(world.peer_comes(client.relay(), Endpoint{kPeer.address, 7001}));
  EXPECT_EQ(world.to_clients.size(), before);
  EXPECT_EQ(drops(Drop::NoAllocation), 1U);
}

// RFC 6062 §5.4 MUST: 400 for a ConnectionBind without CONNECTION-ID, or with one that names nothing pending
TEST_F(NearTheEnd, NothingIsBoundAfterIt) {
  const ConnectionId id = client.connected(kPeer);
  end();
  EXPECT_EQ(data.connection_bind(id).code(), 400);
  EXPECT_TRUE(world.binds.empty());
}

/// A signed request with FINGERPRINT.
template <class F>
Bytes printed(Client& client, Method method, F&& add) {
  ++client.transaction;
  Bytes out(2048);
  stun::MessageBuilder b(out, stun::MessageClass::Request, method, client.id());
  add(b);
  b.add(AttributeType::Username, client.username)
      .add(AttributeType::Realm, client.realm)
      .add(AttributeType::Nonce, client.nonce)
      .add_integrity(client.key())
      .add_fingerprint();
  out.resize(b.finish().size());
  return out;
}
bool has_fingerprint(const Answer& answer) {
  return answer.view().fingerprint_offset() != 0 && stun::fingerprint_absent_or_right(answer.view());
}

TEST_F(TcpCorners, WhoSendsFingerprintGetsItInWhatComesLater) {
  ASSERT_TRUE(has_fingerprint(client.send(printed(client, Method::Allocate, tcp_transport))));
  ASSERT_EQ(world.sockets.size(), 1U);
  client.relayed = world.sockets.begin()->second.local;
  ASSERT_EQ(client.permit({kPeer}).code(), 0);
  std::size_t before = world.to_clients.size();
  ASSERT_TRUE(world.peer_comes(client.relay(), kPeer));
  EXPECT_EQ(client.answer_since(before).view().method(), Method::ConnectionAttempt);
  EXPECT_TRUE(has_fingerprint(client.answer_since(before)));

  for (const bool with : {true, false}) {
    for (const bool connected : {true, false}) {
      const auto peer = [](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, ep("9.9.9.9:80")); };
      const Bytes request =
          with ? printed(client, Method::Connect, peer) : client.make(Method::Connect, peer);
      EXPECT_TRUE(client.send(request).none());
      const ConnectionId id = world.connects.back().connection;
      before = world.to_clients.size();
      connected ? world.peer_connected(id) : world.peer_refuses(id);
      const Answer answer = client.answer_since(before);
      EXPECT_EQ(answer.code(), connected ? 0 : 447);
      EXPECT_TRUE(stun::verify_integrity(answer.view(), client.key()));
      EXPECT_EQ(has_fingerprint(answer), with);
      world.server.connection_closed(id);
    }
  }
}

TEST_F(TcpCorners, NoFingerprintForWhoSendsNone) {
  ASSERT_EQ(client.allocate_tcp().code(), 0);
  ASSERT_EQ(client.permit({kPeer}).code(), 0);
  const std::size_t before = world.to_clients.size();
  ASSERT_TRUE(world.peer_comes(client.relay(), kPeer));
  EXPECT_EQ(client.answer_since(before).view().fingerprint_offset(), 0U);
}

// RFC 6062 §5.2 MUST: 403 for a connection that local policy forbids
TEST_F(TcpCorners, ACredentialsPeersHoldForConnectionsToo) {
  auth::Policy policy;
  policy.peers = {*IpNetwork::parse("8.8.0.0/16")};
  const auto minted = auth::mint("north", "carol", policy, world.now.wall + seconds(600)).value();
  TcpClient carol(world, "192.12.0.2:40000", Transport::Tcp, minted.username, minted.password);
  ASSERT_EQ(carol.allocate_tcp().code(), 0);
  EXPECT_EQ(carol.connect(kPeer).code(), 403);
  EXPECT_TRUE(world.connects.empty());
  EXPECT_EQ(world.server.counters().denials[index(Denial::DeniedByCredential)], 1U);
  EXPECT_TRUE(carol.connect(ep("8.8.4.4:80")).none());
  EXPECT_EQ(world.connects.size(), 1U);
}

TEST(TcpCorner, ASocketDoesNotConnectToItselfBehindNatEither) {
  Options options = default_options();
  options.relay_addresses = {{ip("198.41.0.4"), ip("10.1.2.3")}};
  World world(options);
  TcpClient client(world);
  ASSERT_EQ(client.allocate_tcp().code(), 0);
  const Endpoint local = world.relay_opens.back().local;
  ASSERT_EQ(local, (Endpoint{ip("10.1.2.3"), client.relayed.port}));
  EXPECT_EQ(client.connect(local).code(), 403);
  EXPECT_EQ(client.connect(client.relayed).code(), 403);
  EXPECT_EQ(world.server.counters().denials[index(Denial::OwnEndpoint)], 2U);
  EXPECT_TRUE(world.connects.empty());
}

TEST(TcpCorner, NewPeersAreCountedInConnectsToo) {
  Options options = default_options();
  options.max_new_peers_per_second = 1;
  options.max_permissions_per_allocation = 10;
  options.max_connections_per_allocation = 0;
  World world(options);
  TcpClient client(world);
  ASSERT_EQ(client.allocate_tcp().code(), 0);
  std::uint16_t port = 7000;
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(client.connect(Endpoint{kPeer.address, ++port}).none()) << i;
  EXPECT_EQ(client.connect(Endpoint{kPeer.address, ++port}).code(), 508);
  EXPECT_EQ(world.connects.size(), 64U);
  EXPECT_EQ(world.server.counters().denials[index(Denial::NewPeerRate)], 1U);
  world.advance(seconds(1));
  EXPECT_TRUE(client.connect(Endpoint{kPeer.address, ++port}).none());
}

TEST(TcpCorner, ZeroIsAnyNumberOfConnections) {
  Options options = default_options();
  options.max_connections_per_allocation = 0;
  World world(options);
  TcpClient client(world);
  ASSERT_EQ(client.allocate_tcp().code(), 0);
  ASSERT_EQ(client.permit({kPeer}).code(), 0);
  std::set<ConnectionId> names;
  for (std::uint16_t port = 1; port <= 300; ++port) {
    const auto id = world.peer_comes(client.relay(), Endpoint{kPeer.address, port});
    ASSERT_TRUE(id);
    EXPECT_TRUE(names.insert(*id).second);
  }
  EXPECT_EQ(world.server.connection_count(), 300U);
  EXPECT_EQ(client.refresh(0).code(), 0);
  EXPECT_EQ(world.closed_connections.size(), 300U);
}

// RFC 6062 §5.4 MUST: 400 for a ConnectionBind without CONNECTION-ID, or with one that names nothing pending
TEST(TcpCorner, WhatNamesNoConnectionIsAnsweredWhereItCame) {
  World world(default_options(), 1, default_auth(), 1, 2);
  TcpClient data(world);
  const std::array<std::uint8_t, 3> three{0, 0, 1};
  EXPECT_EQ(data.request(Method::ConnectionBind, [](auto&) {}).code(), 400);
  EXPECT_EQ(data.request(Method::ConnectionBind,
                         [&](auto& b) { b.add(AttributeType::ConnectionId, ByteView(three)); })
                .code(),
            400);
  EXPECT_TRUE(world.hand_overs.empty());
  EXPECT_TRUE(data.connection_bind(0x0012'3456).none());
  EXPECT_EQ(world.hand_overs.size(), 1U) << "of shard 0";
}

}  // namespace
}  // namespace ts::turn::testing
