// SPDX-License-Identifier: Apache-2.0
// TCP allocations (RFC 6062) of the whole server over real sockets: connections both ways, plain and TLS
// clients, on one shard and on many; back pressure, half-close, resets, time limits, ends.
#include <sys/ioctl.h>

#include "tcp_turn.hpp"

namespace ts::shell_test {
namespace {

class TcpRelay : public testing::TestWithParam<Via> {};
INSTANTIATE_TEST_SUITE_P(Streams, TcpRelay, testing::Values(Via::Tcp, Via::Tls),
                         [](const auto& p) { return std::string(name(p.param)); });

// RFC 6062 §5.4 MUST: data is sent as-is between the client's and the peer's data connection
TEST_P(TcpRelay, ConnectRelaysBothWays) {
  const Server server;
  for (const char* host : {"127.0.0.1", "::1"}) {
    Bridge bridge(GetParam(), server, host);
    for (const std::size_t size : {1UL, 20UL, 1000UL, 200'000UL})
      expect_relayed(bridge.data, bridge.peer, size, 7);
    EXPECT_GE(server.metric("turnstone_relayed_bytes_total", "to_peer"), 201'021.0);
  }
}

// RFC 6062 §5.4 MUST: also data that was received before the ConnectionBind request
TEST_P(TcpRelay, DataBeforeTheBindIsNotLost) {
  const Server server;
  TcpTurn client(GetParam(), server);
  ASSERT_EQ(client.allocate_tcp(), 0);
  TcpPeer listener;
  ASSERT_EQ(client.connect(listener.local()), 0);
  PeerSocket peer = listener.accept();
  ASSERT_TRUE(peer.send(pattern(5000, 3)));
  peer.end();
  std::this_thread::sleep_for(kSilence);
  DataStream data(GetParam(), server);
  ASSERT_EQ(data.bind_and_send(client.id(), pattern(700, 4)), 0);
  EXPECT_EQ(peer.receive(700), pattern(700, 4));
  EXPECT_EQ(data.receive_data(5000), pattern(5000, 3));
}

// RFC 6062 §5.3 MUST: a peer without a permission is closed at once
// RFC 6062 §5.3 MUST: ConnectionAttempt carries XOR-PEER-ADDRESS and CONNECTION-ID
TEST_P(TcpRelay, PeersConnectToo) {
  const Server server;
  TcpTurn client(GetParam(), server);
  ASSERT_EQ(client.allocate_tcp(), 0);
  PeerSocket stranger = call(client.relayed);
  ASSERT_TRUE(stranger.ok());
  EXPECT_NE(stranger.ending(), -1);
  EXPECT_FALSE(client.attempt(kSilence));
  ASSERT_EQ(client.permit(at("127.0.0.1", 1)), 0);
  PeerSocket peer = call(client.relayed);
  ASSERT_TRUE(peer.ok());
  const auto attempt = client.attempt();
  ASSERT_TRUE(attempt);
  EXPECT_EQ(attempt->peer.address, at("127.0.0.1").address);
  DataStream data(GetParam(), server);
  ASSERT_EQ(data.bind(attempt->id), 0);
  expect_relayed(data, peer, 3000, 11);
  peer.close();
  EXPECT_TRUE(data.wire().ends());
}

TEST_P(TcpRelay, TwoClientsMeetThroughTheirRelays) {
  const Server server(loopback_config(2));
  TcpTurn a(GetParam(), server);
  TcpTurn b(GetParam(), server);
  ASSERT_EQ(a.allocate_tcp(), 0);
  ASSERT_EQ(b.allocate_tcp(), 0);
  ASSERT_EQ(b.permit(a.relayed), 0);
  ASSERT_EQ(a.connect(b.relayed), 0);
  const auto attempt = b.attempt();
  ASSERT_TRUE(attempt);
  EXPECT_EQ(attempt->peer, a.relayed);
  DataStream at_a(GetParam(), server);
  DataStream at_b(GetParam(), server);
  ASSERT_EQ(at_a.bind(a.id()), 0);
  ASSERT_EQ(at_b.bind(attempt->id), 0);
  ASSERT_TRUE(at_a.wire().write(pattern(50'000, 1)));
  EXPECT_EQ(at_b.receive_data(50'000), pattern(50'000, 1));
  ASSERT_TRUE(at_b.wire().write(pattern(50'000, 2)));
  EXPECT_EQ(at_a.receive_data(50'000), pattern(50'000, 2));
}

// RFC 6062 §5.2 MUST: 446 while a Connect to the same peer is being processed, or its connection lives
// RFC 6062 §5.2 MUST: 447 when the connection attempt fails or times out
// RFC 6062 §5.2 MUST: 403 for a connection that local policy forbids
TEST(TcpConnect, Refusals) {
  const Server server;
  TcpTurn client(Via::Tcp, server);
  ASSERT_EQ(client.allocate_tcp(), 0);
  TcpPeer listener;
  ASSERT_EQ(client.connect(listener.local()), 0);
  EXPECT_EQ(client.connect(listener.local()), 446);
  Endpoint closed;
  closed = TcpPeer().local();
  EXPECT_EQ(client.connect(closed), 447);
  EXPECT_EQ(client.connect(closed), 447);
  EXPECT_EQ(client.connect(server.turn()), 403);
  EXPECT_EQ(client.connect(at("169.254.169.254", 80)), 403);
  EXPECT_EQ(client.connect(at("::1", 80)), 443);
  TcpTurn datagrams(Via::Udp, server);
  EXPECT_EQ(datagrams.allocate_tcp(), 400);
}

TEST(TcpConnect, AgainAfterTheFirstHasEnded) {
  const Server server;
  TcpTurn client(Via::Tcp, server);
  ASSERT_EQ(client.allocate_tcp(), 0);
  TcpPeer listener;
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(client.connect(listener.local()), 0) << round;
    PeerSocket peer = listener.accept();
    DataStream data(Via::Tcp, server);
    ASSERT_EQ(data.bind(client.id()), 0);
    expect_relayed(data, peer, 100, 1);
    data.close();
    EXPECT_EQ(peer.ending(), 0);
    peer.close();
    EXPECT_TRUE(server.settles(kOpenStreams, "peer_tcp", 0));
  }
}

// RFC 6062 §5.2 MUST: 447 when the connection attempt fails or times out
// RFC 6062 §5.2 MUST: a peer data connection that is not bound within 30 seconds is closed
TEST(TcpConnect, TimeLimits) {
  config::Config config = loopback_config();
  config.turn.connect_timeout = std::chrono::seconds(1);
  config.turn.connection_bind_timeout = std::chrono::seconds(1);
  const Server server(std::move(config));
  TcpTurn client(Via::Tcp, server);
  ASSERT_EQ(client.allocate_tcp(), 0);

  TcpPeer full("127.0.0.1", 0);  // a listener with a full backlog answers no SYN
  std::vector<std::unique_ptr<Socket>> fill;
  for (int i = 0; i < 3; ++i) {
    fill.push_back(std::make_unique<Socket>(SOCK_STREAM, at("127.0.0.1")));
    const int on = 1;
    ::ioctl(fill.back()->fd(), FIONBIO, &on);
    fill.back()->connect(full.local());
  }
  std::this_thread::sleep_for(kSilence);
  const auto start = Clock::now();
  EXPECT_EQ(client.connect(full.local()), 447);
  EXPECT_GE(Clock::now() - start, 900ms);

  TcpPeer listener;
  ASSERT_EQ(client.connect(listener.local()), 0);
  const std::uint32_t id = client.id();
  PeerSocket peer = listener.accept();
  EXPECT_EQ(peer.ending(), 0);
  DataStream late(Via::Tcp, server);
  EXPECT_EQ(late.bind(id), 400);
  EXPECT_TRUE(late.binding());  // it is a stream like others
  ASSERT_EQ(client.permit(at("127.0.0.1", 1)), 0);
  PeerSocket caller = call(client.relayed);
  ASSERT_TRUE(client.attempt());
  EXPECT_EQ(caller.ending(), 0);
  EXPECT_TRUE(server.settles(kOpenStreams, "peer_tcp", 0));
}

TEST_P(TcpRelay, HalfCloseGoesThrough) {
  const Server server;
  {  // The client is done; the peer goes on.
    Bridge bridge(GetParam(), server);
    ASSERT_TRUE(bridge.data.wire().write(pattern(100'000, 5)));
    ::shutdown(bridge.data.wire().socket().fd(), SHUT_WR);
    EXPECT_EQ(bridge.peer.receive(100'000), pattern(100'000, 5));
    EXPECT_EQ(bridge.peer.ending(), 0);
    ASSERT_TRUE(bridge.peer.send(pattern(100'000, 6)));
    EXPECT_EQ(bridge.data.receive_data(100'000), pattern(100'000, 6));
    bridge.peer.close();
    EXPECT_TRUE(bridge.data.wire().ends());
  }
  {  // And the other way round.
    Bridge bridge(GetParam(), server);
    ASSERT_TRUE(bridge.peer.send(pattern(100'000, 7)));
    bridge.peer.end();
    EXPECT_EQ(bridge.data.receive_data(100'000), pattern(100'000, 7));
    ASSERT_TRUE(bridge.data.wire().write(pattern(100'000, 8)));
    EXPECT_EQ(bridge.peer.receive(100'000), pattern(100'000, 8));
    bridge.data.close();
    EXPECT_EQ(bridge.peer.ending(), 0);
  }
  EXPECT_TRUE(server.settles(kOpenStreams, "peer_tcp", 0));
}

// RFC 6062 §5.5 MUST: when one data connection is closed, so is the corresponding one
TEST_P(TcpRelay, ResetsGoThrough) {
  const Server server;
  TcpTurn client(GetParam(), server);
  ASSERT_EQ(client.allocate_tcp(), 0);
  for (const bool by_peer : {true, false}) {
    TcpPeer listener;
    ASSERT_EQ(client.connect(listener.local()), 0);
    PeerSocket peer = listener.accept();
    DataStream data(GetParam(), server);
    ASSERT_EQ(data.bind(client.id()), 0);
    expect_relayed(data, peer, 100, 1);
    if (by_peer) {
      peer.reset();
      EXPECT_TRUE(data.wire().ends());
    } else {
      const linger now{1, 0};
      ::setsockopt(data.wire().socket().fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
      data.wire().socket().reset();
      EXPECT_EQ(peer.ending(), ECONNRESET);
    }
    EXPECT_TRUE(server.settles(kOpenStreams, "peer_tcp", 0));
  }
}

/// Sends without end until the other side takes nothing for a while; how much it took.
std::size_t fill_until_it_stalls(int fd, const Bytes& chunk, std::size_t limit) {
  std::size_t sent = 0;
  while (sent < limit) {
    pollfd p{fd, POLLOUT, 0};
    if (::poll(&p, 1, 1000) <= 0) break;
    const std::size_t at = sent % chunk.size();
    const auto n = ::send(fd, chunk.data() + at, chunk.size() - at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  return sent;
}

TEST(TcpRelayPressure, ASlowSideStopsTheOther) {
  const Server server;
  TcpTurn client(Via::Tcp, server);
  ASSERT_EQ(client.allocate_tcp(), 0);
  TcpPeer listener;
  ASSERT_EQ(client.connect(listener.local()), 0);
  PeerSocket peer = listener.accept();
  constexpr std::size_t kLimit = 256UL << 20;
  const Bytes chunk = pattern(1 << 20, 9);
  // Nobody is bound yet: nothing is read from the peer at all.
  const std::size_t before = fill_until_it_stalls(peer.fd(), chunk, kLimit);
  EXPECT_LT(before, kLimit / 4);
  DataStream data(Via::Tcp, server, "127.0.0.1", {.receive_buffer = 65'536});
  ASSERT_EQ(data.bind(client.id()), 0);
  // The client does not read: the kernel's buffers fill, ours do not.
  std::size_t sent = before;
  for (;;) {
    pollfd p{peer.fd(), POLLOUT, 0};
    if (::poll(&p, 1, 1000) <= 0) break;
    const std::size_t at = sent % chunk.size();
    const auto n = ::send(peer.fd(), chunk.data() + at, chunk.size() - at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<std::size_t>(n);
    ASSERT_LT(sent, kLimit);
  }
  // The other direction flows meanwhile.
  ASSERT_TRUE(data.wire().write(pattern(300'000, 2)));
  EXPECT_EQ(peer.receive(300'000), pattern(300'000, 2));
  // And nothing is lost.
  peer.end();
  std::size_t got = 0;
  while (got < sent) {
    const Bytes part = data.receive_data(std::min(chunk.size(), sent - got));
    ASSERT_FALSE(part.empty()) << got << " of " << sent;
    ASSERT_TRUE(std::equal(part.begin(), part.end(), chunk.begin())) << got;
    got += part.size();
  }
  EXPECT_TRUE(data.wire().ends());
}

TEST_P(TcpRelay, DataStreamsFindTheirShard) {
  const Server server(loopback_config(8));
  constexpr int kClients = 3;
  constexpr int kConnections = 8;
  for (int c = 0; c < kClients; ++c) {
    TcpTurn client(GetParam(), server);
    ASSERT_EQ(client.allocate_tcp(), 0);
    std::vector<std::unique_ptr<TcpPeer>> peers;
    std::vector<std::unique_ptr<DataStream>> streams;
    std::vector<PeerSocket> sockets;
    for (int i = 0; i < kConnections; ++i) {
      peers.push_back(std::make_unique<TcpPeer>());
      ASSERT_EQ(client.connect(peers.back()->local()), 0);
      sockets.push_back(peers.back()->accept());
      streams.push_back(std::make_unique<DataStream>(GetParam(), server));
      const std::uint32_t id = client.id();
      if (i % 2 == 0) {
        ASSERT_EQ(streams.back()->bind(id), 0) << i;
      } else {
        ASSERT_EQ(streams.back()->bind_and_send(id, pattern(500, 77)), 0) << i;
        EXPECT_EQ(sockets.back().receive(500), pattern(500, 77));
      }
    }
    for (int i = 0; i < kConnections; ++i) {
      expect_relayed(*streams[static_cast<std::size_t>(i)], sockets[static_cast<std::size_t>(i)], 40'000,
                     static_cast<std::uint32_t>(i));
    }
  }
  EXPECT_TRUE(server.settles(kOpenStreams, "peer_tcp", 0));
  EXPECT_TRUE(server.settles(kOpenStreams, std::string("turn_") + name(GetParam()), 0));
}

TEST_P(TcpRelay, AMisdirectedStreamIsAnsweredWhereItArrives) {
  const Server server(loopback_config(8));
  for (std::uint32_t shard = 0; shard < 12; ++shard) {
    DataStream data(GetParam(), server);
    ASSERT_EQ(data.bind(shard << 24 | 0x123456), 400) << shard;
    EXPECT_EQ(data.bind((shard + 1) % 8 << 24 | 0x654321), 400) << shard;
    EXPECT_TRUE(data.binding());
  }
}

// RFC 6062 §5.5 MUST: data connections are closed with their allocation
TEST_P(TcpRelay, TheAllocationTakesItsConnectionsAlong) {
  const Server server;
  server.metrics();
  const std::size_t before = descriptor_count();
  for (const bool refresh : {true, false}) {
    TcpTurn client(GetParam(), server);
    ASSERT_EQ(client.allocate_tcp(), 0);
    ASSERT_EQ(client.permit(at("127.0.0.1", 1)), 0);
    TcpPeer listener;
    ASSERT_EQ(client.connect(listener.local()), 0);
    PeerSocket bound = listener.accept();
    DataStream data(GetParam(), server);
    ASSERT_EQ(data.bind(client.id()), 0);
    expect_relayed(data, bound, 100, 1);
    PeerSocket pending = call(client.relayed);
    ASSERT_TRUE(client.attempt());
    if (refresh) {
      ASSERT_EQ(client.refresh(0), 0);
    } else {
      client.close();
    }
    EXPECT_EQ(bound.ending(), 0);
    EXPECT_EQ(pending.ending(), 0);
    EXPECT_TRUE(data.wire().ends());
    EXPECT_FALSE(call(client.relayed).ok());
  }
  EXPECT_TRUE(server.settles(kOpenStreams, "peer_tcp", 0));
  const auto deadline = Clock::now() + kPatience;
  while (descriptor_count() > before && Clock::now() < deadline) std::this_thread::sleep_for(10ms);
  EXPECT_LE(descriptor_count(), before);
}

TEST(TcpRelayStorm, ManyConnectsAtOnceAndTheLimit) {
  const Server server(loopback_config(2));
  TcpTurn client(Via::Tcp, server);
  ASSERT_EQ(client.allocate_tcp(), 0);
  TcpPeer listener("127.0.0.1", 256);
  ASSERT_EQ(client.permit(at("127.0.0.1", 1)), 0);
  std::vector<PeerSocket> callers;
  for (int i = 0; i < 64; ++i) callers.push_back(call(client.relayed));
  std::vector<std::uint32_t> ids;
  for (int i = 0; i < 64; ++i) {
    const auto attempt = client.attempt();
    ASSERT_TRUE(attempt) << i;
    ids.push_back(attempt->id);
  }
  EXPECT_EQ(client.connect(listener.local()), 508);
  PeerSocket one_more = call(client.relayed);
  EXPECT_NE(one_more.ending(), -1);
  for (PeerSocket& caller : callers) caller.reset();
  // A bind shows that the peer is gone.
  for (const std::uint32_t id : ids) {
    DataStream data(Via::Tcp, server);
    ASSERT_EQ(data.bind(id), 0);
    EXPECT_TRUE(data.wire().ends());
  }
  EXPECT_TRUE(server.settles(kOpenStreams, "peer_tcp", 0));
  EXPECT_EQ(client.connect(listener.local()), 0);
}

// To a peer that neither takes nor refuses: its backlog is full.
TEST_P(TcpRelay, AnAttemptEndsWithItsClient) {
  const Server server;
  const TcpPeer listener("127.0.0.1", 0);
  std::vector<Socket> filling;
  for (int i = 0; i < 3; ++i) {
    filling.push_back(peer_socket(SOCK_STREAM | SOCK_NONBLOCK, at("127.0.0.1")));
    filling.back().connect(listener.local());
  }
  const std::size_t before = descriptor_count();
  for (int round = 0; round < 10; ++round) {
    TcpTurn client(GetParam(), server);
    ASSERT_EQ(client.allocate_tcp(), 0);
    const auto peer = [&](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, listener.local()); };
    ASSERT_TRUE(client.send(client.make_request(Method::Connect, peer)));
    client.close();
  }
  const auto deadline = Clock::now() + 5s;
  while (descriptor_count() > before && Clock::now() < deadline) std::this_thread::sleep_for(10ms);
  EXPECT_LE(descriptor_count(), before);
}

TEST(TcpRelayStop, WithEverythingUnderWay) {
  auto server = std::make_unique<Server>(loopback_config(4));
  std::vector<std::unique_ptr<TcpTurn>> clients;
  std::vector<std::unique_ptr<DataStream>> streams;
  std::vector<PeerSocket> sockets;
  TcpPeer listener;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<TcpTurn>(i % 2 == 0 ? Via::Tcp : Via::Tls, *server));
    TcpTurn& client = *clients.back();
    ASSERT_EQ(client.allocate_tcp(), 0);
    ASSERT_EQ(client.connect(listener.local()), 0);
    sockets.push_back(listener.accept());
    if (i % 3 == 0) continue;
    streams.push_back(std::make_unique<DataStream>(Via::Tcp, *server));
    ASSERT_EQ(streams.back()->bind(client.id()), 0);
    ASSERT_TRUE(sockets.back().send(pattern(100'000)));
  }
  server.reset();
  for (const auto& stream : streams) EXPECT_TRUE(stream->wire().ends());
}

}  // namespace
}  // namespace ts::shell_test
