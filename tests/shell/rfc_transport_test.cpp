// SPDX-License-Identifier: Apache-2.0
// What RFC 8489 and RFC 8656 ask of connections, TLS and IP headers, as it can be seen from outside.
#include <sys/ioctl.h>

#include "control_message.hpp"
#include "tcp_turn.hpp"

namespace ts::shell_test {
namespace {

/// A peer that never answers a SYN: its backlog is full.
class SilentPeer {
 public:
  SilentPeer() : listener_("127.0.0.1", 0) {
    for (int i = 0; i < 3; ++i) {
      fill_.emplace_back(SOCK_STREAM, at("127.0.0.1"));
      const int on = 1;
      ::ioctl(fill_.back().fd(), FIONBIO, &on);
      fill_.back().connect(listener_.local());
    }
    std::this_thread::sleep_for(kSilence);
  }
  Endpoint local() const { return listener_.local(); }

 private:
  TcpPeer listener_;
  std::vector<Socket> fill_;
};

// RFC 8489 §6.2.2 SHOULD: no connection is closed while a request on it waits for its response
TEST(Connections, StayWhileARequestWaitsForItsResponse) {
  config::Config config = loopback_config();
  config.net.stream_idle_timeout = std::chrono::seconds(1);
  config.turn.connect_timeout = std::chrono::seconds(4);
  const Server server(std::move(config));
  const SilentPeer peer;
  TcpTurn client(Via::Tcp, server);
  ASSERT_EQ(client.allocate_tcp(), 0);
  const auto start = Clock::now();
  EXPECT_EQ(client.connect(peer.local()), 447);
  EXPECT_GE(Clock::now() - start, 3500ms) << "it waited longer than an idle stream may";
  EXPECT_TRUE(client.binding());
}

// RFC 8489 §6.2.2 MUST: the server opens no connection towards a client to send a response
TEST(Connections, AreNotOpenedForAResponse) {
  config::Config config = loopback_config();
  config.turn.connect_timeout = std::chrono::seconds(1);
  const Server server(std::move(config));
  const SilentPeer peer;
  auto client = std::make_unique<TcpTurn>(Via::Tcp, server);
  ASSERT_EQ(client->allocate_tcp(), 0);
  SocketAddress own;
  ::getsockname(client->wire().socket().fd(), own.get(), &own.size);
  client->send(client->make_request(
      Method::Connect, [&](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, peer.local()); }));
  EXPECT_TRUE(server.settles(kOpenStreams, "turn_tcp", 1));
  // A reset, so that the port is free at once for one who would notice a connection.
  const linger now{1, 0};
  ::setsockopt(client->wire().socket().fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  client.reset();
  const Socket listener(SOCK_STREAM, own.endpoint());
  ASSERT_TRUE(listener);
  ASSERT_EQ(::listen(listener.fd(), 1), 0);
  EXPECT_FALSE(listener.readable(2500ms));
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
}

/// A ClientHello of TLS 1.2 that offers such compression methods.
Bytes client_hello(const Bytes& compression) {
  Bytes body{3, 3};
  const auto add = [&body](const Bytes& bytes) { body.insert(body.end(), bytes.begin(), bytes.end()); };
  add(pattern(32));
  add({0, 0, 8, 0xC0, 0x2B, 0xC0, 0x2F, 0xC0, 0x2C, 0xC0, 0x30});
  add({static_cast<std::uint8_t>(compression.size())});
  add(compression);
  const Bytes extensions{0, 10, 0, 6, 0, 4, 0, 29, 0, 23,         // groups: X25519, P-256
                         0, 11, 0, 2, 1, 0,                       // points: uncompressed
                         0, 13, 0, 8, 0, 6, 4, 3,  8, 4,  4, 1};  // ECDSA, PSS, PKCS #1 with SHA-256
  add({0, static_cast<std::uint8_t>(extensions.size())});
  add(extensions);
  const auto size = static_cast<std::uint8_t>(body.size());
  Bytes out{22, 3, 1, 0, static_cast<std::uint8_t>(size + 4), 1, 0, 0, size};
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

// RFC 8489 §6.2.3 MUST: no compression at the TLS level
TEST(TlsProfile, CompressionIsNotChosen) {
  const Server server;
  Wire wire(server.tls(), {});
  ASSERT_TRUE(wire.write(client_hello({1, 64, 0})));  // DEFLATE, LZS, none
  Bytes got;
  while (got.size() < 5 || got.size() < 5U + load_be16(&got[3])) ASSERT_EQ(wire.read(got), Wire::Read::Some);
  ASSERT_EQ(got[0], 22);
  ASSERT_EQ(got[5], 2) << "ServerHello";
  const std::size_t session_id = 5 + 4 + 2 + 32;
  const std::size_t compression = session_id + 1 + got.at(session_id) + 2;
  EXPECT_EQ(got.at(compression), 0);

  Wire only(server.tls(), {});
  ASSERT_TRUE(only.write(client_hello({1})));
  got.clear();
  ASSERT_EQ(only.read(got), Wire::Read::Some);
  EXPECT_EQ(got[0], 21) << "an alert";

  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Wire usual(server.tls(), {});
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_clear_options(context, SSL_OP_NO_COMPRESSION);
    SSL* tls = SSL_new(context);
    SSL_set_fd(tls, usual.socket().fd());
    EXPECT_EQ(SSL_connect(tls), 1);
    EXPECT_EQ(SSL_get_current_compression(tls), nullptr);
    SSL_free(tls);
    SSL_CTX_free(context);
  }
}

/// How a handshake with such suites and versions goes.
struct Offer {
  const char* suites;
  int lowest;
  int highest;
};

/// The suite that was agreed upon; empty: none.
std::string negotiate(SSL* tls, const Offer& offer, const std::function<bool()>& handshake) {
  SSL_set_security_level(tls, 0);
  // This library may not know such versions or suites any more.
  if (SSL_set_min_proto_version(tls, offer.lowest) != 1 ||
      SSL_set_max_proto_version(tls, offer.highest) != 1 || SSL_set_cipher_list(tls, offer.suites) != 1)
    return "";
  return handshake() ? SSL_get_cipher_name(tls) : "";
}

std::string over_tls(const Server& server, const Offer& offer) {
  Wire wire(server.tls(), {});
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* tls = SSL_new(context);
  SSL_set_fd(tls, wire.socket().fd());
  const std::string out = negotiate(tls, offer, [tls] { return SSL_connect(tls) == 1; });
  SSL_free(tls);
  SSL_CTX_free(context);
  return out;
}

std::string over_dtls(const Server& server, const Offer& offer) {
  DtlsWire wire(server.dtls());
  return negotiate(wire.ssl(), offer, [&wire] { return wire.handshake(5s); });
}

// RFC 8656 §3.1 MUST: (D)TLS as RFC 7525 advises
TEST(TlsProfile, IsThatOfRfc7525) {
  const Server server;
  // §3.1.1: no SSLv3, TLS 1.0 and 1.1 only without 1.2; §3.1.2: no DTLS 1.0.
  for (const int version : {SSL3_VERSION, TLS1_VERSION, TLS1_1_VERSION})
    EXPECT_EQ(over_tls(server, {"ALL:COMPLEMENTOFALL", version, version}), "") << version;
  EXPECT_EQ(over_dtls(server, {"ALL:COMPLEMENTOFALL", DTLS1_VERSION, DTLS1_VERSION}), "");
  // §4.1: none without encryption, RC4, less than 128 bits, or static RSA; what is no AEAD is not taken
  // either.
  for (const char* suites : {"eNULL", "aNULL", "RC4", "3DES", "DES", "EXPORT", "LOW", "kRSA", "PSK", "MD5",
                             "ECDHE+AES+SHA1", "ECDHE+AES+SHA256", "ECDHE+AES+SHA384", "CAMELLIA"}) {
    // Suites with AEAD share some of these names.
    const std::string offer = std::string(suites) + ":!AESGCM:!CHACHA20:!AESCCM:!ARIAGCM";
    EXPECT_EQ(over_tls(server, {offer.c_str(), TLS1_2_VERSION, TLS1_2_VERSION}), "") << suites;
    EXPECT_EQ(over_dtls(server, {offer.c_str(), DTLS1_2_VERSION, DTLS1_2_VERSION}), "") << suites;
  }
  EXPECT_EQ(over_tls(server, {"kRSA+AESGCM", TLS1_2_VERSION, TLS1_2_VERSION}), "");
  // §4.2: forward secrecy and AEAD.
  const std::string agreed = over_tls(server, {"ALL:COMPLEMENTOFALL", TLS1_VERSION, TLS1_2_VERSION});
  EXPECT_TRUE(agreed.starts_with("ECDHE-") && agreed.find("GCM") != std::string::npos) << agreed;
  const std::string of_datagrams = over_dtls(server, {"ALL:COMPLEMENTOFALL", DTLS1_VERSION, DTLS1_2_VERSION});
  EXPECT_TRUE(of_datagrams.starts_with("ECDHE-") && of_datagrams.find("GCM") != std::string::npos)
      << of_datagrams;
  // What came after it is there too.
  EXPECT_TRUE(over_tls(server, {"ALL", TLS1_VERSION, TLS1_3_VERSION}).starts_with("TLS_"));
}

/// The TTL or hop limit of the next datagram; -1: none came.
int next_ttl(const UdpSocket& socket) { return next_control(socket.fd(), IP_TTL, IPV6_HOPLIMIT); }

// The alternate behaviour for TTL and Hop Limit: "Set to the default for outgoing packets".
// RFC 8656 §13 MUST: the alternate behavior where the preferred one is not possible, and nothing else
TEST(IpHeader, RelayedDatagramsBeginWithTheDefaultHopLimit) {
  const Server server;
  for (const bool v6 : {false, true}) {
    const char* host = v6 ? "::1" : "127.0.0.1";
    if (v6 && !UdpSocket(at(host)).ok()) GTEST_SKIP() << "no IPv6 loopback on this machine";
    const int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    const int hops = v6 ? IPV6_UNICAST_HOPS : IP_TTL;
    int usual = 0;
    socklen_t size = sizeof usual;
    TurnClient client(Via::Udp, server.turn(host));
    ASSERT_EQ(::getsockopt(client.udp().fd(), level, hops, &usual, &size), 0);
    ASSERT_EQ(client.allocate(v6 ? IpFamily::V6 : IpFamily::V4), 0);
    UdpSocket peer(at(host));
    ASSERT_EQ(client.bind(0x4000, peer.local()), 0);
    const int on = 1;
    for (UdpSocket* socket : {&peer, &client.udp()})
      ::setsockopt(socket->fd(), level, v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &on, sizeof on);
    for (const int sent : {2, 200}) {
      for (UdpSocket* socket : {&peer, &client.udp()})
        ASSERT_EQ(::setsockopt(socket->fd(), level, hops, &sent, sizeof sent), 0);
      client.send_channel(0x4000, pattern(10));
      EXPECT_EQ(next_ttl(peer), usual) << host;
      client.send_indication(peer.local(), pattern(10));
      EXPECT_EQ(next_ttl(peer), usual) << host;
      peer.send(client.relayed, pattern(10));
      EXPECT_EQ(next_ttl(client.udp()), usual) << host;
    }
  }
}

}  // namespace
}  // namespace ts::shell_test
