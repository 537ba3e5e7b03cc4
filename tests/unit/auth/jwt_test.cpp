// SPDX-License-Identifier: Apache-2.0
// Tokens as credentials (RFC 7519): what is read, and everything else that is refused.
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/auth/jwt.hpp>

namespace ts::auth {
namespace {

const WallTime kNow{std::chrono::seconds(1'700'000'000)};
const std::string kSecret = "a secret of thirty-two bytes ...";
const std::string kHeader = R"({"alg":"HS256","typ":"JWT"})";

std::string username(const std::string& header, const std::string& claims) {
  return base64url(as_bytes(header)) + '.' + base64url(as_bytes(claims));
}

/// Reads from a buffer of exactly the text's size. Nothing: it was read.
std::optional<Failure> read(const std::string& text, std::string_view audience = {}, Policy* out = nullptr,
                            WallTime now = kNow) {
  const auto copy = std::make_unique<char[]>(text.size());
  std::copy(text.begin(), text.end(), copy.get());
  auto policy = read_jwt({copy.get(), text.size()}, audience, now);
  if (!policy) return policy.error();
  if (out != nullptr) *out = **policy;
  return std::nullopt;
}

std::optional<Failure> read_claims(const std::string& claims, std::string_view audience = {},
                                   Policy* out = nullptr) {
  return read(username(kHeader, claims), audience, out);
}

/// `{"exp":…` and the rest of the object.
std::string with_exp(const std::string& rest) { return R"({"exp":1700000060)" + rest; }

// RFC 7515 §3.3: the signing input is the encoded header, a full stop and the encoded payload
TEST(Jwt, TheExampleOfTheStandard) {
  // RFC 7515 appendix A.1: its key, signing input and signature.
  const auto key =
      base64_decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const std::string input =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  EXPECT_EQ(jwt_password(HmacSha256Key(as_bytes(*key)), input),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
  EXPECT_EQ(read(input, {}, nullptr, WallTime(std::chrono::seconds(1'300'819'379))), std::nullopt);
  EXPECT_EQ(read(input), Failure::Expired);
  EXPECT_EQ(jwt_expiry(input), WallTime(std::chrono::seconds(1'300'819'380)));
}

TEST(Jwt, ReadsAWholePolicy) {
  Policy policy;
  ASSERT_EQ(
      read_claims(with_exp(R"(,"sub":"alice","iss":"app","deep":{"x":[1,{"y":null}]},"turn":{"room":"lobby",
    "member":"m1","peers":["8.8.0.0/16","2001:db8::/32"],"bps":2000000,"pps":500,"allocations":2,
    "ip":["203.0.113.7"]}})"),
                  {}, &policy),
      std::nullopt);
  EXPECT_EQ(policy.account, ":alice");
  EXPECT_EQ(format_policy(policy),
            ";ts1;room=lobby;member=m1;peers=8.8.0.0/16+2001:db8::/32;bps=2000000;pps=500;allocations=2;"
            "ip=203.0.113.7/32");
  Policy none;
  ASSERT_EQ(read_claims(with_exp("}"), {}, &none), std::nullopt);
  EXPECT_TRUE(none.empty());
}

TEST(Jwt, RefusesAPolicyThatItDoesNotUnderstand) {
  const std::vector<std::string> bad = {R"("lobby")",
                                        "null",
                                        "[]",
                                        R"({"later":1})",
                                        R"({"room":""})",
                                        R"({"room":7})",
                                        R"({"room":null})",
                                        R"({"room":")" + std::string(129, 'x') + R"("})",
                                        R"({"member":["m"]})",
                                        R"({"peers":""})",
                                        R"({"peers":[]})",
                                        R"({"peers":["8.8.0.1/16"]})",
                                        R"({"peers":[8]})",
                                        R"({"ip":[]})",
                                        R"({"ip":["host"]})",
                                        R"({"bps":0})",
                                        R"({"bps":-1})",
                                        R"({"bps":1.5})",
                                        R"({"bps":"1"})",
                                        R"({"bps":true})",
                                        R"({"bps":1000000000001})",
                                        R"({"pps":4294967296})",
                                        R"({"allocations":4294967296})",
                                        R"({"allocations":1e2})",
                                        R"({"room":"a","room":"b"})"};
  for (const std::string& turn : bad) {
    EXPECT_EQ(read_claims(with_exp(R"(,"turn":)" + turn + '}')), Failure::BadPolicy) << turn;
  }
}

// RFC 7519 §4.1.4: a token is not accepted on or after its exp
TEST(Jwt, TimesAreHonoured) {
  const std::string sub = R"("sub":"a")";
  const auto claims = [&](const std::string& times) { return read_claims('{' + sub + times + '}'); };
  EXPECT_EQ(claims(""), Failure::BadPolicy);
  EXPECT_EQ(claims(R"(,"exp":1700000001)"), std::nullopt);
  EXPECT_EQ(claims(R"(,"exp":1700000000)"), Failure::Expired);
  EXPECT_EQ(claims(R"(,"exp":1700000001.5)"), std::nullopt);
  EXPECT_EQ(claims(R"(,"exp":1700000000.5)"), Failure::Expired);
  EXPECT_EQ(claims(R"(,"exp":1.700000001e9)"), std::nullopt);
  for (const char* exp : {"\"1700000060\"", "null", "true", "[1700000060]", "-1", "1e300", "1e400",
                          "1099511627777", "99999999999999999999999", "-99999999999999999999999"}) {
    EXPECT_EQ(claims(R"(,"exp":)" + std::string(exp)), Failure::BadPolicy) << exp;
  }
  EXPECT_EQ(claims(R"(,"exp":1099511627776)"), std::nullopt);
}

// RFC 7519 §4.1.5: a token is not accepted before its nbf, but for a small leeway
TEST(Jwt, NotBeforeAndIssuedAtHaveThirtySeconds) {
  for (const std::string name : {"nbf", "iat"}) {
    const auto at = [&](const std::string& value) {
      return read_claims(with_exp(",\"" + name + "\":" + value + '}'));
    };
    EXPECT_EQ(at("1700000000"), std::nullopt);
    EXPECT_EQ(at("1700000030"), std::nullopt);
    EXPECT_EQ(at("1700000030.5"), Failure::Expired);
    EXPECT_EQ(at("1700000031"), Failure::Expired);
    EXPECT_EQ(at("\"1\""), Failure::BadPolicy);
    EXPECT_EQ(at("null"), Failure::BadPolicy);
    EXPECT_EQ(at("-5"), Failure::BadPolicy);
  }
}

// RFC 7519 §4.1.3: a token whose aud does not name this server is rejected
TEST(Jwt, TheAudienceMustNameUs) {
  const auto with_aud = [](const std::string& aud, std::string_view audience = "turn.example.org") {
    return read_claims(with_exp(aud.empty() ? "}" : R"(,"aud":)" + aud + '}'), audience);
  };
  EXPECT_EQ(with_aud(R"("turn.example.org")"), std::nullopt);
  EXPECT_EQ(with_aud(R"(["a","turn.example.org"])"), std::nullopt);
  for (const char* aud : {"", R"("Turn.example.org")", R"("turn.example.org.evil")", R"([])", R"(["a"])", "7",
                          R"(["turn.example.org",7])", "null", R"({"turn.example.org":1})"}) {
    EXPECT_EQ(with_aud(aud), Failure::BadPolicy) << aud;
  }
  EXPECT_EQ(with_aud("", ""), std::nullopt);
  EXPECT_EQ(with_aud(R"("anybody")", ""), std::nullopt);
  EXPECT_EQ(with_aud("7", ""), Failure::BadPolicy);
}

TEST(Jwt, TheSubjectIsTheAccount) {
  const auto with_sub = [](const std::string& sub, Policy* out = nullptr) {
    return read_claims(with_exp(R"(,"sub":)" + sub + '}'), {}, out);
  };
  Policy policy;
  ASSERT_EQ(with_sub(R"("z\u00fcri")", &policy), std::nullopt);
  EXPECT_EQ(policy.account, ":z\xc3\xbcri");
  EXPECT_EQ(with_sub('"' + std::string(255, 'x') + '"'), std::nullopt);
  for (const std::string& sub : {std::string("\"\""), std::string("7"), std::string("null"),
                                 std::string("[\"a\"]"), '"' + std::string(256, 'x') + '"'}) {
    EXPECT_EQ(with_sub(sub), Failure::BadPolicy) << sub;
  }
}

// RFC 7515 §4.1.11: a header with a crit that is not understood is refused
TEST(Jwt, OnlyHs256) {
  const auto with_header = [](const std::string& header) { return read(username(header, with_exp("}"))); };
  EXPECT_EQ(with_header(R"({"alg":"HS256"})"), std::nullopt);
  EXPECT_EQ(with_header(R"({"typ":"jwt","alg":"HS256","kid":"2026"})"), std::nullopt);
  for (const char* header : {R"({"alg":"none"})",
                             R"({"alg":"None"})",
                             R"({"alg":"hs256"})",
                             R"({"alg":"HS512"})",
                             R"({"alg":"RS256"})",
                             R"({"alg":["HS256"]})",
                             R"({"typ":"JWT"})",
                             R"({"alg":"HS256","crit":["exp"]})",
                             R"({"alg":"HS256","crit":[]})",
                             R"({"alg":"HS256","b64":false})",
                             R"({"alg":"HS256","b64":true})",
                             R"({"alg":"HS256","typ":"JOSE"})",
                             R"({"alg":"HS256","typ":7})",
                             R"({"alg":"HS256","alg":"HS256"})",
                             R"({"alg":"none","alg":"HS256"})",
                             R"("HS256")",
                             "[]",
                             "",
                             "{",
                             R"({"alg":"HS256"} x)"}) {
    EXPECT_EQ(with_header(header), Failure::BadPolicy) << header;
  }
}

// RFC 7519 §4: claim names are unique; a duplicate may be rejected
TEST(Jwt, RefusesWhatIsNoSingleObject) {
  std::string deep = R"(,"x":)" + std::string(200, '[') + std::string(200, ']') + '}';
  for (const std::string& claims :
       {std::string(), std::string("[]"), std::string("7"), std::string("{"), with_exp(""), with_exp("},"),
        with_exp(R"(,"exp":1700000099})"), with_exp(R"(,"iss":1,"iss":1})"),
        with_exp(R"(,"x":{"a":1,"a":2}})"), with_exp(R"(,"x":[{"a":1,"b":{"a":2},"a":3}]})"), with_exp(deep),
        with_exp(",\"x\":\"\xff\"}"), with_exp(R"(,"x":"\ud800"})"), with_exp(",}")}) {
    EXPECT_EQ(read_claims(claims), Failure::BadPolicy) << claims;
  }
  // The same key in two objects is no duplicate.
  EXPECT_EQ(read_claims(with_exp(R"(,"x":{"a":1},"y":[{"a":1},{"a":1}],"a":{"a":{"a":1}}})")), std::nullopt);
}

TEST(Jwt, ShapeIsTwoPartsOfBase64Url) {
  for (const char* good : {"a.b", "eyJ.eyK", "-_.09"}) EXPECT_TRUE(is_jwt_shaped(good)) << good;
  for (const std::string bad : {"", ".", "a.", ".b", "ab", "a.b.c", "a=.b", "a+b.c", "a/b.c", "1:a.b", "a .b",
                                "a.b\n", "\xc3\xa4.b"}) {
    EXPECT_FALSE(is_jwt_shaped(bad)) << bad;
  }
  EXPECT_TRUE(is_jwt_shaped("a." + std::string(761, 'x')));
  EXPECT_FALSE(is_jwt_shaped("a." + std::string(762, 'x')));
  // RFC 7515 §2: without padding, and one spelling alone of the last bits.
  EXPECT_EQ(read(username(kHeader, with_exp("}")) + "="), Failure::BadPolicy);
  EXPECT_EQ(read(base64url(as_bytes(kHeader)) + ".e31"), Failure::BadPolicy);
}

TEST(Jwt, EveryCutIsRefused) {
  const std::string whole = username(kHeader, with_exp(R"(,"turn":{"room":"lobby"}})"));
  ASSERT_EQ(read(whole), std::nullopt);
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NE(read(whole.substr(0, i)), std::nullopt) << i;
}

TEST(Jwt, WhatIsMintedIsRead) {
  Policy policy;
  policy.room = "a \"room\"";
  policy.peers = {*IpNetwork::parse("2001:db8::/32")};
  policy.max_bits_per_second = kMaxPolicyBitsPerSecond;
  const auto minted = mint_jwt(kSecret, "alice", policy, "turn", kNow + std::chrono::hours(1));
  ASSERT_TRUE(minted);
  EXPECT_EQ(minted->password, jwt_password(HmacSha256Key(as_bytes(kSecret)), minted->username));
  EXPECT_EQ(minted->password.size(), 43U);
  Policy back;
  ASSERT_EQ(read(minted->username, "turn", &back), std::nullopt);
  policy.account = ":alice";
  EXPECT_EQ(back, policy);
  EXPECT_EQ(expiry_of(minted->username), kNow + std::chrono::hours(1));
  EXPECT_EQ(expiry_of("1700000000:alice"), kNow);
  EXPECT_EQ(expiry_of("alice.b"), std::nullopt);
}

TEST(Jwt, MintsNothingThatWouldBeRefused) {
  const WallTime expiry = kNow + std::chrono::hours(1);
  EXPECT_TRUE(mint_jwt(kSecret, "", {}, "", expiry));
  EXPECT_FALSE(mint_jwt(kSecret.substr(1), "alice", {}, "", expiry));
  EXPECT_FALSE(mint_jwt(kSecret, "\xff", {}, "", expiry));
  EXPECT_FALSE(mint_jwt(kSecret, "alice", {}, "\xff", expiry));
  EXPECT_FALSE(mint_jwt(kSecret, std::string(256, 'x'), {}, "", expiry));
  EXPECT_FALSE(mint_jwt(kSecret, std::string(250, 'x'), {}, std::string(200, 'y'), expiry));
  Policy policy;
  policy.room = std::string(129, 'r');
  EXPECT_FALSE(mint_jwt(kSecret, "alice", policy, "", expiry));
}

}  // namespace
}  // namespace ts::auth
