// SPDX-License-Identifier: Apache-2.0
// Netlink: questions to the kernel and what it tells unasked. Its messages are what the kernel's headers say,
// without their macros, which are C.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include <linux/netlink.h>

#include <turnstone/base/bytes.hpp>

namespace ts::offload {

/// Everything in a message begins at a multiple of four.
constexpr std::size_t netlink_aligned(std::size_t size) noexcept { return (size + 3) & ~std::size_t{3}; }

/// The value of that type at the start of the bytes; zeros where there are too few.
template <class T>
T netlink_read(ByteView bytes) noexcept {
  T out{};
  if (bytes.size() >= sizeof out) std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

/// Calls `f(type, value)` for each attribute.
template <class F>
void for_each_attribute(ByteView bytes, F&& f) {
  while (bytes.size() >= sizeof(nlattr)) {
    const auto head = netlink_read<nlattr>(bytes);
    if (head.nla_len < sizeof head || head.nla_len > bytes.size()) return;
    f(static_cast<std::uint16_t>(head.nla_type & NLA_TYPE_MASK),
      bytes.subspan(sizeof head, head.nla_len - sizeof head));
    bytes = bytes.subspan(std::min(netlink_aligned(head.nla_len), bytes.size()));
  }
}

/// A question under construction, in room that is large enough for what we ask.
class Question {
 public:
  /// `body`: a struct of the kernel's, after the header.
  template <class T>
  Question(std::uint16_t type, const T& body) noexcept : type_(type) {
    append(&body, sizeof body);
  }
  void add(std::uint16_t type, ByteView value) noexcept;
  ByteView finish(std::uint32_t sequence, std::uint16_t flags = 0) noexcept;

 private:
  void append(const void* bytes, std::size_t count) noexcept;
  std::array<std::uint8_t, 128> room_{};
  std::size_t size_ = sizeof(nlmsghdr);
  std::uint16_t type_;
};

/// A socket; closes with its owner.
class Netlink {
 public:
  /// `protocol`: NETLINK_ROUTE or another; `groups`: what to be told of, by number; without any it is for
  /// questions. Not open: see is_absent().
  explicit Netlink(int protocol, std::span<const int> groups = {});
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;
  ~Netlink();

  bool is_open() const noexcept { return descriptor_ >= 0; }
  /// Not open since the kernel has no such protocol or group. Otherwise it has it, and something is lacking:
  /// descriptors, memory, a right.
  bool is_absent() const noexcept { return absent_; }
  /// -1: not open.
  int descriptor() const noexcept { return descriptor_; }

  /// The body of the answer, valid until the next question; nothing: it is of another type, an error as a
  /// rule, or there is none in time.
  std::optional<ByteView> ask(Question& question, std::uint16_t answer_type);

  /// The bodies of all answers, to a question for all that there is; nothing: the kernel does not say, or
  /// what there is changed meanwhile.
  std::optional<std::vector<std::vector<std::uint8_t>>> ask_all(Question& question,
                                                                std::uint16_t answer_type);

  /// Empties a socket of groups; true: there was something in it, or too much for it.
  bool drain() noexcept;

 private:
  int descriptor_;
  bool absent_ = false;
  std::uint32_t sequence_ = 0;
  std::array<std::uint8_t, 4096> answer_;
};

}  // namespace ts::offload
