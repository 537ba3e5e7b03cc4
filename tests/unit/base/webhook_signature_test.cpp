// SPDX-License-Identifier: Apache-2.0
// Signatures of webhooks; the example is that of the libraries of Standard Webhooks.
#include <gtest/gtest.h>

#include <turnstone/base/webhook_signature.hpp>

namespace ts {
namespace {

TEST(WebhookSignature, IsThatOfStandardWebhooks) {
  const auto key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  ASSERT_TRUE(key);
  EXPECT_EQ(key, webhook_key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  EXPECT_EQ(webhook_signature(*key, "msg_p5jXN8AQM9LWM0D4loKWxJek",
                              WallTime(std::chrono::seconds(1614265330)), R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookSignature, KeysHaveALength) {
  for (const char* bad : {"", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, but long enough to be one"})
    EXPECT_FALSE(webhook_key(bad)) << bad;
  EXPECT_TRUE(webhook_key(std::string(64, 'a'))) << "hexadecimal is base64, too";
  EXPECT_FALSE(webhook_key(std::string(92, 'a')));
}

}  // namespace
}  // namespace ts
