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
  EXPECT_EQ(nonce.text().size(), Nonce::kBytes);
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
  EXPECT_EQ(tried, 32U * 255U);
}

TEST_F(NonceTest, OfAnyOtherLengthIsRefused) {
  const std::string text(maker.make(made, client).text());
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(maker.is_fresh(text.substr(0, n), made, client));
  EXPECT_FALSE(maker.is_fresh(text + "0", made, client));
  EXPECT_FALSE(maker.is_fresh(text + text, made, client));
}

TEST_F(NonceTest, LivesAcrossTheWrapOf32BitsOfSeconds) {
  const TimePoint before = at(seconds(0xFFFFFFFFLL));
  const Nonce nonce = maker.make(before, client);
  EXPECT_TRUE(maker.is_fresh(nonce.text(), before + seconds(599), client));
  EXPECT_FALSE(maker.is_fresh(nonce.text(), before + seconds(600), client));
}

// RFC 8489 §9.2 MUST: a nonce with the nonce cookie promises only what the server does
TEST_F(NonceTest, HasNoCharacterThatNeedsQuotingAndNoNonceCookie) {
  // RFC 8489 §9.2: a nonce that began with "obMatJos2" would promise features that are not there.
  const Nonce nonce = maker.make(made, client);
  EXPECT_EQ(nonce.text().find_first_not_of("0123456789abcdef"), std::string_view::npos);
}

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
