// SPDX-License-Identifier: Apache-2.0
// Who gets what from GET /turn, and how MemberIce binds it.
#include "../../../src/app/turn_endpoint.hpp"

#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include <turnstone/auth/jwt_keys.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/signal/jwt.hpp>

#include "../../../src/app/member_ice.hpp"

namespace ts::app {
namespace {

using namespace std::chrono_literals;

class CountingRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& b : out) b = next_++;
  }

 private:
  std::uint8_t next_ = 0;
};

struct Ended {
  std::string member;
  WallTime until;
  signal::LeaveReason why;
};

struct Endpoints : ::testing::Test {
  void SetUp() override { start({}); }
  void start(std::vector<std::string> rights, bool bound = true) {
    options.token = "shared";
    if (!rights.empty()) options.token_can = std::move(rights);
    options.ice_urls = {"stun:s", "turn:t", "turns:t"};
    options.resume_time = 30s;
    auto keys = std::make_shared<auth::JwtKeys>();
    keys->add_secret(secret);
    authenticator.emplace(options, keys);
    router.emplace(options, random, ice, &*authenticator);
    endpoint.emplace(options, *router, bound);
  }
  std::string token(const std::string& claims) const {
    const std::string text = base64url(as_bytes(R"({"alg":"HS256"})")) + '.' +
                             base64url(as_bytes(R"({"exp":1800000000,)" + claims + "}"));
    return text + '.' + base64url(HmacSha256Key(as_bytes(secret)).sign({as_bytes(text)}));
  }
  signal::Welcome session(signal::ConnectionId id, const std::string& shown, std::string_view peer) {
    EXPECT_TRUE(router->opened(now, id, {}, 0, out));
    return *router->hello(now, id, signal::Hello{shown, peer, {}, true}, out);
  }
  /// The user name, or the refusal's status.
  std::string ask(const std::string& shown, const std::string& sid = {}, const std::string& key = {}) {
    const auto answer = endpoint->answer(now, {shown, "bob", sid, key}, mint);
    if (!answer) return std::to_string(answer.error().status);
    EXPECT_EQ(answer->uris, (std::vector<std::string>{"turn:t", "turns:t"}));
    EXPECT_EQ(answer->ttl, 600s);
    return answer->username;
  }

  std::string secret = std::string(32, 'k');
  signal::Options options;
  CountingRandom random;
  std::vector<Ended> ended;
  Now now{TimePoint(1h), WallTime(1'700'000'000s)};
  signal::MintIceCredential mint = [](const Now&, std::string_view user) {
    return signal::IceCredential{"plain:" + std::string(user), "pw", 600s};
  };
  MemberIce ice{{"stun:s", "turn:t", "turns:t"},
                600s,
                random,
                [](std::string_view user, const auth::Policy& policy, WallTime expiry) {
                  return auth::mint("secret", user, policy, expiry);
                },
                [this](const std::string& member, WallTime until, signal::LeaveReason why) {
                  ended.push_back({member, until, why});
                }};
  std::optional<signal::JwtAuthenticator> authenticator;
  std::optional<signal::Router> router;
  std::optional<TurnEndpoint> endpoint;
  signal::Outbox out;
};

TEST_F(Endpoints, WhoIsKnownAndMay) {
  EXPECT_EQ(ask("wrong"), "401");
  EXPECT_EQ(ask(""), "401");
  EXPECT_EQ(ask("shared"), "plain:bob");
  EXPECT_EQ(ask(token(R"("sub":"ada","can":["join"])")), "403");
  EXPECT_EQ(ask(token(R"("sub":"ada")")), "403") << "bound to no session";
  start({}, false);
  EXPECT_EQ(ask(token(R"("sub":"ada")")), "plain:bob");
  start({"join"}, false);
  EXPECT_EQ(ask("shared"), "403");
  EXPECT_EQ(ask(token(R"("sub":"ada","can":["ice"])")), "plain:bob");
  mint = {};
  EXPECT_EQ(ask(token(R"("sub":"ada","can":["ice"])")), "404");
}

TEST_F(Endpoints, ASessionsCredentialEndsWithIt) {
  const std::string ada = token(R"("sub":"ada")");
  const signal::Welcome welcome = session(1, ada, "ada");
  EXPECT_EQ(ask(ada, welcome.sid, "wrong"), "403");
  EXPECT_EQ(ask(token(R"("sub":"eve")"), welcome.sid, welcome.key), "403");
  EXPECT_EQ(ask("shared", welcome.sid, welcome.key), "403");
  now.wall += 100s;
  const std::string name = ask(ada, welcome.sid, welcome.key);
  EXPECT_TRUE(name.starts_with("1700000700:ada;ts1;member=ada~")) << name;
  router->closed(1, signal::CloseReason::Bye, out);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_NE(name.find(ended[0].member), std::string::npos);
  EXPECT_EQ(ended[0].until, now.wall + 600s) << "as long as the last credential would have lived";
  EXPECT_EQ(ask(ada, welcome.sid, welcome.key), "403");
}

TEST_F(Endpoints, ARemovalIsToldFromADeparture) {
  session(1, "shared", "ada"), session(2, "shared", "bob");
  for (const signal::ConnectionId id : {1U, 2U}) {
    ASSERT_TRUE(router->join(now, id, "r", {}, out));
  }
  ASSERT_TRUE(router->kick(now, 1, {"r", "bob", {}}, out));
  ASSERT_EQ(ended.size(), 2U) << "of the room, and of all rooms";
  for (const Ended& e : ended) EXPECT_EQ(e.why, signal::LeaveReason::Kicked);
  ended.clear();
  ASSERT_TRUE(router->leave(now, 1, "r", out));
  ASSERT_EQ(ended.size(), 2U);
  for (const Ended& e : ended) EXPECT_EQ(e.why, signal::LeaveReason::Left);
}

/// Of closed relays.
struct ClosedIce : ::testing::Test {
  void SetUp() override {
    ice.close([] { return true; }, [this](turn::ReachChange change) { told.push_back(std::move(change)); });
  }
  /// "+ada~AAEC" is a grant, "-" what is forgotten.
  std::vector<std::string> take() {
    std::vector<std::string> out;
    for (const turn::ReachChange& change : std::exchange(told, {}))
      out.push_back((change.kind == turn::ReachChange::Kind::Grant ? '+' : '-') + change.member);
    return out;
  }

  CountingRandom random;
  std::vector<turn::ReachChange> told;
  std::vector<std::string> revoked;
  bool takes_long_names = true;
  Now now{TimePoint(1h), WallTime(1'700'000'000s)};
  MemberIce ice{
      {"turn:t"},
      600s,
      random,
      [this](std::string_view user, const auth::Policy& policy, WallTime expiry) {
        if (!takes_long_names && !policy.member.starts_with('~')) return std::optional<auth::Minted>();
        return auth::mint("secret", user, policy, expiry);
      },
      [this](const std::string& member, WallTime, signal::LeaveReason) { revoked.push_back(member); }};
};

TEST_F(ClosedIce, WhoIsReleasedIsForgottenWhenItsCredentialsHaveRunOut) {
  ice.servers(now, "r", "ada");
  const auto granted = take();
  ASSERT_EQ(granted.size(), 1U);
  now.wall += 100s;
  ice.servers(now, "r", "ada");
  ice.released("r", "ada");
  ice.released("r", "nobody");
  ice.servers(now, "r", "ben");
  EXPECT_EQ(take().size(), 1U) << "Ben's";
  now.wall += 600s;
  ice.servers(now, "r", "ben");
  EXPECT_EQ(take(), std::vector<std::string>{}) << "it is still good";
  now.wall += 1s;
  ice.servers(now, "r", "ben");
  EXPECT_EQ(take(), std::vector<std::string>{'-' + granted[0].substr(1)});
  EXPECT_EQ(revoked, std::vector<std::string>{});
  now.wall += 10'000s;
  ice.servers(now, "r", "ben");
  EXPECT_EQ(take(), std::vector<std::string>{}) << "once, and nobody who is there";
}

TEST_F(ClosedIce, WhoGetsAnotherNameIsNotTheFormerOneAnyMore) {
  ice.servers(now, "r", "ada");
  const auto granted = take();
  ASSERT_EQ(granted.size(), 1U);
  const std::string former = granted[0].substr(1);
  const std::string fresh = former.substr(former.rfind('~'));
  takes_long_names = false;
  EXPECT_EQ(ice.servers(now, "r", "ada").servers.size(), 1U);
  EXPECT_EQ(take(), (std::vector<std::string>{'-' + former, '+' + fresh}));
  EXPECT_EQ(revoked, std::vector<std::string>{former});
  EXPECT_TRUE(ice.ended("r", "ada", signal::LeaveReason::Left));
  EXPECT_EQ(take(), std::vector<std::string>{'-' + fresh});
}

}  // namespace
}  // namespace ts::app
