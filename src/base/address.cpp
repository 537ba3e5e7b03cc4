// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>

namespace ts {
namespace {

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max, int base = 10) noexcept {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || error != std::errc{} || stop != end || value > max) return std::nullopt;
  return value;
}

bool parse_v4(std::string_view text, std::uint8_t* out) noexcept {
  for (int i = 0; i < 4; ++i) {
    const std::size_t dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos || dot > 3) return false;
    const std::string_view part = text.substr(0, dot);
    const auto value = parse_number(part, 255);
    if (!value || (part.size() > 1 && part[0] == '0')) return false;
    out[i] = static_cast<std::uint8_t>(*value);
    text.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return true;
}

/// Parses colon-separated groups (the last may be a dotted quad) into `out`; the count of bytes, or -1.
int parse_groups(std::string_view text, std::uint8_t* out) noexcept {
  int count = 0;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    if (part.find('.') != std::string_view::npos) {
      if (colon != std::string_view::npos || count > 12 || !parse_v4(part, out + count)) return -1;
      return count + 4;
    }
    const auto value = parse_number(part, 0xFFFF, 16);
    if (!value || part.size() > 4 || count > 14) return -1;
    store_be16(out + count, static_cast<std::uint16_t>(*value));
    count += 2;
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return -1;
  }
  return count;
}

bool parse_v6(std::string_view text, std::array<std::uint8_t, 16>& out) noexcept {
  const std::size_t gap = text.find("::");
  std::array<std::uint8_t, 16> head{};
  std::array<std::uint8_t, 16> tail{};
  const int head_bytes = parse_groups(text.substr(0, gap), head.data());
  if (gap == std::string_view::npos) {
    out = head;
    return head_bytes == 16;
  }
  const std::string_view rest = text.substr(gap + 2);
  const int tail_bytes = parse_groups(rest, tail.data());
  if (head_bytes < 0 || tail_bytes < 0 || head_bytes + tail_bytes > 14 || rest.find("::") != rest.npos)
    return false;
  if (text.substr(0, gap).find('.') != std::string_view::npos) return false;
  out = head;
  std::memcpy(out.data() + 16 - tail_bytes, tail.data(), static_cast<std::size_t>(tail_bytes));
  return true;
}

}  // namespace

IpAddress IpAddress::from_bytes(ByteView bytes) noexcept {
  IpAddress out;
  if (bytes.size() != 4 && bytes.size() != 16) return out;
  std::memcpy(out.bytes_.data(), bytes.data(), bytes.size());
  out.family_ = bytes.size() == 4 ? IpFamily::V4 : IpFamily::V6;
  return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  IpAddress out;
  if (text.find(':') != std::string_view::npos) {
    out.family_ = IpFamily::V6;
    if (!parse_v6(text, out.bytes_)) return std::nullopt;
    return out;
  }
  if (!parse_v4(text, out.bytes_.data())) return std::nullopt;
  return out;
}

bool IpAddress::is_loopback() const noexcept {
  static constexpr std::array<std::uint8_t, 16> kLoopback6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return is_v4() ? bytes_[0] == 127 : bytes_ == kLoopback6;
}

IpAddress IpAddress::unmapped() const noexcept {
  static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (is_v4() || std::memcmp(bytes_.data(), kMapped.data(), kMapped.size()) != 0) return *this;
  return from_bytes(bytes().last(4));
}

std::string IpAddress::to_string() const {
  if (is_v4()) {
    return std::to_string(bytes_[0]) + '.' + std::to_string(bytes_[1]) + '.' + std::to_string(bytes_[2]) +
           '.' + std::to_string(bytes_[3]);
  }
  if (const IpAddress inner = unmapped(); inner.is_v4()) return "::ffff:" + inner.to_string();
  // RFC 5952 §4.2: the longest run of two or more zero groups, the first of equals, becomes "::".
  int best = -1;
  int best_count = 1;
  for (int i = 0; i < 8; ++i) {
    int count = 0;
    while (i + count < 8 && load_be16(bytes_.data() + 2 * (i + count)) == 0) ++count;
    if (count > best_count) best = i, best_count = count;
  }
  std::string out;
  for (int i = 0; i < 8; ++i) {
    if (i == best) {
      out += "::";
      i += best_count - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    char text[5];
    const auto end = std::to_chars(text, text + sizeof text, load_be16(bytes_.data() + 2 * i), 16).ptr;
    out.append(text, end);
  }
  return out;
}

std::uint64_t IpAddress::hash(std::uint64_t seed) const noexcept {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, bytes_.data(), 8);
  std::memcpy(&low, bytes_.data() + 8, 8);
  // One mix a half: in a sum of both, two addresses could cancel each other out whatever the seed is.
  return mix64(mix64(high, seed), low + static_cast<std::uint8_t>(family_));
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) noexcept {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto port = parse_number(text.substr(colon + 1), 0xFFFF);
  const auto address = IpAddress::parse(host);
  if (!port || !address || address->is_v6() != bracketed) return std::nullopt;
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v6() ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const std::uint32_t whole = address->is_v4() ? 32 : 128;
  IpNetwork out{*address, static_cast<std::uint8_t>(whole)};
  if (slash != std::string_view::npos) {
    const auto bits = parse_number(text.substr(slash + 1), whole);
    if (!bits) return std::nullopt;
    out.prefix_bits = static_cast<std::uint8_t>(*bits);
  }
  for (std::uint32_t bit = out.prefix_bits; bit < whole; ++bit) {
    if ((address->bytes()[bit / 8] & (0x80U >> (bit % 8))) != 0) return std::nullopt;
  }
  return out;
}

bool IpNetwork::contains(const IpAddress& candidate) const noexcept {
  if (candidate.family() != address.family()) return false;
  const ByteView net = address.bytes();
  const ByteView ip = candidate.bytes();
  const std::size_t whole = prefix_bits / 8;
  if (std::memcmp(net.data(), ip.data(), whole) != 0) return false;
  const unsigned rest = prefix_bits % 8U;
  return rest == 0 || ((net[whole] ^ ip[whole]) >> (8U - rest)) == 0;
}

std::string IpNetwork::to_string() const { return address.to_string() + '/' + std::to_string(prefix_bits); }

}  // namespace ts
