// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <gtest/gtest.h>

#include <turnstone/base/aead.hpp>

namespace ts {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes unhex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return out;
}

// The published test cases 4 and 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega).
const char* const kPlain =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
const char* const kAssociated = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const char* const kNonce = "cafebabefacedbaddecaf888";
struct Case {
  const char* key;
  const char* sealed;
};
const Case kCases[] = {
    {"feffe9928665731c6d6a8f9467308308",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

TEST(Aead, SealsAndOpensThePublishedVectors) {
  for (const Case& c : kCases) {
    const AeadKey key(unhex(c.key));
    ASSERT_TRUE(key.is_valid());
    EXPECT_EQ(key.seal(unhex(kNonce), unhex(kAssociated), unhex(kPlain)), unhex(c.sealed));
    EXPECT_EQ(key.open(unhex(kNonce), unhex(kAssociated), unhex(c.sealed)), unhex(kPlain));
  }
}

TEST(Aead, AnyChangedByteIsRefused) {
  const AeadKey key(unhex(kCases[1].key));
  const Bytes sealed = unhex(kCases[1].sealed);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 1;
    EXPECT_FALSE(key.open(unhex(kNonce), unhex(kAssociated), changed)) << i;
    EXPECT_FALSE(key.open(unhex(kNonce), unhex(kAssociated), ByteView(sealed).first(i))) << i;
  }
  Bytes nonce = unhex(kNonce);
  nonce[11] ^= 1;
  EXPECT_FALSE(key.open(nonce, unhex(kAssociated), sealed));
  EXPECT_FALSE(key.open(unhex(kNonce), {}, sealed));
  EXPECT_FALSE(AeadKey(unhex(kCases[0].key)).open(unhex(kNonce), unhex(kAssociated), sealed));
}

TEST(Aead, EdgesOfSize) {
  const AeadKey key(Bytes(32, 7));
  const Bytes nonce(12, 1);
  const Bytes empty = key.seal(nonce, {}, {});
  EXPECT_EQ(empty.size(), AeadKey::kTagBytes);
  EXPECT_EQ(key.open(nonce, {}, empty), Bytes{});
  EXPECT_FALSE(key.open({}, {}, empty));
  EXPECT_FALSE(key.open(Bytes(129, 1), {}, empty));
  for (const std::size_t size : {1UL, 8UL, 128UL}) {
    const Bytes odd(size, 3);
    EXPECT_EQ(key.open(odd, {}, key.seal(odd, {}, Bytes{9})), Bytes{9});
  }
  for (const std::size_t size : {0UL, 15UL, 17UL, 24UL, 31UL, 33UL}) {
    const AeadKey none(Bytes(size, 7));
    EXPECT_FALSE(none.is_valid());
    EXPECT_TRUE(none.seal(nonce, {}, Bytes{9}).empty());
    EXPECT_FALSE(none.open(nonce, {}, empty));
  }
}

// RFC 5297 §A.1 has a vector for 128-bit keys only; what SIV promises is shown instead.
TEST(Siv, SealsAlikeAndOpensOnlyThat) {
  std::array<std::uint8_t, SivKey::kKeyBytes> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::uint8_t>(i);
  const SivKey key(raw);
  const Bytes plain{1, 2, 3, 4, 5, 6, 7, 8};
  const Bytes use{9, 9};
  const Bytes sealed = key.seal(use, plain);
  ASSERT_EQ(sealed.size(), 24U);
  EXPECT_EQ(key.seal(use, plain), sealed);
  EXPECT_EQ(key.open(use, sealed), plain);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 4;
    EXPECT_FALSE(key.open(use, changed)) << i;
    EXPECT_FALSE(key.open(use, ByteView(sealed).first(i))) << i;
  }
  EXPECT_FALSE(key.open(plain, sealed));
  raw[63] ^= 1;
  EXPECT_FALSE(SivKey(raw).open(use, sealed));
  raw[63] ^= 1, raw[0] ^= 1;
  EXPECT_FALSE(SivKey(raw).open(use, sealed));
  EXPECT_TRUE(key.seal(use, {}).empty());
}

}  // namespace
}  // namespace ts
