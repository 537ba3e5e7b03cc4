// SPDX-License-Identifier: Apache-2.0
// Datagrams in batches: recvmmsg into slots with room around the payload, sendmmsg grouped by socket. Trains
// of datagrams (UDP_GRO, UDP_SEGMENT) go through the kernel as one. Knows sockets and bytes, and nothing of
// what they mean. One thread.
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
  /// The TOS or traffic class byte, where the socket tells (enable_traffic_class), and whether it did.
  std::uint8_t tos = 0;
  bool tos_told = false;
  /// How many the socket has dropped in its life, where the socket tells (enable_drop_count); else 0.
  std::uint32_t dropped = 0;
  /// The interface of a link-local sender (IPv6), without which it cannot be answered; else 0.
  std::uint32_t scope = 0;
};

/// Asks the kernel to tell with each datagram which of our addresses it was sent to.
bool enable_packet_info(int descriptor, IpFamily family) noexcept;
/// Asks the kernel to tell with each datagram its DSCP and ECN, or no more.
bool enable_traffic_class(int descriptor, IpFamily family, bool on = true) noexcept;

/// Asks the kernel to hand over datagrams of one sender that came together as a train: one buffer, equal
/// sizes but for the last (UDP_GRO, Linux 5.0).
bool enable_trains(int descriptor, bool on = true) noexcept;

/// Asks the kernel to tell with each datagram how many it had to drop before, once there are any
/// (SO_RXQ_OVFL).
bool enable_drop_count(int descriptor) noexcept;

/// How many datagrams of a socket are newly known to be dropped, from the running totals that datagrams tell,
/// modulo 2^32.
class DropCount {
 public:
  /// A socket that was read elsewhere before: what it has lost until then is not ours to count.
  explicit DropCount(std::uint32_t total = 0) noexcept : total_(total) {}
  std::uint32_t added(std::uint32_t total) noexcept {
    const std::uint32_t more = total - total_;
    if (more >= 1U << 31) return 0;  // a datagram that has waited since before the last total
    total_ = total;
    return more;
  }

 private:
  std::uint32_t total_;
};

/// The total of a socket as it is now; 0 where the kernel does not tell (before Linux 4.12).
std::uint32_t drops_of(int descriptor) noexcept;

/// The most datagrams in a train that we send: as many as every Linux takes (UDP_MAX_SEGMENTS). Newer ones
/// may hand over twice as many.
inline constexpr std::size_t kMostInTrain = 64;

/// Room for all four of these in a control message buffer.
inline constexpr std::size_t kControlBytes =
    CMSG_SPACE(sizeof(in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint32_t));

/// Appends what a message holds, its sender's address and control data in `header`: a datagram, or those of a
/// train. `apart`: as in ReceiveBatch::receive(), with kTrainRoomBytes of room from the first byte on.
void append_received(msghdr& header, MutableBytes bytes, bool apart, std::vector<Datagram>& out);

class ReceiveBatch {
 public:
  static constexpr std::size_t kHeadroomBytes = 64;
  static constexpr std::size_t kTailroomBytes = 64;
  /// Of a datagram, or a train of them, at most.
  static constexpr std::size_t kPayloadBytes = 65'536;
  /// Of a longer train the rest is dropped; Linux makes none.
  static constexpr std::size_t kMostReceivedInTrain = 256;
  /// Between two datagrams of a train that stand apart.
  static constexpr std::size_t kGapBytes = 64;
  /// What a train takes when its datagrams stand apart.
  static constexpr std::size_t kTrainRoomBytes = kPayloadBytes + kMostReceivedInTrain * kGapBytes;
  /// Of payload before it is time to send: the memory of a shard stays bounded, and warm.
  static constexpr std::size_t kMostBytes = 1U << 20;

  ReceiveBatch();

  /// Reads what waits, at most as much as there are free slots; the view is valid until the next call, the
  /// bytes until recycle(). `apart`: every datagram has kHeadroomBytes in front and kTailroomBytes behind it
  /// that may be written, those of a train too, at the price of moving them; else only what came alone.
  std::span<const Datagram> receive(int descriptor, bool apart) noexcept;
  /// True when the last receive() may not have taken all that there was.
  bool may_have_left_some() const noexcept { return may_have_left_some_; }
  /// True when receive() has room for kMost messages, and less than kMostBytes are held.
  bool has_room() const noexcept { return kSlots - used_ >= kMost && bytes_ < kMostBytes; }
  bool empty() const noexcept { return used_ == 0; }
  /// All slots are free again.
  void recycle() noexcept { used_ = bytes_ = 0; }
  /// Messages, trains or single datagrams, of one receive() at most.
  static constexpr std::size_t kMost = 32;

 private:
  static constexpr std::size_t kSlots = 256;
  // An odd count of cache lines, so that the slots' first lines do not fall into the same cache sets.
  static constexpr std::size_t kStride =
      (kHeadroomBytes + kTrainRoomBytes + kTailroomBytes) / 64 * 64 + 64 * 5;

  struct Unmap {
    void operator()(std::uint8_t* memory) const noexcept;
  };

  std::unique_ptr<std::uint8_t, Unmap> memory_;  // pages are touched only as far as datagrams reach
  std::size_t used_ = 0;
  std::size_t bytes_ = 0;
  bool may_have_left_some_ = false;
  std::array<mmsghdr, kMost> headers_{};
  std::array<iovec, kMost> parts_{};
  std::array<sockaddr_storage, kMost> names_{};
  alignas(cmsghdr) std::array<std::array<std::uint8_t, kControlBytes>, kMost> control_{};
  std::vector<Datagram> received_;
};

/// A message for sendmsg().
struct Prepared {
  int descriptor;
  const msghdr* header;
};

/// A message that the kernel did not take, by its place among those that it was given, and the errno.
struct Refused {
  std::uint32_t place;
  int error;
};

/// Sends messages of many sockets at once.
class Transmitter {
 public:
  /// Appends those that the kernel did not take; all of them are done with when it returns.
  virtual void transmit(std::span<const Prepared> messages, std::vector<Refused>& refused) noexcept = 0;

 protected:
  ~Transmitter() = default;
};

class SendBatch {
 public:
  struct Stats {
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;
    /// Of those that were sent, the ones that left in a train.
    std::uint64_t in_trains = 0;
  };

  /// A datagram that the link does not take whole, and that may not be fragmented.
  struct TooLong {
    std::uint64_t tag;
    Endpoint to;
  };

  SendBatch();

  /// A datagram to send; `bytes` must live until flush(). `source`: leave from this address of ours. `tos`:
  /// its TOS or traffic class byte. `tag`: for too_long() and errored(), 0: not for these. `scope`: the
  /// interface of a link-local receiver.
  void add(int descriptor, const Endpoint& to, const std::optional<IpAddress>& source, ByteView bytes,
           std::uint8_t tos = 0, std::uint64_t tag = 0, std::uint32_t scope = 0);
  /// Sends everything, in order for each socket and receiver. Datagrams of one size that follow each other on
  /// their way leave as a train, where kernel and device can. What the kernel does not take at once is
  /// dropped and counted. `together`: who sends messages of many sockets at once; null: sendmmsg() for each.
  /// With it, what the kernel did not take at first goes behind what it took.
  Stats flush(Transmitter* together) noexcept;
  /// Of the last flush(), as many as matter: the others are only counted.
  std::span<const TooLong> too_long() const noexcept { return too_long_; }
  /// Of the last flush(), tags of sockets that an error of an earlier datagram was taken from, whose entry in
  /// the error queue nothing may tell of any more.
  std::span<const std::uint64_t> errored() const noexcept { return errored_; }

 private:
  static constexpr std::size_t kMost = 64;
  static constexpr std::size_t kMostParts = 512;
  static constexpr std::size_t kMostTooLong = 16;
  static constexpr std::size_t kMostErrored = 64;
  /// An IPv4 datagram's payload at most; a train is no larger.
  static constexpr std::size_t kMostTrainBytes = 65'507;
  /// Flushes after which trains that failed are tried again.
  static constexpr std::uint32_t kRetryAfter = 1U << 20;

  struct Item {
    int descriptor;
    Endpoint to;
    std::optional<IpAddress> source;
    ByteView bytes;
    std::uint8_t tos;
    std::uint64_t tag;
    std::uint32_t scope;
  };
  /// An item's place: sorted by socket and receiver, then by the order of adding.
  struct Place {
    std::uint64_t flow;
    std::uint32_t index;
  };
  /// What one header of the system call sends: items of order_ from `first` on.
  struct Message {
    std::size_t first;
    std::size_t count;
  };

  static std::uint64_t flow_of(const Item& item) noexcept;
  const Item& item(std::size_t place) const noexcept { return items_[order_[place].index]; }
  std::size_t train_from(std::size_t first, std::size_t last) const noexcept;
  /// Fills headers from place `first` on; the place behind the last one filled.
  std::size_t prepare(std::size_t first, std::size_t last) noexcept;
  void prepare_one(const Message& message) noexcept;
  void note_errored(std::uint64_t tag, int error) noexcept;
  static void count_sent(const Message& message, Stats& stats) noexcept;
  void send_together(Transmitter& together, Stats& stats) noexcept;
  void send_run(std::size_t first, std::size_t last, Stats& stats) noexcept;
  std::size_t send_prepared(std::size_t end, Stats& stats) noexcept;
  void train_failed(const Message& message, int error) noexcept;
  void note_too_long(const Item& item) noexcept;

  std::vector<Item> items_;
  std::vector<Place> order_;
  std::vector<TooLong> too_long_;
  std::vector<std::uint64_t> errored_;
  std::vector<Message> messages_;
  std::vector<Prepared> prepared_;
  std::vector<Refused> refused_;
  std::vector<Message> again_;
  /// Larger datagrams go singly: trains of them failed.
  std::size_t most_segment_ = kMostTrainBytes;
  std::uint32_t retry_in_ = 0;
  /// Places before this one make no train: theirs was not taken.
  std::size_t singly_until_ = 0;
  std::size_t parts_used_ = 0;
  std::array<mmsghdr, kMost> headers_{};
  std::array<iovec, kMostParts> parts_{};
  std::array<sockaddr_storage, kMost> names_{};
  alignas(cmsghdr) std::array<std::array<std::uint8_t, kControlBytes>, kMost> control_{};
};

}  // namespace ts::net
