// SPDX-License-Identifier: Apache-2.0
// Users and secrets files read anew.
#include <map>
#include <string>

#include <gtest/gtest.h>

#include <turnstone/config/load.hpp>

namespace ts::config {
namespace {

struct Reload : ::testing::Test {
  LoadResult load_it() {
    return load(
        "auth: {users: ['alice:wonder'], secrets: [north], users_file: /users, secrets_file: /secrets}\n",
        "test.yaml", {}, {}, reader);
  }
  static std::string names(const auth::Options& options) {
    std::string out;
    for (const auth::StaticUser& user : options.users) out += user.name + ' ';
    for (const std::string& secret : options.secrets) out += secret + ' ';
    return out;
  }

  std::map<std::string, std::string> files{{"/users", "bob:builder\ncarol:x\n"}, {"/secrets", "south\n"}};
  FileReader reader = [this](const std::string& path) {
    const auto found = files.find(path);
    return found != files.end() ? FileText{found->second, ""} : FileText{"", "No such file or directory"};
  };
};

TEST_F(Reload, ReplacesWhatTheFilesSaid) {
  const LoadResult loaded = load_it();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(names(loaded.config.auth), "alice bob carol north south ");
  files["/users"] = "dave:y\n";
  files["/secrets"] = "east\nwest\n";
  const CredentialsResult again = reload_credentials(loaded.config, reader);
  EXPECT_TRUE(again.problems.empty());
  EXPECT_EQ(names(again.auth), "alice dave north east west ");
  EXPECT_EQ(again.auth.realm, loaded.config.auth.realm);
}

TEST_F(Reload, TellsEveryProblemAndNoSecret) {
  const LoadResult loaded = load_it();
  files["/users"] = "hunter2\n";
  files.erase("/secrets");
  const CredentialsResult again = reload_credentials(loaded.config, reader);
  ASSERT_EQ(again.problems.size(), 2U);
  EXPECT_EQ(again.problems[0].key, "auth.users_file");
  EXPECT_EQ(again.problems[1].key, "auth.secrets_file");
  for (const Problem& problem : again.problems)
    EXPECT_EQ(problem.to_string().find("hunter2"), std::string::npos) << problem.to_string();
}

TEST_F(Reload, SecretsOfTokensToo) {
  const std::string one(32, '1');
  const std::string two(32, '2');
  files["/jwt"] = two + '\n';
  const LoadResult loaded =
      load("auth: {jwt_secrets: ['" + one + "'], jwt_secrets_file: /jwt}\n", "test.yaml", {}, {}, reader);
  ASSERT_TRUE(loaded.ok()) << to_text(loaded.problems);
  EXPECT_EQ(loaded.config.auth.jwt_secrets, (std::vector<std::string>{one, two}));
  files["/jwt"] = std::string(40, '3') + '\n';
  EXPECT_EQ(reload_credentials(loaded.config, reader).auth.jwt_secrets,
            (std::vector<std::string>{one, std::string(40, '3')}));
  // RFC 7518 §3.2: not below 32 bytes.
  files["/jwt"] = std::string(31, 'x') + '\n';
  const CredentialsResult again = reload_credentials(loaded.config, reader);
  ASSERT_EQ(again.problems.size(), 1U);
  EXPECT_EQ(again.problems[0].key, "auth.jwt_secrets_file");
  const LoadResult weak = load("auth: {jwt_secrets: [short]}\n", "test.yaml", {}, {}, reader);
  ASSERT_FALSE(weak.ok());
  EXPECT_EQ(weak.problems[0].expected, "32 to 1024 characters without control characters");
}

TEST_F(Reload, WithoutFilesNothingChanges) {
  Config config;
  config.auth.users = {{"alice", "wonder"}};
  config.auth.secrets = {"generated"};
  const CredentialsResult again = reload_credentials(config, reader);
  EXPECT_TRUE(again.problems.empty());
  EXPECT_EQ(names(again.auth), "alice generated ");
}

}  // namespace
}  // namespace ts::config
