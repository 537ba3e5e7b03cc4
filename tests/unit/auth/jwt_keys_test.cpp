// SPDX-License-Identifier: Apache-2.0
// Whole tokens: keys, algorithms, and what tokens say.
#include <gtest/gtest.h>

#include <turnstone/auth/jwt_keys.hpp>

#include "common/jwt_signer.hpp"

namespace ts::auth {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'700'000'000)};
constexpr auto kClaims = R"({"exp":1700000060,"sub":"ada"})";
const std::string kSecret(32, 's');

JwtKeys with_secret() {
  JwtKeys keys;
  keys.add_secret(kSecret);
  return keys;
}

std::string show(const Result<TokenClaims, Failure>& claims) {
  if (claims) return claims->subject;
  switch (claims.error()) {
    case Failure::UnknownUser: return "!unknown";
    case Failure::WrongPassword: return "!signature";
    case Failure::Expired: return "!expired";
    case Failure::BadPolicy: return "!claims";
  }
  return {};
}

TEST(JwtKeys, EveryAlgorithmFromPemAndJwk) {
  for (const char* algorithm : {"RS256", "ES256", "EdDSA"}) {
    const JwtSigner signer(algorithm);
    const JwtSigner other(algorithm);
    for (const std::string& file : {signer.pem(), signer.jwk(), "{\"keys\":[" + signer.jwk() + "]}",
                                    "\n" + other.pem() + "\n" + signer.pem()}) {
      JwtKeys keys;
      ASSERT_TRUE(keys.add(file)) << file;
      const std::string token = signer.token(kClaims);
      EXPECT_EQ(show(read_token(token, keys, {}, kNow)), "ada") << algorithm << file;
      // Any other bit, and it is not signed.
      for (std::size_t at = 0; at < token.size(); at += 7) {
        std::string changed = token;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        EXPECT_NE(show(read_token(changed, keys, {}, kNow)), "ada") << at;
        if (HasFailure()) return;
      }
    }
    JwtKeys keys;
    ASSERT_TRUE(keys.add(other.pem()));
    EXPECT_EQ(show(read_token(signer.token(kClaims), keys, {}, kNow)), "!signature");
  }
}

TEST(JwtKeys, AlgorithmsAreNotConfused) {
  const JwtSigner rsa("RS256");
  JwtKeys keys;
  ASSERT_TRUE(keys.add(rsa.pem()));
  // The public key as a shared secret, no signature at all, and another name for the same key.
  EXPECT_EQ(show(read_token(JwtSigner::hs256(rsa.pem(), kClaims), keys, {}, kNow)), "!signature");
  EXPECT_EQ(show(read_token(JwtSigner::hs256(kSecret, kClaims, R"({"alg":"none"})"), keys, {}, kNow)),
            "!signature");
  EXPECT_EQ(show(read_token(rsa.token(kClaims, R"(,"alg":"RS512")"), keys, {}, kNow)), "!unknown");
  EXPECT_EQ(show(read_token(rsa.token(kClaims, R"(,"crit":["x"])"), keys, {}, kNow)), "!unknown");
  EXPECT_EQ(show(read_token(rsa.token(kClaims, R"(,"b64":false)"), keys, {}, kNow)), "!unknown");
  EXPECT_EQ(show(read_token(rsa.token(kClaims, R"(,"typ":"at+jwt")"), keys, {}, kNow)), "!unknown");
  EXPECT_EQ(show(read_token(rsa.token(kClaims, R"(,"typ":"jwt")"), keys, {}, kNow)), "ada");
  EXPECT_EQ(show(read_token(rsa.token(kClaims), with_secret(), {}, kNow)), "!signature");
}

TEST(JwtKeys, NamesOfKeysAreHints) {
  const JwtSigner one("EdDSA");
  const JwtSigner two("EdDSA");
  JwtKeys keys;
  ASSERT_TRUE(
      keys.add("{\"keys\":[" + one.jwk(R"("kid":"1","use":"sig",)") + "," + two.jwk(R"("kid":"2",)") + "]}"));
  EXPECT_EQ(show(read_token(one.token(kClaims, R"(,"kid":"1")"), keys, {}, kNow)), "ada");
  EXPECT_EQ(show(read_token(two.token(kClaims), keys, {}, kNow)), "ada");
  EXPECT_EQ(show(read_token(one.token(kClaims, R"(,"kid":"2")"), keys, {}, kNow)), "!signature");
  EXPECT_EQ(show(read_token(one.token(kClaims, R"(,"kid":"3")"), keys, {}, kNow)), "!signature");
  // A key of a file without names may be meant by any.
  ASSERT_TRUE(keys.add(one.pem()));
  EXPECT_EQ(show(read_token(one.token(kClaims, R"(,"kid":"3")"), keys, {}, kNow)), "ada");
}

TEST(JwtKeys, FilesThatAreRefused) {
  const JwtSigner rsa("RS256");
  const JwtSigner ed("EdDSA");
  const std::string short_rsa = JwtSigner("RS256", 1024).pem();
  for (const auto& [file, why] : std::vector<std::pair<std::string, std::string>>{
           {"", "nothing in it"},
           {" \n", "nothing in it"},
           {"hello", "neither a PEM"},
           {"{", "not well-formed"},
           {"{}", "no RSA"},
           {"{\"keys\":{}}", "an array"},
           {"{\"keys\":[1]}", "objects"},
           {"{\"keys\":[]}", "no RSA"},
           {"{\"keys\":[" + ed.jwk(R"("use":"enc",)") + "]}", "no RSA"},
           {"{\"keys\":[" + ed.jwk(R"("key_ops":["sign"],)") + "]}", "no RSA"},
           {"{\"keys\":[" + rsa.jwk(R"("alg":"RS512",)") + "]}", "no RSA"},
           {R"({"keys":[{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}]})", "no RSA"},
           {R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})", "32 bytes"},
           {R"({"kty":"EC","crv":"P-256","x":")" + std::string(43, 'A') + R"(","y":")" +
                std::string(43, 'A') + "\"}",
            "not a public key"},
           {R"({"kty":"OKP","crv":"Ed25519","x":"AA"})", "32 bytes"},
           {R"({"kty":"RSA","n":"AQAB","e":"AQAB"})", "2048"},
           {R"({"kty":"RSA","e":"AQAB"})", ""},
           {R"({"kty":"oct","k":"AAAA"})", "32 bytes"},
           {ed.jwk(R"("d":"AA",)"), "private"},
           {"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "private"},
           {"-----BEGIN PUBLIC KEY-----\nAA==\n", "without an end"},
           {"-----BEGIN PUBLIC KEY-----\n?\n-----END PUBLIC KEY-----\n", "base64"},
           {"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n", "not a public key"},
           {short_rsa, "2048"},
           {std::string(kMaxKeyFileBytes + 1, ' '), "256 KiB"}}) {
    JwtKeys keys;
    const auto added = keys.add(file);
    ASSERT_FALSE(added) << file;
    EXPECT_NE(added.error().find(why), std::string::npos) << added.error() << " for " << file;
  }
  JwtKeys keys;
  std::string many = ed.jwk();
  for (std::size_t i = 0; i < kMaxKeys; ++i) many += "," + ed.jwk();
  EXPECT_FALSE(keys.add("{\"keys\":[" + many + "]}"));
  JwtKeys mixed;
  const std::string secret = base64url(as_bytes(kSecret));
  EXPECT_EQ(*mixed.add("{\"keys\":[" + rsa.jwk() + R"(,{"kty":"EC","crv":"P-521"},{"kty":"oct","k":")" +
                       secret + "\"}]}"),
            2U);
  EXPECT_EQ(show(read_token(JwtSigner::hs256(kSecret, kClaims), mixed, {}, kNow)), "ada");
  mixed.add_secret("short");
  EXPECT_EQ(mixed.size(), 2U);
}

TEST(Token, Claims) {
  const JwtKeys keys = with_secret();
  for (const auto& [claims, expected] : std::vector<std::pair<std::string, std::string>>{
           {kClaims, "ada"},
           {R"({"sub":"ada"})", "!claims"},
           {R"({"exp":1700000000,"sub":"ada"})", "!expired"},
           {R"({"exp":1700000001.9,"sub":"ada"})", "ada"},
           {R"({"exp":"1700000060","sub":"ada"})", "!claims"},
           {R"({"exp":1e300,"sub":"ada"})", "!claims"},
           {R"({"exp":1700000060,"nbf":1700000031})", "!expired"},
           {R"({"exp":1700000060,"sub":"ada","nbf":1700000030})", "ada"},
           {R"({"exp":1700000060,"sub":""})", "!claims"},
           {R"({"exp":1700000060,"sub":7})", "!claims"},
           {R"({"exp":1700000060,"sub":"a","sub":"b"})", "!claims"},
           {R"({"exp":1700000060,"sub":"ada","rooms":7})", "!claims"},
           {R"({"exp":1700000060,"sub":"ada","rooms":[7]})", "!claims"},
           {R"({"exp":1700000060,"sub":"ada","rooms":[""]})", "!claims"},
           {R"({"exp":1700000060,"sub":"ada","rooms":[]})", "ada"},
           {R"({"exp":1700000060,"sub":"ada","can":{}})", "!claims"},
           {R"({"exp":1700000060,"sub":"ada","limits":3})", "!claims"},
           {R"({"exp":1700000060,"sub":"ada","limits":{"rooms":0}})", "!claims"},
           {R"({"exp":1700000060,"sub":"ada","limits":{"rooms":-1}})", "!claims"},
           {R"({"exp":1700000060,"sub":"ada","limits":{"rooms":4294967296}})", "!claims"},
           {R"({"exp":1700000060,"sub":"ada","whatever":[[{}]]})", "ada"},
           {R"([])", "!claims"},
           {R"(x)", "!claims"}}) {
    EXPECT_EQ(show(read_token(JwtSigner::hs256(kSecret, claims), keys, {}, kNow)), expected) << claims;
  }
  const auto all = read_token(
      JwtSigner::hs256(
          kSecret,
          R"({"exp":1700000060,"peer":"p","rooms":"r","can":["join","kick"],"limits":{"rooms":2,"messages":5}})"),
      keys, {}, kNow);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->peer, "p");
  EXPECT_EQ(all->rooms, std::vector<std::string>{"r"});
  EXPECT_EQ(all->can, (std::vector<std::string>{"join", "kick"}));
  EXPECT_EQ(all->max_rooms, 2U);
  EXPECT_EQ(all->max_messages_per_second, 5U);
  EXPECT_EQ(all->expires, kNow + std::chrono::seconds(60));
}

TEST(Token, AudienceAndIssuer) {
  const JwtKeys keys = with_secret();
  const auto read = [&](const std::string& more, const TokenRules& rules) {
    return show(read_token(JwtSigner::hs256(kSecret, R"({"exp":1700000060,"sub":"ada")" + more + "}"), keys,
                           rules, kNow));
  };
  EXPECT_EQ(read(R"(,"aud":"us")", {"us", ""}), "ada");
  EXPECT_EQ(read(R"(,"aud":["them","us"])", {"us", ""}), "ada");
  EXPECT_EQ(read(R"(,"aud":"them")", {"us", ""}), "!claims");
  EXPECT_EQ(read("", {"us", ""}), "!claims");
  EXPECT_EQ(read(R"(,"iss":"id")", {"", "id"}), "ada");
  EXPECT_EQ(read(R"(,"iss":"other")", {"", "id"}), "!claims");
  EXPECT_EQ(read("", {"", "id"}), "!claims");
}

TEST(Token, Shape) {
  for (const char* bad : {"", ".", "..", "a.b", "a.b.", "a..c", ".b.c", "a.b.c.d", "a.b.c=", "a b.c.d"})
    EXPECT_FALSE(is_token_shaped(bad)) << bad;
  EXPECT_TRUE(is_token_shaped("a.b-_.C9"));
  EXPECT_FALSE(is_token_shaped("a.b." + std::string(kMaxTokenBytes, 'c')));
  EXPECT_EQ(show(read_token("a.b.c", with_secret(), {}, kNow)), "!unknown");
}

}  // namespace
}  // namespace ts::auth
