// SPDX-License-Identifier: Apache-2.0
#include "ip_ranges.hpp"

#include <algorithm>
#include <array>

namespace ts::config {
namespace {

/// An address's bytes, to count with.
class Number {
 public:
  explicit Number(const IpAddress& address) : bytes_(address.bytes().size()) {
    std::copy(address.bytes().begin(), address.bytes().end(), bytes_.begin());
  }

  IpAddress address() const { return IpAddress::from_bytes(bytes_); }
  int bits() const noexcept { return static_cast<int>(bytes_.size() * 8); }

  /// False: there is none above (below).
  bool next() {
    for (std::size_t i = bytes_.size(); i-- > 0;) {
      bytes_[i] = static_cast<std::uint8_t>(bytes_[i] + 1);
      if (bytes_[i] != 0) return true;
    }
    return false;
  }
  bool previous() {
    for (std::size_t i = bytes_.size(); i-- > 0;) {
      bytes_[i] = static_cast<std::uint8_t>(bytes_[i] - 1);
      if (bytes_[i] != 0xFF) return true;
    }
    return false;
  }

  /// Bit 0 is the most significant one.
  bool bit(int index) const noexcept { return (bytes_[byte_of(index)] & mask_of(index)) != 0; }
  void set_from(int index) {
    for (int i = index; i < bits(); ++i) {
      bytes_[byte_of(i)] = static_cast<std::uint8_t>(bytes_[byte_of(i)] | mask_of(i));
    }
  }

  friend bool operator<=(const Number& a, const Number& b) noexcept { return a.bytes_ <= b.bytes_; }

 private:
  static std::size_t byte_of(int index) noexcept { return static_cast<std::size_t>(index) / 8; }
  static unsigned mask_of(int index) noexcept { return 0x80U >> (static_cast<unsigned>(index) % 8); }

  std::vector<std::uint8_t> bytes_;
};

/// The last address of the network that begins at `first`.
Number end_of(Number first, int prefix) {
  first.set_from(prefix);
  return first;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<IpRange> IpRange::parse(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    const auto network = IpNetwork::parse(trimmed(text));
    if (!network) return std::nullopt;
    const Number first(network->address);
    return IpRange{network->address, end_of(first, network->prefix_bits).address()};
  }
  const auto first = IpAddress::parse(trimmed(text.substr(0, dash)));
  const auto last = IpAddress::parse(trimmed(text.substr(dash + 1)));
  if (!first || !last || first->family() != last->family() || !(Number(*first) <= Number(*last)))
    return std::nullopt;
  return IpRange{*first, *last};
}

std::vector<IpRange> without(const IpRange& range, const std::vector<IpRange>& holes) {
  std::vector<IpRange> sorted;
  for (const IpRange& hole : holes) {
    const bool apart = hole.first.family() != range.first.family() ||
                       !(Number(hole.first) <= Number(range.last)) ||
                       !(Number(range.first) <= Number(hole.last));
    if (!apart) sorted.push_back(hole);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const IpRange& a, const IpRange& b) { return a.first < b.first; });
  std::vector<IpRange> out;
  Number at(range.first);
  for (const IpRange& hole : sorted) {
    Number before(hole.first);
    if (before.previous() && at <= before) out.push_back({at.address(), before.address()});
    Number after(hole.last);
    if (!after.next()) return out;
    if (at <= after) at = after;
  }
  if (at <= Number(range.last)) out.push_back({at.address(), range.last});
  return out;
}

std::vector<IpNetwork> networks_of(const IpRange& range) {
  std::vector<IpNetwork> out;
  Number at(range.first);
  const Number last(range.last);
  while (at <= last) {
    int prefix = at.bits();
    while (prefix > 0 && !at.bit(prefix - 1) && end_of(at, prefix - 1) <= last) --prefix;
    out.push_back({at.address(), static_cast<std::uint8_t>(prefix)});
    at = end_of(at, prefix);
    if (!at.next()) break;
  }
  return out;
}

}  // namespace ts::config
