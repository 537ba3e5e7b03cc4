// SPDX-License-Identifier: Apache-2.0
// The admin API of the whole server, and `turnstone ctl` as its client.
#include <array>

#include <turnstone/admin/api.hpp>
#include <turnstone/app/cli.hpp>

#include "admin_client.hpp"
#include "common/temporary_folder.hpp"

namespace ts::shell_test {
namespace {

using nlohmann::json;

struct Admin : ::testing::Test {
  Server server{admin_config(2)};
  AdminClient admin{server.runtime->ports().admin};

  /// What ctl prints; empty: it failed.
  std::string ctl(std::vector<std::string> words) const {
    std::vector<std::string> all{"turnstone", "ctl"};
    all.insert(all.end(), words.begin(), words.end());
    const std::string url = "http://" + admin.server().to_string();
    all.insert(all.end(), {"--url", url, "--token-file", token_file_});
    std::vector<const char*> arguments;
    for (const std::string& word : all) arguments.push_back(word.c_str());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int status =
        app::run(app::parse_command_line(static_cast<int>(arguments.size()), arguments.data()));
    const std::string out = ::testing::internal::GetCapturedStdout();
    const std::string problem = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(problem.find(AdminClient::kToken), std::string::npos);
    return status == 0 ? out : "failed: " + problem;
  }

  test::TemporaryFolder folder_;
  std::string token_file_ = folder_.write("token", std::string(AdminClient::kToken) + '\n');
};

TEST(AdminOff, WithoutATokenThereIsNoListener) {
  const Server server;
  EXPECT_EQ(server.runtime->ports().admin, 0);
}

TEST(AdminOff, APortThatIsTakenIsTold) {
  const Socket taken(SOCK_STREAM, at("127.0.0.1"));
  ::listen(taken.fd(), 1);
  config::Config config = admin_config();
  config.admin.port = taken.local().port;
  const auto made = app::Runtime::make(std::move(config));
  ASSERT_FALSE(made.runtime);
  ASSERT_EQ(made.problems.size(), 1U);
  EXPECT_NE(made.problems[0].find("admin.port"), std::string::npos) << made.problems[0];
}

TEST_F(Admin, NobodyGetsInWithoutTheToken) {
  const std::string host = "Host: " + admin.server().to_string() + "\r\n";
  for (const admin::Route& route : admin::routes()) {
    std::string path(route.path);
    for (std::size_t at = path.find('{'); at != path.npos; at = path.find('{'))
      path.replace(at, path.find('}') - at + 1, "x");
    const std::string method(route.method);
    SCOPED_TRACE(method + ' ' + path);
    EXPECT_EQ(admin.raw(method, path, host).status, 401);
    EXPECT_EQ(admin.raw(method, path + "?token=" + AdminClient::kToken, host).status, 401);
    EXPECT_EQ(admin.raw(method, path, host + "Authorization: Bearer wrong\r\n").status, 401);
    const std::string good = std::string("Authorization: Bearer ") + AdminClient::kToken + "\r\n";
    EXPECT_EQ(admin.raw(method, path, "Host: evil.example\r\n" + good).status, 421);
    EXPECT_EQ(admin.raw(method, path, host + good + "Origin: https://evil.example\r\n").status, 403);
    const int status = admin.raw(method, path, host + good, "{}").status;
    EXPECT_NE(status, 405);
    EXPECT_NE(status, 401);
    EXPECT_NE(status, 500);
    if (path.find("/x") == path.npos) {
      EXPECT_NE(status, 404);
    }
  }
  const std::string good = host + "Authorization: Bearer " + AdminClient::kToken + "\r\n";
  EXPECT_EQ(admin.raw("GET", "http://evil.example/v1/status", good).status, 421)
      << "RFC 9112 §3.2.2: the target's authority counts, not Host";
  EXPECT_EQ(admin.raw("GET", "http://localhost/v1/status", good).status, 200);
  EXPECT_NE(admin.raw("PATCH", "/v1/drain", good).head.find("Allow: POST, DELETE"), std::string::npos);
  const AdminAnswer unauthorized = admin.raw("GET", "/v1/status", host);
  EXPECT_NE(unauthorized.head.find("WWW-Authenticate: Bearer"), std::string::npos);
  EXPECT_EQ(unauthorized.head.find("Access-Control-Allow-Origin"), std::string::npos);
  EXPECT_EQ(admin.raw("OPTIONS", "/v1/status", host + "Origin: https://evil.example\r\n").status, 403);
}

TEST_F(Admin, IsOnItsOwnListenerAlone) {
  const std::string answer = Wire(server.http(), {}).get("/v1/status");
  EXPECT_NE(answer.find(" 404 "), std::string::npos);
  EXPECT_EQ(admin.get("/metrics").status, 404);
  EXPECT_EQ(admin.get("/healthz").status, 404);
}

TEST_F(Admin, ClientsMayNotHaveItForAPeer) {
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  EXPECT_EQ(client.bind(0x4000, admin.server()), 403);
}

TEST_F(Admin, AllocationsByPagesAndOneByOne) {
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<TurnClient>(i % 3 == 0 ? Via::Tcp : Via::Udp, server.turn()));
    ASSERT_EQ(clients.back()->allocate(), 0);
  }
  const EchoPeer peer;
  ASSERT_EQ(clients[0]->bind(0x4001, peer.local()), 0);
  std::vector<json> all;
  std::string cursor;
  int pages = 0;
  do {
    const AdminAnswer page =
        admin.get("/v1/allocations?limit=5" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(page.status, 200) << page.body;
    const json body = page.json();
    EXPECT_LE(body["allocations"].size(), 5U);
    for (const json& one : body["allocations"]) all.push_back(one);
    cursor = body.value("next", "");
  } while (!cursor.empty() && ++pages < 20);
  ASSERT_EQ(all.size(), 12U);
  EXPECT_EQ(admin.get("/v1/allocations?transport=tcp").json()["allocations"].size(), 4U);
  EXPECT_EQ(admin.get("/v1/allocations?user=alice").json()["allocations"].size(), 12U);
  EXPECT_EQ(admin.get("/v1/allocations?user=bob").json()["allocations"].size(), 0U);
  EXPECT_EQ(admin.get("/v1/allocations?client=127.0.0.0/8").json()["allocations"].size(), 12U);
  EXPECT_EQ(admin.get("/v1/allocations?client=nowhere").status, 400);
  EXPECT_EQ(admin.get("/v1/allocations?transport=pigeon").status, 400);
  EXPECT_EQ(admin.get("/v1/allocations?cursor=x").status, 400);
  for (const char* wrong : {"abc", "12x", "0-512", "99999999999999999999"})
    EXPECT_EQ(admin.get(std::string("/v1/rooms?cursor=") + wrong).status, 400) << wrong;

  std::size_t bound = 0;
  for (const json& one : all) {
    const std::string id = one["id"];
    const json detail = admin.get("/v1/allocations/" + id).json();
    EXPECT_EQ(detail["user"], "alice");
    bound += detail["channel_list"].size();
  }
  EXPECT_EQ(bound, 1U);
  EXPECT_EQ(admin.get("/v1/status").json()["allocations"], 12);
  const std::string last = all.back()["id"];
  EXPECT_EQ(admin.ask("DELETE", "/v1/allocations/" + last).status, 200);
  EXPECT_EQ(admin.ask("DELETE", "/v1/allocations/" + last).status, 404);
  EXPECT_EQ(admin.get("/v1/allocations/" + last).status, 404);
  EXPECT_EQ(admin.get("/v1/allocations/9-0-0").status, 404);
  EXPECT_EQ(admin.get("/v1/allocations/none").status, 404);
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 11));
  EXPECT_EQ(server.metric("turnstone_allocations_ended_total", "admin"), 1);

  const AdminAnswer revoked = admin.ask("POST", "/v1/revocations", R"({"kind":"user","name":"alice"})");
  EXPECT_EQ(revoked.status, 202);
  EXPECT_TRUE(revoked.json()["until"].is_null()) << "a static user: as long as this process runs";
  EXPECT_GT(admin.ask("POST", "/v1/revocations", R"({"kind":"room","name":"r"})").json()["until"],
            1'700'000'000);
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  EXPECT_EQ(clients[1]->allocate(), 403);
  EXPECT_EQ(admin.ask("POST", "/v1/revocations", R"({"kind":"planet","name":"alice"})").status, 400);
  EXPECT_EQ(admin.ask("POST", "/v1/revocations", R"({"kind":"user","name":"bob","until":1})").status, 400);
}

TEST_F(Admin, LogLevelConfigAndDocument) {
  EXPECT_EQ(admin.get("/v1/log-level").json()["level"], "off");
  EXPECT_EQ(admin.ask("PUT", "/v1/log-level", R"({"level":"error"})").status, 200);
  EXPECT_EQ(admin.get("/v1/log-level").json()["level"], "error");
  EXPECT_EQ(admin.ask("PUT", "/v1/log-level", R"({"level":"loud"})").status, 400);
  EXPECT_EQ(admin.ask("PUT", "/v1/log-level", R"({"level":"off"})").status, 200);
  const std::string config = admin.get("/v1/config").body;
  EXPECT_NE(config.find("admin:\n"), std::string::npos);
  EXPECT_EQ(config.find(AdminClient::kToken), std::string::npos);
  EXPECT_EQ(config.find(TurnClient::password), std::string::npos);
  EXPECT_EQ(admin.get("/v1/openapi.json").json()["openapi"], "3.1.0");
  EXPECT_EQ(admin.ask("POST", "/v1/reload").status, 422) << "started from no configuration";
}

TEST_F(Admin, CtlPrintsTablesAndJson) {
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  const std::string table = ctl({"allocations", "--user", "alice"});
  EXPECT_EQ(table.find("ID "), 0U) << table;
  EXPECT_NE(table.find("alice"), std::string::npos) << table;
  const json listed = json::parse(ctl({"allocations", "--json"}), nullptr, false);
  ASSERT_EQ(listed.size(), 1U);
  const std::string id = listed[0]["id"];
  EXPECT_NE(ctl({"allocation", id}).find("alice"), std::string::npos);
  EXPECT_EQ(ctl({"rooms"}), "(none)\n");
  EXPECT_NE(ctl({"status"}).find("draining"), std::string::npos);
  EXPECT_NE(ctl({"config"}).find("listen:"), std::string::npos);
  EXPECT_NE(ctl({"log-level"}).find("off"), std::string::npos);
  EXPECT_EQ(ctl({"members", "nobody/here"}).find("failed: "), 0U);
  EXPECT_NE(ctl({"drain"}).find("draining"), std::string::npos);
  EXPECT_NE(Wire(server.http(), {}).get("/readyz").find(" 503 "), std::string::npos);
  EXPECT_NE(ctl({"undrain"}).find("draining"), std::string::npos);
  EXPECT_NE(Wire(server.http(), {}).get("/readyz").find(" 200 "), std::string::npos);
  EXPECT_EQ(ctl({"undrain"}).find("failed: "), 0U);
  EXPECT_NE(ctl({"end", id}).find(id), std::string::npos);
  EXPECT_NE(ctl({"drain", "--wait"}).find("drained\n"), std::string::npos);
}

// A listener of :: is not on 127.0.0.1, where somebody else might wait for the token.
TEST(AdminOfIPv6, CtlFindsItByTheConfiguration) {
  config::Config config = admin_config();
  config.admin.bind = *IpAddress::parse("::");
  const Server server(std::move(config));
  const test::TemporaryFolder folder;
  const std::string file = folder.write("turnstone.yaml", "dev: true\nadmin: {bind: '::', port: " +
                                                              std::to_string(server.runtime->ports().admin) +
                                                              ", token: " + AdminClient::kToken + "}\n");
  const std::array<const char*, 5> words{"turnstone", "ctl", "status", "--config", file.c_str()};
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(app::run(app::parse_command_line(static_cast<int>(words.size()), words.data())), 0);
  EXPECT_NE(::testing::internal::GetCapturedStdout().find("uptime"), std::string::npos);
}

TEST_F(Admin, ManyRequestsOnOneConnectionAndManyConnections) {
  Wire wire(admin.server(), {});
  const std::string request = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
                              std::string(AdminClient::kToken) + "\r\n\r\n";
  std::string got;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(wire.write(request));
    Bytes bytes;
    while (as_text(bytes).find("threads") == std::string_view::npos)
      ASSERT_EQ(wire.read(bytes), Wire::Read::Some);
  }
  std::vector<std::unique_ptr<Wire>> idle;
  for (int i = 0; i < 100; ++i) idle.push_back(std::make_unique<Wire>(admin.server(), Wire::Settings{}));
  EXPECT_EQ(admin.get("/v1/status").status, 200) << "whoever has no token does not keep the operator out";
  ASSERT_TRUE(wire.write(request));
  Bytes bytes;
  EXPECT_EQ(wire.read(bytes), Wire::Read::Some) << "whoever has shown one stays";
}

}  // namespace
}  // namespace ts::shell_test
