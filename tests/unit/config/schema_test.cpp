// SPDX-License-Identifier: Apache-2.0
#include <set>

#include <turnstone/base/random.hpp>
#include <turnstone/config/migrate.hpp>
#include <turnstone/config/schema.hpp>

#include "helpers.hpp"

namespace ts::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class CountingRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (std::uint8_t& byte : out) byte = next_++;
  }

 private:
  std::uint8_t next_ = 1;
};

std::string source_path(const std::string& path) { return std::string(TS_SOURCE_DIR) + '/' + path; }

TEST(Sample, IsUpToDate) {
  EXPECT_EQ(slurp(source_path("config/turnstone.yaml")), sample_yaml()) << "run: turnstone config sample";
}

TEST(CoturnDocumentation, IsUpToDate) {
  EXPECT_EQ(slurp(source_path("docs/coturn-options.md")), coturn_documentation())
      << "run: turnstone config migrate --options";
}

TEST(Documentation, IsUpToDate) {
  EXPECT_EQ(slurp(source_path("docs/configuration.md")), documentation()) << "run: turnstone config docs";
  EXPECT_EQ(slurp(source_path("docs/config.schema.json")), json_schema()) << "run: turnstone config schema";
  EXPECT_THAT(json_schema(), HasSubstr(R"("items": {"enum": ["node", "metadata", "stun"]})"));
}

TEST(Sample, LoadsToTheDefaults) {
  const LoadResult r = load_text(sample_yaml());
  EXPECT_EQ(print(r.config), print(Config{}));
  EXPECT_THAT(r.problems, SizeIs(1)) << to_text(r.problems);  // what the defaults lack
  const LoadResult good =
      load_text(sample_yaml(), {{"TURNSTONE_AUTH_SECRETS", "x"}, {"TURNSTONE_SIGNALING_TOKEN", "y"}});
  EXPECT_THAT(good.problems, IsEmpty()) << to_text(good.problems);
}

TEST(Sample, ExamplesLoadToo) {
  std::string yaml;
  std::string text = sample_yaml();
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  // An example is a comment `# leaf: value` right above `leaf: default`.
  int examples = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string leaf = i + 1 < lines.size() ? lines[i + 1].substr(0, lines[i + 1].find(':') + 1) : "";
    const std::string comment = leaf.size() > 2 ? "  # " + leaf.substr(2) : "?";
    if (lines[i].rfind(comment, 0) == 0) {
      yaml += "  " + lines[i].substr(4) + '\n';
      ++i, ++examples;
    } else {
      yaml += lines[i] + '\n';
    }
  }
  EXPECT_GT(examples, 10);
  const Files files = {{"/etc/turnstone/tls.crt", "-----BEGIN "},
                       {"/etc/turnstone/tls.key", "-----BEGIN "},
                       {"/etc/turnstone/hook-ca.crt", "-----BEGIN "},
                       {"/etc/turnstone/webhooks-ca.crt", "-----BEGIN "},
                       {"/etc/turnstone/jwks.json", "{}"},
                       {"/run/secrets/turnstone-users", "a:b"},
                       {"/run/secrets/turnstone-secrets", "s"},
                       {"/run/secrets/turnstone-jwt-secrets", std::string(32, 's')},
                       {"/run/secrets/turnstone-token", "t"},
                       {"/run/secrets/turnstone-hook-token", "t"},
                       {"/run/secrets/turnstone-admin-token", "0123456789abcdef"}};
  const LoadResult r = load_text(yaml, {}, {}, files);
  ASSERT_THAT(r.problems, SizeIs(7)) << to_text(r.problems) << yaml;
  // The sample shows both, and how to make some.
  EXPECT_EQ(r.problems[0].key, "signaling.token, signaling.token_file");
  EXPECT_EQ(r.problems[1].key, "auth.hook_token, auth.hook_token_file");
  EXPECT_EQ(r.problems[2].key, "signaling.hook_secret, signaling.hook_secret_file");
  EXPECT_EQ(r.problems[3].key, "webhooks.secrets, webhooks.secret_file");
  EXPECT_EQ(r.problems[4].key, "admin.token, admin.token_file");
  EXPECT_EQ(r.problems[5].key, "signaling.hook_secret");
  EXPECT_EQ(r.problems[6].key, "webhooks.secrets");
}

TEST(Keys, AreCompleteAndDistinct) {
  std::set<std::string> paths, flags, variables;
  for (const KeyInfo& key : keys()) {
    EXPECT_TRUE(paths.insert(key.path).second) << key.path;
    EXPECT_TRUE(variables.insert(key.environment).second) << key.environment;
    if (!key.flag.empty()) {
      EXPECT_TRUE(flags.insert(key.flag).second) << key.flag;
    }
    EXPECT_FALSE(key.doc.empty() || key.remedy.empty() || key.type.empty() || key.default_value.empty())
        << key.path;
    EXPECT_THAT(documentation(), HasSubstr('`' + key.path + '`'));
  }
  for (const char* flag :
       {"--dev", "--bind", "--port", "--tls-port", "--http-port", "--tls-cert", "--tls-key", "--realm",
        "--user", "--secret", "--relay-address", "--relay-ports", "--threads", "--signaling-token",
        "--log-level", "--log-format", "--allow-peer", "--deny-peer"}) {
    EXPECT_EQ(flags.count(flag), 1U) << flag;
  }
}

// Each key takes its own default through each layer, and the print of a config loads to the same config.
TEST(Keys, DefaultsRoundTrip) {
  for (const KeyInfo& key : keys()) {
    const std::size_t dot = key.path.find('.');
    const std::string yaml =
        dot == std::string::npos
            ? key.path + ": " + key.default_value + '\n'
            : key.path.substr(0, dot) + ": {" + key.path.substr(dot + 1) + ": " + key.default_value + "}\n";
    const LoadResult r = load_text(yaml);
    for (const Problem& p : r.problems) EXPECT_NE(p.key, key.path) << p.to_string();
    EXPECT_EQ(print(r.config), print(Config{})) << key.path;
  }
}

TEST(Print, RoundTripsAndHidesSecrets) {
  const std::string yaml =
      "listen: {bind: ['::1'], handshake_timeout: 1500ms}\nauth: {realm: 'a b', users: ['alice:HUSH'], "
      "secrets: [HUSH]}\n"
      "relay: {ports: 50000-50001, software: 'back\\slash \"q\"'}\nsignaling: {token: HUSH}\nlog: {level: "
      "debug}\n";
  const LoadResult r = load_text(yaml);
  ASSERT_TRUE(r.ok()) << to_text(r.problems);
  const std::string printed = print(r.config);
  EXPECT_EQ(printed.find("HUSH"), std::string::npos);
  EXPECT_THAT(printed, HasSubstr("\"alice:***\""));
  EXPECT_THAT(printed, HasSubstr("handshake_timeout: 1500ms"));
  const LoadResult again = load_text(printed);
  ASSERT_TRUE(again.ok()) << to_text(again.problems);
  EXPECT_EQ(print(again.config), printed);
}

TEST(Defaults, DevOpensWhatIsNotSet) {
  CountingRandom random;
  Config config = load_text("dev: true").config;
  apply_dev_defaults(config, random);
  EXPECT_TRUE(config.turn.peers.allow_private);
  EXPECT_TRUE(config.signal.open);
  EXPECT_TRUE(config.net.tls_self_signed);
  ASSERT_THAT(config.auth.secrets, SizeIs(1));
  EXPECT_EQ(config.auth.secrets[0].size(), 64U);
  ASSERT_THAT(config.turn.relay_addresses, SizeIs(1));
  EXPECT_EQ(config.turn.relay_addresses[0].advertised.to_string(), "127.0.0.1");

  Config set =
      load_text("dev: true\nlisten: {bind: [10.0.0.1, '::']}\nauth: {secrets: [s]}\nsignaling: {token: t}")
          .config;
  apply_dev_defaults(set, random);
  EXPECT_FALSE(set.signal.open);
  EXPECT_EQ(set.auth.secrets, std::vector<std::string>{"s"});
  ASSERT_THAT(set.turn.relay_addresses, SizeIs(1));
  EXPECT_EQ(set.turn.relay_addresses[0].local.to_string(), "10.0.0.1");
}

TEST(Defaults, AreSafeWithoutDev) {
  CountingRandom random;
  Config config;
  apply_dev_defaults(config, random);
  EXPECT_EQ(print(config), print(Config{}));
  EXPECT_FALSE(config.turn.peers.allow_private || config.signal.open || config.net.tls_self_signed);
  EXPECT_THAT(config.auth.secrets, IsEmpty());
  const auto allowed = [&](const char* text) {
    for (const auto& n : config.metrics.allow_from) {
      if (n.contains(*IpAddress::parse(text))) return true;
    }
    return false;
  };
  EXPECT_TRUE(allowed("127.0.0.1") && allowed("::1") && allowed("10.2.3.4") && allowed("fd00::1"));
  EXPECT_FALSE(allowed("8.8.8.8") || allowed("2001:db8::1") || allowed("172.32.0.1"));
}

TEST(Defaults, RelayAddressOfTheHost) {
  const auto ip = [](const char* text) { return *IpAddress::parse(text); };
  const auto filled = [&](const std::vector<IpAddress>& bind, const std::vector<IpAddress>& host) {
    Config config;
    config.net.bind = bind;
    std::string out;
    for (const Problem& p : fill_relay_addresses(config, host)) out += p.key + ' ';
    for (const auto& a : config.turn.relay_addresses) out += a.advertised.to_string() + ' ';
    return out;
  };
  EXPECT_EQ(filled({}, {ip("127.0.0.1"), ip("10.0.0.1"), ip("192.0.2.1"), ip("fe80::1"), ip("2001:db8::1")}),
            "192.0.2.1 2001:db8::1 ");
  EXPECT_EQ(filled({}, {ip("10.0.0.1"), ip("::1")}), "10.0.0.1 ");
  EXPECT_EQ(filled({ip("10.9.9.9")}, {ip("192.0.2.1"), ip("2001:db8::1")}), "10.9.9.9 ");
  EXPECT_EQ(filled({ip("0.0.0.0")}, {ip("192.0.2.1"), ip("2001:db8::1")}), "192.0.2.1 ");
  EXPECT_EQ(filled({}, {ip("127.0.0.1"), ip("169.254.1.1")}), "relay.addresses ");
}

TEST(Defaults, WhatWasNotDiscoveredIsTakenOfTheHostIfPublic) {
  const auto ip = [](const char* text) { return *IpAddress::parse(text); };
  Config config;
  config.discover.sources = {AddressSource::Node};
  config.turn.relay_addresses = {{ip("192.0.2.1"), ip("10.0.0.1")}};
  EXPECT_THAT(fill_relay_addresses(config, std::vector<IpAddress>{ip("10.0.0.1"), ip("fd00::1")}), IsEmpty());
  EXPECT_EQ(config.turn.relay_addresses.size(), 1U);
  fill_relay_addresses(config, std::vector<IpAddress>{ip("fd00::1"), ip("2001:db8::1")});
  ASSERT_EQ(config.turn.relay_addresses.size(), 2U);
  EXPECT_EQ(config.turn.relay_addresses[1].advertised.to_string(), "2001:db8::1");
}

}  // namespace
}  // namespace ts::config
