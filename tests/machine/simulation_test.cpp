// SPDX-License-Identifier: Apache-2.0
// Many clients behind a network that loses 30 % of the packets, reorders 10 % and doubles 10 %, and a wall
// clock that jumps. Seeded: the same run every time.
#include <algorithm>
#include <array>
#include <deque>
#include <queue>
#include <random>

#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// RFC 8489 §6.2.1.
constexpr milliseconds kFirstRto{500};
constexpr int kRequests = 7;
constexpr int kLastWait = 16;

/// What is to happen, in the order of time.
class Timeline {
 public:
  explicit Timeline(World& world) : world_(world) {}

  void after(Duration delay, std::function<void()> action) {
    queue_.push(Event{world_.now.mono + delay, next_++, std::move(action)});
  }
  /// Runs what is due within the time, and the server's deadlines between.
  void run_for(Duration time) {
    const TimePoint until = world_.now.mono + time;
    while (true) {
      const auto deadline = world_.server.next_deadline();
      const bool event_first = !queue_.empty() && (!deadline || queue_.top().when < *deadline);
      if (!event_first && !deadline) break;
      const TimePoint when = event_first ? queue_.top().when : *deadline;
      if (when > until) break;
      world_.advance(std::max(when - world_.now.mono, Duration::zero()));
      if (event_first) {
        const auto action = queue_.top().action;
        queue_.pop();
        action();
      } else {
        world_.tick();
      }
    }
    world_.advance(until - world_.now.mono);
    world_.tick();
  }

 private:
  struct Event {
    TimePoint when;
    std::uint64_t number;
    std::function<void()> action;
    bool operator<(const Event& other) const {
      return std::tie(when, number) > std::tie(other.when, other.number);
    }
  };
  World& world_;
  std::priority_queue<Event> queue_;
  std::uint64_t next_ = 0;
};

/// What a network does to packets.
class Network {
 public:
  Network(Timeline& timeline, unsigned seed) : timeline_(timeline), random_(seed) {}

  void carry(const std::function<void()>& arrive) {
    ++sent;
    if (percent(30)) {
      ++lost;
      return;
    }
    timeline_.after(delay(), arrive);
    if (percent(10)) {
      ++doubled;
      timeline_.after(delay(), arrive);
    }
  }
  std::uint64_t sent = 0;
  std::uint64_t lost = 0;
  std::uint64_t doubled = 0;

 private:
  bool percent(unsigned chance) { return random_() % 100 < chance; }
  /// One in ten is overtaken by those behind it.
  Duration delay() {
    const auto usual = milliseconds(20 + random_() % 20);
    return percent(10) ? usual + milliseconds(100 + random_() % 300) : usual;
  }
  Timeline& timeline_;
  std::mt19937 random_;
};

class Simulation;

/// A client that does as RFC 8489 §6.2.1 and RFC 8656 §7.4 say, and the peer behind its allocation.
class Actor {
 public:
  Actor(Simulation& simulation, int number);

  void start();
  void leave();
  void receive(const SentToClient& sent);
  void peer_receives(const SentToPeer& sent);

  enum class Step : std::uint8_t { Allocate, Permit, Bind, Talk, Leave, Gone };
  Step step = Step::Allocate;
  Client client;
  Endpoint peer;
  int orphans = 0;
  int timeouts = 0;
  std::uint64_t echoed = 0;

 private:
  void ask(Bytes request, int tries);
  void begin();
  void answered(const Answer& answer);
  void timed_out();
  void talk();
  std::uint64_t stamp() const { return std::uint64_t{static_cast<unsigned>(number_)} << 32; }

  Simulation& simulation_;
  int number_;
  std::uint64_t asking_ = 0;  // counts transactions: older timers are stale
  Bytes request_;
  bool answered_ = true;
  int moves_ = 0;
  std::uint64_t said_ = 0;
};

Options simulation_options() {
  Options o = default_options();
  o.ports = {50000, 50511};
  o.tell_flows = true;
  return o;
}
/// Flows that have begun and not ended.
std::size_t flows_told(const World& world) {
  std::set<std::pair<std::string, std::uint16_t>> out;
  for (const Flow& flow : world.flows) {
    const std::pair name(flow.tuple.client.to_string(), flow.channel);
    if (!flow.ended) {
      out.insert(name);
    } else {
      EXPECT_EQ(out.erase(name), 1U) << name.first << ": an end of what never began";
    }
  }
  return out.size();
}
auth::Options short_nonces() {
  auth::Options o = default_auth();
  o.nonce_lifetime = seconds(20);
  return o;
}

class Simulation {
 public:
  Simulation(unsigned seed, int actor_count)
      : world(simulation_options(), seed, short_nonces()), timeline(world), network(timeline, seed) {
    for (int i = 0; i < actor_count; ++i) actors.push_back(std::make_unique<Actor>(*this, i));
  }

  /// A packet from a client, through the network.
  void to_server(const FiveTuple& tuple, const Bytes& bytes) {
    network.carry([this, tuple, bytes] {
      world.deliver(tuple, bytes);
      route();
    });
  }
  /// A datagram from a peer to a relayed transport address.
  void to_relay(const Endpoint& peer, const Endpoint& relayed, const Bytes& bytes) {
    network.carry([this, peer, relayed, bytes] {
      const RelayId relay = world.relay_at(relayed);
      world.peer_sends(relay, peer, bytes);
      route();
    });
  }
  /// What the server sent goes on its way.
  void route() {
    for (const SentToClient& sent : std::exchange(world.to_clients, {})) {
      network.carry([this, sent] {
        for (const auto& actor : actors) {
          if (actor->client.tuple == sent.tuple) actor->receive(sent);
        }
      });
    }
    for (const SentToPeer& sent : std::exchange(world.to_peers, {})) {
      network.carry([this, sent] {
        for (const auto& actor : actors) {
          if (actor->peer == sent.peer) actor->peer_receives(sent);
        }
      });
    }
  }
  int orphans() const {
    int out = 0;
    for (const auto& actor : actors) out += actor->orphans;
    return out;
  }

  World world;
  Timeline timeline;
  Network network;
  std::vector<std::unique_ptr<Actor>> actors;
};

std::string address_of(int number, int move) {
  return "192.12." + std::to_string(number % 200) + ".1:" + std::to_string(40'000 + number + 1000 * move);
}

Actor::Actor(Simulation& simulation, int number)
    : client(simulation.world, address_of(number, 0)),
      peer{IpAddress::v4(8, 8, static_cast<std::uint8_t>(number), 8),
           static_cast<std::uint16_t>(5000 + number)},
      simulation_(simulation),
      number_(number) {
  client.nonce.clear();
}

void Actor::start() { begin(); }

/// A new transaction for the step.
void Actor::begin() {
  switch (step) {
    case Step::Allocate:
      // The first goes without credentials, as RFC 8489 §9.2.3.1 asks.
      request_ = client.nonce.empty() ? client.make_plain(stun::MessageClass::Request, Method::Allocate,
                                                          Client::requested_transport)
                                      : client.make(Method::Allocate, Client::requested_transport);
      break;
    case Step::Permit:
      request_ = client.make(Method::CreatePermission,
                             [&](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, peer); });
      break;
    case Step::Bind:
      request_ = client.make(Method::ChannelBind, [&](auto& b) {
        b.add_channel_number(static_cast<std::uint16_t>(0x4000 + number_))
            .add_xor_address(AttributeType::XorPeerAddress, peer);
      });
      break;
    case Step::Leave:
      request_ = client.make(Method::Refresh, [](auto& b) { b.add_u32(AttributeType::Lifetime, 0); });
      break;
    default: return;
  }
  answered_ = false;
  ++asking_;
  ask(request_, 0);
}

void Actor::ask(Bytes request, int tries) {
  if (tries == kRequests) return timed_out();
  simulation_.to_server(client.tuple, request);
  const Duration wait = tries + 1 < kRequests ? kFirstRto * (1 << tries) : kFirstRto * kLastWait;
  simulation_.timeline.after(wait, [this, request = std::move(request), tries, mine = asking_] {
    if (!answered_ && mine == asking_) ask(request, tries + 1);
  });
}

/// The transaction has failed; its effect may be there. The next one shows.
void Actor::timed_out() {
  ++timeouts;
  begin();
}

void Actor::receive(const SentToClient& sent) {
  if (sent.bytes[0] >= 0x40) {
    const auto data = stun::parse_channel_data(sent.bytes);
    ASSERT_TRUE(data);
    ASSERT_EQ(data->channel, 0x4000 + number_);
    ASSERT_EQ(data->data.size(), 8U);
    ASSERT_EQ(load_be64(data->data.data()) >> 32, static_cast<std::uint64_t>(number_)) << "another's data";
    ++echoed;
    return;
  }
  const Answer answer{sent.bytes};
  ASSERT_TRUE(stun::MessageView::parse(sent.bytes));
  if (answer.view().message_class() == stun::MessageClass::Indication) {
    ASSERT_EQ(answer.address(AttributeType::XorPeerAddress), peer);
    ASSERT_EQ(load_be64(answer.attribute(AttributeType::Data).value().data()) >> 32,
              static_cast<std::uint64_t>(number_));
    ++echoed;
    return;
  }
  const auto id = answer.view().transaction_id();
  if (answered_ || !std::equal(id.begin(), id.end(), request_.begin() + 8)) return;  // a copy, or late
  answered_ = true;
  answered(answer);
}

void Actor::answered(const Answer& answer) {
  const int code = answer.code();
  if (code == 401 || code == 438) {
    client.nonce = as_text(answer.attribute(AttributeType::Nonce).value());
    return begin();
  }
  if (step == Step::Allocate && code == 437) {
    // A success that never arrived: another address (RFC 8656 §7.4); the allocation there will expire.
    ASSERT_GT(timeouts, 0) << "a mismatch that the client has not earned";
    ++orphans;
    client.tuple.client = ep(address_of(number_, ++moves_));
    client.nonce.clear();
    return begin();
  }
  const bool gone_already = step == Step::Leave && code == 437;  // RFC 8656 §8.3
  ASSERT_TRUE(code == 0 || gone_already) << code << " in step " << static_cast<int>(step);
  if (step == Step::Allocate) client.relayed = answer.address(AttributeType::XorRelayedAddress);
  step = static_cast<Step>(static_cast<int>(step) + 1);
  if (step == Step::Talk) return talk();
  begin();
}

/// Every other datagram goes by the channel.
void Actor::talk() {
  if (step != Step::Talk) return;
  Bytes data(8);
  store_be64(data.data(), stamp() | ++said_);
  if (said_ % 2 == 0) {
    simulation_.to_server(client.tuple,
                          Client::channel_data(static_cast<std::uint16_t>(0x4000 + number_), data));
  } else {
    simulation_.to_server(
        client.tuple, client.make_plain(stun::MessageClass::Indication, Method::Send, [&](auto& b) {
          b.add_xor_address(AttributeType::XorPeerAddress, peer).add(AttributeType::Data, data);
        }));
  }
  simulation_.timeline.after(milliseconds(200), [this] { talk(); });
}

void Actor::peer_receives(const SentToPeer& sent) {
  ASSERT_EQ(sent.from, client.relayed);
  ASSERT_EQ(sent.bytes.size(), 8U);
  ASSERT_EQ(load_be64(sent.bytes.data()) >> 32, static_cast<std::uint64_t>(number_)) << "another's data";
  simulation_.to_relay(peer, sent.from, sent.bytes);
}

void Actor::leave() {
  ASSERT_EQ(step, Step::Talk);
  step = Step::Leave;
  begin();
}

// RFC 8489 §6.3.1 MUST: a retransmitted request leaves the state as it was and gets an equivalent response
// RFC 8656 §5 MUST: a retransmitted request is answered as the first, without a second effect
TEST(Simulation, LossReorderingAndCopiesDoubleNothingAndLoseNothing) {
  constexpr int kActors = 60;
  int timeouts = 0;
  int orphans = 0;
  for (unsigned seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation s(seed, kActors);
    int stagger = 0;
    for (const auto& actor : s.actors) {
      s.timeline.after(milliseconds(13 * stagger++), [&actor] { actor->start(); });
    }
    s.timeline.run_for(seconds(150));

    std::vector<Endpoint> relayed;
    for (const auto& actor : s.actors) {
      ASSERT_EQ(actor->step, Actor::Step::Talk) << "an allocation that is not established";
      ASSERT_TRUE(s.world.server.has_allocation(actor->client.tuple));
      EXPECT_GT(actor->echoed, 20U);
      relayed.push_back(actor->client.relayed);
      timeouts += actor->timeouts;
    }
    std::sort(relayed.begin(), relayed.end());
    EXPECT_EQ(std::adjacent_find(relayed.begin(), relayed.end()), relayed.end()) << "one address for two";
    // None doubled: those that clients know, and those whose answers never reached them.
    const auto live = static_cast<std::size_t>(kActors + s.orphans());
    EXPECT_EQ(s.world.gauges(), (Gauges{live, kActors, kActors, live, live}));
    EXPECT_EQ(s.world.server.counters().allocations_created, live);
    EXPECT_EQ(flows_told(s.world), static_cast<std::size_t>(kActors));
    EXPECT_EQ(s.world.broken_invariant(), "");
    EXPECT_GT(s.network.lost, s.network.sent / 4);
    EXPECT_GT(s.network.doubled, 0U);
    orphans += s.orphans();

    for (const auto& actor : s.actors) actor->leave();
    s.timeline.run_for(seconds(100));
    for (const auto& actor : s.actors) EXPECT_EQ(actor->step, Actor::Step::Gone);
    EXPECT_EQ(s.world.gauges().allocations, static_cast<std::size_t>(s.orphans()));
    EXPECT_EQ(flows_told(s.world), 0U);
    s.timeline.run_for(seconds(600));
    EXPECT_EQ(s.world.gauges(), Gauges{});
    EXPECT_EQ(s.world.server.next_deadline(), std::nullopt);
    if (::testing::Test::HasFatalFailure()) return;
  }
  // The network is bad enough that whole transactions fail.
  EXPECT_GT(timeouts, 0);
  EXPECT_GT(orphans, 0);
}

/// Lets the wall clock jump.
void jump(World& world, Duration by) {
  world.wall += by;
  world.advance(Duration::zero());
}

constexpr std::array<hours, 2> kJumps{hours(1), hours(-1)};

// RFC 8656 §9 MUST: a permission lasts 300 seconds
// RFC 8656 §12 MUST: a channel lasts 600 seconds and is refreshed by ChannelBind only
TEST(WallClock, JumpsEndNothingEarlyOrLate) {
  for (const hours by : kJumps) {
    for (int at = 0; at < 600; at += 37) {  // the second of the jump
      World world;
      Client alice(world);
      Client bob(world, "192.12.0.2:1", Transport::Udp, "bob", "builder");
      ASSERT_EQ(alice.allocate().code(), 0);
      ASSERT_EQ(bob.allocate([](auto& b) { b.add_u32(AttributeType::Lifetime, 700); }).code(), 0);
      ASSERT_EQ(bob.bind(0x4000, ep("8.8.8.8:5000")).code(), 0);
      for (int second = 0; second < 700; ++second) {
        ASSERT_EQ(world.server.has_allocation(alice.tuple), second < 600) << second;
        ASSERT_EQ(world.gauges().permissions, second < 300 ? 1U : 0U) << second;
        ASSERT_EQ(world.gauges().channels, second < 600 ? 1U : 0U) << second;
        if (second == at) jump(world, by);
        world.advance(seconds(1));
        world.tick();
      }
      EXPECT_EQ(world.gauges(), Gauges{});
    }
  }
}

TEST(WallClock, JumpsLeaveNoncesAndReservationsAsTheyWere) {
  for (const hours by : kJumps) {
    World world(default_options(), 1, short_nonces());
    Client alice(world);
    jump(world, by);
    const Answer first = alice.allocate([](auto& b) { b.add(AttributeType::EvenPort, as_bytes("\x80")); });
    ASSERT_EQ(first.code(), 0);
    const auto value = first.attribute(AttributeType::ReservationToken).value();
    const Bytes token(value.begin(), value.end());
    world.advance(seconds(19));
    jump(world, by);
    EXPECT_EQ(alice.refresh(600).code(), 0);
    world.advance(seconds(2));
    EXPECT_EQ(alice.refresh(600).code(), 438);
    world.advance(seconds(8));
    Client second(world, "192.12.0.1:40001");
    EXPECT_EQ(second.allocate([&](auto& b) { b.add(AttributeType::ReservationToken, token); }).code(), 0);
  }
}

TEST(WallClock, EphemeralCredentialsAreJudgedByTheWall) {
  World world;
  const auto minted = auth::mint("north", "eve", world.now.wall + seconds(1800));
  const auto eve = [&](const std::string& from) {
    return Client(world, from, Transport::Udp, minted.username, minted.password);
  };
  Client before = eve("192.12.0.1:1");
  ASSERT_EQ(before.allocate().code(), 0);
  jump(world, hours(1));
  EXPECT_EQ(eve("192.12.0.1:2").allocate().code(), 401);
  EXPECT_EQ(before.refresh(600).code(), 0);  // what lives goes on
  jump(world, hours(-1));
  EXPECT_EQ(eve("192.12.0.1:3").allocate().code(), 0);
  jump(world, hours(-1));
  EXPECT_EQ(eve("192.12.0.1:4").allocate().code(), 0);
}

}  // namespace
}  // namespace ts::turn::testing
