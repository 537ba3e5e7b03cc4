// SPDX-License-Identifier: Apache-2.0
// What a credential's policy allows: where the client is, which peers, how many allocations, how much
// traffic.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn {
namespace {

using namespace testing;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Endpoint kPeer = ep("8.8.4.4:5000");
const Endpoint kOther = ep("9.9.9.9:5000");

auth::Policy policy(const std::function<void(auth::Policy&)>& set) {
  auth::Policy out;
  set(out);
  return out;
}

/// A client with an ephemeral credential that carries the policy.
Client with_policy(World& w, const auth::Policy& policy, const std::string& from = "192.12.0.1:40000",
                   const std::string& user = "carol") {
  const auth::Minted minted = auth::mint("north", user, policy, w.now.wall + std::chrono::hours(1)).value();
  return Client(w, from, Transport::Udp, minted.username, minted.password);
}

std::uint64_t drops(const World& w, Drop why) { return w.server.counters().drops[index(why)]; }
std::uint64_t denials(const World& w, Denial why) { return w.server.counters().denials[index(why)]; }
std::uint64_t failures(const World& w, AuthFailure why) {
  return w.server.counters().auth_failures[index(why)];
}
std::string phrase(const Answer& answer) {
  const auto error = stun::decode_error_code(answer.attribute(AttributeType::ErrorCode).value()).value();
  return std::string(error.reason);
}

TEST(PolicyTest, ACredentialWithAPolicyWorks) {
  World w;
  Client c = with_policy(w, policy([](auth::Policy& p) { p.room = "lobby", p.member = "m1"; }));
  ASSERT_EQ(c.allocate().code(), 0);
  ASSERT_EQ(c.bind(0x4000, kPeer).code(), 0);
  c.send_channel(0x4000, Bytes(10));
  EXPECT_EQ(w.to_peers.size(), 1U);
  EXPECT_EQ(c.refresh(0).code(), 0);
  ASSERT_EQ(w.events.size(), 2U);
  for (const AllocationEvent& event : w.events) {
    EXPECT_EQ(event.room, "lobby");
    EXPECT_EQ(event.member, "m1");
    EXPECT_EQ(event.username, c.username);
  }
  EXPECT_EQ(w.gauges(), Gauges{});
  EXPECT_EQ(w.broken_invariant(), "");
}

TEST(PolicyTest, APolicyThatCannotBeReadIsAChallenge) {
  World w;
  const std::string username =
      std::to_string(w.now.wall.time_since_epoch().count() + 60) + ":carol;ts1;later=1";
  const std::string password = base64(HmacSha1Key(as_bytes("north")).sign({as_bytes(username)}));
  Client c(w, "192.12.0.1:40000", Transport::Udp, username, password);
  EXPECT_EQ(c.allocate().code(), 401);
  EXPECT_EQ(failures(w, AuthFailure::BadPolicy), 1U);
  EXPECT_EQ(w.gauges(), Gauges{});
}

TEST(PolicyTest, AnotherAddressIsForbiddenAndToldWhy) {
  World w;
  const auth::Policy bound = policy([](auth::Policy& p) {
    p.clients = {*IpNetwork::parse("192.12.0.0/24"), *IpNetwork::parse("2620:fe:1::/64")};
  });
  Client here = with_policy(w, bound);
  Client here_v6 = with_policy(w, bound, "[2620:fe:1::5]:4000");
  Client elsewhere = with_policy(w, bound, "192.13.0.1:40000");
  EXPECT_EQ(here.allocate().code(), 0);
  EXPECT_EQ(here_v6.allocate().code(), 0);
  const Answer answer = elsewhere.allocate();
  EXPECT_EQ(answer.code(), 403);
  EXPECT_EQ(phrase(answer), "The credential is for another address");
  EXPECT_TRUE(stun::verify_integrity(answer.view(), elsewhere.key()));
  EXPECT_EQ(failures(w, AuthFailure::WrongAddress), 1U);
  // Who does not know the password learns nothing of it.
  elsewhere.password = "wrong";
  EXPECT_EQ(elsewhere.allocate().code(), 401);
  EXPECT_EQ(failures(w, AuthFailure::WrongAddress), 1U);
  EXPECT_EQ(w.gauges().allocations, 2U);
}

// RFC 8656 §10.2 MAY: the server restricts the peers of CreatePermission; another one is answered with 403
TEST(PolicyTest, PeersOutsideOfTheCredentialAreForbidden) {
  World w;
  Client c = with_policy(w, policy([](auth::Policy& p) { p.peers = {*IpNetwork::parse("8.8.0.0/16")}; }));
  ASSERT_EQ(c.allocate().code(), 0);
  EXPECT_EQ(c.permit({kOther}).code(), 403);
  EXPECT_EQ(denials(w, Denial::DeniedByCredential), 1U);
  // All or nothing.
  EXPECT_EQ(c.permit({kPeer, kOther}).code(), 403);
  EXPECT_EQ(w.gauges().permissions, 0U);
  EXPECT_EQ(c.permit({kPeer}).code(), 0);
  // Without a permission there is neither Send nor inbound.
  c.send_indication(kOther, Bytes(10));
  EXPECT_TRUE(w.to_peers.empty());
  w.to_clients.clear();
  w.peer_sends(c.relay(), kOther, Bytes(10));
  EXPECT_TRUE(w.to_clients.empty());
  EXPECT_EQ(drops(w, Drop::NoPermission), 2U);
  c.send_indication(kPeer, Bytes(10));
  EXPECT_EQ(w.to_peers.size(), 1U);
}

// RFC 8656 §12.2 MAY: the server restricts the peers of ChannelBind; another one is answered with 403
TEST(PolicyTest, ChannelsToPeersOutsideOfTheCredentialAreForbidden) {
  World w;
  Client c = with_policy(w, policy([](auth::Policy& p) { p.peers = {*IpNetwork::parse("8.8.0.0/16")}; }));
  ASSERT_EQ(c.allocate().code(), 0);
  EXPECT_EQ(c.bind(0x4000, kOther).code(), 403);
  EXPECT_EQ(denials(w, Denial::DeniedByCredential), 1U);
  EXPECT_EQ(w.gauges().channels, 0U);
  EXPECT_EQ(c.bind(0x4000, kPeer).code(), 0);
}

TEST(PolicyTest, TheCredentialDoesNotWidenWhatTheServerAllows) {
  World w;
  Client c = with_policy(w, policy([](auth::Policy& p) { p.peers = {*IpNetwork::parse("0.0.0.0/0")}; }));
  ASSERT_EQ(c.allocate().code(), 0);
  EXPECT_EQ(c.permit({ep("10.0.0.1:1")}).code(), 403);
  EXPECT_EQ(denials(w, Denial::Private), 1U);
}

TEST(PolicyTest, PeersAreJudgedByWhatTheyLeadTo) {
  World w;
  Client c = with_policy(w, policy([](auth::Policy& p) {
                           p.peers = {*IpNetwork::parse("8.8.0.0/16"), *IpNetwork::parse("::/0")};
                         }));
  ASSERT_EQ(c.allocate([](auto& b) { Client::address_family(b, stun::kFamilyV6); }).code(), 0);
  EXPECT_EQ(c.permit({ep("[64:ff9b::9.9.9.9]:1")}).code(), 403);
  EXPECT_EQ(denials(w, Denial::DeniedByCredential), 1U);
  EXPECT_EQ(c.permit({ep("[64:ff9b::8.8.1.1]:1")}).code(), 0);
  EXPECT_EQ(c.permit({ep("[2620:fe:7::1]:1")}).code(), 0);
}

// RFC 8656 §7.2 MAY: an allocation quota of a username is answered with 486
TEST(PolicyTest, TheCredentialLimitsItsAllocations) {
  World w;
  const auth::Policy two = policy([](auth::Policy& p) { p.max_allocations = 2; });
  Client a = with_policy(w, two, "192.12.0.1:1000");
  Client b = with_policy(w, two, "192.12.0.1:1001");
  Client c = with_policy(w, two, "192.12.0.1:1002");
  ASSERT_EQ(a.username, c.username);
  EXPECT_EQ(a.allocate().code(), 0);
  EXPECT_EQ(b.allocate().code(), 0);
  EXPECT_EQ(c.allocate().code(), 486);
  EXPECT_EQ(denials(w, Denial::QuotaCredential), 1U);
  EXPECT_EQ(w.gauges().allocations, 2U);
  // Another credential of the same user counts by itself.
  Client d = with_policy(w, policy([](auth::Policy& p) { p.max_allocations = 1; }), "192.12.0.1:1003");
  EXPECT_EQ(d.allocate().code(), 0);
  // Deleting and expiring free the place.
  EXPECT_EQ(a.refresh(0).code(), 0);
  EXPECT_EQ(c.allocate().code(), 0);
  EXPECT_EQ(a.allocate().code(), 486);
  w.advance(seconds(601));
  w.tick();
  EXPECT_EQ(w.gauges(), Gauges{});
  a.renew_nonce();
  EXPECT_EQ(a.allocate().code(), 0);
}

TEST(PolicyTest, ARelayThatDoesNotOpenCountsNowhere) {
  World w;
  const auth::Policy one =
      policy([](auth::Policy& p) { p.max_allocations = 1, p.max_bits_per_second = 8000; });
  Client c = with_policy(w, one);
  w.opener = [](const OpenRelay&) { return RelayError::NoResources; };
  EXPECT_EQ(c.allocate().code(), 508);
  w.opener = {};
  EXPECT_EQ(c.allocate().code(), 0);
}

TEST(PolicyTest, BitsPerSecondHoldInBothDirections) {
  World w;
  // 800,000 bit/s: 100,000 bytes a second, and as much at once.
  Client c = with_policy(w, policy([](auth::Policy& p) { p.max_bits_per_second = 800'000; }));
  ASSERT_EQ(c.allocate().code(), 0);
  ASSERT_EQ(c.bind(0x4000, kPeer).code(), 0);
  const auto passed = [&](seconds time) {
    w.to_peers.clear(), w.to_clients.clear();
    for (int i = 0; i < 1000 * time.count(); ++i) {
      c.send_channel(0x4000, Bytes(1000));
      w.peer_sends(c.relay(), kPeer, Bytes(1000));
      w.advance(milliseconds(1));
    }
    return 1000 * (w.to_peers.size() + w.to_clients.size());
  };
  const std::size_t first = passed(seconds(1));
  EXPECT_GE(first, 190'000U);
  EXPECT_LE(first, 210'000U);
  const std::size_t then = passed(seconds(10));
  EXPECT_GE(then, 980'000U);
  EXPECT_LE(then, 1'020'000U);
  EXPECT_GT(w.to_peers.size(), 0U);
  EXPECT_GT(drops(w, Drop::BitRate), 20'000U);
  EXPECT_EQ(drops(w, Drop::PacketRate), 0U);
  EXPECT_EQ(w.broken_invariant(), "");
}

TEST(PolicyTest, PacketsPerSecondHold) {
  World w;
  Client c = with_policy(w, policy([](auth::Policy& p) { p.max_packets_per_second = 100; }));
  ASSERT_EQ(c.allocate().code(), 0);
  ASSERT_EQ(c.permit({kPeer}).code(), 0);
  for (int i = 0; i < 5000; ++i) {
    c.send_indication(kPeer, Bytes());
    w.advance(milliseconds(1));
  }
  EXPECT_GE(w.to_peers.size(), 590U);
  EXPECT_LE(w.to_peers.size(), 610U);
  EXPECT_EQ(drops(w, Drop::PacketRate), 5000 - w.to_peers.size());
}

TEST(PolicyTest, AllocationsOfOneCredentialShareItsRate) {
  World w;
  const auth::Policy slow = policy([](auth::Policy& p) { p.max_bits_per_second = 800'000; });
  Client a = with_policy(w, slow, "192.12.0.1:1000");
  Client b = with_policy(w, slow, "192.12.0.1:1001");
  for (Client* c : {&a, &b}) {
    ASSERT_EQ(c->allocate().code(), 0);
    ASSERT_EQ(c->bind(0x4000, kPeer).code(), 0);
  }
  for (int i = 0; i < 5000; ++i) {
    a.send_channel(0x4000, Bytes(500));
    b.send_channel(0x4000, Bytes(500));
    w.advance(milliseconds(1));
  }
  EXPECT_GE(500 * w.to_peers.size(), 590'000U);
  EXPECT_LE(500 * w.to_peers.size(), 610'000U);
}

TEST(PolicyTest, AllocatingAnewGainsNoBurst) {
  World w;
  Client c = with_policy(w, policy([](auth::Policy& p) { p.max_bits_per_second = 800'000; }));
  std::size_t passed = 0;
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(c.allocate().code(), 0);
    ASSERT_EQ(c.bind(0x4000, kPeer).code(), 0);
    w.to_peers.clear();
    for (int i = 0; i < 200; ++i) c.send_channel(0x4000, Bytes(1000));
    passed += 1000 * w.to_peers.size();
    ASSERT_EQ(c.refresh(0).code(), 0);
  }
  EXPECT_LE(passed, 100'000U);
}

TEST(PolicyTest, ALargeDatagramPassesALowRate) {
  World w;
  Client c = with_policy(w, policy([](auth::Policy& p) { p.max_bits_per_second = 8; }));
  ASSERT_EQ(c.allocate().code(), 0);
  ASSERT_EQ(c.bind(0x4000, kPeer).code(), 0);
  c.send_channel(0x4000, Bytes(65'500));
  EXPECT_EQ(w.to_peers.size(), 1U);
  c.send_channel(0x4000, Bytes(100));
  EXPECT_EQ(w.to_peers.size(), 1U);
}

}  // namespace
}  // namespace ts::turn
