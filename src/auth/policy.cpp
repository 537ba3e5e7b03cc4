// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include <turnstone/auth/policy.hpp>
#include <turnstone/base/hex.hpp>

namespace ts::auth {
namespace {

bool contains(const std::vector<IpNetwork>& networks, const IpAddress& address) noexcept {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const IpNetwork& network) { return network.contains(address); });
}

/// The part before the first `separator`, which is taken off `rest`; all of it when there is none.
std::string_view cut(std::optional<std::string_view>& rest, char separator) noexcept {
  const std::string_view whole = *rest;
  const std::size_t at = whole.find(separator);
  if (at == std::string_view::npos) {
    rest.reset();
  } else {
    rest = whole.substr(at + 1);
  }
  return whole.substr(0, at);
}

bool read_name(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '=') return false;
    if (c == '%') {
      if (text.size() - i < 3) return false;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    out.push_back(c);
  }
  return !out.empty() && out.size() <= kMaxPolicyNameBytes;
}

template <class Number>
bool read_number(std::string_view text, Number most, Number& out) noexcept {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  // 0 would read as no limit.
  return !text.empty() && error == std::errc{} && stop == end && out != 0 && out <= most;
}

bool read_networks(std::string_view text, std::vector<IpNetwork>& out) {
  std::optional<std::string_view> rest = text;
  while (rest) {
    const auto network = IpNetwork::parse(cut(rest, '+'));
    if (!network) return false;
    out.push_back(*network);
  }
  return true;
}

constexpr std::array<std::string_view, 8> kKeys{"room", "member",      "peers", "bps",
                                                "pps",  "allocations", "ip",    "closed"};

bool read_value(std::size_t key, std::string_view value, Policy& out) {
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  switch (key) {
    case 0: return read_name(value, out.room);
    case 1: return read_name(value, out.member);
    case 2: return read_networks(value, out.peers);
    case 3: return read_number(value, kMaxPolicyBitsPerSecond, out.max_bits_per_second);
    case 4: return read_number(value, kMost, out.max_packets_per_second);
    case 5: return read_number(value, kMost, out.max_allocations);
    case 6: return read_networks(value, out.clients);
    case 7: return out.closed = value == "1";
    default: return false;
  }
}

std::string encoded(std::string_view name) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("-._~:@").find(c) != std::string_view::npos;
    if (plain) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 0xF]);
  }
  return out;
}

std::string joined(const std::vector<IpNetwork>& networks) {
  std::string out;
  for (const IpNetwork& network : networks) {
    if (!out.empty()) out.push_back('+');
    out += network.to_string();
  }
  return out;
}

std::string number(std::uint64_t value) { return value == 0 ? std::string() : std::to_string(value); }

}  // namespace

bool Policy::admits_client(const IpAddress& address) const noexcept {
  return clients.empty() || contains(clients, address.unmapped());
}

bool Policy::admits_peer(const IpAddress& address) const noexcept {
  return peers.empty() || contains(peers, address);
}

SplitUsername split_username(std::string_view username) noexcept {
  const std::size_t at = username.find(kPolicyMarker);
  if (at == std::string_view::npos) return {username, std::nullopt};
  return {username.substr(0, at), username.substr(at + kPolicyMarker.size())};
}

std::optional<Policy> parse_policy(std::string_view text) {
  Policy out;
  std::array<bool, kKeys.size()> seen{};
  std::optional<std::string_view> rest = text;
  while (rest) {
    const std::string_view pair = cut(rest, ';');
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto known = std::find(kKeys.begin(), kKeys.end(), pair.substr(0, equals));
    const auto key = static_cast<std::size_t>(known - kKeys.begin());
    if (known == kKeys.end() || std::exchange(seen[key], true)) return std::nullopt;
    if (!read_value(key, pair.substr(equals + 1), out)) return std::nullopt;
  }
  return out;
}

std::string format_policy(const Policy& policy) {
  const std::array<std::string, kKeys.size()> values{encoded(policy.room),
                                                     encoded(policy.member),
                                                     joined(policy.peers),
                                                     number(policy.max_bits_per_second),
                                                     number(policy.max_packets_per_second),
                                                     number(policy.max_allocations),
                                                     joined(policy.clients),
                                                     policy.closed ? "1" : std::string()};
  std::string out;
  for (std::size_t key = 0; key < kKeys.size(); ++key) {
    if (values[key].empty()) continue;
    out.append(out.empty() ? kPolicyMarker : std::string_view(";"));
    out.append(kKeys[key]).append("=").append(values[key]);
  }
  return out;
}

}  // namespace ts::auth
