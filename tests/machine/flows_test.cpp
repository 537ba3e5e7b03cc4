// SPDX-License-Identifier: Apache-2.0
// What the core tells of flows (Options::tell_flows): each begins, lasts and ends with what may be relayed.
#include <gtest/gtest.h>

#include "mobility.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

const Endpoint kPeer = ep("192.12.0.77:7000");
const Endpoint kSameHost = ep("192.12.0.77:7001");
const Endpoint kOther = ep("192.12.0.78:7000");
const Endpoint kPeer6 = ep("[2620:fe::77]:7000");

Options telling(Options out = default_options()) {
  out.tell_flows = true;
  return out;
}

/// A shell that takes flows over: what it would relay by itself, kept as it is told.
struct Flows : ::testing::Test {
  explicit Flows(Options o = telling()) : world(std::move(o)) {}

  using Name = std::pair<std::string, std::uint16_t>;
  static Name name_of(const FiveTuple& tuple, std::uint16_t channel) {
    return {tuple.client.to_string() + ' ' + tuple.server.to_string(), channel};
  }

  /// Takes in what was told since last time; how many tellings that were.
  std::size_t hear() {
    const std::vector<Flow> told = std::exchange(world.flows, {});
    for (const Flow& flow : told) {
      const Name name = name_of(flow.tuple, flow.channel);
      if (flow.ended) {
        const auto found = held.find(name);
        EXPECT_NE(found, held.end()) << "an end of what never began";
        if (found == held.end()) continue;
        EXPECT_EQ(found->second.relay, flow.relay);
        EXPECT_EQ(found->second.peer, flow.peer);
        held.erase(found);
      } else {
        EXPECT_EQ(flow.tuple.transport, Transport::Udp);
        held[name] = flow;
      }
    }
    return told.size();
  }
  /// The flow of the channel, as it was told; null: there is none.
  const Flow* flow(const Client& client, std::uint16_t channel) {
    hear();
    const auto found = held.find(name_of(client.tuple, channel));
    return found != held.end() ? &found->second : nullptr;
  }
  /// For how long the channel flows; zero: not at all.
  Duration life(const Client& client, std::uint16_t channel) {
    const Flow* found = flow(client, channel);
    return found != nullptr ? found->until - world.now.mono : Duration::zero();
  }
  /// What is held and has not lapsed is what the core itself relays, both ways.
  void agree() {
    hear();
    for (const auto& [name, flow] : held) {
      if (flow.until <= world.now.mono) continue;
      const std::size_t sent = world.to_peers.size();
      world.deliver(flow.tuple, Client::channel_data(flow.channel, as_bytes("up")));
      ASSERT_EQ(world.to_peers.size(), sent + 1) << name.first;
      EXPECT_EQ(world.to_peers.back().from, flow.relay);
      EXPECT_EQ(world.to_peers.back().peer, flow.peer);
      const std::size_t received = world.to_clients.size();
      world.peer_sends(world.relay_at(flow.relay), flow.peer, as_bytes("down"));
      ASSERT_EQ(world.to_clients.size(), received + 1) << name.first;
      EXPECT_EQ(world.to_clients.back().tuple, flow.tuple);
      EXPECT_EQ(world.to_clients.back().bytes, Client::channel_data(flow.channel, as_bytes("down")));
    }
  }
  void TearDown() override {
    agree();
    world.shut_down();
    hear();
    EXPECT_TRUE(held.empty()) << "a flow outlives its allocation";
    EXPECT_EQ(world.broken_invariant(), "");
  }

  World world;
  Client alice{world};
  std::map<Name, Flow> held;
};

TEST_F(Flows, BeginWithAChannel) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  EXPECT_EQ(hear(), 0U) << "a permission alone is for Data indications";
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  const Flow* told = flow(alice, 0x4000);
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(told->tuple, alice.tuple);
  EXPECT_EQ(told->relay, alice.relayed);
  EXPECT_EQ(told->peer, kPeer);
  EXPECT_EQ(told->until, world.now.mono + seconds(300)) << "the permission ends first";
}

TEST_F(Flows, NobodyIsToldWhoDidNotAsk) {
  World silent;
  Client bob(silent);
  ASSERT_EQ(bob.allocate().code(), 0);
  ASSERT_EQ(bob.bind(0x4000, kPeer).code(), 0);
  ASSERT_EQ(bob.refresh(0).code(), 0);
  EXPECT_TRUE(silent.flows.empty());
}

TEST_F(Flows, AreNamedByTheLocalAddressBehindNat) {
  Options natted = telling();
  natted.relay_addresses = {{ip("198.41.0.4"), ip("10.0.0.5")}};
  World behind(natted);
  Client bob(behind);
  ASSERT_EQ(bob.allocate().code(), 0);
  ASSERT_EQ(bob.bind(0x4000, kPeer).code(), 0);
  ASSERT_EQ(behind.flows.size(), 1U);
  EXPECT_EQ(behind.flows[0].relay, Endpoint(ip("10.0.0.5"), bob.relayed.port));
}

TEST_F(Flows, LastAsLongAsWhatEndsFirst) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  world.advance(seconds(250));
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  EXPECT_EQ(life(alice, 0x4000), seconds(300)) << "a new permission";
  world.advance(seconds(250));
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  EXPECT_EQ(life(alice, 0x4000), seconds(100)) << "now allocation and channel";
  ASSERT_EQ(alice.refresh(600).code(), 0);
  EXPECT_EQ(life(alice, 0x4000), seconds(100)) << "the channel still";
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  EXPECT_EQ(life(alice, 0x4000), seconds(300));
}

TEST_F(Flows, OfOneHostShareItsPermission) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  ASSERT_EQ(alice.bind(0x4002, kOther).code(), 0);
  world.advance(seconds(100));
  ASSERT_EQ(alice.bind(0x4001, kSameHost).code(), 0);
  EXPECT_EQ(life(alice, 0x4000), seconds(300)) << "ChannelBind permits the whole host";
  EXPECT_EQ(life(alice, 0x4001), seconds(300));
  EXPECT_EQ(life(alice, 0x4002), seconds(200));
}

TEST_F(Flows, ShortenWithTheAllocation) {
  ASSERT_EQ(alice.allocate([](auto& b) { b.add_u32(AttributeType::Lifetime, 3600); }).code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  world.advance(seconds(200));
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  for (int i = 0; i < 2; ++i) {
    world.advance(seconds(290));
    ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  }
  EXPECT_EQ(life(alice, 0x4000), seconds(300));
  Options brief = telling();
  brief.default_lifetime = seconds(60);
  World short_lived(brief);
  Client bob(short_lived);
  ASSERT_EQ(bob.allocate([](auto& b) { b.add_u32(AttributeType::Lifetime, 600); }).code(), 0);
  ASSERT_EQ(bob.bind(0x4000, kPeer).code(), 0);
  ASSERT_EQ(bob.refresh(60).code(), 0);
  ASSERT_EQ(short_lived.flows.size(), 2U);
  EXPECT_EQ(short_lived.flows[1].until, short_lived.now.mono + seconds(60));
}

TEST_F(Flows, AreNotToldOfEachSmallRefresh) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  hear();
  std::size_t told = 0;
  for (int i = 0; i < 100; ++i) {
    world.advance(seconds(1));
    ASSERT_EQ(alice.permit({kPeer}).code(), 0);
    told += hear();
    EXPECT_GT(life(alice, 0x4000), seconds(289));
  }
  EXPECT_EQ(told, 10U);
}

TEST_F(Flows, EndWithThePermissionAndComeBackWithIt) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  world.advance(seconds(300));
  world.tick();
  EXPECT_EQ(flow(alice, 0x4000), nullptr);
  ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  EXPECT_EQ(life(alice, 0x4000), seconds(300));
}

TEST_F(Flows, EndWithTheChannel) {
  ASSERT_EQ(alice.allocate([](auto& b) { b.add_u32(AttributeType::Lifetime, 3600); }).code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  for (int i = 0; i < 2; ++i) {
    world.advance(seconds(299));
    ASSERT_EQ(alice.permit({kPeer}).code(), 0);
  }
  EXPECT_EQ(life(alice, 0x4000), seconds(1)) << "the last second is the sockets'";
  world.advance(seconds(2));
  // The clock's tick is late, and another peer takes the number.
  ASSERT_EQ(alice.bind(0x4000, kOther).code(), 0);
  ASSERT_NE(flow(alice, 0x4000), nullptr);
  EXPECT_EQ(flow(alice, 0x4000)->peer, kOther);
}

TEST_F(Flows, EndWithTheAllocation) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  ASSERT_EQ(alice.bind(0x4001, kOther).code(), 0);
  ASSERT_EQ(alice.refresh(0).code(), 0);
  EXPECT_EQ(flow(alice, 0x4000), nullptr);
  EXPECT_TRUE(held.empty());
}

TEST_F(Flows, EndWhenTheAllocationExpires) {
  ASSERT_EQ(alice.allocate().code(), 0);
  world.advance(seconds(500));
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  EXPECT_EQ(life(alice, 0x4000), seconds(100));
  world.advance(seconds(100));
  world.tick();
  EXPECT_EQ(flow(alice, 0x4000), nullptr);
}

TEST_F(Flows, EndWithRevocation) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  hear();
  Outbox out;
  world.server.revoke(world.now, {Revocation::Kind::User, "alice", world.now.wall + seconds(60)}, out);
  ASSERT_EQ(out.flows.size(), 1U);
  EXPECT_TRUE(out.flows[0].ended);
  held.clear();
  world.sockets.clear();
  world.events_ended = world.events_started;
}

TEST_F(Flows, BringBackWhatWasRelayedInTheCoresPlace) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  Flow flow = world.flows.back();
  flow.ended = true;
  flow.to_peer = {5, 500};
  flow.to_client = {1, 10};
  Outbox out;
  world.server.flow_ended(flow, out);  // the permission has expired, say
  alice.send_channel(0x4000, as_bytes("four"));
  world.server.shut_down(world.now, out);
  ASSERT_EQ(out.flows.size(), 1U);
  ASSERT_EQ(out.events.size(), 1U);
  Flow last = out.flows[0];
  last.to_peer = {2, 20};
  world.server.flow_ended(last, out);
  EXPECT_EQ(out.events[0].to_peer.packets, 8U);
  EXPECT_EQ(out.events[0].to_peer.bytes, 524U);
  EXPECT_EQ(out.events[0].to_client.bytes, 10U);
  EXPECT_EQ(world.server.counters().to_peer[0].packets, 1U) << "the sink counts its own";
  world.sockets.clear();
  world.events_ended = world.events_started;
  held.clear();
  world.flows.clear();
}

TEST_F(Flows, EndWithTheRelaySocket) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  world.relay_broke(alice.relay());
  EXPECT_EQ(flow(alice, 0x4000), nullptr);
}

TEST_F(Flows, OfDualAllocationsLiveAndEndByFamily) {
  const auto both = [](auto& b) { b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24); };
  ASSERT_EQ(alice.allocate(both).code(), 0);
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  ASSERT_EQ(alice.bind(0x4001, kPeer6).code(), 0);
  ASSERT_NE(flow(alice, 0x4001), nullptr);
  EXPECT_TRUE(flow(alice, 0x4001)->relay.address.is_v6());
  agree();
  const auto refresh = [&](std::uint32_t lifetime, std::uint8_t family) {
    return alice.request(Method::Refresh, [&](auto& b) {
      b.add_u32(AttributeType::Lifetime, lifetime);
      Client::address_family(b, family);
    });
  };
  ASSERT_EQ(refresh(3600, 2).code(), 0);
  world.advance(seconds(500));
  ASSERT_EQ(alice.bind(0x4000, kPeer).code(), 0);
  ASSERT_EQ(alice.bind(0x4001, kPeer6).code(), 0);
  EXPECT_EQ(life(alice, 0x4000), seconds(100));
  EXPECT_EQ(life(alice, 0x4001), seconds(300));
  ASSERT_EQ(refresh(0, 1).code(), 0);
  EXPECT_EQ(flow(alice, 0x4000), nullptr);
  EXPECT_NE(flow(alice, 0x4001), nullptr);
}

TEST_F(Flows, AreOfUdpClientsOnly) {
  Client streamed(world, "192.12.0.2:40000", Transport::Tcp);
  ASSERT_EQ(streamed.allocate().code(), 0);
  ASSERT_EQ(streamed.bind(0x4000, kPeer).code(), 0);
  Client over_dtls(world, "192.12.0.3:40000", Transport::Dtls);
  ASSERT_EQ(over_dtls.allocate().code(), 0);
  ASSERT_EQ(over_dtls.bind(0x4000, kPeer).code(), 0);
  EXPECT_EQ(hear(), 0U);
}

TEST_F(Flows, AreNotOfWhatARateLimits) {
  Options limited = telling();
  limited.max_bits_per_second_per_user = 1'000'000;
  World slow(limited);
  Client bob(slow);
  ASSERT_EQ(bob.allocate().code(), 0);
  ASSERT_EQ(bob.bind(0x4000, kPeer).code(), 0);
  EXPECT_TRUE(slow.flows.empty());
}

struct MobileFlows : Flows {
  MobileFlows() : Flows(telling(mobile())) {}
  Answer move(Client& to, const Bytes& ticket) {
    return to.request(Method::Refresh, [&](auto& b) {
      b.add_u32(AttributeType::Lifetime, 600).add(AttributeType::MobilityTicket, ByteView(ticket));
    });
  }
  Bytes allocate(Client& client) {
    const Answer answer = client.allocate([](auto& b) { b.add_flag(AttributeType::MobilityTicket); });
    EXPECT_EQ(client.bind(0x4000, kPeer).code(), 0);
    return ticket_of(answer);
  }
  Client moved{world, "192.12.9.9:50000"};
};

TEST_F(MobileFlows, MoveWhenTheClientSpeaks) {
  const Bytes ticket = allocate(alice);
  ASSERT_EQ(move(moved, ticket).code(), 0);
  EXPECT_NE(flow(alice, 0x4000), nullptr) << "RFC 8016 §3.2.2: the old five-tuple serves until then";
  EXPECT_EQ(flow(moved, 0x4000), nullptr);
  moved.send_channel(0x4000, as_bytes("here"));
  EXPECT_EQ(flow(alice, 0x4000), nullptr);
  EXPECT_NE(flow(moved, 0x4000), nullptr);
}

TEST_F(MobileFlows, BeginAndEndWithMovesFromAndToStreams) {
  Client streamed(world, "192.12.0.2:40000", Transport::Tcp);
  const Bytes ticket = allocate(streamed);
  EXPECT_EQ(hear(), 0U);
  const Answer there = move(moved, ticket);
  ASSERT_EQ(there.code(), 0);
  world.client_closed(streamed.tuple);
  EXPECT_NE(flow(moved, 0x4000), nullptr);
  Client back(world, "192.12.0.2:40001", Transport::Tcp);
  ASSERT_EQ(move(back, ticket_of(there)).code(), 0);
  back.send_channel(0x4000, as_bytes("back"));
  EXPECT_EQ(flow(moved, 0x4000), nullptr);
  EXPECT_TRUE(held.empty());
}

}  // namespace
}  // namespace ts::turn::testing
