// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <sys/mman.h>

#include "socket_address.hpp"
#include "udp_batch.hpp"

namespace ts::net {
namespace {

template <class T>
T value_of(const cmsghdr& message) noexcept {
  T value{};
  std::memcpy(&value, CMSG_DATA(&message), sizeof value);
  return value;
}

/// What a message's control data tells: the address it was sent to, its TOS or traffic class, and what was
/// dropped before it. Returns the size of the datagrams of a train, 0: it is none.
std::size_t read_control(msghdr& header, Datagram& out) noexcept {
  std::size_t segment = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
      out.tos = *CMSG_DATA(c);
      out.tos_told = true;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      out.tos = static_cast<std::uint8_t>(value_of<int>(*c));
      out.tos_told = true;
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      const auto info = value_of<in_pktinfo>(*c);
      out.to = IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&info.ipi_addr), 4});
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      const auto info = value_of<in6_pktinfo>(*c);
      out.to = IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&info.ipi6_addr), 16});
    } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      segment = static_cast<std::size_t>(std::max(value_of<int>(*c), 0));
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
      out.dropped = value_of<std::uint32_t>(*c);
    }
  }
  return segment;
}

/// The kernel tells it for link-local addresses only.
std::uint32_t scope_of(const sockaddr_storage& from) noexcept {
  return from.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(from).sin6_scope_id : 0;
}

bool switch_option(int descriptor, int level, int name, bool on) noexcept {
  const int value = on ? 1 : 0;
  return ::setsockopt(descriptor, level, name, &value, sizeof value) == 0;
}

/// Cuts a train of datagrams of `segment` bytes each into datagrams like `whole`, which has all their bytes.
void cut(const Datagram& whole, std::size_t segment, bool apart, std::vector<Datagram>& out) {
  const std::size_t length = whole.bytes.size();
  const std::size_t count = std::min((length + segment - 1) / segment, ReceiveBatch::kMostReceivedInTrain);
  const std::size_t gap = apart ? ReceiveBatch::kGapBytes : 0;
  std::uint8_t* const start = whole.bytes.data();
  // The last one first: each moves into room that is free by then.
  for (std::size_t i = count - 1; apart && i > 0; --i) {
    std::uint8_t* const from = start + i * segment;
    std::memmove(from + i * gap, from, std::min(segment, length - i * segment));
  }
  Datagram one = whole;
  for (std::size_t i = 0; i < count; ++i) {
    one.bytes = {start + i * (segment + gap), std::min(segment, length - i * segment)};
    out.push_back(one);
  }
}

}  // namespace

bool enable_packet_info(int descriptor, IpFamily family) noexcept {
  return family == IpFamily::V4 ? switch_option(descriptor, IPPROTO_IP, IP_PKTINFO, true)
                                : switch_option(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, true);
}

bool enable_traffic_class(int descriptor, IpFamily family, bool on) noexcept {
  return family == IpFamily::V4 ? switch_option(descriptor, IPPROTO_IP, IP_RECVTOS, on)
                                : switch_option(descriptor, IPPROTO_IPV6, IPV6_RECVTCLASS, on);
}

bool enable_drop_count(int descriptor) noexcept {
  return switch_option(descriptor, SOL_SOCKET, SO_RXQ_OVFL, true);
}

std::uint32_t drops_of(int descriptor) noexcept {
  std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t size = sizeof info;
  ::getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, info.data(), &size);
  return info[SK_MEMINFO_DROPS];
}

void append_received(msghdr& header, MutableBytes bytes, bool apart, std::vector<Datagram>& out) {
  const auto& from = *static_cast<const sockaddr_storage*>(header.msg_name);
  Datagram datagram;
  datagram.from = from_sockaddr(from);
  datagram.bytes = bytes;
  datagram.scope = scope_of(from);
  const std::size_t segment = read_control(header, datagram);
  if (segment == 0 || segment >= bytes.size()) {
    out.push_back(datagram);
  } else {
    cut(datagram, segment, apart, out);
  }
}

bool enable_trains(int descriptor, bool on) noexcept {
  return switch_option(descriptor, IPPROTO_UDP, UDP_GRO, on);
}

void ReceiveBatch::Unmap::operator()(std::uint8_t* memory) const noexcept {
  ::munmap(memory, kSlots * kStride);
}

ReceiveBatch::ReceiveBatch() {
  received_.reserve(kMost * kMostInTrain);
  void* memory = ::mmap(nullptr, kSlots * kStride, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_.reset(static_cast<std::uint8_t*>(memory));
  for (std::size_t i = 0; i < kMost; ++i) {
    parts_[i].iov_len = kPayloadBytes;
    headers_[i].msg_hdr.msg_iov = &parts_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &names_[i];
    headers_[i].msg_hdr.msg_namelen = sizeof names_[i];
  }
}

std::span<const Datagram> ReceiveBatch::receive(int descriptor, bool apart) noexcept {
  received_.clear();
  const std::size_t most = std::min(kMost, kSlots - used_);
  for (std::size_t i = 0; i < most; ++i) {
    parts_[i].iov_base = memory_.get() + (used_ + i) * kStride + kHeadroomBytes;
    headers_[i].msg_hdr.msg_control = control_[i].data();
    headers_[i].msg_hdr.msg_controllen = control_[i].size();
  }
  const int count =
      ::recvmmsg(descriptor, headers_.data(), static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
  may_have_left_some_ = count < 0 ? errno != EAGAIN : static_cast<std::size_t>(count) == most;
  const auto got = static_cast<std::size_t>(std::max(count, 0));
  for (std::size_t i = 0; i < got; ++i) {
    const std::size_t length = headers_[i].msg_len;
    append_received(headers_[i].msg_hdr, {static_cast<std::uint8_t*>(parts_[i].iov_base), length}, apart,
                    received_);
    headers_[i].msg_hdr.msg_namelen = sizeof names_[i];
    bytes_ += length;
  }
  used_ += got;
  return received_;
}

}  // namespace ts::net
