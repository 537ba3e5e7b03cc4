// SPDX-License-Identifier: Apache-2.0
// The kernel program beside the core: the same datagrams through both, what comes out compared byte by byte.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <turnstone/offload/offload.hpp>

#include "../../src/offload/entries.hpp"
#include "kernel.hpp"
#include "machine/harness.hpp"

namespace ts::offload::testing {
namespace {

using turn::testing::Client;
using turn::testing::ep;
using turn::testing::ip;
using turn::testing::World;

constexpr std::uint32_t kEpoch = 7;
constexpr int kPassedUp = TC_ACT_UNSPEC;
constexpr int kSent = TC_ACT_REDIRECT;
constexpr int kDropped = TC_ACT_SHOT;
/// XDP writes it; tc leaves that to the way out.
constexpr EthernetAddress kNeighbour{2, 0, 0, 0, 0, 9};

turn::Options telling() {
  turn::Options out = turn::testing::default_options();
  out.tell_flows = true;
  out.rfc5766_channels = true;
  return out;
}

/// A client with two channels, which the core has told of and the program has got.
struct Side {
  Side(World& world, const std::string& from, const std::string& to, std::uint16_t number)
      : client(world, from), peer(ep(to)), channel(number) {}
  Datagram up(const Bytes& payload) const { return {client.tuple.client, client.tuple.server, payload}; }
  Datagram down(const Bytes& payload) const { return {peer, client.relayed, payload}; }

  Client client;
  Endpoint peer;
  std::uint16_t channel;
};

struct Kernel : ::testing::TestWithParam<By> {
  static void SetUpTestSuite() {
    if (!is_built_in()) return;
    auto loaded = Program::load(Program::With::Xdp);
    if (loaded) {
      program = std::move(*loaded);
    } else {
      problem = loaded.error();
    }
  }
  static void TearDownTestSuite() { program.reset(); }

  void SetUp() override {
    if (!is_built_in()) GTEST_SKIP() << "built without libbpf or clang";
    if (program == nullptr && ::geteuid() != 0) GTEST_SKIP() << "needs root: " << problem;
    ASSERT_NE(program, nullptr) << problem;
    if (is_xdp() && !program->xdp_problem().empty()) GTEST_SKIP() << program->xdp_problem();
    program->set(kEpoch, kernel_now() + std::chrono::minutes(5));
    for (Side* side : {&v4, &v6}) {
      const bool six = side == &v6;
      ASSERT_EQ(side->client
                    .allocate([&](auto& b) {
                      if (six) Client::address_family(b, 2);
                    })
                    .code(),
                0);
      ASSERT_EQ(side->client.bind(side->channel, side->peer).code(), 0);
    }
    ASSERT_EQ(world.flows.size(), 2U);
    for (const turn::Flow& flow : world.flows) place(flow);
  }
  void TearDown() override {
    if (program == nullptr) return;
    for (const Entries& entries : placed) program->withdraw(entries);
  }

  static bool is_xdp() { return GetParam() == By::Xdp; }
  /// A frame comes in, to one of the two programs.
  static Verdict run(const Program& by, const Bytes& frame, const Circumstances& with = {}) {
    return is_xdp() ? run_xdp(by, frame) : testing::run(by, frame, with);
  }

  static Way way_to(const turn::Flow& flow) { return {kLoopback, 1500, flow.peer.address}; }
  /// Each in a slot of its own, the number of which is its place among those placed.
  void place(turn::Flow flow, const Ways& ways, std::uint64_t proven = TS_ALL_PROVEN) {
    flow.until = kernel_now() + (flow.until - world.now.mono);
    Entries entries = entries_of(flow, ways, kEpoch);
    for (Entry* entry : {&entries.to_peer, &entries.to_client}) entry->leg.proven |= proven;
    for (const Way* way : {&ways.to_client, &ways.to_peer})
      if (way->device == kLoopback) program->serve_by_xdp(kLoopback, way->hop, kNeighbour);
    const auto slot = static_cast<std::uint32_t>(placed.size());
    program->write(slot, entries);
    ASSERT_TRUE(program->publish(slot, entries));
    placed.push_back(entries);
  }
  void place(const turn::Flow& flow, std::uint64_t proven = TS_ALL_PROVEN) {
    place(flow, {way_to(flow), way_to(flow)}, proven);
  }

  /// What the core makes of it; nothing: it is not ChannelData of a flow either way.
  std::optional<Datagram> core(const Datagram& in) {
    world.to_peers.clear();
    world.to_clients.clear();
    for (Side* side : {&v4, &v6}) {
      if (in.from == side->client.tuple.client && in.to == side->client.tuple.server) {
        if (in.payload.empty() || in.payload[0] < 0x40) return std::nullopt;
        world.deliver(side->client.tuple, in.payload, in.tos);
        if (world.to_peers.empty()) return std::nullopt;
        const auto& sent = world.to_peers.back();
        // A socket cannot know of DF; towards a peer the program copies it.
        return Datagram{sent.from, sent.peer, sent.bytes, sent.tos, in.ttl, 0, in.dont_fragment};
      }
      if (in.from.address == side->peer.address && in.to == side->client.relayed) {
        if (in.from != side->peer) return std::nullopt;  // a Data indication's
        world.peer_sends(side->client.relay(), in.from, in.payload, in.tos);
        if (world.to_clients.empty()) return std::nullopt;
        const auto& sent = world.to_clients.back();
        // The core never asks for DF towards a client.
        return Datagram{sent.tuple.server, sent.tuple.client, sent.bytes, sent.tos, in.ttl, 0, false};
      }
    }
    return std::nullopt;
  }

  /// The frame goes on to the sockets as it came.
  void passes_up(const Bytes& frame, const char* why) {
    const Verdict verdict = run(*program, frame);
    EXPECT_EQ(verdict.action, kPassedUp) << why;
    EXPECT_EQ(verdict.frame, frame) << why;
  }

  /// The program sends what the core would send.
  void agrees(const Read& in, const Verdict& verdict) {
    const auto wanted = core(in.datagram);
    ASSERT_TRUE(wanted);
    ASSERT_EQ(verdict.action, kSent);
    const auto got = read_frame(verdict.frame);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->datagram.from, wanted->from);
    EXPECT_EQ(got->datagram.to, wanted->to);
    EXPECT_EQ(got->datagram.payload, wanted->payload);
    EXPECT_EQ(got->datagram.tos, wanted->tos);
    EXPECT_EQ(got->datagram.ttl, in.datagram.ttl - 1);
    EXPECT_EQ(got->datagram.dont_fragment, wanted->dont_fragment);
    EXPECT_EQ(got->trailer, 0U);
    EXPECT_EQ(got->checksum_good, in.checksum_good) << "a bad checksum stays bad";
    if (!in.checksum_good) return;
    // All of it, and with the id that the program has chosen.
    Datagram whole = *wanted;
    whole.ttl = static_cast<std::uint8_t>(in.datagram.ttl - 1);
    whole.id = got->datagram.id;
    if (is_xdp()) {
      EXPECT_TRUE(std::equal(kNeighbour.begin(), kNeighbour.end(), verdict.frame.begin()));
    }
    // But for the Ethernet addresses, which are written on the way out.
    EXPECT_EQ(from_type(verdict.frame), from_type(frame_of(whole)));
  }
  static Bytes from_type(const Bytes& frame) { return {frame.begin() + 12, frame.end()}; }
  void relays(const Datagram& in) {
    const Bytes frame = frame_of(in);
    const auto read = read_frame(frame);
    ASSERT_TRUE(read && read->checksum_good);
    agrees(*read, run(*program, frame));
  }
  /// By all of them.
  ts_counts counted() const {
    ts_counts out{};
    for (std::uint32_t slot = 0; slot < placed.size(); ++slot) {
      const ts_counts each = program->counts(slot);
      out.to_peer.packets += each.to_peer.packets;
      out.to_peer.bytes += each.to_peer.bytes;
      out.to_client.packets += each.to_client.packets;
      out.to_client.bytes += each.to_client.bytes;
      out.dropped += each.dropped;
    }
    return out;
  }

  /// Doubted, what `one` sends is awaited where `two` gets it. Their flows were placed last.
  void proven_by_the_other(Client& one, Client& two) {
    const auto slot = static_cast<std::uint32_t>(placed.size() - 1);
    program->doubt(slot - 1);
    program->doubt(slot);
    const Bytes message = Client::channel_data(0x4001, noise(9));
    const Bytes onward =
        frame_of({two.tuple.server, two.tuple.client, Client::channel_data(0x4002, noise(9))});
    leave(*program, onward);
    passes_up(frame_of({one.tuple.client, one.tuple.server, message}), "none came before");
    leave(*program, onward);
    EXPECT_EQ(run(*program, frame_of({one.tuple.client, one.tuple.server, message})).action, kSent);
  }

  Bytes noise(std::size_t size) {
    Bytes out(size);
    world.random.fill(out);
    return out;
  }

  static std::unique_ptr<Program> program;
  static std::string problem;
  World world{telling()};
  Side v4{world, "192.12.0.1:40000", "192.12.0.77:7001", 0x4000};
  Side v6{world, "[2620:fe::1]:40000", "[2620:fe::77]:7001", 0x4FFF};
  std::vector<Entries> placed;
};

std::unique_ptr<Program> Kernel::program;
std::string Kernel::problem;

TEST_P(Kernel, RelaysEverySizeBothWays) {
  for (Side* side : {&v4, &v6}) {
    for (std::size_t size = 0; size < 1200; size = size < 40 ? size + 1 : size + 37) {
      const Bytes payload = noise(size);
      relays(side->up(Client::channel_data(side->channel, payload)));
      relays(side->down(payload));
      if (HasFailure()) FAIL() << size;
    }
  }
}

TEST_P(Kernel, TakesPaddingOff) {
  for (Side* side : {&v4, &v6}) {
    for (std::size_t size = 0; size < 9; ++size) {
      for (std::size_t padding = 1; padding <= 3; ++padding) {
        Bytes message = Client::channel_data(side->channel, noise(size));
        const Bytes rest = noise(padding);
        message.insert(message.end(), rest.begin(), rest.end());
        relays(side->up(message));
      }
    }
  }
}

TEST_P(Kernel, TakesTrailersOfShortFramesOff) {
  for (Side* side : {&v4, &v6}) {
    for (Datagram d : {side->up(Client::channel_data(side->channel, noise(3))), side->down(noise(3))}) {
      Bytes frame = frame_of(d);
      frame.resize(frame.size() + 11, 0xAA);
      const auto read = read_frame(frame);
      ASSERT_TRUE(read);
      agrees(*read, run(*program, frame));
    }
  }
}

// RFC 8656 §14: DSCP and ECN as they came
TEST_P(Kernel, KeepsTheTrafficClass) {
  for (const unsigned tos : {0U, 1U, 3U, 0xB8U, 0xFFU}) {
    for (Side* side : {&v4, &v6}) {
      for (Datagram d : {side->up(Client::channel_data(side->channel, noise(5))), side->down(noise(5))}) {
        d.tos = static_cast<std::uint8_t>(tos);
        relays(d);
      }
    }
  }
}

// RFC 8656 §14 SHOULD: DF is set for DONT-FRAGMENT, else copied or clear
TEST_P(Kernel, CopiesDfTowardsPeers) {
  for (Datagram d : {v4.down(noise(100)), v4.up(Client::channel_data(v4.channel, noise(100)))}) {
    d.dont_fragment = true;
    relays(d);
    d.dont_fragment = false;
    relays(d);
  }
}

TEST_P(Kernel, CountsTheTtlDown) {
  const ts_counts before = counted();
  for (Side* side : {&v4, &v6}) {
    for (Datagram d : {side->up(Client::channel_data(side->channel, noise(5))), side->down(noise(5))}) {
      d.ttl = 2;
      relays(d);
      for (const std::uint8_t used_up : {std::uint8_t{1}, std::uint8_t{0}}) {
        d.ttl = used_up;
        EXPECT_EQ(run(*program, frame_of(d)).action, kDropped);
      }
    }
  }
  EXPECT_EQ(counted().dropped, before.dropped + 8);
}

TEST_P(Kernel, CountsPayload) {
  const ts_counts before = counted();
  for (int i = 0; i < 5; ++i) {
    relays(v4.up(Client::channel_data(v4.channel, noise(100))));
    relays(v6.down(noise(11)));
  }
  EXPECT_EQ(counted().to_peer.packets, before.to_peer.packets + 5);
  EXPECT_EQ(counted().to_peer.bytes, before.to_peer.bytes + 500);
  EXPECT_EQ(counted().to_client.packets, before.to_client.packets + 5);
  EXPECT_EQ(counted().to_client.bytes, before.to_client.bytes + 55);
}

TEST_P(Kernel, LetsNothingOutliveItsTime) {
  const Bytes up = frame_of(v4.up(Client::channel_data(v4.channel, noise(50))));
  const Bytes down = frame_of(v4.down(noise(50)));
  ASSERT_EQ(run(*program, up).action, kSent);
  turn::Flow flow = world.flows[0];
  flow.until = world.now.mono + std::chrono::milliseconds(50);
  place(flow);
  EXPECT_EQ(run(*program, up).action, kSent);
  EXPECT_EQ(run(*program, down).action, kSent);
  // The program's clock moves with the kernel's ticks.
  const TimePoint late{std::chrono::nanoseconds(placed.back().to_peer.leg.until) +
                       std::chrono::milliseconds(20)};
  while (kernel_now() < late) ::usleep(1000);
  passes_up(up, "it has expired");
  passes_up(down, "it has expired");
}

TEST_P(Kernel, StopsWithTheEntry) {
  const Bytes up = frame_of(v4.up(Client::channel_data(v4.channel, noise(50))));
  ASSERT_EQ(run(*program, up).action, kSent);
  program->withdraw(placed[0]);
  passes_up(up, "its flow has ended");
}

TEST_P(Kernel, StopsWithTheEpochOfTheRoutes) {
  const Bytes up = frame_of(v4.up(Client::channel_data(v4.channel, noise(50))));
  program->set(kEpoch + 1, kernel_now() + std::chrono::minutes(5));
  passes_up(up, "routes have changed");
  program->set(kEpoch, kernel_now() + std::chrono::minutes(5));
  EXPECT_EQ(run(*program, up).action, kSent);
}

/// Two clients of ours that are each other's peers: from the one to the other in one go.
TEST_P(Kernel, RelaysBetweenTwoClientsOfOurs) {
  for (const char* family : {"192.12.5", "[2620:fe::5"}) {
    const bool six = family[0] == '[';
    Client one(world, std::string(family) + (six ? "1]:1000" : ".1:1000"));
    Client two(world, std::string(family) + (six ? "2]:2000" : ".2:2000"));
    for (Client* client : {&one, &two}) {
      const auto wish = [&](auto& b) {
        if (six) Client::address_family(b, 2);
      };
      ASSERT_EQ(client->allocate(wish).code(), 0);
    }
    world.flows.clear();
    ASSERT_EQ(one.bind(0x4001, two.relayed).code(), 0);
    ASSERT_EQ(two.bind(0x4002, one.relayed).code(), 0);
    ASSERT_EQ(world.flows.size(), 2U);
    for (const turn::Flow& flow : world.flows) {
      place(flow, {{kLoopback, 1500, flow.tuple.client.address}, {TS_THIS_HOST, 65535, flow.peer.address}});
    }
    const ts_counts before = counted();
    for (std::size_t size = 0; size < 40; ++size) {
      Bytes message = Client::channel_data(0x4001, noise(size));
      const Bytes padding = noise(size % 4);
      Datagram in{one.tuple.client, one.tuple.server, message, 0x2A};
      in.payload.insert(in.payload.end(), padding.begin(), padding.end());
      store_be16(message.data(), 0x4002);
      const Verdict verdict = run(*program, frame_of(in));
      ASSERT_EQ(verdict.action, kSent);
      const auto got = read_frame(verdict.frame);
      ASSERT_TRUE(got && got->checksum_good);
      Datagram wanted{two.tuple.server, two.tuple.client, message, 0x2A, 62, got->datagram.id};
      EXPECT_EQ(from_type(verdict.frame), from_type(frame_of(wanted)));
      in.ttl = 2;
      EXPECT_EQ(run(*program, frame_of(in)).action, kDropped) << "two relays";
    }
    proven_by_the_other(one, two);
    EXPECT_EQ(counted().to_peer.packets, before.to_peer.packets + 41);
    EXPECT_EQ(counted().to_client.bytes, before.to_client.bytes + 789);
    passes_up(frame_of({two.relayed, one.relayed, noise(10)}), "a relay's packets do not come from outside");
    program->withdraw(placed.back());
    passes_up(frame_of({one.tuple.client, one.tuple.server, Client::channel_data(0x4001, noise(9))}),
              "the other client has no flow");
  }
}

TEST_P(Kernel, StopsWithTheServer) {
  const Bytes up = frame_of(v4.up(Client::channel_data(v4.channel, noise(50))));
  program->set(kEpoch, kernel_now() - std::chrono::milliseconds(20));
  passes_up(up, "the server has not been heard of");
}

TEST_P(Kernel, ObeysTheLinkAndTheDevice) {
  const turn::Flow flow = world.flows[0];
  const Bytes most = frame_of(v4.up(Client::channel_data(v4.channel, noise(1472))));
  EXPECT_EQ(run(*program, most).action, kSent) << "1500 bytes with the IP header";
  passes_up(frame_of(v4.up(Client::channel_data(v4.channel, noise(1473)))), "too large for the link");
  passes_up(frame_of(v4.down(noise(1469))), "too large for the link with its header");
  EXPECT_EQ(run(*program, frame_of(v4.down(noise(1468)))).action, kSent);
  const Way other{kLoopback + 1, 1500, flow.peer.address};
  place(flow, {other, other});
  passes_up(most, "it came in by another device");
}

TEST_P(Kernel, LeavesToTheSocketsWhatIsUnusual) {
  const Datagram d = v4.up(Client::channel_data(v4.channel, noise(20)));
  const Bytes good = frame_of(d);
  constexpr std::size_t kIp = kEthernetBytes;
  constexpr std::size_t kUdp = kEthernetBytes + 20;
  ASSERT_EQ(run(*program, good).action, kSent);
  const auto with_ip = [&](auto&& change) {
    Bytes out = good;
    change(out);
    store_be16(out.data() + kIp + 10, 0);
    store_be16(out.data() + kIp + 10, static_cast<std::uint16_t>(~sum_of({out.data() + kIp, 20})));
    return out;
  };
  passes_up(with_ip([](Bytes& f) { store_be16(f.data() + kIp + 6, 0x2000); }), "a first fragment");
  passes_up(with_ip([](Bytes& f) { store_be16(f.data() + kIp + 6, 8); }), "a last fragment");
  passes_up(with_ip([](Bytes& f) { f[kIp + 9] = 6; }), "TCP");
  Bytes options = good;
  options.insert(options.begin() + kUdp, {1, 1, 1, 1});
  options[kIp] = 0x46;
  store_be16(options.data() + kIp + 2, static_cast<std::uint16_t>(options.size() - kIp));
  store_be16(options.data() + kIp + 10, 0);
  store_be16(options.data() + kIp + 10, static_cast<std::uint16_t>(~sum_of({options.data() + kIp, 24})));
  passes_up(options, "IP options");
  Bytes frame = good;
  frame[kIp + 10] ^= 1;
  passes_up(frame, "a wrong header checksum");
  frame = good;
  store_be16(frame.data() + kUdp + 6, 0);
  passes_up(frame, "no UDP checksum");
  frame = good;
  store_be16(frame.data() + kUdp + 6,
             static_cast<std::uint16_t>(sum_of({}, pseudo_sum(d, d.payload.size() + 8))));
  passes_up(frame, "a checksum that a device was to finish");
  frame = good;
  store_be16(frame.data() + kUdp + 4, static_cast<std::uint16_t>(d.payload.size() + 7));
  passes_up(frame, "UDP is shorter than IP says");
  frame = good;
  frame.pop_back();
  passes_up(frame, "a frame that was cut short");
  frame = good;
  frame[0] = 2;
  passes_up(frame, "for another host");
  frame = good;
  frame.insert(frame.begin() + 12, {0x81, 0, 0, 10});
  passes_up(frame, "a VLAN tag");
  if (!is_xdp()) {
    EXPECT_EQ(run(*program, good, {100}).action, kPassedUp) << "a train";
  }
}

TEST_P(Kernel, LeavesToTheSocketsWhatIsNotOfAFlow) {
  Bytes message = Client::channel_data(v4.channel, noise(20));
  Datagram d = v4.up(message);
  store_be16(d.payload.data(), 0x4001);
  passes_up(frame_of(d), "another channel");
  d = v4.up(message);
  d.from.port ^= 1;
  passes_up(frame_of(d), "another client");
  d = v4.up(message);
  d.to.port ^= 1;
  passes_up(frame_of(d), "another server");
  d = v4.up(message);
  store_be16(d.payload.data() + 2, 21);
  passes_up(frame_of(d), "shorter than ChannelData says");
  store_be16(d.payload.data() + 2, 16);
  passes_up(frame_of(d), "four bytes too many");
  d.payload.resize(3);
  passes_up(frame_of(d), "too short for ChannelData");
  d = v4.up(noise(40));
  d.payload[0] = 0;
  passes_up(frame_of(d), "STUN");
  d = v4.down(message);
  d.from.port ^= 1;
  passes_up(frame_of(d), "another port of the peer");
}

/// A flow of which nothing is proven, in a slot of its own.
struct Unproven : Kernel {
  void watch(Side& of, std::size_t flow) {
    side = &of;
    place(world.flows[flow], std::uint64_t{0});
    slot = static_cast<std::uint32_t>(placed.size() - 1);
  }
  ts_leg leg(bool to_client) const {
    return program->leg(to_client ? leg_to_client(slot) : leg_to_peer(slot));
  }
  bool proven(bool to_client, std::uint8_t tos = 0) const {
    return (leg(to_client).proven & TS_PROVEN_OF(tos)) != 0;
  }
  bool awaited(bool to_client) const { return leg(to_client).came != TS_NONE_CAME; }
  Bytes up(std::uint8_t tos = 0) {
    Datagram d = side->up(Client::channel_data(side->channel, noise(20)));
    d.tos = tos;
    return frame_of(d);
  }
  Bytes sent_up(std::uint8_t tos = 0) { return frame_of({side->client.relayed, side->peer, noise(20), tos}); }

  Side* side = &v4;
  std::uint32_t slot = 0;
};

TEST_P(Unproven, IsNotRelayed) {
  for (std::size_t i = 0; i < 2; ++i) {
    watch(i == 0 ? v4 : v6, i);
    const Bytes down = frame_of(side->down(noise(20)));
    const Bytes sent_down = frame_of({side->client.tuple.server, side->client.tuple.client,
                                      Client::channel_data(side->channel, noise(20))});
    leave(*program, sent_up());
    EXPECT_FALSE(proven(false)) << "of another channel, or of a Send indication";
    passes_up(up(), "nothing is known of what leaves");
    passes_up(up(), "still not");
    EXPECT_TRUE(awaited(false));
    leave(*program, sent_up(), {0, kLoopback});
    EXPECT_FALSE(proven(false)) << "it was forwarded";
    Datagram translated{side->client.relayed, side->peer, noise(20)};
    ++translated.from.port;
    leave(*program, frame_of(translated));
    EXPECT_FALSE(proven(false)) << "the port was translated";
    const Bytes sent = sent_up();
    const Verdict verdict = leave(*program, sent);
    EXPECT_EQ(verdict.action, kPassedUp);
    EXPECT_EQ(verdict.frame, sent);
    EXPECT_EQ(run(*program, up()).action, kSent);

    passes_up(down, "the other direction is not proven by that");
    leave(*program, frame_of({side->client.tuple.server, side->client.tuple.client, Bytes{0, 0x17, 0, 0}}));
    EXPECT_FALSE(proven(true)) << "a Data indication";
    leave(*program, sent_down, {100});
    EXPECT_TRUE(proven(true)) << "trains count, too";
    EXPECT_EQ(run(*program, down).action, kSent);
  }
}

/// A mark chooses routes and queues, for packets that we cannot give one.
TEST_P(Unproven, IsWhatTheHostMarksOrQueuesItsOwnWay) {
  watch(v4, 0);
  passes_up(up(0xB8), "nothing is known of what leaves");
  leave(*program, sent_up(0xB8), {0, 0, 7});
  EXPECT_FALSE(proven(false, 0xB8)) << "it has a mark";
  leave(*program, sent_up(0xB8), {0, 0, 0, 0x10001});
  EXPECT_FALSE(proven(false, 0xB8)) << "somebody has given it a class";
  passes_up(up(0xB8), "nothing is proven");
  leave(*program, sent_up(0xB8), {0, 0, 0, 4});
  EXPECT_TRUE(proven(false, 0xB8)) << "what a socket's packets of this TOS have";
  const Verdict verdict = run(*program, up(0xB8));
  EXPECT_EQ(verdict.action, kSent);
  if (is_xdp()) return;  // no queues, no priority
  EXPECT_EQ(verdict.priority, 4U) << "and ours";
  EXPECT_EQ(run(*program, frame_of(v4.down(noise(20)))).priority, 0U);
}

/// Another DSCP may be what the host's rules look for.
TEST_P(Unproven, IsEachDscpUntilItWasSeenToStay) {
  for (std::size_t i = 0; i < 2; ++i) {
    watch(i == 0 ? v4 : v6, i);
    passes_up(up(0xB8), "nothing is known");
    leave(*program, sent_up(0x20));
    EXPECT_EQ(leg(false).proven, 0U) << "it was given another DSCP";
    passes_up(up(0x20), "the next one is awaited");
    leave(*program, sent_up(0x20));
    EXPECT_EQ(run(*program, up(0x20)).action, kSent);
    EXPECT_EQ(run(*program, up(0x21)).action, kSent) << "ECN is the path's";
    passes_up(up(0xB8), "it was not seen to stay");
    passes_up(up(0), "nor was this");
    leave(*program, sent_up(0xB8));
    EXPECT_EQ(run(*program, up(0xB8)).action, kSent);
    EXPECT_EQ(run(*program, up(0x20)).action, kSent);
  }
}

/// What a host does may change without anybody being told.
TEST_P(Unproven, IsAgainWhatIsDoubted) {
  watch(v4, 0);
  passes_up(up(), "nothing is known");
  leave(*program, sent_up());
  ASSERT_EQ(run(*program, up()).action, kSent);
  program->doubt(slot);
  leave(*program, sent_up());
  EXPECT_FALSE(proven(false)) << "none came since";
  passes_up(up(), "to see whether it leaves");
  program->doubt(slot);
  leave(*program, sent_up());
  EXPECT_FALSE(proven(false)) << "what came before is none";
  passes_up(up(), "once more");
  leave(*program, sent_up());
  EXPECT_EQ(run(*program, up()).action, kSent);
}

TEST_P(Unproven, IsWhatLeavesByAnotherDevice) {
  const turn::Flow& flow = world.flows[0];
  place(flow, {way_to(flow), {kLoopback + 1, 1500, flow.peer.address}}, 0);
  slot = static_cast<std::uint32_t>(placed.size() - 1);
  program->set_proof(leg_to_peer(slot), 0, TS_CAME_WITH(0));
  leave(*program, sent_up());
  EXPECT_FALSE(proven(false));
  EXPECT_TRUE(awaited(false));
}

/// A key's element may be another flow's when it is read.
TEST_P(Kernel, SendsNothingByTheLegOfAnotherFlow) {
  const Bytes up = frame_of(v4.up(Client::channel_data(v4.channel, noise(50))));
  ASSERT_EQ(run(*program, up).action, kSent);
  ASSERT_TRUE(program->publish(1, placed[0])) << "the slot of the other flow";
  passes_up(up, "it is the other flow's leg");
  passes_up(frame_of(v4.down(noise(50))), "it is the other flow's leg");
}

// RFC 1191: a router cannot send on what DF forbids to take apart
TEST_P(Kernel, ObeysRoutersThatSayTooLarge) {
  const auto told = [this](const Bytes& sent, std::uint16_t mtu) {
    Bytes out = frame_of({ep("192.12.9.9:1"), v4.client.relayed, {}});
    out.resize(kEthernetBytes + 20);
    out[kEthernetBytes + 9] = 1;
    Bytes icmp{3, 4, 0, 0, 0, 0, 0, 0};
    store_be16(icmp.data() + 6, mtu);
    // RFC 792: the IP header and eight bytes more.
    icmp.insert(icmp.end(), sent.begin() + kEthernetBytes, sent.begin() + kEthernetBytes + 28);
    out.insert(out.end(), icmp.begin(), icmp.end());
    return out;
  };
  const Bytes large = frame_of(v4.up(Client::channel_data(v4.channel, noise(1200))));
  ASSERT_EQ(run(*program, large).action, kSent);
  passes_up(told(frame_of({v4.client.relayed, v4.peer, noise(1200)}), 1000), "the sockets are told, too");
  passes_up(large, "in fragments");
  EXPECT_EQ(run(*program, frame_of(v4.up(Client::channel_data(v4.channel, noise(972))))).action, kSent);
  EXPECT_EQ(run(*program, frame_of(v4.down(noise(1200)))).action, kSent) << "the other direction";
  passes_up(told(frame_of({v4.client.relayed, v4.peer, noise(1200)}), 0), "a lie");
  EXPECT_EQ(run(*program, frame_of(v4.up(Client::channel_data(v4.channel, noise(548))))).action, kSent);
}

/// Frames that were ordinary, before a few things happened to them.
TEST_P(Kernel, AgreesWithTheCoreOnMutants) {
  const auto below = [this](std::size_t bound) {
    return world.random.below(static_cast<std::uint32_t>(bound));
  };
  std::size_t sent = 0;
  for (int i = 0; i < 20'000 && !HasFailure(); ++i) {
    Side& side = below(2) == 0 ? v4 : v6;
    const Bytes payload = noise(below(64));
    Datagram d = below(2) == 0 ? side.up(Client::channel_data(side.channel, payload)) : side.down(payload);
    if (below(4) == 0) d.payload.resize(d.payload.size() + below(6));
    d.tos = static_cast<std::uint8_t>(below(256));
    Bytes frame = frame_of(d);
    for (std::uint64_t n = below(3); n > 0; --n)
      frame[below(frame.size())] ^= static_cast<std::uint8_t>(1U << below(8));
    if (below(16) == 0) frame.resize(kEthernetBytes + below(frame.size()));
    if (below(16) == 0) frame.resize(frame.size() + below(20));
    const Verdict verdict = run(*program, frame);
    if (verdict.action == kFailed) continue;  // too short for the kernel to take it for a frame
    const auto read = read_frame(frame);
    const bool for_us = std::count(frame.begin(), frame.begin() + 6, 0) == 6;
    const bool ordinary = read && for_us && read->checksum != 0 && !read->checksum_unfinished;
    if (verdict.action == kDropped) {
      EXPECT_TRUE(ordinary && read->datagram.ttl <= 1);
    } else if (verdict.action == kSent) {
      ASSERT_TRUE(ordinary);
      agrees(*read, verdict);
      ++sent;
    } else {
      EXPECT_EQ(verdict.action, kPassedUp);
      EXPECT_EQ(verdict.frame, frame);
      // It passes nothing up that it could have sent; but for padding that no sender adds.
      const auto wanted = ordinary && read->datagram.ttl > 1 ? core(read->datagram) : std::nullopt;
      if (wanted && wanted->payload.size() + 7 >= read->datagram.payload.size())
        ADD_FAILURE() << "passed up, though the core relays it: case " << i;
    }
  }
  EXPECT_GT(sent, 5000U);
}

/// What only XDP must know: where the next hop is, and by which devices it may send.
struct ByXdp : Kernel {
  void neighbour(const IpAddress& address, bool known) {
    ts_hop_key key{};
    key.device = kLoopback;
    key.family = address.is_v4() ? AF_INET : AF_INET6;
    std::memcpy(key.address, address.bytes().data(), address.bytes().size());
    if (known) {
      program->serve_by_xdp(kLoopback, address, kNeighbour);
    } else {
      bpf_attr attributes{};
      attributes.map_fd = static_cast<__u32>(program->xdp_parts().hops);
      attributes.key = reinterpret_cast<std::uintptr_t>(&key);
      EXPECT_EQ(::syscall(SYS_bpf, BPF_MAP_DELETE_ELEM, &attributes, sizeof attributes), 0);
    }
  }
  static void put(int map, std::uint32_t device, const void* value) {
    bpf_attr attributes{};
    attributes.map_fd = static_cast<__u32>(map);
    attributes.key = reinterpret_cast<std::uintptr_t>(&device);
    attributes.value = reinterpret_cast<std::uintptr_t>(value);
    EXPECT_EQ(::syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attributes, sizeof attributes), 0);
  }
};

TEST_P(ByXdp, PassesUpWhatHasNoNeighbour) {
  for (Side* side : {&v4, &v6}) {
    const Bytes up = frame_of(side->up(Client::channel_data(side->channel, noise(50))));
    const ts_counts before = counted();
    neighbour(side->peer.address, false);
    passes_up(up, "nobody knows where it is");
    EXPECT_EQ(counted().to_peer.packets, before.to_peer.packets) << "the sockets count it";
    neighbour(side->peer.address, true);
    EXPECT_EQ(run(*program, up).action, kSent);
  }
}

TEST_P(ByXdp, SendsOnlyByDevicesThatCan) {
  const Bytes up = frame_of(v4.up(Client::channel_data(v4.channel, noise(50))));
  std::uint32_t action = XDP_ABORTED;
  run_xdp(*program, up, &action);
  EXPECT_EQ(action, std::uint32_t{XDP_TX});
  ts_device device{};
  put(program->xdp_parts().devices, kLoopback, &device);
  passes_up(up, "its driver sends nothing of XDP's");
  const turn::Flow flow = world.flows[0];
  neighbour(flow.peer.address, true);
  constexpr std::uint32_t kAbsent = 99999;
  place(flow, {{kLoopback, 1500, flow.tuple.client.address}, {kAbsent, 1500, flow.peer.address}});
  passes_up(up, "a device without XDP");
  device.sends = 1;
  put(program->xdp_parts().devices, kAbsent, &device);
  passes_up(up, "no neighbour there");
  program->withdraw(placed.back());
}

const auto name_of_program = [](const auto& info) { return info.param == By::Xdp ? "xdp" : "tc"; };
INSTANTIATE_TEST_SUITE_P(Programs, Kernel, ::testing::Values(By::Tc, By::Xdp), name_of_program);
INSTANTIATE_TEST_SUITE_P(Programs, Unproven, ::testing::Values(By::Tc, By::Xdp), name_of_program);
INSTANTIATE_TEST_SUITE_P(Programs, ByXdp, ::testing::Values(By::Xdp), name_of_program);

}  // namespace
}  // namespace ts::offload::testing
