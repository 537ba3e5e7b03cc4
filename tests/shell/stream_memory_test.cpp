// SPDX-License-Identifier: Apache-2.0
// What an idle stream costs in memory of ours, and what a client may make it cost. Bytes that are allocated,
// not pages, so that the figure is the same under every allocator.
#include <cstdlib>

#include <sys/resource.h>

#include "common/allocated_bytes.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using test::allocated_bytes;

/// TS_STREAMS: more of them, for a measurement.
std::size_t stream_count() {
  const char* const wanted = std::getenv("TS_STREAMS");
  return wanted == nullptr ? 300 : std::strtoul(wanted, nullptr, 10);
}

constexpr std::int64_t kIdleBytes = 4096;

config::Config roomy() {
  config::Config out = loopback_config();
  out.net.max_streams_per_address = out.net.max_half_open_per_address = 0;
  out.net.handshake_timeout = 60s;
  return out;
}

void expect_count(const Server& server, const char* metric, const char* labels, std::size_t count) {
  ASSERT_TRUE(server.settles(metric, labels, static_cast<double>(count)));
}

TEST(StreamMemory, ASilentStreamBeforeItsFirstByte) {
  const Server server(roomy());
  const std::size_t count = stream_count();
  std::vector<Socket> silent;
  silent.reserve(count);
  (void)server.metrics();
  const std::int64_t before = allocated_bytes();
  for (std::size_t i = 0; i < count; ++i) {
    silent.emplace_back(SOCK_STREAM, at("127.0.0.1"));
    ASSERT_TRUE(silent.back().connect(server.turn()));
  }
  (void)server.metrics();  // behind them all in time
  std::this_thread::sleep_for(200ms);
  const std::int64_t each = (allocated_bytes() - before) / static_cast<std::int64_t>(count);
  std::cout << "silent TCP: " << each << " bytes each, of " << count << '\n';
  EXPECT_GT(each, 0);
  EXPECT_LT(each, kIdleBytes);
}

TEST(StreamMemory, AnIdleTurnStream) {
  const Server server(roomy());
  const std::size_t count = stream_count();
  std::vector<Socket> idle;
  idle.reserve(count);
  Bytes request(64);
  stun::MessageBuilder builder(request, MessageClass::Request, Method::Binding, stun::TransactionId{1});
  request.resize(builder.finish().size());
  (void)server.metrics();
  const std::int64_t before = allocated_bytes();
  for (std::size_t i = 0; i < count; ++i) {
    idle.emplace_back(SOCK_STREAM, at("127.0.0.1"));
    ASSERT_TRUE(idle.back().connect(server.turn()));
    ASSERT_GT(::send(idle.back().fd(), request.data(), request.size(), MSG_NOSIGNAL), 0);
    std::uint8_t answer[256];
    ASSERT_GT(::recv(idle.back().fd(), answer, sizeof answer, 0), 0);
  }
  expect_count(server, "turnstone_streams", "turn_tcp", count);
  const std::int64_t each = (allocated_bytes() - before) / static_cast<std::int64_t>(count);
  std::cout << "idle TURN over TCP: " << each << " bytes each, of " << count << '\n';
  EXPECT_LT(each, kIdleBytes);
}

TEST(StreamMemory, AnIdleTlsStream) {
  const Server server(roomy());
  const std::size_t count = std::min<std::size_t>(stream_count(), 2000);
  std::vector<std::unique_ptr<TurnClient>> idle;
  idle.reserve(count);
  // The client's sessions are in this process too: a server's share is what is left when a session of a
  // client's kind is taken off, so only the sum is bounded.
  (void)server.metrics();
  const std::int64_t before = allocated_bytes();
  for (std::size_t i = 0; i < count; ++i) {
    idle.push_back(std::make_unique<TurnClient>(Via::Tls, server.tls()));
    ASSERT_TRUE(idle.back()->binding());
  }
  expect_count(server, "turnstone_streams", "turn_tls", count);
  const std::int64_t each = (allocated_bytes() - before) / static_cast<std::int64_t>(count);
  std::cout << "idle TURN over TLS: " << each << " bytes each for both ends, of " << count << '\n';
  EXPECT_LT(each, 150'000);
}

TEST(StreamMemory, WhatABurstTookIsGivenBack) {
  const Server server(roomy());
  TurnClient client(Via::Tcp, server.turn(), {.receive_buffer = 4096});
  ASSERT_EQ(client.allocate(), 0);
  UdpSocket peer(at("127.0.0.1"));
  ASSERT_EQ(client.permit(peer.local()), 0);
  (void)server.metrics();
  const Bytes payload = pattern(1200);
  const std::int64_t before = allocated_bytes();
  const auto deadline = Clock::now() + kPatience;
  while (server.metric("turnstone_drops_total", "queue_full") == 0) {
    ASSERT_LT(Clock::now(), deadline);
    for (int i = 0; i < 300; ++i) peer.send(client.relayed, payload);
  }
  const std::int64_t full = allocated_bytes() - before;
  EXPECT_GT(full, 100'000);
  EXPECT_LT(full, 262'144 + 200'000) << "the queue's limit bounds its memory";
  std::size_t frames = 0;
  while (client.next(500ms)) ++frames;
  EXPECT_GT(frames, 100U);
  const auto until = Clock::now() + kPatience;
  while (allocated_bytes() - before > 60'000) {
    ASSERT_LT(Clock::now(), until) << "still " << allocated_bytes() - before;
    std::this_thread::sleep_for(20ms);
  }
}

}  // namespace
}  // namespace ts::shell_test
