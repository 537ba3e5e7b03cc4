// SPDX-License-Identifier: Apache-2.0
// Allocate and what depends on it, beyond the checks one by one: another server, reservations, ports in use,
// the order of errors, peers of ours.
#include <set>

#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

struct AllocateRules : ::testing::Test {
  World world;
  Client alice{world};
};

Options with_alternates(std::vector<Endpoint> servers) {
  Options o = default_options();
  o.alternate_servers = std::move(servers);
  return o;
}

// RFC 8489 §10 MUST: 300 holds an ALTERNATE-SERVER of the client's family
// RFC 8656 §7.2 MAY: an Allocate is sent to another server with 300
TEST_F(AllocateRules, AnotherServerIsNamed) {
  World w(with_alternates({ep("[2620:fe::a]:3478"), ep("198.41.0.5:3478")}));
  Client client(w);
  const Answer answer = client.allocate();
  EXPECT_EQ(answer.code(), 300);
  EXPECT_TRUE(stun::verify_integrity(answer.view(), client.key()));
  EXPECT_EQ(answer.types(), (std::vector{AttributeType::ErrorCode, AttributeType::AlternateServer,
                                         AttributeType::AlternateServer, AttributeType::MessageIntegrity}));
  const auto first = answer.attribute(AttributeType::AlternateServer).value();
  EXPECT_EQ(stun::decode_address(first), ep("198.41.0.5:3478")) << "the client's family first";
  EXPECT_EQ(w.gauges(), Gauges{});
  Client six(w, "[2001:4860::1]:1");
  const Answer other = six.allocate();
  EXPECT_EQ(stun::decode_address(other.attribute(AttributeType::AlternateServer).value()),
            ep("[2620:fe::a]:3478"));
}

TEST_F(AllocateRules, AnotherServerIsForThoseWhoAuthenticateAndAskRightly) {
  World w(with_alternates({ep("198.41.0.5:3478")}));
  Client client(w);
  EXPECT_EQ(
      client
          .send(client.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport))
          .code(),
      401);
  EXPECT_EQ(client.request(Method::Allocate, [](auto&) {}).code(), 400);
  Client six(w, "[2001:4860::1]:1");
  EXPECT_EQ(six.allocate().code(), 0) << "none of its family: we relay";
  World self(with_alternates({ep("198.41.0.4:3478")}));
  EXPECT_EQ(Client(self).allocate().code(), 0) << "it is here already";
}

TEST_F(AllocateRules, ReservationsAreBoundedForEachAccount) {
  // Reserves and ends its allocation in turn; each reservation stays for 30 seconds.
  const auto pair = [](auto& b) { b.add(AttributeType::EvenPort, as_bytes("\x80")); };
  int granted = 0;
  for (int i = 0; i < 64; ++i) {
    const int code = alice.allocate(pair).code();
    if (code != 0) {
      EXPECT_EQ(code, 508);
      continue;
    }
    ++granted;
    ASSERT_EQ(alice.refresh(0).code(), 0);
  }
  EXPECT_EQ(granted, 8);
  EXPECT_EQ(world.gauges().ports_used, 8U);
  Client bob(world, "192.12.0.2:1", Transport::Udp, "bob", "builder");
  EXPECT_EQ(bob.allocate(pair).code(), 0) << "another account is not affected";
  EXPECT_EQ(alice.allocate().code(), 0) << "nor are allocations without a reservation";
  ASSERT_EQ(alice.refresh(0).code(), 0);
  world.advance(seconds(30));
  EXPECT_EQ(alice.allocate(pair).code(), 0);
}

TEST_F(AllocateRules, APortInUseElsewhereIsNotTriedTwice) {
  Options o = default_options();
  o.ports = {50000, 50005};
  for (const std::uint16_t free_port : std::array<std::uint16_t, 3>{50000, 50003, 50005}) {
    World w(o, free_port);
    std::multiset<std::uint16_t> tried;
    w.opener = [&](const OpenRelay& open) {
      tried.insert(open.local.port);
      return open.local.port == free_port ? std::nullopt : std::optional(RelayError::AddressInUse);
    };
    Client client(w);
    ASSERT_EQ(client.allocate().code(), 0);
    EXPECT_EQ(client.relayed.port, free_port);
    for (const std::uint16_t port : tried) EXPECT_EQ(tried.count(port), 1U);
    EXPECT_EQ(w.gauges(), (Gauges{1, 0, 0, 1, 1})) << "the refused ones are free again";
  }
}

// RFC 8656 §10.2 MUST: a malformed XOR-PEER-ADDRESS is 400, another family 443, and nothing is installed
TEST_F(AllocateRules, CreatePermissionJudgesTheWholeRequest) {
  ASSERT_EQ(alice.allocate().code(), 0);
  const auto good = ep("8.8.8.8:1");
  const auto six = ep("[2001:4860::8]:1");
  const auto denied = ep("127.0.0.1:1");
  const auto malformed = [](auto& b) { b.add(AttributeType::XorPeerAddress, as_bytes("\0\1\0\0\0")); };
  const auto with_malformed = [&](const std::vector<Endpoint>& peers) {
    return alice
        .request(Method::CreatePermission,
                 [&](auto& b) {
                   for (const Endpoint& peer : peers) b.add_xor_address(AttributeType::XorPeerAddress, peer);
                   malformed(b);
                 })
        .code();
  };
  EXPECT_EQ(with_malformed({good}), 400);
  EXPECT_EQ(with_malformed({six}), 400);
  EXPECT_EQ(with_malformed({denied}), 400);
  EXPECT_EQ(alice.permit({good, denied, six}).code(), 443);
  EXPECT_EQ(alice.permit({good, denied}).code(), 403);
  EXPECT_EQ(alice.permit({}).code(), 400);
  EXPECT_EQ(world.gauges().permissions, 0U);
}

// RFC 8656 §5 MUST: without an allocation a request is answered with 437, and an indication with nothing
TEST_F(AllocateRules, WithoutAnAllocationRequestsAreAMismatch) {
  EXPECT_EQ(alice.refresh(0).code(), 437);
  EXPECT_EQ(alice.refresh(600).code(), 437);
  EXPECT_EQ(alice.permit({ep("8.8.8.8:1")}).code(), 437);
  EXPECT_EQ(alice.permit({}).code(), 437) << "before anything in the request is judged";
  EXPECT_EQ(alice.bind(0x4000, ep("8.8.8.8:1")).code(), 437);
  EXPECT_EQ(alice.bind(1, ep("8.8.8.8:1")).code(), 437);
  const std::size_t before = world.to_clients.size();
  alice.send_indication(ep("8.8.8.8:1"), as_bytes("x"));
  alice.send_channel(0x4000, as_bytes("x"));
  EXPECT_EQ(world.to_clients.size(), before);
  EXPECT_TRUE(world.to_peers.empty());
}

// RFC 8656 §8.3 MUST: a Refresh with 0 deletes at once, its retransmission is a mismatch, the 5-tuple is free
TEST_F(AllocateRules, ADeletedAllocationIsGoneAtOnce) {
  ASSERT_EQ(alice.allocate().code(), 0);
  const Bytes request = alice.make(Method::Refresh, [](auto& b) { b.add_u32(AttributeType::Lifetime, 0); });
  EXPECT_EQ(alice.send(request).u32(AttributeType::Lifetime), 0U);
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(alice.send(request).code(), 437);
  EXPECT_EQ(alice.allocate().code(), 0);
}

// RFC 8656 §12.6 MUST: a ChannelData message of length zero sends an empty datagram
// RFC 8656 §11.2 MUST: DATA may be empty
TEST_F(AllocateRules, EmptyDataIsRelayed) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, ep("8.8.8.8:1")).code(), 0);
  alice.send_channel(0x4000, {});
  alice.send_indication(ep("8.8.8.8:1"), {});
  ASSERT_EQ(world.to_peers.size(), 2U);
  EXPECT_TRUE(world.to_peers[0].bytes.empty());
  EXPECT_TRUE(world.to_peers[1].bytes.empty());
  world.peer_sends(alice.relay(), ep("8.8.8.8:1"), {});
  EXPECT_EQ(world.to_clients.back().bytes, Client::channel_data(0x4000, {}));
  world.peer_sends(alice.relay(), ep("8.8.8.8:2"), {});
  const Answer data{world.to_clients.back().bytes};
  ASSERT_TRUE(data.attribute(AttributeType::Data));
  EXPECT_TRUE(data.attribute(AttributeType::Data)->empty());
}

TEST_F(AllocateRules, RefreshCreatePermissionAndChannelBindMayBeRepeated) {
  ASSERT_EQ(alice.allocate().code(), 0);
  const auto twice = [&](const Bytes& request) {
    const Answer first = alice.send(request);
    EXPECT_EQ(first.code(), 0);
    const Gauges after = world.gauges();
    EXPECT_EQ(alice.send(request).bytes, first.bytes);
    EXPECT_EQ(world.gauges(), after);
  };
  const auto peer = [](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, ep("8.8.8.8:1")); };
  twice(alice.make(Method::Refresh, [](auto& b) { b.add_u32(AttributeType::Lifetime, 700); }));
  twice(alice.make(Method::CreatePermission, peer));
  twice(alice.make(Method::ChannelBind, [&](auto& b) { b.add_channel_number(0x4000), peer(b); }));
}

TEST_F(AllocateRules, OurOwnEndpointsReachNoClientEither) {
  Options o = default_options();
  o.peers.own_endpoints = {ep("198.41.0.4:50001")};
  World w(o);
  Client client(w);
  ASSERT_EQ(client.allocate().code(), 0);
  // Two clients of one server must be able to meet; what else listens there stays closed, both ways.
  ASSERT_EQ(client.permit({ep("198.41.0.4:1")}).code(), 0);
  const std::size_t before = w.to_clients.size();
  w.peer_sends(client.relay(), ep("198.41.0.4:50001"), as_bytes("x"));
  w.peer_sends(client.relay(), ep("198.41.0.4:3478"), as_bytes("x"));
  EXPECT_EQ(w.to_clients.size(), before);
  w.peer_sends(client.relay(), ep("198.41.0.4:50002"), as_bytes("x"));
  EXPECT_EQ(w.to_clients.size(), before + 1);
  EXPECT_EQ(w.server.counters().drops[index(Drop::PeerDenied)], 2U);
}

}  // namespace
}  // namespace ts::turn::testing
