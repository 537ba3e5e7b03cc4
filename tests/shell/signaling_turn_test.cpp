// SPDX-License-Identifier: Apache-2.0
// TURN credentials that live and die with a membership, through the whole server: a WebSocket and a TURN
// client.
#include <fstream>

#include <nlohmann/json.hpp>

#include "common/jwt_signer.hpp"
#include "http_support.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using net::http_test::Client;
using nlohmann::json;

/// Longer than anything takes but a machine that is busy with something else.
constexpr auto kAtOnce = 100ms;

Client connect(const Server& server) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(server.http().port);
  const timeval patience{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  Client out(fd, nullptr);
  EXPECT_EQ(out.upgrade().status, 101U);
  return out;
}

/// The next message of that type.
json await(Client& client, std::string_view type) {
  for (;;) {
    const std::string text = client.next_text();
    if (text.empty()) return json{{"t", "closed"}};
    json m = json::parse(text);
    if (m["t"] == type) return m;
  }
}

json say_hello(Client& client, const std::string& peer, const std::string& more = {}) {
  client.text(R"({"t":"hello","v":1,"peer":")" + peer + "\"" + more + "}");
  return await(client, "welcome");
}

json join(Client& client, const std::string& room) {
  client.text(R"({"t":"join","room":")" + room + "\"}");
  return await(client, "joined");
}

/// With the TURN credential of an answer.
void log_in(TurnClient& turn, const json& ice) {
  const json& server = ice["servers"].back();
  turn.log_in(server["username"], server["credential"].get<std::string>());
}

/// How long the allocation is still there from now on.
std::chrono::milliseconds time_to_end(TurnClient& turn) {
  const auto begin = Clock::now();
  while (turn.refresh(600) == 0 && Clock::now() - begin < kPatience) {
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
}

config::Config configuration() {
  config::Config out = loopback_config(2);
  out.signal.resume_time = 300ms;
  return out;
}

TEST(SignalingTurn, ACredentialIsBoundToRoomAndMember) {
  const Server server(configuration());
  Client ada = connect(server);
  const json welcome = say_hello(ada, "ada");
  const json joined = join(ada, "tea");
  const std::string name = joined["ice"]["servers"].back()["username"];
  EXPECT_NE(name.find(":ada;ts1;room=tea;member=ada~"), std::string::npos) << name;
  EXPECT_GT(joined["ice"]["ttl"], 0);
  EXPECT_EQ(joined["ice"]["servers"].size(), 1U) << "STUN is in the welcome";
  const std::string base = welcome["ice"]["servers"].back()["username"];
  EXPECT_NE(base.find(";ts1;member=ada~"), std::string::npos) << base;
  TurnClient turn(Via::Udp, server.turn());
  log_in(turn, joined["ice"]);
  EXPECT_EQ(turn.allocate(), 0);
}

TEST(SignalingTurn, TheLongestNamesFit) {
  const Server server(configuration());
  std::string peer;
  std::string room;
  for (int i = 0; i < 32; ++i) peer += "\xC3\xA9";
  for (int i = 0; i < 64; ++i) room += "\xC3\xA9";
  Client client = connect(server);
  say_hello(client, peer);
  const json joined = join(client, room);
  TurnClient turn(Via::Udp, server.turn());
  log_in(turn, joined["ice"]);
  ASSERT_EQ(turn.allocate(), 0);
  client.text(R"({"t":"leave","id":1,"room":")" + room + "\"}");
  await(client, "ok");
  EXPECT_LT(time_to_end(turn), kPatience);
}

TEST(SignalingTurn, EveryEndOfAMembershipEndsItsAllocations) {
  struct Case {
    const char* name;
    std::function<void(Client& owner, Client& member)> end;
    std::chrono::milliseconds delay;
  };
  const std::vector<Case> cases{
      {"leave",
       [](Client&, Client& member) {
         member.text(R"({"t":"leave","id":1,"room":"tea"})");
         await(member, "ok");
       },
       0ms},
      {"kick",
       [](Client& owner, Client&) {
         owner.text(R"({"t":"kick","id":1,"room":"tea","peer":"ada"})");
         await(owner, "ok");
       },
       0ms},
      {"bye",
       [](Client& owner, Client& member) {
         member.text(R"({"t":"bye"})");
         await(owner, "peer-left");
       },
       0ms},
      {"lost",
       [](Client& owner, Client& member) {
         member.reset();
         await(owner, "peer-left");
       },
       0ms},
  };
  for (const Case& k : cases) {
    std::chrono::milliseconds best = 10s;
    for (int round = 0; round < 3; ++round) {
      const Server server(configuration());
      Client owner = connect(server);
      say_hello(owner, "owner");
      const json owners = join(owner, "tea");
      Client member = connect(server);
      const json welcome = say_hello(member, "ada");
      const json joined = join(member, "tea");
      std::vector<std::unique_ptr<TurnClient>> turns;
      for (const json* ice : {&joined["ice"], &welcome["ice"], &joined["ice"], &owners["ice"]}) {
        turns.push_back(std::make_unique<TurnClient>(turns.size() == 2 ? Via::Tcp : Via::Udp, server.turn()));
        log_in(*turns.back(), *ice);
        ASSERT_EQ(turns.back()->allocate(), 0) << k.name;
      }
      k.end(owner, member);
      auto worst = 0ms;
      for (std::size_t i = 0; i < 3; ++i) {
        worst = std::max(worst, time_to_end(*turns[i]));
        EXPECT_EQ(turns[i]->refresh(600), 403) << k.name;
        EXPECT_EQ(turns[i]->allocate(), 403) << k.name;
      }
      best = std::min(best, worst);
      EXPECT_EQ(turns[3]->refresh(600), 0) << "of another member";
      EXPECT_TRUE(server.settles("turnstone_allocations", "", 1));
      EXPECT_EQ(server.metric("turnstone_allocations_ended_total", "revoked"), 3);
    }
    EXPECT_LT(best, kAtOnce) << k.name;
    ::testing::Test::RecordProperty(k.name, static_cast<int>(best.count()));
  }
}

TEST(SignalingTurn, WhoComesBackGetsGoodCredentials) {
  const Server server(configuration());
  Client ada = connect(server);
  const json welcome = say_hello(ada, "ada");
  TurnClient turn(Via::Udp, server.turn());
  for (int round = 0; round < 3; ++round) {
    const json joined = join(ada, "tea");
    log_in(turn, joined["ice"]);
    ASSERT_EQ(turn.allocate(), 0);
    ada.text(R"({"t":"leave","id":1,"room":"tea"})");
    await(ada, "ok");
    // What the welcome gave has ended too, and is renewed at once.
    const json renewed = await(ada, "ice");
    EXPECT_FALSE(renewed.contains("room"));
    EXPECT_LT(time_to_end(turn), kPatience);
    TurnClient alone(Via::Udp, server.turn());
    log_in(alone, renewed);
    EXPECT_EQ(alone.allocate(), 0);
    TurnClient old(Via::Udp, server.turn());
    log_in(old, welcome["ice"]);
    EXPECT_EQ(old.allocate(), 403);
  }
}

TEST(SignalingTurn, OfSeveralRoomsOnlyTheOneThatIsLeftEnds) {
  const Server server(configuration());
  Client ada = connect(server);
  const json welcome = say_hello(ada, "ada");
  const json tea = join(ada, "tea");
  const json cake = join(ada, "cake");
  TurnClient in_tea(Via::Udp, server.turn());
  TurnClient in_cake(Via::Udp, server.turn());
  TurnClient anywhere(Via::Udp, server.turn());
  log_in(in_tea, tea["ice"]), log_in(in_cake, cake["ice"]), log_in(anywhere, welcome["ice"]);
  ASSERT_EQ(in_tea.allocate() + in_cake.allocate() + anywhere.allocate(), 0);
  ada.text(R"({"t":"leave","id":1,"room":"tea"})");
  await(ada, "ok");
  EXPECT_LT(time_to_end(in_tea), kPatience);
  EXPECT_EQ(in_cake.refresh(600), 0);
  EXPECT_EQ(anywhere.refresh(600), 0);
}

TEST(SignalingTurn, AResumeKeepsTheAllocation) {
  config::Config config = configuration();
  config.signal.resume_time = 30s;
  const Server server(config);
  Client ada = connect(server);
  const json welcome = say_hello(ada, "ada");
  const json joined = join(ada, "tea");
  TurnClient turn(Via::Udp, server.turn());
  log_in(turn, joined["ice"]);
  ASSERT_EQ(turn.allocate(), 0);
  ada.reset();
  ASSERT_TRUE(server.settles("turnstone_signaling_lost_members", "", 1));
  EXPECT_EQ(turn.refresh(600), 0);
  Client back = connect(server);
  const json again = say_hello(back, "ada",
                               R"(,"resume":{"sid":")" + welcome["sid"].get<std::string>() + R"(","key":")" +
                                   welcome["key"].get<std::string>() + R"(","seq":1})");
  EXPECT_EQ(again["resumed"], true);
  EXPECT_EQ(turn.refresh(600), 0);
  EXPECT_EQ(await(back, "ice")["room"], "tea");
}

TEST(SignalingTurn, BindingMayBeOff) {
  config::Config config = configuration();
  config.signal.bind_turn = false;
  const Server server(config);
  Client ada = connect(server);
  const json welcome = say_hello(ada, "ada");
  const json joined = join(ada, "tea");
  EXPECT_FALSE(joined.contains("ice"));
  TurnClient turn(Via::Udp, server.turn());
  log_in(turn, welcome["ice"]);
  ASSERT_EQ(turn.allocate(), 0);
  ada.text(R"({"t":"bye"})");
  EXPECT_EQ(ada.next_close(), 1000U);
  EXPECT_EQ(turn.refresh(600), 0);
}

TEST(SignalingTokens, KeysOfAFileAreReadAgainWhenItChanges) {
  const std::string path = ::testing::TempDir() + "turnstone-jwks-" + std::to_string(::getpid());
  const JwtSigner first("ES256");
  const JwtSigner second("EdDSA");
  std::ofstream(path) << first.pem();
  config::Config config = configuration();
  config.dev = false;
  config.turn.peers.allow_private = true;
  config.turn.relay_addresses = {{IpAddress::v4(127, 0, 0, 1), IpAddress::v4(127, 0, 0, 1)}};
  config.signal.jwt_key_files = {path};
  const Server server(config);
  const std::string claims =
      R"({"exp":4000000000,"sub":"ada","peer":"ada","rooms":["tea","cake-*"],"can":["join","create"]})";
  const auto hello = [&](const std::string& token) {
    Client client = connect(server);
    client.text(R"({"t":"hello","v":1,"token":")" + token + "\"}");
    const json m = json::parse(client.next_text());
    return std::pair(m["t"] == "error" ? m["code"].get<std::string>() : m["peer"].get<std::string>(),
                     std::move(client));
  };
  auto [peer, ada] = hello(first.token(claims));
  EXPECT_EQ(peer, "ada");
  EXPECT_EQ(join(ada, "cake-1")["room"], "cake-1");
  ada.text(R"({"t":"join","room":"other"})");
  EXPECT_EQ(await(ada, "error")["code"], "forbidden");
  EXPECT_EQ(hello(first.token(R"({"exp":1000000000})")).first, "token_expired");
  EXPECT_EQ(hello(second.token(claims)).first, "unauthorized");
  EXPECT_EQ(hello("").first, "unauthorized");
  ada.text(R"({"t":"bye"})");
  std::ofstream(path) << "{\"keys\":[" << second.jwk() << "]}";
  std::string answer;
  for (int i = 0; i < 100 && answer != "ada"; ++i) {
    std::this_thread::sleep_for(100ms);
    answer = hello(second.token(claims)).first;
  }
  EXPECT_EQ(answer, "ada");
  EXPECT_EQ(hello(first.token(claims)).first, "unauthorized");
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace ts::shell_test
