// SPDX-License-Identifier: Apache-2.0
// TCP allocations (RFC 6062) on a fake clock: Allocate, Connect, ConnectionAttempt, ConnectionBind, and what
// becomes of connections when something ends.
#include <set>

#include <gtest/gtest.h>

#include "tcp_client.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

const Endpoint kPeer = ep("9.9.9.9:7000");

class TcpAllocation : public ::testing::Test {
 protected:
  TcpAllocation() { EXPECT_EQ(client.allocate_tcp().code(), 0); }
  ~TcpAllocation() override { EXPECT_EQ(world.broken_invariant(), ""); }

  World world;
  TcpClient client{world};
  TcpClient data{world, "192.12.0.1:40001"};
};

// RFC 6062 §5.1 MUST: a TCP relayed transport address is allocated for REQUESTED-TRANSPORT TCP
TEST(TcpAllocate, OpensATcpRelay) {
  for (const Transport transport : {Transport::Tcp, Transport::Tls}) {
    World world;
    TcpClient client(world, "192.12.0.1:40000", transport);
    const Answer answer = client.allocate_tcp();
    ASSERT_EQ(answer.code(), 0);
    ASSERT_EQ(world.relay_opens.size(), 1U);
    EXPECT_EQ(world.relay_opens[0].protocol, RelayProtocol::Tcp);
    EXPECT_EQ(client.relayed, world.relay_opens[0].local);
    EXPECT_FALSE(answer.attribute(AttributeType::ReservationToken));
    EXPECT_EQ(client.refresh(0).code(), 0);
    EXPECT_EQ(world.gauges(), Gauges{});
  }
}

// RFC 6062 §5.1 MUST: 400 when the client's transport is not TCP or TLS
TEST(TcpAllocate, IsRefusedOverDatagrams) {
  for (const Transport transport : {Transport::Udp, Transport::Dtls}) {
    World world;
    EXPECT_EQ(TcpClient(world, "192.12.0.1:40000", transport).allocate_tcp().code(), 400);
    EXPECT_EQ(world.gauges(), Gauges{});
  }
}

// RFC 6062 §5.1 MUST: 400 for DONT-FRAGMENT, EVEN-PORT or RESERVATION-TOKEN
TEST(TcpAllocate, TakesNothingThatBelongsToDatagrams) {
  World world;
  TcpClient client(world);
  EXPECT_EQ(client.allocate_tcp([](auto& b) { b.add_flag(AttributeType::DontFragment); }).code(), 400);
  for (const bool reserve : {false, true}) {
    const std::array<std::uint8_t, 1> even{static_cast<std::uint8_t>(reserve ? 0x80 : 0)};
    EXPECT_EQ(client.allocate_tcp([&](auto& b) { b.add(AttributeType::EvenPort, ByteView(even)); }).code(),
              400);
  }
  const std::array<std::uint8_t, 8> token{1, 2, 3};
  const auto with_token = [&](auto& b) { b.add(AttributeType::ReservationToken, ByteView(token)); };
  EXPECT_EQ(client.allocate_tcp(with_token).code(), 400);
  EXPECT_EQ(world.gauges(), Gauges{});
}

// RFC 6062 §5.1 MUST: 442 for a transport that is neither UDP nor TCP
TEST(TcpAllocate, UnsupportedTransport) {
  World world;
  Client other(world, "192.12.0.1:40000", Transport::Tcp);
  const auto transport = [&](std::uint32_t protocol) {
    return other.request(Method::Allocate,
                         [&](auto& b) { b.add_u32(AttributeType::RequestedTransport, protocol << 24); });
  };
  for (const std::uint32_t protocol : {0U, 1U, 5U, 7U, 132U, 255U})
    EXPECT_EQ(transport(protocol).code(), 442);
  Options options = default_options();
  options.tcp_relay = false;
  World off(options);
  EXPECT_EQ(TcpClient(off).allocate_tcp().code(), 442);
  EXPECT_EQ(TcpClient(off, "192.12.0.1:40001", Transport::Udp).allocate_tcp().code(), 442);
  EXPECT_EQ(Client(off, "192.12.0.1:40002", Transport::Tcp).allocate().code(), 0);
}

TEST(TcpAllocate, OfEitherFamily) {
  World world;
  TcpClient client(world);
  const auto v6 = [](auto& b) { Client::address_family(b, stun::kFamilyV6); };
  ASSERT_EQ(client.allocate_tcp(v6).code(), 0);
  EXPECT_TRUE(client.relayed.address.is_v6());
  EXPECT_EQ(client.connect(kPeer).code(), 443);
  EXPECT_TRUE(client.connect(ep("[2620:fe::77]:80")).none());
}

TEST(TcpAllocate, AnotherPortIsTriedWhenOneIsInUse) {
  World world;
  int opens = 0;
  world.opener = [&](const OpenRelay& open) -> std::optional<RelayError> {
    EXPECT_EQ(open.protocol, RelayProtocol::Tcp);
    return ++opens < 3 ? std::optional(RelayError::AddressInUse) : std::nullopt;
  };
  EXPECT_EQ(TcpClient(world).allocate_tcp().code(), 0);
  EXPECT_EQ(world.ledger.ports().used, 1U);
}

// RFC 6062 §5.2 MUST: an outgoing TCP connection from the relayed transport address to XOR-PEER-ADDRESS
TEST_F(TcpAllocation, ConnectAsksForAConnectionAndAnswersWhenItIsThere) {
  EXPECT_TRUE(client.connect(kPeer).none());
  ASSERT_EQ(world.connects.size(), 1U);
  EXPECT_EQ(world.connects[0].local, client.relayed);
  EXPECT_EQ(world.connects[0].peer, kPeer);
  const std::size_t before = world.to_clients.size();
  const stun::TransactionId asked_by = client.id();
  client.refresh(600);  // other requests do not wait
  world.advance(seconds(29));
  world.tick();
  world.peer_connected(world.connects[0].connection);
  ASSERT_EQ(world.to_clients.size(), before + 2);
  const Answer answer = client.answer_since(before);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.view().method(), Method::Connect);
  EXPECT_EQ(answer.view().transaction_id(), asked_by);
  EXPECT_TRUE(stun::verify_integrity(answer.view(), client.key()));
  EXPECT_EQ(world.server.counters().requests[index(RequestKind::Connect)][index(Outcome::Success)], 1U);
}

// RFC 6062 §5.2 MUST: 437 for a Connect without an allocation
TEST(TcpConnect, WithoutATcpAllocation) {
  World world;
  TcpClient client(world);
  EXPECT_EQ(client.connect(kPeer).code(), 437);
  EXPECT_EQ(client.allocate().code(), 0);  // of UDP
  EXPECT_EQ(client.connect(kPeer).code(), 437);
  TcpClient datagrams(world, "192.12.0.1:40009", Transport::Udp);
  EXPECT_EQ(datagrams.connect(kPeer).code(), 437);
}

// RFC 6062 §5.2 MUST: 400 for a Connect without a valid XOR-PEER-ADDRESS
TEST_F(TcpAllocation, ConnectNeedsAPeer) {
  EXPECT_EQ(client.request(Method::Connect, [](auto&) {}).code(), 400);
  const std::array<std::uint8_t, 5> broken{0, 1, 2, 3, 4};
  const auto malformed = [&](auto& b) { b.add(AttributeType::XorPeerAddress, ByteView(broken)); };
  EXPECT_EQ(client.request(Method::Connect, malformed).code(), 400);
  EXPECT_EQ(client.connect(ep("9.9.9.9:0")).code(), 400);
  EXPECT_EQ(client.connect(ep("[2620:fe::77]:80")).code(), 443);
  EXPECT_TRUE(world.connects.empty());
}

// RFC 6062 §5.2 MUST: 403 for a connection that local policy forbids
TEST_F(TcpAllocation, ConnectIsUnderThePeerPolicy) {
  for (const char* peer : {"127.0.0.1:80", "10.0.0.1:80", "169.254.169.254:80", "224.0.0.1:80", "0.0.0.0:80",
                           "255.255.255.255:80", "100.64.0.1:80"}) {
    EXPECT_EQ(client.connect(ep(peer)).code(), 403) << peer;
  }
  EXPECT_EQ(client.connect(client.relayed).code(), 403);
  EXPECT_TRUE(world.connects.empty());

  Options options = default_options();
  options.peers.own_endpoints = {ep("198.41.0.4:50001")};
  World other(options);
  TcpClient there(other);
  ASSERT_EQ(there.allocate_tcp().code(), 0);
  EXPECT_EQ(there.connect(ep("198.41.0.4:50001")).code(), 403);
}

// RFC 6062 §5.2 MUST: 446 while a Connect to the same peer is being processed, or its connection lives
TEST_F(TcpAllocation, OneConnectionToAPeer) {
  EXPECT_TRUE(client.connect(kPeer).none());
  EXPECT_EQ(client.connect(kPeer).code(), 446);  // in progress
  EXPECT_TRUE(client.connect(ep("9.9.9.9:7001")).none());
  const ConnectionId id = world.connects[0].connection;
  world.peer_connected(id);
  EXPECT_EQ(client.connect(kPeer).code(), 446);  // pending
  EXPECT_EQ(data.connection_bind(id).code(), 0);
  EXPECT_EQ(client.connect(kPeer).code(), 446);  // active
  world.server.connection_closed(id);
  EXPECT_TRUE(client.connect(kPeer).none());
  EXPECT_EQ(world.connects.size(), 3U);
}

// RFC 6062 §5.2 MUST: 447 when the connection attempt fails or times out
TEST_F(TcpAllocation, ConnectFails) {
  EXPECT_TRUE(client.connect(kPeer).none());
  std::size_t before = world.to_clients.size();
  world.peer_refuses(world.connects[0].connection);
  EXPECT_EQ(client.answer_since(before).code(), 447);
  EXPECT_TRUE(stun::verify_integrity(client.answer_since(before).view(), client.key()));
  EXPECT_EQ(world.server.connection_count(), 0U);
  EXPECT_TRUE(client.connect(kPeer).none());  // the peer may be asked again
  before = world.to_clients.size();
  world.peer_refuses(world.connects[1].connection, ConnectError::NoResources);
  EXPECT_EQ(client.answer_since(before).code(), 508);
}

// RFC 6062 §5.2 MUST: the timeout value of a connection attempt is at least 30 seconds
// RFC 6062 §5.2 MUST: 447 when the connection attempt fails or times out
TEST_F(TcpAllocation, ConnectTimesOut) {
  EXPECT_TRUE(client.connect(kPeer).none());
  const ConnectionId id = world.connects[0].connection;
  const std::size_t before = world.to_clients.size();
  EXPECT_EQ(world.server.next_deadline(), world.now.mono + seconds(30));
  world.advance(seconds(30) - std::chrono::nanoseconds(1));
  world.tick();
  EXPECT_TRUE(client.answer_since(before).none());
  world.advance(std::chrono::nanoseconds(1));
  world.tick();
  EXPECT_EQ(client.answer_since(before).code(), 447);
  EXPECT_EQ(world.closed_connections, std::vector{id});
  world.closed_connections.clear();
  world.peer_connected(id);  // too late: nobody wants it
  EXPECT_EQ(world.closed_connections, std::vector{id});
  EXPECT_EQ(world.to_clients.size(), before + 1);
}

// RFC 6062 §5.2 MUST: a peer data connection that is not bound within 30 seconds is closed
TEST_F(TcpAllocation, UnboundConnectionsAreClosed) {
  const ConnectionId id = client.connected(kPeer);
  world.advance(seconds(30));
  EXPECT_EQ(data.connection_bind(id).code(), 400);  // the clock's tick is late
  world.tick();
  EXPECT_EQ(world.closed_connections, std::vector{id});
  EXPECT_EQ(world.server.connection_count(), 0U);
  EXPECT_EQ(world.server.allocation_count(), 1U);
}

TEST_F(TcpAllocation, BoundConnectionsStayAsLongAsTheAllocation) {
  const ConnectionId id = client.connected(kPeer);
  EXPECT_EQ(data.connection_bind(id).code(), 0);
  for (int minute = 0; minute < 30; ++minute) {
    world.advance(seconds(60));
    client.renew_nonce();
    EXPECT_EQ(client.refresh(600).code(), 0);
    world.tick();
  }
  EXPECT_TRUE(world.closed_connections.empty());
  EXPECT_EQ(world.server.connection_count(), 1U);
}

// RFC 6062 §5.3 MUST: ConnectionAttempt carries XOR-PEER-ADDRESS and CONNECTION-ID
TEST_F(TcpAllocation, APeerWithPermissionIsAnnounced) {
  ASSERT_EQ(client.permit({kPeer}).code(), 0);
  const std::size_t before = world.to_clients.size();
  const auto id = world.peer_comes(client.relay(), kPeer);
  ASSERT_TRUE(id);
  ASSERT_EQ(world.to_clients.size(), before + 1);
  const Answer indication = client.answer_since(before);
  EXPECT_EQ(indication.view().message_class(), stun::MessageClass::Indication);
  EXPECT_EQ(indication.view().method(), Method::ConnectionAttempt);
  EXPECT_EQ(indication.u32(AttributeType::ConnectionId), *id);
  EXPECT_EQ(indication.address(AttributeType::XorPeerAddress), kPeer);
  EXPECT_EQ(data.connection_bind(*id).code(), 0);
  ASSERT_EQ(world.binds.size(), 1U);
  EXPECT_EQ(world.binds[0].connection, *id);
}

// RFC 6062 §5.3 MUST: a peer without a permission is closed at once
TEST_F(TcpAllocation, APeerWithoutPermissionIsNot) {
  const std::size_t before = world.to_clients.size();
  EXPECT_FALSE(world.peer_comes(client.relay(), kPeer));
  ASSERT_EQ(client.permit({kPeer}).code(), 0);
  EXPECT_FALSE(world.peer_comes(client.relay(), ep("9.9.9.10:7000")));
  EXPECT_TRUE(world.peer_comes(client.relay(), ep("9.9.9.9:1")));  // any port
  world.advance(seconds(300));
  EXPECT_FALSE(world.peer_comes(client.relay(), kPeer));  // expired
  EXPECT_EQ(world.to_clients.size(), before + 2);         // an answer, an indication
  // A Connect grants nothing to others.
  client.connected(ep("9.9.9.20:80"));
  EXPECT_FALSE(world.peer_comes(client.relay(), ep("9.9.9.20:81")));
}

TEST(TcpPeers, OwnEndpointsAreRefusedAsPeersToo) {
  Options options = default_options();
  options.peers.own_endpoints = {ep("198.41.0.4:50001")};
  World world(options);
  TcpClient client(world);
  ASSERT_EQ(client.allocate_tcp().code(), 0);
  ASSERT_EQ(client.permit({ep("198.41.0.4:50002")}).code(), 0);
  EXPECT_TRUE(world.peer_comes(client.relay(), ep("198.41.0.4:50002")));
  EXPECT_FALSE(world.peer_comes(client.relay(), ep("198.41.0.4:50001")));
}

// RFC 6062 §5.3 MUST: an accepted connection that is not bound within 30 seconds is closed
TEST_F(TcpAllocation, AcceptedConnectionsWaitThirtySeconds) {
  ASSERT_EQ(client.permit({kPeer}).code(), 0);
  const auto id = world.peer_comes(client.relay(), kPeer);
  ASSERT_TRUE(id);
  world.advance(seconds(30) - std::chrono::nanoseconds(1));
  world.tick();
  EXPECT_TRUE(world.closed_connections.empty());
  world.advance(std::chrono::nanoseconds(1));
  world.tick();
  EXPECT_EQ(world.closed_connections, std::vector{*id});
}

// RFC 6062 §5.4 MUST: 400 for a ConnectionBind that does not come over TCP or TLS
TEST_F(TcpAllocation, ConnectionBindNeedsAStreamOfItsOwn) {
  const ConnectionId id = client.connected(kPeer);
  for (const Transport transport : {Transport::Udp, Transport::Dtls}) {
    EXPECT_EQ(TcpClient(world, "192.12.0.1:40002", transport).connection_bind(id).code(), 400);
  }
  EXPECT_EQ(client.connection_bind(id).code(), 400);  // the control connection
  EXPECT_TRUE(world.binds.empty());
  EXPECT_EQ(TcpClient(world, "192.12.0.1:40003", Transport::Tls).connection_bind(id).code(), 0);
}

// RFC 6062 §5.4 MUST: 400 for a ConnectionBind without CONNECTION-ID, or with one that names nothing pending
TEST_F(TcpAllocation, ConnectionBindNeedsAPendingConnection) {
  EXPECT_EQ(data.request(Method::ConnectionBind, [](auto&) {}).code(), 400);
  EXPECT_EQ(data.connection_bind(12345).code(), 400);
  EXPECT_TRUE(client.connect(kPeer).none());
  const ConnectionId id = world.connects[0].connection;
  EXPECT_EQ(data.connection_bind(id).code(), 400);  // not there yet
  world.peer_connected(id);
  const std::array<std::uint8_t, 3> short_id{1, 2, 3};
  const auto malformed = [&](auto& b) { b.add(AttributeType::ConnectionId, ByteView(short_id)); };
  EXPECT_EQ(data.request(Method::ConnectionBind, malformed).code(), 400);
  EXPECT_EQ(data.connection_bind(id).code(), 0);
  TcpClient again(world, "192.12.0.1:40005");
  EXPECT_EQ(again.connection_bind(id).code(), 400);  // bound already
  EXPECT_EQ(world.binds.size(), 1U);
}

// RFC 6062 §5.4 MUST: ConnectionBind uses the credentials of the control connection
TEST_F(TcpAllocation, ConnectionBindIsForTheSameUser) {
  const ConnectionId id = client.connected(kPeer);
  TcpClient bob(world, "192.12.0.2:40000", Transport::Tcp, "bob", "builder");
  EXPECT_EQ(bob.connection_bind(id).code(), 441);
  TcpClient wrong(world, "192.12.0.2:40001", Transport::Tcp, "alice", "guess");
  EXPECT_EQ(wrong.connection_bind(id).code(), 401);
  const Bytes plain = data.make_plain(stun::MessageClass::Request, Method::ConnectionBind,
                                      [&](auto& b) { b.add_u32(AttributeType::ConnectionId, id); });
  EXPECT_EQ(data.send(plain).code(), 401);
  EXPECT_TRUE(world.binds.empty());
  const Answer answer = data.connection_bind(id);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_TRUE(stun::verify_integrity(answer.view(), data.key()));
}

TEST_F(TcpAllocation, ConnectionBindMayUseTheNonceOfTheControlConnection) {
  const ConnectionId id = client.connected(kPeer);
  data.nonce = client.nonce;
  EXPECT_EQ(data.connection_bind(id).code(), 0);
  TcpClient other(world, "192.12.0.1:40005");
  other.nonce = client.nonce;
  EXPECT_EQ(other.connection_bind(id + 1).code(), 438);
}

TEST(TcpConnect, AnEphemeralUserBindsAfterItsCredentialExpired) {
  World world;
  const auth::Minted minted = auth::mint("north", "guest", world.now.wall + seconds(20));
  TcpClient client(world, "192.12.0.1:40000", Transport::Tcp, minted.username, minted.password);
  ASSERT_EQ(client.allocate_tcp().code(), 0);
  world.advance(seconds(25));
  const ConnectionId id = client.connected(kPeer);
  TcpClient data(world, "192.12.0.1:40001", Transport::Tcp, minted.username, minted.password);
  EXPECT_EQ(data.connection_bind(id).code(), 0);
}

// RFC 6062 §5.5 MUST: data connections are closed with their allocation
TEST_F(TcpAllocation, TheEndOfTheAllocationClosesAll) {
  const auto open_three = [&](TcpClient& c, std::uint16_t port) {
    std::set<ConnectionId> out;
    out.insert(c.connected(Endpoint{kPeer.address, port}));
    TcpClient stream(world, "192.12.0.1:" + std::to_string(port));
    EXPECT_EQ(stream.connection_bind(*out.begin()).code(), 0);
    out.insert(c.connected(Endpoint{kPeer.address, static_cast<std::uint16_t>(port + 1)}));
    EXPECT_TRUE(c.connect(Endpoint{kPeer.address, static_cast<std::uint16_t>(port + 2)}).none());
    out.insert(world.connects.back().connection);
    EXPECT_EQ(out.size(), 3U);
    return out;
  };
  const auto expect_closed = [&](const std::set<ConnectionId>& ids) {
    EXPECT_EQ(std::set(world.closed_connections.begin(), world.closed_connections.end()), ids);
    EXPECT_EQ(world.server.connection_count(), 0U);
    EXPECT_EQ(world.gauges(), Gauges{});
    world.closed_connections.clear();
  };
  auto ids = open_three(client, 1000);
  EXPECT_EQ(client.refresh(0).code(), 0);
  expect_closed(ids);

  ASSERT_EQ(client.allocate_tcp().code(), 0);
  ids = open_three(client, 2000);
  world.client_closed(client.tuple);
  expect_closed(ids);

  ASSERT_EQ(client.allocate_tcp().code(), 0);
  ids = open_three(client, 3000);
  world.shut_down();
  expect_closed(ids);

  ASSERT_EQ(client.allocate_tcp().code(), 0);
  const ConnectionId id = client.connected(kPeer);
  world.advance(seconds(15));
  EXPECT_EQ(data.connection_bind(id).code(), 0);
  world.advance(seconds(585));
  world.tick();
  expect_closed({id});
}

TEST_F(TcpAllocation, LateNewsOfEndedConnectionsIsHarmless) {
  const ConnectionId id = client.connected(kPeer);
  EXPECT_EQ(data.connection_bind(id).code(), 0);
  EXPECT_EQ(client.refresh(0).code(), 0);
  world.server.connection_closed(id);
  world.server.data_relayed(world.now, id, true, 100);
  world.peer_refuses(id);
  EXPECT_FALSE(world.peer_comes(RelayId{}, kPeer));
  EXPECT_EQ(world.server.counters().to_peer[index(Transport::Tcp)].bytes, 0U);
}

TEST_F(TcpAllocation, DatagramsAreNotForTcp) {
  ASSERT_EQ(client.permit({kPeer}).code(), 0);
  EXPECT_EQ(client.bind(0x4000, kPeer).code(), 400);
  client.send_indication(kPeer, as_bytes("data"));
  client.send_channel(0x4000, as_bytes("data"));
  EXPECT_TRUE(world.to_peers.empty());
}

TEST_F(TcpAllocation, BytesAreCounted) {
  const ConnectionId id = client.connected(kPeer);
  EXPECT_EQ(data.connection_bind(id).code(), 0);
  world.server.data_relayed(world.now, id, true, 1000);
  world.server.data_relayed(world.now, id, true, 500);
  world.server.data_relayed(world.now, id, false, 7);
  const Counters& c = world.server.counters();
  EXPECT_EQ(c.to_peer[index(Transport::Tcp)].bytes, 1500U);
  EXPECT_EQ(c.to_peer[index(Transport::Tcp)].packets, 2U);
  EXPECT_EQ(c.to_client[index(Transport::Tcp)].bytes, 7U);
  EXPECT_EQ(client.refresh(0).code(), 0);
  EXPECT_EQ(world.events.back().to_peer.bytes, 1500U);
}

TEST(TcpLimits, ConnectionsOfAnAllocationAreBounded) {
  Options options = default_options();
  options.max_connections_per_allocation = 3;
  World world(options);
  TcpClient client(world);
  ASSERT_EQ(client.allocate_tcp().code(), 0);
  ASSERT_EQ(client.permit({kPeer}).code(), 0);
  EXPECT_TRUE(client.connect(ep("9.9.9.9:1")).none());
  EXPECT_TRUE(client.connect(ep("9.9.9.9:2")).none());
  EXPECT_TRUE(world.peer_comes(client.relay(), ep("9.9.9.9:3")));
  EXPECT_FALSE(world.peer_comes(client.relay(), ep("9.9.9.9:4")));
  EXPECT_EQ(client.connect(ep("9.9.9.9:5")).code(), 508);
  EXPECT_EQ(world.server.counters().denials[index(Denial::QuotaConnections)], 2U);
  world.advance(seconds(30));
  world.tick();
  EXPECT_TRUE(client.connect(ep("9.9.9.9:5")).none());
}

// RFC 6062 §5.2 MUST: CONNECTION-ID identifies the peer data connection uniquely
TEST(TcpNames, AreUniqueAndTellTheShard) {
  Options options = default_options();
  options.max_connections_per_allocation = 0;
  options.max_new_peers_per_second = 0;
  World world(options, 3, default_auth(), 5, 8);
  TcpClient client(world);
  ASSERT_EQ(client.allocate_tcp().code(), 0);
  std::set<ConnectionId> ids;
  for (std::uint16_t port = 1; port <= 2000; ++port) {
    EXPECT_TRUE(client.connect(Endpoint{kPeer.address, port}).none());
    const ConnectionId id = world.connects.back().connection;
    EXPECT_EQ(id >> 24, 5U);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 2000U);
  std::size_t neighbours = 0;
  for (const ConnectionId id : ids) neighbours += ids.count(id + 1);
  EXPECT_LT(neighbours, 10U);  // random, not counted up
}

TEST(TcpNames, ConnectionBindGoesToTheShardThatItNames) {
  World world(default_options(), 1, default_auth(), 1, 4);
  TcpClient data(world);
  EXPECT_TRUE(data.connection_bind(0x03ABCDEF).none());
  ASSERT_EQ(world.hand_overs.size(), 1U);
  EXPECT_EQ(world.hand_overs[0].shard, 3U);
  EXPECT_EQ(world.hand_overs[0].route, 7U);
  // Without credentials too: that shard asks for them.
  data.send(data.make_plain(stun::MessageClass::Request, Method::ConnectionBind,
                            [](auto& b) { b.add_u32(AttributeType::ConnectionId, 0x02000001); }));
  ASSERT_EQ(world.hand_overs.size(), 2U);
  EXPECT_EQ(world.hand_overs[1].shard, 2U);
  // Ours, a shard that is not there, a datagram, a control connection: answered here.
  EXPECT_EQ(data.connection_bind(0x01ABCDEF).code(), 400);
  EXPECT_EQ(data.connection_bind(0x04ABCDEF).code(), 400);
  EXPECT_EQ(TcpClient(world, "192.12.0.1:40002", Transport::Udp).connection_bind(0x03ABCDEF).code(), 400);
  TcpClient control(world, "192.12.0.1:40003");
  ASSERT_EQ(control.allocate_tcp().code(), 0);
  EXPECT_EQ(control.connection_bind(0x03ABCDEF).code(), 400);
  EXPECT_EQ(world.hand_overs.size(), 2U);
}

TEST(TcpStorm, ConnectsAndEndsInAnyOrderLeaveNothing) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Options options = default_options();
    options.max_connections_per_allocation = 8;
    World world(options, seed);
    Seeded dice(seed * 77);
    std::vector<TcpClient> clients;
    for (int i = 0; i < 4; ++i) clients.emplace_back(world, "192.12.0.1:" + std::to_string(41'000 + i));
    std::vector<ConnectionId> known;
    std::uint16_t next_stream = 1;
    for (int step = 0; step < 1500; ++step) {
      TcpClient& client = clients[dice.below(4)];
      const Endpoint peer{kPeer.address, static_cast<std::uint16_t>(1 + dice.below(12))};
      const ConnectionId any =
          known.empty() ? 0 : known[dice.below(static_cast<std::uint32_t>(known.size()))];
      client.renew_nonce();
      switch (dice.below(10)) {
        case 0: client.allocate_tcp(); break;
        case 1: client.permit({peer}); break;
        case 2:
        case 3: client.connect(peer); break;
        case 4: world.peer_connected(any); break;
        case 5: world.peer_refuses(any); break;
        case 6:
          if (const auto id = world.peer_comes(client.relay(), peer)) known.push_back(*id);
          break;
        case 7: TcpClient(world, "192.12.0.3:" + std::to_string(next_stream++)).connection_bind(any); break;
        case 8: world.server.connection_closed(any); break;
        default:
          if (dice.below(4) == 0) {
            client.refresh(0);
          } else {
            world.advance(seconds(dice.below(20)));
            world.tick();
          }
      }
      for (const ConnectPeer& c : world.connects) known.push_back(c.connection);
      world.connects.clear();
      ASSERT_EQ(world.broken_invariant(), "") << seed << ' ' << step;
      ASSERT_LE(world.server.connection_count(), 8U * world.server.allocation_count());
    }
    world.shut_down();
    EXPECT_EQ(world.server.connection_count(), 0U);
    EXPECT_EQ(world.gauges(), Gauges{});
  }
}

}  // namespace
}  // namespace ts::turn::testing
