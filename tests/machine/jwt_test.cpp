// SPDX-License-Identifier: Apache-2.0
// Tokens as credentials of requests: in with every suite of RFC 8489, out with everything that is not signed.
#include <gtest/gtest.h>

#include <turnstone/auth/jwt.hpp>

#include "harness.hpp"

namespace ts::turn {
namespace {

using namespace testing;
using std::chrono::seconds;

const std::string kOld = "an old secret of forty bytes, more or less";
const std::string kNew = "a new secret of forty bytes, more or less.";

auth::Options with_tokens() {
  auth::Options out = default_auth();
  out.jwt_secrets = {kNew, kOld};
  return out;
}

auth::Minted minted(const World& w, const std::string& user, const auth::Policy& policy = {},
                    const std::string& secret = kNew) {
  return auth::mint_jwt(secret, user, policy, "", w.now.wall + seconds(60)).value();
}

Client client_of(World& w, const auth::Minted& credential, const std::string& from = "192.12.0.1:40000") {
  return Client(w, from, Transport::Udp, credential.username, credential.password);
}

std::uint64_t failures(const World& w, AuthFailure why) {
  return w.server.counters().auth_failures[index(why)];
}

TEST(JwtCredentials, LetInWithAnySecret) {
  World w(default_options(), 1, with_tokens());
  Client one = client_of(w, minted(w, "carol"));
  Client two = client_of(w, minted(w, "carol", {}, kOld), "192.12.0.2:40000");
  EXPECT_EQ(one.allocate().code(), 0);
  EXPECT_EQ(two.allocate().code(), 0);
  // It expires under its allocation, which goes on.
  w.advance(seconds(61));
  one.renew_nonce();
  EXPECT_EQ(one.refresh(600).code(), 0);
  EXPECT_EQ(one.permit({ep("8.8.4.4:1")}).code(), 0);
  Client three = client_of(w, {one.username, one.password}, "192.12.0.3:40000");
  EXPECT_EQ(three.allocate().code(), 401);
  EXPECT_EQ(failures(w, AuthFailure::Expired), 1U);
  EXPECT_EQ(w.broken_invariant(), "");
}

TEST(JwtCredentials, NothingWithoutTheirOwnSecrets) {
  World w;  // secrets, and no jwt_secrets
  Client c = client_of(w, minted(w, "carol", {}, std::string(32, 'x')));
  EXPECT_EQ(c.allocate().code(), 401);
  EXPECT_EQ(failures(w, AuthFailure::UnknownUser), 1U);
  // And a shared secret of TURN REST signs no token.
  auth::Options a = with_tokens();
  a.secrets = {std::string(32, 's')};
  World both(default_options(), 1, a);
  Client other = client_of(both, minted(both, "carol", {}, a.secrets[0]));
  EXPECT_EQ(other.allocate().code(), 401);
  EXPECT_EQ(failures(both, AuthFailure::WrongPassword), 1U);
}

TEST(JwtCredentials, AChangedUsernameIsAnotherPassword) {
  World w(default_options(), 1, with_tokens());
  const auth::Minted good = minted(w, "carol");
  for (std::size_t i = 0; i < good.username.size(); i += 7) {
    auth::Minted bad = good;
    bad.username[i] = bad.username[i] == 'A' ? 'B' : 'A';
    Client c = client_of(w, bad);
    EXPECT_EQ(c.allocate().code(), 401) << i;
  }
  EXPECT_EQ(failures(w, AuthFailure::Expired) + failures(w, AuthFailure::BadPolicy), 0U);
  EXPECT_EQ(w.gauges(), Gauges{});
}

TEST(JwtCredentials, SignedButNotUnderstoodIsAChallenge) {
  World w(default_options(), 1, with_tokens());
  const auto signed_by_us = [&](const std::string& header, const std::string& claims) {
    const std::string username = base64url(as_bytes(header)) + '.' + base64url(as_bytes(claims));
    return auth::Minted{username, auth::jwt_password(HmacSha256Key(as_bytes(kNew)), username)};
  };
  const std::string exp = std::to_string(w.now.wall.time_since_epoch().count() + 60);
  const std::string good = R"({"alg":"HS256"})";
  Client fine = client_of(w, signed_by_us(good, R"({"exp":)" + exp + R"(,"turn":{}})"), "192.12.0.9:1");
  EXPECT_EQ(fine.allocate().code(), 0);
  for (const auto& [header, claims] :
       {std::pair<std::string, std::string>{R"({"alg":"none"})", R"({"exp":)" + exp + "}"},
        {good, R"({"exp":)" + exp + R"(,"turn":{"later":1}})"},
        {good, R"({"exp":)" + exp + R"(,"exp":)" + exp + "}"},
        {good, "{}"},
        {good, "no json"}}) {
    Client c = client_of(w, signed_by_us(header, claims));
    EXPECT_EQ(c.allocate().code(), 401) << claims;
  }
  EXPECT_EQ(failures(w, AuthFailure::BadPolicy), 5U);
}

TEST(JwtCredentials, ThePolicyAndTheSubjectCount) {
  Options o = default_options();
  o.max_allocations_per_user = 2;
  World w(o, 1, with_tokens());
  auth::Policy policy;
  policy.peers = {*IpNetwork::parse("8.8.0.0/16")};
  policy.max_allocations = 1;
  policy.room = "lobby";
  const auth::Minted one = minted(w, "carol", policy);
  Client a = client_of(w, one);
  ASSERT_EQ(a.allocate().code(), 0);
  EXPECT_EQ(w.events.at(0).room, "lobby");
  EXPECT_EQ(a.permit({ep("8.8.4.4:1")}).code(), 0);
  EXPECT_EQ(a.permit({ep("9.9.9.9:1")}).code(), 403);
  Client b = client_of(w, one, "192.12.0.2:40000");
  EXPECT_EQ(b.allocate().code(), 486);
  // Another token of the same subject, and a TURN REST credential of the same user: one account.
  Client c = client_of(w, minted(w, "carol"), "192.12.0.3:40000");
  EXPECT_EQ(c.allocate().code(), 0);
  const auth::Minted rest = auth::mint("north", "carol", w.now.wall + seconds(60));
  Client d = client_of(w, rest, "192.12.0.4:40000");
  EXPECT_EQ(d.allocate().code(), 486);
  // Tokens without a subject count one by one.
  Client e = client_of(w, minted(w, ""), "192.12.0.5:40000");
  EXPECT_EQ(e.allocate().code(), 0);
  EXPECT_EQ(a.refresh(0).code(), 0);
  EXPECT_EQ(d.allocate().code(), 0);
  EXPECT_EQ(w.broken_invariant(), "");
}

TEST(JwtCredentials, AreRevokedByUserRoomAndToken) {
  World w(default_options(), 1, with_tokens());
  auth::Policy policy;
  policy.room = "lobby";
  Client a = client_of(w, minted(w, "carol", policy));
  Client b = client_of(w, minted(w, "dave", policy), "192.12.0.2:40000");
  Client c = client_of(w, minted(w, "erin"), "192.12.0.3:40000");
  Client d = client_of(w, minted(w, ""), "192.12.0.4:40000");
  for (Client* each : {&a, &b, &c, &d}) ASSERT_EQ(each->allocate().code(), 0);
  const auto revoke = [&](Revocation::Kind kind, const std::string& name) {
    w.server.revoke(w.now, with_end({kind, name, WallTime::max()}, w.auth_options, w.now.wall), w.outbox);
    w.tick();
  };
  revoke(Revocation::Kind::Room, "");  // means nobody
  EXPECT_EQ(w.server.allocation_count(), 4U);
  revoke(Revocation::Kind::User, "carol");
  EXPECT_EQ(a.allocate().code(), 403);
  EXPECT_EQ(w.server.allocation_count(), 3U);
  revoke(Revocation::Kind::Room, "lobby");
  EXPECT_EQ(b.allocate().code(), 403);
  EXPECT_EQ(c.allocate().code(), 437);
  revoke(Revocation::Kind::Credential, d.username);
  EXPECT_EQ(d.allocate().code(), 403);
  EXPECT_EQ(w.server.allocation_count(), 1U);
}

TEST(JwtCredentials, WithEverySuiteAndNeverByUserhash) {
  World w(default_options(), 1, with_tokens());
  const auth::Minted token = minted(w, "carol");
  int port = 41000;
  for (const auth::PasswordAlgorithm algorithm :
       {auth::PasswordAlgorithm::Md5, auth::PasswordAlgorithm::Sha256}) {
    for (const bool hashed : {false, true}) {
      Client c = client_of(w, token, "192.12.0.1:" + std::to_string(++port));
      Bytes out(4096);
      stun::MessageBuilder b(out, stun::MessageClass::Request, Method::Allocate, c.id());
      Client::requested_transport(b);
      const auto hash = auth::userhash(token.username, c.realm);
      if (hashed) {
        b.add(AttributeType::Userhash, ByteView(hash));
      } else {
        b.add(AttributeType::Username, token.username);
      }
      const std::array<std::uint8_t, 4> chosen{0, static_cast<std::uint8_t>(algorithm), 0, 0};
      b.add(AttributeType::Realm, c.realm)
          .add(AttributeType::Nonce, c.nonce)
          .add(AttributeType::PasswordAlgorithms, ByteView(auth::kPasswordAlgorithms))
          .add(AttributeType::PasswordAlgorithm, ByteView(chosen));
      auth::message_key(token.username, c.realm, token.password, algorithm, auth::Mac::Sha256).sign(b);
      out.resize(b.finish().size());
      EXPECT_EQ(c.send(out).code(), hashed ? 401 : 0);
    }
  }
  // Nor is a client promised that it may hide its name.
  auth::Options only;
  only.jwt_secrets = {kNew};
  only.users = {{"alice", "wonder"}};
  EXPECT_EQ(auth::Credentials(only).features() & auth::kFeatureUsernameAnonymity, 0U);
}

}  // namespace
}  // namespace ts::turn
