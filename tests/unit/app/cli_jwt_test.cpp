// SPDX-License-Identifier: Apache-2.0
// `turnstone credentials --jwt`.
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/app/cli.hpp>

namespace ts::app {
namespace {

Command parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), {"turnstone", "credentials", "--secret", "s", "--user", "alice"});
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

TEST(CliJwt, TakesAnAudienceAndAPolicy) {
  const Command command = parse({"--jwt", "--audience", "turn", "--room", "lobby"});
  ASSERT_TRUE(std::holds_alternative<CredentialsOptions>(command));
  const auto& options = std::get<CredentialsOptions>(command);
  EXPECT_TRUE(options.jwt);
  EXPECT_EQ(options.audience, "turn");
  EXPECT_EQ(options.policy.room, "lobby");
}

TEST(CliJwt, ATokenIsNotTheDefault) { EXPECT_FALSE(std::get<CredentialsOptions>(parse({})).jwt); }

TEST(CliJwt, ASecretMustBeLongEnough) {
  EXPECT_EQ(run(parse({"--jwt"})), 1);
  auto options = std::get<CredentialsOptions>(parse({"--jwt"}));
  options.secret = "a secret of thirty-two bytes ...";
  EXPECT_EQ(run(options), 0);
}

}  // namespace
}  // namespace ts::app
