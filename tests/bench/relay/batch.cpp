// SPDX-License-Identifier: Apache-2.0
#include "batch.hpp"

#include <algorithm>
#include <cstring>

#include <netinet/in.h>
#include <netinet/udp.h>

namespace ts::load {

namespace {

constexpr std::size_t kMaxTrainBytes = 65'000;

}  // namespace

Batch::Batch(std::size_t room) : packet_bytes(room), bytes(room * kBatch) {
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts[i][0] = {bytes.data() + i * packet_bytes, packet_bytes};
    messages[i].msg_hdr.msg_iov = parts[i].data();
    messages[i].msg_hdr.msg_iovlen = 1;
  }
}

/// The size of the datagrams of the train at `i`; of a single datagram its own.
std::size_t Batch::segment(std::size_t i) noexcept {
  msghdr& header = messages[i].msg_hdr;
  int size = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
  }
  return size > 0 ? static_cast<std::size_t>(size) : messages[i].msg_len;
}

void Batch::make_train(std::size_t i, std::size_t segment) noexcept {
  msghdr& header = messages[i].msg_hdr;
  header.msg_control = controls[i].data();
  header.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = IPPROTO_UDP;
  c->cmsg_type = UDP_SEGMENT;
  c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto size = static_cast<std::uint16_t>(segment);
  std::memcpy(CMSG_DATA(c), &size, sizeof size);
}

std::size_t Batch::receive(const Fd& socket, bool with_source) noexcept {
  for (std::size_t i = 0; i < kBatch; ++i) {
    messages[i].msg_hdr.msg_control = controls[i].data();
    messages[i].msg_hdr.msg_controllen = controls[i].size();
    if (!with_source) continue;
    addresses[i].size = sizeof(sockaddr_storage);
    messages[i].msg_hdr.msg_name = addresses[i].get();
    messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
  }
  const int n = recvmmsg(socket.get(), messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    segments[at] = segment(at);
    if (with_source) addresses[at].size = messages[at].msg_hdr.msg_namelen;
  }
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

std::size_t Batch::send(const Fd& socket, std::size_t count) noexcept {
  const int n = sendmmsg(socket.get(), messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

std::size_t Batch::send_trains(const Fd& socket, std::size_t count, std::size_t datagram_bytes) noexcept {
  const std::size_t most =
      std::clamp<std::size_t>(kMaxTrainBytes / std::max<std::size_t>(datagram_bytes, 1), 1, kBatch);
  std::size_t trains = 0;
  for (std::size_t first = 0; first < count; first += most, ++trains) {
    msghdr& header = messages[trains].msg_hdr;
    header.msg_iov = parts[first].data();
    header.msg_iovlen = 2 * std::min(most, count - first);
    header.msg_name = messages[first].msg_hdr.msg_name;
    header.msg_namelen = messages[first].msg_hdr.msg_namelen;
    make_train(trains, datagram_bytes);
  }
  return std::min(count, send(socket, trains) * most);
}

void Batch::send_back(const Fd& socket, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    parts[i][0].iov_len = messages[i].msg_len;
    messages[i].msg_hdr.msg_controllen = 0;
    if (segments[i] < messages[i].msg_len) make_train(i, segments[i]);
  }
  send(socket, count);
  for (std::size_t i = 0; i < count; ++i) parts[i][0].iov_len = packet_bytes;
}

void take_trains(const Fd& socket) {
  const int on = 1;
  if (setsockopt(socket.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0) die("UDP_GRO");
}

}  // namespace ts::load
