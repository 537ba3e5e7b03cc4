// SPDX-License-Identifier: Apache-2.0
// Access tokens (RFC 7635): what holds, and what is refused.
#include <memory>

#include <gtest/gtest.h>

#include <turnstone/auth/access_token.hpp>

namespace ts::auth {
namespace {

using Bytes = std::vector<std::uint8_t>;

const Bytes kKey(32, 0x42);
const Bytes kNonce(12, 3);
const Bytes kMacKey(20, 9);
const WallTime kNow{std::chrono::seconds(1'700'000'000)};

AccessTokens tokens(std::vector<std::string> keys = {"north:" + base64(kKey)}) {
  Options options;
  options.realm = "example.org";
  options.oauth_keys = std::move(keys);
  return AccessTokens(options);
}

Bytes token(WallTime issued = kNow, std::uint32_t lifetime = 600, ByteView mac_key = kMacKey,
            ByteView nonce = kNonce) {
  return seal_access_token(AeadKey(kKey), "example.org", nonce, mac_key, issued, lifetime);
}

TEST(AccessToken, OpensWhatWasSealed) {
  const auto grant = tokens().open(token(), "north", kNow);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->mac_key, kMacKey);
  EXPECT_EQ(grant->remaining.count(), 605);
  EXPECT_EQ(grant->account.substr(0, 6), "north:");
  // Another token of the same key is another account.
  const auto other = tokens().open(token(kNow, 600, Bytes(20, 10)), "north", kNow);
  ASSERT_TRUE(other);
  EXPECT_NE(other->account, grant->account);
}

// RFC 7635 §6.2 MUST: a token is laid out as nonce length, nonce, and the sealed block, all in network order
TEST(AccessToken, TheFormatOnTheWire) {
  const Bytes value = token();
  ASSERT_EQ(value.size(), 2U + 12 + (2 + 20 + 8 + 4) + 16);
  EXPECT_EQ(load_be16(value.data()), 12);
  EXPECT_TRUE(std::equal(kNonce.begin(), kNonce.end(), value.begin() + 2));
  const auto plain = AeadKey(kKey).open(kNonce, as_bytes("example.org"), ByteView(value).subspan(14));
  ASSERT_TRUE(plain);
  EXPECT_EQ(load_be16(plain->data()), 20);
  EXPECT_EQ(load_be64(plain->data() + 22), 1'700'000'000ULL << 16);
  EXPECT_EQ(load_be32(plain->data() + 30), 600U);
}

// RFC 7635 §7 MUST: Lifetime + Delta > abs(RDnew - TS)
TEST(AccessToken, HoldsWithinItsLifeAndFiveSeconds) {
  const auto at = [](std::int64_t offset) {
    const auto grant = tokens().open(token(), "north", kNow + std::chrono::seconds(offset));
    return grant ? static_cast<int>(grant->remaining.count()) : -static_cast<int>(grant.error()) - 1;
  };
  const int expired = -static_cast<int>(TokenFailure::Expired) - 1;
  EXPECT_EQ(at(0), 605);
  EXPECT_EQ(at(600), 5);
  EXPECT_EQ(at(604), 1);
  EXPECT_EQ(at(605), expired);
  EXPECT_EQ(at(-604), 1);
  EXPECT_EQ(at(-605), expired);
  EXPECT_EQ(at(100'000'000), expired);
}

TEST(AccessToken, ExtremesOfTimeDoNotOverflow) {
  for (const std::uint64_t seconds : {std::uint64_t{0}, (std::uint64_t{1} << 48) - 1}) {
    const WallTime issued{std::chrono::seconds(static_cast<std::int64_t>(seconds))};
    const auto grant = tokens().open(token(issued, 0xFFFFFFFF), "north", kNow);
    EXPECT_EQ(grant.has_value(), seconds == 0);
  }
}

TEST(AccessToken, TheOperatorBoundsTheLife) {
  const AccessTokens bounded = tokens({"north:" + base64(kKey) + ":60"});
  EXPECT_EQ(bounded.open(token(), "north", kNow)->remaining.count(), 65);
  EXPECT_FALSE(bounded.open(token(), "north", kNow + std::chrono::seconds(65)));
}

TEST(AccessToken, KeysRotate) {
  const Bytes newer(16, 0x17);
  const AccessTokens both = tokens({"north:" + base64(kKey), "south:" + base64(newer)});
  EXPECT_TRUE(both.open(token(), "north", kNow));
  const Bytes sealed = seal_access_token(AeadKey(newer), "example.org", kNonce, kMacKey, kNow, 600);
  EXPECT_TRUE(both.open(sealed, "south", kNow));
  EXPECT_EQ(both.open(sealed, "north", kNow).error(), TokenFailure::BadToken);
  EXPECT_EQ(both.open(sealed, "west", kNow).error(), TokenFailure::UnknownKey);
  EXPECT_EQ(both.open(sealed, "", kNow).error(), TokenFailure::UnknownKey);
}

TEST(AccessToken, IsForOneServer) {
  Options options;
  options.realm = "example.org";
  options.oauth_server_name = "turn.example.net";
  options.oauth_keys = {"north:" + base64(kKey)};
  EXPECT_EQ(AccessTokens(options).server_name(), "turn.example.net");
  EXPECT_EQ(AccessTokens(options).open(token(), "north", kNow).error(), TokenFailure::BadToken);
}

TEST(AccessToken, EveryCutAndEveryChangedByteIsRefused) {
  const AccessTokens all = tokens();
  const Bytes good = token();
  for (std::size_t i = 0; i < good.size(); ++i) {
    // Exactly sized, so that a read past the end is seen.
    const auto cut = std::make_unique<std::uint8_t[]>(i);
    std::copy_n(good.begin(), i, cut.get());
    EXPECT_EQ(all.open(ByteView(cut.get(), i), "north", kNow).error(), TokenFailure::BadToken) << i;
    Bytes changed = good;
    changed[i] ^= 0x80;
    EXPECT_EQ(all.open(changed, "north", kNow).error(), TokenFailure::BadToken) << i;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(all.open(longer, "north", kNow).error(), TokenFailure::BadToken);
}

TEST(AccessToken, LengthsInsideAreChecked) {
  const AccessTokens all = tokens();
  const auto seal = [](ByteView plain) {
    Bytes out{0, 12};
    out.insert(out.end(), kNonce.begin(), kNonce.end());
    const Bytes sealed = AeadKey(kKey).seal(kNonce, as_bytes("example.org"), plain);
    out.insert(out.end(), sealed.begin(), sealed.end());
    return out;
  };
  for (std::size_t key_bytes : {0UL, 1UL, 19UL, 65UL, 255UL})
    EXPECT_EQ(all.open(token(kNow, 600, Bytes(key_bytes, 1)), "north", kNow).error(), TokenFailure::BadToken);
  for (std::size_t key_bytes : {20UL, 32UL, 64UL})
    EXPECT_TRUE(all.open(token(kNow, 600, Bytes(key_bytes, 1)), "north", kNow));
  // A length that is not that of the key: less, more, far more.
  for (const unsigned said : {19U, 21U, 24U, 33U, 0xFFFFU}) {
    Bytes plain(2 + 20 + 12);
    store_be16(plain.data(), static_cast<std::uint16_t>(said));
    EXPECT_EQ(all.open(seal(plain), "north", kNow).error(), TokenFailure::BadToken) << said;
  }
  for (std::size_t size = 0; size < 34; ++size) {
    Bytes plain(size);
    if (size > 1) plain[1] = 20;
    EXPECT_EQ(all.open(seal(plain), "north", kNow).error(), TokenFailure::BadToken) << size;
  }
  for (const std::size_t size : {0UL, 1UL, 11UL, 13UL, 16UL, 255UL}) {
    const Bytes nonce(size, 3);
    EXPECT_FALSE(all.open(token(kNow, 600, kMacKey, nonce), "north", kNow)) << size;
  }
}

TEST(AccessToken, KeysAreReadWell) {
  EXPECT_TRUE(parse_oauth_key("a:" + base64(Bytes(32, 1))));
  EXPECT_TRUE(parse_oauth_key("a:" + base64(Bytes(16, 1))));
  EXPECT_EQ(parse_oauth_key("a:" + base64(Bytes(32, 1)) + ":3600")->max_lifetime.count(), 3600);
  for (const std::string& bad :
       {std::string(), std::string("a"), std::string(":"), ":" + base64(kKey), std::string("a:"),
        std::string("a:!!!"), "a:" + base64(Bytes(24, 1)), "a:" + base64(kKey) + ":",
        "a:" + base64(kKey) + ":0", "a:" + base64(kKey) + ":1h", "a:" + base64(kKey) + ":-1",
        "a:" + base64(kKey) + ":99999999999", std::string(509, 'k') + ':' + base64(kKey)}) {
    const auto parsed = parse_oauth_key(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().find(base64(kKey)), std::string::npos) << "no key in a message";
  }
  EXPECT_FALSE(tokens({}).is_enabled());
  EXPECT_FALSE(tokens({"a:bad"}).is_enabled());
}

}  // namespace
}  // namespace ts::auth
