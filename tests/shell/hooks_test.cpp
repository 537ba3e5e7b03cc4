// SPDX-License-Identifier: Apache-2.0
// The application that judges hellos, and webhooks, through the whole server, with an HTTP server of the
// test's that answers, refuses, sleeps and comes back.
#include <algorithm>

#include <nlohmann/json.hpp>

#include <turnstone/base/webhook_signature.hpp>

#include "fake_http.hpp"
#include "http_support.hpp"

namespace ts::shell_test {
namespace {

using net::http_test::Client;
using nlohmann::json;

const std::string kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

FakeHttpServer::Reply always(const std::string& text) {
  return [text](const std::string&) { return text; };
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

Client native(const Server& server) {
  Client out = connect(server);
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

void say_hello(Client& client, const std::string& token, const std::string& peer) {
  client.text(R"({"t":"hello","v":1,"token":")" + token + R"(","peer":")" + peer + "\"}");
}

/// Closed, so that tokens count.
config::Config closed_config() {
  config::Config out = loopback_config();
  out.dev = false;
  out.net.tls_self_signed = true;
  out.turn.relay_addresses = {{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("127.0.0.1")}};
  out.signal.token = "shared";
  return out;
}

config::Config hook_config(const std::string& url) {
  config::Config out = closed_config();
  out.signal.hook.url = url;
  out.signal.hook.secret = kSecret;
  out.signal.hook.timeout = 500ms;
  return out;
}

std::string body_of(const std::string& request) { return request.substr(request.find("\r\n\r\n") + 4); }

std::string field_of(const std::string& request, const std::string& name) {
  const std::size_t at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 4;
  return request.substr(begin, request.find("\r\n", begin) - begin);
}

bool is_signed(const std::string& request) {
  const WallTime time(std::chrono::seconds(std::stoll(field_of(request, "webhook-timestamp"))));
  return field_of(request, "webhook-signature") ==
         webhook_signature(*webhook_key(kSecret), field_of(request, "webhook-id"), time, body_of(request));
}

TEST(SignalingHook, TheApplicationSaysWhoItIs) {
  FakeHttpServer hook(
      always(http("200 OK", R"({"allow":true,"sub":"alice","meta":{"name":"Alice"},"rooms":["tea"]})")));
  const Server server(hook_config(hook.url()));
  Client ada = native(server);
  say_hello(ada, "opaque", "ada");
  EXPECT_EQ(await(ada, "welcome")["peer"], "ada");
  ada.text(R"({"t":"join","id":1,"room":"coffee"})");
  EXPECT_EQ(await(ada, "error")["code"], "forbidden");
  ada.text(R"({"t":"join","id":2,"room":"tea"})");
  EXPECT_EQ(await(ada, "joined")["room"], "tea");
  ASSERT_EQ(hook.requests().size(), 1U);
  const std::string request = hook.requests()[0];
  EXPECT_TRUE(is_signed(request)) << request;
  const json question = json::parse(body_of(request));
  EXPECT_EQ(question["token"], "opaque");
  EXPECT_EQ(question["dialect"], "native");
  EXPECT_EQ(question["address"], "127.0.0.1");
  Client bob = native(server);
  say_hello(bob, "shared", "bob");
  EXPECT_EQ(await(bob, "welcome")["peer"], "bob");
  EXPECT_EQ(hook.requests().size(), 1U) << "a token that is known here is nobody else's business";
  EXPECT_EQ(server.metric("turnstone_signaling_hook_requests_total", "allowed"), 1);
}

TEST(SignalingHook, PeerJsAndSocketIoAreAskedAboutAsWell) {
  FakeHttpServer hook(always(http("200 OK", R"({"allow":true})")));
  const Server server(hook_config(hook.url()));
  Client peerjs = connect(server);
  ASSERT_EQ(peerjs.upgrade("", "/peerjs/peerjs?key=peerjs&id=ada&token=opaque").status, 101U);
  EXPECT_EQ(peerjs.next_text(), R"({"type":"OPEN"})");
  Client socketio = connect(server);
  ASSERT_EQ(socketio.upgrade("", "/socket.io/?EIO=4&transport=websocket").status, 101U);
  EXPECT_TRUE(socketio.next_text().starts_with("0{"));
  socketio.text(R"(40{"token":"opaque","room":"tea"})");
  EXPECT_TRUE(socketio.next_text().starts_with("40{\"sid\""));
  const auto requests = hook.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(json::parse(body_of(requests[0]))["dialect"], "peerjs");
  EXPECT_EQ(json::parse(body_of(requests[1]))["dialect"], "socketio");
  EXPECT_EQ(json::parse(body_of(requests[1]))["room"], "tea");
}

TEST(SignalingHook, WithoutAnAnswerNobodyComesIn) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "unavailable"},
      {http("500 Internal Server Error", "{}"), "unavailable"},
      {http("200 OK", "{}"), "unavailable"},
      {http("302 Found", "", "Location: http://127.0.0.1:1/\r\n"), "unavailable"},
      {http("403 Forbidden", R"({"reason":"no"})"), "unauthorized"},
      {http("200 OK", R"({"allow":false})"), "unauthorized"}};
  FakeHttpServer hook(always(""));
  const Server server(hook_config(hook.url()));
  for (const auto& [reply, code] : cases) {
    hook.answer_with(always(reply));
    Client client = native(server);
    say_hello(client, "opaque", "ada");
    EXPECT_EQ(await(client, "error")["code"], code) << reply;
  }
  EXPECT_EQ(server.metric("turnstone_signaling_members"), 0);
}

config::Config webhook_config(const std::vector<std::string>& urls) {
  config::Config out = closed_config();
  out.webhooks.urls = urls;
  out.webhooks.secrets = {kSecret};
  out.webhooks.timeout = 500ms;
  out.signal.resume_time = 0ms;
  return out;
}

std::vector<json> events(const FakeHttpServer& server) {
  std::vector<json> out;
  for (const std::string& request : server.requests()) out.push_back(json::parse(body_of(request)));
  return out;
}

/// Waits for so many posts.
bool gets(const FakeHttpServer& server, std::size_t count) {
  const auto deadline = Clock::now() + kPatience;
  while (server.requests().size() < count && Clock::now() < deadline) std::this_thread::sleep_for(10ms);
  return server.requests().size() >= count;
}

TEST(Webhooks, TellOfRoomsInOrder) {
  FakeHttpServer receiver(always(http("204 No Content", "")));
  const Server server(webhook_config({receiver.url()}));
  Client ada = native(server);
  say_hello(ada, "shared", "ada");
  await(ada, "welcome");
  ada.text(R"({"t":"join","id":1,"room":"tea"})");
  await(ada, "joined");
  ada.text(R"({"t":"leave","id":2,"room":"tea"})");
  await(ada, "ok");
  ASSERT_TRUE(gets(receiver, 4));
  for (const std::string& request : receiver.requests()) EXPECT_TRUE(is_signed(request)) << request;
  const auto told = events(receiver);
  const char* types[] = {"room.opened", "member.joined", "member.left", "room.empty"};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(told[i]["type"], types[i]);
    EXPECT_EQ(told[i]["data"]["room"], "tea");
  }
  EXPECT_EQ(told[2]["data"]["peer"], "ada");
  EXPECT_EQ(told[2]["data"]["reason"], "left");
  EXPECT_TRUE(server.settles("turnstone_webhook_posts_total", "delivered", 4));
}

TEST(Webhooks, AreRepeatedWithTheSameIdAndASlowOneHoldsUpNoOther) {
  FakeHttpServer slow(always(""));
  FakeHttpServer moody(always(http("500 Internal Server Error", "")));
  config::Config config = webhook_config({slow.url(), moody.url()});
  config.webhooks.events = {"room.opened"};
  const Server server(config);
  Client ada = native(server);
  say_hello(ada, "shared", "ada");
  await(ada, "welcome");
  ada.text(R"({"t":"join","id":1,"room":"tea"})");
  await(ada, "joined");
  ASSERT_TRUE(gets(moody, 1));
  moody.answer_with(always(http("200 OK", "")));
  ASSERT_TRUE(gets(moody, 2));
  const auto told = events(moody);
  EXPECT_EQ(told[0], told[1]);
  EXPECT_EQ(field_of(moody.requests()[0], "webhook-id"), field_of(moody.requests()[1], "webhook-id"));
  EXPECT_TRUE(server.settles("turnstone_webhook_posts_total", "delivered", 1));
  EXPECT_EQ(server.metric("turnstone_webhook_waiting"), 1) << "the slow one's";
}

TEST(Webhooks, TellOfAllocationsThatEnd) {
  FakeHttpServer receiver(always(http("200 OK", "")));
  const Server server(webhook_config({receiver.url()}));
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  ASSERT_EQ(client.refresh(0), 0);
  ASSERT_TRUE(gets(receiver, 1));
  const json event = events(receiver)[0];
  EXPECT_EQ(event["type"], "allocation.ended");
  EXPECT_EQ(event["data"]["user"], TurnClient::user);
  EXPECT_EQ(event["data"]["transport"], "udp");
  EXPECT_TRUE(event["data"]["to_peer"].contains("bytes"));
}

TEST(Webhooks, WhatHappensAtTheEndIsStillTold) {
  FakeHttpServer receiver(always(http("200 OK", "")));
  {
    const Server server(webhook_config({receiver.url()}));
    Client ada = native(server);
    say_hello(ada, "shared", "ada");
    await(ada, "welcome");
    ada.text(R"({"t":"join","id":1,"room":"tea"})");
    await(ada, "joined");
  }
  const auto told = events(receiver);
  const auto left = [](const json& event) { return event["type"] == "member.left"; };
  EXPECT_TRUE(std::any_of(told.begin(), told.end(), left)) << told.size();
}

}  // namespace
}  // namespace ts::shell_test
