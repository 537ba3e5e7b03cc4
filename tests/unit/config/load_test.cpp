// SPDX-License-Identifier: Apache-2.0
#include "helpers.hpp"

namespace ts::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

/// A document and the one problem it has.
struct OneProblem {
  const char* name;
  const char* yaml;
  int line;
  const char* key;
  const char* expected;  // a part
  const char* found;     // a part
  const char* remedy;    // a part
};

void PrintTo(const OneProblem& c, std::ostream* out) { *out << c.name; }

class LoadProblem : public testing::TestWithParam<OneProblem> {};

// In dev mode, on the second line, nothing else is wrong.
TEST_P(LoadProblem, IsToldWithPlaceKeyAndRemedy) {
  const OneProblem& c = GetParam();
  const LoadResult result = load_dev(c.yaml);
  ASSERT_THAT(result.problems, SizeIs(1)) << to_text(result.problems);
  const Problem& p = result.problems[0];
  EXPECT_EQ(p.line, c.line) << p.to_string();
  EXPECT_EQ(p.source, "t.yaml:" + std::to_string(c.line));
  EXPECT_EQ(p.key, c.key);
  EXPECT_THAT(p.expected, HasSubstr(c.expected));
  EXPECT_THAT(p.found, HasSubstr(c.found));
  EXPECT_THAT(p.remedy, HasSubstr(c.remedy));
}

const OneProblem kProblems[] = {
    {"PortTooLarge", "listen:\n  port: 70000", 3, "listen.port", "a port", "\"70000\"", "free port"},
    {"PortNegative", "listen:\n  port: -1", 3, "listen.port", "a port", "\"-1\"", "free port"},
    {"PortText", "listen:\n  port: http", 3, "listen.port", "a port", "\"http\"", "free port"},
    {"PortList", "listen:\n  port: [1]", 3, "listen.port", "a port", "a list", "free port"},
    {"PortMapping", "listen:\n  port: {a: 1}", 3, "listen.port", "a port", "a mapping", "free port"},
    {"Bool", "listen:\n  udp: maybe", 3, "listen.udp", "true or false", "\"maybe\"", "true"},
    {"Address", "listen:\n  bind:\n    - 10.0.0.1\n    - localhost", 5, "listen.bind", "IPv4",
     "\"localhost\"", "one address"},
    {"ListWanted", "listen:\n  bind: 10.0.0.1", 3, "listen.bind", "a list", "single value", "[item, item]"},
    {"ListInList", "listen:\n  bind: [[1]]", 3, "listen.bind", "address", "a list", "address"},
    {"DurationNoUnit", "auth:\n  credential_ttl: 600", 3, "auth.credential_ttl", "10s, 5m or 1h", "\"600\"",
     "unit"},
    {"DurationFraction", "auth:\n  nonce_lifetime: 10500ms", 3, "auth.nonce_lifetime", "whole seconds",
     "10500ms", "unit"},
    {"DurationOverflow", "auth:\n  nonce_lifetime: 99999999999999999d", 3, "auth.nonce_lifetime",
     "a duration", "9d", "unit"},
    {"DiscoverWho", "relay:\n  discover: [dns]", 3, "relay.discover", "node, metadata or stun", "\"dns\"",
     "Write"},
    {"DiscoverWhatIsKnown", "relay:\n  discover: [node]\n  addresses: [192.0.2.1]", 3,
     "relay.discover, relay.addresses", "one of them", "both", "Remove"},
    {"DiscoverByNobody", "relay:\n  discover: [stun]", 3, "relay.discover, relay.discover_stun",
     "STUN server", "none", "stun:HOST:PORT"},
    {"DiscoverWithoutScheme", "relay:\n  discover: [stun]\n  discover_stun: 'stun.example.org:3478'", 3,
     "relay.discover, relay.discover_stun", "STUN server", "\"stun.example.org:3478\"", "stun:HOST:PORT"},
    {"LifetimeTooShort", "relay:\n  default_lifetime: 1s", 3, "relay.default_lifetime", "from 1m", "\"1s\"",
     "unit"},
    {"LifetimeTooLong", "relay:\n  max_lifetime: 100d", 3, "relay.max_lifetime", "to 1d", "\"100d\"", "unit"},
    {"LifetimesCrossed", "relay:\n  max_lifetime: 5m", 3, "relay.default_lifetime, relay.max_lifetime",
     "not above", "10m above 5m", "Raise"},
    {"SizeUnit", "listen:\n  udp_relay_buffer: 4MB", 3, "listen.udp_relay_buffer", "4MiB", "\"4MB\"", "unit"},
    {"SizeTooSmall", "signaling:\n  max_message_size: 12B", 3, "signaling.max_message_size", "from 1KiB",
     "12B", "unit"},
    {"PortsCrossed", "relay:\n  ports: 6000-5000", 3, "relay.ports", "LOW <= HIGH", "6000-5000",
     "lower port first"},
    {"PortsZero", "relay:\n  ports: 0-5000", 3, "relay.ports", "1 <= LOW", "0-5000", "lower"},
    {"PortsOne", "relay:\n  ports: 5000", 3, "relay.ports", "LOW-HIGH", "5000", "lower"},
    {"RelayFamilies", "relay:\n  addresses: ['192.0.2.1/::1']", 3, "relay.addresses", "one family",
     "192.0.2.1/::1", "public"},
    {"RelayUnspecified", "relay:\n  addresses: [0.0.0.0]", 3, "relay.addresses", "address of a host",
     "0.0.0.0", "peers see"},
    {"RelayLocalUnspecified", "relay:\n  addresses: ['2001:db8::1/::']", 3, "relay.addresses",
     "address of a host", "2001:db8::1/::", "peers see"},
    {"RelayMulticast", "relay:\n  addresses: [224.0.0.1]", 3, "relay.addresses", "address of a host",
     "224.0.0.1", "peers see"},
    {"RelayTwice", "relay:\n  addresses: [192.0.2.1, 192.0.2.2]", 3, "relay.addresses",
     "one address a family", "192.0.2.2", "Keep one"},
    {"Network", "relay:\n  deny_peers: [10.0.0.1/8]", 3, "relay.deny_peers", "host bits zero", "10.0.0.1/8",
     "CIDR"},
    {"Realm", "auth:\n  realm: 'a\"b'", 3, "auth.realm", "without quotes", "a\"b", "domain"},
    {"RealmEmpty", "auth:\n  realm: ''", 3, "auth.realm", "1 to 127", "\"\"", "domain"},
    {"Level", "log:\n  level: loud", 3, "log.level", "trace, debug", "loud", "levels"},
    {"Format", "log:\n  format: xml", 3, "log.format", "text or json", "xml", "json"},
    {"IceUrl", "signaling:\n  ice_urls: ['http://x']", 3, "signaling.ice_urls", "stun:", "http://x",
     "browser"},
    {"OpenAndToken", "signaling:\n  open: true\n  token: x", 3, "signaling.open, signaling.token",
     "or an open door", "both", "Remove"},
    {"TokenTwice", "signaling:\n  token: x\n  token_file: f", 4, "signaling.token, signaling.token_file",
     "one of the two", "both", "Keep"},
    {"HookSlowerThanHello", "signaling:\n  hook_url: 'https://x/'\n  hook_timeout: 5s\n  hello_timeout: 5s",
     4, "signaling.hook_timeout, signaling.hello_timeout", "before its client", "5s not below 5s", "Lower"},
    {"HelloSoonerThanHook", "signaling:\n  hook_url: 'https://x/'\n  hello_timeout: 2500ms", 4,
     "signaling.hook_timeout, signaling.hello_timeout", "before its client", "3s not below 2500ms", "raise"},
    {"QueueBelowMessage", "signaling:\n  max_send_queue: 4KiB", 3,
     "signaling.max_send_queue, signaling.max_message_size", "largest", "4KiB below 64KiB", "Raise"},
    {"CredentialsForAnybody", "signaling:\n  allowed_origins: ['*']\n  socketio:\n    cors_credentials: true",
     5, "signaling.socketio.cors_credentials, signaling.allowed_origins", "origins by name", "\"*\"",
     "Name the"},
    {"NoListener", "listen:\n  udp: false\n  tcp: false", 3, "listen.udp, listen.tcp", "at least one",
     "both false", "listen.udp"},
    {"UnknownKey", "listen:\n  prot: 1", 3, "listen.prot", "exists", "unknown", "`listen.port`"},
    {"UnknownSection", "listem:\n  port: 1", 2, "listem", "exists", "unknown", "`listen`"},
    {"WrongSection", "listen:\n  realm: x", 3, "listen.realm", "exists", "unknown", "`auth.realm`"},
    {"UnknownFar", "listen:\n  zzzzzzzzzz: 1", 3, "listen.zzzzzzzzzz", "exists", "unknown", "config sample"},
    {"DuplicateKey", "listen:\n  port: 1\n  port: 2", 4, "listen.port", "once", "first on line 3",
     "Keep one"},
    {"DuplicateSection", "listen:\n  port: 1\nlisten:\n  udp: true", 4, "listen", "once", "first on line 2",
     "Keep one"},
    {"SectionScalar", "listen: 3478", 2, "listen", "keys of the section", "single value", "indented"},
    {"KeyIsList", "[a, b]: 1", 2, "(key)", "a key", "a list", "key: value"},
    {"UsersFile", "auth:\n  users_file: nope", 3, "auth.users_file", "readable file",
     "\"nope\": No such file", "may read"},
    {"SecretsFile", "auth:\n  secrets_file: nope", 3, "auth.secrets_file", "readable file",
     "\"nope\": No such file", "may read"},
    {"TokenFile", "signaling:\n  token_file: nope", 3, "signaling.token_file", "readable file",
     "\"nope\": No such file", "may read"},
    {"HookUrl", "auth:\n  hook_url: ftp://x", 3, "auth.hook_url", "https:", "ftp://x", "URL"},
    {"HookUrlUser", "auth:\n  hook_url: http://a:b@x/", 3, "auth.hook_url", "without user", "a:b@x", "URL"},
    {"HookTokenTwice", "auth:\n  hook_token: x\n  hook_token_file: f", 4,
     "auth.hook_token, auth.hook_token_file", "one of the two", "both", "Keep"},
    {"HookTokenFile", "auth:\n  hook_token_file: nope", 3, "auth.hook_token_file", "readable file",
     "\"nope\": No such file", "may read"},
    {"Backplane", "signaling:\n  backplane: nats", 3, "signaling.backplane", "memory or redis", "nats",
     "redis"},
    {"RedisUrl", "signaling:\n  redis:\n    url: 'http://x'", 4, "signaling.redis.url", "rediss:", "http://x",
     "HOST:PORT"},
    {"RedisUrlUser", "signaling:\n  redis:\n    url: 'redis://a:b@x'", 4, "signaling.redis.url",
     "without user", "a:b@x", "keys of their own"},
    {"RedisPasswordTwice", "signaling:\n  redis:\n    password: x\n    password_file: f", 5,
     "signaling.redis.password, signaling.redis.password_file", "one of the two", "both", "Keep"},
    {"RedisUser", "signaling:\n  backplane: redis\n  redis:\n    username: x", 5,
     "signaling.redis.username, signaling.redis.password", "a password", "none", "Add"},
    {"RedisCa", "signaling:\n  backplane: redis\n  redis:\n    ca_file: nope", 5, "signaling.redis.ca_file",
     "readable file", "\"nope\": No such file", "may read"},
    {"ClusterSecretShort", "signaling:\n  backplane: redis\n  redis:\n    cluster_secret: fifteen-letters", 5,
     "signaling.redis.cluster_secret, signaling.redis.cluster_secret_file", "16 characters", "a shorter one",
     "openssl rand"},
    {"ClusterSecretTwice", "signaling:\n  redis:\n    cluster_secret: x\n    cluster_secret_file: f", 5,
     "signaling.redis.cluster_secret, signaling.redis.cluster_secret_file", "one of the two", "both", "Keep"},
    {"ClusterSecretFile", "signaling:\n  redis:\n    cluster_secret_file: nope", 4,
     "signaling.redis.cluster_secret_file", "readable file", "\"nope\": No such file", "may read"},
    {"NodeUrl", "signaling:\n  node_url: 'redis://x'", 3, "signaling.node_url", "an http: or https: URL",
     "redis://x", "own address"},
    {"NodeUrlPath",
     "signaling:\n  backplane: redis\n  node_url: 'http://127.0.0.1:80/x'\n  redis: "
     "{cluster_secret: sixteen-letters.}",
     4, "signaling.node_url", "an address and a port", "http://127.0.0.1:80/x", "Leave path"},
    {"Forwarded", "signaling:\n  max_forwarded: 0", 3, "signaling.max_forwarded", "1", "\"0\"", "number"},
    {"HookCa", "auth:\n  hook_ca_file: nope", 3, "auth.hook_ca_file", "readable file",
     "\"nope\": No such file", "may read"},
    {"HookTimeout", "auth:\n  hook_timeout: 10ms", 3, "auth.hook_timeout", "50ms", "10ms", "unit"},
    {"HookInFlight", "auth:\n  hook_max_in_flight: 0", 3, "auth.hook_max_in_flight", "1 to 1024", "0",
     "number"},
    {"ControlInFound", "auth:\n  realm: \"a\\x1b[31m\"", 3, "auth.realm", "a name", "a\\x1b[31m", "domain"},
};

INSTANTIATE_TEST_SUITE_P(Each, LoadProblem, testing::ValuesIn(kProblems),
                         [](const auto& test) { return std::string(test.param.name); });

// RFC 8489 §14.14 MUST: SOFTWARE is UTF-8 of fewer than 128 characters
// RFC 8489 §14.9 MUST: REALM is UTF-8 of fewer than 128 characters
TEST(Load, TextsOfAttributesAreShortUtf8) {
  const auto problems = [](const std::string& key, const std::string& value) {
    return load_dev(key + ": \"" + value + "\"").problems.size();
  };
  for (const std::string key : {"relay:\n  software", "auth:\n  realm"}) {
    EXPECT_EQ(problems(key, std::string(127, 'a')), 0U) << key;
    EXPECT_EQ(problems(key, std::string(128, 'a')), 1U) << key;
    EXPECT_EQ(problems(key, "caf\xc3\xa9"), 0U) << key;
    EXPECT_EQ(problems(key, "caf\xe9"), 1U) << key;
  }
}

TEST(Load, DefaultsNeedCredentials) {
  const LoadResult result = load_text("");
  ASSERT_THAT(result.problems, SizeIs(1)) << to_text(result.problems);
  EXPECT_THAT(result.problems[0].key, HasSubstr("auth.secrets, auth.users"));
  EXPECT_THAT(result.problems[0].remedy, HasSubstr("--dev"));
  EXPECT_THAT(result.problems[0].remedy, HasSubstr("auth.secrets"));
  EXPECT_THAT(load_text(kGood).problems, IsEmpty());
  EXPECT_THAT(load_text("relay: {enabled: false}\nsignaling: {enabled: false}").problems, IsEmpty());
  EXPECT_THAT(load_text("dev: true").problems, IsEmpty());
}

TEST(Load, TellsEverythingAtOnceInOrder) {
  const LoadResult result = load_text(
      "listen:\n  port: 99999\n  bind: [a, 10.0.0.1, b]\n  udp: perhaps\nrelay:\n  ports: 9-1\n  bogus: 1\n"
      "log: {level: x}\nauth:\n  users: [nocolon]\n");
  std::vector<std::pair<int, std::string>> got;
  for (const Problem& p : result.problems) got.emplace_back(p.line, p.key);
  // The bad users are not told a second time as missing.
  const std::vector<std::pair<int, std::string>> want = {
      {2, "listen.port"}, {3, "listen.bind"}, {3, "listen.bind"}, {4, "listen.udp"},
      {6, "relay.ports"}, {7, "relay.bogus"}, {8, "log.level"},   {10, "auth.users"}};
  EXPECT_EQ(got, want) << to_text(result.problems);
}

TEST(Load, ReadsEveryKindOfValue) {
  const LoadResult r = load_text(
      "listen: {bind: [10.0.0.1, '::1'], port: 0, udp: no, handshake_timeout: 250ms, udp_relay_buffer: "
      "64KiB}\n"
      "auth: {realm: example.org, users: ['alice:pa:ss'], secrets: [a, 123], credential_ttl: 2h}\n"
      "relay: {addresses: [192.0.2.1/10.0.0.5, '2001:db8::1'], ports: 50000-50100, allow_peers: "
      "[10.1.0.0/16, 10.9.9.9], offload: tc, offload_devices: [eth0, bond0]}\n"
      "signaling: {token: t, ice_urls: ['turn:x:3478?transport=udp'], heartbeat: 1m}\n"
      "metrics: {allow_from: []}\nlog: {level: warn, format: json}\n");
  ASSERT_TRUE(r.ok()) << to_text(r.problems);
  const Config& c = r.config;
  ASSERT_THAT(c.net.bind, SizeIs(2));
  EXPECT_EQ(c.net.bind[1].to_string(), "::1");
  EXPECT_EQ(c.net.port, 0);
  EXPECT_FALSE(c.net.udp);
  EXPECT_EQ(c.net.handshake_timeout, 250ms);
  EXPECT_EQ(c.net.udp_relay_buffer_bytes, 65536U);
  EXPECT_EQ(c.auth.realm, "example.org");
  ASSERT_THAT(c.auth.users, SizeIs(1));
  EXPECT_EQ(c.auth.users[0].password, "pa:ss");
  EXPECT_EQ(c.auth.secrets, (std::vector<std::string>{"a", "123"}));
  EXPECT_EQ(c.auth.credential_ttl, 2h);
  ASSERT_THAT(c.turn.relay_addresses, SizeIs(2));
  EXPECT_EQ(c.turn.relay_addresses[0].local.to_string(), "10.0.0.5");
  EXPECT_EQ(c.turn.relay_addresses[1].local, c.turn.relay_addresses[1].advertised);
  EXPECT_EQ(c.turn.ports, (turn::PortRange{50000, 50100}));
  EXPECT_EQ(c.turn.peers.allow[1].prefix_bits, 32);
  EXPECT_EQ(c.offload.mode, offload::Mode::Tc);
  EXPECT_THAT(c.offload.devices, SizeIs(2));
  EXPECT_EQ(c.signal.heartbeat, 60s);
  EXPECT_THAT(c.metrics.allow_from, IsEmpty());
  EXPECT_EQ(c.log.level, LogLevel::Warn);
  EXPECT_EQ(c.log.format, LogFormat::Json);
}

TEST(Load, NodesOfAClusterHaveASecretUnlessTheyAreForDevelopment) {
  const std::string redis = "signaling: {token: t, backplane: redis, redis: {";
  const std::string good_auth = "auth: {secrets: [s3cr3t-one]}\n";
  const LoadResult none = load_text(good_auth + redis + "}}\n");
  ASSERT_THAT(none.problems, SizeIs(1)) << to_text(none.problems);
  EXPECT_THAT(none.problems[0].key, HasSubstr("signaling.redis.cluster_secret"));
  EXPECT_THAT(none.problems[0].remedy, HasSubstr("openssl rand -hex 32"));
  EXPECT_TRUE(load_dev(redis + "}}\n").ok());
  const std::string secret = "sixteen-letters.";
  const LoadResult good = load_text(good_auth + redis + "cluster_secret: " + secret + "}}\n");
  ASSERT_TRUE(good.ok()) << to_text(good.problems);
  EXPECT_EQ(good.config.signal.cluster.cluster_secret, secret);
  const LoadResult short_file =
      load_text(good_auth + redis + "cluster_secret_file: f}}\n", {}, {}, {{"f", "short\n"}});
  ASSERT_THAT(short_file.problems, SizeIs(1)) << to_text(short_file.problems);
  EXPECT_THAT(short_file.problems[0].found, "a shorter one");
  EXPECT_EQ(load_text(good_auth + redis + "cluster_secret_file: f}}\n", {}, {}, {{"f", secret}})
                .config.signal.cluster.cluster_secret,
            secret);
}

TEST(Load, WaysToRelay) {
  const std::string good = "auth: {secrets: [a]}\nrelay: {addresses: [192.0.2.1], offload: ";
  for (const char* mode : {"off", "auto", "tc", "xdp"})
    EXPECT_TRUE(load_text(good + mode + "}\n").ok()) << mode;
  EXPECT_FALSE(load_text(good + "ebpf}\n").ok());
}

TEST(Load, FlagOverEnvironmentOverFileOverDefault) {
  const std::string file = std::string(kGood) + "listen: {port: 1000, bind: [10.0.0.1]}\n";
  const Environment env = {{"TURNSTONE_LISTEN_PORT", "2000"},
                           {"TURNSTONE_LISTEN_BIND", "10.0.0.2, 10.0.0.3"}};
  const std::vector<Override> flags = {{"listen.port", "3000", "--port"},
                                       {"listen.bind", "10.0.0.4", "--bind"},
                                       {"listen.bind", "::1", "--bind"}};
  EXPECT_EQ(load_text(kGood).config.net.port, 3478);
  EXPECT_EQ(load_text(file).config.net.port, 1000);
  EXPECT_EQ(load_text(file, env).config.net.port, 2000);
  EXPECT_EQ(load_text(file, env, flags).config.net.port, 3000);
  EXPECT_THAT(load_text(file).config.net.bind, SizeIs(1));
  EXPECT_EQ(load_text(file, env).config.net.bind[1].to_string(), "10.0.0.3");
  EXPECT_EQ(load_text(file, env, flags).config.net.bind[1].to_string(), "::1");
  EXPECT_EQ(load_text(file, {{"TURNSTONE_LISTEN_PORT", ""}}).config.net.port, 1000) << "empty is not set";
}

TEST(Load, DtlsGoesWithTheTlsPortUnlessItIsSaid) {
  EXPECT_EQ(load_dev("listen:\n  tls_port: 443").config.net.dtls_port, 443);
  EXPECT_EQ(load_dev("listen:\n  tls_port: 443\n  dtls_port: 5349").config.net.dtls_port, 5349);
  EXPECT_EQ(load_dev("").config.net.dtls_port, 5349);
}

TEST(Load, FlagsAndVariablesAreNamedAsTheSource) {
  const LoadResult r =
      load_text(kGood, {{"TURNSTONE_LISTEN_PORT", "x"}, {"TURNSTONE_RELAY_DENY_PEERS", "10.0.0.0/8,y"}},
                {{"log.level", "z", "--log-level"}});
  ASSERT_THAT(r.problems, SizeIs(3));
  EXPECT_EQ(r.problems[0].source, "TURNSTONE_LISTEN_PORT");
  EXPECT_EQ(r.problems[1].source, "TURNSTONE_RELAY_DENY_PEERS");
  EXPECT_EQ(r.problems[2].source, "--log-level");
  EXPECT_EQ(r.problems[2].line, 0);
}

TEST(Load, UnknownVariables) {
  EXPECT_THAT(load_text(kGood, {{"TURNSTONE_AUTH_SECRET", "x"}}).problems.at(0).remedy,
              HasSubstr("`TURNSTONE_AUTH_SECRETS`"));
  EXPECT_THAT(load_text(kGood, {{"TURNSTONE_SIGNALLING_TOKEN", "x"}}).problems, SizeIs(1));
  EXPECT_THAT(load_text(kGood, {{"TURNSTONE_LISTEN_ZZZZZZZZZZZZZZZ", "x"}}).problems, SizeIs(1));
  // What Kubernetes injects for a Service called turnstone, and what is somebody else's.
  for (const char* name :
       {"TURNSTONE_SERVICE_HOST", "TURNSTONE_PORT", "TURNSTONE_PORT_3478_UDP_ADDR",
        "TURNSTONE_METRICS_SERVICE_PORT_HTTP", "TURNSTONE_CONFIG", "TURNSTONE_NODE_NAME_X"}) {
    EXPECT_THAT(load_text(kGood, {{name, "x"}}).problems, IsEmpty()) << name;
  }
}

TEST(Load, SecretsFromFiles) {
  const Files files = {
      {"users", "alice:one\n\nbob:two:three\r\n"}, {"secrets", "first\nsecond\n"}, {"token", "tok\n"}};
  const LoadResult r = load_text(
      "auth: {users: ['carol:x'], users_file: users, secrets: [inline], secrets_file: secrets}\n"
      "signaling: {token_file: token}\n",
      {}, {}, files);
  ASSERT_TRUE(r.ok()) << to_text(r.problems);
  ASSERT_THAT(r.config.auth.users, SizeIs(3));
  EXPECT_EQ(r.config.auth.users[2].name, "bob");
  EXPECT_EQ(r.config.auth.users[2].password, "two:three");
  EXPECT_EQ(r.config.auth.secrets, (std::vector<std::string>{"inline", "first", "second"}));
  EXPECT_EQ(r.config.signal.token, "tok");
}

TEST(Load, HigherLayerOfTokenAndTokenFileWins) {
  const Files files = {{"token", "from-file\n"}};
  const std::string secret = "auth: {secrets: [s]}\n";
  EXPECT_EQ(load_text(secret + "signaling: {token: inline}", {{"TURNSTONE_SIGNALING_TOKEN_FILE", "token"}},
                      {}, files)
                .config.signal.token,
            "from-file");
  EXPECT_EQ(load_text(secret + "signaling: {token_file: token}", {},
                      {{"signaling.token", "flag", "--signaling-token"}}, files)
                .config.signal.token,
            "flag");
}

TEST(Load, BadSecretFiles) {
  const Files files = {{"users", "alice:one\nHUSHHUSH\n"}, {"empty", "\n"}, {"two", "HUSH1\nHUSH2\n"}};
  const LoadResult r = load_text(
      "auth:\n  users_file: users\n  secrets_file: empty\nsignaling:\n  token_file: two\n", {}, {}, files);
  ASSERT_THAT(r.problems, SizeIs(3)) << to_text(r.problems);
  EXPECT_EQ(r.problems[0].source, "users:2");
  EXPECT_EQ(r.problems[1].source, "t.yaml:3");
  EXPECT_EQ(r.problems[2].source, "two:2");
  EXPECT_EQ(to_text(r.problems).find("HUSH"), std::string::npos);
}

TEST(Load, TlsFiles) {
  const Files files = {
      {"c", "-----BEGIN CERTIFICATE-----\n"}, {"k", "-----BEGIN PRIVATE KEY-----\n"}, {"der", "0"}};
  const auto with = [&](const std::string& listen) {
    return load_text(kGood + listen, {}, {}, files).problems;
  };
  EXPECT_THAT(with("listen: {tls_cert_file: c, tls_key_file: k}"), IsEmpty());
  const auto alone = with("listen: {tls_cert_file: c}");
  ASSERT_THAT(alone, SizeIs(1));
  EXPECT_EQ(alone[0].key, "listen.tls_cert_file, listen.tls_key_file");
  EXPECT_THAT(alone[0].remedy, HasSubstr("--tls-key"));
  EXPECT_THAT(with("listen: {tls_key_file: k}"), SizeIs(1));
  EXPECT_THAT(with("listen: {tls_cert_file: der, tls_key_file: k}"), SizeIs(1));
  EXPECT_THAT(with("listen: {tls_cert_file: x, tls_key_file: y}"), SizeIs(2));
  const auto tickets = with("listen: {tls_self_signed: true, tls_ticket_keys_file: t}");
  ASSERT_THAT(tickets, SizeIs(1));
  EXPECT_EQ(tickets[0].key, "listen.tls_ticket_keys_file");
}

TEST(Load, UnsafeOutsideDev) {
  const auto with = [](const std::string& yaml) { return load_text(kGood + yaml).problems; };
  EXPECT_THAT(with("relay: {addresses: [127.0.0.1]}"), IsEmpty());
  EXPECT_THAT(with("relay: {allow_peers: [0.0.0.0/0]}"), IsEmpty());
  EXPECT_THAT(load_text("auth: {users: ['a:b']}\nsignaling: {open: true, ice_urls: ['turn:x']}").problems,
              SizeIs(1));
}

TEST(Load, MissingFile) {
  const LoadResult r = load_file("/nonexistent/x.yaml", {}, {});
  ASSERT_THAT(r.problems, SizeIs(1));
  EXPECT_THAT(r.problems[0].to_string(), HasSubstr("/nonexistent/x.yaml"));
  EXPECT_THAT(load_file("/", {}, {}).problems, SizeIs(1));
  EXPECT_THAT(load_file("", {}, std::vector<Override>{{"dev", "true", "--dev"}}).problems, IsEmpty());
}

TEST(Load, EnvironmentFromEntries) {
  const char* entries[] = {"PATH=/bin", "TURNSTONE_LISTEN_PORT=1=2", "TURNSTONE_X", nullptr};
  EXPECT_EQ(environment_from(entries), (Environment{{"TURNSTONE_LISTEN_PORT", "1=2"}}));
}

}  // namespace
}  // namespace ts::config
