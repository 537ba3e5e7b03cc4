// SPDX-License-Identifier: Apache-2.0
// Datagrams in batches: recvmmsg into slots with room around the payload, sendmmsg grouped by socket. Knows
// sockets and bytes, and nothing of what they mean. One thread.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include <turnstone/base/address.hpp>
#include <turnstone/base/bytes.hpp>

namespace ts::net {

/// A received datagram; its bytes live until ReceiveBatch::recycle().
struct Datagram {
  Endpoint from;
  /// The address it was sent to, where the socket tells (enable_packet_info).
  std::optional<IpAddress> to;
  MutableBytes bytes;
  /// The TOS or traffic class byte, where the socket tells (enable_traffic_class).
  std::uint8_t tos = 0;
};

/// Asks the kernel to tell with each datagram which of our addresses it was sent to.
bool enable_packet_info(int descriptor, IpFamily family) noexcept;
/// Asks the kernel to tell with each datagram its DSCP and ECN, or no more.
bool enable_traffic_class(int descriptor, IpFamily family, bool on = true) noexcept;

/// Room for both of these in a control message buffer.
inline constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int));

class ReceiveBatch {
 public:
  static constexpr std::size_t kHeadroomBytes = 64;
  static constexpr std::size_t kTailroomBytes = 64;
  /// Room of each datagram between these, whatever its length.
  static constexpr std::size_t kPayloadBytes = 65'536;

  ReceiveBatch();

  /// Reads what waits, at most as many as free slots; the view is valid until the next call, the bytes until
  /// recycle().
  std::span<const Datagram> receive(int descriptor) noexcept;
  /// True when receive() could return kMost datagrams.
  bool has_room() const noexcept { return kSlots - used_ >= kMost; }
  bool empty() const noexcept { return used_ == 0; }
  /// All slots are free again.
  void recycle() noexcept { used_ = 0; }
  /// Datagrams of one receive() at most.
  static constexpr std::size_t kMost = 32;

 private:
  static constexpr std::size_t kSlots = 256;
  // An odd count of cache lines, so that the slots' first lines do not fall into the same cache sets.
  static constexpr std::size_t kStride = (kHeadroomBytes + kPayloadBytes + kTailroomBytes) / 64 * 64 + 64 * 5;

  struct Unmap {
    void operator()(std::uint8_t* memory) const noexcept;
  };

  std::unique_ptr<std::uint8_t, Unmap> memory_;  // pages are touched only as far as datagrams reach
  std::size_t used_ = 0;
  std::array<mmsghdr, kMost> headers_{};
  std::array<iovec, kMost> parts_{};
  std::array<sockaddr_storage, kMost> names_{};
  alignas(cmsghdr) std::array<std::array<std::uint8_t, kControlBytes>, kMost> control_{};
  std::array<Datagram, kMost> received_{};
};

class SendBatch {
 public:
  struct Stats {
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;
  };

  /// A datagram that the link does not take whole, and that may not be fragmented.
  struct TooLong {
    std::uint64_t tag;
    Endpoint to;
  };

  SendBatch() { too_long_.reserve(kMostTooLong); }

  /// A datagram to send; `bytes` must live until flush(). `source`: leave from this address of ours. `tos`:
  /// its TOS or traffic class byte. `tag`: for too_long().
  void add(int descriptor, const Endpoint& to, const std::optional<IpAddress>& source, ByteView bytes,
           std::uint8_t tos = 0, std::uint64_t tag = 0);
  /// Sends everything, in order for each socket. What the kernel does not take at once is dropped and
  /// counted.
  Stats flush() noexcept;
  /// Of the last flush(), as many as matter: the others are only counted.
  std::span<const TooLong> too_long() const noexcept { return too_long_; }

 private:
  static constexpr std::size_t kMost = 64;
  static constexpr std::size_t kMostTooLong = 16;

  struct Item {
    int descriptor;
    std::uint32_t order;
    Endpoint to;
    std::optional<IpAddress> source;
    ByteView bytes;
    std::uint8_t tos;
    std::uint64_t tag;
  };
  void prepare(std::size_t slot, const Item& item) noexcept;
  void send_run(std::size_t first, std::size_t count, Stats& stats) noexcept;
  void note_too_long(const Item& item) noexcept;

  std::vector<Item> items_;
  std::vector<TooLong> too_long_;
  std::array<mmsghdr, kMost> headers_{};
  std::array<iovec, kMost> parts_{};
  std::array<sockaddr_storage, kMost> names_{};
  alignas(cmsghdr) std::array<std::array<std::uint8_t, kControlBytes>, kMost> control_{};
};

}  // namespace ts::net
