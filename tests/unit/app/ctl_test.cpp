// SPDX-License-Identifier: Apache-2.0
// `turnstone ctl` without a server: what the command line means, which requests it makes, how answers look.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <turnstone/admin/api.hpp>

#include "../../../src/app/ctl/commands.hpp"
#include "../../../src/app/ctl/print.hpp"

namespace ts::app {
namespace {

using ::testing::HasSubstr;

CtlOptions parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "turnstone");
  Command command = parse_command_line(static_cast<int>(arguments.size()), arguments.data());
  if (const auto* exit = std::get_if<ExitCommand>(&command)) ADD_FAILURE() << exit->text;
  return std::holds_alternative<CtlOptions>(command) ? std::get<CtlOptions>(command) : CtlOptions{};
}

TEST(Ctl, CommandLines) {
  const CtlOptions kick =
      parse({"ctl", "kick", "a/b", "bob", "--reason", "x y", "--token-file", "/t", "--json"});
  EXPECT_EQ(kick.command, "kick");
  EXPECT_EQ(kick.arguments, (std::vector<std::string>{"a/b", "bob"}));
  EXPECT_EQ(kick.parameters.at("reason"), "x y");
  EXPECT_TRUE(kick.json);
  EXPECT_EQ(parse({"reload", "--timeout", "3s"}).timeout, std::chrono::seconds(3));
  EXPECT_EQ(parse({"reload"}).command, "reload");
  EXPECT_TRUE(parse({"ctl", "drain", "--wait"}).wait);
  EXPECT_TRUE(parse({"ctl", "log-level"}).arguments.empty());
  for (const std::vector<const char*>& wrong : {std::vector<const char*>{"turnstone", "ctl"},
                                                {"turnstone", "ctl", "end"},
                                                {"turnstone", "ctl", "dance"},
                                                {"turnstone", "ctl", "kick", "", "bob"},
                                                {"turnstone", "ctl", "allocation", ""},
                                                {"turnstone", "ctl", "log-level", ""},
                                                {"turnstone", "reload", "--timeout", "soon"}}) {
    const Command command = parse_command_line(static_cast<int>(wrong.size()), wrong.data());
    ASSERT_TRUE(std::holds_alternative<ExitCommand>(command));
    EXPECT_EQ(std::get<ExitCommand>(command).status, 2);
  }
}

TEST(Ctl, EveryCommandMakesARequestThatTheServerKnows) {
  for (const ctl::CommandInfo& command : ctl::commands()) {
    SCOPED_TRACE(command.name);
    CtlOptions options;
    options.command = command.name;
    options.arguments.assign(command.arguments.size(), "x y/z");
    if (options.command == "revoke") options.arguments[0] = "room";
    if (options.command == "log-level") options.arguments[0] = "debug";
    for (const ctl::Flag& flag : command.flags) options.parameters[std::string(flag.name).substr(2)] = "7";
    if (options.parameters.contains("transport")) options.parameters["transport"] = "dtls";
    const ctl::Request request = ctl::request_for(options, command.list != nullptr ? "3" : "");
    admin::Request asked;
    asked.method = request.method;
    const std::size_t query = request.target.find('?');
    asked.path = request.target.substr(0, query);
    if (query != std::string::npos) asked.query = request.target.substr(query + 1);
    asked.body = request.body;
    asked.content_type = "application/json";
    const auto call = admin::route(asked);
    ASSERT_TRUE(call) << call.error().body;
    for (const char* name : {"id", "room", "peer"}) {
      const bool given = options.parameters.find(name) != options.parameters.end();
      if (!given && !call->text(name).empty()) {
        EXPECT_EQ(call->text(name), "x y/z");
      }
    }
  }
}

TEST(Ctl, NamesAreInNoPath) {
  CtlOptions options;
  options.command = "kick";
  options.arguments = {"tea", "x/../.."};
  options.parameters["reason"] = "b&ye";
  EXPECT_EQ(ctl::request_for(options, "").target, "/v1/members?room=tea&peer=x%2F..%2F..&reason=b%26ye");
  options.parameters.clear();
  options.command = "close-room";
  options.arguments = {".."};
  EXPECT_EQ(ctl::request_for(options, "").target, "/v1/rooms?room=..");
  options.command = "members";
  EXPECT_EQ(ctl::request_for(options, "9").target, "/v1/members?room=..&cursor=9");
}

TEST(Ctl, KnowsAnAnswerThatHasNotEverything) {
  EXPECT_FALSE(ctl::is_complete(ctl::Json::parse(R"({"complete":false,"allocations":[]})")));
  EXPECT_TRUE(ctl::is_complete(ctl::Json::parse(R"({"complete":true,"allocations":[]})")));
  EXPECT_TRUE(ctl::is_complete(ctl::Json::parse(R"({"rooms":[]})")));
}

TEST(Ctl, JsonIsHarmlessToo) {
  const ctl::Json told = ctl::Json::parse(R"({"user":"\u009b31m\u202eroot\u007f","at":"é"})");
  const std::string text = ctl::json_text(told);
  for (const char c : text) EXPECT_LT(static_cast<unsigned char>(c), 0x80U);
  EXPECT_THAT(text, HasSubstr("\\u009b"));
  EXPECT_EQ(ctl::Json::parse(text), told);
}

TEST(Ctl, WhatADrainWaitsFor) {
  const auto left = [](const char* text) { return ctl::left_of(ctl::Json::parse(text)); };
  EXPECT_EQ(left(R"({"draining":true,"allocations":2,"sessions":3})"), 5U);
  EXPECT_EQ(left(R"({"draining":true,"allocations":0,"sessions":0})"), 0U);
  for (const char* other : {"[]", "{}", R"({"draining":1,"allocations":2,"sessions":3})",
                            R"({"draining":true,"allocations":"2","sessions":3})", R"({"draining":true})"}) {
    EXPECT_FALSE(left(other)) << other;
  }
}

TEST(Ctl, TablesAreAlignedAndHarmless) {
  const std::vector<ctl::Column> columns{
      {"id", "ID"}, {"user", "USER"}, {"age_seconds", "AGE"}, {"to_peer", "SENT"}};
  EXPECT_EQ(ctl::table(columns, {}), "(none)\n");
  const std::vector<ctl::Json> rows{
      ctl::Json::parse(
          R"({"id":"0-1-2","user":"al\u001b[31mice","age_seconds":7300.5,"to_peer":{"packets":1,"bytes":2048}})"),
      ctl::Json::parse(R"({"id":"0-10-2","age_seconds":3})"), ctl::Json::parse("7")};
  const std::string table = ctl::table(columns, rows);
  EXPECT_EQ(table.find('\x1b'), std::string::npos);
  EXPECT_THAT(table, HasSubstr("ID      USER"));
  EXPECT_THAT(table, HasSubstr("2 h  2.0 KiB\n"));
  EXPECT_THAT(table, HasSubstr("0-10-2  -"));
  EXPECT_THAT(ctl::lines(ctl::Json::parse(R"({"changed":["a","b"],"warnings":[],"draining":true})")),
              HasSubstr("changed:\n  a\n  b\nwarnings: none\ndraining"));
}

}  // namespace
}  // namespace ts::app
