// SPDX-License-Identifier: Apache-2.0
// The texts of the external source of credentials: what is asked, and which answers are understood.
#include <gtest/gtest.h>

#include "../../src/net/hook/answer.hpp"

namespace ts::net {
namespace {

const std::string kMd5(32, 'a');
const std::string kSha256(64, '0');

TEST(HookAnswer, AQuestionIsJson) {
  EXPECT_EQ(hook_question({"alice", "example.org", *IpAddress::parse("2001:db8::1")}),
            R"({"username":"alice","realm":"example.org","client":"2001:db8::1"})");
  EXPECT_EQ(hook_question({"a\"b\\c\xC3\xA9", "r", *IpAddress::parse("::ffff:192.0.2.1")}),
            "{\"username\":\"a\\\"b\\\\c\xC3\xA9\",\"realm\":\"r\",\"client\":\"192.0.2.1\"}");
}

TEST(HookAnswer, APassword) {
  const auto answer = decode_hook_answer(R"( {"password":"w\u00f6nder", "expires":1767225600,"ttl":30} )");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, auth::HookAnswer::Kind::Found);
  EXPECT_EQ(answer->password, "w\xC3\xB6nder");
  EXPECT_EQ(answer->expires, WallTime(std::chrono::seconds(1'767'225'600)));
  EXPECT_EQ(answer->ttl, std::chrono::seconds(30));
  EXPECT_TRUE(answer->policy.empty());
  EXPECT_TRUE(decode_hook_answer(R"({"password":"x","policy":{}})"));
}

TEST(HookAnswer, Keys) {
  const auto one = decode_hook_answer("{\"key\":\"" + kMd5 + "\"}");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->md5_key->front(), 0xAA);
  EXPECT_FALSE(one->sha256_key);
  const auto both = decode_hook_answer("{\"key\":\"" + kMd5 + "\",\"sha256_key\":\"" + kSha256 + "\"}");
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->md5_key && both->sha256_key);
  EXPECT_TRUE(decode_hook_answer("{\"sha256_key\":\"" + kSha256 + "\"}"));
}

TEST(HookAnswer, APolicy) {
  const auto answer = decode_hook_answer(
      R"({"password":"x","policy":{"room":"a;b=c","member":"m","peers":["10.0.0.0/8","2001:db8::/32"],)"
      R"("bps":2000000,"pps":500,"allocations":2,"ip":"192.0.2.0/24+::1"}})");
  ASSERT_TRUE(answer);
  const auth::Policy& policy = answer->policy;
  EXPECT_EQ(policy.room, "a;b=c");
  EXPECT_EQ(policy.member, "m");
  EXPECT_EQ(policy.peers.size(), 2U);
  EXPECT_EQ(policy.clients.size(), 2U);
  EXPECT_EQ(policy.max_bits_per_second, 2'000'000U);
  EXPECT_EQ(policy.max_packets_per_second, 500U);
  EXPECT_EQ(policy.max_allocations, 2U);
}

TEST(HookAnswer, WhatIsNotUnderstoodIsRefused) {
  const auto with_policy = [](const std::string& policy) {
    return R"({"password":"x","policy":)" + policy + "}";
  };
  const std::string refused[] = {"",
                                 "null",
                                 "[]",
                                 "\"x\"",
                                 "{}",
                                 "{\"password\":\"x\"",
                                 R"({"password":"x"}x)",
                                 R"({"password":"x",})",
                                 R"({"password":""})",
                                 R"({"password":1})",
                                 R"({"password":null})",
                                 R"({"password":["x"]})",
                                 "{\"password\":\"" + std::string(1025, 'x') + "\"}",
                                 R"({"password":"x","password":"y"})",
                                 R"({"Password":"x"})",
                                 R"({"password":"x","polcy":{}})",
                                 R"({"password":"x","policy":[]})",
                                 R"({"password":"x","policy":null})",
                                 R"({"password":"x","expires":"soon"})",
                                 R"({"password":"x","expires":-1})",
                                 R"({"password":"x","expires":1.5})",
                                 R"({"password":"x","expires":99999999999999999})",
                                 R"({"password":"x","ttl":true})",
                                 "{\"password\":\"x\",\"key\":\"" + kMd5 + "\"}",
                                 "{\"key\":\"" + kMd5 + "a\"}",
                                 "{\"key\":\"" + std::string(32, 'g') + "\"}",
                                 "{\"sha256_key\":\"" + kMd5 + "\"}",
                                 R"({"ttl":5})",
                                 "{\"password\":\"\xFF\"}",
                                 with_policy(R"({"peer":"10.0.0.0/8"})"),
                                 with_policy(R"({"room":""})"),
                                 with_policy(R"({"room":"a","room":"b"})"),
                                 with_policy("{\"room\":\"" + std::string(129, 'x') + "\"}"),
                                 with_policy(R"({"peers":[]})"),
                                 with_policy(R"({"peers":""})"),
                                 with_policy(R"({"peers":["10.0.0.1/8"]})"),
                                 with_policy(R"({"peers":[["10.0.0.0/8"]]})"),
                                 with_policy(R"({"ip":"everywhere"})"),
                                 with_policy(R"({"bps":0})"),
                                 with_policy(R"({"bps":"5"})"),
                                 with_policy(R"({"bps":1000000000001})"),
                                 with_policy(R"({"pps":4294967296})"),
                                 with_policy(R"({"allocations":0})"),
                                 with_policy(R"({"pps":1e3})")};
  for (const std::string& text : refused) EXPECT_FALSE(decode_hook_answer(text)) << text;
  std::string many = "10.0.0.0/8";
  for (int i = 0; i < 64; ++i) many += "+10.0.0.0/8";
  EXPECT_FALSE(decode_hook_answer(with_policy("{\"peers\":\"" + many + "\"}")));
  const std::string good = R"({"password":"x"})";
  EXPECT_TRUE(decode_hook_answer(good + std::string(kMaxHookAnswerBytes - good.size(), ' ')));
  EXPECT_FALSE(decode_hook_answer(good + std::string(kMaxHookAnswerBytes - good.size() + 1, ' ')));
}

}  // namespace
}  // namespace ts::net
