// SPDX-License-Identifier: Apache-2.0
// Trains of datagrams (UDP_SEGMENT, UDP_GRO): whatever way they take through the kernel, what arrives is what
// single datagrams would have been.
#include <netinet/udp.h>

#include <turnstone/turn/client.hpp>

#include "../../src/net/coalescer.hpp"
#include "../../src/net/udp_batch.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

/// Sends datagrams of these sizes to the receiver, each with a pattern of its own.
class Sender {
 public:
  Sender() : socket_(SOCK_DGRAM, at("127.0.0.1")) {}

  void add(const Endpoint& to, std::size_t size, std::uint8_t tos = 0) {
    sent_.push_back(std::make_unique<Bytes>(pattern(size, static_cast<std::uint32_t>(sent_.size() + 1))));
    batch_.add(socket_.fd(), to, std::nullopt, *sent_.back(), tos);
  }
  net::SendBatch::Stats flush() { return batch_.flush(nullptr); }
  const Bytes& sent(std::size_t i) const { return *sent_.at(i); }
  int fd() const { return socket_.fd(); }

 private:
  Socket socket_;
  net::SendBatch batch_;
  std::vector<std::unique_ptr<Bytes>> sent_;
};

TEST(UdpTrains, EqualSizesLeaveInTrainsAndArriveAsDatagrams) {
  Sender sender;
  UdpSocket peer(at("127.0.0.1"));
  for (int i = 0; i < 100; ++i) sender.add(peer.local(), 1200);
  const auto stats = sender.flush();
  EXPECT_EQ(stats.sent, 100U);
  EXPECT_EQ(stats.failed, 0U);
  EXPECT_EQ(stats.in_trains, 100U) << "this kernel makes no trains";
  for (std::size_t i = 0; i < 100; ++i) {
    const auto got = peer.receive();
    ASSERT_TRUE(got) << i;
    EXPECT_EQ(got->bytes, sender.sent(i)) << i;
  }
}

TEST(UdpTrains, MixedSizesReceiversAndMarksKeepTheirOrder) {
  Sender sender;
  std::array<UdpSocket, 3> peers{UdpSocket(at("127.0.0.1")), UdpSocket(at("127.0.0.1")),
                                 UdpSocket(at("127.0.0.1"))};
  std::array<std::vector<std::size_t>, 3> expected;
  // A shorter one ends a train; an empty one, a longer one and one with other marks go apart.
  constexpr std::array<std::size_t, 8> kSizes{500, 500, 100, 500, 0, 700, 700, 1};
  for (std::size_t i = 0; i < 240; ++i) {
    const std::size_t to = i * 7 % 3;
    sender.add(peers[to].local(), kSizes[i / 3 % kSizes.size()], i % 50 == 0 ? 0xB8 : 0);
    expected[to].push_back(i);
  }
  const auto stats = sender.flush();
  EXPECT_EQ(stats.sent, 240U);
  EXPECT_GT(stats.in_trains, 60U);
  for (std::size_t p = 0; p < peers.size(); ++p) {
    for (const std::size_t i : expected[p]) {
      const auto got = peers[p].receive();
      ASSERT_TRUE(got) << i;
      EXPECT_EQ(got->bytes, sender.sent(i)) << i;
    }
  }
}

TEST(UdpTrains, WhatTheKernelRefusesAsATrainGoesSingly) {
  Sender sender;
  UdpSocket peer(at("127.0.0.1"));
  // Without checksums the kernel makes no trains.
  const int on = 1;
  ASSERT_EQ(::setsockopt(sender.fd(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
  std::size_t next = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 40; ++i) sender.add(peer.local(), i % 8 == 7 ? 300 : 900);
    const auto stats = sender.flush();
    EXPECT_EQ(stats.sent, 40U);
    EXPECT_EQ(stats.failed, 0U);
    EXPECT_EQ(stats.in_trains, 0U);
    for (int i = 0; i < 40; ++i, ++next) {
      const auto got = peer.receive();
      ASSERT_TRUE(got) << next;
      EXPECT_EQ(got->bytes, sender.sent(next)) << next;
    }
  }
}

TEST(UdpTrains, AreCutIntoDatagramsWithRoomAroundEach) {
  const Socket socket(SOCK_DGRAM, at("127.0.0.1"), 4 << 20);
  ASSERT_TRUE(net::enable_trains(socket.fd()));
  for (const bool apart : {false, true}) {
    for (const std::size_t size : {1UL, 100UL, 1200UL}) {
      Sender sender;
      for (int i = 0; i < 40; ++i) sender.add(socket.local(), size);
      if (size > 1) sender.add(socket.local(), size / 2);
      const std::uint64_t count = sender.flush().sent;
      net::ReceiveBatch batch;
      std::size_t seen = 0;
      while (seen < count) {
        ASSERT_TRUE(socket.readable(kPatience));
        const auto got = batch.receive(socket.fd(), apart);
        ASSERT_FALSE(got.empty());
        if (apart) {
          for (const net::Datagram& one : got) {  // what the core may write must touch no neighbour
            std::memset(one.bytes.data() - ::ts::turn::kHeadroomBytes + ::ts::turn::kTailroomBytes, 0xEE,
                        ::ts::turn::kHeadroomBytes - ::ts::turn::kTailroomBytes);
            std::memset(one.bytes.data() + one.bytes.size(), 0xEE, ::ts::turn::kTailroomBytes);
          }
        }
        for (const net::Datagram& one : got) {
          EXPECT_TRUE(std::ranges::equal(one.bytes, sender.sent(seen))) << seen << " of " << size;
          ++seen;
        }
        batch.recycle();
      }
    }
  }
}

TEST(UdpTrains, LongerOnesThanWeSendAreCutToo) {
  const Socket socket(SOCK_DGRAM, at("127.0.0.1"), 4 << 20);
  ASSERT_TRUE(net::enable_trains(socket.fd()));
  const Socket from(SOCK_DGRAM, at("127.0.0.1"));
  constexpr std::size_t kCount = 128;  // since Linux 6.10
  constexpr int kSegment = 50;
  const Bytes data = pattern(kCount * kSegment);
  ASSERT_EQ(::setsockopt(from.fd(), IPPROTO_UDP, UDP_SEGMENT, &kSegment, sizeof kSegment), 0);
  SocketAddress to(socket.local());
  if (::sendto(from.fd(), data.data(), data.size(), 0, to.get(), to.size) < 0)
    GTEST_SKIP() << "this kernel makes no trains of 128";
  net::ReceiveBatch batch;
  std::size_t seen = 0;
  while (seen < kCount && socket.readable(kPatience)) {
    for (const net::Datagram& one : batch.receive(socket.fd(), true)) {
      EXPECT_TRUE(std::ranges::equal(one.bytes, ByteView(data).subspan(seen * kSegment, kSegment))) << seen;
      ++seen;
    }
    batch.recycle();
  }
  EXPECT_EQ(seen, kCount);
}

TEST(UdpTrains, ABatchIsFullBeforeItHoldsTooMuch) {
  const Socket socket(SOCK_DGRAM, at("127.0.0.1"), 8 << 20);
  ASSERT_TRUE(net::enable_trains(socket.fd()));
  Sender sender;
  net::ReceiveBatch batch;
  std::size_t held = 0;
  for (int round = 0; round < 60 && batch.has_room(); ++round) {
    for (int i = 0; i < 50; ++i) sender.add(socket.local(), 1200);
    sender.flush();
    ASSERT_TRUE(socket.readable(kPatience));
    for (const net::Datagram& one : batch.receive(socket.fd(), true)) held += one.bytes.size();
  }
  EXPECT_FALSE(batch.has_room());
  EXPECT_LT(held, 2U << 20);
  batch.recycle();
  EXPECT_TRUE(batch.has_room());
}

using std::chrono::microseconds;

/// Looks at the clock's pace: `per_look` datagrams of each of `flows` flows every `interval`.
Duration nap_at(net::Coalescer& coalescer, TimePoint& now, int looks, microseconds interval,
                std::size_t per_look, std::uint64_t flows) {
  Duration nap{};
  for (int i = 0; i < looks; ++i) {
    now += interval;
    if (per_look != 0) coalescer.saw(per_look, static_cast<std::uint64_t>(i) % flows * 1009 + 40'000);
    nap = coalescer.nap_after(now, per_look);
  }
  return nap;
}

TEST(Coalescing, PaysWhereSeveralFlowsAreBusy) {
  net::Coalescer coalescer(microseconds(100));
  TimePoint now{};
  EXPECT_EQ(nap_at(coalescer, now, 200, microseconds(50), 1, 10), microseconds(100)) << "20,000 a second";
  EXPECT_EQ(nap_at(coalescer, now, 200, microseconds(1000), 1, 10), Duration::zero()) << "1,000 a second";
  EXPECT_EQ(nap_at(coalescer, now, 200, microseconds(50), 1, 1), Duration::zero()) << "one flow alone";
  EXPECT_EQ(nap_at(coalescer, now, 200, microseconds(50), 64, 10), Duration::zero()) << "long batches";
}

TEST(Coalescing, EndsWhenNothingComes) {
  net::Coalescer coalescer(microseconds(100));
  TimePoint now{};
  ASSERT_EQ(nap_at(coalescer, now, 200, microseconds(50), 1, 10), microseconds(100));
  EXPECT_EQ(nap_at(coalescer, now, 1, microseconds(100), 0, 1), microseconds(100));
  EXPECT_EQ(nap_at(coalescer, now, 2, microseconds(100), 0, 1), Duration::zero());
}

TEST(Coalescing, IsOffAtZero) {
  net::Coalescer coalescer(Duration::zero());
  TimePoint now{};
  EXPECT_EQ(nap_at(coalescer, now, 200, microseconds(5), 4, 10), Duration::zero());
}

class Coalesced : public testing::TestWithParam<std::vector<Via>> {};

TEST_P(Coalesced, DelaysAreShown) {
  config::Config config = loopback_config();
  config.net.udp_coalesce = microseconds(2000);
  config.net.udp_engine = net::UdpEngineKind::Epoll;  // pauses of io_uring end when much has come
  const Server server(std::move(config));
  const EchoPeer peer;
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (int i = 0; i < 8; ++i) {
    const Via via = GetParam()[static_cast<std::size_t>(i) % GetParam().size()];
    clients.push_back(std::make_unique<TurnClient>(via, server.listener(via)));
    ASSERT_EQ(clients.back()->allocate(), 0);
    ASSERT_EQ(clients.back()->bind(kChannel, peer.local()), 0);
  }
  const std::string name = "turnstone_coalesce_delay_seconds";
  const auto deadline = Clock::now() + kPatience;
  while (server.metric(name + "_count") < 100) {
    ASSERT_LT(Clock::now(), deadline);
    for (int i = 0; i < 200; ++i) {
      for (const auto& client : clients) client->send_channel(kChannel, pattern(50));
      std::this_thread::sleep_for(microseconds(300));
    }
  }
  const std::string metrics = server.metrics();
  EXPECT_GT(sample(metrics, "turnstone_coalesce_pauses_total"), 0);
  // Nobody was paused for less than was asked.
  EXPECT_EQ(sample(metrics, name + "_bucket", "le=\"0.001\""), 0);
  EXPECT_GE(sample(metrics, name + "_sum"), 0.002 * sample(metrics, name + "_count"));
}
INSTANTIATE_TEST_SUITE_P(Clients, Coalesced,
                         testing::Values(std::vector{Via::Udp}, std::vector{Via::Tcp}, std::vector{Via::Tls},
                                         std::vector{Via::Udp, Via::Tcp}),
                         [](const auto& p) {
                           std::string out;
                           for (const Via via : p.param) out += name(via);
                           return out;
                         });

}  // namespace
}  // namespace ts::shell_test
