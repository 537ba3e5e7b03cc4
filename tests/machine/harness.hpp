// SPDX-License-Identifier: Apache-2.0
// A turn::Server on a fake clock with a fake shell that opens relays, and a scripted client. Header only and
// without a test framework, so that fuzzers and benchmarks use it too.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <turnstone/auth/hook.hpp>
#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/integrity.hpp>
#include <turnstone/turn/server.hpp>

namespace ts::turn::testing {

using Bytes = std::vector<std::uint8_t>;
using stun::AttributeType;
using stun::Method;

inline IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }
inline Endpoint ep(const std::string& text) { return Endpoint::parse(text).value(); }

class Seeded final : public RandomSource {
 public:
  explicit Seeded(std::uint64_t seed) : state_(seed * 2 + 1) { below(2), below(2); }
  void fill(MutableBytes out) noexcept override {
    for (auto& byte : out) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      byte = static_cast<std::uint8_t>(state_ >> 56);
    }
  }

 private:
  std::uint64_t state_;
};

/// What came back, if anything.
struct Answer {
  Bytes bytes;

  bool none() const { return bytes.empty(); }
  stun::MessageView view() const { return *stun::MessageView::parse(bytes); }
  /// 0: success; an error code; -1: no answer; -2: something else.
  int code() const {
    if (none()) return -1;
    if (view().message_class() == stun::MessageClass::SuccessResponse) return 0;
    const auto error = attribute(AttributeType::ErrorCode);
    const auto value = error ? stun::decode_error_code(*error) : std::nullopt;
    return value ? value->code : -2;
  }
  std::optional<ByteView> attribute(AttributeType type) const { return view().find(type); }
  std::uint32_t u32(AttributeType type) const { return stun::decode_u32(attribute(type).value()).value(); }
  Endpoint address(AttributeType type) const {
    return stun::decode_xor_address(attribute(type).value(), view().transaction_id()).value();
  }
  /// The types in the answer, in order.
  std::vector<AttributeType> types() const {
    std::vector<AttributeType> out;
    view().for_each([&](const stun::Attribute& a) { out.push_back(a.type); });
    return out;
  }
};

struct SentToClient {
  FiveTuple tuple;
  Bytes bytes;
  bool droppable;
  std::uint8_t tos;
};
struct SentToPeer {
  RelayId relay;
  Endpoint from;
  Endpoint peer;
  Bytes bytes;
  bool dont_fragment;
  std::uint8_t tos;
};

/// What must come back to where it was.
struct Gauges {
  std::size_t allocations = 0;
  std::uint64_t permissions = 0;
  std::uint64_t channels = 0;
  std::uint64_t ports_used = 0;
  std::size_t sockets = 0;
  friend bool operator==(const Gauges&, const Gauges&) = default;
};

inline Options default_options() {
  Options out;
  out.relay_addresses = {{ip("198.41.0.4"), ip("198.41.0.4")}, {ip("2620:fe::9"), ip("2620:fe::9")}};
  out.ports = {50000, 50127};
  return out;
}

/// Limits so small that they are reached. There are two relay ports for each allocation.
inline Options tight_options(std::uint32_t allocations, std::uint32_t of_one_user, std::uint32_t permissions,
                             std::uint32_t channels) {
  Options out = default_options();
  out.ports = {50000, static_cast<std::uint16_t>(49999 + 2 * allocations)};
  out.max_allocations = allocations;
  out.max_allocations_per_user = of_one_user;
  out.max_permissions_per_allocation = permissions;
  out.max_channels_per_allocation = channels;
  return out;
}

inline auth::Options default_auth() {
  auth::Options out;
  out.realm = "example.org";
  out.users = {{"alice", "wonder"}, {"bob", "builder"}};
  out.secrets = {"north"};
  return out;
}

/// The server, its surroundings and the shell.
class World {
 public:
  explicit World(Options o = default_options(), std::uint64_t seed = 1, auth::Options a = default_auth(),
                 std::uint8_t shard = 0, std::uint8_t shard_count = 1)
      : options(std::move(o)),
        auth_options(std::move(a)),
        random(seed),
        nonces(as_bytes("secret"), auth_options.nonce_lifetime),
        credentials(auth_options),
        ledger(options),
        server(Surroundings{options, credentials, nonces, ledger, random, shard, shard_count, nullptr,
                            nullptr, &auth_options.hook}) {}

  /// Delivers exactly these bytes (in a buffer of exactly their size) and flushes.
  void deliver(const FiveTuple& tuple, ByteView bytes, std::uint8_t tos = 0) {
    const auto copy = std::make_unique<std::uint8_t[]>(bytes.size());
    if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
    server.from_client(now, Inbound{tuple, 7, ByteView(copy.get(), bytes.size()), tos}, outbox);
    flush();
  }

  /// A peer's datagram at a relay.
  void peer_sends(const RelayId& relay, const Endpoint& peer, ByteView payload, std::uint8_t tos = 0) {
    const auto buffer = std::make_unique<std::uint8_t[]>(kHeadroomBytes + payload.size() + kTailroomBytes);
    std::memset(buffer.get(), 0xEE, kHeadroomBytes + payload.size() + kTailroomBytes);
    if (!payload.empty()) std::memcpy(buffer.get() + kHeadroomBytes, payload.data(), payload.size());
    server.from_peer(now, relay, peer, MutableBytes(buffer.get() + kHeadroomBytes, payload.size()), outbox,
                     tos);
    flush();
  }
  void peer_error(const RelayId& relay, const Endpoint& peer, const IcmpError& error) {
    server.from_peer_error(now, relay, peer, error, outbox), flush();
  }

  void peer_connected(ConnectionId id) { server.peer_connected(now, id, outbox), flush(); }
  void peer_refuses(ConnectionId id, ConnectError error = ConnectError::Refused) {
    server.peer_connect_failed(now, id, error, outbox), flush();
  }
  std::optional<ConnectionId> peer_comes(const RelayId& relay, const Endpoint& peer) {
    const auto id = server.peer_accepted(now, relay, peer, outbox);
    flush();
    return id;
  }
  void answer_ask(std::uint64_t question, const auth::HookAnswer& answer) {
    server.credential_answered(now, question, answer, outbox), flush();
  }
  void tick() { server.tick(now, outbox), flush(); }
  void client_closed(const FiveTuple& tuple) { server.client_closed(now, tuple, outbox), flush(); }
  void relay_broke(RelayId relay) {  // by value: erasing the socket may end the argument
    sockets.erase(key(relay));
    server.relay_failed(now, relay, RelayError::Broken, outbox), flush();
  }
  void shut_down() { server.shut_down(now, outbox), flush(); }
  void advance(Duration d) {
    wall += d;
    now.mono += d;
    now.wall = std::chrono::floor<std::chrono::seconds>(std::chrono::sys_time<Duration>(wall));
  }

  /// Answers the opens that were held back.
  void answer_opens() {
    const auto held = std::exchange(held_opens, {});
    for (const OpenRelay& open : held) answer_open(open);
    flush();
  }

  RelayId relay_at(const Endpoint& relayed) const {
    for (const auto& [id, socket] : sockets) {
      if (socket.local == relayed) return socket.relay;
    }
    return RelayId{};
  }

  Gauges gauges() const {
    const Counters& c = server.counters();
    return {server.allocation_count(), c.permissions, c.channels, ledger.ports().used, sockets.size()};
  }

  /// What is wrong with the books; empty when nothing is.
  std::string broken_invariant() const {
    const Counters& c = server.counters();
    std::uint64_t live = 0;
    for (const auto n : c.allocations) live += n;
    std::uint64_t ended = 0;
    for (const auto n : c.allocations_ended) ended += n;
    const std::size_t with_socket = allocations_with_socket();
    if (live != with_socket) return "allocations gauge is not the number of those with open sockets";
    // An open that is held may be for an allocation that has ended meanwhile.
    const std::size_t count = server.allocation_count();
    if (count < with_socket || count > with_socket + held_opens.size())
      return "an allocation without a socket";
    if (c.allocations_created - ended != live) return "created - ended is not the gauge";
    if (events_started - events_ended != live) return "events do not add up";
    if (c.permissions > live * 4096 || c.channels > live * 4096) return "a gauge went below zero";
    if (ledger.ports().used < std::max(server.allocation_count(), sockets.size()))
      return "an allocation without a port";
    if (!shell_error.empty()) return shell_error;
    return {};
  }

  Options options;
  auth::Options auth_options;
  Seeded random;
  auth::NonceMaker nonces;
  auth::Credentials credentials;
  LocalLedger ledger;
  Server server;
  Outbox outbox;
  std::chrono::nanoseconds wall{std::chrono::seconds(1'700'000'000)};
  Now now{TimePoint(std::chrono::seconds(5000)), WallTime(std::chrono::seconds(1'700'000'000))};

  /// Decides how an open ends; nothing: well.
  std::function<std::optional<RelayError>(const OpenRelay&)> opener;
  bool hold_opens = false;
  std::vector<OpenRelay> held_opens;

  struct Socket {
    RelayId relay;
    Endpoint local;
  };
  std::map<std::tuple<std::uint32_t, std::uint32_t, IpFamily>, Socket> sockets;
  std::vector<SentToClient> to_clients;
  std::vector<SentToPeer> to_peers;
  std::vector<AllocationEvent> events;
  /// With Options::tell_flows.
  std::vector<Flow> flows;
  // RFC 6062: what was asked for; the test reports the outcomes.
  std::vector<OpenRelay> relay_opens;
  std::vector<ConnectPeer> connects;
  std::vector<ConnectionId> closed_connections;
  std::vector<BindData> binds;
  std::vector<HandOver> hand_overs;
  /// Questions to the external source; the test answers them.
  std::vector<AskCredential> asks;
  std::vector<Endpoint> opened;
  std::uint64_t events_started = 0;
  std::uint64_t events_ended = 0;
  std::string shell_error;
  bool keep_history = true;

 private:
  static std::tuple<std::uint32_t, std::uint32_t, IpFamily> key(const RelayId& relay) {
    return {relay.allocation.index, relay.allocation.generation, relay.family};
  }

  std::size_t allocations_with_socket() const {
    std::set<std::pair<std::uint32_t, std::uint32_t>> out;
    for (const auto& [id, socket] : sockets) out.emplace(std::get<0>(id), std::get<1>(id));
    // One that still waits for its second socket does not count yet.
    for (const OpenRelay& held : held_opens)
      out.erase({held.relay.allocation.index, held.relay.allocation.generation});
    return out.size();
  }

  void answer_open(const OpenRelay& open) {
    for (const auto& [id, socket] : sockets) {
      if (socket.local == open.local) {  // as a kernel answers: the socket there is about to be closed
        server.relay_failed(now, open.relay, RelayError::AddressInUse, outbox);
        return;
      }
    }
    if (const auto error = opener ? opener(open) : std::nullopt) {
      server.relay_failed(now, open.relay, *error, outbox);
      return;
    }
    sockets[key(open.relay)] = Socket{open.relay, open.local};
    if (keep_history) opened.push_back(open.local), relay_opens.push_back(open);
    server.relay_opened(now, open.relay, outbox);
  }

  void flush() {
    while (!outbox.open_relays.empty() || !outbox.close_relays.empty()) {
      const auto closes = std::exchange(outbox.close_relays, {});
      for (const CloseRelay& close : closes) sockets.erase(key(close.relay));
      const auto opens = std::exchange(outbox.open_relays, {});
      for (const OpenRelay& open : opens) {
        if (hold_opens) {
          held_opens.push_back(open);
        } else {
          answer_open(open);
        }
      }
    }
    for (const ToClient& t : outbox.to_clients) {
      if (t.bytes.empty()) shell_error = "an empty transmit";
      if (t.route != 7) shell_error = "a wrong route";
      to_clients.push_back({t.tuple, Bytes(t.bytes.begin(), t.bytes.end()), t.droppable, t.tos});
    }
    for (const ToPeer& t : outbox.to_peers) {
      const auto socket = sockets.find(key(t.relay));
      if (socket == sockets.end()) shell_error = "a datagram for a relay that is not open";
      const Endpoint from = socket != sockets.end() ? socket->second.local : Endpoint{};
      to_peers.push_back(
          {t.relay, from, t.peer, Bytes(t.bytes.begin(), t.bytes.end()), t.dont_fragment, t.tos});
    }
    for (AllocationEvent& e : outbox.events) {
      ++(e.ended ? events_ended : events_started);
      if (keep_history) events.push_back(std::move(e));
    }
    flows.insert(flows.end(), outbox.flows.begin(), outbox.flows.end());
    connects.insert(connects.end(), outbox.connect_peers.begin(), outbox.connect_peers.end());
    for (const CloseConnection& c : outbox.close_connections) closed_connections.push_back(c.connection);
    binds.insert(binds.end(), outbox.bind_data.begin(), outbox.bind_data.end());
    hand_overs.insert(hand_overs.end(), outbox.hand_overs.begin(), outbox.hand_overs.end());
    asks.insert(asks.end(), outbox.asks.begin(), outbox.asks.end());
    outbox.clear();
  }
};

/// A client on one five-tuple: remembers realm and nonce, signs, counts transaction ids.
class Client {
 public:
  explicit Client(World& w, const std::string& from = "192.12.0.1:40000",
                  Transport transport = Transport::Udp, std::string user = "alice",
                  std::string pass = "wonder")
      : world(w), username(std::move(user)), password(std::move(pass)) {
    tuple.client = ep(from);
    tuple.server = tuple.client.address.is_v4() ? ep("198.41.0.4:3478") : ep("[2620:fe::9]:3478");
    tuple.transport = transport;
    renew_nonce();
  }

  HmacSha1Key key() const { return auth::long_term_key(username, realm, password); }
  void renew_nonce() { nonce = world.nonces.make(world.now.mono, tuple.client).text(); }

  /// A signed request with the attributes that `add` adds.
  template <class F>
  Bytes make(Method method, F&& add) {
    ++transaction;
    Bytes out(70'000);
    stun::MessageBuilder builder(out, stun::MessageClass::Request, method, id());
    add(builder);
    builder.add(AttributeType::Username, username)
        .add(AttributeType::Realm, realm)
        .add(AttributeType::Nonce, nonce)
        .add_integrity(key());
    out.resize(builder.finish().size());
    return out;
  }
  /// Any message without credentials.
  template <class F>
  Bytes make_plain(stun::MessageClass message_class, Method method, F&& add) {
    ++transaction;
    Bytes out(70'000);
    stun::MessageBuilder builder(out, message_class, method, id());
    add(builder);
    out.resize(builder.finish().size());
    return out;
  }

  /// Delivers and returns the last answer on this five-tuple to this very delivery.
  Answer send(const Bytes& bytes) {
    const std::size_t before = world.to_clients.size();
    world.deliver(tuple, bytes);
    return answer_since(before);
  }
  Answer answer_since(std::size_t before) const {
    for (std::size_t i = world.to_clients.size(); i > before; --i) {
      const SentToClient& sent = world.to_clients[i - 1];
      if (sent.tuple == tuple && !sent.droppable) return Answer{sent.bytes};
    }
    return {};
  }

  template <class F>
  Answer request(Method method, F&& add) {
    return send(make(method, add));
  }
  static void requested_transport(stun::MessageBuilder& b) {
    b.add_u32(AttributeType::RequestedTransport, std::uint32_t{stun::kTransportUdp} << 24);
  }
  static void address_family(stun::MessageBuilder& b, std::uint8_t code) {
    b.add_u32(AttributeType::RequestedAddressFamily, std::uint32_t{code} << 24);
  }
  Answer allocate() {
    return allocate([](auto&) {});
  }
  template <class F>
  Answer allocate(F&& more) {
    Answer answer = request(Method::Allocate, [&](auto& b) { requested_transport(b), more(b); });
    if (answer.code() == 0) relayed = answer.address(AttributeType::XorRelayedAddress);
    return answer;
  }
  Answer refresh(std::uint32_t seconds) {
    return request(Method::Refresh, [&](auto& b) { b.add_u32(AttributeType::Lifetime, seconds); });
  }
  Answer permit(const std::vector<Endpoint>& peers) {
    return request(Method::CreatePermission, [&](auto& b) {
      for (const Endpoint& peer : peers) b.add_xor_address(AttributeType::XorPeerAddress, peer);
    });
  }
  Answer bind(std::uint16_t channel, const Endpoint& peer) {
    return request(Method::ChannelBind, [&](auto& b) {
      b.add_channel_number(channel).add_xor_address(AttributeType::XorPeerAddress, peer);
    });
  }
  void send_indication(const Endpoint& peer, ByteView data, bool dont_fragment = false) {
    world.deliver(tuple, make_plain(stun::MessageClass::Indication, Method::Send, [&](auto& b) {
                    b.add_xor_address(AttributeType::XorPeerAddress, peer).add(AttributeType::Data, data);
                    if (dont_fragment) b.add_flag(AttributeType::DontFragment);
                  }));
  }
  static Bytes channel_data(std::uint16_t channel, ByteView data) {
    Bytes out(stun::kChannelDataHeaderBytes + data.size());
    stun::write_channel_data_header(out.data(), channel, data.size());
    if (!data.empty()) std::memcpy(out.data() + stun::kChannelDataHeaderBytes, data.data(), data.size());
    return out;
  }
  void send_channel(std::uint16_t channel, ByteView data) {
    world.deliver(tuple, channel_data(channel, data));
  }
  RelayId relay() const { return world.relay_at(relayed); }
  stun::TransactionId id() const {
    stun::TransactionId out{};
    store_be64(out.data(), transaction);
    store_be16(out.data() + 8, tuple.client.port);
    return out;
  }

  World& world;
  FiveTuple tuple;
  std::string username;
  std::string password;
  std::string realm = "example.org";
  std::string nonce;
  std::uint64_t transaction = 0;
  Endpoint relayed;
};

}  // namespace ts::turn::testing
