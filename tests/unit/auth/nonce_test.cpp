// SPDX-License-Identifier: Apache-2.0
// Stateless nonces: RFC 8489 §9.2.4, §9.2.9 ("a nonce for one client address and port only").
#include <set>
#include <string>

#include <gtest/gtest.h>

#include <turnstone/auth/nonce.hpp>

namespace ts::auth {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr TimePoint at(std::chrono::nanoseconds t) { return TimePoint(t); }
Endpoint ep(const char* text) { return Endpoint::parse(text).value(); }

struct NonceTest : ::testing::Test {
  NonceMaker maker{as_bytes("a secret of the process"), seconds(600)};
  const Endpoint client = ep("192.0.2.1:40000");
  const TimePoint made = at(seconds(1000));
};

TEST_F(NonceTest, IsFreshFromTheFirstToTheLastNanosecondOfItsLife) {
  const Nonce nonce = maker.make(made, client);
  EXPECT_EQ(nonce.text().size(), 24U);
  EXPECT_TRUE(maker.is_fresh(nonce.text(), made, client));
  EXPECT_TRUE(maker.is_fresh(nonce.text(), made + seconds(600) - nanoseconds(1), client));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), made + seconds(600), client));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), made + seconds(1'000'000), client));
}

TEST_F(NonceTest, FromTheFutureIsStale) {
  const Nonce nonce = maker.make(made + seconds(1), client);
  EXPECT_FALSE(maker.is_fresh(nonce.text(), made, client));
}

// RFC 8489 §9.2.4 MUST: no nonce is given to two different source addresses or ports
TEST_F(NonceTest, IsBoundToAddressPortAndFamily) {
  const Nonce nonce = maker.make(made, client);
  EXPECT_FALSE(maker.is_fresh(nonce.text(), made, ep("192.0.2.2:40000")));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), made, ep("192.0.2.1:40001")));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), made, ep("[::ffff:192.0.2.1]:40000")));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), made, ep("[c000:201::]:40000")));
}

TEST_F(NonceTest, IsBoundToTheSecret) {
  const NonceMaker other(as_bytes("another secret"), seconds(600));
  EXPECT_FALSE(other.is_fresh(maker.make(made, client).text(), made, client));
}

TEST_F(NonceTest, TwoMakersOfOneSecretAgree) {
  const NonceMaker shard(as_bytes("a secret of the process"), seconds(600));
  EXPECT_TRUE(shard.is_fresh(maker.make(made, client).text(), made, client));
}

TEST_F(NonceTest, EverySingleCharacterMutationIsRefused) {
  const Nonce nonce = maker.make(made, client);
  std::size_t tried = 0;
  for (std::size_t i = 0; i < Nonce::kBytes; ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string text(nonce.text());
      if (text[i] == static_cast<char>(c)) continue;
      text[i] = static_cast<char>(c);
      EXPECT_FALSE(maker.is_fresh(text, made, client)) << i << " " << c;
      ++tried;
    }
  }
  EXPECT_EQ(tried, 24U * 255U);
}

TEST_F(NonceTest, OfAnyOtherLengthIsRefused) {
  const std::string text(maker.make(made, client).text());
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(maker.is_fresh(text.substr(0, n), made, client));
  EXPECT_FALSE(maker.is_fresh(text + "0", made, client));
  EXPECT_FALSE(maker.is_fresh(text + text, made, client));
}

TEST_F(NonceTest, LivesAcrossTheWrapOf24BitsOfSecondsAndIsNotRevivedByIt) {
  const seconds wrap(1 << 24);
  const TimePoint before = at(wrap - seconds(1));
  const Nonce nonce = maker.make(before, client);
  EXPECT_TRUE(maker.is_fresh(nonce.text(), before + seconds(599), client));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), before + seconds(600), client));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), before + wrap, client));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), before + wrap + seconds(1), client));
}

// RFC 8489 §9.2 MUST: the NONCE of a server that supports RFC 8489 begins with the nonce cookie
TEST_F(NonceTest, BeginsWithTheNonceCookieAndItsFeatures) {
  const struct {
    SecurityFeatures features;
    const char* prefix;
  } table[] = {
      {0, "obMatJos2AAAA"},
      {kFeaturePasswordAlgorithms, "obMatJos2gAAA"},
      {kFeatureUsernameAnonymity, "obMatJos2QAAA"},
      {kFeaturePasswordAlgorithms | kFeatureUsernameAnonymity, "obMatJos2wAAA"},
      {1, "obMatJos2AAAB"},
      {0xFFFFFF, "obMatJos2////"},
  };
  for (const auto& row : table) {
    const Nonce nonce = maker.make(made, client, row.features);
    EXPECT_EQ(nonce.text().substr(0, 13), row.prefix);
    EXPECT_EQ(features_of(nonce.text()), row.features);
    EXPECT_TRUE(maker.is_fresh(nonce.text(), made, client));
  }
  // RFC 8489 §B.1
  EXPECT_EQ(features_of("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"), 2U);
}

TEST_F(NonceTest, FeaturesOfTextWithoutAWholeCookieAreNone) {
  for (const char* text : {"", "obMatJos2", "obMatJos2gAA", "obMatJos1gAAA", " obMatJos2gAAA",
                           "obMatJos2g-AA", "obMatJos2gAA=", "f//499k954d6OL34oL9FSTvy64sA"}) {
    EXPECT_FALSE(features_of(text)) << text;
  }
  EXPECT_EQ(features_of("obMatJos2gAAA"), kFeaturePasswordAlgorithms);
}

TEST_F(NonceTest, FeaturesCannotBeTakenAway) {
  // Bid-down (RFC 8489 §9.2.1): the features are under the MAC.
  std::string text(maker.make(made, client, kFeaturePasswordAlgorithms).text());
  text.replace(9, 4, "AAAA");
  EXPECT_FALSE(maker.is_fresh(text, made, client));
}

TEST_F(NonceTest, ACompactOneIsShortAndNeverFresh) {
  const Nonce nonce = maker.make_compact(made, client);
  EXPECT_EQ(nonce.text().size(), 12U);
  EXPECT_FALSE(features_of(nonce.text()));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), made, client));
  EXPECT_FALSE(maker.is_fresh("obMatJos2gAAA" + std::string(nonce.text().substr(0, 11)), made, client));
  EXPECT_NE(nonce.text(), maker.make_compact(made, ep("192.0.2.1:40001")).text());
  EXPECT_NE(nonce.text(), maker.make_compact(made + seconds(1), client).text());
}

TEST_F(NonceTest, HasNoCharacterThatNeedsQuoting) {
  // RFC 8489 §14.10: qdtext of RFC 3261, which base64 and base64url are part of.
  for (int s = 0; s < 200; ++s) {
    const Nonce nonce = maker.make(made + seconds(s), client);
    EXPECT_EQ(
        nonce.text().find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        std::string_view::npos);
  }
}

// RFC 8489 §9.2.4 MUST: no NONCE is chosen for two source addresses or ports
TEST_F(NonceTest, DiffersBySecondAndClient) {
  std::set<std::string> seen;
  for (int s = 0; s < 100; ++s) seen.emplace(maker.make(made + seconds(s), client).text());
  for (std::uint16_t p = 1; p <= 100; ++p) {
    seen.emplace(maker.make(made, Endpoint{client.address, p}).text());
  }
  EXPECT_EQ(seen.size(), 200U);
}

}  // namespace
}  // namespace ts::auth
