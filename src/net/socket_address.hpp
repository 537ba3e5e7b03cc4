// SPDX-License-Identifier: Apache-2.0
// Between our endpoints and the kernel's and Asio's.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <turnstone/base/address.hpp>

namespace ts::net {

/// Fills `out`; the count of bytes that the family uses.
inline socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& out) noexcept {
  if (endpoint.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.bytes().data(), 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::memcpy(&v6.sin6_addr, endpoint.address.bytes().data(), 16);
  return sizeof v6;
}

inline Endpoint from_sockaddr(const sockaddr_storage& in) noexcept {
  if (in.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(in);
    const auto* ip = reinterpret_cast<const std::uint8_t*>(&v4.sin_addr);
    return Endpoint{IpAddress::from_bytes({ip, 4}), ntohs(v4.sin_port)};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(in);
  const auto* ip = reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr);
  return Endpoint{IpAddress::from_bytes({ip, 16}), ntohs(v6.sin6_port)};
}

inline int family_of(const IpAddress& address) noexcept { return address.is_v4() ? AF_INET : AF_INET6; }

}  // namespace ts::net
