// SPDX-License-Identifier: Apache-2.0
// `turnstone credentials` with a policy.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <turnstone/app/cli.hpp>

namespace ts::app {
namespace {

using ::testing::HasSubstr;

Command parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), {"turnstone", "credentials", "--secret", "s", "--user", "alice"});
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

TEST(CliCredentials, TakesAPolicy) {
  const Command command =
      parse({"--room", "lobby", "--member", "m1", "--peer", "8.8.0.0/16", "--peer", "2001:db8::/32",
             "--bit-rate", "2000000", "--packet-rate", "500", "--allocations", "2", "--ip", "203.0.113.7"});
  ASSERT_TRUE(std::holds_alternative<CredentialsOptions>(command)) << std::get<ExitCommand>(command).text;
  EXPECT_EQ(auth::format_policy(std::get<CredentialsOptions>(command).policy),
            ";ts1;room=lobby;member=m1;peers=8.8.0.0/16+2001:db8::/32;bps=2000000;pps=500;allocations=2;"
            "ip=203.0.113.7/32");
}

TEST(CliCredentials, WithoutFlagsThereIsNoPolicy) {
  EXPECT_TRUE(std::get<CredentialsOptions>(parse({})).policy.empty());
}

TEST(CliCredentials, RefusesWhatIsNoPolicy) {
  const std::vector<std::vector<const char*>> lines = {
      {"--peer", "host.example"}, {"--peer", "10.0.0.1/8"},  {"--ip", "1.2.3"},
      {"--bit-rate", "0"},        {"--bit-rate", "2M"},      {"--bit-rate", "-1"},
      {"--packet-rate", "0"},     {"--packet-rate", "many"}, {"--packet-rate", "4294967296"},
      {"--allocations", "0"},     {"--allocations", "-3"}};
  for (const auto& line : lines) {
    const Command command = parse(line);
    ASSERT_TRUE(std::holds_alternative<ExitCommand>(command)) << line[0] << ' ' << line[1];
    EXPECT_EQ(std::get<ExitCommand>(command).status, 2) << line[1];
    EXPECT_THAT(std::get<ExitCommand>(command).text, HasSubstr(line[0])) << line[1];
  }
}

}  // namespace
}  // namespace ts::app
