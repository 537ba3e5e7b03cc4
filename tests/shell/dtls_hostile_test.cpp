// SPDX-License-Identifier: Apache-2.0
// DTLS from those who mean harm: cookies that are not theirs, fragments, floods, garbage inside and outside
// of associations.
#include <random>

#include "dtls_channel.hpp"

namespace ts::shell_test {
namespace {

/// The client's datagrams of a handshake up to the one with the cookie, which is not sent.
struct Hellos {
  Bytes first;
  Bytes with_cookie;
};

Hellos hellos(DtlsWire& client) {
  Hellos out;
  client.passes = [&out](bool outgoing, ByteView datagram) {
    if (!outgoing) return true;
    const bool first = out.first.empty();
    (first ? out.first : out.with_cookie).assign(datagram.begin(), datagram.end());
    return first;
  };
  const auto deadline = Clock::now() + kPatience;
  while (out.with_cookie.empty() && Clock::now() < deadline) client.step(), client.pull(20ms);
  client.passes = {};
  EXPECT_FALSE(out.with_cookie.empty());
  return out;
}

bool is_verify_request(const std::optional<Datagram>& got) {
  return got && got->bytes.size() > 13 && got->bytes[0] == 22 && got->bytes[13] == 3;
}

Bytes record(std::uint8_t content, std::uint16_t epoch, std::uint8_t sequence, ByteView fragment) {
  Bytes out{content, 0xFE, 0xFD, static_cast<std::uint8_t>(epoch >> 8), static_cast<std::uint8_t>(epoch)};
  const Bytes rest{0,
                   0,
                   0,
                   0,
                   1,
                   sequence,
                   static_cast<std::uint8_t>(fragment.size() >> 8),
                   static_cast<std::uint8_t>(fragment.size())};
  out.insert(out.end(), rest.begin(), rest.end());
  out.insert(out.end(), fragment.begin(), fragment.end());
  return out;
}

TEST(DtlsHostile, ManyClientHellosLeaveNothing) {
  const Server server;
  DtlsWire client(server.dtls());
  const Bytes hello = hellos(client).first;
  for (int port = 0; port < 500; ++port) {
    UdpSocket socket(at("127.0.0.1"));
    for (int i = 0; i < 4; ++i) socket.send(server.dtls(), hello);
    for (int i = 0; i < 4; ++i) {
      const auto answer = socket.receive();
      ASSERT_TRUE(is_verify_request(answer));
      ASSERT_LE(answer->bytes.size(), std::min<std::size_t>(hello.size(), 100));
    }
  }
  const std::string metrics = server.metrics();
  EXPECT_EQ(sample(metrics, "turnstone_streams", "turn_dtls"), 0);
  EXPECT_EQ(sample(metrics, "turnstone_streams_accepted_total", "turn_dtls"), 0);
  EXPECT_EQ(sample(metrics, "turnstone_streams_refused_total"), 0);
}

// RFC 6347 §4.2.1 SHOULD: a ClientHello with an invalid cookie is treated as one without
// RFC 6347 §4.2.1 SHOULD: the cookie is made of the ClientHello's parameters, which are verified
TEST(DtlsHostile, ACookieIsForOneAddressAndOneClientHello) {
  const Server server;
  DtlsWire client(server.dtls());
  const Hellos hello = hellos(client);
  UdpSocket other(at("127.0.0.1"));
  other.send(server.dtls(), hello.with_cookie);
  EXPECT_TRUE(is_verify_request(other.receive())) << "another port";
  UdpSocket& own = *client.socket();
  Bytes changed = hello.with_cookie;
  changed[13 + 12 + 2 + 5] ^= 1;  // the client's random
  own.send(server.dtls(), changed);
  EXPECT_TRUE(is_verify_request(own.receive()));
  changed = hello.with_cookie;
  changed[13 + 12 + 2 + 32 + 1 + 1 + 3] ^= 1;  // the cookie
  own.send(server.dtls(), changed);
  EXPECT_TRUE(is_verify_request(own.receive()));
  EXPECT_EQ(server.metric("turnstone_streams_refused_total"), 0);
  own.send(server.dtls(), hello.with_cookie);
  const auto flight = own.receive();
  ASSERT_TRUE(flight);
  EXPECT_FALSE(is_verify_request(flight)) << "unchanged it is good";
}

TEST(DtlsHostile, AFragmentWithoutACookieIsNotAnswered) {
  const Server server;
  DtlsWire client(server.dtls());
  Bytes fragment = hellos(client).first;
  const std::size_t body = fragment.size() - 25;
  fragment.pop_back();
  fragment[11] = static_cast<std::uint8_t>((body + 11) >> 8),
  fragment[12] = static_cast<std::uint8_t>(body + 11);
  fragment[23] = static_cast<std::uint8_t>((body - 1) >> 8),
  fragment[24] = static_cast<std::uint8_t>(body - 1);
  UdpSocket socket(at("127.0.0.1"));
  socket.send(server.dtls(), fragment);
  EXPECT_FALSE(socket.receive(kSilence));
}

TEST(DtlsHostile, HalfOpenOnesOfOneAddressAreFew) {
  config::Config config = loopback_config();
  config.net.max_half_open_per_address = 3;
  config.net.handshake_timeout = 1s;
  const Server server(std::move(config));
  std::vector<std::unique_ptr<DtlsWire>> stalled;
  for (int i = 0; i < 5; ++i) {
    stalled.push_back(std::make_unique<DtlsWire>(server.dtls()));
    stalled.back()->socket()->send(server.dtls(), hellos(*stalled.back()).with_cookie);
  }
  EXPECT_TRUE(server.settles("turnstone_streams_refused_total", "address_limit", 2));
  TurnClient v6(Via::Dtls, server.dtls("::1"));
  EXPECT_TRUE(v6.binding()) << "another address has its own";
  EXPECT_TRUE(server.settles("turnstone_streams_refused_total", "handshake_timeout", 3));
  TurnClient client(Via::Dtls, server.dtls());
  EXPECT_TRUE(client.binding()) << "there is room again";
}

TEST(DtlsHostile, AllOfThemAreBounded) {
  config::Config config = loopback_config();
  config.net.max_streams = 2;
  const Server server(std::move(config));
  TurnClient one(Via::Dtls, server.dtls());
  TurnClient two(Via::Dtls, server.dtls());
  ASSERT_TRUE(one.ok() && two.ok());
  DtlsWire three(server.dtls());
  EXPECT_FALSE(three.handshake(500ms));
  EXPECT_EQ(server.metric("turnstone_streams", "turn_dtls"), 2);
  one.dtls().close_notify();
  EXPECT_TRUE(three.handshake());
}

TEST(DtlsHostile, RecordsOfOthersDoNotDisturbAnAssociation) {
  const Server server;
  DtlsChannel channel(server);
  auto& [socket, client, peer] = channel;
  const Bytes fatal{2, 40};
  for (int content = 0; content < 256; ++content) {
    for (const std::uint16_t epoch : std::initializer_list<std::uint16_t>{0, 1, 2, 0xFFFF}) {
      for (const std::size_t size : {0U, 2U, 60U, 1400U}) {
        const Bytes fragment = size == 2 ? fatal : pattern(size, static_cast<std::uint32_t>(content));
        socket->send(server.dtls(), record(static_cast<std::uint8_t>(content), epoch, 200, fragment));
      }
    }
    // Not to overrun the socket's buffer.
    client.send_channel(kChannel, pattern(20));
    const auto got = peer.receive();
    ASSERT_TRUE(got) << content;
    EXPECT_EQ(got->bytes, pattern(20));
  }
  EXPECT_EQ(client.refresh(600), 0);
  EXPECT_EQ(server.metric("turnstone_streams_refused_total", "tls_failed"), 0);
}

TEST(DtlsHostile, EarlyAndLongHandshakeRecordsAreBorne) {
  const Server server;
  DtlsWire client(server.dtls());
  int sent = 0;
  client.passes = [&](bool outgoing, ByteView datagram) {
    if (outgoing || datagram[13] != 2 || sent != 0) return true;
    // The server has answered and waits for ClientKeyExchange.
    for (; sent < 40; ++sent) {
      const auto sequence = static_cast<std::uint8_t>(sent);
      client.socket()->send(server.dtls(), record(22, 1, sequence, pattern(40)));
      client.socket()->send(server.dtls(), record(23, 1, sequence, pattern(900)));
      client.socket()->send(server.dtls(), record(22, 2, sequence, pattern(40)));
      Bytes fragment{16, 1, 0x80, 0, 0, sequence, 0, 0, 0, 0, 3, 0x84};
      const Bytes body = pattern(900);
      fragment.insert(fragment.end(), body.begin(), body.end());
      client.socket()->send(server.dtls(), record(22, 0, sequence, fragment));
    }
    return true;
  };
  EXPECT_TRUE(client.handshake()) << "the client's own records get through";
  EXPECT_EQ(sent, 40);
}

TEST(DtlsHostile, RenegotiationIsRefused) {
  const Server server;
  TurnClient client(Via::Dtls, server.dtls());
  ASSERT_EQ(client.allocate(), 0);
  for (int i = 0; i < 20; ++i) {
    SSL_renegotiate(client.dtls().ssl());
    client.dtls().step();
    client.dtls().read(20ms);
  }
  EXPECT_EQ(server.metric("turnstone_streams_accepted_total", "turn_dtls"), 1);
  TurnClient other(Via::Dtls, server.dtls());
  EXPECT_TRUE(other.binding());
}

TEST(DtlsHostile, AHandshakeChangedAtRandomHarmsNobody) {
  config::Config config = loopback_config();
  config.net.handshake_timeout = 300ms;
  const Server server(std::move(config));
  TurnClient bystander(Via::Dtls, server.dtls());
  ASSERT_EQ(bystander.allocate(), 0);
  std::mt19937 random(7);
  for (int round = 0; round < 150; ++round) {
    DtlsWire client(server.dtls());
    const int spared = round % 4;
    int at_datagram = 0;
    client.passes = [&](bool outgoing, ByteView datagram) {
      if (!outgoing || at_datagram++ < spared) return true;
      Bytes changed(datagram.begin(), datagram.end());
      for (int i = 0; i < 3; ++i) changed[random() % changed.size()] = static_cast<std::uint8_t>(random());
      if (random() % 3 == 0) changed.resize(random() % changed.size() + 1);
      client.socket()->send(server.dtls(), changed);
      return random() % 2 == 0;
    };
    client.handshake(30ms);
    for (int i = 0; i < 3; ++i) client.write(pattern(100 + random() % 500));
  }
  EXPECT_EQ(bystander.refresh(600), 0);
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 1));
}

}  // namespace
}  // namespace ts::shell_test
