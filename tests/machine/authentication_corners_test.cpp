// SPDX-License-Identifier: Apache-2.0
// Corners of authentication: stale nonces on somebody else's five-tuple, algorithms that were not offered,
// access tokens beside realms and moves, and passwords that an external source is asked about.
#include "mobility.hpp"
#include "token_world.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

auth::RealmOptions eu() {
  auth::RealmOptions out;
  out.name = "eu.example.org";
  out.origins = {"https://eu.example.org"};
  out.users = {{"alice", "europe"}};
  return out;
}
auth::Options with_eu() {
  auth::Options out = default_auth();
  out.realms = {eu()};
  return out;
}
void from_eu(stun::MessageBuilder& b) {
  b.add(AttributeType::Origin, std::string_view("https://eu.example.org"));
}

struct StaleNonces : ::testing::Test {
  /// A client of the default realm on the five-tuple of the allocation, with a nonce that has ended, whose
  /// next request has the transaction id of the Allocate.
  Client stale(const std::string& user, const std::string& password) {
    Client out(world, "192.12.0.1:40000", Transport::Udp, user, password);
    out.nonce = world.nonces.make(world.now.mono - hours(2), out.tuple.client).text();
    out.transaction = owner.transaction - 1;
    return out;
  }

  World world{default_options(), 1, with_eu()};
  Client owner{world};
};

// RFC 8489 §9.2.4 MUST: an invalid nonce is 438 with NONCE and REALM
TEST_F(StaleNonces, OnlyTheOwnersRetransmissionIsAnsweredAlike) {
  ASSERT_EQ(owner.allocate().code(), 0);
  EXPECT_EQ(stale("alice", "wonder").allocate().code(), 0) << "a retransmission";
  Client bob = stale("bob", "builder");
  const Answer answer = bob.allocate();
  EXPECT_EQ(answer.code(), 438);
  bob.nonce = as_text(answer.attribute(AttributeType::Nonce).value());
  EXPECT_EQ(bob.allocate().code(), 437);
  EXPECT_EQ(world.gauges().allocations, 1U);
}

TEST_F(StaleNonces, ANameIsAnotherOneInAnotherRealm) {
  owner.realm = "eu.example.org", owner.password = "europe";
  ASSERT_EQ(owner.allocate(from_eu).code(), 0);
  EXPECT_EQ(stale("alice", "wonder").allocate().code(), 438);
}

// RFC 8489 §9.2.4 MUST: one of PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS without the other is 400
TEST_F(StaleNonces, AlgorithmsBesideANonceOfSomebodyElse) {
  Client alice(world);
  const auto allocate = [&](const std::string& nonce, const std::string& password) {
    return alice.send(alice.make_plain(stun::MessageClass::Request, Method::Allocate, [&](auto& b) {
      Client::requested_transport(b);
      b.add(AttributeType::Username, alice.username)
          .add(AttributeType::Realm, alice.realm)
          .add(AttributeType::Nonce, nonce)
          .add(AttributeType::PasswordAlgorithms, ByteView(auth::kPasswordAlgorithms))
          .add_integrity(auth::long_term_key(alice.username, alice.realm, password));
    }));
  };
  EXPECT_EQ(allocate(alice.nonce, "wonder").code(), 400);
  const Answer answer = allocate("of another server", "wonder");
  EXPECT_EQ(answer.code(), 438);
  EXPECT_TRUE(answer.attribute(AttributeType::Nonce));
  EXPECT_EQ(allocate("of another server", "guess").code(), 401);
  EXPECT_EQ(world.gauges(), Gauges{});
}

struct TokenCorners : TokenWorld {
  TokenCorners() : TokenWorld("example.org", mobile(), {eu()}) {}

  Bytes token(std::uint32_t lifetime, std::uint8_t mac = 9) {
    std::array<std::uint8_t, 12> once{};
    once[0] = ++sealed;
    return auth::seal_access_token(AeadKey(Bytes(32, 0x42)), "example.org", once, Bytes(20, mac),
                                   world.now.wall, lifetime);
  }
  template <class F>
  Bytes make(Client& client, Method method, const HmacSha1Key& key, F&& add) {
    ++client.transaction;
    Bytes bytes(2048);
    stun::MessageBuilder b(bytes, stun::MessageClass::Request, method, client.id());
    add(b);
    b.add(AttributeType::Username, client.username)
        .add(AttributeType::Realm, client.realm)
        .add(AttributeType::Nonce, client.nonce)
        .add_integrity(key);
    bytes.resize(b.finish().size());
    return bytes;
  }
  /// A request with a token of so many seconds, whose key is made of `mac`.
  template <class F>
  Answer request(Client& client, Method method, std::uint32_t lifetime, F&& more, std::uint8_t mac = 9) {
    client.username = "north";
    return send(client.tuple, make(client, method, HmacSha1Key(Bytes(20, mac)), [&](auto& b) {
                  more(b);
                  b.add(AttributeType::AccessToken, ByteView(token(lifetime, mac)));
                }));
  }
  static void mobile_allocation(stun::MessageBuilder& b) {
    Client::requested_transport(b);
    b.add_flag(AttributeType::MobilityTicket);
  }

  std::uint8_t sealed = 0;
};

// No lifetime is longer than what is left of the token that the allocation was granted for.
TEST_F(TokenCorners, AMoveDoesNotOutliveTheToken) {
  Client home(world);
  Client away(world, "192.12.9.9:50000");
  const Answer allocated = request(home, Method::Allocate, 100, mobile_allocation);
  ASSERT_EQ(allocated.code(), 0);
  const Bytes ticket = ticket_of(allocated);
  ASSERT_FALSE(ticket.empty());
  world.advance(seconds(60));
  const Answer moved = request(away, Method::Refresh, 1000, [&](auto& b) {
    b.add_u32(AttributeType::Lifetime, 900).add(AttributeType::MobilityTicket, ByteView(ticket));
  });
  ASSERT_EQ(moved.code(), 0);
  EXPECT_EQ(moved.u32(AttributeType::Lifetime), 45U);
  world.advance(seconds(45));
  server->tick(world.now, out);
  EXPECT_EQ(server->allocation_count(), 0U);
}

TEST_F(TokenCorners, WhoHasANewTokenMovesWithIt) {
  Client home(world);
  Client away(world, "192.12.9.9:50000");
  const Bytes ticket = ticket_of(request(home, Method::Allocate, 600, mobile_allocation));
  ASSERT_FALSE(ticket.empty());
  ASSERT_EQ(request(
                home, Method::Refresh, 600, [](auto&) {}, 11)
                .code(),
            0);
  const auto move = [&](std::uint8_t mac) {
    return request(
        away, Method::Refresh, 600, [&](auto& b) { b.add(AttributeType::MobilityTicket, ByteView(ticket)); },
        mac);
  };
  EXPECT_EQ(move(9).code(), 441) << "the allocation is no longer its";
  EXPECT_EQ(move(11).code(), 0);
}

TEST_F(TokenCorners, AnotherRealmKnowsNoTokens) {
  Client client(world);
  client.realm = "eu.example.org", client.password = "europe";
  const auto with_token = [&](auto& b) {
    Client::requested_transport(b);
    from_eu(b);
    b.add(AttributeType::AccessToken, ByteView(token(600)));
  };
  const Answer unknown = send(client.tuple, make(client, Method::Allocate, client.key(), with_token));
  EXPECT_EQ(unknown.code(), 420) << "the password is right, the attribute not understood";
  // The token's own key opens nothing there.
  client.username = "north";
  const Answer refused =
      send(client.tuple, make(client, Method::Allocate, HmacSha1Key(Bytes(20, 9)), with_token));
  EXPECT_EQ(refused.code(), 401);
  EXPECT_FALSE(refused.attribute(AttributeType::ThirdPartyAuthorization));
  EXPECT_EQ(server->allocation_count(), 0U);
}

TEST_F(TokenCorners, WhoHasATokenIsNotSentForOneWhenTheNonceIsStale) {
  Client client(world);
  client.nonce = world.nonces.make(world.now.mono - hours(2), client.tuple.client).text();
  const Answer answer = request(client, Method::Allocate, 600, mobile_allocation);
  EXPECT_EQ(answer.code(), 438);
  EXPECT_TRUE(answer.attribute(AttributeType::Nonce));
  EXPECT_FALSE(answer.attribute(AttributeType::ThirdPartyAuthorization));
}

struct HookCorners : ::testing::Test {
  static auth::Options with_hook() {
    auth::Options out = default_auth();
    out.hook.url = "https://app.example.org/turn";
    return out;
  }
  Client carol(const std::string& from, Transport transport = Transport::Udp,
               const std::string& password = "look") {
    return Client(world, from, transport, "carol", password);
  }
  Answer answer(const Client& client, const std::string& password) {
    auth::HookAnswer found;
    found.kind = auth::HookAnswer::Kind::Found;
    found.password = password;
    const std::size_t before = world.to_clients.size();
    world.answer_ask(world.asks.back().question, found);
    return client.answer_since(before);
  }
  /// Carol is known for so long that a wrong password is reason enough to ask again.
  void know_carol() {
    Client first = carol("192.12.0.9:9");
    ASSERT_TRUE(first.refresh(600).none());
    EXPECT_EQ(answer(first, "look").code(), 437);
    world.advance(seconds(5));
  }

  World world{default_options(), 1, with_hook()};
};

TEST_F(HookCorners, TheEndOfOneStreamIsNoneOfAnothers) {
  Client waiting = carol("192.12.0.1:2000", Transport::Tcp);
  EXPECT_TRUE(waiting.allocate().none());
  world.client_closed(carol("192.12.0.1:2001", Transport::Tcp).tuple);
  EXPECT_EQ(world.server.counters().hook_waiting, 1U);
  EXPECT_EQ(answer(waiting, "look").code(), 0);
}

TEST_F(HookCorners, AUserhashBesideTheNameMustBeItsOwn) {
  Client client = carol("192.12.0.1:2000");
  const auto allocate = [&](const std::string& hashed) {
    return client.send(client.make(Method::Allocate, [&](auto& b) {
      Client::requested_transport(b);
      b.add(AttributeType::Userhash, ByteView(auth::userhash(hashed, client.realm)));
    }));
  };
  EXPECT_EQ(allocate("dave").code(), 401);
  EXPECT_TRUE(world.asks.empty());
  EXPECT_TRUE(allocate("carol").none());
  ASSERT_EQ(world.asks.size(), 1U);
  EXPECT_EQ(world.asks[0].username, "carol");
}

TEST_F(HookCorners, AWrongPasswordWithAStaleNonceAsksNobody) {
  know_carol();
  Client wrong = carol("192.12.0.1:1", Transport::Udp, "wrong");
  wrong.nonce = world.nonces.make(world.now.mono - hours(2), wrong.tuple.client).text();
  const Answer refused = wrong.allocate();
  EXPECT_EQ(refused.code(), 401) << "438 would say that the password is right";
  EXPECT_TRUE(refused.attribute(AttributeType::Nonce));
  EXPECT_EQ(world.asks.size(), 1U);
  wrong.renew_nonce();
  EXPECT_TRUE(wrong.allocate().none());
  EXPECT_EQ(world.asks.size(), 2U);
}

TEST_F(HookCorners, AWrongPasswordThatMayNotWaitIsWrong) {
  know_carol();
  const auto allocate = [&](const std::string& password) {
    Client client = carol("192.12.0.1:1", Transport::Udp, password);
    return client
        .request(Method::Allocate,
                 [](auto& b) {
                   Client::requested_transport(b);
                   for (int i = 0; i < 3; ++i) b.add(AttributeType::Software, std::string(700, 'x'));
                 })
        .code();
  };
  EXPECT_EQ(allocate("wrong"), 401);
  EXPECT_EQ(world.asks.size(), 1U);
  EXPECT_EQ(allocate("look"), 0);
}

}  // namespace
}  // namespace ts::turn::testing
