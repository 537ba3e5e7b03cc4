// SPDX-License-Identifier: Apache-2.0
// Two Servers between which a client moves (RFC 8016): what shards share, a shell that carries letters and
// relay sockets, and a client that the kernel has given to one of them.
#pragma once

#include <algorithm>

#include <gtest/gtest.h>

#include "mobility.hpp"

namespace ts::turn::testing {

inline const Endpoint kPeer = ep("192.12.0.77:7000");
inline const Endpoint kPeer6 = ep("[2620:fe::77]:7000");

/// A shard, and the client that it sends to.
using Reached = std::pair<std::size_t, Endpoint>;

/// A relay socket: slot index and family.
using Socket = std::pair<std::uint32_t, IpFamily>;
inline Socket socket_of(const RelayId& relay) { return {relay.allocation.index, relay.family}; }

/// Two Servers with what shards share, and a shell that carries letters and relay sockets.
struct Shards {
  struct Side {
    Outbox out;
    std::map<Socket, Endpoint> sockets;
    std::vector<SentToClient> to_clients;
    std::vector<SentToPeer> to_peers;
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
    while (!letters.empty()) carry_one();
  }
  void carry_one() {
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
  /// The first letter comes after the others.
  void delay_first() { std::rotate(letters.begin(), letters.begin() + 1, letters.end()); }

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
    b.add(AttributeType::Username, user)
        .add(AttributeType::Realm, std::string_view("example.org"))
        .add(AttributeType::Nonce, nonce)
        .add_integrity(auth::long_term_key(user, "example.org", password));
    out.resize(b.finish().size());
    return out;
  }
  std::size_t seen() const { return shards.sides[shard].to_clients.size(); }
  Answer send(const Bytes& bytes) {
    const std::size_t before = seen();
    shards.deliver(shard, tuple, bytes);
    return answer_since(before);
  }
  /// What the letters that were held bring.
  Answer carried() {
    const std::size_t before = seen();
    shards.carry();
    return answer_since(before);
  }
  Answer answer_since(std::size_t before) const {
    const auto& seen = shards.sides[shard].to_clients;
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
  std::string user = "alice";
  std::string password = "wonder";
  std::string nonce;
  std::uint32_t transaction = 0;
  Endpoint relayed;
};

/// An allocation on shard 0, whose client moves to shard 1.
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

}  // namespace ts::turn::testing
