// SPDX-License-Identifier: Apache-2.0
// The external source of credentials in the configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <turnstone/config/load.hpp>
#include <turnstone/config/schema.hpp>

namespace ts::config {
namespace {

const FileReader kFiles = [](const std::string& path) {
  return path == "/token" ? FileText{"from the file\n", ""} : FileText{"", "No such file or directory"};
};

LoadResult loaded(const std::string& auth) {
  return load("auth: {" + auth + "}\nrelay: {addresses: [192.0.2.1]}\n", "test.yaml", {}, {}, kFiles);
}

TEST(HookConfig, IsASourceOfCredentialsByItself) {
  const LoadResult result = loaded(
      "hook_url: 'https://app.example.org/turn', hook_token_file: /token, hook_timeout: 500ms, hook_cache: "
      "5m, "
      "hook_negative_cache: 1s, hook_max_in_flight: 4, hook_max_per_source: 0");
  ASSERT_TRUE(result.ok()) << to_text(result.problems);
  const auth::HookOptions& hook = result.config.auth.hook;
  EXPECT_EQ(hook.url, "https://app.example.org/turn");
  EXPECT_EQ(hook.token, "from the file");
  EXPECT_EQ(hook.timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(hook.cache, std::chrono::minutes(5));
  EXPECT_EQ(hook.negative_cache, std::chrono::seconds(1));
  EXPECT_EQ(hook.max_in_flight, 4U);
  EXPECT_EQ(hook.max_per_source, 0U);
  EXPECT_EQ(print(result.config).find("from the file"), std::string::npos);
  EXPECT_TRUE(result.warnings.empty());
}

TEST(HookConfig, IsOffWithoutAUrl) {
  EXPECT_FALSE(Config{}.auth.hook.is_enabled());
  EXPECT_FALSE(loaded("hook_token: x").ok()) << "a token is no source";
}

TEST(HookConfig, PasswordsInTheClearAreWorthAWarning) {
  for (const char* url :
       {"http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/x", "https://app.example.org"})
    EXPECT_TRUE(loaded("hook_url: '" + std::string(url) + "'").warnings.empty()) << url;
  for (const char* url : {"http://app.example.org/", "http://10.0.0.1", "http://localhost.example.org"}) {
    const auto warnings = loaded("hook_url: '" + std::string(url) + "'").warnings;
    ASSERT_EQ(warnings.size(), 1U) << url;
    EXPECT_EQ(warnings[0].key, "auth.hook_url");
    EXPECT_NE(warnings[0].expected.find("https"), std::string::npos);
  }
}

}  // namespace
}  // namespace ts::config
