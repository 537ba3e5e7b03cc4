// SPDX-License-Identifier: Apache-2.0
#include "steering.hpp"

#include <vector>

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace ts::net {
namespace {

/// The network header; the program's own offsets begin at the payload.
constexpr auto kHeader = static_cast<std::uint32_t>(SKF_NET_OFF);

class Program {
 public:
  void add(unsigned code, std::uint32_t value = 0, unsigned if_true = 0, unsigned if_false = 0) {
    steps_.push_back({static_cast<std::uint16_t>(code), static_cast<std::uint8_t>(if_true),
                      static_cast<std::uint8_t>(if_false), value});
  }

  /// The port of a datagram that follows an IPv4 header; 16 bits in the accumulator.
  void load_v4_port() {
    add(BPF_LDX | BPF_B | BPF_MSH, kHeader);
    add(BPF_LD | BPF_H | BPF_IND, kHeader);
  }
  /// The same of IPv6. Behind extension headers the port is not looked for: their type will do.
  void load_v6_port() {
    constexpr std::uint32_t kNextHeader = 6;
    constexpr std::uint32_t kHeaderBytes = 40;
    add(BPF_LD | BPF_B | BPF_ABS, kHeader + kNextHeader);
    add(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 1);
    add(BPF_LD | BPF_H | BPF_ABS, kHeader + kHeaderBytes);
  }
  void begin_sum(std::uint32_t factor) { add(BPF_ALU | BPF_MUL | BPF_K, factor); }
  /// Adds the 16-bit word at an offset in the header, times the factor.
  void add_word(std::uint32_t offset, std::uint32_t factor) {
    add(BPF_ST, 0);
    add(BPF_LD | BPF_H | BPF_ABS, kHeader + offset);
    add(BPF_ALU | BPF_MUL | BPF_K, factor);
    add(BPF_LDX | BPF_MEM, 0);
    add(BPF_ALU | BPF_ADD | BPF_X);
  }
  /// MurmurHash3's last steps: all bits depend on all bits.
  void mix() {
    const auto fold = [this](std::uint32_t bits) {
      add(BPF_MISC | BPF_TAX);
      add(BPF_ALU | BPF_RSH | BPF_K, bits);
      add(BPF_ALU | BPF_XOR | BPF_X);
    };
    fold(16);
    add(BPF_ALU | BPF_MUL | BPF_K, 0x85EBCA6B);
    fold(13);
    add(BPF_ALU | BPF_MUL | BPF_K, 0xC2B2AE35);
    fold(16);
  }
  void finish(std::uint32_t shard_count) {
    add(BPF_ALU | BPF_MOD | BPF_K, shard_count);
    add(BPF_RET | BPF_A);
  }

  bool attach(int descriptor) noexcept {
    const sock_fprog program{static_cast<std::uint16_t>(steps_.size()), steps_.data()};
    return ::setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
  }

 private:
  std::vector<sock_filter> steps_;
};

}  // namespace

Steering::Steering(std::uint32_t shard_count, RandomSource& random) noexcept : shard_count_(shard_count) {
  for (std::uint32_t& factor : factors_) {
    std::array<std::uint8_t, 4> bytes{};
    random.fill(bytes);
    factor = load_be32(bytes.data()) | 1;  // odd: no bit of a word is lost
  }
}

bool Steering::attach(int descriptor, IpFamily family) const noexcept {
  const bool v4 = family == IpFamily::V4;
  const std::uint32_t source = v4 ? 12 : 8;  // RFC 791 §3.1, RFC 8200 §3
  const std::uint32_t words = v4 ? 2 : 8;
  Program program;
  if (v4) {
    program.load_v4_port();
  } else {
    program.load_v6_port();
  }
  program.begin_sum(factors_[0]);
  for (std::uint32_t i = 0; i < words; ++i) program.add_word(source + 2 * i, factors_[i + 1]);
  program.mix();
  program.finish(shard_count_);
  return program.attach(descriptor);
}

}  // namespace ts::net
