// SPDX-License-Identifier: Apache-2.0
// Rates of TCP allocations (RFC 6062): bytes of a stream are never dropped; its flows pause instead.
#include <gtest/gtest.h>

#include "tcp_client.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Options with(const std::function<void(Options&)>& set) {
  Options out = default_options();
  set(out);
  return out;
}

/// A flow that always has something to be read, and reads as it is told to.
struct Flow {
  ConnectionId id = 0;
  bool to_peer = true;
  Pace pace{};
  std::uint64_t bytes = 0;

  void go_on(World& w) {
    if (w.now.mono < pace.resume_at) return;
    const std::size_t size = pace.read_bytes;
    pace = w.server.data_relayed(w.now, id, to_peer, size);
    bytes += size;
  }
};

/// A client with one bound data connection for each peer port.
struct Paced {
  Paced(World& w, const std::string& at, int connections, const std::string& user = "alice",
        const std::string& pass = "wonder")
      : control(w, at + ":40000", Transport::Tcp, user, pass) {
    EXPECT_EQ(control.allocate_tcp().code(), 0);
    for (int i = 0; i < connections; ++i) {
      const auto port = static_cast<std::uint16_t>(7000 + i);
      const ConnectionId id = control.connected(Endpoint{ep("9.9.9.9:1").address, port});
      TcpClient data(w, at + ":" + std::to_string(40'001 + i), Transport::Tcp, user, pass);
      EXPECT_EQ(data.connection_bind(id).code(), 0);
      for (const bool to_peer : {true, false})
        flows.push_back({id, to_peer, w.server.data_relayed(w.now, id, to_peer, 0)});
    }
  }
  std::uint64_t bytes() const {
    std::uint64_t out = 0;
    for (const Flow& flow : flows) out += flow.bytes;
    return out;
  }

  TcpClient control;
  std::vector<Flow> flows;
};

void run(World& w, const std::vector<Paced*>& all, milliseconds time,
         const std::function<void()>& also = {}) {
  for (milliseconds at{0}; at < time; at += milliseconds(1)) {
    for (Paced* one : all) {
      for (Flow& flow : one->flows) flow.go_on(w);
    }
    if (also) also();
    w.advance(milliseconds(1));
  }
}

TEST(TcpPace, WithoutALimitNothingWaits) {
  World w;
  Paced a(w, "192.12.0.1", 1);
  for (int i = 0; i < 1000; ++i) a.flows[0].go_on(w);
  EXPECT_EQ(a.flows[0].pace.resume_at, TimePoint::min());
  EXPECT_EQ(a.flows[0].pace.read_bytes, 65'536U);
}

TEST(TcpPace, AnAllocationKeepsItsBitRate) {
  World w(with([](Options& o) { o.max_bits_per_second_per_allocation = 800'000; }));
  Paced a(w, "192.12.0.1", 1);
  Paced b(w, "192.12.0.2", 1);
  EXPECT_EQ(a.flows[0].pace.read_bytes, 5000U);  // 50 ms
  run(w, {&a, &b}, seconds(10));
  for (const Paced* one : {&a, &b}) {
    // A second's worth at once, ten seconds, and the debt of two reads.
    EXPECT_NEAR(static_cast<double>(one->bytes()), 1'100'000, 2 * 5000 + 500);
    for (const Flow& flow : one->flows) EXPECT_GT(flow.bytes, 400'000U) << "both directions go on";
  }
  EXPECT_EQ(w.server.counters().drops[index(Drop::BitRate)], 0U);
}

TEST(TcpPace, FlowsOfOneAllocationTakeTurns) {
  World w(with([](Options& o) { o.max_bits_per_second_per_allocation = 800'000; }));
  Paced a(w, "192.12.0.1", 8);
  run(w, {&a}, seconds(30));
  EXPECT_NEAR(static_cast<double>(a.bytes()), 3'100'000, 16 * 5000 + 500);
  for (const Flow& flow : a.flows) {
    EXPECT_GT(flow.bytes, 120'000U);
    EXPECT_LT(flow.bytes, 300'000U);
  }
}

/// How long the flow has to rest after a read.
double rest(World& w, ConnectionId id, std::size_t size) {
  const Pace pace = w.server.data_relayed(w.now, id, true, size);
  return std::chrono::duration<double>(std::max(pace.resume_at, w.now.mono) - w.now.mono).count();
}

// A tenth of a second's worth is kept for those who cannot go into debt.
TEST(TcpPace, BytesOfAllSizesCount) {
  World w(with([](Options& o) { o.max_bits_per_second_per_allocation = 800'000; }));
  Paced a(w, "192.12.0.1", 1);
  const ConnectionId id = a.flows[0].id;
  EXPECT_EQ(rest(w, id, 100'000), 0);
  EXPECT_NEAR(rest(w, id, 1), 0.1 + 0.00001, 1e-6);
  // What came with the ConnectionBind, more than a read may take.
  EXPECT_NEAR(rest(w, id, 49'999), 0.1 + 0.5, 1e-6);
  w.advance(milliseconds(600));
  EXPECT_EQ(rest(w, id, 0), 0) << "it is paid";
}

TEST(TcpPace, ACredentialsRatesHoldForStreamsToo) {
  World w;
  auth::Policy policy;
  policy.max_bits_per_second = 800'000;
  const auto minted = auth::mint("north", "carol", policy, w.now.wall + seconds(600)).value();
  Paced a(w, "192.12.0.1", 1, minted.username, minted.password);
  Paced b(w, "192.12.0.2", 1, minted.username, minted.password);
  run(w, {&a, &b}, seconds(10));
  EXPECT_NEAR(static_cast<double>(a.bytes() + b.bytes()), 1'100'000, 4 * 5000 + 500);
  EXPECT_GT(std::min(a.bytes(), b.bytes()), 400'000U);
}

TEST(TcpPace, AUsersRateIsForAllAllocations) {
  World w(with([](Options& o) { o.max_bits_per_second_per_user = 1'600'000; }));
  Paced a(w, "192.12.0.1", 1);
  Paced b(w, "192.12.0.2", 1);
  Paced bob(w, "192.12.0.3", 1, "bob", "builder");
  run(w, {&a, &b, &bob}, seconds(10));
  EXPECT_NEAR(static_cast<double>(a.bytes() + b.bytes()), 2'200'000, 4 * 10'000 + 500);
  EXPECT_NEAR(static_cast<double>(bob.bytes()), 2'200'000, 2 * 10'000 + 500);
}

// A stream's read counts as packets of 1200 bytes.
TEST(TcpPace, PacketRatesCountBytes) {
  World w(with([](Options& o) { o.max_packets_per_second_per_allocation = 100; }));
  Paced a(w, "192.12.0.1", 1);
  EXPECT_EQ(a.flows[0].pace.read_bytes, 6000U);
  run(w, {&a}, seconds(10));
  EXPECT_NEAR(static_cast<double>(a.bytes()), 1200 * 1100, 2 * 6000 + 1200);

  World small(with([](Options& o) { o.max_packets_per_second_per_allocation = 100; }));
  Paced b(small, "192.12.0.1", 1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rest(small, b.flows[0].id, 1), 0);
  EXPECT_NEAR(rest(small, b.flows[0].id, 1201), 0.1 + 0.02, 1e-6);
}

TEST(TcpPace, StreamsAndDatagramsShareTheTotal) {
  World w(with([](Options& o) { o.max_bits_per_second = 1'600'000; }));
  Paced a(w, "192.12.0.1", 4);
  Client bob(w, "192.12.0.3:1000", Transport::Udp, "bob", "builder");
  ASSERT_EQ(bob.allocate().code(), 0);
  ASSERT_EQ(bob.bind(0x4000, ep("8.8.4.4:5000")).code(), 0);
  run(w, {&a}, seconds(10), [&] { bob.send_channel(0x4000, Bytes(1000)); });
  const auto of_streams = static_cast<double>(a.bytes());
  const auto of_datagrams = 1000 * static_cast<double>(w.to_peers.size());
  EXPECT_NEAR(of_streams + of_datagrams, 2'200'000, 200'000);
  EXPECT_GT(of_streams, 600'000);
  EXPECT_GT(of_datagrams, 600'000);
}

// What one connection owes is not forgiven when another one takes its place.
TEST(TcpPace, DebtsOutliveConnectionsAndAllocations) {
  World w(with([](Options& o) { o.max_bits_per_second_per_user = 800'000; }));
  std::uint64_t bytes = 0;
  Paced keeps(w, "192.12.0.9", 0);
  for (int i = 0; i < 200; ++i) {
    TcpClient control(w, "192.12.0.1:" + std::to_string(1000 + i));
    ASSERT_EQ(control.allocate_tcp().code(), 0);
    const ConnectionId id = control.connected(ep("9.9.9.9:7000"));
    ASSERT_EQ(TcpClient(w, "192.12.0.2:" + std::to_string(1000 + i)).connection_bind(id).code(), 0);
    Flow flow{id, true, w.server.data_relayed(w.now, id, true, 0)};
    for (int step = 0; step < 50; ++step) flow.go_on(w);
    bytes += flow.bytes;
    EXPECT_EQ(control.refresh(0).code(), 0);
    w.advance(milliseconds(50));
  }
  EXPECT_NEAR(static_cast<double>(bytes), 1'100'000, 5500);
}

TEST(TcpPace, TheLowestRatesStillMove) {
  World w(with([](Options& o) { o.max_bits_per_second_per_allocation = 8; }));
  Paced a(w, "192.12.0.1", 1);
  EXPECT_EQ(a.flows[0].pace.read_bytes, 1024U);
  EXPECT_NEAR(rest(w, a.flows[0].id, 65'536 + 1024), 1025, 0.1);
  EXPECT_EQ(rest(w, a.flows[0].id, 1 << 30), 3600) << "the longest rest";
}

}  // namespace
}  // namespace ts::turn::testing
