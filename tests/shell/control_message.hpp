// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of the next datagram.
#pragma once

#include "turn_client.hpp"

namespace ts::shell_test {

/// The value of a control message of the next datagram: of type `v4` (IPPROTO_IP) or `v6` (IPPROTO_IPV6), of
/// one byte or four; -1: no datagram came, or it has none.
inline int next_control(int fd, int v4, int v6) {
  pollfd p{fd, POLLIN, 0};
  if (::poll(&p, 1, static_cast<int>(kPatience.count())) <= 0) return -1;
  std::array<std::uint8_t, 2048> bytes;
  alignas(cmsghdr) std::array<std::uint8_t, 256> control;
  iovec part{bytes.data(), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  if (::recvmsg(fd, &header, 0) < 0) return -1;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    const bool wanted = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == v4) ||
                        (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == v6);
    if (!wanted) continue;
    int value = 0;
    if (c->cmsg_len < CMSG_LEN(sizeof value)) return *CMSG_DATA(c);
    std::memcpy(&value, CMSG_DATA(c), sizeof value);
    return value;
  }
  return -1;
}

}  // namespace ts::shell_test
