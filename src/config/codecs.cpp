// SPDX-License-Identifier: Apache-2.0
#include "codecs.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <turnstone/base/http_url.hpp>
#include <turnstone/base/origin.hpp>
#include <turnstone/base/redis_url.hpp>
#include <turnstone/config/load.hpp>

namespace ts::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array kDurationUnits{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                                    Unit{"s", 1000}, Unit{"ms", 1}};
constexpr std::array kShortTimeUnits{Unit{"s", 1'000'000}, Unit{"ms", 1000}, Unit{"us", 1}};
constexpr std::array kSizeUnits{Unit{"GiB", 1U << 30}, Unit{"MiB", 1U << 20}, Unit{"KiB", 1U << 10},
                                Unit{"B", 1}, Unit{"", 1}};
constexpr std::array kRateUnits{Unit{"Gbit", 1'000'000'000}, Unit{"Mbit", 1'000'000}, Unit{"kbit", 1000},
                                Unit{"bit", 1}, Unit{"", 1}};
constexpr std::array<std::string_view, 4> kOffloadModes{"off", "auto", "tc", "xdp"};
constexpr std::array<std::string_view, 3> kAddressSources{"node", "metadata", "stun"};
constexpr std::array<std::string_view, 3> kEngines{"auto", "epoll", "io_uring"};
constexpr std::array<std::string_view, 6> kLevels{"trace", "debug", "info", "warn", "error", "off"};

/// The enumerator whose number is that of the text among `names`.
template <class Enum, std::size_t N>
std::optional<Enum> enumerator(std::string_view text, const std::array<std::string_view, N>& names) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

template <std::size_t N>
std::optional<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, N>& units) {
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view suffix = text.substr(static_cast<std::size_t>(stop - text.data()));
  for (const Unit& unit : units) {
    if (suffix != unit.name) continue;
    if (number > std::numeric_limits<std::uint64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string print_with_unit(std::uint64_t value, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0)
      return std::to_string(value / unit.factor) + std::string(unit.name);
  }
  return {};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool in(const Range& range, std::uint64_t value) { return value >= range.low && value <= range.high; }

/// Bytes of the UTF-8 sequence at the start of `text`, its code point in `out`; 0 when it is not valid.
std::size_t decode_utf8(std::string_view text, std::uint32_t& out) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t first = byte(0);
  const std::size_t size = first < 0x80 ? 1U : first >= 0xF0 ? 4U : first >= 0xE0 ? 3U : 2U;
  if (size > text.size() || (first >= 0x80 && first < 0xC2) || first > 0xF4) return 0;
  static constexpr std::array<std::uint32_t, 5> kMask{0, 0x7F, 0x1F, 0x0F, 0x07};
  static constexpr std::array<std::uint32_t, 5> kLowest{0, 0, 0x80, 0x800, 0x10000};
  out = first & kMask[size];
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
    out = (out << 6U) | (byte(i) & 0x3FU);
  }
  const bool surrogate = out >= 0xD800 && out <= 0xDFFF;
  return out < kLowest[size] || out > 0x10FFFF || surrogate ? 0 : size;
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_duration(std::string_view text) {
  return parse_with_unit(text, kDurationUnits);
}

std::optional<std::chrono::milliseconds> duration_from(std::string_view text) {
  constexpr std::uint64_t kLongest = 366ULL * 86'400'000;
  const auto value = parse_duration(text);
  if (!value || *value > kLongest) return std::nullopt;
  return std::chrono::milliseconds(*value);
}

std::string print_duration(std::uint64_t milliseconds) {
  const std::string out = print_with_unit(milliseconds, kDurationUnits);
  return out.empty() ? "0s" : out;
}

std::optional<std::uint64_t> parse_size(std::string_view text) { return parse_with_unit(text, kSizeUnits); }

std::string print_size(std::uint64_t bytes) {
  const std::string out = print_with_unit(bytes, kSizeUnits);
  return out.empty() ? "0B" : out;
}

bool is_clean_text(std::string_view text) {
  while (!text.empty()) {
    std::uint32_t code = 0;
    const std::size_t size = decode_utf8(text, code);
    if (size == 0 || code < 0x20 || (code >= 0x7F && code < 0xA0)) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::optional<bool> BoolCodec::parse(std::string_view text, const Range&) {
  const std::string word = lower(text);
  if (word == "true" || word == "yes" || word == "on" || word == "1") return true;
  if (word == "false" || word == "no" || word == "off" || word == "0") return false;
  return std::nullopt;
}

std::string CountCodec::unit(const Range& range) {
  return std::to_string(range.low) + " to " + std::to_string(range.high);
}
std::string CountCodec::expected(const Range& range) { return "a number from " + unit(range); }
std::optional<std::uint32_t> CountCodec::parse(std::string_view text, const Range& range) {
  const auto value = parse_count(text);
  if (!value || !in(range, *value)) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

std::optional<std::uint16_t> PortCodec::parse(std::string_view text, const Range&) {
  const auto value = parse_count(text);
  if (!value || *value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

std::string SizeCodec::unit(const Range& range) {
  return print_size(range.low) + " to " + print_size(range.high);
}
std::string SizeCodec::expected(const Range& range) {
  return "a size from " + unit(range) + ", such as 64KiB or 4MiB";
}
std::optional<std::uint32_t> SizeCodec::parse(std::string_view text, const Range& range) {
  const auto value = parse_size(text);
  if (!value || !in(range, *value)) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

std::string BitRateCodec::print(Value value) {
  const std::string out = print_with_unit(value, kRateUnits);
  return out.empty() ? "0" : out;
}
std::string BitRateCodec::unit(const Range& range) { return print(range.low) + " to " + print(range.high); }
std::string BitRateCodec::expected(const Range& range) {
  return "bits per second from " + unit(range) + ", such as 512kbit or 10Mbit";
}
std::optional<std::uint64_t> BitRateCodec::parse(std::string_view text, const Range& range) {
  const auto value = parse_with_unit(text, kRateUnits);
  return value && in(range, *value) ? value : std::nullopt;
}

std::string duration_unit(const Range& range) {
  return print_duration(range.low) + " to " + print_duration(range.high);
}
std::optional<MicrosecondsCodec::Value> MicrosecondsCodec::parse(std::string_view text, const Range& range) {
  const auto count = parse_with_unit(text, kShortTimeUnits);
  if (!count || *count < range.low || *count > range.high) return std::nullopt;
  return std::chrono::microseconds(*count);
}
std::string MicrosecondsCodec::print(Value value) {
  const std::string out = print_with_unit(static_cast<std::uint64_t>(value.count()), kShortTimeUnits);
  return out.empty() ? "0us" : out;
}
std::string MicrosecondsCodec::unit(const Range& range) {
  return print(Value(range.low)) + " to " + print(Value(range.high));
}
std::string MicrosecondsCodec::expected(const Range& range) {
  return "a time from " + unit(range) + ", such as 100us";
}

std::string expected_duration(const Range& range, bool whole_seconds) {
  return std::string("a duration from ") + duration_unit(range) +
         (whole_seconds ? " in whole seconds, such as 10s, 5m or 1h" : ", such as 250ms, 10s or 5m");
}

std::string TextCodec::unit(const Range& range) {
  return std::to_string(range.low) + " to " + std::to_string(range.high) + " bytes";
}
std::string TextCodec::expected(const Range& range) {
  return "text of " + unit(range) + " without control characters";
}
std::optional<std::string> TextCodec::parse(std::string_view text, const Range& range) {
  if (!in(range, text.size()) || !is_clean_text(text)) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> RealmCodec::parse(std::string_view text, const Range& range) {
  if (text.find_first_of("\"\\") != std::string_view::npos) return std::nullopt;
  return TextCodec::parse(text, range);
}

std::optional<std::string> DomainCodec::parse(std::string_view text, const Range& range) {
  const auto is_domain_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  if (!std::all_of(text.begin(), text.end(), is_domain_char)) return std::nullopt;
  if (text.starts_with('.') || text.find("..") != std::string_view::npos) return std::nullopt;
  return TextCodec::parse(text, range);
}

std::optional<std::string> IceUrlCodec::parse(std::string_view text, const Range& range) {
  for (const std::string_view scheme : {"stun:", "stuns:", "turn:", "turns:"}) {
    const bool host_follows = text.size() > scheme.size() && text[scheme.size()] != '/';
    if (text.starts_with(scheme) && host_follows && text.find(' ') == std::string_view::npos) {
      return TextCodec::parse(text, range);
    }
  }
  return std::nullopt;
}

std::optional<std::string> HttpUrlCodec::parse(std::string_view text, const Range&) {
  if (!text.empty() && !HttpUrl::parse(text)) return std::nullopt;
  return std::string(text);
}

std::optional<turn::RelayAddress> RelayAddressCodec::parse(std::string_view text, const Range&) {
  const std::size_t slash = text.find('/');
  const auto advertised = IpAddress::parse(text.substr(0, slash));
  const auto local = slash == std::string_view::npos ? advertised : IpAddress::parse(text.substr(slash + 1));
  if (!advertised || !local || advertised->family() != local->family()) return std::nullopt;
  return turn::RelayAddress{*advertised, *local};
}

std::string RelayAddressCodec::print(const Value& value) {
  const std::string advertised = value.advertised.to_string();
  return value.advertised == value.local ? advertised : advertised + '/' + value.local.to_string();
}

std::optional<turn::PortRange> PortRangeCodec::parse(std::string_view text, const Range&) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto low = parse_count(text.substr(0, dash));
  const auto high = parse_count(text.substr(dash + 1));
  if (!low || !high || *low == 0 || *low > *high || *high > 65535) return std::nullopt;
  return turn::PortRange{static_cast<std::uint16_t>(*low), static_cast<std::uint16_t>(*high)};
}

std::string PortRangeCodec::print(const Value& value) {
  return std::to_string(value.low) + '-' + std::to_string(value.high);
}

std::optional<auth::StaticUser> UserCodec::parse(std::string_view text, const Range&) {
  const std::size_t colon = text.find(':');
  // RFC 8489 §14.3: a username has fewer than 509 bytes.
  if (colon == std::string_view::npos || colon == 0 || colon > 508 || !is_clean_text(text))
    return std::nullopt;
  const std::string_view password = text.substr(colon + 1);
  if (password.empty() || password.size() > 1024) return std::nullopt;
  return auth::StaticUser{std::string(text.substr(0, colon)), std::string(password)};
}

std::optional<std::string> OriginCodec::parse(std::string_view text, const Range&) {
  const auto origin = ts::Origin::parse(text);
  return origin ? std::optional(std::string(origin->text())) : std::nullopt;
}

std::optional<auth::RealmListener> ListenerCodec::parse(std::string_view text, const Range&) {
  if (const auto endpoint = Endpoint::parse(text)) {
    if (endpoint->port == 0 || endpoint->address.is_unspecified()) return std::nullopt;
    return auth::RealmListener{endpoint->address, endpoint->port};
  }
  const auto port = parse_count(text);
  if (!port || *port == 0 || *port > 65535) return std::nullopt;
  return auth::RealmListener{std::nullopt, static_cast<std::uint16_t>(*port)};
}

std::string ListenerCodec::print(const Value& value) {
  return value.address ? Endpoint{*value.address, value.port}.to_string() : std::to_string(value.port);
}

std::optional<LogLevel> LogLevelCodec::parse(std::string_view text, const Range&) {
  return enumerator<LogLevel>(text, kLevels);
}
std::string LogLevelCodec::print(Value value) {
  return std::string(kLevels[static_cast<std::size_t>(value)]);
}

std::optional<net::UdpEngineKind> UdpEngineCodec::parse(std::string_view text, const Range&) {
  return enumerator<net::UdpEngineKind>(text, kEngines);
}
std::string UdpEngineCodec::print(Value value) {
  return std::string(kEngines[static_cast<std::size_t>(value)]);
}

std::optional<std::string> MountPathCodec::parse(std::string_view text, const Range& range) {
  // What a path may hold as it is (RFC 3986 §3.3), and nothing that would need to be decoded.
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/-._~").find(c) != std::string_view::npos;
  };
  const bool fits =
      text.size() >= 2 && text.size() <= range.high && text.front() == '/' && text.back() == '/';
  if (!fits || !std::all_of(text.begin(), text.end(), is_plain)) return std::nullopt;
  return std::string(text);
}

std::optional<dialect::Recovery> RecoveryCodec::parse(std::string_view text, const Range&) {
  for (const auto value : {dialect::Recovery::Off, dialect::Recovery::Asked, dialect::Recovery::All}) {
    if (text == print(value)) return value;
  }
  return std::nullopt;
}
std::string RecoveryCodec::print(Value value) {
  switch (value) {
    case dialect::Recovery::Off: return "off";
    case dialect::Recovery::Asked: return "asked";
    case dialect::Recovery::All: break;
  }
  return "all";
}

std::optional<signal::Backplane> BackplaneCodec::parse(std::string_view text, const Range&) {
  if (text == "memory") return signal::Backplane::Memory;
  if (text == "redis") return signal::Backplane::Redis;
  return std::nullopt;
}

std::optional<std::string> RedisUrlCodec::parse(std::string_view text, const Range&) {
  if (!RedisUrl::parse(text)) return std::nullopt;
  return std::string(text);
}

std::optional<LogFormat> LogFormatCodec::parse(std::string_view text, const Range&) {
  if (text == "text") return LogFormat::Text;
  if (text == "json") return LogFormat::Json;
  return std::nullopt;
}

std::optional<AddressSource> AddressSourceCodec::parse(std::string_view text, const Range&) {
  return enumerator<AddressSource>(text, kAddressSources);
}
std::string AddressSourceCodec::print(Value value) {
  return std::string(kAddressSources[static_cast<std::size_t>(value)]);
}

std::optional<offload::Mode> OffloadCodec::parse(std::string_view text, const Range&) {
  return enumerator<offload::Mode>(text, kOffloadModes);
}
std::string OffloadCodec::print(Value value) {
  return std::string(kOffloadModes[static_cast<std::size_t>(value)]);
}

}  // namespace ts::config
