// SPDX-License-Identifier: Apache-2.0
// The server's own limits: allocations of a user, rates of allocations, users and the whole, new peers.
#include <gtest/gtest.h>

#include "../common/counting_new.hpp"
#include "harness.hpp"

namespace ts::turn {
namespace {

using namespace testing;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Endpoint kPeer = ep("8.8.4.4:5000");

Options with(const std::function<void(Options&)>& set) {
  Options out = default_options();
  set(out);
  return out;
}

std::uint64_t drops(const World& w, Drop why) { return w.server.counters().drops[index(why)]; }
std::uint64_t denials(const World& w, Denial why) { return w.server.counters().denials[index(why)]; }

void connect(Client& c) {
  ASSERT_EQ(c.allocate().code(), 0);
  ASSERT_EQ(c.bind(0x4000, kPeer).code(), 0);
}

// RFC 8656 §7.2 MAY: an allocation quota of a username is answered with 486
TEST(QuotaTest, AUsersAllocationsAreLimitedAndFreed) {
  World w(with([](Options& o) { o.max_allocations_per_user = 2; }));
  Client a(w, "192.12.0.1:1000");
  Client b(w, "192.12.0.1:1001");
  Client c(w, "192.12.0.1:1002");
  Client bob(w, "192.12.0.1:1003", Transport::Udp, "bob", "builder");
  ASSERT_EQ(a.allocate().code(), 0);
  ASSERT_EQ(b.allocate().code(), 0);
  const Answer refused = c.allocate();
  EXPECT_EQ(refused.code(), 486);
  EXPECT_TRUE(stun::verify_integrity(refused.view(), c.key()));
  EXPECT_EQ(denials(w, Denial::QuotaUser), 1U);
  EXPECT_EQ(bob.allocate().code(), 0);
  // RFC 8656 §8.2: a Refresh to 0 frees the place at once.
  EXPECT_EQ(a.refresh(0).code(), 0);
  EXPECT_EQ(c.allocate().code(), 0);
  EXPECT_EQ(a.allocate().code(), 486);
  // So does expiry.
  w.advance(seconds(601));
  w.tick();
  for (Client* client : {&a, &b, &c}) client->renew_nonce();
  EXPECT_EQ(a.allocate().code(), 0);
  EXPECT_EQ(b.allocate().code(), 0);
  EXPECT_EQ(c.allocate().code(), 486);
}

TEST(QuotaTest, CredentialsOfOneUserCountTogether) {
  World w(with([](Options& o) { o.max_allocations_per_user = 1; }));
  auth::Policy policy;
  policy.room = "lobby";
  const auto one = auth::mint("north", "carol", w.now.wall + seconds(60));
  const auto two = auth::mint("north", "carol", policy, w.now.wall + seconds(90)).value();
  Client a(w, "192.12.0.1:1000", Transport::Udp, one.username, one.password);
  Client b(w, "192.12.0.1:1001", Transport::Udp, two.username, two.password);
  EXPECT_EQ(a.allocate().code(), 0);
  EXPECT_EQ(b.allocate().code(), 486);
  EXPECT_EQ(a.refresh(0).code(), 0);
  EXPECT_EQ(b.allocate().code(), 0);
}

/// Bytes that pass while each client offers 2,000 bytes a millisecond in both directions together.
std::size_t relayed(World& w, const std::vector<Client*>& clients, seconds time) {
  w.to_peers.clear(), w.to_clients.clear();
  for (int i = 0; i < 1000 * time.count(); ++i) {
    for (Client* c : clients) {
      c->send_channel(0x4000, Bytes(1000));
      w.peer_sends(c->relay(), kPeer, Bytes(1000));
    }
    w.advance(milliseconds(1));
  }
  return 1000 * (w.to_peers.size() + w.to_clients.size());
}

TEST(QuotaTest, AnAllocationsBitRateIsItsOwn) {
  World w(with([](Options& o) { o.max_bits_per_second_per_allocation = 800'000; }));
  Client a(w, "192.12.0.1:1000");
  Client b(w, "192.12.0.1:1001");
  connect(a), connect(b);
  EXPECT_NEAR(static_cast<double>(relayed(w, {&a, &b}, seconds(1))), 400'000, 4000);
  EXPECT_NEAR(static_cast<double>(relayed(w, {&a, &b}, seconds(5))), 1'000'000, 8000);
  EXPECT_GT(drops(w, Drop::BitRate), 0U);
}

TEST(QuotaTest, AnAllocationsPacketRate) {
  World w(with([](Options& o) { o.max_packets_per_second_per_allocation = 200; }));
  Client a(w, "192.12.0.1:1000");
  connect(a);
  EXPECT_NEAR(static_cast<double>(relayed(w, {&a}, seconds(5))), 1'200'000, 2000);
  EXPECT_GT(drops(w, Drop::PacketRate), 0U);
}

TEST(QuotaTest, AUsersBitRateIsForAllItsAllocations) {
  World w(with([](Options& o) { o.max_bits_per_second_per_user = 1'600'000; }));
  Client a(w, "192.12.0.1:1000");
  Client b(w, "192.12.0.1:1001");
  Client bob(w, "192.12.0.1:1002", Transport::Udp, "bob", "builder");
  connect(a), connect(b), connect(bob);
  EXPECT_NEAR(static_cast<double>(relayed(w, {&a, &b}, seconds(1))), 400'000, 12'000);
  EXPECT_NEAR(static_cast<double>(relayed(w, {&a, &b}, seconds(5))), 1'000'000, 12'000);
  // The other user has a rate of his own.
  EXPECT_NEAR(static_cast<double>(relayed(w, {&bob}, seconds(1))), 400'000, 12'000);
}

TEST(QuotaTest, TheTotalBitRateIsForEverybody) {
  World w(with([](Options& o) { o.max_bits_per_second = 1'600'000; }));
  Client a(w, "192.12.0.1:1000");
  Client bob(w, "192.12.0.1:1002", Transport::Udp, "bob", "builder");
  connect(a), connect(bob);
  EXPECT_NEAR(static_cast<double>(relayed(w, {&a, &bob}, seconds(1))), 400'000, 12'000);
  EXPECT_NEAR(static_cast<double>(relayed(w, {&a, &bob}, seconds(5))), 1'000'000, 12'000);
}

TEST(QuotaTest, ARateThatIsNotReachedDropsNothing) {
  World w(with([](Options& o) {
    o.max_bits_per_second_per_allocation = o.max_bits_per_second_per_user = 17'000'000;
    o.max_bits_per_second = 17'000'000;
    o.max_packets_per_second_per_allocation = 2100;
  }));
  Client a(w, "192.12.0.1:1000");
  connect(a);
  EXPECT_EQ(relayed(w, {&a}, seconds(10)), 20'000'000U);
}

// Two shards share the ledger: what one spends, the other one lacks.
TEST(QuotaTest, AUsersBitRateHoldsOverShards) {
  World w(with([](Options& o) { o.max_bits_per_second_per_user = 1'600'000; }));
  Server second(Surroundings{w.options, w.credentials, w.nonces, w.ledger, w.random});
  Outbox out;
  Client a(w, "192.12.0.1:1000");
  connect(a);
  Client b(w, "192.12.0.1:1001");
  const auto deliver = [&](const Bytes& bytes) {
    out.clear();
    second.from_client(w.now, Inbound{b.tuple, 7, bytes}, out);
    for (std::size_t i = 0; i < out.open_relays.size(); ++i)
      second.relay_opened(w.now, out.open_relays[i].relay, out);
    return out.to_peers.size();
  };
  deliver(b.make(Method::Allocate, [](auto& m) { Client::requested_transport(m); }));
  deliver(b.make(Method::ChannelBind, [](auto& m) {
    m.add_channel_number(0x4000).add_xor_address(AttributeType::XorPeerAddress, kPeer);
  }));
  ASSERT_EQ(second.allocation_count(), 1U);
  const Bytes packet = Client::channel_data(0x4000, Bytes(1000));
  std::size_t passed = 0;
  for (int i = 0; i < 5000; ++i) {
    a.send_channel(0x4000, Bytes(1000));
    passed += deliver(packet);
    w.advance(milliseconds(1));
  }
  // Both have a fair part, though one always asks first.
  EXPECT_GT(w.to_peers.size(), 300U);
  EXPECT_GT(passed, 300U);
  EXPECT_NEAR(static_cast<double>(passed + w.to_peers.size()), 1200, 15);
  out.clear();
  second.shut_down(w.now, out);
}

TEST(QuotaTest, LimitsAllocateNothingPerPacket) {
  World w(with([](Options& o) {
    o.max_bits_per_second_per_allocation = o.max_bits_per_second_per_user = o.max_bits_per_second = 8'000'000;
    o.max_packets_per_second_per_allocation = 500;
  }));
  Client a(w);
  connect(a);
  const Bytes packet = Client::channel_data(0x4000, Bytes(1000));
  Bytes datagram(kHeadroomBytes + 1000 + kTailroomBytes);
  Outbox out;
  std::size_t most = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::size_t before = ts::testing::heap_allocations();
    w.server.from_client(w.now, Inbound{a.tuple, 7, packet}, out);
    w.server.from_peer(w.now, a.relay(), kPeer, MutableBytes(datagram).subspan(kHeadroomBytes, 1000), out);
    out.clear();
    if (i > 0) most = std::max(most, ts::testing::heap_allocations() - before);
    w.advance(milliseconds(1));
  }
  EXPECT_EQ(most, 0U);
  EXPECT_GT(drops(w, Drop::PacketRate), 0U);
}

// RFC 8656 §10.2 SHOULD: a capacity limit on new permissions is answered with 508
TEST(QuotaTest, NewPeersAreLimited) {
  World w(with([](Options& o) { o.max_new_peers_per_second = 20, o.max_permissions_per_allocation = 0; }));
  Client a(w);
  ASSERT_EQ(a.allocate().code(), 0);
  const auto peer = [](int i) {
    return Endpoint{
        IpAddress::v4(8, 8, static_cast<std::uint8_t>(i / 200), static_cast<std::uint8_t>(i % 200)), 1};
  };
  int next = 0;
  for (; next < 100; ++next) ASSERT_EQ(a.permit({peer(next)}).code(), 0) << next;
  EXPECT_EQ(a.permit({peer(next)}).code(), 508);
  EXPECT_EQ(a.bind(0x4000, peer(next)).code(), 508);
  EXPECT_EQ(denials(w, Denial::NewPeerRate), 2U);
  EXPECT_EQ(w.gauges().permissions, 100U);
  EXPECT_EQ(w.gauges().channels, 0U);
  // Those that are there are refreshed as before, also by a channel.
  EXPECT_EQ(a.permit({peer(3), peer(7)}).code(), 0);
  EXPECT_EQ(a.bind(0x4000, peer(3)).code(), 0);
  // Another allocation has a rate of its own.
  Client b(w, "192.12.0.1:1001");
  ASSERT_EQ(b.allocate().code(), 0);
  EXPECT_EQ(b.permit({peer(next)}).code(), 0);
  // Twenty a second, and all of a request or none.
  w.advance(seconds(1));
  std::vector<Endpoint> many;
  for (int i = 0; i < 21; ++i) many.push_back(peer(next + i));
  EXPECT_EQ(a.permit(many).code(), 508);
  many.pop_back();
  EXPECT_EQ(a.permit(many).code(), 0);
  EXPECT_EQ(a.permit({peer(next + 30)}).code(), 508);
}

TEST(QuotaTest, ABurstOfCandidatesIsNotHurt) {
  World w(with([](Options& o) { o.max_new_peers_per_second = 1, o.max_permissions_per_allocation = 0; }));
  Client a(w);
  ASSERT_EQ(a.allocate().code(), 0);
  for (int i = 0; i < 64; ++i) {
    const Endpoint peer{IpAddress::v4(8, 8, 8, static_cast<std::uint8_t>(i)), 1};
    ASSERT_EQ(a.permit({peer}).code(), 0) << i;
  }
  EXPECT_EQ(a.permit({kPeer}).code(), 508);
  // The table of permissions can be filled at once.
  World table(with([](Options& o) { o.max_new_peers_per_second = 1; }));
  Client c(table);
  ASSERT_EQ(c.allocate().code(), 0);
  std::vector<Endpoint> all;
  for (int i = 0; i < 256; ++i)
    all.push_back(Endpoint{IpAddress::v4(8, 8, 8, static_cast<std::uint8_t>(i)), 1});
  EXPECT_EQ(c.permit(all).code(), 0);
  World open(with([](Options& o) { o.max_new_peers_per_second = 0; }));
  Client b(open);
  ASSERT_EQ(b.allocate().code(), 0);
  for (int i = 0; i < 250; ++i) {
    const Endpoint peer{IpAddress::v4(8, 8, 8, static_cast<std::uint8_t>(i)), 1};
    ASSERT_EQ(b.permit({peer}).code(), 0) << i;
  }
}

}  // namespace
}  // namespace ts::turn
