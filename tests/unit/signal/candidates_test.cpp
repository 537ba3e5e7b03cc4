// SPDX-License-Identifier: Apache-2.0
// Candidates in the texts of members, and what the Router tells of them.
#include <cstring>

#include <turnstone/signal/candidates.hpp>

#include "support.hpp"

namespace ts::signal {
namespace {

/// From a buffer of exactly the size.
std::string read(const std::string& text, std::size_t most = kMaxAnnounced) {
  const auto copy = std::make_unique<char[]>(text.size());
  std::memcpy(copy.get(), text.data(), text.size());
  std::vector<IpAddress> found;
  read_candidates(std::string_view(copy.get(), text.size()), most, found);
  std::string out;
  for (const IpAddress& address : found) out += (out.empty() ? "" : " ") + address.to_string();
  return out;
}

TEST(Candidates, AreReadWhereverTheyStand) {
  const std::string line = "candidate:1 1 udp 2122260223 198.51.100.7 46154 typ host";
  const std::vector<std::pair<std::string, std::string>> cases{
      {line, "198.51.100.7"},
      {R"({"candidate":")" + line + R"( generation 0","sdpMid":"0"})", "198.51.100.7"},
      {R"("{\"candidate\":\")" + line + R"( generation 0\"}")", "198.51.100.7"},
      {R"({"sdp":"v=0\r\na=)" + line + R"(\r\na=end-of-candidates\r\n"})", "198.51.100.7"},
      {R"({"payload":"{\"sdp\":\"a=)" + line +
           R"(\\r\\na=candidate:2 1 UDP 1 2001:db8::1 9 typ relay\\r\\n"})",
       "198.51.100.7 2001:db8::1"},
      {"candidate:a\\/b+c 1 udp 1 192.0.2.1 9 typ srflx raddr 10.0.0.5 rport 9", "192.0.2.1"},
      {"candidate:1 1 tcp 1 192.0.2.1 9 typ prflx tcptype active", "192.0.2.1"},
      {"candidate:1 1 udp 1 ::ffff:192.0.2.1 9 typ host", "192.0.2.1"},
      {line + line + " " + line, "198.51.100.7"},
      // What is no address.
      {"candidate:1 1 udp 1 a1b2.local 9 typ host", ""},
      {"candidate:1 1 udp 1 fe80::1%eth0 9 typ host", ""},
      {"candidate:1 1 udp 1 0.0.0.0 9 typ host", ""},
      {"candidate:1 1 udp 1 :: 9 typ host", ""},
      {"candidate:1 1 udp 1 ::ffff:0.0.0.0 9 typ host", ""},
      {"candidate:1 1 udp 1 1.2.3 9 typ host", ""},
      // What is no candidate.
      {"", ""},
      {"candidate:", ""},
      {"candidate:1 1 udp 1 192.0.2.1 9 typ", ""},
      {"candidate:1 1 udp 1 192.0.2.1 9 type host", ""},
      {"candidate:1 x udp 1 192.0.2.1 9 typ host", ""},
      {"candidate:1 1 udp 1 192.0.2.1 x typ host", ""},
      {"candidate:1 1  udp 1 192.0.2.1 9 typ host", ""},
      {"candidate:" + std::string(65, 'f') + " 1 udp 1 192.0.2.1 9 typ host", ""},
      {R"({"candidate":"","sdpMid":"0"})", ""},
  };
  for (const auto& [text, addresses] : cases) EXPECT_EQ(read(text), addresses) << text;
}

TEST(Candidates, AreAsManyAsAreAskedFor) {
  std::string text;
  for (int i = 1; i <= 100; ++i) text += "candidate:1 1 udp 1 192.0.2." + std::to_string(i) + " 9 typ host\n";
  EXPECT_EQ(read(text, 2), "192.0.2.1 192.0.2.2");
  EXPECT_EQ(read(text, 0), "");
}

class Told final : public CandidateListener {
 public:
  void entered(std::string_view room, std::string_view peer) override { say("+", room, peer); }
  void left(std::string_view room, std::string_view peer) override { say("-", room, peer); }
  void announced(std::string_view room, std::string_view peer,
                 std::span<const IpAddress> addresses) override {
    std::string text;
    for (const IpAddress& address : addresses) text += " " + address.to_string();
    say("!", room, peer, text);
  }
  std::string take() { return std::exchange(lines_, {}); }

 private:
  void say(const char* what, std::string_view room, std::string_view peer, const std::string& more = {}) {
    if (!lines_.empty()) lines_ += ", ";
    lines_.append(what).append(room).append("/").append(peer).append(more);
  }
  std::string lines_;
};

struct CandidatesOfMembers : ::testing::Test {
  void SetUp() override {
    options.closed_relay = true;
    options.resume_time = std::chrono::seconds(30);
    start();
  }
  void start() {
    router = std::make_unique<Router>(options, random, ice);
    router->set_candidate_listener(&told);
    for (ConnectionId id = 1; id <= 3; ++id) enter(id);
  }
  Welcome enter(ConnectionId id, std::optional<Resume> resume = {}) {
    static constexpr std::array<const char*, 4> kNames{"", "ada", "ben", "eve"};
    EXPECT_TRUE(router->opened(now, id, {}, 0, out));
    Hello hello{"secret", id < kNames.size() ? kNames.at(id) : "", {}, true, {}};
    hello.resume = resume;
    const auto welcome = router->hello(now, id, hello, out);
    EXPECT_TRUE(welcome);
    return welcome ? *welcome : Welcome{};
  }
  void join(ConnectionId id, std::string_view room) {
    EXPECT_TRUE(router->join(now, id, room, {}, {}, out));
    out.clear();
  }
  static std::string candidate(const std::string& address) {
    return R"("candidate:1 1 udp 1 )" + address + R"( 9 typ host")";
  }
  void say(ConnectionId id, std::string_view room, std::vector<std::string_view> to,
           const std::string& data) {
    SendRequest request;
    request.room = room;
    request.to = to;
    request.everyone = to.empty();
    request.kind = Kind::Candidate;
    request.data = data;
    (void)router->send(now, id, request, out);
    out.clear();
  }

  Options options = test_options();
  FakeRandom random;
  FakeIce ice;
  Now now{TimePoint(std::chrono::seconds(100)), WallTime(std::chrono::seconds(1'700'000'000))};
  Outbox out;
  Told told;
  std::unique_ptr<Router> router;
};

TEST_F(CandidatesOfMembers, AreTheirRooms) {
  join(1, "tea"), join(2, "tea"), join(1, "cake"), join(3, "cake");
  EXPECT_EQ(told.take(), "+tea/ada, +tea/ben, +cake/ada, +cake/eve");
  say(1, "tea", {}, candidate("192.0.2.1"));
  EXPECT_EQ(told.take(), "!tea/ada 192.0.2.1");
  say(1, "tea", {"ben"}, candidate("192.0.2.1"));
  EXPECT_EQ(told.take(), "") << "once";
  say(1, "", {"eve"}, candidate("192.0.2.2"));
  EXPECT_EQ(told.take(), "!cake/ada 192.0.2.2") << "where the target is";
  say(1, "", {}, candidate("192.0.2.3"));
  EXPECT_EQ(told.take(), "!tea/ada 192.0.2.3, !cake/ada 192.0.2.3");
  say(1, "tea", {"nobody"}, candidate("192.0.2.4"));
  EXPECT_EQ(told.take(), "!tea/ada 192.0.2.4") << "before whom it is for is there";
  say(3, "tea", {"ada"}, candidate("192.0.2.5"));
  EXPECT_EQ(told.take(), "") << "not its room";
}

TEST_F(CandidatesOfMembers, EndWithTheMembership) {
  join(1, "tea"), join(2, "tea");
  say(1, "tea", {}, candidate("192.0.2.1"));
  told.take();
  EXPECT_TRUE(router->leave(now, 1, "tea", out));
  EXPECT_EQ(told.take(), "-tea/ada");
  join(1, "tea");
  say(1, "tea", {}, candidate("192.0.2.1"));
  EXPECT_EQ(told.take(), "+tea/ada, !tea/ada 192.0.2.1");
  router->closed(now, 1, CloseReason::Bye, out);
  EXPECT_EQ(told.take(), "-tea/ada");
}

TEST_F(CandidatesOfMembers, OutliveALostConnection) {
  router = std::make_unique<Router>(options, random, ice);
  router->set_candidate_listener(&told);
  const Welcome welcome = enter(1);
  enter(2);
  join(1, "tea"), join(2, "tea");
  say(1, "tea", {}, candidate("192.0.2.1"));
  told.take();
  router->closed(now, 1, CloseReason::Lost, out);
  EXPECT_EQ(told.take(), "");
  const Welcome back = enter(7, Resume{welcome.sid, welcome.key, 0});
  EXPECT_EQ(back.outcome, ResumeOutcome::Resumed);
  EXPECT_EQ(told.take(), "");
  say(7, "tea", {}, candidate("192.0.2.1"));
  EXPECT_EQ(told.take(), "") << "it is known";
  router->closed(now, 7, CloseReason::Lost, out);
  now.mono += std::chrono::seconds(31);
  router->tick(now, out);
  EXPECT_EQ(told.take(), "-tea/ada");
}

TEST_F(CandidatesOfMembers, AreBounded) {
  join(1, "tea"), join(2, "tea");
  told.take();
  for (int i = 1; i <= 100; ++i) say(1, "tea", {}, candidate("192.0.2." + std::to_string(i)));
  const std::string text = told.take();
  EXPECT_EQ(std::count(text.begin(), text.end(), '!'), static_cast<std::ptrdiff_t>(kMaxAnnounced));
}

TEST_F(CandidatesOfMembers, ThoseOfOtherNodesToo) {
  RemoteNode node;
  node.reachable = true;
  join(1, "tea");
  router->remote_enter(kFirstRemoteConnection, {"zoe", {}, {}, &node});
  router->remote_join(now, kFirstRemoteConnection, "tea", 9, "{}", out);
  const std::string_view to = "ada";
  const std::string data = candidate("192.0.2.9");
  router->remote_message(kFirstRemoteConnection, {"tea", Kind::Candidate, data, {&to, 1}}, out);
  EXPECT_EQ(told.take(), "+tea/ada, +tea/zoe, !tea/zoe 192.0.2.9");
  router->remote_gone(kFirstRemoteConnection, LeaveReason::Left, out);
  EXPECT_EQ(told.take(), "-tea/zoe");
}

TEST_F(CandidatesOfMembers, AreNobodysBusinessUntilAskedFor) {
  options.closed_relay = false;
  start();
  join(1, "tea"), join(2, "tea");
  say(1, "tea", {}, candidate("192.0.2.1"));
  EXPECT_EQ(told.take(), "");
  options.closed_relay = true;
  router->use(options);
  const std::string entered = told.take();
  EXPECT_TRUE(entered == "+tea/ada, +tea/ben" || entered == "+tea/ben, +tea/ada") << entered;
  say(1, "tea", {}, candidate("192.0.2.1"));
  EXPECT_EQ(told.take(), "!tea/ada 192.0.2.1");
  options.closed_relay = false;
  router->use(options);
  EXPECT_TRUE(router->leave(now, 1, "tea", out));
  EXPECT_EQ(told.take(), "-tea/ada") << "credentials of before are still closed";
}

TEST_F(CandidatesOfMembers, StayWhileTheServerIsDrained) {
  join(1, "tea"), join(2, "tea");
  told.take();
  router->drain(now, {}, out);
  router->closed(now, 1, CloseReason::Bye, out);
  EXPECT_EQ(told.take(), "");
}

TEST_F(CandidatesOfMembers, EndWithTheDrainOfWhoIsNotBack) {
  RemoteNode node;
  node.reachable = true;
  join(1, "tea"), join(2, "tea"), join(2, "cake"), join(3, "tea");
  told.take();
  router->drain(now, {}, out);
  router->closed(now, 1, CloseReason::Bye, out);
  router->closed(now, 2, CloseReason::Lost, out);
  EXPECT_EQ(told.take(), "");
  // Ada has gone to another node, and is in one room there.
  router->remote_enter(kFirstRemoteConnection, {"ada", {}, {}, &node});
  router->remote_join(now, kFirstRemoteConnection, "tea", 9, "{}", out);
  EXPECT_EQ(told.take(), "+tea/ada");
  router->undrain();
  EXPECT_EQ(told.take(), "-cake/ben, -tea/ben") << "cake is no room any more";
  router->undrain();
  EXPECT_EQ(told.take(), "") << "once";
  router->remote_gone(kFirstRemoteConnection, LeaveReason::Left, out);
  EXPECT_EQ(told.take(), "-tea/ada");
  enter(4);
  join(4, "tea");
  router->closed(now, 4, CloseReason::Bye, out);
  EXPECT_NE(told.take().find(", -tea/"), std::string::npos) << "as ever";
}

}  // namespace
}  // namespace ts::signal
