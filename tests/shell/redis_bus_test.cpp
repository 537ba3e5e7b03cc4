// SPDX-License-Identifier: Apache-2.0
// The connection to Redis, with a server of the test's own that refuses, repeats secrets, talks nonsense and
// dies.
#include <array>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <turnstone/net/redis_bus.hpp>

#include "../../src/net/redis/resp.hpp"

namespace ts::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

/// Speaks as much of Redis as it takes. One thread, that of the io_context.
class FakeRedis {
 public:
  explicit FakeRedis(asio::io_context& context)
      : context_(context), acceptor_(context, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)) {
    asio::co_spawn(context_, accept(), asio::detached);
  }

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  void drop_all() {
    for (const auto& client : clients_) client->socket.close();
  }
  /// To all who listen at anything.
  void say(const std::string& bytes) {
    for (const auto& client : clients_) {
      if (!client->channels.empty()) send(client, bytes);
    }
  }
  void end() {
    acceptor_.close();
    drop_all();
  }

  std::string password;
  bool silent = false;
  int hellos = 0;

 private:
  struct Client {
    explicit Client(tcp::socket s) : socket(std::move(s)), reader(1 << 20) {}
    tcp::socket socket;
    RespReader reader;
    std::set<std::string> channels;
    std::array<char, 4096> in{};
  };
  using ClientPtr = std::shared_ptr<Client>;

  asio::awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(kTuple);
      if (error) co_return;
      const auto client = std::make_shared<Client>(std::move(socket));
      clients_.push_back(client);
      asio::co_spawn(context_, serve(client), asio::detached);
    }
  }
  asio::awaitable<void> serve(ClientPtr client) {
    for (;;) {
      const auto buffer = asio::buffer(client->in);
      const auto [error, size] = co_await client->socket.async_read_some(buffer, kTuple);
      if (error) break;
      client->reader.feed(std::string_view(client->in.data(), size));
      while (const RespValue* value = client->reader.next()) obey(client, *value);
    }
    std::erase(clients_, client);
  }
  /// Answers are small: the kernel takes them at once.
  static void send(const ClientPtr& client, const std::string& bytes) {
    boost::system::error_code ignored;
    asio::write(client->socket, asio::buffer(bytes), ignored);
  }
  void obey(const ClientPtr& client, const RespValue& command) {
    if (silent) return;
    if (command.begins_with("HELLO")) return hello(client, command);
    if (command.begins_with("SUBSCRIBE")) {
      const std::string channel(command.items.at(1).text);
      client->channels.insert(channel);
      return send(client, ">3\r\n" + bulk("subscribe") + bulk(channel) + ":1\r\n");
    }
    const std::string channel(command.items.at(1).text);
    const std::string message = ">3\r\n" + bulk("message") + bulk(channel) + bulk(command.items.at(2).text);
    for (const auto& other : clients_) {
      if (other->channels.contains(channel)) send(other, message);
    }
    send(client, ":1\r\n");
  }
  void hello(const ClientPtr& client, const RespValue& command) {
    ++hellos;
    const bool known = password.empty() || (command.items.size() == 5 && command.items[4].text == password);
    if (known) return send(client, "%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n");
    std::string error = "-WRONGPASS you said";
    for (const RespValue& word : command.items) error.append(" ").append(word.text);
    send(client, error + "\r\n");
  }

  asio::io_context& context_;
  tcp::acceptor acceptor_;
  std::vector<ClientPtr> clients_;
};

class RedisBusTest : public ::testing::Test {
 protected:
  /// A bus and what it has told.
  struct Bus {
    std::unique_ptr<RedisBus> bus;
    int connected = 0;
    int disconnected = 0;
    int failed = 0;
    std::vector<std::string> messages;
    std::vector<std::string> reports;
  };
  Bus& add(const signal::ClusterOptions& options) {
    Bus& out = *buses_.emplace_back(std::make_unique<Bus>());
    RedisBus::Handlers handlers;
    handlers.connected = [&out] { ++out.connected; };
    handlers.disconnected = [&out] { ++out.disconnected; };
    handlers.failed = [&out] { ++out.failed; };
    handlers.message = [&out](std::string_view payload) { out.messages.emplace_back(payload); };
    handlers.report = [&out](const std::string& trouble) { out.reports.push_back(trouble); };
    auto made = RedisBus::make(context_, options, {"all", "own"}, 1024, std::move(handlers));
    EXPECT_TRUE(made.has_value());
    out.bus = std::move(*made);
    out.bus->start();
    return out;
  }
  Bus& add() {
    signal::ClusterOptions options;
    options.redis_url = redis_.url();
    return add(options);
  }
  template <class Condition>
  bool wait(Condition condition, std::chrono::milliseconds limit = 6000ms) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition() && std::chrono::steady_clock::now() < end) {
      context_.restart();
      context_.run_one_for(20ms);
    }
    return condition();
  }
  void TearDown() override {
    buses_.clear();
    redis_.end();
    context_.restart();
    context_.run_for(1s);  // nothing keeps it
  }

  asio::io_context context_{1};
  FakeRedis redis_{context_};
  std::vector<std::unique_ptr<Bus>> buses_;
};

TEST_F(RedisBusTest, WhatIsPublishedIsHeardByAllInOrder) {
  Bus& a = add();
  Bus& b = add();
  ASSERT_TRUE(wait([&] { return a.connected == 1 && b.connected == 1; }));
  const std::string binary("\r\n\0$", 4);
  for (const std::string& text : {std::string("1"), binary, std::string(1024, 'x')})
    a.bus->publish("all", text);
  ASSERT_TRUE(wait([&] { return a.messages.size() == 3 && b.messages.size() == 3; }));
  EXPECT_EQ(a.messages, (std::vector<std::string>{"1", binary, std::string(1024, 'x')}));
  EXPECT_EQ(b.messages, a.messages);
  EXPECT_TRUE(a.reports.empty());
}

TEST_F(RedisBusTest, WhatTheServerRepeatsOfAPasswordIsNotTold) {
  redis_.password = "right";
  signal::ClusterOptions options;
  options.redis_url = redis_.url();
  options.redis_username = "node";
  options.redis_password = "wr0ng-and-secret";
  Bus& bad = add(options);
  options.redis_password = "right";
  Bus& good = add(options);
  ASSERT_TRUE(wait([&] { return bad.failed > 1 && good.connected == 1; }));
  ASSERT_EQ(bad.reports.size(), 1U) << "not one for each attempt";
  EXPECT_NE(bad.reports[0].find("WRONGPASS"), std::string::npos) << bad.reports[0];
  EXPECT_EQ(bad.reports[0].find("secret"), std::string::npos) << bad.reports[0];
  EXPECT_EQ(bad.connected, 0);
}

TEST_F(RedisBusTest, ALostConnectionIsMadeAgain) {
  Bus& a = add();
  ASSERT_TRUE(wait([&] { return a.connected == 1; }));
  redis_.drop_all();
  ASSERT_TRUE(wait([&] { return a.disconnected == 1; }));
  a.bus->publish("all", "lost");
  ASSERT_TRUE(wait([&] { return a.connected == 2; }));
  a.bus->publish("all", "heard");
  ASSERT_TRUE(wait([&] { return !a.messages.empty(); }));
  EXPECT_EQ(a.messages, std::vector<std::string>{"heard"});
}

TEST_F(RedisBusTest, NonsenseAndWhatIsTooLargeEndAConnection) {
  Bus& a = add();
  int times = 0;
  for (const std::string& bytes :
       {std::string("HTTP/1.1 400\r\n"), std::string("$1000000\r\n"), std::string("-ERR no\r\n")}) {
    ASSERT_TRUE(wait([&] { return a.connected == times + 1; }));
    redis_.say(bytes);
    ++times;
    ASSERT_TRUE(wait([&] { return a.disconnected == times; })) << bytes;
  }
  EXPECT_TRUE(a.messages.empty());
}

TEST_F(RedisBusTest, AServerThatDoesNotAnswerIsGivenUp) {
  redis_.silent = true;
  Bus& a = add();
  ASSERT_TRUE(wait([&] { return a.failed == 1; }));
  redis_.silent = false;
  EXPECT_TRUE(wait([&] { return a.connected == 1; }));
}

TEST_F(RedisBusTest, StoppingWritesWhatWasPublished) {
  Bus& a = add();
  Bus& b = add();
  ASSERT_TRUE(wait([&] { return a.connected == 1 && b.connected == 1; }));
  bool done = false;
  a.bus->publish("all", "bye");
  a.bus->stop([&] { done = true; });
  ASSERT_TRUE(wait([&] { return done && b.messages.size() == 1; }));
  EXPECT_EQ(b.messages[0], "bye");
  EXPECT_EQ(a.disconnected, 0) << "no handler is called any more";
}

TEST_F(RedisBusTest, OptionsThatAreNoneAreTold) {
  signal::ClusterOptions options;
  options.redis_url = "http://x";
  const auto url = RedisBus::make(context_, options, {}, 1, {});
  ASSERT_FALSE(url.has_value());
  EXPECT_NE(url.error().find("signaling.redis.url"), std::string::npos);
  options.redis_url = "rediss://x";
  options.redis_ca_file = "/nowhere";
  const auto trust = RedisBus::make(context_, options, {}, 1, {});
  ASSERT_FALSE(trust.has_value());
  EXPECT_NE(trust.error().find("signaling.redis.ca_file"), std::string::npos);
}

}  // namespace
}  // namespace ts::net
