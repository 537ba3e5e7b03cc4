// SPDX-License-Identifier: Apache-2.0
// How many streams there may be: of one address, in all, and with few descriptors.
#include <algorithm>

#include <turnstone/net/stream_budget.hpp>

#include "server_process.hpp"

namespace ts::shell_test {
namespace {

Socket connect_from(std::string_view source, const Endpoint& to) {
  Socket out(SOCK_STREAM, at(source));
  EXPECT_TRUE(out.connect(to));
  return out;
}

/// True when the server has closed it.
bool is_closed(const Socket& socket, std::chrono::milliseconds patience = kPatience) {
  std::uint8_t byte = 0;
  return socket.readable(patience) && ::recv(socket.fd(), &byte, 1, MSG_DONTWAIT) <= 0;
}

TEST(StreamBudget, CountsByAddressAndPrefixAndKeepsNothingOfTheGone) {
  net::SystemRandom random;
  net::Options options;
  options.max_streams = 5;
  options.max_streams_per_address = 3;
  options.max_half_open_per_address = 2;
  net::StreamBudget budget(options, random);
  const auto v6 = [](const char* text) { return IpAddress::parse(text); };
  {
    auto a = budget.admit(v6("2001:db8:0:1::1"));
    auto b = budget.admit(v6("2001:db8:0:1:ffff::2"));
    ASSERT_TRUE(a && b);
    EXPECT_EQ(budget.address_count(), 1U);
    auto c = budget.admit(v6("2001:db8:0:1::3"));
    ASSERT_FALSE(c);
    EXPECT_EQ(c.error(), net::StreamRefusal::AddressLimit);
    a->shown();
    a->shown();
    auto d = budget.admit(v6("2001:db8:0:1::3"));
    ASSERT_TRUE(d);
    b->shown();
    EXPECT_FALSE(budget.admit(v6("2001:db8:0:1::4"))) << "three in all";
    auto e = budget.admit(v6("2001:db8:0:2::1"));
    auto f = budget.admit(v6("192.0.2.1"));
    ASSERT_TRUE(e && f);
    auto g = budget.admit(v6("192.0.2.2"));
    ASSERT_FALSE(g);
    EXPECT_EQ(g.error(), net::StreamRefusal::Limit);
    EXPECT_EQ(budget.open_count(), 5U);
    EXPECT_EQ(budget.address_count(), 3U);
    net::StreamTicket moved = std::move(*f);
    moved.reset();
    moved.reset();
    EXPECT_EQ(budget.open_count(), 4U);
    EXPECT_TRUE(budget.admit(v6("::ffff:192.0.2.2")));
  }
  EXPECT_EQ(budget.open_count(), 0U);
  EXPECT_EQ(budget.address_count(), 0U);
}

TEST(StreamBudget, ABalancersStreamIsCountedForItsClient) {
  net::SystemRandom random;
  net::Options options;
  options.max_streams_per_address = 1;
  net::StreamBudget budget(options, random);
  auto a = budget.admit(std::nullopt);
  auto b = budget.admit(std::nullopt);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(budget.address_count(), 0U);
  EXPECT_TRUE(a->charge(IpAddress::v4(192, 0, 2, 1)));
  EXPECT_FALSE(b->charge(IpAddress::v4(192, 0, 2, 1)));
  a->reset();
  EXPECT_TRUE(b->charge(IpAddress::v4(192, 0, 2, 1)));
  b->reset();
  EXPECT_EQ(budget.address_count(), 0U);
}

TEST(StreamLimits, OneAddressHasSoManyAndOthersStillCome) {
  config::Config config = loopback_config(2);
  config.net.max_streams_per_address = 4;
  const Server server(std::move(config));
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<TurnClient>(i == 2 ? Via::Tls : Via::Tcp, server.tls()));
    ASSERT_TRUE(clients.back()->binding());
  }
  Wire http(server.http(), {});
  http.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  Bytes answer;
  ASSERT_EQ(http.read(answer), Wire::Read::Some);
  EXPECT_TRUE(is_closed(connect_from("127.0.0.1", server.turn())));
  EXPECT_TRUE(is_closed(connect_from("127.0.0.1", server.http())));
  const Socket other = connect_from("127.0.0.2", server.turn());
  EXPECT_FALSE(is_closed(other, kSilence));
  http.close();
  clients.pop_back();
  // The request is one of the four itself, and may come before the server has seen the ends.
  const auto deadline = Clock::now() + kPatience;
  std::string metrics;
  while ((metrics = server.metrics()).empty()) ASSERT_LT(Clock::now(), deadline);
  EXPECT_GE(sample(metrics, kRefused, "address_limit"), 2);
}

TEST(StreamLimits, OneAddressHasSoManyThatHaveNotSpoken) {
  config::Config config = loopback_config();
  config.net.max_half_open_per_address = 2;
  const Server server(std::move(config));
  TurnClient speaks(Via::Tcp, server.turn());
  ASSERT_TRUE(speaks.binding());
  const Socket silent = connect_from("127.0.0.1", server.turn());
  Socket begins = connect_from("127.0.0.1", server.tls());
  const std::uint8_t first = 0x16;
  ASSERT_EQ(::send(begins.fd(), &first, 1, MSG_NOSIGNAL), 1);
  EXPECT_TRUE(is_closed(connect_from("127.0.0.1", server.turn())));
  EXPECT_FALSE(is_closed(connect_from("127.0.0.2", server.turn()), kSilence));
  EXPECT_TRUE(speaks.binding());
  begins.reset();
  // A request for the metrics has to show what it speaks itself, and may be refused meanwhile.
  const auto deadline = Clock::now() + kPatience;
  std::string metrics;
  while ((metrics = server.metrics()).empty()) ASSERT_LT(Clock::now(), deadline);
  EXPECT_GE(sample(metrics, kRefused, "address_limit"), 1);
}

TEST(StreamLimits, AreOneBudgetOverShardsAndHttp) {
  config::Config config = loopback_config(2);
  config.net.max_streams = 6;
  const Server server(std::move(config));
  std::vector<std::unique_ptr<TurnClient>> turn;
  std::vector<std::unique_ptr<Wire>> http;
  for (int i = 0; i < 3; ++i) {
    turn.push_back(std::make_unique<TurnClient>(Via::Tcp, server.turn()));
    ASSERT_TRUE(turn.back()->binding());
    http.push_back(std::make_unique<Wire>(server.http(), Wire::Settings{}));
    http.back()->write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    Bytes answer;
    ASSERT_EQ(http.back()->read(answer), Wire::Read::Some);
  }
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(is_closed(connect_from("127.0.0.1", server.turn()))) << i;
  turn.pop_back();
  http.pop_back();
  const auto deadline = Clock::now() + kPatience;
  while (!TurnClient(Via::Tcp, server.turn()).binding()) ASSERT_LT(Clock::now(), deadline);
  EXPECT_GE(server.metric(kRefused, "\"limit\""), 8);
  EXPECT_TRUE(server.settles("turnstone_streams", "turn_tcp", 2));
}

TEST(StreamLimits, SilentOnesMakeRoomAfterASecond) {
  config::Config config = loopback_config();
  config.net.max_streams = 5;
  const Server server(std::move(config));
  std::vector<Socket> silent;
  for (int i = 0; i < 5; ++i) silent.push_back(connect_from("127.0.0.1", server.turn()));
  EXPECT_TRUE(is_closed(connect_from("127.0.0.1", server.turn())));
  std::this_thread::sleep_for(1100ms);
  TurnClient speaks(Via::Tcp, server.turn());
  EXPECT_TRUE(speaks.binding());
  EXPECT_TRUE(is_closed(silent.front()));
  EXPECT_FALSE(is_closed(silent.back(), kSilence));
}

constexpr unsigned kFewDescriptors = 128;

TEST(FewDescriptors, SilentStreamsLeaveUdpItsOwn) {
  const ServerProcess server(kFewDescriptors, 2);
  ASSERT_EQ(server.problem(), "");
  // UBSan looks through a pipe at objects of a type that it has not met: let it meet them while it can have
  // one, on both shards.
  for (int i = 0; i < 16; ++i) {
    TurnClient client(Via::Udp, server.turn());
    ASSERT_EQ(client.allocate(), 0);
    ASSERT_EQ(client.refresh(0), 0);
  }
  std::vector<Socket> silent;
  for (int i = 0; i < 200; ++i)
    silent.push_back(connect_from("127.0.0.1", i % 2 == 0 ? server.turn() : server.http()));
  std::this_thread::sleep_for(200ms);
  const double before = server.cpu_seconds();
  const auto began = Clock::now();
  std::vector<std::unique_ptr<TurnClient>> clients;
  std::chrono::duration<double> slowest{0};
  for (int i = 0; i < 10; ++i) {
    const auto asked = Clock::now();
    clients.push_back(std::make_unique<TurnClient>(Via::Udp, server.turn()));
    EXPECT_EQ(clients.back()->allocate(), 0) << i;
    slowest = std::max<std::chrono::duration<double>>(slowest, Clock::now() - asked);
    std::this_thread::sleep_for(200ms);
  }
  const double share =
      (server.cpu_seconds() - before) / std::chrono::duration<double>(Clock::now() - began).count();
  std::cout << "few descriptors: " << share * 100 << " % of a processor, slowest allocation "
            << slowest.count() * 1000 << " ms\n";
  EXPECT_LT(share, 0.05);
  const auto open = std::count_if(silent.begin(), silent.end(),
                                  [](const Socket& socket) { return !is_closed(socket, 0ms); });
  EXPECT_GT(open, 0);
  EXPECT_LT(open, long{kFewDescriptors});
  // And a stream that speaks gets in, in place of a silent one of the shard that it comes to, before those
  // time out.
  const auto deadline = Clock::now() + kPatience;
  while (!TurnClient(Via::Tcp, server.turn()).binding()) ASSERT_LT(Clock::now(), deadline);
  while (sample(server.metrics(), kRefused, "\"limit\"") == 0) ASSERT_LT(Clock::now(), deadline);
}

TEST(FewDescriptors, WithoutAnyAStreamIsToldAndNotLeftWaiting) {
  const ServerProcess server(kFewDescriptors, 1);
  ASSERT_EQ(server.problem(), "");
  std::vector<std::unique_ptr<TurnClient>> clients;
  int code = 0;
  while (code == 0 && clients.size() < kFewDescriptors) {
    clients.push_back(std::make_unique<TurnClient>(Via::Udp, server.turn()));
    code = clients.back()->allocate();
  }
  EXPECT_EQ(code, 508);
  EXPECT_TRUE(is_closed(connect_from("127.0.0.1", server.turn())));
  EXPECT_TRUE(is_closed(connect_from("127.0.0.1", server.http())));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(clients[i]->refresh(0), 0);
  EXPECT_GE(sample(server.metrics(), kRefused, "accept_failed"), 2);
}

TEST(FewDescriptors, TooFewIsSaidAtStart) {
  const ServerProcess many_threads(64, 16);
  EXPECT_NE(many_threads.problem().find("ulimit -n"), std::string::npos) << many_threads.problem();
  EXPECT_NE(many_threads.problem().find("listen.threads"), std::string::npos);
  const ServerProcess no_reserve(40, 1);
  EXPECT_NE(no_reserve.problem().find("kept for relayed addresses"), std::string::npos)
      << no_reserve.problem();
  const ServerProcess chosen_for_it(kFewDescriptors, 0);
  EXPECT_EQ(chosen_for_it.problem(), "");
}

}  // namespace
}  // namespace ts::shell_test
