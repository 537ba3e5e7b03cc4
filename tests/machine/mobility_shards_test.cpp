// SPDX-License-Identifier: Apache-2.0
// Mobility (RFC 8016) between two shards: the new five-tuple lands on a Server that does not have the
// allocation.
#include <gtest/gtest.h>

#include "mobility.hpp"

namespace ts::turn::testing {
namespace {

const Endpoint kPeer = ep("192.12.0.77:7000");
const Endpoint kPeer6 = ep("[2620:fe::77]:7000");

/// A shard, and the client that it sends to.
using Reached = std::pair<std::size_t, Endpoint>;

/// A relay socket: slot index and family.
using Socket = std::pair<std::uint32_t, IpFamily>;
Socket socket_of(const RelayId& relay) { return {relay.allocation.index, relay.family}; }

/// Two Servers with what shards share, and a shell that carries letters and relay sockets.
struct Shards {
  struct Side {
    Outbox out;
    std::map<Socket, Endpoint> sockets;
    std::vector<SentToClient> to_clients;
    std::vector<SentToPeer> to_peers;
    std::vector<Flow> flows;
  };

  explicit Shards(Options o)
      : options(std::move(o)),
        nonces(as_bytes("secret"), std::chrono::seconds(3600)),
        credentials(default_auth()),
        ledger(options) {
    for (const std::uint8_t i : {std::uint8_t{0}, std::uint8_t{1}})
      servers[i] = std::make_unique<Server>(
          Surroundings{options, credentials, nonces, ledger, random, i, 2, &tickets});
  }

  void revoke(const Revocation& revocation) {
    for (const std::size_t i : {0U, 1U}) {
      servers[i]->revoke(now, revocation, sides[i].out);
      flush(i);
    }
  }
  void deliver(std::size_t shard, const FiveTuple& tuple, ByteView bytes) {
    servers[shard]->from_client(now, Inbound{tuple, 7, bytes}, sides[shard].out);
    flush(shard);
    if (!hold_letters) carry();
  }
  void close(std::size_t shard, const FiveTuple& tuple) {
    servers[shard]->client_closed(now, tuple, sides[shard].out);
    flush(shard);
    carry();
  }
  /// Where a datagram of the peer goes: the shard, and the client's end.
  Reached peer_reaches(const Endpoint& relayed) {
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
      for (const auto& [slot, local] : sides[i].sockets) {
        if (local != relayed) continue;
        Bytes buffer(kHeadroomBytes + 5 + kTailroomBytes);
        const std::size_t before = sides[i].to_clients.size();
        const RelayId relay{relays.at({i, slot.first}), slot.second};
        servers[i]->from_peer(now, relay, slot.second == IpFamily::V4 ? kPeer : kPeer6,
                              MutableBytes(buffer).subspan(kHeadroomBytes, 5), sides[i].out);
        flush(i);
        if (sides[i].to_clients.size() == before) return {i, {}};
        return {i, sides[i].to_clients.back().tuple.client};
      }
    }
    return {99, {}};
  }
  void carry() {
    while (!letters.empty()) {
      auto [letter, locals] = std::move(letters.front());
      letters.erase(letters.begin());
      const std::size_t to = letter.to;
      const auto adopted = servers[to]->receive(now, letter, sides[to].out);
      for (const Endpoint& local : locals) {
        ASSERT_TRUE(adopted);
        sides[to].sockets[{adopted->index, local.address.family()}] = local;
        relays[{to, adopted->index}] = *adopted;
      }
      flush(to);
    }
  }

  void flush(std::size_t shard) {
    Side& side = sides[shard];
    for (const OpenRelay& open : std::exchange(side.out.open_relays, {})) {
      side.sockets[socket_of(open.relay)] = open.local;
      relays[{shard, open.relay.allocation.index}] = open.relay.allocation;
      servers[shard]->relay_opened(now, open.relay, side.out);
    }
    for (const ToPeer& t : side.out.to_peers) {
      const auto socket = side.sockets.find(socket_of(t.relay));
      EXPECT_NE(socket, side.sockets.end());
      const Endpoint from = socket != side.sockets.end() ? socket->second : Endpoint{};
      side.to_peers.push_back({t.relay, from, t.peer, Bytes(t.bytes.begin(), t.bytes.end()), false, t.tos});
    }
    for (const CloseRelay& close : side.out.close_relays) side.sockets.erase(socket_of(close.relay));
    for (const ToClient& t : side.out.to_clients)
      side.to_clients.push_back({t.tuple, Bytes(t.bytes.begin(), t.bytes.end()), t.droppable, t.tos});
    side.flows.insert(side.flows.end(), side.out.flows.begin(), side.out.flows.end());
    for (Letter& letter : side.out.letters) {
      std::vector<Endpoint> locals;
      if (letter.allocation) {
        for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
          const auto socket = side.sockets.find({letter.departed.index, family});
          if (socket == side.sockets.end()) continue;
          locals.push_back(socket->second);
          side.sockets.erase(socket);
        }
      }
      letters.emplace_back(std::move(letter), std::move(locals));
    }
    side.out.clear();
  }

  std::uint64_t gauge(std::size_t shard) const {
    std::uint64_t sum = 0;
    for (const auto n : servers[shard]->counters().allocations) sum += n;
    return sum;
  }
  void expect_nothing_left() const {
    for (const std::size_t i : {0U, 1U}) {
      EXPECT_EQ(servers[i]->allocation_count(), 0U);
      EXPECT_EQ(gauge(i), 0U);
      EXPECT_EQ(servers[i]->counters().permissions, 0U);
      EXPECT_EQ(servers[i]->counters().channels, 0U);
      EXPECT_TRUE(sides[i].sockets.empty());
    }
    EXPECT_EQ(ledger.ports().used, 0U);
  }

  Options options;
  Seeded random{5};
  auth::NonceMaker nonces;
  auth::Credentials credentials;
  LocalLedger ledger;
  SivKey tickets{std::array<std::uint8_t, SivKey::kKeyBytes>{9}};
  std::array<std::unique_ptr<Server>, 2> servers;
  std::array<Side, 2> sides;
  std::map<std::pair<std::size_t, std::uint32_t>, SlotHandle> relays;
  std::vector<std::pair<Letter, std::vector<Endpoint>>> letters;
  bool hold_letters = false;
  Now now{TimePoint(std::chrono::seconds(5000)), WallTime(std::chrono::seconds(1'700'000'000))};
};

/// A client on one five-tuple, which the kernel has given to one shard.
struct Mover {
  Mover(Shards& s, std::size_t to, const std::string& from, Transport transport = Transport::Udp)
      : shards(s), shard(to), tuple{ep(from), ep("198.41.0.4:3478"), transport} {
    nonce = shards.nonces.make(shards.now.mono, tuple.client).text();
  }
  template <class F>
  Bytes make(Method method, F&& add) {
    Bytes out(4096);
    stun::TransactionId id{};
    store_be32(id.data(), ++transaction);
    store_be16(id.data() + 4, tuple.client.port);
    stun::MessageBuilder b(out, stun::MessageClass::Request, method, id);
    add(b);
    b.add(AttributeType::Username, std::string_view("alice"))
        .add(AttributeType::Realm, std::string_view("example.org"))
        .add(AttributeType::Nonce, nonce)
        .add_integrity(auth::long_term_key("alice", "example.org", "wonder"));
    out.resize(b.finish().size());
    return out;
  }
  Answer send(const Bytes& bytes) {
    auto& seen = shards.sides[shard].to_clients;
    const std::size_t before = seen.size();
    shards.deliver(shard, tuple, bytes);
    for (std::size_t i = seen.size(); i > before; --i) {
      if (seen[i - 1].tuple == tuple && !seen[i - 1].droppable) return Answer{seen[i - 1].bytes};
    }
    return {};
  }
  Answer allocate() {
    Answer answer = send(make(Method::Allocate, [](auto& b) {
      Client::requested_transport(b);
      b.add_flag(AttributeType::MobilityTicket);
    }));
    if (answer.code() == 0) relayed = answer.address(AttributeType::XorRelayedAddress);
    return answer;
  }
  Answer bind() {
    return send(make(Method::ChannelBind, [](auto& b) {
      b.add_channel_number(0x4000).add_xor_address(AttributeType::XorPeerAddress, kPeer);
    }));
  }
  Answer refresh(const Bytes& ticket, std::uint32_t lifetime = 600) {
    return send(make(Method::Refresh, [&](auto& b) {
      b.add_u32(AttributeType::Lifetime, lifetime);
      if (!ticket.empty()) b.add(AttributeType::MobilityTicket, ByteView(ticket));
    }));
  }
  void speak() { shards.deliver(shard, tuple, Client::channel_data(0x4000, as_bytes("here now"))); }

  Shards& shards;
  std::size_t shard;
  FiveTuple tuple;
  std::string nonce;
  std::uint32_t transaction = 0;
  Endpoint relayed;
};

struct Across : ::testing::Test {
  Shards shards{mobile()};
  Mover old{shards, 0, "192.12.0.1:40000"};
  Mover moved{shards, 1, "192.12.9.9:50000"};
  Bytes ticket;

  void begin() { begin(old); }
  void begin(Mover& mover) {
    const Answer answer = mover.allocate();
    ASSERT_EQ(answer.code(), 0);
    ticket = ticket_of(answer);
    ASSERT_EQ(mover.bind().code(), 0);
    old.relayed = mover.relayed;
  }
};

// RFC 8016 §3.2.2 MUST: the old five-tuple serves until data comes from the new one, on another shard too
TEST_F(Across, TheAllocationFollowsWhenTheClientSpeaks) {
  begin();
  const Answer answer = moved.refresh(ticket);
  ASSERT_EQ(answer.code(), 0);
  const Bytes second = ticket_of(answer);
  EXPECT_NE(second, ticket);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, old.tuple.client));
  old.speak();
  EXPECT_EQ(shards.sides[0].to_peers.size(), 1U);

  moved.speak();
  ASSERT_EQ(shards.sides[1].to_peers.size(), 1U) << "what asked for the allocation is relayed as well";
  EXPECT_EQ(shards.sides[1].to_peers.back().from, old.relayed);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
  EXPECT_EQ(shards.gauge(0), 0U);
  EXPECT_EQ(shards.gauge(1), 1U);
  EXPECT_EQ(shards.servers[0]->counters().channels, 0U);
  EXPECT_EQ(shards.servers[1]->counters().channels, 1U);
  EXPECT_EQ(old.refresh({}).code(), 437);
  EXPECT_EQ(moved.refresh({}).code(), 0);

  // And back, with the ticket that it got while the allocation was elsewhere.
  Mover back(shards, 0, "192.12.0.2:1");
  ASSERT_EQ(back.refresh(second).code(), 0);
  back.speak();
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, back.tuple.client));
  EXPECT_EQ(back.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

TEST_F(Across, FlowsEndHereAndBeginThere) {
  shards.options.tell_flows = true;
  begin();
  auto& here = shards.sides[0].flows;
  auto& there = shards.sides[1].flows;
  ASSERT_EQ(here.size(), 1U);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  ASSERT_EQ(here.size(), 1U) << "until the client speaks";
  moved.speak();
  ASSERT_EQ(here.size(), 2U);
  EXPECT_TRUE(here[1].ended);
  EXPECT_EQ(here[1].tuple, old.tuple);
  ASSERT_EQ(there.size(), 1U);
  EXPECT_FALSE(there[0].ended);
  EXPECT_EQ(there[0].tuple, moved.tuple);
  EXPECT_EQ(there[0].relay, old.relayed);
  EXPECT_EQ(there[0].until, here[0].until);
  shards.revoke({Revocation::Kind::User, "alice", shards.now.wall + std::chrono::seconds(60)});
  ASSERT_EQ(there.size(), 2U);
  EXPECT_TRUE(there[1].ended);
}

TEST_F(Across, ARequestBringsTheAllocationToo) {
  begin();
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  EXPECT_EQ(moved.refresh({}, 700).u32(AttributeType::Lifetime), 700U);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
  EXPECT_EQ(moved.allocate().code(), 437);
}

TEST_F(Across, ARetransmissionIsAnsweredAlike) {
  begin();
  const Bytes request =
      moved.make(Method::Refresh, [&](auto& b) { b.add(AttributeType::MobilityTicket, ByteView(ticket)); });
  const Bytes second = ticket_of(moved.send(request));
  EXPECT_EQ(ticket_of(moved.send(request)), second);
  moved.speak();
  EXPECT_EQ(ticket_of(moved.send(request)), second);
}

TEST_F(Across, WhatComesWhileItIsOnItsWayWaitsInOrder) {
  begin();
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  shards.hold_letters = true;
  for (int i = 0; i < 3; ++i) moved.speak();
  EXPECT_EQ(moved.refresh({}).code(), -1);
  for (int i = 0; i < 200; ++i) moved.speak();
  EXPECT_GT(shards.servers[1]->counters().drops[index(Drop::QueueFull)], 0U) << "bounded";
  shards.carry();
  EXPECT_EQ(shards.sides[1].to_peers.size(), 63U);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
}

TEST_F(Across, AnEndMeanwhileLeavesNothing) {
  begin();
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  shards.servers[0]->shut_down(shards.now, shards.sides[0].out);
  shards.flush(0);
  EXPECT_EQ(moved.refresh({}).code(), 437);
  moved.speak();
  EXPECT_FALSE(shards.servers[1]->has_allocation(moved.tuple));
  shards.expect_nothing_left();
}

TEST_F(Across, TheNewStreamsEndLeavesTheAllocationWhereItWas) {
  begin();
  Mover stream(shards, 1, "192.12.9.9:50000", Transport::Tcp);
  ASSERT_EQ(stream.refresh(ticket).code(), 0);
  shards.close(1, stream.tuple);
  EXPECT_FALSE(shards.servers[1]->has_allocation(stream.tuple));
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(0, old.tuple.client));
}

TEST_F(Across, AStreamThatEndsWhileTheAllocationComesLeavesItToTheTicket) {
  begin();
  Mover stream(shards, 1, "192.12.9.9:50000", Transport::Tcp);
  const Bytes second = ticket_of(stream.refresh(ticket));
  shards.hold_letters = true;
  stream.speak();
  shards.close(1, stream.tuple);  // carries, with the visitor gone
  EXPECT_EQ(shards.servers[1]->allocation_count(), 1U);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, Endpoint{}));
  shards.hold_letters = false;
  ASSERT_EQ(moved.refresh(second).code(), 0);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
  EXPECT_EQ(moved.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

// RFC 8016 §3.2.2 MUST: the end of the old connection moves data to the new five-tuple, on another shard too
TEST_F(Across, TheOldStreamsEndHandsTheAllocationOver) {
  Mover stream(shards, 0, "192.12.0.1:41000", Transport::Tcp);
  begin(stream);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  shards.close(0, stream.tuple);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
}

TEST_F(Across, ADetachedAllocationFollowsAtOnce) {
  Mover stream(shards, 0, "192.12.0.1:41000", Transport::Tcp);
  begin(stream);
  shards.close(0, stream.tuple);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  EXPECT_EQ(shards.peer_reaches(old.relayed), Reached(1, moved.tuple.client));
}

TEST_F(Across, ARefreshToZeroEndsItOnTheOtherShard) {
  begin();
  const Answer answer = moved.refresh(ticket, 0);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.u32(AttributeType::Lifetime), 0U);
  shards.expect_nothing_left();
}

TEST_F(Across, AFiveTupleWithAnAllocationOfItsOwnIs437) {
  begin();
  ASSERT_EQ(moved.allocate().code(), 0);
  EXPECT_EQ(moved.refresh(ticket).code(), 437);
}

// RFC 8656 §7.2 MUST: both relayed transport addresses of a dual allocation stay its own when it moves
TEST_F(Across, ADualAllocationFollowsWithBothSockets) {
  const Answer answer = old.send(old.make(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24).add_flag(AttributeType::MobilityTicket);
  }));
  ASSERT_EQ(answer.code(), 0);
  ASSERT_EQ(shards.sides[0].sockets.size(), 2U);
  const auto permit = [](Mover& mover) {
    return mover.send(mover.make(Method::CreatePermission, [](auto& b) {
      b.add_xor_address(AttributeType::XorPeerAddress, kPeer);
      b.add_xor_address(AttributeType::XorPeerAddress, kPeer6);
    }));
  };
  const std::map<Socket, Endpoint> sockets = shards.sides[0].sockets;
  ASSERT_EQ(moved.refresh(ticket_of(answer)).code(), 0);
  ASSERT_EQ(permit(moved).code(), 0) << "it brings the allocation";
  EXPECT_TRUE(shards.sides[0].sockets.empty());
  for (const auto& [slot, local] : sockets)
    EXPECT_EQ(shards.peer_reaches(local), Reached(1, moved.tuple.client)) << local.to_string();
  EXPECT_EQ(moved.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

// RFC 8656 §8.2 MUST: a Refresh to zero of one family leaves the other one, also when it is a move
TEST_F(Across, AMoveCanEndOneOfTwoFamilies) {
  const Answer answer = old.send(old.make(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24).add_flag(AttributeType::MobilityTicket);
  }));
  ticket = ticket_of(answer);
  const Bytes request = moved.make(Method::Refresh, [&](auto& b) {
    b.add_u32(AttributeType::Lifetime, 0)
        .add_u32(AttributeType::RequestedAddressFamily, 2U << 24)
        .add(AttributeType::MobilityTicket, ByteView(ticket));
  });
  for (int i = 0; i < 2; ++i) {  // a retransmission is answered alike
    const Answer cut = moved.send(request);
    ASSERT_EQ(cut.code(), 0) << i;
    EXPECT_EQ(cut.u32(AttributeType::Lifetime), 0U);
    EXPECT_FALSE(ticket_of(cut).empty());
    EXPECT_EQ(shards.sides[0].sockets.size(), 1U);
  }
  ASSERT_EQ(moved.bind().code(), 0);
  ASSERT_EQ(shards.sides[1].sockets.size(), 1U);
  EXPECT_EQ(shards.peer_reaches(shards.sides[1].sockets.begin()->second), Reached(1, moved.tuple.client));
  EXPECT_EQ(moved.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

TEST_F(Across, ARevocationMeetsAnAllocationOnItsWay) {
  begin();
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  shards.hold_letters = true;
  moved.speak();
  // Fetch at the old shard, whose letter is on its way when both shards hear of the revocation.
  auto [fetch, none] = std::move(shards.letters.front());
  shards.letters.clear();
  shards.servers[0]->receive(shards.now, fetch, shards.sides[0].out);
  shards.flush(0);
  ASSERT_EQ(shards.letters.size(), 1U);
  Revocation revocation;
  revocation.kind = Revocation::Kind::User;
  revocation.name = "alice";
  shards.revoke(revocation);
  shards.carry();
  EXPECT_EQ(shards.servers[1]->counters().allocations_ended[index(EndReason::Revoked)], 1U);
  shards.expect_nothing_left();
}

// Rates go along with an allocation: what it has spent is not given again, and the shares are the new
// shard's.
TEST(AcrossWithRates, TheAllocationKeepsItsLimits) {
  Options options = mobile();
  options.max_packets_per_second_per_allocation = 20;
  options.max_bits_per_second_per_user = 8'000'000;
  Shards shards(options);
  Mover old(shards, 0, "192.12.0.1:40000");
  Mover moved(shards, 1, "192.12.9.9:50000");
  const Bytes ticket = ticket_of(old.allocate());
  ASSERT_EQ(old.bind().code(), 0);
  for (int i = 0; i < 30; ++i) old.speak();
  EXPECT_EQ(shards.sides[0].to_peers.size(), 20U);
  ASSERT_EQ(moved.refresh(ticket).code(), 0);
  moved.speak();
  EXPECT_EQ(shards.servers[1]->allocation_count(), 1U);
  EXPECT_EQ(shards.sides[1].to_peers.size(), 0U);
  EXPECT_EQ(shards.servers[1]->counters().drops[index(Drop::PacketRate)], 1U);
  shards.now.mono += std::chrono::seconds(1);
  for (int i = 0; i < 30; ++i) moved.speak();
  EXPECT_EQ(shards.sides[1].to_peers.size(), 20U);
  EXPECT_EQ(moved.refresh({}, 0).code(), 0);
  shards.expect_nothing_left();
}

}  // namespace
}  // namespace ts::turn::testing
