// SPDX-License-Identifier: Apache-2.0
// Which shard a client's datagrams come to: the same at every listener, also when another socket joins a
// port, and all shards their share. And that a shard's thread stays on its core where that is asked for.
#include "../../src/net/steering.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <gmock/gmock.h>

#include <turnstone/net/listen.hpp>

#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using testing::IsEmpty;

class Steering : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, Steering, testing::Values("127.0.0.1", "::1"),
                         [](const auto& p) { return at(p.param).address.is_v4() ? "V4" : "V6"; });

/// The UDP listeners of some shards at two ports.
struct Ports {
  Ports(const char* host, std::uint32_t shards) {
    net::Options options;
    options.bind = {*IpAddress::parse(host)};
    options.port = options.dtls_port = options.tls_port = options.http_port = 0;
    options.tcp = false;
    listeners = net::open_listeners(options, shards, true);
    EXPECT_THAT(listeners.problems, IsEmpty());
  }
  /// The shard that has got the next datagram at that listener, and nothing else; -1: none.
  int receiver(std::size_t listener) const {
    std::vector<pollfd> all;
    for (const net::ShardSockets& shard : listeners.shards)
      all.push_back({shard.udp.at(listener).descriptor.get(), POLLIN, 0});
    ::poll(all.data(), all.size(), static_cast<int>(kPatience.count()));
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::array<std::uint8_t, 64> bytes;
      if (::recv(all[i].fd, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) return static_cast<int>(i);
    }
    return -1;
  }
  Endpoint endpoint(std::size_t listener) const { return listeners.shards[0].udp.at(listener).local; }

  net::Listeners listeners;
};

TEST_P(Steering, AClientMeetsOneShardAtEveryListener) {
  if (!UdpSocket(at(GetParam())).ok()) GTEST_SKIP() << "no IPv6 loopback on this machine";
  constexpr std::uint32_t kShards = 4;
  constexpr int kClients = 200;
  const Ports ports(GetParam(), kShards);
  ASSERT_EQ(ports.listeners.shards[0].udp.size(), 2U);
  std::map<int, int> clients_of;
  for (int i = 0; i < kClients; ++i) {
    UdpSocket client(at(GetParam()));
    client.send(ports.endpoint(0), pattern(20));
    const int shard = ports.receiver(0);
    ASSERT_GE(shard, 0);
    client.send(ports.endpoint(1), pattern(20));
    ASSERT_EQ(ports.receiver(1), shard);
    ++clients_of[shard];
  }
  for (int shard = 0; shard < static_cast<int>(kShards); ++shard)
    EXPECT_GT(clients_of[shard], kClients / static_cast<int>(kShards) / 3) << shard;
}

TEST_P(Steering, AClientStaysWhenASocketJoinsThePort) {
  if (!UdpSocket(at(GetParam())).ok()) GTEST_SKIP() << "no IPv6 loopback on this machine";
  const Ports ports(GetParam(), 2);
  std::vector<std::pair<UdpSocket, int>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.emplace_back(at(GetParam()), -1);
    clients.back().first.send(ports.endpoint(0), pattern(20));
    clients.back().second = ports.receiver(0);
    ASSERT_GE(clients.back().second, 0);
  }
  const Socket joins(SOCK_DGRAM, at(GetParam()));
  const int third =
      ::socket(joins.local().address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ASSERT_EQ(::setsockopt(third, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
  SocketAddress address(ports.endpoint(0));
  ASSERT_EQ(::bind(third, address.get(), address.size), 0);
  for (auto& [client, shard] : clients) {
    client.send(ports.endpoint(0), pattern(20));
    EXPECT_EQ(ports.receiver(0), shard);
  }
  ::close(third);
}

/// The cores that the threads of this process may use.
std::multiset<std::string> cores_of_threads() {
  std::multiset<std::string> out;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(thread.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("Cpus_allowed_list:")) out.insert(line.substr(line.find('\t') + 1));
    }
  }
  return out;
}

TEST(Affinity, ShardsStayOnTheirCores) {
  cpu_set_t allowed;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  if (CPU_COUNT(&allowed) < 2) GTEST_SKIP() << "one core";
  const auto before = cores_of_threads();
  for (const bool pinned : {true, false}) {
    config::Config config = loopback_config(2);
    config.net.pin_threads = pinned;
    const Server server(std::move(config));
    server.metrics();  // the threads run
    auto now = cores_of_threads();
    for (const std::string& one : before) now.erase(now.find(one));
    const auto single = [](const std::string& cores) {
      return cores.find_first_of(",-") == std::string::npos;
    };
    std::set<std::string> cores;
    for (const std::string& one : now) {
      if (single(one)) cores.insert(one);
    }
    EXPECT_EQ(cores.size(), pinned ? 2U : 0U);
  }
}

}  // namespace
}  // namespace ts::shell_test
