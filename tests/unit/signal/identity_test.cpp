// SPDX-License-Identifier: Apache-2.0
// What identities may do, tokens, and what the ICE provider is told about memberships.
#include <turnstone/signal/jwt.hpp>

#include "support.hpp"

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

TEST(Rights, Names) {
  EXPECT_EQ(right_of("kick"), Right::Kick);
  EXPECT_EQ(right_of("Kick"), std::nullopt);
  const Rights some = Rights::of({"join", "nonsense", "kick"});
  EXPECT_TRUE(some.has(Right::Join) && some.has(Right::Kick));
  EXPECT_FALSE(some.has(Right::Create) || some.has(Right::Room));
  for (std::size_t i = 0; i < kRightCount; ++i) EXPECT_TRUE(Rights::all().has(static_cast<Right>(i)));
}

TEST(Identity, Rooms) {
  Identity identity;
  EXPECT_TRUE(identity.may_enter("r"));
  identity.all_rooms = false;
  EXPECT_FALSE(identity.may_enter("r"));
  identity.rooms = {"r", "team-*", "*x"};
  for (const char* room : {"r", "team-", "team-1", "*x"}) EXPECT_TRUE(identity.may_enter(room)) << room;
  for (const char* room : {"r1", "team", "", "ax"}) EXPECT_FALSE(identity.may_enter(room)) << room;
  identity.rooms = {"*"};
  EXPECT_TRUE(identity.may_enter("any"));
}

class TokenTest : public RouterTest {
 protected:
  void SetUp() override {
    auto keys = std::make_shared<auth::JwtKeys>();
    keys->add_secret(secret_);
    Options o = test_options();
    o.resume_time = 30s;
    authenticator_ = std::make_unique<JwtAuthenticator>(o, keys);
    router_ = std::make_unique<Router>(o, random_, ice_, authenticator_.get());
  }
  std::string token(const std::string& claims) const {
    const std::string text = base64url(as_bytes(R"({"alg":"HS256"})")) + '.' + base64url(as_bytes(claims));
    return text + '.' + base64url(HmacSha256Key(as_bytes(secret_)).sign({as_bytes(text)}));
  }
  Result<Welcome, Failure> hello(ConnectionId id, const std::string& token, std::string_view peer = {},
                                 std::optional<Resume> resume = {}) {
    EXPECT_TRUE(router_->opened(now_, id, {}, 0, out_));
    return router_->hello(now_, id, Hello{token, peer, {}, true, resume}, out_);
  }

  std::string secret_ = std::string(32, 'k');
  std::unique_ptr<JwtAuthenticator> authenticator_;
};

TEST_F(TokenTest, AreJudgedAtTheHello) {
  EXPECT_EQ(code(hello(1, token(R"({"exp":1800000000})"))), ErrorCode::None);
  EXPECT_EQ(code(hello(2, "secret")), ErrorCode::None) << "the shared token still counts";
  EXPECT_EQ(said(), Lines{});
  EXPECT_EQ(code(hello(3, token(R"({"exp":1700000000})"))), ErrorCode::TokenExpired);
  EXPECT_EQ(said(), Lines{"3: close 4001 token_expired"});
  EXPECT_EQ(code(hello(4, token(R"({"sub":"ada"})"))), ErrorCode::Unauthorized);
  EXPECT_EQ(code(hello(5, token(R"({"exp":1800000000})") + "A")), ErrorCode::Unauthorized);
  EXPECT_EQ(code(hello(6, "a.b.c")), ErrorCode::Unauthorized);
  EXPECT_EQ(code(hello(7, "")), ErrorCode::Unauthorized);
  EXPECT_EQ(code(hello(8, token(R"({"exp":1800000000,"peer":"*"})"))), ErrorCode::Unauthorized);
  out_.clear();
}

TEST_F(TokenTest, MayFixThePeerId) {
  const std::string ada = token(R"({"exp":1800000000,"sub":"a","peer":"ada"})");
  EXPECT_EQ(code(hello(1, ada, "bob")), ErrorCode::Forbidden);
  EXPECT_EQ(said(), Lines{"1: close 4003 forbidden"});
  EXPECT_EQ(hello(2, ada)->peer, "ada");
  EXPECT_EQ(code(hello(3, ada, "ada")), ErrorCode::PeerTaken);
  out_.clear();
}

TEST_F(TokenTest, LimitRoomsRightsAndRates) {
  ASSERT_TRUE(hello(1,
                    token(R"({"exp":1800000000,"rooms":["a","b","c"],"can":["join","create"],)"
                          R"("limits":{"rooms":2,"messages":1}})"),
                    "ada"));
  EXPECT_EQ(code(router_->join(now_, 1, "x", {}, out_)), ErrorCode::Forbidden);
  EXPECT_EQ(code(router_->join(now_, 1, "a", {}, out_)), ErrorCode::None);
  EXPECT_EQ(code(router_->join(now_, 1, "b", {}, out_)), ErrorCode::None);
  EXPECT_EQ(code(router_->join(now_, 1, "c", {}, out_)), ErrorCode::Forbidden);
  EXPECT_EQ(code(send(1, "a", {"*"})), ErrorCode::Forbidden);
  EXPECT_EQ(router_->ice(now_, 1, out_)->servers.size(), 0U);
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(router_->admit(now_, 1, out_));
  EXPECT_EQ(router_->admit(now_, 1, out_).error().retry_after, 1s);
  // In an existing room, `create` is of no use.
  ASSERT_TRUE(hello(2, token(R"({"exp":1800000000,"can":["create"]})"), "bob"));
  EXPECT_EQ(code(router_->join(now_, 2, "a", {}, out_)), ErrorCode::Forbidden);
  EXPECT_EQ(code(router_->join(now_, 2, "d", {}, out_)), ErrorCode::None);
  // No `can`: as the shared token.
  ASSERT_TRUE(hello(3, token(R"({"exp":1800000000})"), "cid"));
  EXPECT_EQ(code(router_->join(now_, 3, "a", {}, out_)), ErrorCode::None);
  EXPECT_EQ(send(3, "a", {"*"})->delivered, 1U);
  EXPECT_EQ(code(router_->kick(now_, 3, {"a", "ada", {}}, out_)), ErrorCode::Forbidden);
}

TEST_F(TokenTest, AnExpiredOneMustBeReplacedAtTheResume) {
  const auto welcome = *hello(1, token(R"({"exp":1700000010,"sub":"ada"})"), "ada");
  const Resume resume{welcome.sid, welcome.key, 0};
  router_->closed(now_, 1, CloseReason::Lost, out_);
  EXPECT_EQ(*hello(2, "", {}, resume)->outcome, ResumeOutcome::Resumed) << "not yet";
  router_->closed(now_, 2, CloseReason::Lost, out_);
  now_.wall += 10s;
  EXPECT_EQ(code(hello(3, token(R"({"exp":1700000010,"sub":"ada"})"), {}, resume)), ErrorCode::TokenExpired);
  const auto other = hello(4, token(R"({"exp":1800000000,"sub":"eve"})"), "eve", resume);
  EXPECT_EQ(*other->outcome, ResumeOutcome::Unknown) << "the session is another's";
  EXPECT_TRUE(router_->is_lost(2));
  EXPECT_EQ(*hello(5, token(R"({"exp":1800000000,"sub":"ada"})"), {}, resume)->outcome,
            ResumeOutcome::Resumed);
  out_.clear();
  router_->closed(5, CloseReason::Bye, out_);
}

TEST_F(TokenTest, OnlyTheSameSubjectTakesTheGhostsPlace) {
  ASSERT_TRUE(hello(1, token(R"({"exp":1800000000,"sub":"ada"})"), "ada"));
  router_->closed(now_, 1, CloseReason::Lost, out_);
  EXPECT_EQ(code(hello(2, token(R"({"exp":1800000000,"sub":"eve"})"), "ada")), ErrorCode::PeerTaken);
  EXPECT_EQ(code(hello(3, "secret", "ada")), ErrorCode::PeerTaken);
  EXPECT_EQ(code(hello(4, token(R"({"exp":1800000001,"sub":"ada"})"), "ada")), ErrorCode::None);
  out_.clear();
  // Without a subject, a token stands for itself.
  ASSERT_TRUE(hello(5, token(R"({"exp":1800000000})"), "bob"));
  router_->closed(now_, 5, CloseReason::Lost, out_);
  EXPECT_EQ(code(hello(6, token(R"({"exp":1800000001})"), "bob")), ErrorCode::PeerTaken);
  EXPECT_EQ(code(hello(7, token(R"({"exp":1800000000})"), "bob")), ErrorCode::None);
  out_.clear();
}

TEST_F(RouterTest, TheIceProviderHearsOfEveryEnd) {
  ice_.revokes = true;
  member(1, "ada"), member(2, "bob"), member(3, "cid");
  join(1, "r"), join(1, "s"), join(2, "r"), join(3, "r");
  ASSERT_TRUE(router_->leave(now_, 1, "s", out_));
  EXPECT_EQ(ice_.ends, Lines{"s/ada"});
  EXPECT_EQ(said(), Lines{}) << "still in a room";
  ASSERT_TRUE(router_->leave(now_, 1, "r", out_));
  EXPECT_EQ(ice_.ends, (Lines{"s/ada", "r/ada", "/ada"}));
  EXPECT_EQ(said(), (Lines{"2: peer-left r ada left", "3: peer-left r ada left", "1: ice ada:4"}));
  ice_.ends.clear();
  ASSERT_TRUE(router_->kick(now_, 2, {"r", "cid", "why"}, out_));
  EXPECT_EQ(ice_.ends, (Lines{"r/cid", "/cid"}));
  EXPECT_EQ(ice_.reasons, (Lines{"left", "left", "left", "kicked", "kicked"}));
  EXPECT_EQ(said(), (Lines{"3: kicked forbidden why", "2: peer-left r cid kicked", "3: ice cid:5"}));
  ice_.ends.clear();
  router_->closed(now_, 2, CloseReason::Lost, out_);
  EXPECT_EQ(ice_.ends, (Lines{"r/bob", "/bob"}));
  router_->kick(3, ErrorCode::Forbidden, "by an admin", out_);
  EXPECT_EQ(ice_.ends.back(), "/cid");
  EXPECT_EQ(ice_.reasons.back(), "kicked");
  out_.clear();
}

TEST_F(RouterTest, TheEndOfTheServerIsNobodysDeparture) {
  member(1, "ada"), member(2, "bob");
  join(1, "r"), join(2, "r");
  router_->close_all(CloseCode::Drain, "drain", out_);
  EXPECT_EQ(ice_.ends, Lines{});
  out_.clear();
  member(3, "cid");
  router_->closed(3, CloseReason::Bye, out_);
  EXPECT_EQ(ice_.ends, Lines{"/cid"});
}

TEST_F(TokenTest, AResumeFollowsTheNewToken) {
  ice_.revokes = true;
  const auto welcome = *hello(1, token(R"({"exp":1700000010,"sub":"ada"})"), "ada");
  ASSERT_TRUE(hello(2, "secret", "bob"));
  join(1, "a"), join(1, "b"), join(2, "a"), join(2, "b");
  const Resume resume{welcome.sid, welcome.key, 0};
  router_->closed(now_, 1, CloseReason::Lost, out_);
  now_.wall += 10s;
  ice_.ends.clear();
  const auto again =
      hello(3, token(R"({"exp":1800000000,"sub":"ada","rooms":["b"],"can":["join","send"]})"), {}, resume);
  ASSERT_EQ(*again->outcome, ResumeOutcome::Resumed);
  EXPECT_TRUE(again->ice.servers.empty()) << "it may not have them any more";
  EXPECT_EQ(said(), (Lines{"3: kicked forbidden the token does not allow this room",
                           "2: peer-left a ada kicked", "2: peer-resumed b ada"}));
  EXPECT_EQ(ice_.ends, (Lines{"a/ada", "/ada", "b/ada", "/ada"}));
  EXPECT_EQ(code(router_->join(now_, 3, "a", {}, out_)), ErrorCode::Forbidden);
  EXPECT_EQ(code(router_->list(3, "b", out_)), ErrorCode::None);
}

TEST_F(TokenTest, ATokenBesideTheKeyCountsIfItIsTheSameClients) {
  const auto welcome = *hello(1, token(R"({"exp":1800000000,"sub":"ada"})"), "ada");
  join(1, "a");
  const Resume resume{welcome.sid, welcome.key, 0};
  auto back = [&, id = ConnectionId{1}](const std::string& claims) mutable {
    router_->closed(now_, id, CloseReason::Lost, out_);
    const auto outcome = hello(++id, claims.empty() ? "nonsense" : token(claims), {}, resume);
    out_.clear();
    return outcome ? std::string(label(*outcome->outcome)) : std::string(label(outcome.error().code));
  };
  EXPECT_EQ(back(""), "resumed") << "the key is enough";
  EXPECT_EQ(back(R"({"exp":1800000000,"sub":"eve","rooms":[]})"), "resumed");
  EXPECT_EQ(code(router_->list(3, "a", out_)), ErrorCode::None) << "another's token says nothing about it";
  EXPECT_EQ(back(R"({"exp":1800000000,"sub":"ada","rooms":["b"]})"), "resumed");
  EXPECT_EQ(code(router_->list(4, "a", out_)), ErrorCode::NotJoined);
  EXPECT_EQ(back(R"({"exp":1800000000,"sub":"ada","limits":{"rooms":1}})"), "resumed");
  join(5, "a");
  EXPECT_EQ(code(router_->join(now_, 5, "b", {}, out_)), ErrorCode::Forbidden);
}

TEST_F(TokenTest, ATokenForAnotherPeerIdDoesNotResume) {
  const auto welcome = *hello(1, token(R"({"exp":1800000000,"sub":"a"})"), "ada");
  join(1, "r");
  const Resume resume{welcome.sid, welcome.key, 0};
  router_->closed(now_, 1, CloseReason::Lost, out_);
  const std::string other = token(R"({"exp":1800000000,"sub":"a","peer":"bob"})");
  EXPECT_EQ(code(hello(2, other, "ada", resume)), ErrorCode::Forbidden) << "in words";
  out_.clear();
  const auto fresh = hello(3, other, {}, resume);
  EXPECT_EQ(*fresh->outcome, ResumeOutcome::Denied);
  EXPECT_EQ(fresh->peer, "bob");
  EXPECT_EQ(counters().rooms, 0U) << "the session that it gave up is gone";
  out_.clear();
}

TEST_F(TokenTest, TheLastRoomsGoWhenTheNewLimitIsLower) {
  const auto welcome = *hello(1, token(R"({"exp":1800000000,"sub":"ada"})"), "ada");
  join(1, "a"), join(1, "b");
  router_->closed(now_, 1, CloseReason::Lost, out_);
  ASSERT_TRUE(hello(2, token(R"({"exp":1800000000,"sub":"ada","limits":{"rooms":1}})"), {},
                    Resume{welcome.sid, welcome.key, 0}));
  out_.clear();
  EXPECT_EQ(code(router_->list(2, "a", out_)), ErrorCode::None);
  EXPECT_EQ(code(router_->list(2, "b", out_)), ErrorCode::NotJoined);
}

TEST_F(TokenTest, ASubjectIsItsIssuersAlone) {
  ASSERT_TRUE(hello(1, token(R"({"exp":1800000000,"iss":"a","sub":"ada"})"), "ada"));
  router_->closed(now_, 1, CloseReason::Lost, out_);
  EXPECT_EQ(code(hello(2, token(R"({"exp":1800000000,"iss":"b","sub":"ada"})"), "ada")),
            ErrorCode::PeerTaken);
  EXPECT_EQ(code(hello(3, token(R"({"exp":1800000000,"sub":"1:a:ada"})"), "ada")), ErrorCode::PeerTaken);
  EXPECT_EQ(code(hello(4, token(R"({"exp":1800000001,"iss":"a","sub":"ada"})"), "ada")), ErrorCode::None);
  out_.clear();
}

TEST_F(TokenTest, ABanIsForTheSubject) {
  const std::string eve = token(R"({"exp":1800000000,"iss":"i","sub":"eve"})");
  ASSERT_TRUE(hello(1, "secret", "ada"));
  ASSERT_TRUE(hello(2, eve, "eve"));
  ASSERT_TRUE(hello(3, eve, "eve-too"));
  join(1, "r"), join(2, "r"), join(3, "r");
  ASSERT_TRUE(router_->ban(now_, 1, {"r", "eve", 60s, {}}, out_));
  EXPECT_EQ(said(), (Lines{"2: kicked forbidden ", "1: peer-left r eve kicked", "3: peer-left r eve kicked",
                           "3: kicked forbidden ", "1: peer-left r eve-too kicked"}));
  EXPECT_EQ(ice_.reasons.back(), "kicked");
  EXPECT_EQ(code(router_->join(now_, 3, "r", {}, out_)), ErrorCode::Forbidden);
  router_->closed(2, CloseReason::Bye, out_);
  ASSERT_TRUE(hello(4, eve, "another"));
  EXPECT_EQ(router_->join(now_, 4, "r", {}, out_).error().retry_after, 60s);
  ASSERT_TRUE(hello(5, token(R"({"exp":1800000000,"iss":"j","sub":"eve"})"), "other"));
  EXPECT_EQ(code(router_->join(now_, 5, "r", {}, out_)), ErrorCode::None);
  out_.clear();
}

TEST_F(TokenTest, ASessionIsNamedFromElsewhere) {
  const auto welcome = *hello(1, token(R"({"exp":1800000000,"sub":"ada"})"), "ada");
  const auto identity = *authenticator_->authenticate(now_, token(R"({"exp":1800000000,"sub":"ada"})"));
  const auto eve = *authenticator_->authenticate(now_, token(R"({"exp":1800000000,"sub":"eve"})"));
  EXPECT_EQ(router_->session_ice(now_, {welcome.sid, welcome.key, 0}, *identity)->servers.at(0).username,
            "ada:2");
  EXPECT_EQ(code(router_->session_ice(now_, {welcome.sid, welcome.key, 0}, *eve)), ErrorCode::Forbidden);
  EXPECT_EQ(code(router_->session_ice(now_, {welcome.sid, "x", 0}, *identity)), ErrorCode::Forbidden);
  EXPECT_EQ(code(router_->session_ice(now_, {"x", welcome.key, 0}, *identity)), ErrorCode::Forbidden);
  const auto mute = *hello(2, token(R"({"exp":1800000000,"sub":"bob","can":["join"]})"), "bob");
  const auto bob = *authenticator_->authenticate(now_, token(R"({"exp":1800000000,"sub":"bob"})"));
  EXPECT_EQ(code(router_->session_ice(now_, {mute.sid, mute.key, 0}, *bob)), ErrorCode::Forbidden);
}

TEST_F(RouterTest, WhatARoomAddsIsRenewedToo) {
  ice_.ttl = 40s;
  ice_.extra_room = "r";
  member(1, "ada");
  EXPECT_EQ(router_->join(now_, 1, "r", {}, out_)->ice.servers.size(), 1U);
  pass(30s);
  router_->alive(now_, 1);
  EXPECT_EQ(tick(), (Lines{"1: ice ada:3", "1: ice ada:4"}));
}

}  // namespace
}  // namespace ts::signal
