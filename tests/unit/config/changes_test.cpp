// SPDX-License-Identifier: Apache-2.0
// What differs between two configurations, and what of it takes effect without a restart.
#include <turnstone/config/reload.hpp>
#include <turnstone/config/schema.hpp>

#include "helpers.hpp"

namespace ts::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Config loaded(const std::string& yaml, const Files& files = {}) {
  LoadResult result = load_text(yaml, {}, {}, files);
  for (const Problem& problem : result.problems) ADD_FAILURE() << problem.to_string();
  return std::move(result.config);
}

std::vector<std::string> shown(const std::vector<Change>& changes) {
  std::vector<std::string> out;
  for (const Change& change : changes) out.push_back(change.key + (change.live ? "" : " (restart)"));
  return out;
}

TEST(Changes, NoneBetweenEquals) {
  EXPECT_THAT(changes(loaded(kGood), loaded(kGood)), IsEmpty());
  EXPECT_THAT(changes(Config{}, Config{}), IsEmpty());
}

TEST(Changes, SecretsAreComparedThoughNeverShown) {
  const Config before =
      loaded("auth: {secrets: [one-secret], users: ['a:b']}\nsignaling: {token: t0ken-one}\n");
  const Config after =
      loaded("auth: {secrets: [two-secret], users: ['a:c']}\nsignaling: {token: t0ken-two}\n");
  EXPECT_THAT(shown(changes(before, after)), ElementsAre("auth.users", "auth.secrets", "signaling.token"));
  Config effective = before;
  adopt(effective, after, changes(before, after));
  EXPECT_EQ(effective.auth.secrets, std::vector<std::string>{"two-secret"});
  EXPECT_EQ(effective.signal.token, "t0ken-two");
}

TEST(Changes, ListenersNeedARestart) {
  const Config before = loaded(kGood);
  const Config after = loaded(std::string(kGood) + "listen: {port: 4000, threads: 3}\nlog: {level: debug}\n");
  const auto all = changes(before, after);
  EXPECT_THAT(shown(all), ElementsAre("listen.port (restart)", "listen.threads (restart)", "log.level"));
  Config effective = before;
  adopt(effective, after, all);
  EXPECT_EQ(effective.net.port, before.net.port);
  EXPECT_EQ(effective.log.level, LogLevel::Debug);
}

TEST(Changes, OfACertificateWhereThereWasOne) {
  const Files files{{"/a", "-----BEGIN X"}, {"/b", "-----BEGIN X"}};
  const Config none = loaded(kGood);
  const Config one = loaded(std::string(kGood) + "listen: {tls_cert_file: /a, tls_key_file: /a}\n", files);
  const Config other = loaded(std::string(kGood) + "listen: {tls_cert_file: /b, tls_key_file: /b}\n", files);
  EXPECT_THAT(shown(changes(one, other)), ElementsAre("listen.tls_cert_file", "listen.tls_key_file"));
  EXPECT_THAT(shown(changes(none, one)),
              ElementsAre("listen.tls_cert_file (restart)", "listen.tls_key_file (restart)"));
}

TEST(Changes, OfWhatRealmsHoldButNotOfTheirNames) {
  const auto with = [](const std::string& realm) {
    return loaded("auth: {secrets: [s3cr3t-one], realms: [" + realm + "]}\nsignaling: {token: t0ken-one}\n");
  };
  const Config before = with("{name: eu.test, secrets: [eu-secret], origins: ['https://eu.test']}");
  const Config secret = with("{name: eu.test, secrets: [eu-secret-2], origins: ['https://eu.test']}");
  const Config quota =
      with("{name: eu.test, secrets: [eu-secret], origins: ['https://eu.test'], max_allocations: 3}");
  const Config name = with("{name: us.test, secrets: [eu-secret], origins: ['https://eu.test']}");
  EXPECT_THAT(changes(before, before), IsEmpty());
  EXPECT_THAT(shown(changes(before, secret)), ElementsAre("auth.realms"));
  EXPECT_THAT(shown(changes(before, quota)), ElementsAre("auth.realms"));
  EXPECT_THAT(shown(changes(before, name)), ElementsAre("auth.realms (restart)"));
  EXPECT_THAT(shown(changes(before, loaded(kGood))), ElementsAre("auth.realms (restart)"));
  Config effective = before;
  adopt(effective, quota, changes(before, quota));
  EXPECT_EQ(effective.turn.realms.at(0).max_allocations, 3U);
}

TEST(Changes, AreTheOnesThatTheDocumentationMarks) {
  const std::string text = documentation();
  for (const KeyInfo& key : keys()) {
    const std::size_t row = text.find("| `" + key.path + "` |");
    ASSERT_NE(row, std::string::npos) << key.path;
    const std::string_view line = std::string_view(text).substr(row, text.find('\n', row) - row);
    EXPECT_EQ(line.find("*Live.*") != std::string_view::npos, key.live) << key.path;
  }
}

TEST(Changes, CredentialFilesAreCountedAnew) {
  const std::string yaml =
      "auth: {users: ['a:b'], users_file: /users}\nrelay: {max_allocations: 5}\nsignaling: {token: "
      "t0ken-one}\n";
  const Config before = loaded(yaml, {{"/users", "c:d\n"}});
  const Config after =
      loaded("auth: {users: ['a:b', 'e:f'], users_file: /users}\nsignaling: {token: t0ken-one}\n",
             {{"/users", "c:d\n"}});
  Config effective = before;
  adopt(effective, after, changes(before, after));
  EXPECT_EQ(effective.secret_files.inline_users, 2U);
  EXPECT_EQ(effective.auth.users.size(), 3U);
}

TEST(Admin, TokenHostAndFile) {
  const auto problems = [](const std::string& yaml, const Files& files = {}) {
    const LoadResult result = load_text(std::string(kGood) + yaml, {}, {}, files);
    return to_text(result.problems);
  };
  EXPECT_EQ(problems("admin: {token: 0123456789abcdef}\n"), "");
  EXPECT_THAT(problems("admin: {token: tooshort}\n"), HasSubstr("admin.token"));
  EXPECT_THAT(problems("admin: {token: tooshort}\n"), ::testing::Not(HasSubstr("tooshort")));
  EXPECT_EQ(problems("admin: {token_file: /t}\n", {{"/t", "0123456789abcdef\n"}}), "");
  EXPECT_THAT(problems("admin: {token_file: /t}\n"), HasSubstr("admin.token_file"));
  EXPECT_FALSE(loaded(kGood).admin.is_enabled());
  const LoadResult open = load_text(std::string(kGood) + "admin: {token: 0123456789abcdef, bind: 0.0.0.0}\n");
  EXPECT_THAT(to_text(open.warnings), HasSubstr("admin.bind"));
}

TEST(Shutdown, DevelopersDoNotWait) {
  using namespace std::chrono_literals;
  EXPECT_EQ(loaded(kGood).shutdown.drain_timeout, 20s);
  EXPECT_EQ(load_dev("").config.shutdown.drain_timeout, 0s);
  EXPECT_EQ(load_dev("shutdown: {drain_timeout: 3s}\n").config.shutdown.drain_timeout, 3s);
}

TEST(Shutdown, ASpreadThatIsLongerThanTheDrainIsTold) {
  const auto warnings = [](const std::string& yaml) {
    return to_text(load_text(std::string(kGood) + "shutdown: {" + yaml + "}\n").warnings);
  };
  EXPECT_THAT(warnings("signaling_spread: 10m"), HasSubstr("shutdown.signaling_spread"));
  EXPECT_EQ(warnings("signaling_spread: 10m, drain_timeout: 1h"), "");
  EXPECT_EQ(warnings("signaling_spread: 10m, drain_timeout: 0s"), "");
  EXPECT_EQ(warnings("drain_timeout: 3s"), "") << "what nobody has written fits by itself";
}

TEST(Contradictions, AreFoundWithoutAFile) {
  Config config = loaded(kGood);
  EXPECT_THAT(contradictions(config), IsEmpty());
  config.auth.secrets.clear();
  config.auth.users.clear();
  ASSERT_EQ(contradictions(config).size(), 1U);
  EXPECT_THAT(contradictions(config)[0].key, HasSubstr("auth.secrets"));
}

}  // namespace
}  // namespace ts::config
