// SPDX-License-Identifier: Apache-2.0
// What is printed from the command line itself: the manual page and the completion scripts.
#include "../../../src/app/cli_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <turnstone/app/cli.hpp>

namespace ts::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Command parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "turnstone");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

std::string printed(const std::vector<const char*>& arguments, int status = 0) {
  const Command command = parse(arguments);
  const auto* exit = std::get_if<ExitCommand>(&command);
  if (exit == nullptr) return {};
  EXPECT_EQ(exit->status, status);
  return exit->text;
}

CliCommand small_tree() {
  CliCommand serve{"serve", "Serve. All of it.", "", {}, {}};
  serve.options.push_back({{"-c", "--config"}, "FILE", "It's a file.", "General"});
  serve.options.push_back({{"--engine"}, "auto|epoll", "What moves", "Relay"});
  serve.options.push_back({{"--dev"}, "", "Everything open", "General"});
  CliCommand print{"print", "Print", "", {}, {}};
  CliCommand config{"config", "About the file", "", {}, {print}};
  return {"turnstone", "A server.", "", {}, {serve, config}};
}

TEST(Manual, HasEveryCommandAndOption) {
  const std::string page = printed({"man"});
  EXPECT_THAT(page,
              AllOf(HasSubstr(".TH TURNSTONE 1"), HasSubstr(".SS \"turnstone serve\""),
                    HasSubstr(".SS \"turnstone config migrate\""), HasSubstr("\\fB\\-\\-relay\\-address\\fR"),
                    HasSubstr("\\fB\\-c\\fR, \\fB\\-\\-config\\fR \\fIFILE\\fR")));
  // The group that the help does not show.
  EXPECT_THAT(page, Not(HasSubstr("turnstone metrics")));
}

TEST(Manual, EscapesWhatRoffWouldRead) {
  CliCommand tree = small_tree();
  tree.commands[0].what = ".TH fake\n'so\\bad";
  EXPECT_THAT(manual(tree), HasSubstr("\n\\&.TH fake\n\\&'so\\ebad"));
}

TEST(Completion, KnowsTheWayToEachCommand) {
  for (const char* shell : {"bash", "zsh"}) {
    const std::string script = completion(small_tree(), shell).value();
    EXPECT_THAT(script,
                AllOf(HasSubstr("'|config') at='config'"), HasSubstr("'config|print') at='config print'"),
                      HasSubstr("'serve|-c'|'serve|--config')"), HasSubstr("'serve|--engine')")));
  }
  EXPECT_THAT(completion(small_tree(), "bash").value(),
              AllOf(HasSubstr("'serve') mapfile -t COMPREPLY < <(compgen -W '-c --config --engine --dev'"),
                    HasSubstr("compgen -W 'auto epoll'"), HasSubstr("compgen -f")));
  EXPECT_THAT(completion(small_tree(), "zsh").value(),
              AllOf(HasSubstr("'--config:It'\\''s a file'"), HasSubstr("compadd -- 'auto' 'epoll'"),
                    HasSubstr("_files")));
  EXPECT_THAT(completion(small_tree(), "fish").value(),
              AllOf(HasSubstr("-s c -l config -r -F -d"), HasSubstr("-l engine -x -a 'auto epoll'"),
                    HasSubstr("__turnstone_at 'config print'")));
  EXPECT_FALSE(completion(small_tree(), "tcsh"));
}

TEST(Completion, IsACommand) {
  for (const char* shell : {"bash", "zsh", "fish"})
    EXPECT_THAT(printed({"completion", shell}), HasSubstr("config"));
  EXPECT_THAT(printed({"completion", "tcsh"}, 2), HasSubstr("bash, zsh or fish"));
  EXPECT_THAT(printed({"completion"}, 2), HasSubstr("shell"));
}

TEST(ConfigMigrate, TakesAFileOrPrintsTheOptions) {
  const Command file = parse({"config", "migrate", "/etc/turnserver.conf"});
  ASSERT_TRUE(std::holds_alternative<ConfigMigrateCommand>(file));
  EXPECT_EQ(std::get<ConfigMigrateCommand>(file).file, "/etc/turnserver.conf");
  const Command options = parse({"config", "migrate", "--options"});
  ASSERT_TRUE(std::holds_alternative<ConfigMigrateCommand>(options));
  EXPECT_TRUE(std::get<ConfigMigrateCommand>(options).options);
  EXPECT_THAT(printed({"config", "migrate"}, 2), HasSubstr("needs a FILE"));
  EXPECT_NE(printed({"config", "migrate", "--options", "file"}, 2), "");
}

}  // namespace
}  // namespace ts::app
