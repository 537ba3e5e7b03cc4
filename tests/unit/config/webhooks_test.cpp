// SPDX-License-Identifier: Apache-2.0
// The hook of signaling and webhooks in the configuration.
#include <gtest/gtest.h>

#include <turnstone/config/load.hpp>
#include <turnstone/config/schema.hpp>
#include <turnstone/net/counters.hpp>

namespace ts::config {
namespace {

const std::string kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

LoadResult loaded(const std::string& text) {
  const FileReader files = [](const std::string& path) {
    return path == "/secret" ? FileText{kSecret + "\n", ""} : FileText{"", "No such file or directory"};
  };
  return load("auth: {users: ['alice:wonderland']}\nrelay: {addresses: [192.0.2.1]}\n" + text, "test.yaml",
              {}, {}, files);
}

TEST(WebhookConfig, SecretsMayComeFromFiles) {
  const LoadResult result = loaded(
      "signaling: {hook_url: 'https://app.example.org/h', hook_secret_file: /secret, hook_timeout: 1s}\n"
      "webhooks: {urls: ['https://app.example.org/e'], secret_file: /secret, events: [member.left]}\n");
  ASSERT_TRUE(result.ok()) << to_text(result.problems);
  EXPECT_EQ(result.config.signal.hook.secret, kSecret);
  EXPECT_TRUE(result.config.signal.lets_anybody_in());
  EXPECT_EQ(result.config.webhooks.secrets, std::vector<std::string>{kSecret});
  EXPECT_EQ(print(result.config).find(kSecret), std::string::npos);
}

TEST(WebhookConfig, WhatCannotBeIsToldAndNoSecretWithIt) {
  const char* bad[] = {"webhooks: {urls: ['https://app.example.org/e']}\n",
                       "webhooks: {urls: ['https://app.example.org/e'], secrets: ['tooshortsecret']}\n",
                       "webhooks: {secrets: ['tooshortsecret']}\n",
                       "webhooks: {events: [member.gone]}\n",
                       "webhooks: {urls: ['https://user:pw@app.example.org/e'], secret_file: /secret}\n",
                       "signaling: {hook_secret: tooshortsecret}\n",
                       "signaling: {hook_can: [fly]}\n"};
  for (const char* text : bad) {
    const LoadResult result = loaded(text);
    EXPECT_FALSE(result.ok()) << text;
    EXPECT_EQ(to_text(result.problems).find("tooshortsecret"), std::string::npos) << text;
  }
}

TEST(WebhookConfig, EventsHaveTheNamesThatAreTold) {
  for (std::size_t i = 0; i < net::kWebhookEventCount; ++i)
    EXPECT_EQ(kWebhookEvents[i], label(static_cast<net::WebhookEvent>(i)));
}

}  // namespace
}  // namespace ts::config
