// SPDX-License-Identifier: Apache-2.0
// Ports and descriptors run out, and come back.
#include <random>

#include <sys/resource.h>

#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

/// So many ports in a row that nobody has, outside the kernel's own range.
turn::PortRange free_ports(std::uint16_t count) {
  std::mt19937 random(std::random_device{}());
  for (;;) {
    const auto low = static_cast<std::uint16_t>(10'000 + random() % 20'000);
    std::vector<Socket> held;
    for (std::uint16_t i = 0; i < count; ++i) {
      held.emplace_back(SOCK_DGRAM, at("127.0.0.1", static_cast<std::uint16_t>(low + i)));
      if (!held.back()) break;
      if (held.size() == count) return {low, static_cast<std::uint16_t>(low + count - 1)};
    }
  }
}

config::Config with_ports(const turn::PortRange& ports) {
  config::Config out = loopback_config();
  out.turn.ports = ports;
  return out;
}

// RFC 8656 §7.2 MUST: check 8: EVEN-PORT with R beside ADDITIONAL-ADDRESS-FAMILY is 400; no port is 508
TEST(RelayLimits, AFullPortRangeIs508UntilAPortComesBack) {
  const Server server(with_ports(free_ports(2)));
  TurnClient a(Via::Udp, server.turn());
  TurnClient b(Via::Tcp, server.turn());
  TurnClient c(Via::Udp, server.turn());
  ASSERT_EQ(a.allocate(), 0);
  ASSERT_EQ(b.allocate(), 0);
  EXPECT_NE(a.relayed.port, b.relayed.port);
  EXPECT_EQ(c.allocate(), 508);
  EXPECT_EQ(server.metric("turnstone_denials_total", "no_port"), 1);
  EXPECT_EQ(server.metric("turnstone_requests_total", "code=\"508\""), 1);
  ASSERT_EQ(a.refresh(0), 0);
  ASSERT_EQ(c.allocate(), 0);
  EXPECT_EQ(c.relayed, a.relayed);
  b.close();
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 1));
  EXPECT_EQ(a.allocate(), 0);
  EXPECT_EQ(a.relayed, b.relayed);
}

TEST(RelayLimits, APortIsGivenBackAndTakenInOneTurn) {
  const Server server(with_ports(free_ports(1)));
  TurnClient client(Via::Tcp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  const Bytes end =
      client.make_request(Method::Refresh, [](auto& b) { b.add_u32(AttributeType::Lifetime, 0); });
  const Bytes again = client.make_request(Method::Allocate, TurnClient::allocate_attributes(IpFamily::V4));
  Bytes both = end;
  both.insert(both.end(), again.begin(), again.end());
  client.send(both);
  const Bytes answer = client.await_answer();
  const auto message = stun::MessageView::parse(answer);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->message_class(), MessageClass::SuccessResponse);
}

class EndsAtOnce : public testing::TestWithParam<Via> {};
INSTANTIATE_TEST_SUITE_P(Streams, EndsAtOnce, testing::Values(Via::Tcp, Via::Tls),
                         [](const auto& p) { return std::string(name(p.param)); });

// Allocations that are gone before their relay sockets come, among others that get their places.
TEST_P(EndsAtOnce, AnAllocationLeavesNoPort) {
  constexpr std::size_t kPairs = 8;
  const Server server(with_ports(free_ports(3 * kPairs)));
  const auto request = [](TurnClient& client) {
    return client.make_request(Method::Allocate, TurnClient::allocate_attributes(IpFamily::V4));
  };
  for (int round = 0; round < 20; ++round) {
    std::vector<std::unique_ptr<TurnClient>> clients;
    for (std::size_t i = 0; i < 2 * kPairs; ++i) {
      clients.push_back(std::make_unique<TurnClient>(GetParam(), server.listener(GetParam())));
      ASSERT_EQ(clients.back()->refresh(600), 437) << "and it has a nonce";
    }
    for (std::size_t i = 0; i < 2 * kPairs; ++i) {
      ASSERT_TRUE(clients[i]->send(request(*clients[i])));
      if (i % 2 == 0) clients[i]->close();
    }
    for (std::size_t i = 1; i < 2 * kPairs; i += 2) {
      const Bytes answer = clients[i]->await_answer();
      const auto message = stun::MessageView::parse(answer);
      ASSERT_TRUE(message);
      ASSERT_EQ(message->message_class(), MessageClass::SuccessResponse) << round;
    }
    clients.clear();
    ASSERT_TRUE(server.settles("turnstone_allocations", "", 0));
  }
  EXPECT_EQ(server.metric("turnstone_relay_ports_used"), 0);
}

TEST(RelayLimits, WhatWasGivenBeforeTheEndOfAnAllocationIsStillSent) {
  const Server server;
  TurnClient client(Via::Tcp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  UdpSocket peer(at("127.0.0.1"));
  ASSERT_EQ(client.permit(peer.local()), 0);
  Bytes all = TurnClient::indication(peer.local(), pattern(100));
  const Bytes end =
      client.make_request(Method::Refresh, [](auto& b) { b.add_u32(AttributeType::Lifetime, 0); });
  all.insert(all.end(), end.begin(), end.end());
  client.send(all);
  EXPECT_FALSE(client.await_answer().empty());
  const auto got = peer.receive();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->bytes, pattern(100));
}

TEST(RelayLimits, AForeignProgramsPortIsLeftAlone) {
  const turn::PortRange ports = free_ports(2);
  const Server server(with_ports(ports));
  {
    const Socket foreign(SOCK_DGRAM, at("127.0.0.1", ports.low));
    ASSERT_TRUE(foreign);
    for (int i = 0; i < 12; ++i) {
      TurnClient client(Via::Udp, server.turn());
      ASSERT_EQ(client.allocate(), 0);
      EXPECT_EQ(client.relayed.port, ports.high);
      ASSERT_EQ(client.refresh(0), 0);
    }
    const Socket other(SOCK_DGRAM, at("127.0.0.1", ports.high));
    ASSERT_TRUE(other);
    TurnClient client(Via::Udp, server.turn());
    EXPECT_EQ(client.allocate(), 508);
  }
  EXPECT_EQ(server.metric("turnstone_relay_ports_used"), 0);
  TurnClient client(Via::Udp, server.turn());
  EXPECT_EQ(client.allocate(), 0);
}

/// Takes every free descriptor away while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 3;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// RFC 8489 §6.2.2 SHOULD: connections are managed well under overload
TEST(RelayLimits, WithoutDescriptorsTheServerAnswersAndRecovers) {
  config::Config config = loopback_config();
  config.net.bind = {*IpAddress::parse("127.0.0.1")};
  const Server server(std::move(config));
  TurnClient stranger(Via::Udp, server.turn());
  TurnClient client(Via::Udp, server.turn());
  TurnClient stream(Via::Tcp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  ASSERT_TRUE(stream.binding());
  UdpSocket peer(at("127.0.0.1"));
  ASSERT_EQ(client.permit(peer.local()), 0);
  Socket late(SOCK_STREAM, at("127.0.0.1"));
  const Bytes request = stream.make_request(Method::Binding);
  const auto began = Clock::now();
  {
    const NoDescriptors none;
    ASSERT_LT(::socket(AF_INET, SOCK_DGRAM, 0), 0);
    EXPECT_EQ(stranger.allocate(), 508);
    EXPECT_EQ(stream.allocate(), 508);
    EXPECT_TRUE(stranger.binding());
    ASSERT_TRUE(late.connect(server.turn()));  // the kernel's backlog takes it
    ::send(late.fd(), request.data(), request.size(), MSG_NOSIGNAL);
    EXPECT_FALSE(late.readable(500ms));
    client.send_indication(peer.local(), pattern(100));  // what lives is not touched
    EXPECT_TRUE(peer.receive());
    EXPECT_TRUE(stranger.binding());
  }
  EXPECT_TRUE(late.readable(kPatience));
  const double periods = std::chrono::duration<double>(Clock::now() - began) / 200ms;
  const double failed = server.metric("turnstone_streams_refused_total", "accept_failed");
  EXPECT_GE(failed, 1);
  EXPECT_LE(failed, periods + 2);
  EXPECT_EQ(stranger.allocate(), 0);
  EXPECT_EQ(stream.allocate(), 0);
}

}  // namespace
}  // namespace ts::shell_test
