// SPDX-License-Identifier: Apache-2.0
// Storage for one recvmmsg or sendmmsg call, and trains of datagrams in it (UDP_GRO, UDP_SEGMENT).
#pragma once

#include <array>
#include <vector>

#include <sys/uio.h>

#include <turnstone/base/bytes.hpp>

#include "sockets.hpp"

namespace ts::load {

inline constexpr std::size_t kBatch = 64;

struct Batch {
  using Control = std::array<std::uint8_t, CMSG_SPACE(sizeof(int))>;

  std::array<mmsghdr, kBatch> messages{};
  std::array<std::array<iovec, 2>, kBatch> parts{};
  alignas(cmsghdr) std::array<Control, kBatch> controls{};
  std::array<SocketAddress, kBatch> addresses{};
  std::array<std::array<std::uint8_t, 32>, kBatch> heads{};
  std::array<std::size_t, kBatch> segments{};
  std::size_t packet_bytes;
  std::vector<std::uint8_t> bytes;

  /// `room`: bytes for each received message.
  explicit Batch(std::size_t room);
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  /// Receives into the batch; the number of messages.
  std::size_t receive(const Fd& socket, bool with_source) noexcept;
  /// What receive() put at `i`.
  ByteView packet(std::size_t i) const noexcept {
    return {static_cast<const std::uint8_t*>(parts[i][0].iov_base), messages[i].msg_len};
  }
  /// Calls `f` with each datagram that receive() put at `i`.
  template <class F>
  void for_each(std::size_t i, F f) const {
    ByteView rest = packet(i);
    do {
      const std::size_t n = segments[i] < rest.size() ? segments[i] : rest.size();
      f(rest.first(n));
      rest = rest.subspan(n);
    } while (!rest.empty());
  }
  /// Makes message `i` a train of datagrams of this size.
  void make_train(std::size_t i, std::size_t segment) noexcept;
  /// Sends the first `count` messages; how many went.
  std::size_t send(const Fd& socket, std::size_t count) noexcept;
  /// Sends the first `count` datagrams, each of two parts and this size, to where the first of them goes, as
  /// trains; how many went.
  std::size_t send_trains(const Fd& socket, std::size_t count, std::size_t datagram_bytes) noexcept;
  /// Sends the first `count` received messages back as they came, to where they came from.
  void send_back(const Fd& socket, std::size_t count) noexcept;

 private:
  std::size_t segment(std::size_t i) noexcept;
};

/// Trains arrive as trains from now on. Ends the process when the kernel does not know them.
void take_trains(const Fd& socket);

}  // namespace ts::load
