// SPDX-License-Identifier: Apache-2.0
#include "sockets.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

namespace ts::load {

namespace {

constexpr int kSocketBufferBytes = 4 << 20;

void set_option(const Fd& socket, int level, int option, int value) noexcept {
  setsockopt(socket.get(), level, option, &value, sizeof value);
}

Fd open_socket(const Endpoint& local, int type) {
  Fd socket(::socket(local.address.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) die("socket");
  set_option(socket, SOL_SOCKET, SO_RCVBUF, kSocketBufferBytes);
  set_option(socket, SOL_SOCKET, SO_SNDBUF, kSocketBufferBytes);
  SocketAddress address(local);
  if (bind(socket.get(), address.get(), address.size) != 0) die("bind");
  return socket;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

SocketAddress::SocketAddress(const Endpoint& endpoint) noexcept {
  const ByteView bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    std::memcpy(&v4->sin_addr, bytes.data(), bytes.size());
    size = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    std::memcpy(&v6->sin6_addr, bytes.data(), bytes.size());
    size = sizeof *v6;
  }
}

Endpoint SocketAddress::endpoint() const noexcept {
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    return {IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&v4->sin_addr), 4}),
            ntohs(v4->sin_port)};
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
  return {IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&v6->sin6_addr), 16}),
          ntohs(v6->sin6_port)};
}

Fd udp_socket(const Endpoint& local) { return open_socket(local, SOCK_DGRAM | SOCK_NONBLOCK); }

Fd tcp_connection(const Endpoint& local, const Endpoint& remote) {
  Fd socket = open_socket(local, SOCK_STREAM);
  SocketAddress address(remote);
  if (connect(socket.get(), address.get(), address.size) != 0) die("connect");
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  return socket;
}

void connect_udp(const Fd& socket, const Endpoint& remote) {
  SocketAddress address(remote);
  if (connect(socket.get(), address.get(), address.size) != 0) die("connect");
}

Endpoint local_endpoint(const Fd& socket) {
  SocketAddress address;
  if (getsockname(socket.get(), address.get(), &address.size) != 0) die("getsockname");
  return address.endpoint();
}

std::uint64_t now_ns() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(t.tv_nsec);
}

bool wait_readable(const Fd& socket, int timeout_ms) noexcept {
  pollfd p{socket.get(), POLLIN, 0};
  return poll(&p, 1, timeout_ms) > 0;
}

bool wait_writable(const Fd& socket, int timeout_ms) noexcept {
  pollfd p{socket.get(), POLLOUT, 0};
  return poll(&p, 1, timeout_ms) > 0;
}

void die(const char* what) {
  std::fprintf(stderr, "turnload: %s: %s\n", what, errno != 0 ? std::strerror(errno) : "failed");
  std::exit(1);
}

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace ts::load
