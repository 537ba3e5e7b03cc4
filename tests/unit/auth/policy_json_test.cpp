// SPDX-License-Identifier: Apache-2.0
// Policies that are JSON objects: what is read, and everything else that is refused.
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/auth/policy.hpp>

namespace ts::auth {
namespace {

/// From a buffer of exactly the text's size.
std::optional<Policy> read(const std::string& text) {
  const auto copy = std::make_unique<char[]>(text.size());
  std::copy(text.begin(), text.end(), copy.get());
  return parse_policy_json({copy.get(), text.size()});
}

TEST(PolicyJson, ReadsEveryKey) {
  const auto policy = read(
      R"( {"room":"a;b=c","member":"w\u00f6nder","peers":["10.0.0.0/8","2001:db8::/32"],"bps":2000000,"pps":500,
      "allocations":2,"ip":"192.0.2.0/24+::1"} )");
  ASSERT_TRUE(policy);
  EXPECT_EQ(format_policy(*policy),
            ";ts1;room=a%3Bb%3Dc;member=w%C3%B6nder;peers=10.0.0.0/8+2001:db8::/32;bps=2000000;pps=500;"
            "allocations=2;ip=192.0.2.0/24+::1/128");
  ASSERT_TRUE(read("{}"));
  EXPECT_TRUE(read("{}")->empty());
}

TEST(PolicyJson, NetworksAreOneTextOrAListOfThem) {
  const auto one = read(R"({"peers":"10.0.0.0/8+192.0.2.1"})");
  ASSERT_TRUE(one);
  EXPECT_EQ(*one, read(R"({"peers":["10.0.0.0/8","192.0.2.1"]})"));
  EXPECT_EQ(*one, read(R"({"peers":["10.0.0.0/8+192.0.2.1"]})"));
}

TEST(PolicyJson, AtMostSixtyFourNetworks) {
  std::string list = R"("10.0.0.0/8")";
  std::string text = "10.0.0.0/8";
  for (int i = 1; i < 64; ++i) list += R"(,"10.0.0.0/8")", text += "+10.0.0.0/8";
  EXPECT_TRUE(read("{\"ip\":[" + list + "]}"));
  EXPECT_TRUE(read("{\"ip\":\"" + text + "\"}"));
  EXPECT_FALSE(read("{\"ip\":[" + list + R"(,"10.0.0.0/8"]})"));
  EXPECT_FALSE(read("{\"ip\":\"" + text + "+10.0.0.0/8\"}"));
}

TEST(PolicyJson, WhatIsNotUnderstoodIsRefused) {
  const std::vector<std::string> bad = {"",
                                        "null",
                                        "[]",
                                        "\"room\"",
                                        "{",
                                        "{}{}",
                                        R"({"later":1})",
                                        R"({"Room":"a"})",
                                        R"({"room":""})",
                                        R"({"room":7})",
                                        R"({"room":null})",
                                        R"({"room":"a",})",
                                        R"({"room":"a","room":"b"})",
                                        "{\"room\":\"\xFF\"}",
                                        "{\"room\":\"" + std::string(129, 'x') + "\"}",
                                        R"({"member":["m"]})",
                                        R"({"peers":""})",
                                        R"({"peers":[]})",
                                        R"({"peers":[8]})",
                                        R"({"peers":[["10.0.0.0/8"]]})",
                                        R"({"peers":["10.0.0.1/8"]})",
                                        R"({"peers":"10.0.0.0/8+"})",
                                        R"({"peers":"+10.0.0.0/8"})",
                                        R"({"ip":"everywhere"})",
                                        R"({"ip":{}})",
                                        R"({"bps":0})",
                                        R"({"bps":-1})",
                                        R"({"bps":-0})",
                                        R"({"bps":1.5})",
                                        R"({"bps":"1"})",
                                        R"({"bps":true})",
                                        R"({"bps":1000000000001})",
                                        R"({"bps":99999999999999999999999})",
                                        R"({"pps":4294967296})",
                                        R"({"pps":1e3})",
                                        R"({"allocations":0})",
                                        R"({"allocations":4294967296})"};
  for (const std::string& text : bad) EXPECT_FALSE(read(text)) << text;
  EXPECT_FALSE(read(std::string(100'000, '[')));
  EXPECT_FALSE(read(R"({"peers":)" + std::string(100'000, '[') + std::string(100'000, ']') + '}'));
}

}  // namespace
}  // namespace ts::auth
