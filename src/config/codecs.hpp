// SPDX-License-Identifier: Apache-2.0
// Text ↔ value for each type of key. A codec's expected() completes "expected …".
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/config/config.hpp>

namespace ts::config {

/// Inclusive bounds in the type's base unit (milliseconds, bytes, characters, one).
struct Range {
  std::uint64_t low = 0;
  std::uint64_t high = std::numeric_limits<std::uint64_t>::max();
};

/// How a value appears in JSON and YAML. Strings are quoted, the rest is plain.
enum class Form : std::uint8_t { Boolean, Integer, Plain, Quoted };

std::optional<std::uint64_t> parse_count(std::string_view text);
/// "250ms", "10s", "5m", "1h", "1d" in milliseconds.
std::optional<std::uint64_t> parse_duration(std::string_view text);
std::string print_duration(std::uint64_t milliseconds);
/// "512", "512B", "64KiB", "4MiB", "1GiB" in bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string print_size(std::uint64_t bytes);
/// Valid UTF-8 without control characters.
bool is_clean_text(std::string_view text);

struct BoolCodec {
  using Value = bool;
  static constexpr Form kForm = Form::Boolean;
  static constexpr std::string_view kType = "boolean";
  static std::string expected(const Range&) { return "true or false"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(Value value) { return value ? "true" : "false"; }
  static std::string unit(const Range&) { return {}; }
};

struct CountCodec {
  using Value = std::uint32_t;
  static constexpr Form kForm = Form::Integer;
  static constexpr std::string_view kType = "number";
  static std::string expected(const Range& range);
  static std::optional<Value> parse(std::string_view text, const Range& range);
  static std::string print(Value value) { return std::to_string(value); }
  static std::string unit(const Range& range);
};

struct PortCodec {
  using Value = std::uint16_t;
  static constexpr Form kForm = Form::Integer;
  static constexpr std::string_view kType = "port";
  static std::string expected(const Range&) { return "a port (0 to 65535; 0 lets the kernel choose)"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(Value value) { return std::to_string(value); }
  static std::string unit(const Range&) { return "0 to 65535"; }
};

struct SizeCodec {
  using Value = std::uint32_t;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "size";
  static std::string expected(const Range& range);
  static std::optional<Value> parse(std::string_view text, const Range& range);
  static std::string print(Value value) { return print_size(value); }
  static std::string unit(const Range& range);
};

/// Bits per second: "64kbit", "10Mbit", "1Gbit", or a plain number of bits.
struct BitRateCodec {
  using Value = std::uint64_t;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "bit rate";
  static std::string expected(const Range& range);
  static std::optional<Value> parse(std::string_view text, const Range& range);
  static std::string print(Value value);
  static std::string unit(const Range& range);
};

std::string expected_duration(const Range& range, bool whole_seconds);
std::string duration_unit(const Range& range);

/// `Chrono` is std::chrono::milliseconds or std::chrono::seconds.
template <class Chrono>
struct DurationCodec {
  using Value = Chrono;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "duration";
  static constexpr bool kWholeSeconds = std::same_as<Chrono, std::chrono::seconds>;
  static std::string expected(const Range& range) { return expected_duration(range, kWholeSeconds); }
  static std::optional<Value> parse(std::string_view text, const Range& range) {
    const auto count = parse_duration(text);
    if (!count || *count < range.low || *count > range.high) return std::nullopt;
    if (kWholeSeconds && *count % 1000 != 0) return std::nullopt;
    return std::chrono::duration_cast<Chrono>(std::chrono::milliseconds(*count));
  }
  static std::string print(Value value) {
    return print_duration(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(value).count()));
  }
  static std::string unit(const Range& range) { return duration_unit(range); }
};
using SecondsCodec = DurationCodec<std::chrono::seconds>;
using MillisecondsCodec = DurationCodec<std::chrono::milliseconds>;

/// A duration, or a plain number of seconds.
struct PlainSecondsCodec : SecondsCodec {
  static constexpr std::string_view kType = "duration or seconds";
  static std::string expected(const Range& range) {
    return expected_duration(range, true) + ", or a number of seconds";
  }
  static std::optional<Value> parse(std::string_view text, const Range& range) {
    const bool plain = parse_count(text).has_value();
    return SecondsCodec::parse(plain ? std::string(text) + 's' : std::string(text), range);
  }
};

/// A short time: microseconds, as in "100us", "1ms" or "0us".
struct MicrosecondsCodec {
  using Value = std::chrono::microseconds;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "short duration";
  static std::string expected(const Range& range);
  static std::optional<Value> parse(std::string_view text, const Range& range);
  static std::string print(Value value);
  static std::string unit(const Range& range);
};

/// Any text whose length in bytes is in range.
struct TextCodec {
  using Value = std::string;
  static constexpr Form kForm = Form::Quoted;
  static constexpr std::string_view kType = "text";
  static std::string expected(const Range& range);
  static std::optional<Value> parse(std::string_view text, const Range& range);
  static std::string print(const Value& value) { return value; }
  static std::string unit(const Range& range);
};

/// Text that goes into a quoted STUN attribute or a path.
struct RealmCodec : TextCodec {
  static std::string expected(const Range&) { return "a name of 1 to 127 characters without quotes"; }
  static std::optional<Value> parse(std::string_view text, const Range& range);
};

/// A domain name (RFC 1123 §2.1, RFC 8489 §14.16: of 255 or fewer ASCII characters), or nothing.
struct DomainCodec : TextCodec {
  static constexpr std::string_view kType = "domain name";
  static std::string expected(const Range&) { return "a domain name such as turn2.example.org"; }
  static std::optional<Value> parse(std::string_view text, const Range& range);
  static std::string unit(const Range&) { return {}; }
};

struct PathCodec : TextCodec {
  static constexpr std::string_view kType = "path";
  static std::string expected(const Range&) { return "the path of a file"; }
  static std::string unit(const Range&) { return {}; }
};

struct IceUrlCodec : TextCodec {
  static constexpr std::string_view kType = "ICE URL";
  static std::string expected(const Range&) {
    return "a stun:, stuns:, turn: or turns: URL such as turn:turn.example.org:3478";
  }
  static std::optional<Value> parse(std::string_view text, const Range& range);
};

/// Empty, or a URL that requests can be posted to.
struct HttpUrlCodec : TextCodec {
  static constexpr std::string_view kType = "HTTP URL";
  static std::string expected(const Range&) {
    return "an http: or https: URL such as https://app.example.org/turn, without user and fragment";
  }
  static std::optional<Value> parse(std::string_view text, const Range& range);
  static std::string unit(const Range&) { return {}; }
};

struct AddressCodec {
  using Value = IpAddress;
  static constexpr Form kForm = Form::Quoted;
  static constexpr std::string_view kType = "IP address";
  static std::string expected(const Range&) {
    return "an IPv4 or IPv6 address such as 192.0.2.1 or 2001:db8::1";
  }
  static std::optional<Value> parse(std::string_view text, const Range&) { return IpAddress::parse(text); }
  static std::string print(const Value& value) { return value.to_string(); }
  static std::string unit(const Range&) { return {}; }
};

struct NetworkCodec {
  using Value = IpNetwork;
  static constexpr Form kForm = Form::Quoted;
  static constexpr std::string_view kType = "network";
  static std::string expected(const Range&) {
    return "an address or a network such as 10.0.0.0/8, host bits zero";
  }
  static std::optional<Value> parse(std::string_view text, const Range&) { return IpNetwork::parse(text); }
  static std::string print(const Value& value) { return value.to_string(); }
  static std::string unit(const Range&) { return {}; }
};

struct EndpointCodec {
  using Value = Endpoint;
  static constexpr Form kForm = Form::Quoted;
  static constexpr std::string_view kType = "endpoint";
  static std::string expected(const Range&) {
    return "an address and a port such as 192.0.2.1:3478 or [2001:db8::1]:3478";
  }
  static std::optional<Value> parse(std::string_view text, const Range&) {
    const auto endpoint = Endpoint::parse(text);
    return endpoint && endpoint->port != 0 ? endpoint : std::nullopt;
  }
  static std::string print(const Value& value) { return value.to_string(); }
  static std::string unit(const Range&) { return {}; }
};

/// A web origin in its one spelling.
struct OriginCodec : TextCodec {
  static constexpr std::string_view kType = "origin";
  static std::string expected(const Range&) { return "an origin such as https://app.example.org"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string unit(const Range&) { return {}; }
};

/// "ADDRESS:PORT" or "PORT".
struct ListenerCodec {
  using Value = auth::RealmListener;
  static constexpr Form kForm = Form::Quoted;
  static constexpr std::string_view kType = "listener";
  static std::string expected(const Range&) {
    return "a port, or an address and a port, such as 3478 or 192.0.2.1:3478";
  }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(const Value& value);
  static std::string unit(const Range&) { return {}; }
};

/// A number that may be left out.
struct OptionalCountCodec : CountCodec {
  using Value = std::optional<std::uint32_t>;
  static std::optional<Value> parse(std::string_view text, const Range& range) {
    const auto count = CountCodec::parse(text, range);
    return count ? std::optional<Value>(count) : std::nullopt;
  }
  static std::string print(const Value& value) { return value ? std::to_string(*value) : ""; }
};

/// "PUBLIC" or "PUBLIC/LOCAL", both of one family.
struct RelayAddressCodec {
  using Value = turn::RelayAddress;
  static constexpr Form kForm = Form::Quoted;
  static constexpr std::string_view kType = "relay address";
  static std::string expected(const Range&) {
    return "PUBLIC or PUBLIC/LOCAL, two addresses of one family such as 192.0.2.1/10.0.0.5";
  }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(const Value& value);
  static std::string unit(const Range&) { return {}; }
};

struct PortRangeCodec {
  using Value = turn::PortRange;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "port range";
  static std::string expected(const Range&) {
    return "LOW-HIGH with 1 <= LOW <= HIGH <= 65535, such as 49152-65535";
  }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(const Value& value);
  static std::string unit(const Range&) { return "1 to 65535"; }
};

/// "name:password".
struct UserCodec {
  using Value = auth::StaticUser;
  static constexpr Form kForm = Form::Quoted;
  static constexpr std::string_view kType = "name:password";
  static std::string expected(const Range&) { return "NAME:PASSWORD, both non-empty"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(const Value& value) { return value.name + ":***"; }
  static std::string unit(const Range&) { return {}; }
};

/// A secret: printed as ***.
struct SecretCodec : TextCodec {
  static constexpr std::string_view kType = "secret";
  static std::string expected(const Range& range) {
    return std::to_string(range.low) + " to " + std::to_string(range.high) +
           " characters without control characters";
  }
  static std::string print(const Value& value) { return value.empty() ? "" : "***"; }
  static std::string unit(const Range&) { return {}; }
};

/// A secret that keys an HMAC-SHA256 by itself (RFC 7518 §3.2), printed as long as one must be.
struct JwtSecretCodec : SecretCodec {
  static constexpr Range kRange{auth::kMinJwtSecretBytes, 1024};
  // So long that it would be accepted.
  static std::string print(const Value& value) {
    return std::string(value.empty() ? 0 : auth::kMinJwtSecretBytes, '*');
  }
};

struct LogLevelCodec {
  using Value = LogLevel;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "trace|debug|info|warn|error|off";
  static std::string expected(const Range&) { return "trace, debug, info, warn, error or off"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(Value value);
  static std::string unit(const Range&) { return {}; }
};

struct UdpEngineCodec {
  using Value = net::UdpEngineKind;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "auto|epoll|io_uring";
  static std::string expected(const Range&) { return "auto, epoll or io_uring"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(Value value);
  static std::string unit(const Range&) { return {}; }
};

/// Where something is mounted: "/a/b/".
struct MountPathCodec : TextCodec {
  static constexpr std::string_view kType = "URL path";
  static std::string expected(const Range&) {
    return "a path that begins and ends with /, such as /socket.io/";
  }
  static std::optional<Value> parse(std::string_view text, const Range& range);
  static std::string unit(const Range&) { return {}; }
};

struct RecoveryCodec {
  using Value = dialect::Recovery;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "off|asked|all";
  static std::string expected(const Range&) { return "off, asked or all"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(Value value);
  static std::string unit(const Range&) { return {}; }
};

struct BackplaneCodec {
  using Value = signal::Backplane;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "memory|redis";
  static std::string expected(const Range&) { return "memory or redis"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(Value value) { return value == signal::Backplane::Redis ? "redis" : "memory"; }
  static std::string unit(const Range&) { return {}; }
};

struct RedisUrlCodec : TextCodec {
  static constexpr std::string_view kType = "Redis URL";
  static std::string expected(const Range&) {
    return "a redis: or rediss: URL such as redis://redis.example.org:6379, without user and path";
  }
  static std::optional<Value> parse(std::string_view text, const Range& range);
  static std::string unit(const Range&) { return {}; }
};

struct LogFormatCodec {
  using Value = LogFormat;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "text|json";
  static std::string expected(const Range&) { return "text or json"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(Value value) { return value == LogFormat::Json ? "json" : "text"; }
  static std::string unit(const Range&) { return {}; }
};

struct AddressSourceCodec {
  using Value = AddressSource;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "node|metadata|stun";
  static std::string expected(const Range&) { return "node, metadata or stun"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(Value value);
  static std::string unit(const Range&) { return {}; }
};

struct OffloadCodec {
  using Value = offload::Mode;
  static constexpr Form kForm = Form::Plain;
  static constexpr std::string_view kType = "off|auto|tc|xdp";
  static std::string expected(const Range&) { return "off, auto, tc or xdp"; }
  static std::optional<Value> parse(std::string_view text, const Range&);
  static std::string print(Value value);
  static std::string unit(const Range&) { return {}; }
};

}  // namespace ts::config
