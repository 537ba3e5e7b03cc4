// SPDX-License-Identifier: Apache-2.0
// A server that is about to stop, what operators see and end, and options that change.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

constexpr std::uint16_t kChannel = 0x4000;

struct Draining : ::testing::Test {
  World world;
  Client alice{world};
  const Endpoint peer = ep("203.0.114.7:9000");
};

TEST_F(Draining, NewAllocationsAreRefusedAndOldOnesGoOn) {
  ASSERT_EQ(alice.allocate().code(), 0);
  const auto again = world.to_clients.back().bytes;
  world.server.drain(true);
  Client bob(world, "192.12.0.2:1", Transport::Udp, "bob", "builder");
  const Answer refused = bob.allocate();
  EXPECT_EQ(refused.code(), 508);
  EXPECT_TRUE(stun::verify_integrity(refused.view(), bob.key()));
  EXPECT_EQ(world.server.counters().denials[index(Denial::Draining)], 1U);

  EXPECT_EQ(alice.permit({peer}).code(), 0);
  EXPECT_EQ(alice.bind(kChannel, peer).code(), 0);
  alice.send_channel(kChannel, as_bytes("on"));
  ASSERT_EQ(world.to_peers.size(), 1U);
  world.peer_sends(alice.relay(), peer, as_bytes("and on"));
  EXPECT_EQ(world.to_clients.back().bytes, Client::channel_data(kChannel, as_bytes("and on")));
  EXPECT_EQ(alice.refresh(600).code(), 0);
  world.advance(seconds(500));
  EXPECT_EQ(alice.refresh(600).code(), 0);
  EXPECT_EQ(alice.refresh(0).code(), 0);
  EXPECT_EQ(alice.allocate().code(), 508) << "what has ended does not come back";

  world.server.drain(false);
  EXPECT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(Draining, AnAllocateWhoseAnswerWasLostIsStillAnswered) {
  const Bytes asked = alice.make(Method::Allocate, Client::requested_transport);
  ASSERT_EQ(alice.send(asked).code(), 0);
  world.server.drain(true);
  EXPECT_EQ(alice.send(asked).code(), 0);
}

TEST_F(Draining, StrangersAreChallengedFirst) {
  world.server.drain(true);
  EXPECT_EQ(
      alice.send(alice.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport))
          .code(),
      401);
}

// RFC 8656 §7.2 MAY: check 11: 300 sends the client elsewhere
TEST_F(Draining, AnotherServerIsNamedWhereThereIsOne) {
  Options options = default_options();
  options.drain_servers = {ep("198.41.0.9:3478")};
  World w(options);
  Client client(w);
  EXPECT_EQ(client.allocate().code(), 0) << "not before";
  ASSERT_EQ(client.refresh(0).code(), 0);
  w.server.drain(true);
  const Answer answer = client.allocate();
  EXPECT_EQ(answer.code(), 300);
  EXPECT_EQ(stun::decode_address(answer.attribute(AttributeType::AlternateServer).value()),
            ep("198.41.0.9:3478"));
  Client six(w, "[2001:4860::1]:1");
  EXPECT_EQ(six.allocate().code(), 508) << "none of its family";
  EXPECT_EQ(w.gauges(), Gauges{});
}

TEST_F(Draining, AReservedPortIsHereOrNowhere) {
  Options options = default_options();
  options.drain_servers = {ep("198.41.0.9:3478")};
  World w(options);
  Client client(w);
  const Answer first = client.allocate([](auto& b) { b.add(AttributeType::EvenPort, as_bytes("\x80")); });
  ASSERT_EQ(first.code(), 0);
  const auto token = first.attribute(AttributeType::ReservationToken).value();
  w.server.drain(true);
  Client second(w, "192.12.0.1:40002");
  EXPECT_EQ(second.allocate([&](auto& b) { b.add(AttributeType::ReservationToken, token); }).code(), 508);
}

struct Operators : Draining {};

std::vector<std::string> users(const AllocationPage& page) {
  std::vector<std::string> out;
  for (const AllocationView& view : page.found) out.push_back(view.username);
  return out;
}

TEST_F(Operators, SeeAllocationsByPages) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 100; ++i) {
    const bool bob = i % 10 == 0;
    clients.push_back(std::make_unique<Client>(
        world, "192.12.0." + std::to_string(1 + i % 2) + ':' + std::to_string(1000 + i),
        i % 4 == 0 ? Transport::Tcp : Transport::Udp, bob ? "bob" : "alice", bob ? "builder" : "wonder"));
    ASSERT_EQ(clients.back()->allocate().code(), 0);
  }
  const auto all = [&](const AllocationFilter& filter, std::uint32_t looked, std::size_t most) {
    std::size_t found = 0;
    std::optional<std::uint32_t> next = 0;
    while (next) {
      const AllocationPage page = world.server.list(filter, *next, looked, most, world.now.mono);
      EXPECT_LE(page.found.size(), most);
      found += page.found.size();
      next = page.next;
    }
    return found;
  };
  for (const std::uint32_t looked : {1U, 7U, 64U, 1000U}) {
    EXPECT_EQ(all({}, looked, 1000), 100U) << looked;
    EXPECT_EQ(all({}, looked, 3), 100U) << looked;
  }
  AllocationFilter filter;
  filter.user = "bob";
  EXPECT_EQ(all(filter, 16, 4), 10U);
  filter.transport = Transport::Tcp;
  EXPECT_EQ(all(filter, 16, 4), 5U);
  filter = {};
  filter.client = IpNetwork::parse("192.12.0.2").value();
  EXPECT_EQ(all(filter, 16, 4), 50U);
  filter = {};
  filter.realm = "elsewhere.org";
  EXPECT_EQ(all(filter, 16, 4), 0U);
  filter.realm = "example.org";
  EXPECT_EQ(all(filter, 16, 4), 100U);
  filter = {};
  filter.room = "lobby";
  EXPECT_EQ(all(filter, 16, 4), 0U);
  EXPECT_EQ(world.server.list({}, 4'000'000'000U, 10, 10, world.now.mono).found.size(), 0U);
}

TEST_F(Operators, SeeOneWithWhatItHas) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(kChannel, peer).code(), 0);
  ASSERT_EQ(alice.permit({ep("203.0.114.8:1")}).code(), 0);
  alice.send_channel(kChannel, as_bytes("four"));
  world.advance(seconds(60));
  const AllocationPage page = world.server.list({}, 0, 1000, 10, world.now.mono);
  ASSERT_EQ(users(page), std::vector<std::string>{"alice"});
  const auto detail = world.server.detail(page.found[0].handle, world.now.mono);
  ASSERT_TRUE(detail);
  EXPECT_EQ(detail->view.realm, "example.org");
  EXPECT_EQ(detail->view.relayed, std::vector{alice.relayed});
  EXPECT_EQ(detail->view.age, seconds(60));
  EXPECT_EQ(detail->view.left, seconds(540));
  EXPECT_EQ(detail->view.to_peer.bytes, 4U);
  ASSERT_EQ(detail->channels.size(), 1U);
  EXPECT_EQ(detail->channels[0].number, kChannel);
  EXPECT_EQ(detail->channels[0].peer, peer);
  EXPECT_EQ(detail->channels[0].left, seconds(540));
  ASSERT_EQ(detail->permissions.size(), 2U);
  EXPECT_EQ(detail->permissions[1].peer, ip("203.0.114.8"));

  EXPECT_TRUE(world.server.end_allocation(world.now, page.found[0].handle, world.outbox));
  world.tick();
  EXPECT_FALSE(world.server.end_allocation(world.now, page.found[0].handle, world.outbox));
  EXPECT_FALSE(world.server.detail(page.found[0].handle, world.now.mono));
  EXPECT_EQ(world.events.back().reason, EndReason::Admin);
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(Operators, SeeWhoRelaysHowMuch) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(kChannel, peer).code(), 0);
  alice.send_channel(kChannel, as_bytes("five!"));
  Client bob(world, "192.12.0.2:1", Transport::Udp, "bob", "builder");
  ASSERT_EQ(bob.allocate().code(), 0);
  for (const std::uint32_t looked : {1U, 7U, 1000U}) {
    std::size_t found = 0;
    Traffic all;
    for (std::optional<std::uint32_t> next = 0; next;) {
      const LoadPage page = world.server.loads(*next, looked, world.now.mono);
      EXPECT_LE(page.found.size(), looked);
      EXPECT_TRUE(page.at == world.now.mono);
      for (const AllocationLoad& load : page.found) {
        EXPECT_TRUE(world.server.detail(load.handle, world.now.mono));
        all += load.relayed;
      }
      found += page.found.size();
      next = page.next;
    }
    EXPECT_EQ(found, 2U) << looked;
    EXPECT_EQ(all.packets, 1U) << looked;
    EXPECT_EQ(all.bytes, 5U) << looked;
  }
  EXPECT_EQ(world.server.loads(4'000'000'000U, 10, world.now.mono).found.size(), 0U);
}

TEST_F(Operators, ChangeLimitsAndPeers) {
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(kChannel, peer).code(), 0);
  world.options.peers.deny = {IpNetwork::parse("203.0.114.0/24").value()};
  world.options.max_lifetime = seconds(700);
  world.server.options_changed();
  EXPECT_EQ(alice.permit({ep("203.0.114.8:1")}).code(), 403);
  alice.send_channel(kChannel, as_bytes("still"));
  EXPECT_EQ(world.to_peers.size(), 1U) << "what was granted lasts until it expires";
  const Answer refreshed = alice.refresh(3600);
  EXPECT_EQ(refreshed.u32(AttributeType::Lifetime), 700U);

  world.options.max_allocations = 1;
  world.ledger.use(world.options);
  Client bob(world, "192.12.0.2:1", Transport::Udp, "bob", "builder");
  EXPECT_EQ(bob.allocate().code(), 508);
  world.options.max_allocations = 2;
  world.ledger.use(world.options);
  EXPECT_EQ(bob.allocate().code(), 0);
}

}  // namespace
}  // namespace ts::turn::testing
