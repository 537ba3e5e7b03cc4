// SPDX-License-Identifier: Apache-2.0
// The options of coturn 4.6, in the order of its manual, with those of later versions at the end.
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "draft.hpp"

namespace ts::config {
namespace {

constexpr std::uint64_t kMaxCount = 4'000'000'000;
constexpr std::uint64_t kMinute = 60;
constexpr std::uint64_t kDay = 86'400;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return out;
}

/// The number, or nothing and a remark.
std::optional<std::uint64_t> need_number(Draft& draft, const OldLine& line) {
  const auto out = number(line.value);
  if (!out) draft.remark(line, "left out: its value is no number");
  return out;
}

template <const char* const& Key>
void text_value(Draft& draft, const OldLine& line) {
  if (!line.value.empty()) draft.set(Key, std::string(line.value));
}

// Keys as template arguments need names.
#define TS_OURS(NAME, KEY) constexpr const char* NAME = KEY  // NOLINT
TS_OURS(kPort, "listen.port");
TS_OURS(kTlsPort, "listen.tls_port");
TS_OURS(kAltPort, "listen.alt_port");
TS_OURS(kUserQuota, "relay.max_allocations_per_user");
TS_OURS(kTotalQuota, "relay.max_allocations");
TS_OURS(kRealm, "auth.realm");
TS_OURS(kServerName, "auth.oauth_server_name");
TS_OURS(kMobility, "relay.mobility");
TS_OURS(kUdp, "listen.udp");
TS_OURS(kTcp, "listen.tcp");
TS_OURS(kTcpRelay, "relay.tcp");
TS_OURS(kRelay, "relay.enabled");
TS_OURS(kMetrics, "metrics.enabled");
TS_OURS(kDebug, "debug");
TS_OURS(kTrace, "trace");
#undef TS_OURS

template <const char* const& Key>
void port_value(Draft& draft, const OldLine& line) {
  const auto port = need_number(draft, line);
  if (port && *port >= 1 && *port <= 65'535) return draft.set(Key, std::to_string(*port));
  if (port && *port != 0) draft.remark(line, "left out: a port is at most 65535");
}

template <const char* const& Key>
void count_value(Draft& draft, const OldLine& line) {
  if (const auto count = need_number(draft, line))
    draft.set(Key, std::to_string(std::min(*count, kMaxCount)));
}

template <const char* const& Key>
void switches_on(Draft& draft, const OldLine& line) {
  if (is_on(line)) draft.set(Key, "true");
}

template <const char* const& Key>
void switches_off(Draft& draft, const OldLine& line) {
  if (is_on(line)) draft.set(Key, "false");
}

template <const char* const& Level>
void log_level(Draft& draft, const OldLine& line) {
  if (is_on(line)) draft.set("log.level", Level);
}

/// Bytes a second in each direction become bits a second in both together.
void bit_rate(Draft& draft, const OldLine& line, const char* ours) {
  constexpr std::uint64_t kMost = 1'000'000'000'000;  // 1000Gbit
  constexpr std::uint64_t kFactor = 16;
  const auto bytes = need_number(draft, line);
  if (!bytes || *bytes == 0) return;
  draft.set(ours, std::to_string(*bytes > kMost / kFactor ? kMost : *bytes * kFactor) + "bit");
}
void session_rate(Draft& draft, const OldLine& line) {
  bit_rate(draft, line, "relay.max_bit_rate_per_allocation");
}
void server_rate(Draft& draft, const OldLine& line) { bit_rate(draft, line, "relay.max_bit_rate"); }

void min_port(Draft& draft, const OldLine& line) { draft.min_port = need_number(draft, line); }
void max_port(Draft& draft, const OldLine& line) { draft.max_port = need_number(draft, line); }

void threads(Draft& draft, const OldLine& line) {
  constexpr std::uint64_t kMost = 255;
  if (const auto count = need_number(draft, line))
    draft.set("listen.threads", std::to_string(std::clamp<std::uint64_t>(*count, 1, kMost)));
}

/// An address, or nothing and a remark. Names of hosts and devices are none.
std::optional<IpAddress> need_address(Draft& draft, const OldLine& line, std::string_view text) {
  const auto out = IpAddress::parse(text);
  if (!out) draft.remark(line, "left out: its value is no IP address");
  return out;
}

void listening_ip(Draft& draft, const OldLine& line) {
  const auto address = need_address(draft, line, line.value);
  if (!address) return;
  draft.add("listen.bind", address->to_string());
  if (!address->is_unspecified()) draft.listening.push_back(*address);
}

void relay_ip(Draft& draft, const OldLine& line) {
  if (const auto address = need_address(draft, line, line.value)) draft.relays.push_back(*address);
}

void external_ip(Draft& draft, const OldLine& line) {
  const std::size_t slash = line.value.find('/');
  const auto advertised = need_address(draft, line, line.value.substr(0, slash));
  if (!advertised) return;
  Draft::External out{*advertised, std::nullopt};
  if (slash != std::string_view::npos) {
    out.local = need_address(draft, line, line.value.substr(slash + 1));
    if (!out.local) return;
  }
  draft.external.push_back(out);
}

void peers(Draft& draft, const OldLine& line, std::vector<IpRange>& to) {
  const auto range = IpRange::parse(line.value);
  if (range) return to.push_back(*range);
  draft.remark(line, "left out: its value is neither an address nor a range of addresses");
}
void denied_peer(Draft& draft, const OldLine& line) { peers(draft, line, draft.denied); }
void allowed_peer(Draft& draft, const OldLine& line) { peers(draft, line, draft.allowed); }

void loopback_peers(Draft& draft, const OldLine& line) {
  if (!is_on(line)) return;
  draft.add("relay.allow_peers", "127.0.0.0/8");
  draft.add("relay.allow_peers", "::1/128");
}

void user(Draft& draft, const OldLine& line) {
  const std::size_t colon = line.value.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == line.value.size())
    return draft.remark(line, "left out: it is no name:password");
  if (line.value.substr(colon + 1).starts_with("0x")) {
    return draft.remark(
        line,
        "left out: it holds a key in place of the password, from which RFC 8489's keys cannot be "
        "made; add the password to auth.users or auth.users_file");
  }
  draft.add("auth.users", std::string(line.value));
}

void secret(Draft& draft, const OldLine& line) {
  if (!line.value.empty()) draft.add("auth.secrets", std::string(line.value));
}

void uses_secret(Draft& draft, const OldLine& line) { draft.secrets_elsewhere = is_on(line); }

void separator(Draft& draft, const OldLine& line) {
  if (line.value == ":") return;
  draft.remark(
      line, "only a colon parts the time from the name: let the application that mints credentials use one");
}

void certificate(Draft& draft, const OldLine& line) { draft.certificate = std::string(line.value); }
void private_key(Draft& draft, const OldLine& line) { draft.key = std::string(line.value); }
void no_tls(Draft& draft, const OldLine& line) { draft.no_tls = is_on(line); }
void no_dtls(Draft& draft, const OldLine& line) { draft.no_dtls = is_on(line); }
void no_rfc5780(Draft& draft, const OldLine& line) { draft.no_rfc5780 = is_on(line); }

void nonce(Draft& draft, const OldLine& line) {
  constexpr std::uint64_t kDefault = 600;
  const auto seconds = line.value.empty() ? kDefault : need_number(draft, line);
  if (!seconds) return;
  const std::uint64_t bounded = *seconds == 0 ? kDay : std::min(*seconds, kDay);
  draft.set("auth.nonce_lifetime", std::to_string(bounded) + 's');
  if (bounded != *seconds) draft.remark(line, "a nonce is good for a day at most");
}

void lifetime(Draft& draft, const OldLine& line) {
  constexpr std::uint64_t kUsual = 600;
  const auto seconds = need_number(draft, line);
  if (!seconds) return;
  const std::uint64_t bounded = std::clamp(*seconds, kMinute, kDay);
  draft.set("relay.max_lifetime", std::to_string(bounded) + 's');
  if (bounded < kUsual) draft.set("relay.default_lifetime", std::to_string(bounded) + 's');
  if (bounded != *seconds) draft.remark(line, "a lifetime is a minute at least and a day at most");
}

void alternate(Draft& draft, const OldLine& line) {
  constexpr std::uint16_t kUsual = 3478;
  std::string_view bare = line.value;
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  const auto alone = IpAddress::parse(bare);
  const auto server = alone ? std::optional(Endpoint{*alone, kUsual}) : Endpoint::parse(line.value);
  if (!server) return draft.remark(line, "left out: its value is no address and port");
  for (const std::string& other : draft.values["relay.alternate_servers"]) {
    const auto has = Endpoint::parse(other);
    if (has && has->address.family() == server->address.family())
      return draft.remark(
          line, "left out: one alternate server a family is told; put a balancer or DNS before several");
  }
  draft.add("relay.alternate_servers", server->to_string());
}

void socket_buffer(Draft& draft, const OldLine& line) {
  constexpr std::uint64_t kLeast = 4096;
  constexpr std::uint64_t kMost = 1U << 30U;
  if (const auto bytes = need_number(draft, line))
    draft.set("listen.udp_listener_buffer", std::to_string(std::clamp(*bytes, kLeast, kMost)) + 'B');
}

constexpr const char* kDatabase =
    "no database is read: users go to auth.users_file, which is watched for changes; or an application "
    "answers for them "
    "at auth.hook_url; or it mints credentials that expire with a secret of auth.secrets";
constexpr const char* kConsole =
    "there is no telnet console: see the admin API and `turnstone ctl`, docs/admin.md";
constexpr const char* kWebAdmin =
    "there is no such page: see the admin API (docs/admin.md) and the dashboards of deploy/grafana";
constexpr const char* kLogs =
    "log lines go to stderr: the service manager or the container's log keeps and rotates them";
constexpr const char* kModern =
    "TLS 1.2 and 1.3 with strong ciphers only, the curve and keys of the exchange being "
    "OpenSSL's choice; nothing is to be set";
constexpr const char* kService = "the service manager's business: the systemd unit, or the container";
constexpr const char* kDynamic =
    "nothing of the kind is read from a database, so there is nothing to switch off";

constexpr CoturnRow kRows[] = {
    {{"userdb", "auth.users_file, auth.hook_url", kDatabase}},
    {{"db", "auth.users_file, auth.hook_url", kDatabase}},
    {{"psql-userdb", "auth.users_file, auth.hook_url", kDatabase}},
    {{"sql-userdb", "auth.users_file, auth.hook_url", kDatabase}},
    {{"mysql-userdb", "auth.users_file, auth.hook_url", kDatabase}},
    {{"secret-key-file", "", "there is no database whose password it would decrypt"}},
    {{"mongo-userdb", "auth.users_file, auth.hook_url", kDatabase}},
    {{"redis-userdb", "auth.users_file, auth.hook_url", kDatabase}},
    {{"verbose", "log.level", "debug"}, log_level<kDebug>, false},
    {{"Verbose", "log.level", "trace"}, log_level<kTrace>, false},
    {{"daemon", "", kService}},
    {{"no-software-attribute", "relay.software", "empty, which it is unless it is set"}, nullptr, false},
    {{"fingerprint", "", "an answer has FINGERPRINT when the request has it"}, nullptr, false},
    {{"lt-cred-mech", "", "always: there is no other mechanism"}, nullptr, false},
    {{"no-auth", "", "nobody is relayed without a credential; make one with: turnstone credentials"}},
    {{"use-auth-secret", "auth.secrets", "whenever there is a secret"}, uses_secret, false},
    {{"secret-ts-exp-time", "auth.credential_ttl", "who mints a credential says until when it lives"}},
    {{"oauth", "auth.oauth_keys",
      "the keys are in coturn's database (oauth_key); write them as kid:base64-key"}},
    {{"dh566", "", kModern}},
    {{"dh1066", "", kModern}},
    {{"dh2066", "", kModern}},
    {{"no-sslv2", "", "always"}, nullptr, false},
    {{"no-sslv3", "", "always"}, nullptr, false},
    {{"no-tlsv1", "", "always: TLS 1.2 and DTLS 1.2 are the least"}, nullptr, false},
    {{"no-tlsv1_1", "", "always: TLS 1.2 and DTLS 1.2 are the least"}, nullptr, false},
    {{"no-tlsv1_2", "", "TLS 1.2 stays: most WebRTC clients on DTLS know no later version"}},
    {{"no-udp", "listen.udp", "false"}, switches_off<kUdp>, false},
    {{"no-tcp", "listen.tcp", "false; TLS stays"}, switches_off<kTcp>, false},
    {{"no-tls", "listen.tls_cert_file", "left out when no-dtls is there too; one certificate serves both"},
     no_tls,
     false},
    {{"no-dtls", "listen.tls_cert_file", "left out when no-tls is there too; one certificate serves both"},
     no_dtls,
     false},
    {{"no-udp-relay", "",
      "relaying over UDP is what a TURN server is for; it cannot be switched off by itself"}},
    {{"no-tcp-relay", "relay.tcp", "false"}, switches_off<kTcpRelay>, false},
    {{"no-stdout-log", "", kLogs}},
    {{"syslog", "", kLogs}},
    {{"syslog-facility", "", kLogs}},
    {{"simple-log", "", kLogs}},
    {{"new-log-timestamp", "", "always: UTC, RFC 3339, with milliseconds"}, nullptr, false},
    {{"new-log-timestamp-format", "", "UTC, RFC 3339, with milliseconds; log.format: json for machines"}},
    {{"log-binding", "", "there is no line a packet: turnstone_requests_total of /metrics counts them"}},
    {{"secure-stun", "",
      "STUN Binding stays open, as browsers need it; relay.max_bindings_per_second bounds it"}},
    {{"stun-only", "relay.enabled", "false"}, switches_off<kRelay>, false},
    {{"no-stun", "", "STUN Binding stays, as ICE needs it; relay.max_bindings_per_second bounds it"}},
    {{"allow-loopback-peers", "relay.allow_peers",
      "127.0.0.0/8 and ::1/128: clients reach what listens on this host"},
     loopback_peers},
    {{"no-multicast-peers", "", "always"}, nullptr, false},
    {{"mobility", "relay.mobility", "true"}, switches_on<kMobility>, false},
    {{"no-cli", "", kConsole}, nullptr, false},
    {{"server-relay", "",
      "it let everybody reach clients without their permission (RFC 8656 §9); there is no such key"}},
    {{"udp-self-balance", "", "the kernel spreads clients over listen.threads threads by itself"}},
    {{"check-origin-consistency", "auth.realms",
      "a realm that names origins is met by requests with them, each anew"}},
    {{"prometheus", "metrics.enabled",
      "on by itself: /metrics on listen.http_port, for the networks of metrics.allow_from"},
     switches_on<kMetrics>},
    {{"prometheus-port", "listen.http_port",
      "/metrics is on the HTTP port (8080): change the scrape configuration"}},
    {{"prometheus-username-labels", "",
      "no metric has a label of unbounded cardinality; the log names users"}},
    {{"stale-nonce", "auth.nonce_lifetime", "seconds; 600 where none are given"}, nonce, false},
    {{"max-allocate-lifetime", "relay.max_lifetime", "seconds"}, lifetime, false},
    {{"channel-lifetime", "", "10 minutes, as RFC 8656 §12 says"}},
    {{"permission-lifetime", "", "5 minutes, as RFC 8656 §9 says"}},
    {{"listening-device", "listen.bind", "name the device's addresses"}},
    {{"listening-ip", "listen.bind", "each"}, listening_ip, false},
    {{"listening-port", "listen.port", "UDP and TCP"}, port_value<kPort>, false},
    {{"tls-listening-port", "listen.tls_port", "TLS, and DTLS unless listen.dtls_port says otherwise"},
     port_value<kTlsPort>,
     false},
    {{"alt-listening-port", "listen.alt_port", "used with listen.alt_addresses"},
     port_value<kAltPort>,
     false},
    {{"alt-tls-listening-port", "", "NAT discovery is a matter of UDP; there is no such listener"}},
    {{"tcp-proxy-port", "listen.proxy_protocol_from",
      "the PROXY protocol is spoken on every port, by the balancers whose networks that key names"}},
    {{"aux-server", "listen.bind",
      "all of listen.bind share their ports; another port needs another server"}},
    {{"relay-device", "relay.addresses", "name the device's address"}},
    {{"relay-ip", "relay.addresses", "one a family"}, relay_ip, false},
    {{"external-ip", "relay.addresses", "PUBLIC/LOCAL, one a family"}, external_ip, false},
    {{"relay-threads", "listen.threads", "0 was one thread"}, threads, false},
    {{"min-port", "relay.ports", "with max-port"}, min_port, false},
    {{"max-port", "relay.ports", "with min-port"}, max_port, false},
    {{"user", "auth.users", "name:password; not a key 0x..."}, user, false},
    {{"realm", "auth.realm", "the default realm; further ones are auth.realms"}, text_value<kRealm>, false},
    {{"rest-api-separator", "", "a colon"}, separator, false},
    {{"user-quota", "relay.max_allocations_per_user", "0 is no limit"}, count_value<kUserQuota>, false},
    {{"total-quota", "relay.max_allocations", "0 is no limit"}, count_value<kTotalQuota>, false},
    {{"max-bps", "relay.max_bit_rate_per_allocation",
      "bits in place of bytes, both directions together: times 16"},
     session_rate},
    {{"bps-capacity", "relay.max_bit_rate", "bits in place of bytes, both directions together: times 16"},
     server_rate},
    {{"static-auth-secret", "auth.secrets", "each; the first one mints"}, secret, false},
    {{"no-auth-pings", "", kDynamic}, nullptr, false},
    {{"no-dynamic-ip-list", "", kDynamic}, nullptr, false},
    {{"no-dynamic-realms", "", kDynamic}, nullptr, false},
    {{"server-name", "auth.oauth_server_name", "empty: auth.realm"}, text_value<kServerName>, false},
    {{"cert", "listen.tls_cert_file", "with the intermediate certificates"}, certificate, false},
    {{"pkey", "listen.tls_key_file", "not encrypted"}, private_key, false},
    {{"pkey-pwd", "listen.tls_key_file", "the key must not be encrypted: openssl pkey -in OLD -out NEW"}},
    {{"cipher-list", "", kModern}},
    {{"CA-file", "", "clients show no certificate: they have credentials"}},
    {{"ec-curve-name", "", kModern}},
    {{"dh-file", "", kModern}},
    {{"log-file", "", kLogs}},
    {{"alternate-server", "relay.alternate_servers", "one a family"}, alternate, false},
    {{"tls-alternate-server", "relay.alternate_servers, relay.alternate_domain",
      "one server is told over every transport; relay.alternate_domain is the name in its certificate"}},
    {{"redis-statsdb", "",
      "/metrics has live counters, and the log a line for each allocation's end with its traffic"}},
    {{"max-allocate-timeout", "listen.stream_idle_timeout",
      "over UDP nothing is kept before an allocation stands"}},
    {{"denied-peer-ip", "relay.deny_peers",
      "ranges become networks; what allowed-peer-ip named is taken out"},
     denied_peer,
     false},
    {{"allowed-peer-ip", "relay.allow_peers",
      "ranges become networks; only those count that are refused otherwise"},
     allowed_peer,
     false},
    {{"pidfile", "", kService}},
    {{"acme-redirect", "", "let the ACME client use DNS, or port 80 of a web server"}},
    {{"proc-user", "", kService}},
    {{"proc-group", "", kService}},
    {{"keep-address-family", "",
      "an Allocate that names no family gets IPv4 (RFC 8656 §7.2); clients may ask for both"}},
    {{"allocation-default-address-family", "",
      "an Allocate that names no family gets IPv4 (RFC 8656 §7.2); clients may ask for both"}},
    {{"cli-ip", "", kConsole}},
    {{"cli-port", "", kConsole}},
    {{"cli-password", "", kConsole}},
    {{"cli-max-output-sessions", "", kConsole}},
    {{"web-admin", "", kWebAdmin}},
    {{"web-admin-ip", "", kWebAdmin}},
    {{"web-admin-port", "", kWebAdmin}},
    {{"web-admin-listen-on-workers", "", kWebAdmin}},
    {{"ne", "relay.engine", "auto takes the best that the kernel has"}},
    {{"no-rfc5780", "", "always, unless listen.alt_addresses is set"}, no_rfc5780, false},
    {{"no-stun-backward-compatibility", "",
      "RFC 3489 clients are answered in their own form, others in theirs"}},
    {{"response-origin-only-with-rfc5780", "", "always"}, nullptr, false},
    // Of later versions than 4.6.1.
    {{"prometheus-address", "metrics.allow_from", "/metrics is on the HTTP port; say who may read it"}},
    {{"prometheus-path", "", "/metrics"}},
    {{"sock-buf-size", "listen.udp_listener_buffer", "bytes; relay sockets have listen.udp_relay_buffer"},
     socket_buffer},
    {{"cpus", "listen.threads", "0 is one thread for each core that the process may use"}},
};

constexpr std::size_t kCount = std::size(kRows);

constexpr std::array<CoturnOption, kCount> options_alone() {
  std::array<CoturnOption, kCount> out;
  for (std::size_t i = 0; i < kCount; ++i) out[i] = kRows[i].option;
  return out;
}
constexpr std::array<CoturnOption, kCount> kOptions = options_alone();

}  // namespace

std::span<const CoturnRow> coturn_rows() { return kRows; }
std::span<const CoturnOption> coturn_options() { return kOptions; }

}  // namespace ts::config
