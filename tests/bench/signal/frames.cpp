// SPDX-License-Identifier: Apache-2.0
#include "frames.hpp"

#include <array>
#include <charconv>

namespace ts::load {
namespace {

constexpr std::array<char, 4> kMask = {0x37, 0x5a, 0x21, 0x6d};

void append_hex(std::string& out, std::uint64_t value, std::size_t digits) {
  for (std::size_t i = digits; i-- > 0;) out.push_back("0123456789abcdef"[(value >> (4 * i)) & 15U]);
}

bool read_hex(std::string_view text, std::uint64_t& value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc{} && end == text.data() + text.size();
}

char letter(std::uint64_t sequence, std::size_t place) noexcept {
  return static_cast<char>('a' + (sequence * 7 + place) % 26);
}

}  // namespace

void append_frame(std::string& out, int opcode, std::string_view payload) {
  out.push_back(static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(0x80U | payload.size()));
  } else if (payload.size() <= 0xFFFF) {
    out.push_back(static_cast<char>(0x80 | 126));
    out.push_back(static_cast<char>(payload.size() >> 8));
    out.push_back(static_cast<char>(payload.size() & 0xFF));
  } else {
    out.push_back(static_cast<char>(0x80 | 127));
    for (int shift = 56; shift >= 0; shift -= 8)
      out.push_back(static_cast<char>((payload.size() >> shift) & 0xFF));
  }
  out.append(kMask.data(), kMask.size());
  const std::size_t start = out.size();
  out.append(payload);
  for (std::size_t i = 0; i < payload.size(); ++i)
    out[start + i] = static_cast<char>(out[start + i] ^ kMask[i % 4]);
}

ServerFrame next_frame(std::string_view in, std::size_t& at) noexcept {
  constexpr std::uint64_t kMaxBytes = 1U << 24;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(in[at + i]); };
  const std::size_t have = in.size() - at;
  if (have < 2) return {};
  if ((byte(0) & 0xF0U) != 0x80U || (byte(1) & 0x80U) != 0) return {-1, {}};
  std::uint64_t size = byte(1);
  const std::size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (have < 2 + extra) return {};
  if (extra != 0) size = 0;
  for (std::size_t i = 0; i < extra; ++i) size = (size << 8) | byte(2 + i);
  if (size > kMaxBytes) return {-1, {}};
  if (have < 2 + extra + size) return {};
  const ServerFrame out{byte(0) & 15, in.substr(at + 2 + extra, static_cast<std::size_t>(size))};
  at += 2 + extra + static_cast<std::size_t>(size);
  return out.opcode == 0 ? ServerFrame{-1, {}} : out;
}

std::string make_text(std::size_t bytes, std::size_t from, std::uint64_t sequence, std::uint64_t time_ns) {
  std::string out;
  out.reserve(bytes);
  append_hex(out, from, 8);
  append_hex(out, sequence, 16);
  append_hex(out, time_ns, 16);
  for (std::size_t i = kTextHeadBytes; i < bytes; ++i) out.push_back(letter(sequence, i));
  return out;
}

bool check_text(std::string_view text, std::size_t bytes, std::size_t from, Order& order, Totals& totals,
                std::uint64_t& time_ns) noexcept {
  std::uint64_t sender = 0, sequence = 0;
  bool whole = text.size() == bytes && text.size() >= kTextHeadBytes && read_hex(text.substr(0, 8), sender) &&
               read_hex(text.substr(8, 16), sequence) && read_hex(text.substr(24, 16), time_ns);
  for (std::size_t i = kTextHeadBytes; whole && i < bytes; ++i) whole = text[i] == letter(sequence, i);
  if (!whole) {
    ++totals.corrupt;
    return false;
  }
  if (sender != from) {
    ++totals.wrong_source;
    return false;
  }
  switch (order.arrive(sequence)) {
    case Order::Arrival::Again: ++totals.duplicate; return false;
    case Order::Arrival::Late: ++totals.reordered; return false;
    case Order::Arrival::InOrder: break;
  }
  ++totals.received;
  return true;
}

}  // namespace ts::load
