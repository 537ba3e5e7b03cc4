// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/udp.h>

#include "socket_address.hpp"
#include "udp_batch.hpp"
#include "udp_errors.hpp"

namespace ts::net {
namespace {

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
std::size_t append_source(std::uint8_t* control, const IpAddress& source, std::uint32_t scope) noexcept {
  if (source.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.bytes().data(), 4);
    return append(control, IPPROTO_IP, IP_PKTINFO, info);
  }
  in6_pktinfo info{};
  std::memcpy(&info.ipi6_addr, source.bytes().data(), 16);
  info.ipi6_ifindex = scope;
  return append(control, IPPROTO_IPV6, IPV6_PKTINFO, info);
}

std::size_t append_traffic_class(std::uint8_t* control, IpFamily family, std::uint8_t tos) noexcept {
  const int value = tos;
  return family == IpFamily::V4 ? append(control, IPPROTO_IP, IP_TOS, value)
                                : append(control, IPPROTO_IPV6, IPV6_TCLASS, value);
}

}  // namespace

SendBatch::SendBatch() {
  too_long_.reserve(kMostTooLong);
  messages_.reserve(kMost);
  prepared_.reserve(kMost);
  refused_.reserve(kMost);
  again_.reserve(kMost);
  errored_.reserve(kMostErrored);
}

void SendBatch::add(int descriptor, const Endpoint& to, const std::optional<IpAddress>& source,
                    ByteView bytes, std::uint8_t tos, std::uint64_t tag, std::uint32_t scope) {
  items_.push_back(Item{descriptor, to, source, bytes, tos, tag, scope});
  order_.push_back(Place{flow_of(items_.back()), static_cast<std::uint32_t>(items_.size() - 1)});
}

/// Sockets apart in the upper half, receivers, as far as a hash can tell them, in the lower one.
std::uint64_t SendBatch::flow_of(const Item& item) noexcept {
  return std::uint64_t{static_cast<std::uint32_t>(item.descriptor)} << 32 |
         static_cast<std::uint32_t>(item.to.hash());
}

/// How many items from `first` on leave as one train: the same way, the same size but for the last one, which
/// may be shorter.
std::size_t SendBatch::train_from(std::size_t first, std::size_t last) const noexcept {
  const Item& head = item(first);
  const std::size_t segment = head.bytes.size();
  if (segment == 0 || segment > most_segment_ || first < singly_until_) return 1;
  const std::size_t most = std::min({kMostInTrain, kMostTrainBytes / segment, last - first});
  std::size_t count = 1;
  while (count < most) {
    const Item& next = item(first + count);
    if (next.bytes.size() > segment || next.bytes.empty() || next.tos != head.tos || next.to != head.to ||
        next.source != head.source || next.scope != head.scope || next.descriptor != head.descriptor)
      break;
    ++count;
    if (next.bytes.size() < segment) break;
  }
  return count;
}

void SendBatch::prepare_one(const Message& message) noexcept {
  const std::size_t slot = messages_.size();
  const Item& head = item(message.first);
  msghdr& header = headers_[slot].msg_hdr;
  header.msg_iov = &parts_[parts_used_];
  header.msg_iovlen = message.count;
  for (std::size_t i = 0; i < message.count; ++i) {
    const ByteView bytes = item(message.first + i).bytes;
    // sendmsg takes a non-const base; it does not write through it.
    parts_[parts_used_++] = iovec{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  }
  header.msg_name = &names_[slot];
  header.msg_namelen = to_sockaddr(head.to, names_[slot]);
  if (head.scope != 0) reinterpret_cast<sockaddr_in6&>(names_[slot]).sin6_scope_id = head.scope;
  std::uint8_t* control = control_[slot].data();
  std::size_t used = head.source ? append_source(control, *head.source, head.scope) : 0;
  if (head.tos != 0) used += append_traffic_class(control + used, head.to.address.family(), head.tos);
  if (message.count > 1)
    used += append(control + used, IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(head.bytes.size()));
  header.msg_control = used != 0 ? control : nullptr;
  header.msg_controllen = used;
  messages_.push_back(message);
}

std::size_t SendBatch::prepare(std::size_t first, std::size_t last) noexcept {
  messages_.clear();
  parts_used_ = 0;
  while (first < last && messages_.size() < kMost) {
    const Message message{first, train_from(first, last)};
    if (parts_used_ + message.count > kMostParts) break;
    prepare_one(message);
    first += message.count;
  }
  return first;
}

/// All that is queued. What failed goes again by itself, which tells why, and what to do.
void SendBatch::send_together(Transmitter& together, Stats& stats) noexcept {
  singly_until_ = 0;
  for (std::size_t first = 0; first < order_.size();) {
    first = prepare(first, order_.size());
    prepared_.clear();
    for (std::size_t i = 0; i < messages_.size(); ++i)
      prepared_.push_back(Prepared{item(messages_[i].first).descriptor, &headers_[i].msg_hdr});
    refused_.clear();
    together.transmit(prepared_, refused_);
    again_.clear();
    for (std::uint32_t i = 0; i < messages_.size(); ++i) {
      const auto refused =
          std::find_if(refused_.begin(), refused_.end(), [i](const Refused& r) { return r.place == i; });
      if (refused == refused_.end()) {
        count_sent(messages_[i], stats);
      } else {
        note_errored(item(messages_[i].first).tag, refused->error);
        again_.push_back(messages_[i]);
      }
    }
    for (const Message& message : again_) send_run(message.first, message.first + message.count, stats);
  }
}

void SendBatch::note_errored(std::uint64_t tag, int error) noexcept {
  const bool known = !errored_.empty() && errored_.back() == tag;
  if (tag != 0 && may_be_of_earlier_datagram(error) && !known && errored_.size() < kMostErrored)
    errored_.push_back(tag);
}

void SendBatch::count_sent(const Message& message, Stats& stats) noexcept {
  stats.sent += message.count;
  if (message.count > 1) stats.in_trains += message.count;
}

void SendBatch::send_run(std::size_t first, std::size_t last, Stats& stats) noexcept {
  singly_until_ = first;
  while (first < last) {
    const std::size_t end = prepare(first, last);
    first = send_prepared(end, stats);
  }
}

/// Sends what prepare() made, up to `end`; the place to go on from, which is earlier where a train was not
/// taken.
std::size_t SendBatch::send_prepared(std::size_t end, Stats& stats) noexcept {
  const int descriptor = item(messages_.front().first).descriptor;
  bool again = false;
  for (std::size_t at = 0; at < messages_.size();) {
    const int sent = ::sendmmsg(descriptor, headers_.data() + at,
                                static_cast<unsigned>(messages_.size() - at), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      for (const std::size_t done = at + static_cast<std::size_t>(sent); at < done; ++at)
        count_sent(messages_[at], stats);
      again = false;
    } else if (errno == EINTR) {
      continue;
    } else if (!again && may_be_of_earlier_datagram(errno)) {
      again = true;
    } else if (const Message& failed = messages_[at]; failed.count > 1) {
      train_failed(failed, errno);
      return failed.first;
    } else {
      if (errno == EMSGSIZE) note_too_long(item(failed.first));
      ++stats.failed;  // this one is lost, as a datagram may be
      ++at;
      again = false;
    }
  }
  return end;
}

/// Each of its datagrams may be taken singly.
void SendBatch::train_failed(const Message& message, int error) noexcept {
  singly_until_ = message.first + message.count;
  // The kernel has no room: the next train may fare better.
  if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) return;
  // A train's datagrams are not fragmented (EINVAL, EMSGSIZE), and need a device that can sum (EIO).
  const std::size_t segment = item(message.first).bytes.size();
  most_segment_ = error == EINVAL || error == EMSGSIZE ? std::min(most_segment_, segment - 1) : 0;
  retry_in_ = kRetryAfter;
}

void SendBatch::note_too_long(const Item& item) noexcept {
  if (too_long_.size() < kMostTooLong) too_long_.push_back(TooLong{item.tag, item.to});
}

SendBatch::Stats SendBatch::flush(Transmitter* together) noexcept {
  Stats stats;
  too_long_.clear();
  errored_.clear();
  if (retry_in_ != 0 && --retry_in_ == 0) most_segment_ = kMostTrainBytes;
  if (std::any_of(order_.begin(), order_.end(),
                  [&](const Place& p) { return p.flow != order_.front().flow; })) {
    std::sort(order_.begin(), order_.end(), [](const Place& a, const Place& b) {
      return a.flow != b.flow ? a.flow < b.flow : a.index < b.index;
    });
  }
  if (together != nullptr) send_together(*together, stats);
  for (std::size_t first = 0; together == nullptr && first < order_.size();) {
    std::size_t last = first + 1;
    while (last < order_.size() && order_[last].flow >> 32 == order_[first].flow >> 32) ++last;
    send_run(first, last, stats);
    first = last;
  }
  items_.clear();
  order_.clear();
  return stats;
}

}  // namespace ts::net
