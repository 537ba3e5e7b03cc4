// SPDX-License-Identifier: Apache-2.0
// GET /turn through the whole server: it gives what signaling would, bound as signaling binds it.
#include <nlohmann/json.hpp>

#include "http_support.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using net::http_test::Answer;
using net::http_test::Client;
using nlohmann::json;

constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";

config::Config configuration() {
  config::Config out = loopback_config(2);
  out.dev = false;
  out.turn.peers.allow_private = true;
  out.turn.relay_addresses = {{IpAddress::v4(127, 0, 0, 1), IpAddress::v4(127, 0, 0, 1)}};
  out.auth.secrets = {"north"};
  out.signal.token = "shared";
  out.signal.jwt_secrets = {kSecret};
  return out;
}

std::string token(const std::string& claims) {
  const std::string text = base64url(as_bytes(R"({"alg":"HS256"})")) + '.' +
                           base64url(as_bytes(R"({"exp":4000000000,)" + claims + "}"));
  return text + '.' + base64url(HmacSha256Key(as_bytes(kSecret)).sign({as_bytes(text)}));
}

Client connect(const Server& server) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(server.http().port);
  const timeval patience{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return Client(fd, nullptr);
}

Answer ask(const Server& server, const std::string& bearer, const std::string& query = {}) {
  return connect(server).get("/turn?service=turn&username=ada" + query,
                             "Authorization: Bearer " + bearer + "\r\n");
}

int allocate(const Server& server, const Answer& answer) {
  const json m = json::parse(answer.body);
  TurnClient turn(Via::Udp, server.turn());
  turn.log_in(m["username"], m["password"].get<std::string>());
  return turn.allocate();
}

TEST(TurnEndpoint, WhoHasTheSharedTokenGetsACredential) {
  const Server server(configuration());
  EXPECT_EQ(ask(server, "wrong").status, 401U);
  EXPECT_EQ(connect(server).get("/turn").status, 401U);
  const Answer answer = ask(server, "shared");
  ASSERT_EQ(answer.status, 200U);
  const json m = json::parse(answer.body);
  EXPECT_TRUE(m["username"].get<std::string>().ends_with(":ada"));
  EXPECT_GT(m["uris"].size(), 0U);
  for (const std::string uri : m["uris"]) EXPECT_TRUE(uri.starts_with("turn")) << uri;
  EXPECT_EQ(allocate(server, answer), 0);
}

TEST(TurnEndpoint, TheRightIceIsNeeded) {
  config::Config config = configuration();
  config.signal.token_can = {"join", "create", "send"};
  config.signal.bind_turn = false;
  const Server server(config);
  EXPECT_EQ(ask(server, "shared").status, 403U);
  EXPECT_EQ(ask(server, token(R"("sub":"ada","can":["join"])")).status, 403U);
  EXPECT_EQ(ask(server, token(R"("sub":"ada")")).status, 403U) << "as the shared token";
  const Answer answer = ask(server, token(R"("sub":"ada","can":["ice"])"));
  ASSERT_EQ(answer.status, 200U) << "nothing is bound";
  EXPECT_EQ(allocate(server, answer), 0);
}

TEST(TurnEndpoint, ACredentialIsBoundToTheSession) {
  const Server server(configuration());
  const std::string ada = token(R"("sub":"ada")");
  EXPECT_EQ(ask(server, ada).status, 403U) << "of no session";
  Client client = connect(server);
  ASSERT_EQ(client.upgrade().status, 101U);
  client.text(R"({"t":"hello","v":1,"peer":"ada","token":")" + ada + "\"}");
  const json welcome = json::parse(client.next_text());
  const std::string session =
      "&sid=" + welcome["sid"].get<std::string>() + "&session_key=" + welcome["key"].get<std::string>();
  EXPECT_EQ(ask(server, ada, session + "x").status, 403U);
  EXPECT_EQ(ask(server, token(R"("sub":"eve")"), session).status, 403U);
  const Answer answer = ask(server, ada, session);
  ASSERT_EQ(answer.status, 200U);
  const json m = json::parse(answer.body);
  EXPECT_NE(m["username"].get<std::string>().find(";member=ada~"), std::string::npos);
  TurnClient turn(Via::Udp, server.turn());
  turn.log_in(m["username"], m["password"].get<std::string>());
  ASSERT_EQ(turn.allocate(), 0);
  client.text(R"({"t":"bye"})");
  EXPECT_EQ(client.next_close(), 1000U);
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  EXPECT_EQ(turn.allocate(), 403);
  EXPECT_EQ(server.metric("turnstone_revocations", "departure"), 1);
  EXPECT_EQ(ask(server, ada, session).status, 403U);
}

}  // namespace
}  // namespace ts::shell_test
