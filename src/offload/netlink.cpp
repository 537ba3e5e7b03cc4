// SPDX-License-Identifier: Apache-2.0
#include "netlink.hpp"

#include <cerrno>

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace ts::offload {

void Question::add(std::uint16_t type, ByteView value) noexcept {
  const nlattr head{static_cast<std::uint16_t>(sizeof head + value.size()), type};
  append(&head, sizeof head);
  append(value.data(), value.size());
  size_ = netlink_aligned(size_);
}

ByteView Question::finish(std::uint32_t sequence, std::uint16_t flags) noexcept {
  nlmsghdr head{};
  head.nlmsg_len = static_cast<std::uint32_t>(size_);
  head.nlmsg_type = type_;
  head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  head.nlmsg_seq = sequence;
  std::memcpy(room_.data(), &head, sizeof head);
  return {room_.data(), size_};
}

void Question::append(const void* bytes, std::size_t count) noexcept {
  std::memcpy(room_.data() + size_, bytes, count);
  size_ += count;
}

Netlink::Netlink(int protocol, std::span<const int> groups)
    : descriptor_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
  const auto is_missing = [](int error) {
    return error == EPROTONOSUPPORT || error == EINVAL || error == ENOENT;
  };
  if (descriptor_ < 0) {
    absent_ = is_missing(errno);
    return;
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  // An answer comes at once; should it not, nobody waits for it for ever.
  const timeval patience{0, 200'000};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  bool good = ::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  for (const int group : groups) {
    good = good && ::setsockopt(descriptor_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0;
  }
  if (good) return;
  absent_ = is_missing(errno);
  ::close(descriptor_);
  descriptor_ = -1;
}

Netlink::~Netlink() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::optional<ByteView> Netlink::ask(Question& question, std::uint16_t answer_type) {
  const std::uint32_t sequence = ++sequence_;
  const ByteView asked = question.finish(sequence);
  if (::send(descriptor_, asked.data(), asked.size(), 0) < 0) return std::nullopt;
  for (;;) {
    const ssize_t got = ::recv(descriptor_, answer_.data(), answer_.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    const ByteView answer(answer_.data(), static_cast<std::size_t>(got));
    const auto head = netlink_read<nlmsghdr>(answer);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > answer.size()) return std::nullopt;
    if (head.nlmsg_seq != sequence) continue;  // one that came too late
    if (head.nlmsg_type != answer_type) return std::nullopt;
    return answer.subspan(sizeof head, head.nlmsg_len - sizeof head);
  }
}

std::optional<std::vector<std::vector<std::uint8_t>>> Netlink::ask_all(Question& question,
                                                                       std::uint16_t answer_type) {
  /// As much as the kernel puts into one datagram.
  constexpr std::size_t kRoomBytes = 32'768;
  const std::uint32_t sequence = ++sequence_;
  const ByteView asked = question.finish(sequence, NLM_F_DUMP);
  if (::send(descriptor_, asked.data(), asked.size(), 0) < 0) return std::nullopt;
  std::vector<std::uint8_t> room(kRoomBytes);
  std::vector<std::vector<std::uint8_t>> out;
  for (;;) {
    const ssize_t got = ::recv(descriptor_, room.data(), room.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    ByteView rest(room.data(), static_cast<std::size_t>(got));
    while (rest.size() >= sizeof(nlmsghdr)) {
      const auto head = netlink_read<nlmsghdr>(rest);
      if (head.nlmsg_len < sizeof head || head.nlmsg_len > rest.size()) return std::nullopt;
      const ByteView body = rest.subspan(sizeof head, head.nlmsg_len - sizeof head);
      rest = rest.subspan(std::min(netlink_aligned(head.nlmsg_len), rest.size()));
      if (head.nlmsg_seq != sequence) continue;  // one that came too late
      if ((head.nlmsg_flags & NLM_F_DUMP_INTR) != 0) return std::nullopt;
      if (head.nlmsg_type == NLMSG_DONE) return out;
      if (head.nlmsg_type != answer_type) return std::nullopt;
      out.emplace_back(body.begin(), body.end());
    }
  }
}

bool Netlink::drain() noexcept {
  std::array<std::uint8_t, 8192> room;
  bool any = false;
  while (descriptor_ >= 0) {
    const ssize_t got = ::recv(descriptor_, room.data(), room.size(), MSG_DONTWAIT);
    if (got < 0 && errno != EINTR && errno != ENOBUFS) break;
    any = true;
  }
  return any;
}

}  // namespace ts::offload
