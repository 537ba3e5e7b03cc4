// SPDX-License-Identifier: Apache-2.0
#include "udp_batch.hpp"

#include <algorithm>
#include <new>

#include <sys/mman.h>

#include "socket_address.hpp"
#include "udp_errors.hpp"

namespace ts::net {
namespace {

/// What a datagram's control messages tell: the address it was sent to, and its TOS or traffic class.
void read_control(msghdr& header, Datagram& out) noexcept {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
      out.tos = *CMSG_DATA(c);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      int traffic_class = 0;
      std::memcpy(&traffic_class, CMSG_DATA(c), sizeof traffic_class);
      out.tos = static_cast<std::uint8_t>(traffic_class);
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      out.to = IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&info.ipi_addr), 4});
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      out.to = IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&info.ipi6_addr), 16});
    }
  }
}

/// Appends a control message; the bytes it takes.
template <class T>
std::size_t append(std::uint8_t* control, int level, int type, const T& value) noexcept {
  cmsghdr head{};
  head.cmsg_level = level;
  head.cmsg_type = type;
  head.cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(control, &head, sizeof head);
  std::memcpy(control + CMSG_LEN(0), &value, sizeof value);
  return CMSG_SPACE(sizeof value);
}

/// The control message that makes a datagram leave from `source`.
std::size_t append_source(std::uint8_t* control, const IpAddress& source) noexcept {
  if (source.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.bytes().data(), 4);
    return append(control, IPPROTO_IP, IP_PKTINFO, info);
  }
  in6_pktinfo info{};
  std::memcpy(&info.ipi6_addr, source.bytes().data(), 16);
  return append(control, IPPROTO_IPV6, IPV6_PKTINFO, info);
}

std::size_t append_traffic_class(std::uint8_t* control, IpFamily family, std::uint8_t tos) noexcept {
  const int value = tos;
  return family == IpFamily::V4 ? append(control, IPPROTO_IP, IP_TOS, value)
                                : append(control, IPPROTO_IPV6, IPV6_TCLASS, value);
}

}  // namespace

bool enable_packet_info(int descriptor, IpFamily family) noexcept {
  const int on = 1;
  const bool v4 = family == IpFamily::V4;
  return ::setsockopt(descriptor, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, &on,
                      sizeof on) == 0;
}

bool enable_traffic_class(int descriptor, IpFamily family, bool on) noexcept {
  const int value = on ? 1 : 0;
  const bool v4 = family == IpFamily::V4;
  return ::setsockopt(descriptor, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVTOS : IPV6_RECVTCLASS, &value,
                      sizeof value) == 0;
}

void ReceiveBatch::Unmap::operator()(std::uint8_t* memory) const noexcept {
  ::munmap(memory, kSlots * kStride);
}

ReceiveBatch::ReceiveBatch() {
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

std::span<const Datagram> ReceiveBatch::receive(int descriptor) noexcept {
  const std::size_t most = std::min(kMost, kSlots - used_);
  for (std::size_t i = 0; i < most; ++i) {
    parts_[i].iov_base = memory_.get() + (used_ + i) * kStride + kHeadroomBytes;
    headers_[i].msg_hdr.msg_control = control_[i].data();
    headers_[i].msg_hdr.msg_controllen = control_[i].size();
  }
  const int count =
      ::recvmmsg(descriptor, headers_.data(), static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(count, 0)); ++i) {
    msghdr& header = headers_[i].msg_hdr;
    auto* bytes = static_cast<std::uint8_t*>(parts_[i].iov_base);
    Datagram& datagram = received_[kept++];
    datagram = Datagram{from_sockaddr(names_[i]), std::nullopt, {bytes, headers_[i].msg_len}, 0};
    read_control(header, datagram);
    header.msg_namelen = sizeof names_[i];
  }
  used_ += kept;
  return {received_.data(), kept};
}

void SendBatch::add(int descriptor, const Endpoint& to, const std::optional<IpAddress>& source,
                    ByteView bytes, std::uint8_t tos, std::uint64_t tag) {
  items_.push_back(Item{descriptor, static_cast<std::uint32_t>(items_.size()), to, source, bytes, tos, tag});
}

void SendBatch::prepare(std::size_t slot, const Item& item) noexcept {
  msghdr& header = headers_[slot].msg_hdr;
  // sendmsg takes a non-const base; it does not write through it.
  parts_[slot] = iovec{const_cast<std::uint8_t*>(item.bytes.data()), item.bytes.size()};
  header.msg_iov = &parts_[slot];
  header.msg_iovlen = 1;
  header.msg_name = &names_[slot];
  header.msg_namelen = to_sockaddr(item.to, names_[slot]);
  std::uint8_t* control = control_[slot].data();
  std::size_t used = item.source ? append_source(control, *item.source) : 0;
  if (item.tos != 0) used += append_traffic_class(control + used, item.to.address.family(), item.tos);
  header.msg_control = used != 0 ? control : nullptr;
  header.msg_controllen = used;
}

void SendBatch::send_run(std::size_t first, std::size_t count, Stats& stats) noexcept {
  for (std::size_t done = 0; done < count;) {
    const std::size_t part = std::min(kMost, count - done);
    for (std::size_t i = 0; i < part; ++i) prepare(i, items_[first + done + i]);
    std::size_t at = 0;
    bool again = false;
    while (at < part) {
      const int sent = ::sendmmsg(items_[first].descriptor, headers_.data() + at,
                                  static_cast<unsigned>(part - at), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) {
        at += static_cast<std::size_t>(sent);
        stats.sent += static_cast<std::uint64_t>(sent);
        again = false;
      } else if (errno == EINTR) {
        continue;
      } else if (!again && may_be_of_earlier_datagram(errno)) {
        again = true;
      } else {
        if (errno == EMSGSIZE) note_too_long(items_[first + done + at]);
        ++at;  // this one is lost, as a datagram may be
        ++stats.failed;
        again = false;
      }
    }
    done += part;
  }
}

void SendBatch::note_too_long(const Item& item) noexcept {
  if (too_long_.size() < kMostTooLong) too_long_.push_back(TooLong{item.tag, item.to});
}

SendBatch::Stats SendBatch::flush() noexcept {
  Stats stats;
  too_long_.clear();
  const bool one_socket = std::all_of(
      items_.begin(), items_.end(), [&](const Item& i) { return i.descriptor == items_.front().descriptor; });
  if (!one_socket) {
    std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) {
      return a.descriptor != b.descriptor ? a.descriptor < b.descriptor : a.order < b.order;
    });
  }
  for (std::size_t first = 0; first < items_.size();) {
    std::size_t last = first + 1;
    while (last < items_.size() && items_[last].descriptor == items_[first].descriptor) ++last;
    send_run(first, last - first, stats);
    first = last;
  }
  items_.clear();
  return stats;
}

}  // namespace ts::net
