// SPDX-License-Identifier: Apache-2.0
// STUN and TURN over DTLS as a client meets it: both ports, the way of data, loss, restarts and ends.
#include "dtls_channel.hpp"

namespace ts::shell_test {
namespace {

/// The kind of each record in a datagram: its content, and what handshake message is in it.
std::vector<int> records_of(ByteView datagram) {
  std::vector<int> out;
  while (datagram.size() >= 13) {
    const std::size_t size = 13U + load_be16(datagram.data() + 11);
    out.push_back(datagram[0] == 22 && load_be16(datagram.data() + 3) == 0 ? 2200 + datagram[13]
                                                                           : datagram[0]);
    if (size > datagram.size()) break;
    datagram = datagram.subspan(size);
  }
  return out;
}

bool has(ByteView datagram, int kind) {
  const auto kinds = records_of(datagram);
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

constexpr int kHelloVerifyRequest = 2203;
constexpr int kServerHello = 2202;

// RFC 8489 §6.2.3: STUN over DTLS-over-UDP, on the port of STUN over UDP too
TEST(Dtls, BindingOnEitherPortAndBothFamilies) {
  const Server server;
  ASSERT_NE(server.runtime->ports().dtls, 0);
  for (const char* host : {"127.0.0.1", "::1"}) {
    for (const Endpoint& listener : {server.dtls(host), server.turn(host)}) {
      TurnClient client(Via::Dtls, listener);
      ASSERT_TRUE(client.ok()) << listener.to_string();
      EXPECT_EQ(client.binding(), client.dtls().socket()->local());
      EXPECT_EQ(client.dtls().last_from, listener);
      EXPECT_STREQ(SSL_get_version(client.dtls().ssl()), "DTLSv1.2");
    }
    // RFC 7983: the port is no other for it.
    TurnClient plain(Via::Udp, server.dtls(host));
    EXPECT_EQ(plain.binding(), plain.udp().local());
  }
  EXPECT_EQ(server.metric("turnstone_streams_accepted_total", "turn_dtls"), 4);
}

// RFC 8656 §2.1: DTLS over UDP between the client and the server
// RFC 8656 §5 SHOULD: TCP, TLS and DTLS between client and server
TEST(Dtls, RelaysBothWaysAsUdpDoes) {
  const Server server;
  TurnClient client(Via::Dtls, server.dtls());
  ASSERT_EQ(client.allocate(), 0);
  EXPECT_EQ(client.mapped, client.dtls().socket()->local());
  UdpSocket peer(at("127.0.0.1"));
  ASSERT_EQ(client.permit(peer.local()), 0);
  for (const std::size_t size : {0U, 1U, 3U, 1200U, 9000U}) {
    client.send_indication(peer.local(), pattern(size));
    const auto there = peer.receive();
    ASSERT_TRUE(there);
    EXPECT_EQ(there->bytes, pattern(size));
    peer.send(client.relayed, pattern(size, 2));
    const auto back = client.next();
    ASSERT_TRUE(back);
    EXPECT_EQ(back->bytes, pattern(size, 2));
    EXPECT_EQ(back->peer, peer.local());
  }
  ASSERT_EQ(client.bind(kChannel, peer.local()), 0);
  for (std::uint32_t i = 0; i < 200; ++i) {
    client.send_channel(kChannel, pattern(i, i));
    const auto there = peer.receive();
    ASSERT_TRUE(there);
    ASSERT_EQ(there->bytes, pattern(i, i));
    peer.send(client.relayed, pattern(i, i + 1));
    const auto raw = client.dtls().read();
    ASSERT_TRUE(raw);
    // RFC 8656 §12.5: over UDP padding is not there.
    ASSERT_EQ(raw->size(), 4 + i);
    ASSERT_TRUE(std::equal(raw->begin() + 4, raw->end(), pattern(i, i + 1).begin()));
  }
  EXPECT_EQ(server.metric("turnstone_allocations", "dtls"), 1);
  EXPECT_EQ(client.refresh(0), 0);
  EXPECT_EQ(server.metric("turnstone_allocations"), 0);
}

TEST(Dtls, WhatIsTooLongForARecordIsDroppedAndNothingElse) {
  const Server server;
  DtlsChannel channel(server);
  auto& [socket, client, peer] = channel;
  peer.send(client.relayed, pattern(16'381));
  peer.send(client.relayed, pattern(60'000));
  peer.send(client.relayed, pattern(16'380));
  const auto got = client.next();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->bytes, pattern(16'380));
}

TEST(Dtls, ManyClientsOnSeveralShards) {
  const Server server(loopback_config(2));
  const EchoPeer echo;
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<TurnClient>(Via::Dtls, i % 2 == 0 ? server.dtls() : server.turn()));
    ASSERT_EQ(clients.back()->allocate(), 0);
    ASSERT_EQ(clients.back()->bind(kChannel, echo.local()), 0);
  }
  for (std::uint32_t i = 0; i < clients.size(); ++i) clients[i]->send_channel(kChannel, pattern(500, i));
  for (std::uint32_t i = 0; i < clients.size(); ++i) {
    const auto got = clients[i]->next();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes, pattern(500, i));
  }
  EXPECT_EQ(server.metric("turnstone_streams", "turn_dtls"), 12);
}

TEST(Dtls, PlainAndEncryptedFromOneSocketAreTwoClients) {
  const Server server;
  const auto socket = std::make_shared<UdpSocket>(at("127.0.0.1"));
  TurnClient client(Via::Dtls, server.turn(), socket);
  ASSERT_EQ(client.allocate(), 0);
  TurnClient maker(Via::Dtls, server.turn());
  const Bytes request = maker.make_request(Method::Binding);
  socket->send(server.turn(), request);
  const auto answer = socket->receive();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(stun::MessageView::parse(answer->bytes).has_value());
  // A channel of the association is none of the plain client's.
  UdpSocket peer(at("127.0.0.1"));
  ASSERT_EQ(client.bind(kChannel, peer.local()), 0);
  socket->send(server.turn(), client.channel_frame(kChannel, pattern(10)));
  EXPECT_FALSE(peer.receive(kSilence));
  EXPECT_EQ(server.metric("turnstone_drops_total", "no_allocation"), 1);
}

TEST(Dtls, WhatIsOfNoAssociationIsCounted) {
  const Server server;
  UdpSocket stranger(at("127.0.0.1"));
  stranger.send(server.dtls(), Bytes{23, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 9});
  stranger.send(server.dtls(), Bytes{22, 0xFE});
  EXPECT_TRUE(server.settles("turnstone_drops_total", "not_stun", 2));
  EXPECT_FALSE(stranger.receive(kSilence));
}

// RFC 6347 §4.2.4: a flight that is not answered is sent again.
class LostFlight : public testing::TestWithParam<int> {};

TEST_P(LostFlight, IsSentAgain) {
  const Server server;
  DtlsWire client(server.dtls());
  int at = 0;
  client.passes = [&at](bool, ByteView) { return at++ != GetParam(); };
  ASSERT_TRUE(client.handshake());
  TurnClient other(Via::Dtls, server.dtls());
  EXPECT_TRUE(other.binding());
  // And the association is of use.
  const Bytes request = other.make_request(Method::Binding);
  ASSERT_TRUE(client.write(request));
  const auto answer = client.read();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(stun::MessageView::parse(*answer).has_value());
}
// ClientHello, HelloVerifyRequest, ClientHello with cookie, the server's flight, the client's, Finished.
INSTANTIATE_TEST_SUITE_P(Dtls, LostFlight, testing::Range(0, 6));

TEST(Dtls, AServersFlightIsSentAgainUntilTheHandshakeIsLate) {
  config::Config config = loopback_config();
  config.net.handshake_timeout = 2500ms;
  const Server server(std::move(config));
  DtlsWire client(server.dtls());
  int flights = 0;
  client.passes = [&flights](bool outgoing, ByteView datagram) {
    if (outgoing || !has(datagram, kServerHello)) return true;
    ++flights;
    return false;
  };
  EXPECT_FALSE(client.handshake(2s));
  EXPECT_GE(flights, 2);
  EXPECT_TRUE(server.settles("turnstone_streams_refused_total", "handshake_timeout", 1));
  EXPECT_EQ(server.metric("turnstone_streams", "turn_dtls"), 0);
}

// RFC 6347 §4.2.8 MUST: an epoch 0 ClientHello does not destroy an existing association
// RFC 6347 §4.2.8 MUST: after a correct Finished the previous association is abandoned
TEST(Dtls, AClientThatRestartsOnTheSamePortGetsANewAssociation) {
  const Server server;
  const auto socket = std::make_shared<UdpSocket>(at("127.0.0.1"));
  TurnClient before(Via::Dtls, server.dtls(), socket);
  ASSERT_EQ(before.allocate(), 0);
  const Endpoint relayed = before.relayed;

  // As far as the server's flight: the old one is still served.
  auto restarted = std::make_shared<DtlsWire>(server.dtls(), socket);
  bool cut = true;
  restarted->passes = [&cut](bool outgoing, ByteView datagram) {
    return !cut || outgoing || !has(datagram, kServerHello);
  };
  for (int i = 0; i < 3; ++i) restarted->step(), restarted->pull(200ms);
  EXPECT_EQ(before.refresh(600), 0);
  EXPECT_EQ(server.metric("turnstone_allocations"), 1);

  cut = false;
  ASSERT_TRUE(restarted->handshake());
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  EXPECT_EQ(server.metric("turnstone_streams", "turn_dtls"), 1);
  EXPECT_TRUE(Socket(SOCK_DGRAM, relayed)) << "the relay socket is still there";
  TurnClient after(Via::Dtls, restarted);
  EXPECT_EQ(after.allocate(), 0);
  EXPECT_EQ(after.mapped, socket->local());
}

// RFC 6347 §4.1.2.6 MUST: a record whose sequence number was seen before is not accepted
TEST(Dtls, AReplayedRecordIsNotRelayedTwice) {
  const Server server;
  DtlsChannel channel(server);
  auto& [socket, client, peer] = channel;
  Bytes sent;
  client.dtls().passes = [&sent](bool outgoing, ByteView datagram) {
    if (outgoing) sent.assign(datagram.begin(), datagram.end());
    return true;
  };
  client.send_channel(kChannel, pattern(50));
  for (int i = 0; i < 3; ++i) socket->send(server.dtls(), sent);
  client.send_channel(kChannel, pattern(51));
  EXPECT_EQ(peer.receive().value().bytes.size(), 50U);
  EXPECT_EQ(peer.receive().value().bytes.size(), 51U);
  EXPECT_FALSE(peer.receive(kSilence));
}

TEST(Dtls, SeveralRecordsInOneDatagram) {
  const Server server;
  DtlsChannel channel(server);
  auto& [socket, client, peer] = channel;
  Bytes all;
  client.dtls().passes = [&all](bool outgoing, ByteView datagram) {
    if (outgoing) all.insert(all.end(), datagram.begin(), datagram.end());
    return !outgoing;
  };
  for (std::uint32_t i = 0; i < 20; ++i) client.send_channel(kChannel, pattern(100 + i, i));
  socket->send(server.dtls(), all);
  for (std::uint32_t i = 0; i < 20; ++i) {
    const auto got = peer.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes, pattern(100 + i, i));
  }
}

// RFC 5246 §7.2.1 MUST: close_notify is answered with close_notify
TEST(Dtls, CloseNotifyEndsTheAllocationAndIsAnswered) {
  const Server server;
  TurnClient client(Via::Dtls, server.dtls());
  ASSERT_EQ(client.allocate(), 0);
  client.dtls().close_notify();
  EXPECT_TRUE(client.dtls().ends());
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  EXPECT_EQ(server.metric("turnstone_allocations_ended_total", "client_closed"), 1);
  EXPECT_EQ(server.metric("turnstone_streams", "turn_dtls"), 0);
}

TEST(Dtls, AnIdleOneIsClosedUnlessItHoldsAnAllocation) {
  config::Config config = loopback_config();
  config.net.stream_idle_timeout = 1s;
  const Server server(std::move(config));
  TurnClient idle(Via::Dtls, server.dtls());
  TurnClient holds(Via::Dtls, server.dtls());
  ASSERT_TRUE(idle.binding());
  ASSERT_EQ(holds.allocate(), 0);
  EXPECT_TRUE(idle.dtls().ends());
  EXPECT_FALSE(holds.dtls().ends(1500ms));
  // Long quiet: its buffers were given back, and come again.
  std::this_thread::sleep_for(2s);
  EXPECT_EQ(holds.refresh(600), 0);
  ASSERT_EQ(holds.refresh(0), 0);
  EXPECT_TRUE(holds.dtls().ends());
  EXPECT_TRUE(server.settles("turnstone_streams", "turn_dtls", 0));
}

TEST(Dtls, RelayedDataWakesAQuietOne) {
  const Server server;
  TurnClient client(Via::Dtls, server.dtls());
  ASSERT_EQ(client.allocate(), 0);
  UdpSocket peer(at("127.0.0.1"));
  ASSERT_EQ(client.permit(peer.local()), 0);
  for (int round = 0; round < 2; ++round) {
    std::this_thread::sleep_for(2500ms);
    peer.send(client.relayed, pattern(700));
    const auto got = client.next();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes, pattern(700));
  }
}

TEST(Dtls, AServerThatStopsSaysSo) {
  std::optional<Server> server(std::in_place);
  TurnClient client(Via::Dtls, server->dtls());
  ASSERT_EQ(client.allocate(), 0);
  server.reset();
  EXPECT_TRUE(client.dtls().ends());
}

// RFC 7443 §3: ALPN "stun.turn" and "stun.nat-discovery".
// RFC 7443 §3 MUST: ALPN stun.turn and stun.nat-discovery are answered
TEST(Dtls, AlpnNamesTurn) {
  const Server server;
  const auto negotiated = [&server](std::string_view offer) -> std::string {
    DtlsWire client(server.dtls());
    SSL_set_alpn_protos(client.ssl(), reinterpret_cast<const unsigned char*>(offer.data()),
                        static_cast<unsigned>(offer.size()));
    if (!client.handshake()) return "failed";
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client.ssl(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  };
  EXPECT_EQ(negotiated("\x08http/1.1\x09stun.turn"), "stun.turn");
  EXPECT_EQ(negotiated("\x12stun.nat-discovery"), "stun.nat-discovery");
  EXPECT_EQ(negotiated("\x08http/1.1"), "");
}

// Nothing below DTLS 1.2.
// RFC 8489 §6.2.3 MUST: TLS 1.2 at least, as BCP 195 asks
TEST(Dtls, VersionOneIsRefusedWithAnAlert) {
  const Server server;
  DtlsWire old(server.dtls());
  SSL_set_min_proto_version(old.ssl(), DTLS1_VERSION);
  SSL_set_max_proto_version(old.ssl(), DTLS1_VERSION);
  SSL_set_security_level(old.ssl(), 0);
  EXPECT_FALSE(old.handshake());
  EXPECT_TRUE(old.failed());
  EXPECT_TRUE(server.settles("turnstone_streams_refused_total", "tls_failed", 1));
}

TEST(Dtls, WithoutACertificateThereIsNone) {
  config::Config config = loopback_config();
  config.dev = false;
  config.turn.relay_addresses = {{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("127.0.0.1")}};
  const Server server(std::move(config));
  EXPECT_EQ(server.runtime->ports().dtls, 0);
  DtlsWire client(server.turn());
  EXPECT_FALSE(client.handshake(300ms));
  TurnClient plain(Via::Udp, server.turn());
  EXPECT_TRUE(plain.binding());
}

TEST(Dtls, OnTheSamePortAsUdp) {
  config::Config config = loopback_config();
  const std::uint16_t port = UdpSocket(at("127.0.0.1")).local().port;
  config.net.port = config.net.dtls_port = port;
  const Server server(std::move(config));
  EXPECT_EQ(server.runtime->ports().dtls, port);
  TurnClient client(Via::Dtls, server.dtls());
  EXPECT_TRUE(client.binding());
}

// RFC 6347 §4.2.1 SHOULD: a cookie exchange is performed whenever a new handshake is
TEST(Dtls, TheCookieExchangeKeepsNothing) {
  const Server server;
  DtlsWire client(server.dtls());
  int verify_requests = 0;
  std::size_t largest = 0;
  client.passes = [&](bool outgoing, ByteView datagram) {
    if (outgoing || !has(datagram, kHelloVerifyRequest)) return true;
    ++verify_requests;
    largest = std::max(largest, datagram.size());
    return false;
  };
  client.handshake(2500ms);
  EXPECT_GE(verify_requests, 2) << "asked again, answered again";
  EXPECT_LE(largest, 100U);
  const std::string metrics = server.metrics();
  EXPECT_EQ(sample(metrics, "turnstone_streams", "turn_dtls"), 0);
  EXPECT_EQ(sample(metrics, "turnstone_streams_refused_total"), 0) << "there was nothing to time out";
}

}  // namespace
}  // namespace ts::shell_test
