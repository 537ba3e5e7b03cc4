// SPDX-License-Identifier: Apache-2.0
// auth.realms: reading, printing, reloading, and every problem with its line.
#include <turnstone/config/schema.hpp>

#include "helpers.hpp"

namespace ts::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kRealms = R"(auth:
  secrets: [main secret]
  realms:
    - name: eu.example.org
      origins: ["HTTPS://EU.example.org:443", "https://app.example.eu:8443/"]
      users: ["alice:europe"]
      users_file: /eu-users
      max_allocations: 50
      user_quota: 2
    - name: closed.example.org
      listeners: [5349, "192.0.2.1:3478", "[2001:db8::1]:3478"]
      jwt_secrets_file: /closed-tokens
      jwt_audience: turn
signaling: {token: t0ken-one}
)";

Files files() { return {{"/eu-users", "bob:berlin\n"}, {"/closed-tokens", std::string(32, 'k') + '\n'}}; }

/// The problems of one realm's keys, in front of what is good about it.
std::vector<Problem> problems_of(const std::string& realm, const std::string& more = "") {
  const std::string yaml =
      "auth:\n  secrets: [s]\n  realms:\n    - {" + realm + "}\n" + more + "signaling: {token: t}\n";
  return load_text(yaml).problems;
}

TEST(Realms, AreRead) {
  const LoadResult r = load_text(kRealms, {}, {}, files());
  ASSERT_THAT(r.problems, IsEmpty()) << to_text(r.problems);
  ASSERT_EQ(r.config.auth.realms.size(), 2U);
  const auth::RealmOptions& eu = r.config.auth.realms[0];
  EXPECT_EQ(eu.name, "eu.example.org");
  EXPECT_EQ(eu.origins, (std::vector<std::string>{"https://eu.example.org", "https://app.example.eu:8443"}));
  ASSERT_EQ(eu.users.size(), 2U);
  EXPECT_EQ(eu.users[1].name, "bob");
  const auth::RealmOptions& closed = r.config.auth.realms[1];
  EXPECT_EQ(closed.listeners, (std::vector<auth::RealmListener>{{std::nullopt, 5349},
                                                                {IpAddress::parse("192.0.2.1"), 3478},
                                                                {IpAddress::parse("2001:db8::1"), 3478}}));
  EXPECT_EQ(closed.jwt_secrets, std::vector<std::string>{std::string(32, 'k')});
  EXPECT_EQ(closed.jwt_audience, "turn");
  ASSERT_EQ(r.config.turn.realms.size(), 2U);
  EXPECT_EQ(r.config.turn.realms[0].max_allocations, 50U);
  EXPECT_EQ(r.config.turn.realms[0].max_allocations_per_user, 2U);
  EXPECT_EQ(r.config.turn.realms[1].max_allocations_per_user, std::nullopt);
  EXPECT_EQ(r.config.auth.secrets, std::vector<std::string>{"main secret"});
}

TEST(Realms, PrintRoundTripsAndHidesSecrets) {
  const LoadResult r = load_text(kRealms, {}, {}, files());
  const std::string printed = print(r.config);
  EXPECT_THAT(printed,
              HasSubstr(R"(realms: [{name: "eu.example.org", origins: ["https://eu.example.org", )"));
  EXPECT_EQ(printed.find("europe"), std::string::npos);
  EXPECT_EQ(printed.find("kkk"), std::string::npos);
  const LoadResult again = load_text(printed, {}, {}, files());
  ASSERT_THAT(again.problems, IsEmpty()) << to_text(again.problems);
  ASSERT_EQ(again.config.auth.realms.size(), 2U);
  EXPECT_EQ(again.config.auth.realms[1].listeners, r.config.auth.realms[1].listeners);
  EXPECT_EQ(again.config.turn.realms[0].max_allocations_per_user, 2U);
}

TEST(Realms, FilesAreReadAnew) {
  const LoadResult r = load_text(kRealms, {}, {}, files());
  Files changed = files();
  changed["/eu-users"] = "carol:x\ndave:y\n";
  const CredentialsResult again = reload_credentials(r.config, reader_of(changed));
  ASSERT_THAT(again.problems, IsEmpty());
  ASSERT_EQ(again.auth.realms[0].users.size(), 3U);
  EXPECT_EQ(again.auth.realms[0].users[0].name, "alice");
  EXPECT_EQ(again.auth.realms[0].users[2].name, "dave");
  EXPECT_EQ(again.auth.realms[1].jwt_secrets.size(), 1U);
  EXPECT_EQ(again.auth.secrets.size(), 1U);
  changed["/eu-users"] = "hunter2\n";
  changed.erase("/closed-tokens");
  const CredentialsResult bad = reload_credentials(r.config, reader_of(changed));
  ASSERT_EQ(bad.problems.size(), 2U);
  EXPECT_EQ(bad.problems[0].key, "auth.realms[0].users_file");
  EXPECT_EQ(bad.problems[0].to_string().find("hunter2"), std::string::npos);
  EXPECT_EQ(bad.problems[1].key, "auth.realms[1].jwt_secrets_file");
}

TEST(Realms, EachProblemHasItsLineAndRemedy) {
  struct Case {
    const char* realm;
    const char* key;
    const char* expected;
  };
  const std::vector<Case> cases = {
      {"origins: ['https://a.example'], secrets: [s]", "auth.realms[0].name", "a name"},
      {"name: a, secrets: [s]", "auth.realms[0]", "origins or listeners by which it is met"},
      {"name: a, origins: ['https://a.example']", "auth.realms[0]", "a source of credentials"},
      {"name: turnstone, origins: ['https://a.example'], secrets: [s]", "auth.realms[0].name",
       "what no other realm has"},
      {"name: a, origins: ['https://a.example/path'], secrets: [s]", "auth.realms[0].origins",
       "an origin such as https://app.example.org"},
      {"name: a, listeners: [0], secrets: [s]", "auth.realms[0].listeners",
       "a port, or an address and a port, such as 3478 or 192.0.2.1:3478"},
      {"name: a, listeners: [70000], secrets: [s]", "auth.realms[0].listeners",
       "a port, or an address and a port, such as 3478 or 192.0.2.1:3478"},
      {"name: a, listeners: ['0.0.0.0:3478'], secrets: [s]", "auth.realms[0].listeners",
       "a port, or an address and a port, such as 3478 or 192.0.2.1:3478"},
      {"name: a, listeners: [9999], secrets: [s]", "auth.realms[0].listeners",
       "a port of the section listen"},
      {"name: a, listeners: [3478], users: [nobody]", "auth.realms[0].users",
       "NAME:PASSWORD, both non-empty"},
      {"name: a, listeners: [3478], jwt_secrets: [short]", "auth.realms[0].jwt_secrets",
       "32 to 1024 characters without control characters"},
      {"name: a, listeners: [3478], secrets: [s], user_quota: many", "auth.realms[0].user_quota",
       "a number from 0 to 4000000000"},
      {"name: a, listeners: 3478, secrets: [s]", "auth.realms[0].listeners", "a list"},
      {"name: a, listeners: [3478], secrets: [s], origin: x", "auth.realms[0].origin", "a key that exists"},
      {"name: a, name: b, listeners: [3478], secrets: [s]", "auth.realms[0].name", "each key once"},
      {"name: a, listeners: [3478], users_file: /none", "auth.realms[0].users_file", "a readable file"},
  };
  for (const Case& c : cases) {
    const auto problems = problems_of(c.realm);
    ASSERT_EQ(problems.size(), 1U) << c.realm << '\n' << to_text(problems);
    EXPECT_EQ(problems[0].key, c.key) << c.realm;
    EXPECT_EQ(problems[0].expected, c.expected) << c.realm;
    EXPECT_EQ(problems[0].line, 4) << c.realm;
    EXPECT_FALSE(problems[0].remedy.empty()) << c.realm;
  }
  EXPECT_THAT(problems_of("name: a, listeners: [3478], secrets: [s], origin: x")[0].remedy,
              HasSubstr("auth.realms[0].origins"));
}

TEST(Realms, WhatTwoOfThemClaimIsAProblem) {
  const std::string one = "name: a, origins: ['https://a.example'], listeners: [3478], secrets: [s]";
  const auto problems = problems_of(
      one, "    - {name: b, origins: ['https://A.example:443'], listeners: [3478], secrets: [s]}\n");
  ASSERT_EQ(problems.size(), 2U) << to_text(problems);
  EXPECT_EQ(problems[0].key, "auth.realms[1].origins");
  EXPECT_THAT(problems[0].found, HasSubstr("auth.realms[0]"));
  EXPECT_EQ(problems[1].key, "auth.realms[1].listeners");
  EXPECT_EQ(problems[1].line, 5);
  EXPECT_EQ(problems_of(one, "    - {name: a, origins: ['https://b.example'], secrets: [s]}\n").size(), 1U);
}

TEST(Realms, AreAListOfMappingsInTheFile) {
  for (const char* yaml : {"auth: {secrets: [s], realms: a}\n", "auth: {secrets: [s], realms: {name: a}}\n",
                           "auth: {secrets: [s], realms: [a]}\n", "auth: {secrets: [s], realms: [[a]]}\n"}) {
    EXPECT_EQ(load_text(std::string(yaml) + "signaling: {token: t}\n").problems.size(), 1U) << yaml;
  }
  EXPECT_THAT(load_text(std::string(kGood) + "# realms\n").problems, IsEmpty());
  EXPECT_THAT(load_text("auth: {secrets: [s], realms: }\nsignaling: {token: t}\n").problems, IsEmpty());
  const LoadResult variable = load_text(kGood, {{"TURNSTONE_AUTH_REALMS", "a"}});
  ASSERT_EQ(variable.problems.size(), 1U);
  EXPECT_EQ(variable.problems[0].key, "auth.realms");
}

TEST(Realms, MayBeTheOnlySourceOfCredentials) {
  const LoadResult r =
      load_text("auth: {realms: [{name: a, listeners: [3478], secrets: [s]}]}\nsignaling: {token: t}\n");
  EXPECT_THAT(r.problems, IsEmpty()) << to_text(r.problems);
}

}  // namespace
}  // namespace ts::config
