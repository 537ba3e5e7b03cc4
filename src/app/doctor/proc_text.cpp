// SPDX-License-Identifier: Apache-2.0
#include "proc_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

#include "../probe/text.hpp"

namespace ts::app::doctor {
namespace {

/// The next word, and `text` behind it; empty: there is none.
std::string_view word(std::string_view& text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return text = {};
  const std::size_t end = std::min(text.find_first_of(" \t", begin), text.size());
  const std::string_view out = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return out;
}

template <class T>
std::optional<T> parse(std::string_view text, int base = 10) {
  T out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return out;
}

/// Hexadecimal words of 32 bits, each in the order of this host.
std::optional<IpAddress> kernel_address(std::string_view text) {
  if (text.size() != 8 && text.size() != 32) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t at = 0; at < text.size(); at += 8) {
    const auto value = parse<std::uint32_t>(text.substr(at, 8), 16);
    if (!value) return std::nullopt;
    std::memcpy(bytes.data() + at / 2, &*value, sizeof *value);
  }
  return IpAddress::from_bytes(ByteView(bytes.data(), text.size() / 2));
}

/// The line that begins so, without its beginning.
std::string_view line_of(std::string_view text, std::string_view beginning) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(beginning)) return line.substr(beginning.size());
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return {};
}

}  // namespace

std::optional<SocketLine> socket_line(std::string_view line) {
  std::array<std::string_view, 10> words;
  for (std::string_view& each : words) each = word(line);
  const std::size_t colon = words[1].find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto address = kernel_address(words[1].substr(0, colon));
  const auto port = parse<std::uint16_t>(words[1].substr(colon + 1), 16);
  const auto state = parse<unsigned>(words[3], 16);
  const auto inode = parse<std::uint64_t>(words[9]);
  if (!address || !port || !state || !inode) return std::nullopt;
  return SocketLine{{*address, *port}, *state, *inode};
}

std::optional<turn::PortRange> port_range(std::string_view text) {
  text = probe::trimmed(text);
  const auto low = parse<std::uint16_t>(word(text));
  const auto high = parse<std::uint16_t>(word(text));
  if (!low || !high) return std::nullopt;
  return turn::PortRange{*low, *high};
}

std::vector<turn::PortRange> port_ranges(std::string_view text) {
  std::vector<turn::PortRange> out;
  text = probe::trimmed(text);
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    const std::size_t dash = item.find('-');
    const auto low = parse<std::uint16_t>(item.substr(0, dash));
    const auto high = dash == std::string_view::npos ? low : parse<std::uint16_t>(item.substr(dash + 1));
    if (low && high) out.push_back({*low, *high});
    text.remove_prefix(std::min(item.size() + 1, text.size()));
  }
  return out;
}

std::optional<std::uint64_t> number(std::string_view text) {
  return parse<std::uint64_t>(probe::trimmed(text));
}

std::optional<std::uint64_t> effective_capabilities(std::string_view status) {
  return parse<std::uint64_t>(probe::trimmed(line_of(status, "CapEff:")), 16);
}

std::optional<std::uint64_t> descriptor_limit(std::string_view limits) {
  std::string_view line = line_of(limits, "Max open files");
  word(line);
  const std::string_view hard = word(line);
  if (hard == "unlimited") return std::numeric_limits<std::uint64_t>::max();
  return parse<std::uint64_t>(hard);
}

std::string_view version_in(std::string_view metrics) {
  constexpr std::string_view kLabel = "version=\"";
  const std::string_view labels = line_of(metrics, "turnstone_build_info{");
  const std::size_t begin = labels.find(kLabel);
  if (begin == std::string_view::npos) return {};
  const std::string_view rest = labels.substr(begin + kLabel.size());
  const std::size_t end = rest.find('"');
  return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
}

}  // namespace ts::app::doctor
