// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <turnstone/app/cli.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/config/schema.hpp>

namespace ts::app {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Command parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "turnstone");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

template <class T>
T parse_as(const std::vector<const char*>& arguments) {
  Command command = parse(arguments);
  if (const auto* exit = std::get_if<ExitCommand>(&command)) ADD_FAILURE() << exit->text;
  return std::holds_alternative<T>(command) ? std::get<T>(command) : T{};
}

/// "key=value (flag)" for each override.
std::vector<std::string> shown(const ConfigSource& source) {
  std::vector<std::string> out;
  for (const auto& o : source.overrides) out.push_back(o.key + '=' + o.value + " (" + o.flag + ')');
  return out;
}

TEST(Cli, DoctorTakesAConfigurationAServerAndJson) {
  const auto doctor = parse_as<DoctorCommand>(
      {"doctor", "--config", "t.yaml", "--server", "stun:s", "--json", "--port", "1"});
  EXPECT_EQ(doctor.source.file, "t.yaml");
  EXPECT_EQ(doctor.server, "stun:s");
  EXPECT_TRUE(doctor.json);
  ASSERT_EQ(doctor.source.overrides.size(), 1U);
  EXPECT_EQ(doctor.source.overrides[0].key, "listen.port");
}

TEST(Cli, ServeFlagsBecomeOverrides) {
  const auto serve = parse_as<ServeCommand>({"serve",
                                             "--config",
                                             "f.yaml",
                                             "--dev",
                                             "--bind",
                                             "127.0.0.1",
                                             "--bind",
                                             "::1",
                                             "--port",
                                             "0",
                                             "--tls-port",
                                             "0",
                                             "--http-port",
                                             "0",
                                             "--tls-cert",
                                             "c",
                                             "--tls-key",
                                             "k",
                                             "--realm",
                                             "r",
                                             "--user",
                                             "a:b",
                                             "--user",
                                             "c:d,e",
                                             "--secret",
                                             "s",
                                             "--relay-address",
                                             "192.0.2.1/10.0.0.1",
                                             "--relay-ports",
                                             "5000-5100",
                                             "--threads",
                                             "2",
                                             "--signaling-token",
                                             "t",
                                             "--log-level",
                                             "debug",
                                             "--log-format",
                                             "json",
                                             "--allow-peer",
                                             "10.0.0.0/8",
                                             "--deny-peer",
                                             "192.0.2.0/24"});
  EXPECT_EQ(serve.source.file, "f.yaml");
  const auto got = shown(serve.source);
  for (const char* want : {"dev=true (--dev)",
                           "listen.bind=127.0.0.1 (--bind)",
                           "listen.bind=::1 (--bind)",
                           "listen.port=0 (--port)",
                           "listen.tls_port=0 (--tls-port)",
                           "listen.http_port=0 (--http-port)",
                           "listen.tls_cert_file=c (--tls-cert)",
                           "listen.tls_key_file=k (--tls-key)",
                           "auth.realm=r (--realm)",
                           "auth.users=a:b (--user)",
                           "auth.users=c:d,e (--user)",
                           "auth.secrets=s (--secret)",
                           "relay.addresses=192.0.2.1/10.0.0.1 (--relay-address)",
                           "relay.ports=5000-5100 (--relay-ports)",
                           "listen.threads=2 (--threads)",
                           "signaling.token=t (--signaling-token)",
                           "log.level=debug (--log-level)",
                           "log.format=json (--log-format)",
                           "relay.allow_peers=10.0.0.0/8 (--allow-peer)",
                           "relay.deny_peers=192.0.2.0/24 (--deny-peer)"}) {
    EXPECT_NE(std::find(got.begin(), got.end(), want), got.end()) << want;
  }
  EXPECT_THAT(got, SizeIs(20));
  EXPECT_THAT(parse_as<ServeCommand>({"serve"}).source.overrides, IsEmpty());
}

TEST(Cli, FlagsAreCheckedByTheSchema) {
  const auto check =
      parse_as<CheckCommand>({"check", "--port", "x", "--user", "nocolon", "--relay-ports=9-1"});
  const auto result = config::load_file("", {}, check.source.overrides);
  std::vector<std::string> sources;
  for (const auto& p : result.problems) sources.push_back(p.source);
  EXPECT_THAT(sources, testing::IsSupersetOf({"--port", "--user", "--relay-ports"}));
  EXPECT_EQ(config::to_text(result.problems).find("nocolon"), std::string::npos);
}

TEST(Cli, TheLastOfARepeatedScalarWins) {
  const auto check = parse_as<CheckCommand>({"check", "--dev", "--port", "1", "--port", "2"});
  EXPECT_EQ(config::load_file("", {}, check.source.overrides).config.net.port, 2);
}

TEST(Cli, EachCommand) {
  EXPECT_EQ(parse_as<ConfigPrintCommand>({"config", "print", "--config", "x"}).source.file, "x");
  EXPECT_TRUE(std::holds_alternative<ConfigSchemaCommand>(parse({"config", "schema"})));
  EXPECT_TRUE(std::holds_alternative<ConfigSampleCommand>(parse({"config", "sample"})));
  EXPECT_TRUE(std::holds_alternative<ConfigDocsCommand>(parse({"config", "docs"})));
  EXPECT_TRUE(std::holds_alternative<MetricsDocsCommand>(parse({"metrics", "docs"})));
  EXPECT_TRUE(std::holds_alternative<VersionCommand>(parse({"version"})));
  EXPECT_TRUE(std::holds_alternative<VersionCommand>(parse({"--version"})));
}

TEST(Cli, Probe) {
  const auto probe = parse_as<ProbeOptions>({"probe", "stun:a", "turn:b?transport=tcp", "--timeout", "250ms",
                                             "--user", "u", "--password", "p", "--insecure", "--json"});
  EXPECT_EQ(probe.urls, (std::vector<std::string>{"stun:a", "turn:b?transport=tcp"}));
  EXPECT_EQ(probe.timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(probe.user + probe.password, "up");
  EXPECT_TRUE(probe.insecure && probe.json);
  EXPECT_EQ(parse_as<ProbeOptions>({"probe", "stun:a"}).timeout, std::chrono::seconds(5));
}

TEST(Cli, Credentials) {
  const auto c =
      parse_as<CredentialsOptions>({"credentials", "--secret", "s", "--user", "alice", "--ttl", "12h",
                                    "--format", "ice", "--url", "turn:a", "--url", "turns:b"});
  EXPECT_EQ(c.secret, "s");
  EXPECT_EQ(c.ttl, std::chrono::hours(12));
  EXPECT_EQ(c.format, CredentialsFormat::Ice);
  EXPECT_THAT(c.urls, SizeIs(2));
  EXPECT_EQ(parse_as<CredentialsOptions>({"credentials", "--user", "a"}).format, CredentialsFormat::Text);
  EXPECT_EQ(parse_as<CredentialsOptions>({"credentials", "--user", "a", "--format", "json"}).format,
            CredentialsFormat::Json);
}

TEST(Cli, UsageErrors) {
  const std::vector<std::vector<const char*>> lines = {{},
                                                       {"frobnicate"},
                                                       {"serve", "--frobnicate"},
                                                       {"serve", "stray"},
                                                       {"serve", "--port"},
                                                       {"config"},
                                                       {"probe"},
                                                       {"probe", "stun:a", "--timeout", "5"},
                                                       {"credentials", "--secret", "s"},
                                                       {"credentials", "--user", "a", "--ttl", "x"},
                                                       {"credentials", "--user", "a", "--format", "yaml"},
                                                       {"credentials", "--user", "a", "--format", "ice"}};
  for (const auto& line : lines) {
    const Command command = parse(line);
    ASSERT_TRUE(std::holds_alternative<ExitCommand>(command))
        << (line.empty() ? "" : line[0]) << command.index();
    EXPECT_EQ(std::get<ExitCommand>(command).status, 2);
    EXPECT_FALSE(std::get<ExitCommand>(command).text.empty());
  }
}

TEST(Cli, HelpNamesCommandsFlagsAndExamples) {
  const auto help = std::get<ExitCommand>(parse({"--help"}));
  EXPECT_EQ(help.status, 0);
  for (const char* word : {"serve", "check", "config", "credentials", "probe", "version", "Examples:"}) {
    EXPECT_THAT(help.text, HasSubstr(word));
  }
  const auto serve = std::get<ExitCommand>(parse({"serve", "--help"}));
  EXPECT_EQ(serve.status, 0);
  for (const auto& key : config::keys()) {
    if (key.flag.empty()) continue;
    EXPECT_THAT(serve.text, HasSubstr(key.flag)) << serve.text;
  }
  for (const char* word :
       {"Listening", "Credentials", "Relay", "Signaling", "General", "Examples:", "[3478]"}) {
    EXPECT_THAT(serve.text, HasSubstr(word));
  }
}

TEST(Credentials, Formats) {
  const auth::Minted credential{"1:a\"b", "pw="};
  EXPECT_THAT(render(credential, std::chrono::hours(1), CredentialsFormat::Text, {}),
              HasSubstr("password: pw=\n"));
  const std::string json = render(credential, std::chrono::hours(1), CredentialsFormat::Json, {});
  EXPECT_THAT(json, HasSubstr("\"ttl\": 3600"));
  EXPECT_THAT(json, HasSubstr("1:a\\\"b"));
  const std::string ice = render(credential, std::chrono::hours(1), CredentialsFormat::Ice, {"turn:x"});
  EXPECT_THAT(ice, HasSubstr("\"iceServers\""));
  EXPECT_THAT(ice, HasSubstr("\"credential\": \"pw=\""));
}

TEST(Version, NamesWhatItIsMadeOf) {
  for (const char* word : {"turnstone ", "commit ", "compiler ", "OpenSSL   3", "Boost     1."}) {
    EXPECT_THAT(version_text(), HasSubstr(word));
  }
}

}  // namespace
}  // namespace ts::app
