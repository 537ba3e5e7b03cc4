// SPDX-License-Identifier: Apache-2.0
// The external source of credentials through the whole server, with an HTTP server of the test's that
// answers, refuses, sleeps, talks nonsense and dies.
#include "common/temporary_folder.hpp"
#include "fake_http.hpp"

namespace ts::shell_test {
namespace {

const std::string kFound = http("200 OK", R"({"password":"wonderland"})");

FakeHttpServer::Reply always(const std::string& text) {
  return [text](const std::string&) { return text; };
}

config::Config hook_config(const std::string& url, std::uint32_t shards = 1) {
  config::Config out = loopback_config(shards);
  out.auth.users.clear();
  out.auth.hook.url = url;
  out.auth.hook.token = "s3cret";
  return out;
}

TEST(CredentialHook, LetsClientsInOverEveryTransport) {
  FakeHttpServer hook(always(kFound));
  const Server server(hook_config(hook.url()));
  for (const Via via : {Via::Udp, Via::Tcp, Via::Tls, Via::Dtls}) {
    TurnClient client(via, server.listener(via));
    EXPECT_EQ(client.allocate(), 0) << name(via);
    EXPECT_EQ(client.refresh(0), 0) << name(via);
  }
  const auto requests = hook.requests();
  ASSERT_EQ(requests.size(), 1U);
  const std::string& text = requests[0];
  EXPECT_TRUE(text.starts_with("POST /turn?app=1 HTTP/1.1\r\n")) << text;
  EXPECT_NE(text.find("\r\nHost: " + hook.local().to_string() + "\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\r\nAuthorization: Bearer s3cret\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\r\nContent-Type: application/json\r\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with(R"({"username":"alice","realm":"turnstone","client":"127.0.0.1"})")) << text;
  EXPECT_EQ(server.metric("turnstone_credential_hook_requests_total", "found"), 1);
  EXPECT_GT(server.metric("turnstone_credential_hook_seconds_total"), 0);
  EXPECT_GE(server.metric("turnstone_credential_hook_cache_hits_total"), 3);
  EXPECT_EQ(server.metric("turnstone_credential_hook_cache_entries"), 1);
}

TEST(CredentialHook, OverIpv6AndByName) {
  {
    FakeHttpServer hook(always(kFound), at("::1"));
    const Server over_six(hook_config(hook.url()));
    EXPECT_EQ(TurnClient(Via::Udp, over_six.turn()).allocate(), 0);
  }
  FakeHttpServer hook(always(kFound));
  const Server by_name(hook_config("http://localhost:" + std::to_string(hook.local().port)));
  EXPECT_EQ(TurnClient(Via::Tcp, by_name.turn()).allocate(), 0);
  ASSERT_EQ(hook.requests().size(), 1U);
  EXPECT_TRUE(hook.requests()[0].starts_with("POST / HTTP/1.1\r\n"));
}

TEST(CredentialHook, TurnsAwayWhomTheServerDoesNotKnow) {
  for (const char* status : {"401 Unauthorized", "403 Forbidden", "404 Not Found"}) {
    FakeHttpServer hook(always(http(status, "no such user")));
    const Server server(hook_config(hook.url()));
    EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 401);
    EXPECT_EQ(TurnClient(Via::Tcp, server.turn()).allocate(), 401);
    EXPECT_EQ(hook.requests().size(), 1U);
    EXPECT_EQ(server.metric("turnstone_credential_hook_requests_total", "no_such_user"), 1);
  }
}

TEST(CredentialHook, APolicyAndAnEndComeWithTheAnswer) {
  FakeHttpServer hook(
      always(http("200 OK", R"({"password":"wonderland","ttl":30,"expires":4102444800,)"
                            R"("policy":{"room":"lobby","allocations":1,"peers":["127.0.0.0/8"]}})")));
  const Server server(hook_config(hook.url()));
  TurnClient one(Via::Udp, server.turn());
  ASSERT_EQ(one.allocate(), 0);
  EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 486);
  server.runtime->revoke({turn::Revocation::Kind::Room, "lobby"});
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  EXPECT_EQ(one.allocate(), 403);
}

TEST(CredentialHook, ASlowServerIsGivenUp) {
  FakeHttpServer hook(always(""));
  config::Config config = hook_config(hook.url());
  config.auth.hook.timeout = 300ms;
  const Server server(config);
  const auto start = Clock::now();
  TurnClient tcp(Via::Tcp, server.turn());
  EXPECT_EQ(tcp.allocate(), 500);
  EXPECT_GE(Clock::now() - start, 300ms);
  EXPECT_LT(Clock::now() - start, 5s);
  EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 500);
  EXPECT_EQ(server.metric("turnstone_credential_hook_requests_total", "timed_out"), 1);
  EXPECT_GE(server.metric("turnstone_auth_failures_total", "source_busy"), 2);
  EXPECT_EQ(server.metric("turnstone_allocations"), 0);
}

TEST(CredentialHook, NonsenseLetsNobodyIn) {
  const std::string huge(1 << 20, 'x');
  const std::string answers[] = {
      "close:nonsense\r\n\r\n",
      http("200 OK", "nonsense"),
      http("200 OK", R"({"password":"wonderland","polcy":{}})"),
      http("200 OK", R"({"password":"wonderland"} )" + std::string(20'000, ' ')),
      "close:" + http("200 OK", huge),
      "close:HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"password\":\"wonderland\"}",
      "close:HTTP/1.1 200 OK\r\nX: " + huge + "\r\n\r\n",
      "close:",
      http("302 Found", "", "Location: http://127.0.0.1:1/\r\n"),
      http("500 Internal Server Error", R"({"password":"wonderland"})"),
      http("503 Service Unavailable", ""),
      http("201 Created", R"({"password":"wonderland"})"),
  };
  for (const std::string& answer : answers) {
    FakeHttpServer hook(always(answer));
    const Server server(hook_config(hook.url()));
    for (const Via via : {Via::Udp, Via::Tcp})
      EXPECT_EQ(TurnClient(via, server.turn()).allocate(), 500) << answer.substr(0, 60);
    EXPECT_EQ(hook.requests().size(), 1U) << answer.substr(0, 60);
    EXPECT_EQ(server.metric("turnstone_allocations_created_total"), 0);
  }
}

TEST(CredentialHook, AServerThatDiedIsFoundAgain) {
  auto hook = std::make_unique<FakeHttpServer>(always(kFound));
  const Endpoint where = hook->local();
  config::Config config = hook_config(hook->url());
  config.auth.hook.cache = 1s;
  const Server server(config);
  EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 0);
  hook.reset();
  std::this_thread::sleep_for(1100ms);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 500);
  EXPECT_EQ(server.metric("turnstone_credential_hook_requests_total", "unreachable"), 1);
  hook = std::make_unique<FakeHttpServer>(always(kFound), where);
  std::this_thread::sleep_for(1100ms);
  EXPECT_EQ(TurnClient(Via::Tcp, server.turn()).allocate(), 0);
}

TEST(CredentialHook, ConnectionsAreKeptAndNewOnesMadeWhenTheyEnd) {
  FakeHttpServer hook(always(kFound));
  config::Config config = hook_config(hook.url());
  config.auth.hook.cache = 1s;
  const Server server(config);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 0);
    std::this_thread::sleep_for(1100ms);
  }
  EXPECT_EQ(hook.requests().size(), 2U);
  EXPECT_EQ(hook.connection_count(), 1U);
  // Each is closed behind its answer, without a word.
  hook.answer_with(always("close:" + kFound));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 0);
    std::this_thread::sleep_for(1100ms);
  }
  EXPECT_GE(hook.connection_count(), 2U);
  EXPECT_EQ(server.metric("turnstone_credential_hook_requests_total", "unreachable"), 0);
}

TEST(CredentialHook, ManyClientsOnTwoShardsAreOneQuestion) {
  FakeHttpServer hook([](const std::string&) {
    std::this_thread::sleep_for(300ms);
    return kFound;
  });
  const Server server(hook_config(hook.url(), 2));
  std::vector<std::unique_ptr<TurnClient>> clients;
  std::vector<std::jthread> threads;
  std::array<int, 16> codes{};
  for (std::size_t i = 0; i < codes.size(); ++i)
    clients.push_back(std::make_unique<TurnClient>(i % 2 == 0 ? Via::Udp : Via::Tcp, server.turn()));
  for (std::size_t i = 0; i < codes.size(); ++i)
    threads.emplace_back([&, i] { codes[i] = clients[i]->allocate(); });
  threads.clear();
  for (const int code : codes) EXPECT_EQ(code, 0);
  EXPECT_LE(hook.requests().size(), 2U);
  EXPECT_EQ(server.metric("turnstone_credential_hook_waiting_requests"), 0);
}

TEST(CredentialHook, AStreamThatGoesAwayWhileItWaitsLeavesNothing) {
  FakeHttpServer hook([](const std::string&) {
    std::this_thread::sleep_for(300ms);
    return kFound;
  });
  const Server server(hook_config(hook.url()));
  TurnClient client(Via::Tcp, server.turn());
  // The challenge, then the request that waits.
  client.send(client.make_request(Method::Allocate, TurnClient::allocate_attributes(IpFamily::V4)));
  const Bytes challenge = client.await_answer();
  ASSERT_FALSE(challenge.empty());
  std::jthread waits([&] { client.allocate(); });
  EXPECT_TRUE(server.settles("turnstone_credential_hook_waiting_requests", "", 1));
  ::shutdown(client.wire().socket().fd(), SHUT_RDWR);
  waits.join();
  EXPECT_TRUE(server.settles("turnstone_credential_hook_requests_total", "found", 1));
  EXPECT_EQ(server.metric("turnstone_allocations"), 0);
  EXPECT_EQ(server.metric("turnstone_credential_hook_waiting_requests"), 0);
}

TEST(CredentialHook, AServerThatStopsDoesNotWaitForAnswers) {
  FakeHttpServer hook(always(""));
  config::Config config = hook_config(hook.url());
  config.auth.hook.timeout = 60s;
  Server server(config);
  TurnClient client(Via::Tcp, server.turn());
  std::jthread waits(
      [&] { client.request(Method::Allocate, TurnClient::allocate_attributes(IpFamily::V4)); });
  EXPECT_TRUE(server.settles("turnstone_credential_hook_waiting_requests", "", 1));
  const auto start = Clock::now();
  server.runtime->stop();
  EXPECT_LT(Clock::now() - start, 10s);
}

TEST(CredentialHook, OverHttpsTheServerIsKnownByItsCertificate) {
  const auto made = net::TlsContext::self_signed({"localhost"}, {*IpAddress::parse("127.0.0.1")});
  ASSERT_TRUE(made);
  FakeHttpServer hook(always(kFound), at("127.0.0.1"), *made);
  config::Config config = hook_config(hook.url());
  {
    const Server server(config);
    EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 500) << "nobody vouches for it";
    EXPECT_TRUE(hook.requests().empty());
  }
  const test::TemporaryFolder folder;
  config.auth.hook.ca_file = folder.at("ca.pem");
  write_certificate(**made, config.auth.hook.ca_file);
  {
    const Server server(config);
    EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 0);
    EXPECT_EQ(TurnClient(Via::Tcp, server.turn()).allocate(), 0);
    EXPECT_EQ(hook.requests().size(), 1U);
  }
  // The certificate is another host's.
  FakeHttpServer six(always(kFound), at("::1"), *made);
  config.auth.hook.url = six.url();
  {
    const Server server(config);
    EXPECT_EQ(TurnClient(Via::Udp, server.turn()).allocate(), 500);
    EXPECT_TRUE(six.requests().empty());
  }
  std::filesystem::remove(config.auth.hook.ca_file);
  app::Runtime::Made refused = app::Runtime::make(config);
  ASSERT_EQ(refused.problems.size(), 1U);
  EXPECT_NE(refused.problems[0].find("auth.hook_ca_file"), std::string::npos) << refused.problems[0];
}

}  // namespace
}  // namespace ts::shell_test
