// SPDX-License-Identifier: Apache-2.0
// The error queue of a UDP socket (IP_RECVERR): ICMP errors for datagrams it sent, and datagrams that did not
// fit the link. Knows sockets, and nothing of what is done about an error. One thread.
#pragma once

#include <optional>

#include <turnstone/base/address.hpp>

namespace ts::net {

/// One entry of a socket's error queue.
struct QueuedError {
  /// Where the datagram went; the port is 0 where the kernel does not tell.
  Endpoint to;
  /// Not from the network: the datagram, which may not be fragmented, exceeds the MTU of the link.
  bool too_long_for_link = false;
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  /// The MTU, where the error is about it.
  std::uint32_t info = 0;
};

/// Makes the kernel queue errors. From then on each of them also fails one later call on the socket.
bool enable_error_queue(int descriptor, IpFamily family) noexcept;

/// The next ICMP or MTU error; nothing when the queue has none (left).
std::optional<QueuedError> next_error(int descriptor) noexcept;

/// Takes the error that the next call would fail with.
void clear_pending_error(int descriptor) noexcept;

/// True when a call failed with what may be the error of an earlier datagram: to be tried again once.
bool may_be_of_earlier_datagram(int error) noexcept;

}  // namespace ts::net
