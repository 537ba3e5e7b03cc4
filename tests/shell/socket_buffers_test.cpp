// SPDX-License-Identifier: Apache-2.0
// The buffers of UDP sockets, and what is said where the kernel grants less.
#include "../../src/net/socket_buffers.hpp"

#include <fstream>

#include <gmock/gmock.h>

#include <turnstone/net/listen.hpp>

#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

std::uint32_t limit(const char* name) {
  std::uint32_t out = 0;
  std::ifstream("/proc/sys/net/core/" + std::string(name)) >> out;
  return out;
}

/// What the kernel grants a process without privileges is bounded by its limits.
bool may_exceed_limits() {
  const Socket probe(SOCK_DGRAM, at("127.0.0.1"));
  const int bytes = 65'536;
  return ::setsockopt(probe.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0;
}

std::uint32_t buffer(int fd, int option) {
  int bytes = 0;
  socklen_t size = sizeof bytes;
  ::getsockopt(fd, SOL_SOCKET, option, &bytes, &size);
  return static_cast<std::uint32_t>(bytes) / 2;  // Linux doubles what it grants
}

void expect_buffers(int fd, std::uint32_t wanted) {
  const bool forced = may_exceed_limits();
  EXPECT_EQ(buffer(fd, SO_RCVBUF), forced ? wanted : std::min(wanted, limit("rmem_max")));
  EXPECT_EQ(buffer(fd, SO_SNDBUF), forced ? wanted : std::min(wanted, limit("wmem_max")));
}

TEST(SocketBuffers, AreAsConfiguredBeyondTheLimitsWhereThatIsAllowed) {
  if (limit("rmem_max") == 0) GTEST_SKIP() << "this network namespace does not show the kernel's limits";
  net::Options options;
  options.bind = {*IpAddress::parse("127.0.0.1")};
  options.port = options.http_port = 0;
  options.udp_listener_buffer_bytes = std::max(limit("rmem_max"), limit("wmem_max")) + 8192;
  options.udp_relay_buffer_bytes = 65'536;
  const net::Listeners listeners = net::open_listeners(options, 2, false);
  ASSERT_THAT(listeners.problems, IsEmpty());
  for (const net::ShardSockets& shard : listeners.shards)
    expect_buffers(shard.udp.at(0).descriptor.get(), options.udp_listener_buffer_bytes);
  EXPECT_EQ(listeners.warnings.size(), may_exceed_limits() ? 0U : 2U) << "once, not for each listener";
  const net::RelaySocket relay = net::open_relay_socket(at("127.0.0.1"), options.udp_relay_buffer_bytes);
  ASSERT_EQ(relay.error, 0);
  expect_buffers(relay.descriptor.get(), options.udp_relay_buffer_bytes);
}

TEST(SocketBuffers, WhatIsNotGrantedIsSaidOnceForEachLimit) {
  constexpr std::uint32_t kTooMuch = 1U << 30;  // for anybody
  net::Options options;
  options.udp_listener_buffer_bytes = kTooMuch;
  options.udp_relay_buffer_bytes = kTooMuch;
  const auto both = net::buffer_warnings(options);
  ASSERT_EQ(both.size(), 2U);
  EXPECT_THAT(both[0], AllOf(HasSubstr("1073741824 bytes of listen.udp_listener_buffer"),
                             HasSubstr("1073741824 bytes of listen.udp_relay_buffer"),
                             HasSubstr("sysctl -w net.core.rmem_max=1073741824")));
  EXPECT_THAT(both[1], HasSubstr("sysctl -w net.core.wmem_max=1073741824"));
  options.udp_listener_buffer_bytes = 4096;
  for (const std::string& text : net::buffer_warnings(options)) {
    EXPECT_THAT(text, AllOf(HasSubstr("listen.udp_relay_buffer"), Not(HasSubstr("listener"))));
  }
  options.udp_relay_buffer_bytes = 4096;
  EXPECT_THAT(net::buffer_warnings(options), IsEmpty());
  options.udp_listener_buffer_bytes = kTooMuch;
  options.udp = false;
  EXPECT_THAT(net::buffer_warnings(options), IsEmpty());
}

}  // namespace
}  // namespace ts::shell_test
