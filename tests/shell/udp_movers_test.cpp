// SPDX-License-Identifier: Apache-2.0
// Both ways of moving datagrams do the same: all arrives, in order, whatever the kernel refuses or runs out
// of.
#include <map>

#include <turnstone/net/udp_choice.hpp>

#include "../../src/net/udp_errors.hpp"
#include "../../src/net/udp_mover.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using namespace std::chrono_literals;

/// Keeps what it is handed.
class Keeper final : public net::DatagramHandler {
 public:
  void woke() override { ++looks; }
  void received(std::uint64_t tag, std::span<const net::Datagram> batch) override {
    for (const net::Datagram& datagram : batch)
      got[tag].emplace_back(datagram.bytes.begin(), datagram.bytes.end());
  }
  void failed(std::uint64_t tag) override {
    failures.push_back(tag);
    net::clear_pending_error(sockets.at(tag));
    while (net::next_error(sockets.at(tag))) ++errors;
  }
  void flush() override { ++flushes; }
  int descriptor_of(std::uint64_t tag) const noexcept override {
    const auto found = sockets.find(tag);
    return found != sockets.end() ? found->second : -1;
  }

  std::map<std::uint64_t, int> sockets;
  std::map<std::uint64_t, std::vector<Bytes>> got;
  std::vector<std::uint64_t> failures;
  std::size_t errors = 0;
  std::size_t looks = 0;
  std::size_t flushes = 0;
};

enum class Way : std::uint8_t { Epoll, Ring };

class UdpMovers : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    std::string why;
    mover_ = GetParam() == Way::Ring ? net::make_ring_mover(why) : net::make_epoll_mover();
    if (!mover_) GTEST_SKIP() << "the kernel refuses io_uring: " << why;
  }

  Socket watched(std::uint64_t tag, int receive_buffer = 4 << 20) {
    Socket socket(SOCK_DGRAM, at("127.0.0.1"), receive_buffer);
    EXPECT_TRUE(net::enable_error_queue(socket.fd(), IpFamily::V4));
    watch(socket, tag);
    return socket;
  }
  void watch(const Socket& socket, std::uint64_t tag) {
    keeper_.sockets[tag] = socket.fd();
    EXPECT_TRUE(mover_->watch(socket.fd(), tag));
    mover_->look(keeper_);
  }
  void look_after(std::chrono::milliseconds pause) {
    std::this_thread::sleep_for(pause);
    mover_->look(keeper_);
  }
  /// Looks until so many have come over this socket.
  std::size_t await(std::uint64_t tag, std::size_t count) {
    for (int i = 0; i < 2000 && keeper_.got[tag].size() < count; ++i) look_after(i % 2 * 1ms);
    return keeper_.got[tag].size();
  }
  bool readable(std::chrono::milliseconds patience) const {
    pollfd p{mover_->descriptor(), POLLIN, 0};
    return ::poll(&p, 1, static_cast<int>(patience.count())) == 1;
  }

  std::unique_ptr<net::UdpMover> mover_;
  Keeper keeper_;
};

TEST_P(UdpMovers, MoreThanThereIsRoomForAtOnceArrivesInOrder) {
  const Socket first = watched(1);
  const Socket second = watched(net::UdpMover::kApart | 2);
  UdpSocket peer(at("127.0.0.1"));
  for (std::uint32_t i = 0; i < 1500; ++i) {
    peer.send(first.local(), pattern(i % 1400, i));
    peer.send(second.local(), pattern(i % 900, i + 7));
  }
  ASSERT_EQ(await(1, 1500), 1500U);
  ASSERT_EQ(await(net::UdpMover::kApart | 2, 1500), 1500U);
  for (std::uint32_t i = 0; i < 1500; ++i) {
    ASSERT_EQ(keeper_.got[1][i], pattern(i % 1400, i)) << i;
    ASSERT_EQ(keeper_.got[net::UdpMover::kApart | 2][i], pattern(i % 900, i + 7)) << i;
  }
  // And what comes later does.
  peer.send(first.local(), pattern(10));
  EXPECT_EQ(await(1, 1501), 1501U);
}

TEST_P(UdpMovers, ItsDescriptorTellsOfWhatCameBeforeTheRestAndAfter) {
  const Socket socket = watched(1);
  UdpSocket peer(at("127.0.0.1"));
  for (std::size_t round = 1; round <= 20; ++round) {
    const bool before = round % 2 == 0;
    if (before) peer.send(socket.local(), pattern(20));
    mover_->rest();
    if (!before) peer.send(socket.local(), pattern(20));
    ASSERT_TRUE(readable(kPatience)) << round;
    ASSERT_EQ(await(1, round), round);
  }
  mover_->look(keeper_);
  mover_->rest();
  EXPECT_FALSE(readable(20ms)) << "with nothing to find";
}

TEST_P(UdpMovers, ASocketThatIsWatchedDuringARestIsReceivedFrom) {
  mover_->look(keeper_);
  mover_->rest();
  const Socket socket(SOCK_DGRAM, at("127.0.0.1"));
  keeper_.sockets[5] = socket.fd();
  ASSERT_TRUE(mover_->watch(socket.fd(), 5));
  UdpSocket peer(at("127.0.0.1"));
  peer.send(socket.local(), pattern(20));
  EXPECT_TRUE(readable(kPatience));
  EXPECT_EQ(await(5, 1), 1U);
}

TEST_P(UdpMovers, APortIsFreeWhenItsSocketIsUnwatchedClosedAndSettled) {
  for (int round = 0; round < 50; ++round) {
    const auto tag = static_cast<std::uint64_t>(round);
    Socket socket = watched(tag);
    const Endpoint local = socket.local();
    UdpSocket(at("127.0.0.1")).send(local, pattern(20));
    keeper_.sockets.erase(tag);
    mover_->unwatch(socket.fd(), tag);
    socket.reset();
    mover_->settle();
    const Socket again(SOCK_DGRAM, local);
    ASSERT_TRUE(again) << "round " << round;
  }
}

TEST_P(UdpMovers, ManySocketsSettleTogether) {
  std::vector<Socket> sockets;
  std::vector<Endpoint> locals;
  for (std::uint64_t i = 0; i < 200; ++i) {
    sockets.push_back(watched(i));
    locals.push_back(sockets.back().local());
  }
  for (std::uint64_t i = 0; i < 200; ++i) {
    mover_->unwatch(sockets[i].fd(), i);
    sockets[i].reset();
  }
  keeper_.sockets.clear();
  mover_->settle();
  for (const Endpoint& local : locals) EXPECT_TRUE(Socket(SOCK_DGRAM, local)) << local.to_string();
}

TEST_P(UdpMovers, AnErrorIsToldAndHidesNoDatagram) {
  const Socket socket = watched(3);
  UdpSocket peer(at("127.0.0.1"));
  const Bytes data = pattern(30);
  for (std::size_t round = 1; round <= 10; ++round) {
    const Endpoint nobody = UdpSocket(at("127.0.0.1")).local();
    net::SendBatch batch;
    batch.add(socket.fd(), nobody, std::nullopt, data, 0, 3);
    EXPECT_EQ(mover_->send(batch).sent, 1U);
    peer.send(socket.local(), pattern(40));
    ASSERT_EQ(await(3, round), round);
    for (int i = 0; i < 2000 && keeper_.errors < round; ++i) look_after(1ms);
    ASSERT_EQ(keeper_.errors, round);
  }
}

TEST_P(UdpMovers, AnErrorThatASendTookIsTold) {
  const Socket socket = watched(3);
  UdpSocket peer(at("127.0.0.1"));
  const Bytes data = pattern(30);
  net::SendBatch batch;
  batch.add(socket.fd(), UdpSocket(at("127.0.0.1")).local(), std::nullopt, data, 0, 3);
  EXPECT_EQ(mover_->send(batch).sent, 1U);
  pollfd p{socket.fd(), 0, 0};
  ASSERT_EQ(::poll(&p, 1, static_cast<int>(kPatience.count())), 1) << "the ICMP error is there";
  batch.add(socket.fd(), peer.local(), std::nullopt, data, 0, 3);
  const auto stats = mover_->send(batch);
  EXPECT_EQ(stats.sent, 1U);
  EXPECT_EQ(stats.failed, 0U);
  EXPECT_TRUE(peer.receive());
  for (const std::uint64_t tag : batch.errored()) keeper_.failed(tag);
  for (int i = 0; i < 200 && keeper_.errors == 0; ++i) look_after(1ms);
  EXPECT_EQ(keeper_.errors, 1U);
}

TEST_P(UdpMovers, WhatIsSentOverManySocketsArrivesOnceAndInOrder) {
  std::vector<Socket> sockets;
  for (std::uint64_t i = 0; i < 40; ++i) sockets.push_back(watched(i));
  UdpSocket peer(at("127.0.0.1"));
  std::vector<Bytes> sent;
  for (std::uint32_t i = 0; i < 400; ++i) sent.push_back(pattern(50 + i % 7 * 100, i));
  net::SendBatch batch;
  for (std::size_t i = 0; i < sent.size(); ++i)
    batch.add(sockets[i % sockets.size()].fd(), peer.local(), std::nullopt, sent[i]);
  const auto stats = mover_->send(batch);
  EXPECT_EQ(stats.sent, 400U);
  EXPECT_EQ(stats.failed, 0U);
  std::map<std::uint16_t, std::vector<Bytes>> got;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    auto datagram = peer.receive();
    ASSERT_TRUE(datagram) << i;
    got[datagram->from.port].push_back(std::move(datagram->bytes));
  }
  for (std::size_t s = 0; s < sockets.size(); ++s) {
    const auto& of_one = got[sockets[s].local().port];
    ASSERT_EQ(of_one.size(), 10U);
    for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(of_one[i], sent[s + i * sockets.size()]);
  }
  EXPECT_FALSE(peer.receive(20ms)) << "nothing twice";
}

TEST_P(UdpMovers, WhatTheKernelRefusesIsCountedAndHarmsNothingElse) {
  const Socket socket = watched(1);
  UdpSocket peer(at("127.0.0.1"));
  const Bytes data = pattern(30);
  net::SendBatch batch;
  for (int i = 0; i < 30; ++i) {
    batch.add(socket.fd(), peer.local(), std::nullopt, data);
    batch.add(-1, peer.local(), std::nullopt, data);  // no socket
  }
  const auto stats = mover_->send(batch);
  EXPECT_EQ(stats.sent, 30U);
  EXPECT_EQ(stats.failed, 30U);
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(peer.receive());
}

INSTANTIATE_TEST_SUITE_P(Ways, UdpMovers, testing::Values(Way::Epoll, Way::Ring),
                         [](const auto& way) { return way.param == Way::Ring ? "Ring" : "Epoll"; });

TEST(UdpEngineChoice, TheOneThatIsChosenWorks) {
  std::string why;
  EXPECT_EQ(net::choose_udp_engine(net::UdpEngineKind::Epoll, why), net::UdpEngineKind::Epoll);
  EXPECT_EQ(why, "");
  const auto chosen = net::choose_udp_engine(net::UdpEngineKind::Auto, why);
  EXPECT_EQ(chosen == net::UdpEngineKind::Epoll, !why.empty()) << "a fallback has a reason";
  EXPECT_NE(chosen, net::UdpEngineKind::Auto);
}

}  // namespace
}  // namespace ts::shell_test
