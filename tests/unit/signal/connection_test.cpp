// SPDX-License-Identifier: Apache-2.0
// Hello, limits, closing and everything that time does to a connection.
#include <functional>

#include "support.hpp"

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

struct HelloCase {
  const char* name;
  bool open;
  std::string token, said_token, peer;
  std::size_t meta_bytes;
  ErrorCode code;
  const char* closed;
};

class HelloTest : public RouterTest, public ::testing::WithParamInterface<HelloCase> {};

TEST_P(HelloTest, Answer) {
  const HelloCase& k = GetParam();
  Options o = test_options();
  o.open = k.open, o.token = k.token;
  start(o);
  // The one who is there already.
  ASSERT_TRUE(router_->opened(now_, 1, {}, 0, out_));
  const std::string meta(k.meta_bytes, '1');
  if (!k.token.empty()) {
    ASSERT_EQ(code(router_->hello(now_, 1, {k.token, "taken", {}}, out_)), ErrorCode::None);
  }
  ASSERT_TRUE(router_->opened(now_, 2, {}, 0, out_));
  const auto welcome = router_->hello(now_, 2, {k.said_token, k.peer, meta}, out_);
  EXPECT_EQ(code(welcome), k.code);
  if (welcome) {
    EXPECT_EQ(said(), Lines{});
    EXPECT_EQ(welcome->sid.size(), 22U);
    EXPECT_EQ(welcome->key.size(), 43U);
    EXPECT_FALSE(welcome->peer.empty());
    if (!k.peer.empty()) {
      EXPECT_EQ(welcome->peer, k.peer);
    }
    EXPECT_EQ(welcome->ice.servers.size(), 1U);
    EXPECT_TRUE(router_->is_member(2));
  } else {
    EXPECT_EQ(said(), Lines{std::string("2: close ") + k.closed});
    EXPECT_FALSE(router_->knows(2));
    EXPECT_TRUE(router_->knows(1));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, HelloTest,
    ::testing::Values(
        HelloCase{"right", false, "secret", "secret", "", 0, ErrorCode::None, ""},
        HelloCase{"wanted", false, "secret", "secret", "ada", 0, ErrorCode::None, ""},
        HelloCase{"proto", false, "secret", "secret", "__proto__", 0, ErrorCode::None, ""},
        HelloCase{"wrong", false, "secret", "secreT", "", 0, ErrorCode::Unauthorized, "4001 unauthorized"},
        HelloCase{"none", false, "secret", "", "", 0, ErrorCode::Unauthorized, "4001 unauthorized"},
        HelloCase{"longer", false, "secret", "secrets", "", 0, ErrorCode::Unauthorized, "4001 unauthorized"},
        HelloCase{"no_token_configured", false, "", "", "", 0, ErrorCode::Unauthorized, "4001 unauthorized"},
        HelloCase{"open", true, "", "", "", 0, ErrorCode::None, ""},
        HelloCase{"open_with_token", true, "secret", "other", "", 0, ErrorCode::None, ""},
        HelloCase{"taken", false, "secret", "secret", "taken", 0, ErrorCode::PeerTaken, "4008 peer_taken"},
        HelloCase{"star", false, "secret", "secret", "*", 0, ErrorCode::BadRequest, "4003 bad_request"},
        HelloCase{"control", false, "secret", "secret", "a\nb", 0, ErrorCode::BadRequest, "4003 bad_request"},
        HelloCase{"longest", false, "secret", "secret", std::string(64, 'p'), 4096, ErrorCode::None, ""},
        HelloCase{"too_long", false, "secret", "secret", std::string(65, 'p'), 0, ErrorCode::BadRequest,
                  "4003 bad_request"},
        HelloCase{"meta", false, "secret", "secret", "", 4097, ErrorCode::TooLarge, "4003 too_large"}),
    [](const auto& param) { return param.param.name; });

TEST(ValidName, Table) {
  const std::vector<std::pair<std::string, bool>> cases{{"", false},
                                                        {"a", true},
                                                        {"12345678", true},
                                                        {"123456789", false},
                                                        {"a b", true},
                                                        {std::string(1, '\0'), false},
                                                        {"\x7F", false},
                                                        {"\xC2\x80", false},
                                                        {"\xC2\x9F", false},
                                                        {"\xC2\xA0", true},
                                                        {"\xC3\xA9", true},
                                                        {"\xE2\x82\xAC", true},
                                                        {"\xF0\x9F\x98\x80", true},
                                                        {"\xC0\xAF", false},
                                                        {"\xC1\xBF", false},
                                                        {"\xE0\x80\xAF", false},
                                                        {"\xED\xA0\x80", false},
                                                        {"\xED\x9F\xBF", true},
                                                        {"\xF4\x8F\xBF\xBF", true},
                                                        {"\xF4\x90\x80\x80", false},
                                                        {"\xF5\x80\x80\x80", false},
                                                        {"\x80", false},
                                                        {"\xE2\x82", false},
                                                        {"\xFF", false},
                                                        {"a\xC3", false},
                                                        {"__proto", true}};
  for (const auto& [name, valid] : cases)
    EXPECT_EQ(valid_name(name, 8), valid) << ::testing::PrintToString(name);
}

TEST_F(RouterTest, BeforeHelloEverythingIsUnauthorizedAndCloses) {
  const std::vector<std::function<ErrorCode(ConnectionId)>> requests{
      [&](ConnectionId id) { return code(router_->join(now_, id, "r", {}, out_)); },
      [&](ConnectionId id) { return code(router_->leave(id, "r", out_)); },
      [&](ConnectionId id) { return code(send(id, "r", {"*"})); },
      [&](ConnectionId id) { return code(router_->update(id, {}, "1", out_)); },
      [&](ConnectionId id) { return code(router_->list(id, "r", out_)); },
      [&](ConnectionId id) { return code(router_->ice(now_, id, out_)); }};
  ConnectionId id = 10;
  for (const auto& request : requests) {
    ASSERT_TRUE(router_->opened(now_, ++id, {}, 0, out_));
    EXPECT_EQ(request(id), ErrorCode::Unauthorized);
    EXPECT_EQ(said(), Lines{std::to_string(id) + ": close 4001 unauthorized"});
    EXPECT_EQ(request(id), ErrorCode::Internal) << "of a closed connection";
    EXPECT_EQ(said(), Lines{});
  }
  EXPECT_EQ(counters().rooms, 0U);
}

TEST_F(RouterTest, SecondHelloChangesNothing) {
  member(1, "ada");
  EXPECT_EQ(code(router_->hello(now_, 1, {"wrong", "bob", {}}, out_)), ErrorCode::BadRequest);
  EXPECT_EQ(said(), Lines{});
  EXPECT_TRUE(router_->is_member(1));
  member(2, "bob");
}

TEST_F(RouterTest, IdIsFreeAgainAfterClose) {
  member(1, "ada");
  router_->closed(1, CloseReason::Lost, out_);
  EXPECT_EQ(said(), Lines{});
  member(2, "ada");
}

TEST_F(RouterTest, HelloTimeout) {
  ASSERT_TRUE(router_->opened(now_, 1, {}, 0, out_));
  EXPECT_EQ(router_->next_deadline(), now_.mono + 10s);
  pass(10s - 1ns);
  EXPECT_EQ(tick(), Lines{});
  router_->alive(now_, 1);
  pass(1ns);
  EXPECT_EQ(tick(), Lines{"1: close 4008 no hello in time"});
  EXPECT_EQ(counters().closed[index(CloseReason::HelloTimeout)], 1U);
}

TEST_F(RouterTest, SilentConnectionIsClosedAndRoomMatesAreTold) {
  ice_.ttl = 0s;
  member(1, "ada"), member(2, "bob");
  join(1, "r"), join(2, "r");
  for (int i = 0; i < 5; ++i) {
    pass(25s);
    if (i % 2 == 0) {
      router_->alive(now_, 2);
    } else {
      ASSERT_TRUE(router_->admit(now_, 2, out_));
    }
    if (i == 0) {
      EXPECT_EQ(tick(), Lines{});
    }
    if (i == 1) {
      EXPECT_EQ(tick(), (Lines{"1: close 4008 silent for too long", "2: peer-left r ada lost"}));
    }
    if (i > 1) {
      EXPECT_EQ(tick(), Lines{});
    }
  }
  EXPECT_TRUE(router_->knows(2));
}

TEST_F(RouterTest, OneTickMayEndAWholeRoom) {
  const std::string room(100, 'r');  // on the heap, so that a view into the dead room would be seen
  for (ConnectionId id = 1; id <= 3; ++id) {
    member(id, "m" + std::to_string(id));
    ASSERT_TRUE(router_->join(now_, id, room, {}, out_));
    out_.clear();
  }
  pass(50s + 1ms);
  const Lines all = tick();
  EXPECT_EQ(std::count(all.begin(), all.end(), "3: peer-left " + room + " m2 lost"), 1);
  EXPECT_FALSE(router_->knows(1) || router_->knows(2) || router_->knows(3));
}

TEST_F(RouterTest, IceIsRenewedAtThreeQuartersOfItsLife) {
  ice_.ttl = 40s;
  member(1, "ada");
  for (int i = 2; i < 6; ++i) {
    pass(30s - 1ms);
    ASSERT_TRUE(router_->admit(now_, 1, out_));
    EXPECT_EQ(tick(), Lines{});
    pass(1ms);
    EXPECT_EQ(tick(), Lines{"1: ice ada:" + std::to_string(i)});
  }
  pass(20s);
  ASSERT_EQ(code(router_->ice(now_, 1, out_)), ErrorCode::None);
  pass(10s);
  EXPECT_EQ(tick(), Lines{}) << "the request has moved the renewal";
  router_->alive(now_, 1);
  pass(20s);
  EXPECT_EQ(tick(), Lines{"1: ice ada:7"});
}

TEST_F(RouterTest, ShortLivedIceIsRenewedBeforeTheHelloWouldHaveTimedOut) {
  ice_.ttl = 4s;
  member(1, "ada");
  EXPECT_EQ(router_->next_deadline(), now_.mono + 3s);
  pass(3s);
  EXPECT_EQ(tick(), Lines{"1: ice ada:2"});
}

TEST_F(RouterTest, IceWithoutExpiryIsNotRenewed) {
  ice_.ttl = 0s;
  member(1, "ada");
  for (int i = 0; i < 1000; ++i) {
    pass(40s);
    router_->alive(now_, 1);
    ASSERT_EQ(tick(), Lines{});
  }
}

TEST_F(RouterTest, DeadlinesDoNotPileUp) {
  ice_.ttl = 4s;
  for (ConnectionId id = 100; id < 1100; ++id) {
    member(id, "ada");
    for (int i = 0; i < 5; ++i) ASSERT_EQ(code(router_->ice(now_, id, out_)), ErrorCode::None);
    router_->closed(id, CloseReason::Lost, out_);
  }
  pass(1min);
  EXPECT_EQ(tick(), Lines{});
  EXPECT_EQ(router_->next_deadline(), std::nullopt);
}

TEST_F(RouterTest, RateLimit) {
  Options o = test_options();
  o.messages_per_second = 10, o.message_burst = 5;
  start(o);
  member(1, "ada");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(router_->admit(now_, 1, out_)) << i;
  const auto refused = router_->admit(now_, 1, out_);
  ASSERT_EQ(code(refused), ErrorCode::RateLimited);
  EXPECT_EQ(refused.error().retry_after, 100ms);
  pass(99ms);
  EXPECT_EQ(router_->admit(now_, 1, out_).error().retry_after, 1ms);
  pass(1ms);
  EXPECT_TRUE(router_->admit(now_, 1, out_));
  EXPECT_FALSE(router_->admit(now_, 1, out_));
  pass(1h);
  router_->alive(now_, 1);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(router_->admit(now_, 1, out_)) << "not more than the burst is saved";
  EXPECT_FALSE(router_->admit(now_, 1, out_));
  EXPECT_EQ(said(), Lines{});
}

TEST_F(RouterTest, PersistentAbuseCloses) {
  Options o = test_options();
  o.messages_per_second = 10, o.message_burst = 1;
  start(o);
  member(1, "ada"), member(2, "bob");
  join(1, "r"), join(2, "r");
  ASSERT_TRUE(router_->admit(now_, 1, out_));
  for (std::uint32_t i = 1; i < kMaxRefusals; ++i) {
    ASSERT_EQ(code(router_->admit(now_, 1, out_)), ErrorCode::RateLimited);
    ASSERT_EQ(said(), Lines{});
  }
  EXPECT_EQ(code(router_->admit(now_, 1, out_)), ErrorCode::RateLimited);
  EXPECT_EQ(said(), (Lines{"1: close 4029 too many messages", "2: peer-left r ada lost"}));
  EXPECT_FALSE(router_->knows(1));
}

TEST_F(RouterTest, APauseForgivesRefusals) {
  Options o = test_options();
  o.messages_per_second = 10, o.message_burst = 1;
  start(o);
  member(1, "ada");
  for (std::uint32_t i = 0; i < 3 * kMaxRefusals; ++i) {
    pass(100ms);
    ASSERT_TRUE(router_->admit(now_, 1, out_));
    ASSERT_FALSE(router_->admit(now_, 1, out_));
  }
  EXPECT_EQ(said(), Lines{});
}

TEST_F(RouterTest, ConnectionLimit) {
  for (ConnectionId id = 1; id <= 8; ++id) ASSERT_TRUE(router_->opened(now_, id, {}, 0, out_));
  const auto refused = router_->opened(now_, 9, {}, 0, out_);
  ASSERT_EQ(code(refused), ErrorCode::RateLimited);
  EXPECT_GT(refused.error().retry_after, 0s);
  EXPECT_EQ(said(), Lines{"9: close 4008 too many connections"});
  EXPECT_FALSE(router_->knows(9));
  router_->closed(3, CloseReason::Lost, out_);
  EXPECT_TRUE(router_->opened(now_, 10, {}, 0, out_));
}

TEST_F(RouterTest, Drain) {
  member(1, "ada");
  ASSERT_TRUE(router_->opened(now_, 2, {}, 0, out_));
  router_->drain(now_, {5s, {}, {}}, out_);
  EXPECT_EQ(said(), Lines{"1: goaway 5000"});
  const auto opened = router_->opened(now_, 3, {}, 0, out_);
  ASSERT_EQ(code(opened), ErrorCode::ServerDraining);
  EXPECT_EQ(opened.error().retry_after, 5s);
  EXPECT_EQ(said(), Lines{"3: close 1012 draining"});
  EXPECT_EQ(code(router_->hello(now_, 2, {"secret", {}, {}}, out_)), ErrorCode::ServerDraining);
  EXPECT_EQ(said(), Lines{"2: close 1012 server_draining"});
  EXPECT_EQ(code(router_->join(now_, 1, "r", {}, out_)), ErrorCode::None) << "members go on";
}

TEST_F(RouterTest, CloseAll) {
  member(1, "ada"), member(2, "bob");
  join(1, "r"), join(2, "r");
  ASSERT_TRUE(send(1, "r", {"cid"}, "1", 1000));
  ASSERT_TRUE(router_->opened(now_, 3, {}, 0, out_));
  router_->close_all(CloseCode::Drain, "drain", out_);
  EXPECT_EQ(said(), (Lines{"1: close 1001 drain", "2: close 1001 drain", "3: close 1001 drain"}));
  EXPECT_EQ(counters().connections, 0U);
  EXPECT_EQ(counters().closed[index(CloseReason::Drain)], 3U);
}

TEST_F(RouterTest, Kick) {
  member(1, "ada"), member(2, "bob");
  join(1, "r"), join(2, "r");
  router_->kick(1, ErrorCode::Forbidden, "by an admin", out_);
  EXPECT_EQ(said(), (Lines{"1: kicked forbidden by an admin", "1: close 4003 forbidden",
                           "2: peer-left r ada kicked"}));
}

TEST(UrlIceProvider, GroupsUrlsAndMints) {
  std::string user;
  UrlIceProvider ice({"stun:a", "turn:b?transport=udp", "stuns:c", "turns:d"},
                     [&](const Now&, std::string_view u) {
                       user = u;
                       return IceCredential{"u", "p", std::chrono::seconds(600)};
                     });
  const IceServers servers = ice.servers({}, {}, "ada");
  ASSERT_EQ(servers.servers.size(), 2U);
  EXPECT_EQ(servers.servers[0].urls, (std::vector<std::string>{"stun:a", "stuns:c"}));
  EXPECT_TRUE(servers.servers[0].username.empty());
  EXPECT_EQ(servers.servers[1].urls, (std::vector<std::string>{"turn:b?transport=udp", "turns:d"}));
  EXPECT_EQ(servers.servers[1].username, "u");
  EXPECT_EQ(servers.servers[1].credential, "p");
  EXPECT_EQ(servers.ttl, std::chrono::seconds(600));
  EXPECT_EQ(user, "ada");
  EXPECT_TRUE(ice.servers({}, "room", "ada").servers.empty());
  EXPECT_EQ(UrlIceProvider({"turn:b"}).servers({}, {}, "ada").servers.size(), 0U);
}

TEST(Counters, LabelsAndSum) {
  EXPECT_EQ(label(ErrorCode::None), "ok");
  EXPECT_EQ(label(ErrorCode::Internal), "internal");
  EXPECT_EQ(label(ErrorCode::UnknownTarget), "unknown_target");
  EXPECT_EQ(label(MessageType::Invalid), "invalid");
  EXPECT_EQ(label(CloseReason::Drain), "drain");
  EXPECT_EQ(label(Kind::Custom), "custom");
  Counters a;
  a.connections = 1, a.messages[2][3] = 4, a.relayed[1] = 2, a.closed[5] = 7, a.sent.add(10), a.queued = 3;
  Counters b = a;
  b += a;
  EXPECT_EQ(b.connections, 2U);
  EXPECT_EQ(b.messages[2][3], 8U);
  EXPECT_EQ(b.relayed[1], 4U);
  EXPECT_EQ(b.closed[5], 14U);
  EXPECT_EQ(b.sent.bytes, 20U);
  EXPECT_EQ(b.queued, 6U);
}

}  // namespace
}  // namespace ts::signal
