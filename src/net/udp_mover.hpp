// SPDX-License-Identifier: Apache-2.0
// What moves datagrams between a shard and the kernel: epoll with recvmmsg and sendmmsg, or io_uring. Knows
// sockets and bytes, and nothing of what they mean. One thread.
#pragma once

#include <memory>
#include <string>

#include <turnstone/base/time.hpp>

#include "udp_batch.hpp"

namespace ts::net {

/// Whom the datagrams are for.
class DatagramHandler {
 public:
  /// A look begins to hand over.
  virtual void woke() = 0;
  /// Datagrams of the socket `tag`, in the order in which they came. The bytes live until flush() returns.
  virtual void received(std::uint64_t tag, std::span<const Datagram> batch) = 0;
  /// The socket has an error pending, or something in its error queue, which the handler takes out.
  virtual void failed(std::uint64_t tag) = 0;
  /// Sends what is to be sent: the room of the datagrams is used again afterwards.
  virtual void flush() = 0;
  /// The socket that was watched by this tag; -1 when it is closed.
  virtual int descriptor_of(std::uint64_t tag) const noexcept = 0;

 protected:
  ~DatagramHandler() = default;
};

class UdpMover {
 public:
  virtual ~UdpMover() = default;

  /// After rest() it is readable as soon as look() would find something; the mover's own.
  virtual int descriptor() const noexcept = 0;
  virtual void rest() noexcept = 0;
  /// The socket's datagrams are received. `tag` names it: with kApart in it, they stand apart
  /// (ReceiveBatch::receive()). No tag has kOwn of the bits of kOwnMask. False: the kernel refuses.
  virtual bool watch(int descriptor, std::uint64_t tag) noexcept = 0;
  /// No more; what came before may still be handed over.
  virtual void unwatch(int descriptor, std::uint64_t tag) noexcept = 0;
  /// Sockets that were unwatched and closed are gone, and their ports free, when it returns.
  virtual void settle() noexcept = 0;

  /// Hands over what is there, and ends with a flush. Between looks the thread may sleep: nothing wakes it.
  virtual void look(DatagramHandler& handler) = 0;
  virtual SendBatch::Stats send(SendBatch& batch) noexcept = 0;

  static constexpr std::uint64_t kApart = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kOwnMask = std::uint64_t{3} << 62;
  static constexpr std::uint64_t kOwn = std::uint64_t{1} << 62;
};

/// To be called by the thread that uses it. Throws std::system_error.
std::unique_ptr<UdpMover> make_epoll_mover();
/// The same; null where the kernel does not allow io_uring, or lacks some of what we use (Linux 6.1 has it):
/// `why` says what.
std::unique_ptr<UdpMover> make_ring_mover(std::string& why);

}  // namespace ts::net
