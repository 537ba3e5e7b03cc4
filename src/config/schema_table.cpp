// SPDX-License-Identifier: Apache-2.0
// The one table: path, place in Config, range, flag, what it is, what to do when it is wrong, example.
#include "schema_table.hpp"

#include <array>
#include <numeric>
#include <type_traits>
#include <utility>

// A place in Config, for a const and a mutable one.
#define TS_AT(member) \
  [](auto& c) -> auto& { return c.member; }
// The same in the last one of a list.
#define TS_AT_LAST(list, member) \
  [](auto& c) -> auto& { return last(c.list).member; }

namespace ts::config {
namespace {

/// The words of a row.
struct Row {
  const char* path;
  const char* flag;
  Range range;
  const char* doc;
  const char* remedy;
  const char* example = "";
};

constexpr std::uint64_t kSecond = 1000;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;
constexpr Range kAny{};
constexpr Range kLimit{0, 4'000'000'000};
constexpr Range kBitRate{0, 1'000'000'000'000};

std::string environment_name(std::string_view path) {
  std::string out = "TURNSTONE_";
  for (const char c : path)
    out += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

template <class Codec>
Key base_key(const Row& row, bool list, bool secret) {
  Key key;
  key.info.path = row.path;
  key.info.type = (list ? "list of " : "") + std::string(Codec::kType);
  key.info.unit = Codec::unit(row.range);
  key.info.doc = row.doc;
  key.info.remedy = row.remedy;
  key.info.flag = row.flag;
  key.info.environment = environment_name(row.path);
  key.info.secret = secret;
  key.info.list = list;
  key.form = Codec::kForm;
  key.range = row.range;
  key.expected = Codec::expected(row.range);
  key.example = row.example;
  return key;
}

template <class Codec>
constexpr bool kIsSecret = std::derived_from<Codec, SecretCodec> || std::same_as<Codec, UserCodec>;

/// A key with one value.
template <class Codec, class At>
Key one(At at, const Row& row) {
  Key key = base_key<Codec>(row, false, kIsSecret<Codec>);
  key.set = [at, range = row.range](Config& config,
                                    std::span<const std::string> texts) -> std::vector<std::size_t> {
    if (texts.empty()) return {};
    auto value = Codec::parse(texts.back(), range);
    if (!value) return {texts.size() - 1};
    at(config) = std::move(*value);
    return {};
  };
  key.get = [at](const Config& config) { return std::vector<std::string>{Codec::print(at(config))}; };
  key.info.default_value = yaml_value(key, key.get(Config{}));
  return key;
}

/// A key with a list of values.
template <class Codec, class At>
Key many(At at, const Row& row) {
  Key key = base_key<Codec>(row, true, kIsSecret<Codec>);
  key.set = [at, range = row.range](Config& config, std::span<const std::string> texts) {
    std::vector<typename Codec::Value> values;
    std::vector<std::size_t> bad;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (auto value = Codec::parse(texts[i], range)) {
        values.push_back(std::move(*value));
      } else {
        bad.push_back(i);
      }
    }
    at(config) = std::move(values);
    return bad;
  };
  key.get = [at](const Config& config) {
    std::vector<std::string> out;
    for (const auto& value : at(config)) out.push_back(Codec::print(value));
    return out;
  };
  key.info.default_value = yaml_value(key, key.get(Config{}));
  return key;
}

void add_listen(std::vector<Key>& t) {
  t.push_back(many<AddressCodec>(
      TS_AT(net.bind),
      {"listen.bind", "--bind", kAny,
       "Addresses to listen on. Empty: all IPv4 addresses, and all IPv6 ones where the host has IPv6.",
       "Write one address an item, without a port.", "\"192.0.2.1\", \"2001:db8::1\""}));
  t.push_back(one<PortCodec>(TS_AT(net.port), {"listen.port", "--port", kAny,
                                               "STUN and TURN over UDP and TCP.", "Choose a free port."}));
  t.push_back(one<PortCodec>(TS_AT(net.tls_port),
                             {"listen.tls_port", "--tls-port", kAny,
                              "TURN over TLS, HTTPS and secure WebSocket. Used when there is a certificate.",
                              "Choose a free port."}));
  t.push_back(one<PortCodec>(TS_AT(net.dtls_port),
                             {"listen.dtls_port", "--dtls-port", kAny,
                              "TURN over DTLS (UDP). Used when there is a certificate. Left out: the number "
                              "of listen.tls_port.",
                              "Choose a free port."}));
  t.push_back(many<AddressCodec>(
      TS_AT(net.alt_addresses),
      {"listen.alt_addresses", "--alt-address", kAny,
       "NAT behaviour discovery (RFC 5780): second addresses of this host, one a family. Empty: off.",
       "Write an address of this host that is not in listen.bind.", "\"192.0.2.2\""}));
  t.push_back(
      one<PortCodec>(TS_AT(net.alt_port), {"listen.alt_port", "--alt-port", kAny,
                                           "NAT behaviour discovery (RFC 5780): the second port. Used with "
                                           "listen.alt_addresses.",
                                           "Choose a free port."}));
  t.push_back(one<PortCodec>(TS_AT(net.http_port),
                             {"listen.http_port", "--http-port", kAny,
                              "HTTP: signaling (WebSocket), health, metrics.", "Choose a free port."}));
  t.push_back(one<BoolCodec>(TS_AT(net.udp),
                             {"listen.udp", "", kAny, "STUN and TURN over UDP.", "Write true or false."}));
  t.push_back(one<BoolCodec>(TS_AT(net.tcp),
                             {"listen.tcp", "", kAny, "STUN and TURN over TCP.", "Write true or false."}));
  t.push_back(one<PathCodec>(TS_AT(net.tls_cert_file),
                             {"listen.tls_cert_file",
                              "--tls-cert",
                              {0, 4096},
                              "Certificate chain (PEM). With listen.tls_key_file it turns TLS on.",
                              "Name a PEM file that the server's user may read.",
                              "/etc/turnstone/tls.crt"}));
  t.push_back(one<PathCodec>(TS_AT(net.tls_key_file), {"listen.tls_key_file",
                                                       "--tls-key",
                                                       {0, 4096},
                                                       "Private key of the certificate (PEM).",
                                                       "Name a PEM file that the server's user may read.",
                                                       "/etc/turnstone/tls.key"}));
  t.push_back(
      one<BoolCodec>(TS_AT(net.tls_self_signed),
                     {"listen.tls_self_signed", "", kAny,
                      "Make a self-signed certificate at start when no file is given (for development).",
                      "Write true or false."}));
  t.push_back(one<CountCodec>(TS_AT(net.threads), {"listen.threads",
                                                   "--threads",
                                                   {0, 255},
                                                   "Threads that relay; 0 is one for each core.",
                                                   "Write 0 for one thread a core."}));
  t.push_back(one<SizeCodec>(
      TS_AT(net.udp_listener_buffer_bytes),
      {"listen.udp_listener_buffer",
       "",
       {4096, 1U << 30},
       "Socket buffers of a UDP listener, each direction. The kernel caps it at net.core.rmem_max.",
       "Write a size with a unit."}));
  t.push_back(
      one<SizeCodec>(TS_AT(net.udp_relay_buffer_bytes), {"listen.udp_relay_buffer",
                                                         "",
                                                         {4096, 1U << 30},
                                                         "Socket buffers of a relay socket, each direction.",
                                                         "Write a size with a unit."}));
  t.push_back(one<MillisecondsCodec>(
      TS_AT(net.handshake_timeout),
      {"listen.handshake_timeout",
       "",
       {100, 5 * kMinute},
       "A stream that has not shown what it speaks, or not finished its TLS handshake, by then is closed.",
       "Write a duration with a unit."}));
  t.push_back(
      one<SecondsCodec>(TS_AT(net.stream_idle_timeout),
                        {"listen.stream_idle_timeout",
                         "",
                         {kSecond, kDay},
                         "A TURN stream without an allocation and without a message for this long is closed.",
                         "Write a duration with a unit."}));
  t.push_back(one<SizeCodec>(
      TS_AT(net.stream_send_queue_bytes),
      {"listen.stream_send_queue",
       "",
       {4096, 64U << 20},
       "Bytes that wait for one slow stream client; past it new datagrams are dropped and counted.",
       "Write a size with a unit."}));
  t.push_back(
      one<CountCodec>(TS_AT(net.max_streams),
                      {"listen.max_streams", "", kLimit,
                       "Streams (TCP and TLS) over all listeners; 0 is no limit.", "Write a number."}));
  t.push_back(
      one<CountCodec>(TS_AT(net.max_streams_per_address),
                      {"listen.max_streams_per_address", "", kLimit,
                       "Streams of one IPv4 address or IPv6 /64; 0 is no limit.", "Write a number."}));
  t.push_back(one<CountCodec>(
      TS_AT(net.max_half_open_per_address),
      {"listen.max_half_open_per_address", "", kLimit,
       "Streams of one IPv4 address or IPv6 /64 that have not shown yet what they speak; 0 is no limit.",
       "Write a number."}));
  t.push_back(many<NetworkCodec>(
      TS_AT(net.proxy_protocol_from),
      {"listen.proxy_protocol_from", "", kAny,
       "Load balancers whose streams begin with a PROXY protocol header (v1 or v2), which tells the client's "
       "address.",
       "Write networks in CIDR notation.", "\"10.0.0.0/24\""}));
}

void add_hook(std::vector<Key>& t) {
  t.push_back(one<HttpUrlCodec>(TS_AT(auth.hook.url), {"auth.hook_url", "", kAny,
                                                       "An external source of credentials that is asked, by "
                                                       "POST, about usernames that no other source knows. "
                                                       "Empty: off.",
                                                       "Write a URL; https unless it is on this host.",
                                                       "https://app.example.org/turn-credentials"}));
  t.push_back(one<SecretCodec>(TS_AT(auth.hook.token),
                               {"auth.hook_token",
                                "",
                                {0, 1024},
                                "Shown to the external source as \"Authorization: Bearer\". Empty: none.",
                                "Make one with: openssl rand -hex 32",
                                "the output of: openssl rand -hex 32"}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.hook_token), {"auth.hook_token_file",
                                                              "",
                                                              {0, 4096},
                                                              "A file that holds that token.",
                                                              "Name a file that the server's user may read.",
                                                              "/run/secrets/turnstone-hook-token"}));
  t.push_back(one<PathCodec>(TS_AT(auth.hook.ca_file),
                             {"auth.hook_ca_file",
                              "",
                              {0, 4096},
                              "Certificates (PEM) that an https external source is trusted by. Empty: the "
                              "system's.",
                              "Name a PEM file that the server's user may read.",
                              "/etc/turnstone/hook-ca.crt"}));
  t.push_back(one<MillisecondsCodec>(TS_AT(auth.hook.timeout),
                                     {"auth.hook_timeout",
                                      "",
                                      {50, kMinute},
                                      "How long the external source may take; then the client gets 500.",
                                      "Write a duration with a unit."}));
  t.push_back(one<SecondsCodec>(TS_AT(auth.hook.cache),
                                {"auth.hook_cache",
                                 "",
                                 {kSecond, kDay},
                                 "How long its answer is kept, if the answer does not say less.",
                                 "Write a duration with a unit."}));
  t.push_back(
      one<SecondsCodec>(TS_AT(auth.hook.negative_cache), {"auth.hook_negative_cache",
                                                          "",
                                                          {kSecond, kHour},
                                                          "How long it is kept that there is no such user.",
                                                          "Write a duration with a unit."}));
  t.push_back(one<CountCodec>(TS_AT(auth.hook.max_in_flight),
                              {"auth.hook_max_in_flight",
                               "",
                               {1, 1024},
                               "Questions to the external source at a time; others wait.",
                               "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(auth.hook.max_per_source),
                              {"auth.hook_max_per_source", "", kLimit,
                               "Questions in a second that one IPv4 address or IPv6 /64 but loopback may "
                               "cause on each thread; 0 is no limit.",
                               "Write a number."}));
}

void add_auth(std::vector<Key>& t) {
  t.push_back(
      one<RealmCodec>(TS_AT(auth.realm), {"auth.realm",
                                          "--realm",
                                          {1, 127},
                                          "Realm of the long-term credential mechanism; usually your domain.",
                                          "Write a domain name such as example.org."}));
  t.push_back(many<UserCodec>(
      TS_AT(auth.users),
      {"auth.users", "--user", kAny, "Long-term users, each \"name:password\".",
       "Write name, colon, password; put long lists into auth.users_file.", "\"alice:a long password\""}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.users),
                             {"auth.users_file",
                              "",
                              {0, 4096},
                              "A file with one name:password a line; its users are added to auth.users.",
                              "Name a file of at most 1 MiB that the server's user may read.",
                              "/run/secrets/turnstone-users"}));
  t.push_back(
      many<SecretCodec>(TS_AT(auth.secrets), {"auth.secrets",
                                              "--secret",
                                              {1, 1024},
                                              "Shared secrets of ephemeral credentials (TURN REST). Each one "
                                              "verifies, the first one mints: to rotate, put the "
                                              "new one first.",
                                              "Make one with: openssl rand -hex 32",
                                              "\"the output of: openssl rand -hex 32\""}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.secrets),
                             {"auth.secrets_file",
                              "",
                              {0, 4096},
                              "A file with one secret a line; they come after those of auth.secrets.",
                              "Name a file of at most 1 MiB that the server's user may read.",
                              "/run/secrets/turnstone-secrets"}));
  t.push_back(many<JwtSecretCodec>(
      TS_AT(auth.jwt_secrets),
      {"auth.jwt_secrets",
       "",
       {32, 1024},
       "Secrets of 32 characters or more that sign credentials which are JSON Web Tokens (HS256). Each one "
       "verifies.",
       "Make one with: openssl rand -hex 32",
       "\"the output of: openssl rand -hex 32\""}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.jwt_secrets),
                             {"auth.jwt_secrets_file",
                              "",
                              {0, 4096},
                              "A file with one secret a line; they come after those of auth.jwt_secrets.",
                              "Name a file of at most 1 MiB that the server's user may read.",
                              "/run/secrets/turnstone-jwt-secrets"}));
  t.push_back(one<TextCodec>(TS_AT(auth.jwt_audience),
                             {"auth.jwt_audience",
                              "",
                              {0, 255},
                              "The aud claim of a token must name this. Empty: it is not looked at.",
                              "Write the name that your application gives this server in aud.",
                              "turn.example.org"}));
  t.push_back(
      many<SecretCodec>(TS_AT(auth.oauth_keys),
                        {"auth.oauth_keys",
                         "",
                         {1, 1024},
                         "Third-party authorization (RFC 7635): keys shared with authorization servers, each "
                         "\"kid:base64-key\" or "
                         "\"kid:base64-key:seconds\", where seconds bounds the life of a token. Empty: off.",
                         "Make a key with: openssl rand -base64 32",
                         "\"2026-11:the output of: openssl rand -base64 32\""}));
  t.push_back(one<TextCodec>(TS_AT(auth.oauth_server_name),
                             {"auth.oauth_server_name",
                              "",
                              {0, 127},
                              "The name of this server that access tokens are made for. Empty: auth.realm.",
                              "Write the server's name.",
                              "turn.example.org"}));
  add_hook(t);
  t.push_back(one<SecondsCodec>(TS_AT(auth.credential_ttl),
                                {"auth.credential_ttl",
                                 "",
                                 {kMinute, 30 * kDay},
                                 "Life of a credential that the server mints for signaling members.",
                                 "Write a duration with a unit."}));
  t.push_back(one<PlainSecondsCodec>(
      TS_AT(auth.nonce_lifetime), {"auth.nonce_lifetime",
                                   "--nonce-lifetime",
                                   {kSecond, kDay},
                                   "How long a nonce is good for before a client is asked to use a new one.",
                                   "Write a duration with a unit."}));
}

template <class T>
const T& last(const std::vector<T>& all) {
  static const T kNone{};
  return all.empty() ? kNone : all.back();
}
template <class T>
T& last(std::vector<T>& all) {
  return all.back();
}

constexpr const char* kFileRemedy = "Name a file of at most 1 MiB that the server's user may read.";

void add_realm_sources(std::vector<Key>& t) {
  t.push_back(many<UserCodec>(
      TS_AT_LAST(auth.realms, users),
      {"auth.realms[].users", "", kAny, "As auth.users, of this realm.", "Write name, colon, password."}));
  t.push_back(
      one<PathCodec>(TS_AT_LAST(secret_files.realms, users),
                     {"auth.realms[].users_file", "", {0, 4096}, "As auth.users_file.", kFileRemedy}));
  t.push_back(many<SecretCodec>(
      TS_AT_LAST(auth.realms, secrets),
      {"auth.realms[].secrets", "", {1, 1024}, "As auth.secrets.", "Make one with: openssl rand -hex 32"}));
  t.push_back(
      one<PathCodec>(TS_AT_LAST(secret_files.realms, secrets),
                     {"auth.realms[].secrets_file", "", {0, 4096}, "As auth.secrets_file.", kFileRemedy}));
  t.push_back(
      many<JwtSecretCodec>(TS_AT_LAST(auth.realms, jwt_secrets), {"auth.realms[].jwt_secrets",
                                                                  "",
                                                                  {32, 1024},
                                                                  "As auth.jwt_secrets.",
                                                                  "Make one with: openssl rand -hex 32"}));
  t.push_back(one<PathCodec>(
      TS_AT_LAST(secret_files.realms, jwt_secrets),
      {"auth.realms[].jwt_secrets_file", "", {0, 4096}, "As auth.jwt_secrets_file.", kFileRemedy}));
  t.push_back(one<TextCodec>(TS_AT_LAST(auth.realms, jwt_audience),
                             {"auth.realms[].jwt_audience",
                              "",
                              {0, 255},
                              "As auth.jwt_audience; not inherited from it.",
                              "Write the name that your application gives this server in aud."}));
}

std::vector<Key> make_realm_table() {
  std::vector<Key> t;
  t.push_back(
      one<RealmCodec>(TS_AT_LAST(auth.realms, name), {"auth.realms[].name",
                                                      "",
                                                      {1, 127},
                                                      "The realm, as clients are told it. Required.",
                                                      "Write a domain name such as eu.example.org."}));
  t.push_back(many<OriginCodec>(
      TS_AT_LAST(auth.realms, origins),
      {"auth.realms[].origins", "", kAny, "Whoever sends one of these in ORIGIN meets this realm.",
       "Write scheme, host and perhaps a port, without a path."}));
  t.push_back(many<ListenerCodec>(
      TS_AT_LAST(auth.realms, listeners),
      {"auth.realms[].listeners", "", kAny,
       "Whoever comes to one of these ports, or addresses and ports, meets this realm and no other.",
       "Write a port of the section listen, or an address and a port."}));
  add_realm_sources(t);
  t.push_back(one<CountCodec>(
      TS_AT_LAST(turn.realms, max_allocations),
      {"auth.realms[].max_allocations", "", kLimit,
       "Allocations of this realm; 0 is no limit but relay.max_allocations.", "Write a number."}));
  t.push_back(one<OptionalCountCodec>(
      TS_AT_LAST(turn.realms, max_allocations_per_user),
      {"auth.realms[].user_quota", "", kLimit,
       "Allocations of one username in this realm. Left out: relay.max_allocations_per_user.",
       "Write a number."}));
  return t;
}

/// `{name: "eu.example.org", origins: […]}` with the keys that are not as they are by default.
std::string realm_text(const Config& config, std::size_t index) {
  const auto at = [index](const auto& all) {
    using All = std::remove_cvref_t<decltype(all)>;
    return index < all.size() ? All{all[index]} : All(1);
  };
  Config one;
  one.auth.realms = at(config.auth.realms);
  one.turn.realms = at(config.turn.realms);
  one.secret_files.realms = at(config.secret_files.realms);
  std::string out = "{";
  for (const Key& key : realm_table()) {
    const std::string value = yaml_value(key, key.get(one));
    if (value == key.info.default_value) continue;
    out += (out.size() > 1 ? ", " : "") + std::string(leaf_of(key.info.path)) + ": " + value;
  }
  return out + '}';
}

/// What the table says of realms; the loader reads them by realm_table().
Key realms_key() {
  Key key;
  key.info.path = kRealmsPath;
  key.info.type = "list of realms";
  key.info.doc =
      "Further realms with credentials of their own; docs/configuration.md has their keys. Not to be set "
      "by a variable.";
  key.info.remedy = "Write them in the configuration file.";
  key.info.environment = environment_name(kRealmsPath);
  key.info.list = true;
  key.info.default_value = "[]";
  key.expected = "realms in the configuration file";
  key.example =
      R"({name: "eu.example.org", origins: ["https://eu.example.org"], secrets: ["another secret"]})";
  key.set = [](Config&, std::span<const std::string> texts) {
    std::vector<std::size_t> bad(texts.size());
    std::iota(bad.begin(), bad.end(), std::size_t{0});
    return bad;
  };
  key.get = [](const Config& config) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < config.auth.realms.size(); ++i) out.push_back(realm_text(config, i));
    return out;
  };
  return key;
}

void add_relay(std::vector<Key>& t) {
  t.push_back(one<BoolCodec>(
      TS_AT(turn.enabled),
      {"relay.enabled", "", kAny, "Relay with TURN. False: STUN Binding only.", "Write true or false."}));
  t.push_back(many<RelayAddressCodec>(
      TS_AT(turn.relay_addresses),
      {"relay.addresses", "--relay-address", kAny,
       "Addresses that clients are relayed from, one a family: PUBLIC, or PUBLIC/LOCAL behind 1:1 NAT. "
       "Empty: a specific "
       "address of listen.bind, else the host's own.",
       "Write the public address of this host, and after a slash its local one if they differ.",
       "\"192.0.2.1/10.0.0.5\""}));
  t.push_back(one<PortRangeCodec>(TS_AT(turn.ports),
                                  {"relay.ports", "--relay-ports", kAny,
                                   "UDP ports of relayed transport addresses; open them in the firewall.",
                                   "Write the lower port first."}));
  t.push_back(
      many<NetworkCodec>(TS_AT(turn.peers.allow), {"relay.allow_peers", "--allow-peer", kAny,
                                                   "Networks that may be peers although a built-in rule "
                                                   "denies them (private, loopback, link-local, ...).",
                                                   "Write networks in CIDR notation.", "\"10.1.0.0/16\""}));
  t.push_back(many<NetworkCodec>(TS_AT(turn.peers.deny),
                                 {"relay.deny_peers", "--deny-peer", kAny,
                                  "Networks that may not be peers; wins over relay.allow_peers.",
                                  "Write networks in CIDR notation.", "\"198.51.100.0/24\""}));
  t.push_back(
      one<BoolCodec>(TS_AT(turn.peers.allow_private),
                     {"relay.allow_private_peers", "", kAny,
                      "Allow peers on loopback and private networks (for development, or a closed network).",
                      "Write true or false."}));
  t.push_back(one<SecondsCodec>(TS_AT(turn.default_lifetime),
                                {"relay.default_lifetime",
                                 "",
                                 {kMinute, kDay},
                                 "Life of an allocation whose client asked for none (RFC 8656: 10 minutes).",
                                 "Write a duration with a unit."}));
  t.push_back(
      one<SecondsCodec>(TS_AT(turn.max_lifetime), {"relay.max_lifetime",
                                                   "",
                                                   {kMinute, kDay},
                                                   "The longest life of an allocation between two refreshes.",
                                                   "Write a duration with a unit."}));
}

void add_relay_limits(std::vector<Key>& t) {
  t.push_back(one<CountCodec>(
      TS_AT(turn.max_allocations),
      {"relay.max_allocations", "", kLimit, "Allocations over the whole server; 0 is no limit but the ports.",
       "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(turn.max_allocations_per_user),
                              {"relay.max_allocations_per_user", "--user-quota", kLimit,
                               "Allocations of one username; 0 is no limit.", "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(turn.max_permissions_per_allocation),
                              {"relay.max_permissions_per_allocation",
                               "",
                               {0, 65'535},
                               "Permissions of one allocation; 0 is no limit.",
                               "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(turn.max_channels_per_allocation),
                              {"relay.max_channels_per_allocation",
                               "",
                               {0, 4096},
                               "Channels of one allocation; 0 is no limit but the channel numbers.",
                               "Write a number."}));
  t.push_back(
      one<BitRateCodec>(TS_AT(turn.max_bits_per_second_per_allocation),
                        {"relay.max_bit_rate_per_allocation", "", kBitRate,
                         "Relayed payload of one allocation, both directions together; datagrams that "
                         "exceed it are dropped, streams (relay.tcp) wait. 0 is no limit.",
                         "Write bits per second."}));
  t.push_back(one<CountCodec>(
      TS_AT(turn.max_packets_per_second_per_allocation),
      {"relay.max_packet_rate_per_allocation", "", kLimit,
       "Relayed datagrams of one allocation in a second, of streams 1,200 bytes each; 0 is no limit.",
       "Write a number."}));
  t.push_back(one<BitRateCodec>(
      TS_AT(turn.max_bits_per_second_per_user),
      {"relay.max_bit_rate_per_user", "", kBitRate,
       "Relayed payload of one user's allocations together; 0 is no limit.", "Write bits per second."}));
  t.push_back(
      one<BitRateCodec>(TS_AT(turn.max_bits_per_second),
                        {"relay.max_bit_rate", "", kBitRate,
                         "Relayed payload of the whole server; 0 is no limit.", "Write bits per second."}));
  t.push_back(one<CountCodec>(
      TS_AT(turn.max_new_peers_per_second),
      {"relay.max_new_peers_per_second", "", kLimit,
       "New peer addresses of one allocation in a second; 0 is no limit.", "Write a number."}));
  t.push_back(
      one<CountCodec>(TS_AT(turn.max_challenges_per_second_per_source),
                      {"relay.max_challenges_per_second", "", kLimit,
                       "Answers in a second to requests without credentials, for each IPv4 address or "
                       "IPv6 /64 but loopback; 0 is no limit.",
                       "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(turn.max_bindings_per_second_per_source),
                              {"relay.max_bindings_per_second", "", kLimit,
                               "STUN Binding answers in a second for each IPv4 address or IPv6 /64 but "
                               "loopback; 0 is no limit.",
                               "Write a number."}));
  t.push_back(one<UdpEngineCodec>(TS_AT(net.udp_engine),
                                  {"relay.engine", "", kAny,
                                   "What moves UDP datagrams: io_uring, which costs less with many clients, "
                                   "or epoll. auto: io_uring where the kernel allows it (Linux 6.1; many "
                                   "containers forbid it).",
                                   "Write auto, epoll or io_uring."}));
  t.push_back(one<MicrosecondsCodec>(TS_AT(net.udp_coalesce),
                                     {"relay.coalesce",
                                      "",
                                      {0, 10'000},
                                      "How long datagrams may gather before they are relayed, at rates at "
                                      "which that saves wake-ups; 0us: never.",
                                      "Write a time up to 10ms, such as 100us."}));
  t.push_back(
      one<BoolCodec>(TS_AT(turn.tcp_relay),
                     {"relay.tcp", "", kAny, "Grant allocations that relay to peers over TCP (RFC 6062).",
                      "Write true or false."}));
  t.push_back(one<BoolCodec>(
      TS_AT(turn.mobility),
      {"relay.mobility", "--mobility", kAny, "Let clients move their allocation to a new address (RFC 8016).",
       "Write true or false."}));
  t.push_back(many<EndpointCodec>(
      TS_AT(turn.alternate_servers),
      {"relay.alternate_servers", "--alternate-server", kAny,
       "Servers that every Allocate is sent to with 300 (Try Alternate), at most one a family.",
       "Write the address and the port of another TURN server.", "\"192.0.2.9:3478\""}));
  t.push_back(one<DomainCodec>(
      TS_AT(turn.alternate_domain),
      {"relay.alternate_domain",
       "",
       {0, 255},
       "The name in the certificates of relay.alternate_servers, which clients on TLS and DTLS are told "
       "(ALTERNATE-DOMAIN); empty: the same as in this server's.",
       "Write a domain name.",
       "turn2.example.org"}));
  t.push_back(one<BoolCodec>(
      TS_AT(turn.rfc5766_channels),
      {"relay.rfc5766_channels", "", kAny,
       "Grant channels 0x5000-0x7FFF too, which RFC 8656 reserves and some RFC 5766 clients draw.",
       "Write true or false."}));
  t.push_back(one<TextCodec>(TS_AT(turn.software),
                             {"relay.software",
                              "",
                              {0, 127},
                              "SOFTWARE attribute in answers; empty: none, and nothing to learn from it.",
                              "Write a short text or \"\".",
                              "Turnstone"}));
}

void add_signaling(std::vector<Key>& t) {
  t.push_back(one<BoolCodec>(
      TS_AT(signaling_enabled),
      {"signaling.enabled", "", kAny, "The WebSocket signaling endpoint.", "Write true or false."}));
  t.push_back(one<SecretCodec>(TS_AT(signal.token), {"signaling.token",
                                                     "--signaling-token",
                                                     {0, 1024},
                                                     "Token that a client must show.",
                                                     "Make one with: openssl rand -hex 32",
                                                     "the output of: openssl rand -hex 32"}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.token), {"signaling.token_file",
                                                         "",
                                                         {0, 4096},
                                                         "A file that holds the token.",
                                                         "Name a file that the server's user may read.",
                                                         "/run/secrets/turnstone-token"}));
  t.push_back(one<BoolCodec>(
      TS_AT(signal.open), {"signaling.open", "", kAny, "Let everybody in without a token (for development).",
                           "Write true or false."}));
  t.push_back(many<TextCodec>(
      TS_AT(signal.allowed_origins),
      {"signaling.allowed_origins",
       "",
       {1, 512},
       "Origins of web pages that may open a WebSocket, besides pages of this host; \"*\" is any.",
       "Write origins as a browser sends them: scheme, host and port.",
       "\"https://app.example.org\""}));
  t.push_back(many<IceUrlCodec>(
      TS_AT(signal.ice_urls),
      {"signaling.ice_urls",
       "",
       {1, 512},
       "ICE servers that members are told; TURN URLs get a minted credential (needs auth.secrets).",
       "Write URLs as a browser takes them.",
       "\"stun:turn.example.org:3478\", \"turn:turn.example.org:3478\""}));
  t.push_back(
      one<MillisecondsCodec>(TS_AT(signal.hello_timeout), {"signaling.hello_timeout",
                                                           "",
                                                           {100, 5 * kMinute},
                                                           "A connection without a hello by then is closed.",
                                                           "Write a duration with a unit."}));
  t.push_back(one<SecondsCodec>(TS_AT(signal.heartbeat),
                                {"signaling.heartbeat",
                                 "",
                                 {kSecond, 10 * kMinute},
                                 "Clients ping this often; one silent for more than twice as long is closed.",
                                 "Write a duration with a unit."}));
  t.push_back(one<SizeCodec>(TS_AT(signal.max_message_bytes), {"signaling.max_message_size",
                                                               "",
                                                               {1024, 16U << 20},
                                                               "The largest message.",
                                                               "Write a size with a unit."}));
  t.push_back(one<CountCodec>(
      TS_AT(signal.max_members_per_room),
      {"signaling.max_members_per_room", "", {1, 100'000}, "Members of one room.", "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(signal.max_rooms_per_member), {"signaling.max_rooms_per_member",
                                                                   "",
                                                                   {1, 10'000},
                                                                   "Rooms that one member may be in.",
                                                                   "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(signal.max_connections), {"signaling.max_connections",
                                                              "",
                                                              {1, 10'000'000},
                                                              "Connections over the whole server.",
                                                              "Write a number."}));
  t.push_back(
      one<CountCodec>(TS_AT(signal.messages_per_second), {"signaling.messages_per_second",
                                                          "",
                                                          {1, 1'000'000},
                                                          "Messages of one connection in the long run.",
                                                          "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(signal.message_burst), {"signaling.message_burst",
                                                            "",
                                                            {1, 10'000'000},
                                                            "Messages of one connection at once.",
                                                            "Write a number."}));
  t.push_back(
      one<CountCodec>(TS_AT(signal.max_queued_per_target), {"signaling.max_queued_per_target",
                                                            "",
                                                            {0, 100'000},
                                                            "Messages that wait for one absent member.",
                                                            "Write a number."}));
  t.push_back(one<MillisecondsCodec>(TS_AT(signal.max_queue_time), {"signaling.max_queue_time",
                                                                    "",
                                                                    {0, 10 * kMinute},
                                                                    "How long they wait at most.",
                                                                    "Write a duration with a unit."}));
  t.push_back(one<SizeCodec>(TS_AT(signal.max_send_queue_bytes),
                             {"signaling.max_send_queue",
                              "",
                              {4096, 256U << 20},
                              "Text that waits for one slow connection before it is closed.",
                              "Write a size with a unit."}));
}

void add_rest(std::vector<Key>& t) {
  t.push_back(one<BoolCodec>(TS_AT(metrics.enabled),
                             {"metrics.enabled", "", kAny, "Serve /metrics (Prometheus) on the HTTP port.",
                              "Write true or false."}));
  t.push_back(many<NetworkCodec>(TS_AT(metrics.allow_from),
                                 {"metrics.allow_from", "", kAny, "Networks that may read /metrics.",
                                  "Write networks in CIDR notation."}));
  t.push_back(one<LogLevelCodec>(
      TS_AT(log.level), {"log.level", "--log-level", kAny, "The least severe lines that are written.",
                         "Write one of the levels."}));
  t.push_back(one<LogFormatCodec>(
      TS_AT(log.format), {"log.format", "--log-format", kAny,
                          "Lines for people (text) or for machines (json).", "Write text or json."}));
  t.push_back(one<BoolCodec>(TS_AT(dev), {"dev", "--dev", kAny,
                                          "Development: private and loopback peers, open signaling, a "
                                          "self-signed certificate and a random secret where none "
                                          "is given. Never on a public host.",
                                          "Write true or false."}));
}

std::vector<Key> make_table() {
  std::vector<Key> table;
  add_listen(table);
  add_auth(table);
  table.push_back(realms_key());
  add_relay(table);
  add_relay_limits(table);
  add_signaling(table);
  add_rest(table);
  return table;
}

}  // namespace

std::span<const Key> key_table() {
  static const std::vector<Key> kTable = make_table();
  return kTable;
}

std::span<const Key> realm_table() {
  static const std::vector<Key> kTable = make_realm_table();
  return kTable;
}

std::span<const Section> sections() {
  static const std::array<Section, 7> kSections{{
      {"listen", "Where clients reach the server."},
      {"auth", "Who may use the relay. At least one source is needed: users, secrets, OAuth keys or a hook."},
      {"relay", "TURN: what clients are relayed from, and to whom."},
      {"signaling", "WebSocket signaling."},
      {"metrics", "Prometheus."},
      {"log", "Log lines, written to stderr."},
      {"", "Development mode."},
  }};
  return kSections;
}

}  // namespace ts::config
