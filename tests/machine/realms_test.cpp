// SPDX-License-Identifier: Apache-2.0
// Realms: which one a request meets, whose credentials count there, and that an allocation stays in its own.
#include <gtest/gtest.h>

#include <turnstone/auth/access_token.hpp>
#include <turnstone/auth/realms.hpp>

#include "harness.hpp"

namespace ts::turn {
namespace {

using namespace testing;
using std::chrono::seconds;

/// Beside example.org: eu, met by ORIGIN; us, met by ORIGIN; and closed, met at port 3479 and at one
/// address's port 3480. In all of them alice has another password.
auth::Options with_realms() {
  auth::Options out = default_auth();
  auth::RealmOptions eu;
  eu.name = "eu.example.org";
  eu.origins = {"https://eu.example.org", "https://app.example.eu:8443"};
  eu.users = {{"alice", "europe"}};
  eu.secrets = {"eu secret"};
  auth::RealmOptions us;
  us.name = "us.example.org";
  us.origins = {"https://us.example.org"};
  us.users = {{"alice", "america"}};
  auth::RealmOptions closed;
  closed.name = "closed.example.org";
  closed.listeners = {{std::nullopt, 3479}, {ip("198.41.0.4"), 3480}};
  closed.users = {{"alice", "closed"}};
  out.realms = {eu, us, closed};
  return out;
}

struct RealmsTest : ::testing::Test {
  World w{default_options(), 1, with_realms()};

  /// A request without credentials, with these ORIGINs.
  Answer ask(Client& c, const std::vector<std::string>& origins) {
    return c.send(c.make_plain(stun::MessageClass::Request, Method::Allocate, [&](auto& b) {
      Client::requested_transport(b);
      for (const std::string& origin : origins) b.add(AttributeType::Origin, origin);
    }));
  }
  static std::string realm_in(const Answer& answer) {
    return std::string(as_text(answer.attribute(AttributeType::Realm).value_or(ByteView{})));
  }
  std::string challenged(const std::vector<std::string>& origins,
                         const std::string& server = "198.41.0.4:3478") {
    Client c(w);
    c.tuple.server = ep(server);
    const Answer answer = ask(c, origins);
    EXPECT_EQ(answer.code(), 401);
    return realm_in(answer);
  }
  Client of(const std::string& realm, const std::string& password,
            const std::string& from = "192.12.0.1:40000") {
    Client c(w, from, Transport::Udp, "alice", password);
    c.realm = realm;
    return c;
  }
  Answer allocate_from(Client& c, const std::string& origin) {
    return c.allocate([&](auto& b) { b.add(AttributeType::Origin, origin); });
  }
  std::uint64_t failures(AuthFailure why) const { return w.server.counters().auth_failures[index(why)]; }
};

// RFC 8489 §9.2.4: the challenge has the realm that the request meets
TEST_F(RealmsTest, TheChallengeNamesTheRealmOfTheListenerThenOfTheOrigin) {
  EXPECT_EQ(challenged({}), "example.org");
  EXPECT_EQ(challenged({"https://eu.example.org"}), "eu.example.org");
  EXPECT_EQ(challenged({"HTTPS://EU.example.org:443/"}), "eu.example.org");
  EXPECT_EQ(challenged({"https://app.example.eu:8443"}), "eu.example.org");
  EXPECT_EQ(challenged({"https://app.example.eu"}), "example.org");
  EXPECT_EQ(challenged({"https://us.example.org"}), "us.example.org");
  EXPECT_EQ(challenged({"https://nobody.example"}), "example.org");
  EXPECT_EQ(challenged({"null", "", "https://us.example.org", "https://eu.example.org"}), "us.example.org");
  EXPECT_EQ(challenged(std::vector<std::string>(8, "null")), "example.org");
  std::vector<std::string> late(8, "null");
  late.push_back("https://us.example.org");
  EXPECT_EQ(challenged(late), "example.org");
  // A listener that a realm claims is that realm's, whatever ORIGIN says.
  EXPECT_EQ(challenged({"https://us.example.org"}, "198.41.0.4:3479"), "closed.example.org");
  EXPECT_EQ(challenged({}, "198.41.0.5:3479"), "closed.example.org");
  EXPECT_EQ(challenged({}, "198.41.0.4:3480"), "closed.example.org");
  EXPECT_EQ(challenged({}, "198.41.0.5:3480"), "example.org");
}

TEST_F(RealmsTest, RealmWithoutIntegrityChoosesNothing) {
  Client c(w);
  const Answer answer = c.send(c.make_plain(stun::MessageClass::Request, Method::Allocate, [&](auto& b) {
    Client::requested_transport(b);
    b.add(AttributeType::Username, "alice").add(AttributeType::Realm, "eu.example.org");
  }));
  EXPECT_EQ(realm_in(answer), "example.org");
}

TEST_F(RealmsTest, EachRealmHasItsOwnCredentials) {
  Client eu = of("eu.example.org", "europe");
  EXPECT_EQ(allocate_from(eu, "https://eu.example.org").code(), 0);
  Client us = of("us.example.org", "america", "192.12.0.2:40000");
  EXPECT_EQ(allocate_from(us, "https://us.example.org").code(), 0);
  Client main = of("example.org", "wonder", "192.12.0.3:40000");
  EXPECT_EQ(main.allocate().code(), 0);
  for (const auto& [realm, password, origin] :
       {std::tuple("us.example.org", "europe", "https://us.example.org"),
        std::tuple("example.org", "europe", "https://eu.example.org"),
        std::tuple("us.example.org", "america", "https://eu.example.org"),
        std::tuple("eu.example.org", "europe", "https://nobody.example")}) {
    Client wrong = of(realm, password, "192.12.0.4:40000");
    const Answer answer = allocate_from(wrong, origin);
    EXPECT_EQ(answer.code(), 401) << realm << origin;
    EXPECT_FALSE(answer.attribute(AttributeType::MessageIntegrity)) << realm << origin;
  }
  const auto mint = [&](const char* secret) { return auth::mint(secret, "carol", w.now.wall + seconds(60)); };
  Client rest(w, "192.12.0.5:40000", Transport::Udp, mint("eu secret").username, mint("eu secret").password);
  rest.realm = "eu.example.org";
  EXPECT_EQ(rest.allocate().code(), 0);
  Client other(w, "192.12.0.6:40000", Transport::Udp, mint("north").username, mint("north").password);
  other.realm = "eu.example.org";
  EXPECT_EQ(other.allocate().code(), 401);
  EXPECT_EQ(w.broken_invariant(), "");
}

TEST_F(RealmsTest, WithoutOriginTheRealmMayBeNamed) {
  // As a browser does that sends ORIGIN in its first request alone.
  Client c(w);
  const Answer first = ask(c, {"https://eu.example.org"});
  ASSERT_EQ(realm_in(first), "eu.example.org");
  Client eu = of(realm_in(first), "europe");
  eu.nonce = std::string(as_text(first.attribute(AttributeType::Nonce).value()));
  const Answer second = eu.allocate();
  // The challenge to a small request has the short nonce, which is stale: a 438 in the same realm follows.
  if (second.code() == 438) {
    EXPECT_EQ(realm_in(second), "eu.example.org");
    eu.renew_nonce();
    ASSERT_EQ(eu.allocate().code(), 0);
  }
  EXPECT_EQ(eu.permit({ep("8.8.4.4:1")}).code(), 0);
  EXPECT_EQ(eu.refresh(600).code(), 0);
  EXPECT_EQ(w.events.at(0).realm, "eu.example.org");
}

TEST_F(RealmsTest, EventsNameTheRealmTheDefaultOneToo) {
  Client rest(w, "192.12.0.5:40000", Transport::Udp);
  ASSERT_EQ(rest.allocate().code(), 0);
  ASSERT_EQ(rest.refresh(0).code(), 0);
  ASSERT_EQ(w.events.size(), 2U);
  for (const AllocationEvent& event : w.events) EXPECT_EQ(event.realm, "example.org");
}

TEST_F(RealmsTest, ARealmOfListenersIsThereAlone) {
  Client outside = of("closed.example.org", "closed");
  const Answer answer = outside.allocate();
  EXPECT_EQ(answer.code(), 401);
  EXPECT_EQ(realm_in(answer), "example.org");
  Client inside = of("closed.example.org", "closed");
  inside.tuple.server = ep("198.41.0.4:3479");
  EXPECT_EQ(inside.allocate().code(), 0);
  // And no other realm is.
  Client stranger = of("eu.example.org", "europe", "192.12.0.2:40000");
  stranger.tuple.server = ep("198.41.0.4:3479");
  const Answer refused = stranger.allocate();
  EXPECT_EQ(refused.code(), 401);
  EXPECT_EQ(realm_in(refused), "closed.example.org");
  Client main = of("example.org", "wonder", "192.12.0.3:40000");
  main.tuple.server = ep("198.41.0.4:3479");
  EXPECT_EQ(main.allocate().code(), 401);
}

// RFC 8656 §5 MUST: another username than the allocation's is 441
TEST_F(RealmsTest, AnAllocationStaysInItsRealm) {
  Client eu = of("eu.example.org", "europe");
  ASSERT_EQ(eu.allocate().code(), 0);
  Client us = of("us.example.org", "america");  // the same five-tuple and the same username
  us.transaction = 100;
  EXPECT_EQ(us.refresh(0).code(), 441);
  EXPECT_EQ(us.permit({ep("8.8.4.4:1")}).code(), 441);
  EXPECT_EQ(us.bind(0x4000, ep("8.8.4.4:1")).code(), 441);
  EXPECT_EQ(us.allocate().code(), 437);
  // A retransmission is one in its own realm only.
  us.transaction = eu.transaction - 1;
  EXPECT_EQ(us.allocate().code(), 437);
  Client main = of("example.org", "wonder");
  main.transaction = 200;
  EXPECT_EQ(main.refresh(0).code(), 441);
  EXPECT_EQ(failures(AuthFailure::WrongUser), 4U);
  EXPECT_EQ(w.server.allocation_count(), 1U);
  EXPECT_EQ(eu.refresh(0).code(), 0);
  EXPECT_EQ(w.gauges(), Gauges{});
}

TEST_F(RealmsTest, TheOrderOfChecksStays) {
  Client eu = of("eu.example.org", "europe");
  eu.nonce = "stale";
  const Answer stale = allocate_from(eu, "https://eu.example.org");
  EXPECT_EQ(stale.code(), 438);
  EXPECT_EQ(realm_in(stale), "eu.example.org");
  eu.renew_nonce();
  const Answer unknown = eu.request(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add_u32(static_cast<AttributeType>(0x7FFE), 1);
  });
  EXPECT_EQ(unknown.code(), 420);
  // ORIGIN is comprehension-optional, also where nobody names it.
  World plain;
  Client c(plain);
  EXPECT_EQ(c.allocate([](auto& b) { b.add(AttributeType::Origin, "https://eu.example.org"); }).code(), 0);
}

TEST_F(RealmsTest, UserhashIsOfItsRealm) {
  const auto with_hash = [&](const char* hashed_in, const char* password) {
    Client c = of("us.example.org", password, "192.12.0.9:40000");
    Bytes out(4096);
    stun::MessageBuilder b(out, stun::MessageClass::Request, Method::Allocate, c.id());
    Client::requested_transport(b);
    const auto hash = auth::userhash("alice", hashed_in);
    const std::array<std::uint8_t, 4> chosen{0, 2, 0, 0};
    b.add(AttributeType::Userhash, ByteView(hash))
        .add(AttributeType::Realm, c.realm)
        .add(AttributeType::Nonce, c.nonce)
        .add(AttributeType::PasswordAlgorithms, ByteView(auth::kPasswordAlgorithms))
        .add(AttributeType::PasswordAlgorithm, ByteView(chosen));
    auth::message_key("alice", c.realm, password, auth::PasswordAlgorithm::Sha256, auth::Mac::Sha256).sign(b);
    out.resize(b.finish().size());
    return c.send(out).code();
  };
  EXPECT_EQ(with_hash("us.example.org", "europe"), 401);
  EXPECT_EQ(with_hash("eu.example.org", "america"), 401);
  EXPECT_EQ(with_hash("us.example.org", "america"), 0);
}

TEST_F(RealmsTest, ASmallRequestGetsASmallAnswerInAnyRealm) {
  auth::Options options = with_realms();
  options.realms[0].name = std::string(100, 'r');
  World long_named(default_options(), 1, options);
  Client c(long_named);
  const auto bare = c.make_plain(stun::MessageClass::Request, Method::Allocate,
                                 [&](auto& b) { b.add(AttributeType::Origin, "https://eu.example.org"); });
  const Answer answer = c.send(bare);
  ASSERT_EQ(answer.code(), 401);
  EXPECT_EQ(realm_in(answer), options.realms[0].name);
  EXPECT_LT(answer.bytes.size() + 46, 21 * (bare.size() + 46) / 10);
}

TEST(RealmQuotas, UsersAndCredentialsOfTwoRealmsAreTwo) {
  Options o = default_options();
  o.max_allocations_per_user = 1;
  o.realms = {{std::nullopt, 0}, {2U, 3}, {0U, 0}};
  World w(o, 1, with_realms());
  int host = 1;
  std::vector<std::unique_ptr<Client>> clients;
  const auto allocate = [&](const char* realm, const char* user, const char* password) {
    auto c = std::make_unique<Client>(w, "192.12.1." + std::to_string(host++) + ":1", Transport::Udp, user,
                                      password);
    c->realm = realm;
    const int code = c->allocate().code();
    if (code == 0) clients.push_back(std::move(c));
    return code;
  };
  EXPECT_EQ(allocate("example.org", "alice", "wonder"), 0);
  EXPECT_EQ(allocate("example.org", "alice", "wonder"), 486);
  EXPECT_EQ(allocate("eu.example.org", "alice", "europe"), 0);  // inherits the server's one
  EXPECT_EQ(allocate("eu.example.org", "alice", "europe"), 486);
  EXPECT_EQ(allocate("us.example.org", "alice", "america"), 0);
  EXPECT_EQ(allocate("us.example.org", "alice", "america"), 0);
  EXPECT_EQ(allocate("us.example.org", "alice", "america"), 486);
  for (const auto& client : clients) EXPECT_EQ(client->refresh(0).code(), 0);
  EXPECT_EQ(allocate("us.example.org", "alice", "america"), 0);
  EXPECT_EQ(w.broken_invariant(), "");
}

TEST(RealmQuotas, ARealmHasAQuotaOfItsOwn) {
  Options o = default_options();
  o.realms = {{std::nullopt, 1}};
  World w(o, 1, with_realms());
  auth::Policy one;
  one.max_allocations = 1;
  one.max_bits_per_second = 8000;
  const auto client = [&](const char* from, const char* secret, const char* realm,
                          const auth::Policy& policy) {
    const auto minted = auth::mint(secret, "carol", policy, w.now.wall + seconds(60)).value();
    Client c(w, from, Transport::Udp, minted.username, minted.password);
    c.realm = realm;
    return c;
  };
  Client a = client("192.12.0.1:1", "eu secret", "eu.example.org", one);
  Client b = client("192.12.0.2:1", "eu secret", "eu.example.org", {});
  EXPECT_EQ(a.allocate().code(), 0);
  EXPECT_EQ(b.allocate().code(), 508);
  EXPECT_EQ(w.server.counters().denials[index(Denial::QuotaTotal)], 1U);
  Client c = client("192.12.0.3:1", "north", "example.org", one);
  EXPECT_EQ(c.allocate().code(), 0);
  Client d = client("192.12.0.4:1", "north", "example.org", one);
  EXPECT_EQ(d.allocate().code(), 486);
  EXPECT_EQ(a.refresh(0).code(), 0);
  EXPECT_EQ(b.allocate().code(), 0);
}

TEST_F(RealmsTest, RevocationMayNameARealm) {
  Client eu = of("eu.example.org", "europe");
  Client us = of("us.example.org", "america", "192.12.0.2:40000");
  Client main = of("example.org", "wonder", "192.12.0.3:40000");
  for (Client* c : {&eu, &us, &main}) ASSERT_EQ(c->allocate().code(), 0);
  Revocation revocation{Revocation::Kind::User, "alice", WallTime::max()};
  revocation.realm = 1;
  w.server.revoke(w.now, revocation, w.outbox), w.tick();
  EXPECT_EQ(w.server.allocation_count(), 2U);
  EXPECT_EQ(eu.allocate().code(), 403);
  EXPECT_EQ(us.refresh(600).code(), 0);
  EXPECT_EQ(main.refresh(600).code(), 0);
  revocation.realm.reset();
  w.server.revoke(w.now, revocation, w.outbox), w.tick();
  EXPECT_EQ(w.server.allocation_count(), 0U);
  for (Client* c : {&eu, &us, &main}) EXPECT_EQ(c->allocate().code(), 403);
}

TEST_F(RealmsTest, NewCredentialsCountInEveryRealm) {
  Client eu = of("eu.example.org", "europe");
  ASSERT_EQ(eu.allocate().code(), 0);
  auth::Options changed = with_realms();
  changed.realms[0].users = {{"bob", "berlin"}};
  const auth::Credentials credentials(changed);
  w.server.use_credentials(credentials);
  EXPECT_EQ(eu.refresh(600).code(), 0);
  Client again = of("eu.example.org", "europe", "192.12.0.2:40000");
  EXPECT_EQ(again.allocate().code(), 401);
  Client bob(w, "192.12.0.3:40000", Transport::Udp, "bob", "berlin");
  bob.realm = "eu.example.org";
  EXPECT_EQ(bob.allocate().code(), 0);
}

TEST(RealmMobility, ATicketIsGoodInItsRealm) {
  Options o = default_options();
  o.mobility = true;
  World w(o, 1, with_realms());
  Client eu(w, "192.12.0.1:40000", Transport::Udp, "alice", "europe");
  eu.realm = "eu.example.org";
  const Answer made = eu.allocate([](auto& b) { b.add_flag(AttributeType::MobilityTicket); });
  ASSERT_EQ(made.code(), 0);
  const auto value = made.attribute(AttributeType::MobilityTicket).value();
  const Bytes ticket(value.begin(), value.end());
  const auto move = [&](Client& c) {
    return c
        .request(Method::Refresh, [&](auto& b) { b.add(AttributeType::MobilityTicket, ByteView(ticket)); })
        .code();
  };
  Client thief(w, "192.12.0.2:40000", Transport::Udp, "alice", "america");
  thief.realm = "us.example.org";
  EXPECT_EQ(move(thief), 441);
  Client moved(w, "192.12.0.3:40000", Transport::Udp, "alice", "europe");
  moved.realm = "eu.example.org";
  EXPECT_EQ(move(moved), 0);
  moved.send_indication(ep("8.8.4.4:1"), Bytes(4));
  EXPECT_EQ(moved.refresh(0).code(), 0);
  EXPECT_EQ(w.gauges(), Gauges{});
}

TEST(RealmConnections, AreBoundInTheirRealm) {
  World w(default_options(), 1, with_realms());
  Client control(w, "192.12.0.1:40000", Transport::Tcp, "alice", "europe");
  control.realm = "eu.example.org";
  const Answer made = control.request(Method::Allocate, [](auto& b) {
    b.add_u32(AttributeType::RequestedTransport, std::uint32_t{stun::kTransportTcp} << 24);
  });
  ASSERT_EQ(made.code(), 0);
  ASSERT_EQ(control
                .request(Method::Connect,
                         [](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, ep("8.8.4.4:80")); })
                .none(),
            true);
  const std::size_t before = w.to_clients.size();
  w.peer_connected(w.connects.at(0).connection);
  const std::uint32_t id = control.answer_since(before).u32(AttributeType::ConnectionId);
  const auto bind = [&](const char* from, const char* realm, const char* password) {
    Client data(w, from, Transport::Tcp, "alice", password);
    data.realm = realm;
    return data.request(Method::ConnectionBind, [&](auto& b) { b.add_u32(AttributeType::ConnectionId, id); })
        .code();
  };
  EXPECT_EQ(bind("192.12.0.1:40001", "us.example.org", "america"), 441);
  EXPECT_EQ(bind("192.12.0.1:40002", "example.org", "wonder"), 441);
  EXPECT_EQ(bind("192.12.0.1:40003", "eu.example.org", "europe"), 0);
}

TEST(RealmTokens, AccessTokensAreTheDefaultRealms) {
  auth::Options options = with_realms();
  options.oauth_keys = {"kid:" + base64(Bytes(32, 1))};
  World w(default_options(), 1, options);
  const auth::AccessTokens tokens(options);
  Server server(Surroundings{w.options, w.credentials, w.nonces, w.ledger, w.random, 0, 1, nullptr, &tokens});
  const auto challenge = [&](const std::string& origin) {
    Client c(w);
    const Bytes bytes = c.make_plain(stun::MessageClass::Request, Method::Allocate, [&](auto& b) {
      Client::requested_transport(b);
      b.add(AttributeType::Origin, origin).add(AttributeType::Software, std::string(100, 'x'));
    });
    Outbox out;
    server.from_client(w.now, Inbound{c.tuple, 7, bytes}, out);
    const auto answer = stun::MessageView::parse(out.to_clients.at(0).bytes);
    return answer->find(AttributeType::ThirdPartyAuthorization).has_value();
  };
  EXPECT_TRUE(challenge("https://nobody.example"));
  EXPECT_FALSE(challenge("https://eu.example.org"));
}

TEST(RealmAccounts, NameTheirRealm) {
  EXPECT_EQ(auth::account_in(auth::kDefaultRealm, "alice"), "alice");
  const std::string account = auth::account_in(0x1FF, "alice");
  EXPECT_EQ(auth::split_account(account).realm, 0x1FF);
  EXPECT_EQ(auth::split_account(account).name, "alice");
  for (const std::string& plain : {std::string(), std::string(":alice"), std::string("\xff\x01", 2)}) {
    EXPECT_EQ(auth::split_account(plain).realm, auth::kDefaultRealm);
    EXPECT_EQ(auth::split_account(plain).name, plain);
  }
}

}  // namespace
}  // namespace ts::turn
