// SPDX-License-Identifier: Apache-2.0
// What the network says about a relay's datagrams (RFC 8656 §11.5): ICMP becomes a Data indication, and no
// error costs a datagram or wakes the shard for ever. Datagrams that do not fit, in a network of our own.
#include <future>

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

struct Told {
  Endpoint peer;
  Bytes icmp;
};

/// The next Data indication with an ICMP attribute; others are dropped.
std::optional<Told> next_error(TurnClient& client, std::chrono::milliseconds patience = kPatience) {
  const auto deadline = Clock::now() + patience;
  while (auto got = client.receive(deadline)) {
    const auto m = stun::MessageView::parse(*got);
    if (!m || m->method() != Method::Data) continue;
    const auto icmp = m->find(AttributeType::Icmp);
    const auto peer = m->find(AttributeType::XorPeerAddress);
    if (!icmp || !peer) continue;
    EXPECT_FALSE(m->find(AttributeType::Data));
    return Told{stun::decode_xor_address(*peer, m->transaction_id()).value(),
                Bytes(icmp->begin(), icmp->end())};
  }
  return std::nullopt;
}

/// An address where nobody listens.
Endpoint closed_port(const char* host) { return UdpSocket(at(host)).local(); }

std::chrono::microseconds cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

Bytes without_fragments(const Endpoint& peer, ByteView data) {
  Bytes out(data.size() + 128);
  stun::MessageBuilder b(out, MessageClass::Indication, Method::Send, stun::TransactionId{7});
  b.add_xor_address(AttributeType::XorPeerAddress, peer).add_flag(AttributeType::DontFragment);
  b.add(AttributeType::Data, data);
  out.resize(b.finish().size());
  return out;
}

// RFC 8656 §11.5 MUST: ICMP type 3 or 11 (ICMPv6 1, 2, 3) becomes a Data indication with ICMP
// RFC 8656 §11.5 MUST: a Data indication of an ICMP error has XOR-PEER-ADDRESS and ICMP, and no DATA
TEST(RelayErrors, PortUnreachableIsTold) {
  const Server server;
  for (const bool v6 : {false, true}) {
    if (v6 && !has_v6()) GTEST_SKIP() << "no IPv6 loopback on this machine: half of the test was not run";
    const char* host = v6 ? "::1" : "127.0.0.1";
    for (const Via via : {Via::Udp, Via::Tcp}) {
      TurnClient client(via, server.turn(host));
      ASSERT_EQ(client.allocate(v6 ? IpFamily::V6 : IpFamily::V4), 0);
      const Endpoint nobody = closed_port(host);
      ASSERT_EQ(client.permit(nobody), 0);
      client.send_indication(nobody, pattern(100));
      const auto told = next_error(client);
      ASSERT_TRUE(told) << name(via);
      EXPECT_EQ(told->peer, nobody);
      EXPECT_EQ(told->icmp, v6 ? (Bytes{0, 0, 1 << 1, 4, 0, 0, 0, 0}) : (Bytes{0, 0, 3 << 1, 3, 0, 0, 0, 0}));
      // On a channel it is an indication all the same.
      ASSERT_EQ(client.bind(0x4000, nobody), 0);
      client.send_channel(0x4000, pattern(100));
      ASSERT_TRUE(next_error(client));
    }
  }
}

TEST(RelayErrors, CostNoDatagramOfOthers) {
  const Server server;
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  const Endpoint nobody = closed_port("127.0.0.1");
  const EchoPeer peer;
  ASSERT_EQ(client.bind(0x4000, peer.local()), 0);
  ASSERT_EQ(client.permit(nobody), 0);
  constexpr std::uint32_t kCount = 300;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    client.send_indication(nobody, pattern(50));
    client.send_channel(0x4000, pattern(60, i));
    client.send_indication(nobody, pattern(50));
    const auto got = [&]() -> std::optional<Received> {
      while (auto one = client.next()) {
        if (one->channel == 0x4000) return one;
      }
      return std::nullopt;
    }();
    ASSERT_TRUE(got) << i;
    ASSERT_EQ(got->bytes, pattern(60, i));
  }
}

TEST(RelayErrors, AreConsumedAndLeaveTheShardAsleep) {
  const Server server;
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  const Endpoint nobody = closed_port("127.0.0.1");
  ASSERT_EQ(client.permit(nobody), 0);
  for (int i = 0; i < 2000; ++i) client.send_indication(nobody, pattern(50));
  while (client.receive(Clock::now() + 300ms)) {
  }
  const auto before = cpu_time();
  std::this_thread::sleep_for(500ms);
  EXPECT_LT(cpu_time() - before, 250ms);
}

/// Runs `body` on a thread with a network of its own, whose loopback has that MTU. False: not allowed here.
bool in_network_with_mtu(int mtu, const std::function<void()>& body) {
  return std::async(std::launch::async,
                    [&] {
                      if (::unshare(CLONE_NEWNET) != 0) return false;
                      const Socket control(SOCK_DGRAM, at("0.0.0.0"));
                      ifreq request{};
                      std::strcpy(request.ifr_name, "lo");
                      request.ifr_mtu = mtu;
                      if (::ioctl(control.fd(), SIOCSIFMTU, &request) != 0) return false;
                      request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
                      if (::ioctl(control.fd(), SIOCSIFFLAGS, &request) != 0) return false;
                      body();
                      return true;
                    })
      .get();
}

// RFC 8656 §14 SHOULD: DF is set for DONT-FRAGMENT, else copied or clear
TEST(RelayErrors, WithDontFragmentWhatIsTooLongIsToldAndNotSent) {
  const bool ran = in_network_with_mtu(1400, [] {
    config::Config config = loopback_config();
    config.net.bind = {*IpAddress::parse("127.0.0.1")};
    const Server server(std::move(config));
    TurnClient client(Via::Udp, server.turn());
    ASSERT_EQ(client.allocate(), 0);
    UdpSocket peer(at("127.0.0.1"));
    ASSERT_EQ(client.permit(peer.local()), 0);
    for (int round = 0; round < 3; ++round) {
      client.send(without_fragments(peer.local(), pattern(2000)));
      const auto told = next_error(client);
      ASSERT_TRUE(told);
      EXPECT_EQ(told->peer, peer.local());
      EXPECT_EQ(told->icmp, (Bytes{0, 0, 3 << 1, 4, 0, 0, 1400 >> 8, 1400 & 0xFF}));
      EXPECT_FALSE(peer.receive(kSilence));
      EXPECT_FALSE(next_error(client, kSilence)) << "once for each";
      client.send(without_fragments(peer.local(), pattern(1300)));
      auto got = peer.receive();
      ASSERT_TRUE(got);
      EXPECT_EQ(got->bytes, pattern(1300));
      client.send_indication(peer.local(), pattern(2000));
      got = peer.receive();
      ASSERT_TRUE(got) << "in fragments, without DONT-FRAGMENT";
      EXPECT_EQ(got->bytes, pattern(2000));
    }
  });
  if (!ran) GTEST_SKIP() << "no network namespaces for this user";
}

}  // namespace
}  // namespace ts::shell_test
