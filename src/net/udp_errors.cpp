// SPDX-License-Identifier: Apache-2.0
#include "udp_errors.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "socket_address.hpp"

namespace ts::net {
namespace {

std::optional<sock_extended_err> extended_error(msghdr& header) noexcept {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if ((!v4 && !v6) || c->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
    sock_extended_err out;
    std::memcpy(&out, CMSG_DATA(c), sizeof out);
    return out;
  }
  return std::nullopt;
}

}  // namespace

bool enable_error_queue(int descriptor, IpFamily family) noexcept {
  const int on = 1;
  const bool v4 = family == IpFamily::V4;
  return ::setsockopt(descriptor, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on,
                      sizeof on) == 0;
}

std::optional<QueuedError> next_error(int descriptor) noexcept {
  for (;;) {
    alignas(cmsghdr) std::array<std::uint8_t, 512> control;
    sockaddr_storage name{};
    msghdr header{};
    header.msg_name = &name;
    header.msg_namelen = sizeof name;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    if (::recvmsg(descriptor, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
      if (errno == EINTR) continue;
      return std::nullopt;
    }
    const auto error = extended_error(header);
    if (!error || header.msg_namelen == 0) continue;
    const bool icmp = error->ee_origin == SO_EE_ORIGIN_ICMP || error->ee_origin == SO_EE_ORIGIN_ICMP6;
    const bool too_long = error->ee_origin == SO_EE_ORIGIN_LOCAL && error->ee_errno == EMSGSIZE;
    if (!icmp && !too_long) continue;
    return QueuedError{from_sockaddr(name), too_long, error->ee_type, error->ee_code, error->ee_info};
  }
}

void clear_pending_error(int descriptor) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
}

bool may_be_of_earlier_datagram(int error) noexcept {
  // What the kernel makes of ICMP and ICMPv6 types and codes.
  switch (error) {
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPROTO:
    case EACCES:
    case EMSGSIZE: return true;
    default: return false;
  }
}

}  // namespace ts::net
