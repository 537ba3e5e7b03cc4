// SPDX-License-Identifier: Apache-2.0
// TCP and TLS streams of the whole server: what they speak, how they are framed, when they are closed.
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

bool is_ok(const std::string& response) { return response.starts_with("HTTP/1.1 200"); }

class EveryPort : public testing::TestWithParam<const char*> {
 protected:
  Endpoint port(const Server& server) const {
    const std::string_view which = GetParam();
    return which == "turn" ? server.turn() : which == "tls" ? server.tls() : server.http();
  }
};

// RFC 8489 §12 MUST: UDP and TCP are served
// RFC 8656 §5 SHOULD: TCP, TLS and DTLS between client and server
TEST_P(EveryPort, ServesTurnAndHttpPlainAndInTls) {
  const Server server(loopback_config(2));
  const Endpoint endpoint = port(server);
  EXPECT_TRUE(is_ok(Wire(endpoint, {}).get("/healthz")));
  EXPECT_TRUE(is_ok(Wire(endpoint, {.tls = true}).get("/healthz")));
  const EchoPeer peer;
  for (const Via via : {Via::Tcp, Via::Tls}) {
    TurnClient client(via, endpoint);
    ASSERT_TRUE(client.ok());
    ASSERT_EQ(client.allocate(), 0) << name(via);
    ASSERT_EQ(client.bind(kChannel, peer.local()), 0);
    client.send_channel(kChannel, pattern(1000));
    const auto got = client.next();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes, pattern(1000));
  }
}
INSTANTIATE_TEST_SUITE_P(Ports, EveryPort, testing::Values("turn", "tls", "http"),
                         [](const auto& p) { return std::string(p.param); });

// RFC 7443 §3 MUST: ALPN stun.turn and stun.nat-discovery are answered
TEST(Streams, AlpnIsAnswered) {
  const Server server;
  const std::string turn_first = "\x09stun.turn\x08http/1.1";
  const std::string http_only = "\x02h2\x08http/1.1";
  TurnClient client(Via::Tls, server.tls(), {.alpn = turn_first});
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(client.wire().alpn(), "stun.turn");
  EXPECT_TRUE(client.binding());
  Wire http(server.tls(), {.tls = true, .alpn = http_only});
  EXPECT_EQ(http.alpn(), "http/1.1");
  EXPECT_TRUE(is_ok(http.get("/healthz")));
  Wire unknown(server.tls(), {.tls = true, .alpn = "\x03xyz"});
  ASSERT_TRUE(unknown.ok());
  EXPECT_EQ(unknown.alpn(), "");
  EXPECT_TRUE(is_ok(unknown.get("/healthz")));
}

TEST(Streams, GarbageIsClosed) {
  const Server server;
  for (const int first : {0x04, 0x0A, 0x15, 0x17, 0x60, 0x80, 0xFF}) {
    Wire wire(server.turn(), {});
    ASSERT_TRUE(wire.write(Bytes(1, static_cast<std::uint8_t>(first))));
    EXPECT_TRUE(wire.ends()) << first;
  }
  Wire inside(server.tls(), {.tls = true});
  ASSERT_TRUE(inside.ok());
  ASSERT_TRUE(inside.write(Bytes(3, 0x80)));
  EXPECT_TRUE(inside.ends());
  EXPECT_EQ(server.metric("turnstone_streams_refused_total", "unknown_protocol"), 8);

  Wire not_tls(server.tls(), {});
  ASSERT_TRUE(not_tls.write("\x16 this is no handshake, whatever its first byte says, and it is long"));
  EXPECT_TRUE(not_tls.ends());
  Wire twice(server.tls(), {.tls = true});
  ASSERT_TRUE(twice.write(Bytes{0x16, 0x03, 0x01, 0x00, 0x05}));  // TLS in TLS
  EXPECT_TRUE(twice.ends());
  const std::string metrics = server.metrics();
  EXPECT_EQ(sample(metrics, "turnstone_streams_refused_total", "tls_failed"), 1);
  EXPECT_EQ(sample(metrics, "turnstone_streams_refused_total", "unknown_protocol"), 9);

  // Past the first byte: a TURN stream that goes astray.
  TurnClient client(Via::Tcp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  client.wire().write(Bytes(20, 0x20));
  EXPECT_TRUE(client.wire().ends());
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  EXPECT_TRUE(server.settles("turnstone_streams", "turn_", 0));
}

TEST(Streams, SilentOnesAreClosedAfterTheHandshakeTimeout) {
  config::Config config = loopback_config();
  config.net.handshake_timeout = 300ms;
  const Server server(std::move(config));
  Wire silent(server.turn(), {});
  Wire stalled(server.tls(), {});
  stalled.write("\x16");
  Wire silent_inside(server.tls(), {.tls = true});
  ASSERT_TRUE(silent_inside.ok());
  TurnClient speaks(Via::Tcp, server.turn());
  ASSERT_TRUE(speaks.binding());
  EXPECT_TRUE(silent.ends());
  EXPECT_TRUE(stalled.ends());
  EXPECT_TRUE(silent_inside.ends());
  EXPECT_EQ(server.metric("turnstone_streams_refused_total", "handshake_timeout"), 3);
  EXPECT_TRUE(speaks.binding());
}

// RFC 8489 §6.2.2 SHOULD: the server leaves connections open until the client closes them or they time out
TEST(Streams, IdleOnesAreClosedUnlessTheyHoldAnAllocation) {
  config::Config config = loopback_config();
  config.net.stream_idle_timeout = 1s;
  const Server server(std::move(config));
  TurnClient idle(Via::Tcp, server.turn());
  TurnClient idle_tls(Via::Tls, server.tls());
  TurnClient holds(Via::Tcp, server.turn());
  ASSERT_EQ(holds.allocate(), 0);
  ASSERT_TRUE(idle.binding());
  ASSERT_TRUE(idle_tls.binding());
  EXPECT_TRUE(idle.wire().ends());
  EXPECT_TRUE(idle_tls.wire().ends());
  EXPECT_FALSE(holds.wire().socket().readable(1200ms));
  EXPECT_EQ(holds.refresh(600), 0);
  ASSERT_EQ(holds.refresh(0), 0);
  EXPECT_TRUE(holds.wire().ends());
}

class Framing : public testing::TestWithParam<Via> {
 protected:
  Framing() : client(GetParam(), server.listener(GetParam())) {
    EXPECT_EQ(client.allocate(), 0);
    EXPECT_EQ(client.bind(kChannel, peer.local()), 0);
  }
  void expect_at_peer(ByteView data) {
    const auto got = peer.receive();
    ASSERT_TRUE(got);
    EXPECT_TRUE(std::equal(got->bytes.begin(), got->bytes.end(), data.begin(), data.end()));
  }
  Server server;
  UdpSocket peer{at("127.0.0.1")};
  TurnClient client;
};

// RFC 8489 §6.2.2 MUST: messages on a stream are found by their framing, however they are split
TEST_P(Framing, FramesMaySplitAnywhere) {
  const Bytes data = pattern(13);
  for (const Bytes& frame :
       {client.channel_frame(kChannel, data), TurnClient::indication(peer.local(), data)}) {
    for (std::size_t cut = 1; cut < frame.size(); ++cut) {
      ASSERT_TRUE(client.send(ByteView(frame).first(cut)));
      std::this_thread::sleep_for(1ms);
      ASSERT_TRUE(client.send(ByteView(frame).subspan(cut)));
      expect_at_peer(data);
    }
    for (const std::uint8_t& byte : frame) ASSERT_TRUE(client.send(ByteView(&byte, 1)));
    expect_at_peer(data);
  }
}

// RFC 8656 §12.6 MUST: the padding of ChannelData on a stream is not relayed
TEST_P(Framing, ManyFramesInOneWriteWithPadding) {
  Bytes all;
  for (std::uint32_t i = 0; i < 100; ++i) {
    const Bytes frame = i % 3 == 0 ? TurnClient::indication(peer.local(), pattern(i, i))
                                   : client.channel_frame(kChannel, pattern(i, i));
    all.insert(all.end(), frame.begin(), frame.end());
  }
  ASSERT_TRUE(client.send(all));
  for (std::uint32_t i = 0; i < 100; ++i) expect_at_peer(pattern(i, i));
}

// More than fits into the room that streams of one turn share, and each stream's last frame comes in two
// parts.
TEST_P(Framing, StreamsThatAreReadyTogetherKeepTheirFrames) {
  constexpr std::uint32_t kClients = 12;
  constexpr std::uint32_t kFrames = 40;
  constexpr std::size_t kHeldBack = 500;
  std::vector<std::unique_ptr<TurnClient>> clients;
  std::vector<std::unique_ptr<UdpSocket>> peers;
  std::vector<Bytes> streams(kClients);
  for (std::uint32_t c = 0; c < kClients; ++c) {
    clients.push_back(std::make_unique<TurnClient>(GetParam(), server.listener(GetParam())));
    peers.push_back(std::make_unique<UdpSocket>(at("127.0.0.1")));
    ASSERT_EQ(clients[c]->allocate(), 0);
    ASSERT_EQ(clients[c]->bind(kChannel, peers[c]->local()), 0);
    for (std::uint32_t i = 0; i < kFrames; ++i) {
      const Bytes frame = clients[c]->channel_frame(kChannel, pattern(1001, c * kFrames + i));
      streams[c].insert(streams[c].end(), frame.begin(), frame.end());
    }
  }
  for (std::uint32_t c = 0; c < kClients; ++c)
    ASSERT_TRUE(clients[c]->send(ByteView(streams[c]).first(streams[c].size() - kHeldBack)));
  for (std::uint32_t c = 0; c < kClients; ++c)
    ASSERT_TRUE(clients[c]->send(ByteView(streams[c]).last(kHeldBack)));
  for (std::uint32_t c = 0; c < kClients; ++c) {
    for (std::uint32_t i = 0; i < kFrames; ++i) {
      const auto got = peers[c]->receive();
      ASSERT_TRUE(got) << "client " << c << ", frame " << i;
      ASSERT_EQ(got->bytes, pattern(1001, c * kFrames + i)) << "client " << c << ", frame " << i;
    }
  }
}

// RFC 8656 §12.5 MUST: over TCP and TLS ChannelData is padded to four bytes
TEST_P(Framing, WhatIsRelayedToTheClientIsPadded) {
  for (std::uint32_t size = 0; size < 9; ++size) {
    peer.send(client.relayed, pattern(size, size));
    Bytes raw;
    while (raw.size() < 4 + stun::padded(size)) ASSERT_EQ(client.wire().read(raw), Wire::Read::Some);
    EXPECT_EQ(raw.size(), 4 + stun::padded(size));
    EXPECT_EQ(load_be16(raw.data() + 2), size);
  }
}

TEST_P(Framing, WhoEndsAtOnceIsAnswered) {
  for (int round = 0; round < 20; ++round) {
    TurnClient last(GetParam(), server.listener(GetParam()));
    ASSERT_TRUE(last.send(last.make_request(Method::Binding)));
    last.end_sending();
    EXPECT_FALSE(last.await_answer().empty()) << round;
  }
}

TEST_P(Framing, PartOfAFrameThenTheEnd) {
  const Bytes frame = client.channel_frame(kChannel, pattern(500));
  ASSERT_TRUE(client.send(ByteView(frame).first(200)));
  EXPECT_EQ(server.metric("turnstone_allocations"), 1);
  const Endpoint relayed = client.relayed;
  client.close();
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  EXPECT_TRUE(server.settles("turnstone_streams", "turn_", 0));
  const std::string metrics = server.metrics();
  EXPECT_EQ(sample(metrics, "turnstone_relay_ports_used"), 0);
  EXPECT_EQ(sample(metrics, "turnstone_channels"), 0);
  EXPECT_EQ(sample(metrics, "turnstone_permissions"), 0);
  EXPECT_EQ(sample(metrics, "turnstone_allocations_ended_total", "client_closed"), 1);
  EXPECT_TRUE(Socket(SOCK_DGRAM, relayed)) << "the relay socket is still there";
  EXPECT_FALSE(peer.receive(kSilence));
}
INSTANTIATE_TEST_SUITE_P(Streams, Framing, testing::Values(Via::Tcp, Via::Tls),
                         [](const auto& p) { return std::string(name(p.param)); });

class SlowReader : public testing::TestWithParam<Via> {};

TEST_P(SlowReader, LosesRelayedDataThatIsCountedAndHurtsNobodyElse) {
  config::Config config = loopback_config();
  config.net.stream_send_queue_bytes = 65'536;
  const Server server(std::move(config));
  TurnClient slow(GetParam(), server.listener(GetParam()), {.receive_buffer = 4096});
  TurnClient other(Via::Tcp, server.turn());
  ASSERT_EQ(slow.allocate(), 0);
  ASSERT_EQ(other.allocate(), 0);
  const EchoPeer echo;
  UdpSocket flood(at("127.0.0.1"));
  ASSERT_EQ(slow.permit(flood.local()), 0);
  ASSERT_EQ(other.bind(kChannel, echo.local()), 0);
  const auto deadline = Clock::now() + 4 * kPatience;
  double dropped = 0;
  for (std::uint32_t round = 0; dropped < 100 && Clock::now() < deadline; ++round) {
    for (int i = 0; i < 300; ++i) flood.send(slow.relayed, pattern(1200, 5));
    other.send_channel(kChannel, pattern(100, round));
    const auto got = other.next();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes, pattern(100, round));
    dropped = server.metric("turnstone_drops_total", "queue_full");
  }
  EXPECT_GE(dropped, 100);
  // Now it reads: whole frames, and then what is new.
  std::size_t frames = 0;
  while (const auto got = slow.next(500ms)) {
    ASSERT_EQ(got->bytes, pattern(1200, 5));
    ++frames;
  }
  EXPECT_GT(frames, 0U);
  flood.send(slow.relayed, pattern(77));
  const auto fresh = slow.next();
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->bytes, pattern(77));
  EXPECT_EQ(slow.refresh(600), 0);
}

TEST_P(SlowReader, ThatDoesNotReadAnswersIsClosed) {
  config::Config config = loopback_config();
  config.net.stream_send_queue_bytes = 16'384;
  const Server server(std::move(config));
  TurnClient client(GetParam(), server.listener(GetParam()), {.receive_buffer = 4096});
  ASSERT_EQ(client.allocate(), 0);
  Bytes requests;
  for (int i = 0; i < 200; ++i) {
    const Bytes one = client.make_request(Method::Binding);
    requests.insert(requests.end(), one.begin(), one.end());
  }
  const auto deadline = Clock::now() + 2 * kPatience;
  while (client.send(requests)) ASSERT_LT(Clock::now(), deadline) << "the server goes on";
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
}
INSTANTIATE_TEST_SUITE_P(Streams, SlowReader, testing::Values(Via::Tcp, Via::Tls),
                         [](const auto& p) { return std::string(name(p.param)); });

}  // namespace
}  // namespace ts::shell_test
