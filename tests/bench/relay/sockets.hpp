// SPDX-License-Identifier: Apache-2.0
// Descriptors and socket addresses of the load generator; Linux only.
#pragma once

#include <cstdint>
#include <utility>

#include <sys/socket.h>

#include <turnstone/base/address.hpp>

namespace ts::load {

/// An owned descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const noexcept { return fd_; }

 private:
  int fd_ = -1;
};

/// An Endpoint as the kernel wants it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  SocketAddress() = default;
  explicit SocketAddress(const Endpoint& endpoint) noexcept;
  Endpoint endpoint() const noexcept;
  sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

/// A non-blocking UDP socket with large buffers. Ends the process when the system refuses.
Fd udp_socket(const Endpoint& local);
/// A TCP socket without Nagle, connected from `local`. Ends the process on failure.
Fd tcp_connection(const Endpoint& local, const Endpoint& remote);
void connect_udp(const Fd& socket, const Endpoint& remote);
Endpoint local_endpoint(const Fd& socket);

/// Monotonic nanoseconds.
std::uint64_t now_ns() noexcept;
/// Waits for input; false after the time is up.
bool wait_readable(const Fd& socket, int timeout_ms) noexcept;
/// Waits until the socket takes bytes; false after the time is up.
bool wait_writable(const Fd& socket, int timeout_ms) noexcept;
/// Prints the message with errno's text and ends the process.
[[noreturn]] void die(const char* what);
/// Allows as many descriptors as the hard limit does.
void raise_descriptor_limit() noexcept;

}  // namespace ts::load
