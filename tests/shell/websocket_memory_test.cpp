// SPDX-License-Identifier: Apache-2.0
// What an idle WebSocket costs in memory of ours. Bytes that are allocated, not pages, so that the figure is
// the same under every allocator. The clients are in this process, too: a plain one is a descriptor and an
// empty string.
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "common/allocated_bytes.hpp"
#include "http_support.hpp"

namespace ts::net::http_test {
namespace {

using test::allocated_bytes;

/// The gate of the benchmark is for pages; this is for what is allocated in them.
constexpr std::int64_t kIdleBytes = 3000;
/// Both sides of a connection, whose 16 KiB of buffers on the side of the server would show.
constexpr std::int64_t kIdleTlsBytes = 80'000;

Settings roomy() {
  Settings out;
  out.signal.open = true;
  out.signal.messages_per_second = 0;
  return out;
}

/// What one idle member of several hundred holds.
std::int64_t bytes_each(bool tls) {
  constexpr std::size_t kCount = 300;
  Server server(roomy());
  std::vector<Client> clients;
  clients.reserve(kCount);
  const auto come = [&](std::size_t number) {
    clients.push_back(tls ? server.connect_tls() : server.connect());
    clients.back().upgrade();
    clients.back().text(R"({"t":"hello","v":1,"peer":"p)" + std::to_string(number) + "\"}");
    EXPECT_THAT(clients.back().next_text(), ::testing::HasSubstr("welcome"));
  };
  come(0);  // what is there once
  EXPECT_TRUE(server.settles_at(1));
  const std::int64_t before = allocated_bytes();
  for (std::size_t i = 1; i < kCount; ++i) come(i);
  EXPECT_TRUE(server.settles_at(kCount));
  return (allocated_bytes() - before) / static_cast<std::int64_t>(kCount - 1);
}

TEST(WebSocketMemory, AnIdleMemberKeepsNoBuffers) {
  const std::int64_t each = bytes_each(false);
  std::cout << "idle native WebSocket: " << each << " bytes\n";
  EXPECT_GT(each, 0);
  EXPECT_LT(each, kIdleBytes);
}

TEST(WebSocketMemory, NorDoesOneOverTls) {
  const std::int64_t each = bytes_each(true);
  std::cout << "idle native WebSocket over TLS, with the client's: " << each << " bytes\n";
  EXPECT_GT(each, 0);
  EXPECT_LT(each, kIdleTlsBytes);
}

TEST(WebSocketMemory, ALargeMessageLeavesNothingBehind) {
  Server server(roomy());
  Client client = server.connect();
  client.upgrade();
  client.text(R"({"t":"hello","v":1,"peer":"a"})");
  EXPECT_THAT(client.next_text(), ::testing::HasSubstr("welcome"));
  const std::string large(60'000, ' ');
  // In several pieces, so that it is gathered; the answer shows that it has been dealt with.
  const auto say = [&](const std::string& text) {
    const std::string frame = Client::frame(1, text);
    client.send(std::string_view(frame).substr(0, 30'000));
    server.run([] {});
    client.send(std::string_view(frame).substr(30'000));
    EXPECT_THAT(client.next_text(), ::testing::HasSubstr("pong"));
  };
  const std::int64_t before = server.run([] { return allocated_bytes(); });
  for (int i = 0; i < 5; ++i) say(large + R"({"t":"ping"})");
  const std::int64_t after = server.run([] { return allocated_bytes(); });
  EXPECT_LT(after - before, 20'000);
}

}  // namespace
}  // namespace ts::net::http_test
