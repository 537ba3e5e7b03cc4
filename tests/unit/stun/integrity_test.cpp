// SPDX-License-Identifier: Apache-2.0
// MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT: right, wrong, truncated, misplaced, bit by
// bit.
#include <array>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/integrity.hpp>

#include "testing.hpp"

namespace ts::stun {
namespace {

using namespace ts::stun::testing;
using A = AttributeType;

const HmacSha1Key kKey(as_bytes("secret"));
const HmacSha1Key kOtherKey(as_bytes("secreT"));
const HmacSha256Key kKey256(as_bytes("secret"));
const HmacSha256Key kOtherKey256(as_bytes("secreT"));

/// The first `size` bytes of the MAC that belongs behind `raw`, with the length that its attribute gives.
std::vector<std::uint8_t> mac256(const RawMessage& raw, std::size_t size) {
  auto mac = vec(kKey256.sign({raw.covered(kAttributeHeaderBytes + padded(size))}));
  mac.resize(size);
  return mac;
}
std::vector<std::uint8_t> mac(const RawMessage& raw) { return vec(kKey.sign({raw.covered(24)})); }
std::vector<std::uint8_t> crc(const RawMessage& raw, std::size_t more = 8) {
  std::vector<std::uint8_t> out(4);
  store_be32(out.data(), crc32(raw.covered(more)) ^ kFingerprintMask);
  return out;
}

RawMessage some() {
  RawMessage raw(0x0003);
  raw.add(A::Username, "user").add(A::Realm, "example.org").add(A::Nonce, "nonce");
  return raw;
}

bool right(const Exact& bytes, const HmacSha1Key& key) {
  const auto message = MessageView::parse(bytes.view());
  return message.has_value() && verify_integrity(*message, key);
}
bool right(const Exact& bytes, const HmacSha256Key& key) {
  const auto message = MessageView::parse(bytes.view());
  return message.has_value() && verify_integrity(*message, key);
}
bool fingerprint_right(const Exact& bytes) {
  const auto message = MessageView::parse(bytes.view());
  return message.has_value() && fingerprint_absent_or_right(*message);
}

TEST(Integrity, AbsentIsNeverRight) {
  const Exact bytes = some().done();
  EXPECT_FALSE(right(bytes, kKey));
  EXPECT_FALSE(right(bytes, kKey256));
  EXPECT_TRUE(fingerprint_right(bytes));
}

// RFC 8489 §14.5 MUST: MESSAGE-INTEGRITY is HMAC-SHA1 over the message with the length adjusted
TEST(Integrity, Sha1WithTheKeyAndNoOther) {
  RawMessage raw = some();
  raw.add(A::MessageIntegrity, mac(raw));
  EXPECT_TRUE(right(raw.done(), kKey));
  EXPECT_FALSE(right(raw.done(), kOtherKey));
  EXPECT_FALSE(right(raw.done(), kKey256));
  EXPECT_FALSE(right(raw.done(), HmacSha1Key()));
}

// RFC 8489 §14.5 MUST: MESSAGE-INTEGRITY is HMAC-SHA1 over the message with the length adjusted
TEST(Integrity, TheLengthFieldIsThatOfTheCoveredPart) {
  RawMessage raw = some();
  raw.add(A::MessageIntegrity, mac(raw));
  raw.add(A::MessageIntegritySha256, mac256(raw, 32));
  raw.add(A::Fingerprint, crc(raw));
  EXPECT_TRUE(right(raw.done(), kKey));
  EXPECT_TRUE(right(raw.done(), kKey256));
  EXPECT_TRUE(fingerprint_right(raw.done()));
  EXPECT_FALSE(right(raw.done(), kOtherKey256));
  // Attributes behind integrity are neither covered nor seen; the MAC stays right.
  RawMessage more = some();
  more.add(A::MessageIntegrity, mac(more)).add(A::Software, "x");
  EXPECT_TRUE(right(more.done(), kKey));
  // A MAC over the whole message's length is wrong.
  RawMessage whole = some();
  whole.add(A::MessageIntegrity, ByteView(kKey.sign({whole.covered(24 + 8)})));
  whole.add(A::Fingerprint, crc(whole));
  EXPECT_FALSE(right(whole.done(), kKey));
}

TEST(Integrity, Sha256BehindSha1CoversIt) {
  RawMessage raw = some();
  raw.add(A::MessageIntegrity, mac(raw));
  raw.add(A::MessageIntegritySha256, mac256(raw, 32));
  const Exact bytes = raw.done();
  const std::size_t mac_at = MessageView::parse(bytes.view())->integrity_offset() + 4;
  bytes[mac_at] = static_cast<std::uint8_t>(bytes[mac_at] ^ 1);
  EXPECT_FALSE(right(bytes, kKey));
  EXPECT_FALSE(right(bytes, kKey256));
}

TEST(Integrity, Sha1BehindSha256DoesNotCount) {
  RawMessage raw = some();
  raw.add(A::MessageIntegritySha256, mac256(raw, 32));
  raw.add(A::MessageIntegrity, mac(raw));
  EXPECT_TRUE(right(raw.done(), kKey256));
  EXPECT_FALSE(right(raw.done(), kKey));
}

TEST(Integrity, OnlyTheFirstOfAKindCounts) {
  const std::vector<std::uint8_t> wrong(32, 0);
  RawMessage raw = some();
  raw.add(A::MessageIntegrity, ByteView(wrong).first(20));
  raw.add(A::MessageIntegrity, mac(raw));
  EXPECT_FALSE(right(raw.done(), kKey));
  RawMessage long_one = some();
  long_one.add(A::MessageIntegritySha256, wrong);
  long_one.add(A::MessageIntegritySha256, mac256(long_one, 32));
  EXPECT_FALSE(right(long_one.done(), kKey256));
}

TEST(Integrity, BehindFingerprintDoesNotCount) {
  RawMessage raw = some();
  raw.add(A::Fingerprint, crc(raw, 8 + 24));
  raw.add(A::MessageIntegrity, mac(raw));
  EXPECT_FALSE(right(raw.done(), kKey));
  RawMessage long_one = some();
  long_one.add(A::Fingerprint, crc(long_one, 8 + 36));
  long_one.add(A::MessageIntegritySha256, mac256(long_one, 32));
  EXPECT_FALSE(right(long_one.done(), kKey256));
}

TEST(Integrity, Sha1HasTwentyBytes) {
  for (std::size_t size = 0; size <= 24; ++size) {
    RawMessage raw = some();
    auto value = vec(kKey.sign({raw.covered(kAttributeHeaderBytes + padded(size))}));
    value.resize(size);
    raw.add(A::MessageIntegrity, value);
    EXPECT_EQ(right(raw.done(), kKey), size == 20) << size;
  }
}

// RFC 8489 §14.6: 16 to 32 bytes and a multiple of four.
// RFC 8489 §14.6 MUST: MESSAGE-INTEGRITY-SHA256 has 16 to 32 bytes and a multiple of four
// RFC 8489 §14.6 MUST: MESSAGE-INTEGRITY-SHA256 is HMAC-SHA256 over the message with the length adjusted
TEST(Integrity, Sha256Truncated) {
  for (std::size_t size = 0; size <= 36; ++size) {
    RawMessage raw = some();
    raw.add(A::MessageIntegritySha256, mac256(raw, size));
    const bool fits = size >= 16 && size <= 32 && size % 4 == 0;
    EXPECT_EQ(right(raw.done(), kKey256), fits) << size;
    EXPECT_FALSE(right(raw.done(), kOtherKey256)) << size;
    if (!fits) continue;
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      const Exact bytes = raw.done();
      std::uint8_t& byte = bytes[bytes.view().size() - size + bit / 8];
      byte = static_cast<std::uint8_t>(byte ^ (1U << (bit % 8)));
      ASSERT_FALSE(right(bytes, kKey256)) << size << ' ' << bit;
    }
  }
}

/// A whole message as a client signs it, by the builder.
template <class Key>
std::vector<std::uint8_t> signed_message(const Key& key, bool fingerprint) {
  std::array<std::uint8_t, 300> out;
  MessageBuilder builder(out, MessageClass::Request, Method::Allocate, kId);
  builder.add_u32(A::RequestedTransport, 0x11000000)
      .add(A::Username, "user1")
      .add(A::Realm, "example.org")
      .add(A::Nonce, "0123456789")
      .add_flag(A::DontFragment)
      .add_integrity(key);
  if (fingerprint) builder.add_fingerprint();
  return vec(builder.finish());
}

// Every single-bit flip ahead of the fingerprint fails the parser or the MAC.
TEST(Integrity, EveryFlippedBitIsSeen) {
  const auto check = [](const auto& key, std::size_t mac_attribute) {
    for (const bool fingerprint : {false, true}) {
      const std::vector<std::uint8_t> good = signed_message(key, fingerprint);
      ASSERT_TRUE(right(Exact(good), key));
      ASSERT_TRUE(fingerprint_right(Exact(good)));
      const std::size_t behind = fingerprint ? 8 : 0;
      for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        const Exact bytes(good);
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
        if (bit / 8 < good.size() - behind) {
          ASSERT_FALSE(right(bytes, key))
              << "bit " << bit << " of " << good.size() * 8 << ' ' << mac_attribute;
        }
        // A flip in a type or length can hide FINGERPRINT; one that is there is wrong.
        const auto message = MessageView::parse(bytes.view());
        if (fingerprint && message.has_value()) {
          ASSERT_EQ(fingerprint_absent_or_right(*message), message->fingerprint_offset() == 0) << bit;
        }
      }
    }
  };
  check(kKey, 24);
  check(kKey256, 36);
}

TEST(Integrity, EveryByteOfAnAttributeBeforeIsCoveredPaddingToo) {
  RawMessage raw(0x0001);
  raw.add(A::Software, as_bytes("a"), 0x20);
  raw.add(A::MessageIntegrity, mac(raw));
  EXPECT_TRUE(right(raw.done(), kKey)) << "padding need not be zero";
  const Exact bytes = raw.done();
  bytes[kHeaderBytes + 4 + 1] = 0;
  EXPECT_FALSE(right(bytes, kKey));
}

TEST(Integrity, TheLargestMessage) {
  RawMessage raw;
  const std::size_t value_bytes = 65'532 - 4 - 24 - 36 - 8;
  raw.add(A::Data, std::vector<std::uint8_t>(value_bytes, 0x5A));
  raw.add(A::MessageIntegrity, mac(raw));
  raw.add(A::MessageIntegritySha256, mac256(raw, 32));
  raw.add(A::Fingerprint, crc(raw));
  const Exact bytes = raw.done();
  ASSERT_EQ(bytes.view().size(), kHeaderBytes + 65'532);
  EXPECT_TRUE(right(bytes, kKey));
  EXPECT_TRUE(right(bytes, kKey256));
  EXPECT_TRUE(fingerprint_right(bytes));
  bytes[40'000] = 0;
  EXPECT_FALSE(right(bytes, kKey));
  EXPECT_FALSE(right(bytes, kKey256));
  EXPECT_FALSE(fingerprint_right(bytes));
}

TEST(Fingerprint, WrongSizesAndWrongValues) {
  for (std::size_t size = 0; size <= 8; ++size) {
    RawMessage raw = some();
    auto value = crc(raw, kAttributeHeaderBytes + padded(size));
    value.resize(size);
    raw.add(A::Fingerprint, value);
    EXPECT_EQ(fingerprint_right(raw.done()), size == 4) << size;
  }
  RawMessage unmasked = some();
  std::vector<std::uint8_t> value(4);
  store_be32(value.data(), crc32(unmasked.covered(8)));
  unmasked.add(A::Fingerprint, value);
  EXPECT_FALSE(fingerprint_right(unmasked.done())) << "without the mask";
}

// RFC 8489 §14.7: FINGERPRINT is the last attribute; one that is not is not right, whatever its value.
// RFC 8489 §14.7 MUST: FINGERPRINT is the last attribute
TEST(Fingerprint, MustBeLast) {
  RawMessage raw = some();
  raw.add(A::Fingerprint, crc(raw, 8 + 8));
  raw.add(A::Software, "abcd");
  EXPECT_FALSE(fingerprint_right(raw.done()));
  RawMessage early = some();
  early.add(A::Fingerprint, crc(early));
  early.add(A::Software, "abcd");
  EXPECT_FALSE(fingerprint_right(early.done()));
  RawMessage twice = some();
  twice.add(A::Fingerprint, crc(twice, 16));
  twice.add(A::Fingerprint, crc(twice));
  EXPECT_FALSE(fingerprint_right(twice.done()));
}

// RFC 8489 §14.7 MUST: FINGERPRINT is CRC-32 XOR 0x5354554e
TEST(Fingerprint, Crc32) {
  // The check value of the CRC catalogues, and others of the same CRC-32 (ISO 3309, ITU V.42).
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xCBF43926U);
  EXPECT_EQ(crc32({}), 0U);
  EXPECT_EQ(crc32(as_bytes("a")), 0xE8B7BE43U);
  EXPECT_EQ(crc32(as_bytes("abc")), 0x352441C2U);
  EXPECT_EQ(crc32(as_bytes("The quick brown fox jumps over the lazy dog")), 0x414FA339U);
  // Against a bitwise one, every length and every alignment.
  std::vector<std::uint8_t> bytes(70);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 89 + 7);
  for (std::size_t from = 0; from < 5; ++from) {
    for (std::size_t size = 0; from + size <= bytes.size(); ++size) {
      const Exact part(ByteView(bytes).subspan(from, size));
      std::uint32_t c = ~0U;
      for (const std::uint8_t byte : part.view()) {
        c ^= byte;
        for (int k = 0; k < 8; ++k) c = (c >> 1) ^ (0xEDB88320U & (0U - (c & 1)));
      }
      ASSERT_EQ(crc32(part.view()), ~c) << from << ' ' << size;
      ASSERT_EQ(crc32(ByteView(bytes).subspan(from, size)), ~c);
    }
  }
}

}  // namespace
}  // namespace ts::stun
