// SPDX-License-Identifier: Apache-2.0
// Whole sessions again and again, with each step failing in turn and with seeded loss, duplication and
// reordering: nothing leaks, every answer is well formed and signed, the books add up.
#include <algorithm>
#include <deque>

#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Options tight() { return tight_options(4, 2, 3, 2); }

const Endpoint kPeers[] = {ep("8.8.8.8:5000"), ep("8.8.8.8:5001"), ep("9.9.9.9:6000"),    ep("1.1.1.1:53"),
                           ep("1.0.0.1:53"),   ep("10.0.0.1:80"),  ep("[2620:fe::fe]:53")};

/// Looks at what came back since the last look.
class Auditor {
 public:
  Auditor(World& world, std::vector<Client*> clients) : world_(world), clients_(std::move(clients)) {}

  void look(const std::string& where) {
    ASSERT_EQ(world_.broken_invariant(), "") << where;
    for (; seen_ < world_.to_clients.size(); ++seen_) {
      const SentToClient& sent = world_.to_clients[seen_];
      if (sent.bytes[0] >= 0x40) {
        const auto data = stun::parse_channel_data(sent.bytes);
        ASSERT_TRUE(data) << where;
        continue;
      }
      const auto parsed = stun::MessageView::parse(sent.bytes);
      ASSERT_TRUE(parsed) << where;
      if (parsed->message_class() == stun::MessageClass::Indication) continue;
      const Answer answer{sent.bytes};
      ASSERT_GE(answer.code(), 0) << where;
      if (answer.code() == 401) continue;
      const auto whose = std::find_if(clients_.begin(), clients_.end(),
                                      [&](const Client* c) { return c->tuple == sent.tuple; });
      ASSERT_NE(whose, clients_.end()) << where;
      ASSERT_TRUE(stun::verify_integrity(*parsed, (*whose)->key())) << where << " " << answer.code();
    }
  }

  /// Ends all and expects everything to be free.
  void finish(const std::string& where) {
    world_.hold_opens = false;
    world_.shut_down();
    world_.answer_opens();
    world_.advance(seconds(31));
    world_.ledger.redeem({}, world_.now.mono);  // drops reservations that have expired
    look(where);
    ASSERT_EQ(world_.gauges(), Gauges{}) << where;
    for (const Client* client : clients_) {
      ASSERT_FALSE(world_.server.has_allocation(client->tuple)) << where;
      for (int i = 0; i < 2; ++i) ASSERT_EQ(world_.ledger.admit(client->username), std::nullopt) << where;
      for (int i = 0; i < 2; ++i) world_.ledger.leave(client->username);
    }
  }

 private:
  World& world_;
  std::vector<Client*> clients_;
  std::size_t seen_ = 0;
};

/// One session, step by step; a step that is `lost` never reaches the server.
void session(World& world, Client& client, Auditor& audit, int lost, const std::string& where) {
  int step = 0;
  const auto deliver = [&](Bytes bytes) {
    if (step++ != lost) world.deliver(client.tuple, bytes);
    audit.look(where + " step " + std::to_string(step));
  };
  const auto peer = [&](ByteView data) {
    if (step++ != lost)
      world.peer_sends(world.relay_at(world.opened.empty() ? Endpoint{} : world.opened[0]), kPeers[0], data);
    audit.look(where + " peer");
  };
  deliver(client.make(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add(AttributeType::EvenPort, as_bytes("\x80"));
  }));
  deliver(client.make(Method::CreatePermission,
                      [](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, kPeers[0]); }));
  deliver(client.make_plain(stun::MessageClass::Indication, Method::Send, [](auto& b) {
    b.add_xor_address(AttributeType::XorPeerAddress, kPeers[0]).add(AttributeType::Data, "hello");
  }));
  peer(as_bytes("answer"));
  deliver(client.make(Method::ChannelBind, [](auto& b) {
    b.add_channel_number(0x4000).add_xor_address(AttributeType::XorPeerAddress, kPeers[0]);
  }));
  deliver(Client::channel_data(0x4000, as_bytes("hello")));
  peer(as_bytes("answer"));
  world.advance(seconds(299));
  if (step++ != lost) world.tick();
  deliver(client.make(Method::Refresh, [](auto& b) { b.add_u32(AttributeType::Lifetime, 1200); }));
  world.advance(seconds(400));
  if (step++ != lost) world.tick();
  deliver(Client::channel_data(0x4000, as_bytes("late")));
  deliver(client.make(Method::Refresh, [](auto& b) { b.add_u32(AttributeType::Lifetime, 0); }));
}

TEST(Replay, EachStepLostInTurn) {
  for (int lost = -1; lost < 12; ++lost) {
    for (const Transport transport : {Transport::Udp, Transport::Tcp}) {
      World world(tight());
      Client client(world, "192.12.0.1:40000", transport);
      Auditor audit(world, {&client});
      const std::string where = "lost " + std::to_string(lost);
      session(world, client, audit, lost, where);
      EXPECT_TRUE(lost != -1 || world.server.allocation_count() == 0);
      audit.finish(where);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(Replay, EachOpenFailsInTurn) {
  for (int failing = 0; failing < 10; ++failing) {
    for (const RelayError error : {RelayError::AddressInUse, RelayError::NoResources, RelayError::Broken}) {
      World world(tight());
      int open = 0;
      world.opener = [&](const OpenRelay&) {
        return open++ <= failing ? std::optional(error) : std::nullopt;
      };
      Client client(world);
      Auditor audit(world, {&client});
      const std::string where = "failing " + std::to_string(failing);
      session(world, client, audit, -1, where);
      audit.finish(where);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

/// A storm on a bad network.
class Storm {
 public:
  explicit Storm(std::uint64_t seed)
      : dice_(seed),
        world_(tight(), seed),
        clients_{Client(world_, "192.12.0.1:1", Transport::Udp),
                 Client(world_, "192.12.0.1:2", Transport::Tcp),
                 Client(world_, "192.12.0.1:3", Transport::Udp, "bob", "builder"),
                 Client(world_, "[2620:fe::7]:4", Transport::Tls, "bob", "builder"),
                 Client(world_, "192.12.0.1:5", Transport::Udp)},
        audit_(world_, {&clients_[0], &clients_[1], &clients_[2], &clients_[3], &clients_[4]}),
        where_("seed " + std::to_string(seed)) {
    const int failing = static_cast<int>(dice_.below(6));
    const auto error = static_cast<RelayError>(dice_.below(3));
    world_.opener = [this, failing, error](const OpenRelay&) {
      return failing != 0 && opens_++ % failing == 0 ? std::optional(error) : std::nullopt;
    };
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
      step();
      audit_.look(where_ + " step " + std::to_string(i));
    }
    if (!::testing::Test::HasFatalFailure()) audit_.finish(where_);
  }

 private:
  const Endpoint& any_peer() { return kPeers[dice_.below(7)]; }

  Bytes any_message(Client& client) {
    const auto peer = [this](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, any_peer()); };
    switch (dice_.below(8)) {
      case 0:
      case 1:
        return client.make(Method::Allocate, [&](auto& b) {
          Client::requested_transport(b);
          if (dice_.below(3) == 0) b.add(AttributeType::EvenPort, as_bytes("\x80"));
          if (dice_.below(3) == 0) Client::address_family(b, static_cast<std::uint8_t>(1 + dice_.below(3)));
          if (dice_.below(4) == 0) b.add_u32(AttributeType::Lifetime, dice_.below(5000));
          if (dice_.below(3) == 0) b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24);
        });
      case 2:
        return client.make(Method::Refresh, [&](auto& b) {
          b.add_u32(AttributeType::Lifetime, dice_.below(3) == 0 ? 0 : dice_.below(4000));
          if (dice_.below(3) == 0) Client::address_family(b, static_cast<std::uint8_t>(1 + dice_.below(2)));
        });
      case 3:
        return client.make(Method::CreatePermission, [&](auto& b) {
          for (std::uint32_t i = dice_.below(3); i-- > 0;) peer(b);
          peer(b);
        });
      case 4:
        return client.make(Method::ChannelBind, [&](auto& b) {
          b.add_channel_number(static_cast<std::uint16_t>(0x4000 + dice_.below(3)));
          peer(b);
        });
      case 5:
        return client.make_plain(stun::MessageClass::Indication, Method::Send,
                                 [&](auto& b) { peer(b), b.add(AttributeType::Data, "data"); });
      case 6:
        return client.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport);
      default:
        return Client::channel_data(static_cast<std::uint16_t>(0x4000 + dice_.below(3)), as_bytes("data"));
    }
  }

  void deliver_one() {
    if (in_flight_.empty()) return;
    const auto at = in_flight_.begin() +
                    (dice_.below(4) == 0 ? dice_.below(static_cast<std::uint32_t>(in_flight_.size())) : 0);
    const auto [client, bytes] = *at;
    if (dice_.below(5) != 0) in_flight_.erase(at);  // else it will come again
    if (dice_.below(7) != 0) world_.deliver(client->tuple, bytes);
  }

  void step() {
    Client& client = clients_[dice_.below(5)];
    switch (dice_.below(20)) {
      case 0: return world_.advance(seconds(dice_.below(200)));
      case 1: return world_.advance(milliseconds(dice_.below(1000)));
      case 2: return world_.tick();
      case 3: return world_.client_closed(client.tuple);
      case 4:
        if (!world_.sockets.empty() && dice_.below(4) == 0)
          world_.relay_broke(world_.sockets.begin()->second.relay);
        return;
      case 5: world_.hold_opens = !world_.hold_opens; return;
      case 6: return world_.answer_opens();
      case 7:
      case 8:
        for (const auto& [id, socket] : std::map(world_.sockets))
          world_.peer_sends(socket.relay, any_peer(), as_bytes("data"));
        for (const auto& [id, socket] : std::map(world_.sockets))
          world_.peer_error(socket.relay, any_peer(), {3, 3, 0});
        return;
      case 9: return client.renew_nonce();
      case 10:
      case 11:
      case 12:
      case 13:
      case 14: in_flight_.emplace_back(&client, any_message(client)); return;
      default: return deliver_one();
    }
  }

  Seeded dice_;
  World world_;
  Client clients_[5];
  Auditor audit_;
  std::string where_;
  std::deque<std::pair<Client*, Bytes>> in_flight_;
  int opens_ = 0;
};

TEST(Replay, StormsLeaveNothingBehind) {
  for (std::uint64_t seed = 0; seed < 300 && !::testing::Test::HasFatalFailure(); ++seed)
    Storm(seed).run(400);
}

}  // namespace
}  // namespace ts::turn::testing
