// SPDX-License-Identifier: Apache-2.0
// The same messages at turn::Server itself: no sockets, but a clock that runs, peers that answer, relays that
// fail, and a look at the books after every few messages.
#include <array>
#include <cstring>
#include <set>

#include "../machine/harness.hpp"
#include "storm.hpp"

namespace ts::hostile {

namespace {

using turn::Transport;
using turn::testing::Client;
using turn::testing::ep;
using turn::testing::World;

constexpr std::uint64_t kMessagesPerWorld = 50'000;
constexpr std::uint64_t kLookEvery = 16;

Target core_target() {
  Target out;
  out.realm = "example.org";
  out.accounts = {{"alice", out.realm, "wonder"}, {"bob", out.realm, "builder"}};
  out.peers = {ep("8.8.8.8:5000"), ep("8.8.4.4:53"), ep("198.41.0.4:50001"), ep("10.0.0.1:80"),
               ep("[2620:fe::fe]:53")};
  return out;
}

class CoreStorm {
 public:
  CoreStorm(Storm& storm, const Target& target, std::uint64_t seed)
      : storm_(storm),
        target_(target),
        generator_(target, seed),
        world_(turn::testing::default_options(), seed) {
    world_.keep_history = false;
    for (int i = 0; i < 12; ++i) {
      const bool six = i % 4 == 3;
      const std::string at =
          (six ? "[2620:fe::" : "192.12.0.") + std::to_string(i + 1) + (six ? "]:4000" : ":4000");
      tuples_.push_back(Client(world_, at, static_cast<Transport>(i % 3)).tuple);
    }
    challenges_.resize(tuples_.size());
  }

  void run(std::uint64_t messages) {
    for (std::uint64_t i = 1; i <= messages && !storm_.failed(); ++i) {
      one();
      if (i % kLookEvery == 0) look();
      if (i % 40 == 0) surroundings();
    }
    world_.shut_down();
    look();
    world_.advance(std::chrono::seconds(31));
    world_.ledger.redeem({}, world_.now.mono);  // drops reservations that have expired
    if (world_.gauges() != turn::testing::Gauges{})
      storm_.fail("core: not everything is free after shut_down");
  }

 private:
  using Id = std::array<std::uint8_t, 16>;
  static Id id_of(ByteView message) {
    Id id{};
    std::copy_n(message.begin() + 4, id.size(), id.begin());
    return id;
  }
  /// A request or an answer: the class bits aside.
  static bool is_connect(ByteView message) {
    return message.size() >= stun::kHeaderBytes &&
           (load_be16(message.data()) & 0xFEEF) == static_cast<std::uint16_t>(stun::Method::Connect);
  }

  void one() {
    const std::size_t at = generator_.random().below(tuples_.size());
    const Bytes message = generator_.next(challenges_[at], false);
    if (is_connect(message)) connects_.insert(id_of(message));
    world_.deliver(tuples_[at], message);
    for (const auto& sent : std::exchange(world_.to_clients, {})) {
      Answer answer = read_answer(sent.bytes, target_, sent.tuple.transport != Transport::Udp);
      const bool of_request = answer.wrong.empty() && !answer.channel_data && !answer.indication;
      // That to Connect comes once the connection has come about, or has not (RFC 6062).
      const bool late = is_connect(sent.bytes) && connects_.contains(id_of(sent.bytes));
      if (of_request && !late && std::memcmp(answer.id.data(), &message[4], answer.id.size()) != 0)
        answer.wrong = "an answer to nothing";
      storm_.judge(answer, sent.bytes, "core");
      if (!answer.challenge.nonce.empty()) challenges_[at] = answer.challenge;
    }
    ++storm_.core_messages;
  }

  void look() {
    if (const std::string broken = world_.broken_invariant(); !broken.empty()) storm_.fail("core: " + broken);
    for (const auto& sent : std::exchange(world_.to_peers, {})) {
      if (sent.peer.address == ep("10.0.0.1:80").address) storm_.fail("core: a datagram for a denied peer");
      ++storm_.relayed;
    }
  }

  /// What happens around a server besides messages.
  void surroundings() {
    Random& random = generator_.random();
    switch (random.below(8)) {
      case 0: world_.advance(std::chrono::seconds(random.below(90))); break;
      case 1: world_.client_closed(random.pick(tuples_)); break;
      case 2:
        if (!world_.sockets.empty()) world_.relay_broke(world_.sockets.begin()->second.relay);
        break;
      default:
        for (const auto& [key, socket] : std::map(world_.sockets)) {
          world_.peer_sends(socket.relay, target_.peers[random.below(2)], random.bytes(random.below(100)));
        }
        for (const auto& sent : std::exchange(world_.to_clients, {})) {
          storm_.judge(read_answer(sent.bytes, target_, sent.tuple.transport != Transport::Udp), sent.bytes,
                       "core");
        }
    }
    world_.tick();
  }

  Storm& storm_;
  const Target& target_;
  Generator generator_;
  World world_;
  std::vector<turn::FiveTuple> tuples_;
  std::vector<Challenge> challenges_;
  std::set<Id> connects_;
};

}  // namespace

void storm_core(Storm& storm, std::uint64_t messages) {
  const Target target = core_target();
  for (std::uint64_t world = 0; messages > 0 && !storm.failed(); ++world) {
    const std::uint64_t part = std::min(messages, kMessagesPerWorld);
    CoreStorm(storm, target, mix64(storm.seed, 0xC0DE000000U + world)).run(part);
    messages -= part;
  }
}

}  // namespace ts::hostile
