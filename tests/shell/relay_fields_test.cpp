// SPDX-License-Identifier: Apache-2.0
// The IP header of relayed datagrams (RFC 8656 §14, §15), and dual allocations, over real sockets.
#include "control_message.hpp"

namespace ts::shell_test {
namespace {

void set(int fd, int level, int option, int value) {
  ASSERT_EQ(::setsockopt(fd, level, option, &value, sizeof value), 0);
}

/// The TOS or traffic class byte of the next datagram; -1: none came.
int next_tos(int fd) { return next_control(fd, IP_TOS, IPV6_TCLASS); }

// RFC 8656 §14 SHOULD: DSCP and ECN are kept, or Best Effort and Not-ECT
TEST(RelayFields, DscpAndEcnGoThrough) {
  for (const bool wildcard : {false, true}) {
    config::Config config = loopback_config();
    if (wildcard) config.net.bind.clear();
    const Server server(std::move(config));
    for (const bool v6 : {false, true}) {
      if (v6 && !has_v6()) GTEST_SKIP() << "no IPv6 loopback on this machine: half of the test was not run";
      const char* host = v6 ? "::1" : "127.0.0.1";
      const bool v6_peer = v6 && !wildcard;  // with it the other way round: from IPv6 to IPv4
      const int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
      const int peer_level = v6_peer ? IPPROTO_IPV6 : IPPROTO_IP;
      TurnClient client(Via::Udp, server.turn(host));
      ASSERT_EQ(client.allocate(v6_peer ? IpFamily::V6 : IpFamily::V4), 0);
      UdpSocket peer(at(v6_peer ? "::1" : "127.0.0.1"));
      ASSERT_EQ(client.bind(0x4000, peer.local()), 0);
      set(peer.fd(), peer_level, v6_peer ? IPV6_RECVTCLASS : IP_RECVTOS, 1);
      set(client.udp().fd(), level, v6 ? IPV6_RECVTCLASS : IP_RECVTOS, 1);
      for (const int tos : {0, 0xB8, 0x01, 0x02}) {
        set(client.udp().fd(), level, v6 ? IPV6_TCLASS : IP_TOS, tos);
        set(peer.fd(), peer_level, v6_peer ? IPV6_TCLASS : IP_TOS, tos);
        client.send_channel(0x4000, pattern(10));
        EXPECT_EQ(next_tos(peer.fd()), tos);
        client.send_indication(peer.local(), pattern(10));
        EXPECT_EQ(next_tos(peer.fd()), tos);
        peer.send(client.relayed, pattern(10));
        EXPECT_EQ(next_tos(client.udp().fd()), tos);
      }
    }
  }
}

TEST(RelayFields, ABusySocketLearnsThatAFlowIsMarked) {
  const Server server;
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  UdpSocket peer(at("127.0.0.1"));
  ASSERT_EQ(client.bind(0x4000, peer.local()), 0);
  set(peer.fd(), IPPROTO_IP, IP_RECVTOS, 1);
  for (int i = 0; i < 100; ++i) {
    client.send_channel(0x4000, pattern(10));
    ASSERT_EQ(next_tos(peer.fd()), 0);
  }
  set(client.udp().fd(), IPPROTO_IP, IP_TOS, 0xB8);
  const auto deadline = Clock::now() + kPatience;
  int tos = 0;
  while (tos == 0 && Clock::now() < deadline) {
    client.send_channel(0x4000, pattern(10));
    tos = next_tos(peer.fd());
  }
  EXPECT_EQ(tos, 0xB8);
  for (int i = 0; i < 100; ++i) {
    client.send_channel(0x4000, pattern(10));
    ASSERT_EQ(next_tos(peer.fd()), 0xB8) << i;
  }
}

/// Sees the IP headers of UDP datagrams to a port of 127.0.0.1.
class Sniffer {
 public:
  Sniffer() : fd_(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP)) {}
  Sniffer(const Sniffer&) = delete;
  Sniffer& operator=(const Sniffer&) = delete;
  ~Sniffer() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool ok() const { return fd_ >= 0; }
  /// The DF bit of the next datagram to that port; nothing: none came.
  std::optional<bool> next_df(std::uint16_t port) {
    const auto deadline = Clock::now() + kPatience;
    std::array<std::uint8_t, 4096> packet;
    while (Clock::now() < deadline) {
      pollfd p{fd_, POLLIN, 0};
      if (::poll(&p, 1, 100) <= 0) continue;
      const auto size = ::recv(fd_, packet.data(), packet.size(), 0);
      const std::size_t head = std::size_t{packet[0]} % 16 * 4;
      if (size < static_cast<long>(head) + 8 || load_be16(&packet[head + 2]) != port) continue;
      return (packet[6] & 0x40) != 0;
    }
    return std::nullopt;
  }

 private:
  int fd_;
};

// RFC 8656 §14 SHOULD: DF is set for DONT-FRAGMENT, else copied or clear
// RFC 8656 §15 SHOULD: from a stream DF is set for DONT-FRAGMENT only
TEST(RelayFields, DontFragmentSetsTheBitAndNothingElseDoes) {
  Sniffer sniffer;
  if (!sniffer.ok()) GTEST_SKIP() << "no raw sockets for this user";
  const Server server;
  for (const Via via : {Via::Udp, Via::Tcp}) {
    TurnClient client(via, server.turn());
    ASSERT_EQ(client.request(Method::Allocate,
                             [](stun::MessageBuilder& b) {
                               TurnClient::allocate_attributes(IpFamily::V4)(b);
                               b.add_flag(AttributeType::DontFragment);
                             }),
              0);
    UdpSocket peer(at("127.0.0.1"));
    const std::uint16_t port = peer.local().port;
    ASSERT_EQ(client.bind(0x4000, peer.local()), 0);
    Bytes with_flag(256);
    stun::MessageBuilder b(with_flag, MessageClass::Indication, Method::Send, stun::TransactionId{7});
    b.add_xor_address(AttributeType::XorPeerAddress, peer.local()).add_flag(AttributeType::DontFragment);
    b.add(AttributeType::Data, pattern(20));
    with_flag.resize(b.finish().size());
    for (int round = 0; round < 3; ++round) {
      client.send(with_flag);
      EXPECT_EQ(sniffer.next_df(port), true);
      client.send_indication(peer.local(), pattern(20));
      EXPECT_EQ(sniffer.next_df(port), false);
      client.send(with_flag);
      EXPECT_EQ(sniffer.next_df(port), true);
      client.send_channel(0x4000, pattern(20));
      EXPECT_EQ(sniffer.next_df(port), false);
    }
  }
}

// RFC 8656 §7.2 MUST: check 9: ADDITIONAL-ADDRESS-FAMILY of IPv4 is 400; of IPv6 gives two addresses
TEST(RelayFields, ADualAllocationRelaysBothFamilies) {
  if (!has_v6()) GTEST_SKIP() << "no IPv6 loopback on this machine";
  const Server server(loopback_config(2));
  for (const Via via : {Via::Udp, Via::Tcp, Via::Tls}) {
    TurnClient client(via, server.listener(via));
    ASSERT_EQ(client.request(Method::Allocate,
                             [](stun::MessageBuilder& b) {
                               TurnClient::allocate_attributes(IpFamily::V4)(b);
                               b.add_u32(AttributeType::AdditionalAddressFamily, 0x02000000);
                             }),
              0);
    std::vector<Endpoint> relayed;
    const auto answer = *stun::MessageView::parse(client.answer());
    answer.for_each([&](const stun::Attribute& a) {
      if (a.type == AttributeType::XorRelayedAddress)
        relayed.push_back(stun::decode_xor_address(a.value, answer.transaction_id()).value());
    });
    ASSERT_EQ(relayed.size(), 2U);
    UdpSocket four(at("127.0.0.1"));
    UdpSocket six(at("::1"));
    ASSERT_EQ(client.bind(0x4000, four.local()), 0);
    ASSERT_EQ(client.permit(six.local()), 0);
    client.send_channel(0x4000, pattern(40, 4));
    auto got = four.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->from, relayed[0]);
    four.send(got->from, pattern(41, 4));
    auto back = client.next();
    ASSERT_TRUE(back);
    EXPECT_EQ(back->channel, 0x4000);
    client.send_indication(six.local(), pattern(60, 6));
    got = six.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->from, relayed[1]);
    six.send(got->from, pattern(61, 6));
    back = client.next();
    ASSERT_TRUE(back);
    EXPECT_EQ(back->peer, six.local());
    EXPECT_EQ(back->bytes, pattern(61, 6));
    // One of the two goes; the other one stays.
    ASSERT_EQ(client.request(Method::Refresh,
                             [](stun::MessageBuilder& b) {
                               b.add_u32(AttributeType::Lifetime, 0);
                               b.add_u32(AttributeType::RequestedAddressFamily, 0x01000000);
                             }),
              0);
    EXPECT_EQ(client.permit(four.local()), 443);
    client.send_indication(six.local(), pattern(62, 6));
    EXPECT_TRUE(six.receive());
    EXPECT_TRUE(UdpSocket(relayed[0]).ok()) << "its port is free";
  }
}

}  // namespace
}  // namespace ts::shell_test
