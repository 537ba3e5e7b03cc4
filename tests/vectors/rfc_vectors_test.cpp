// SPDX-License-Identifier: Apache-2.0
// The standards' vectors: decoded, verified and built again; modulo padding where a vector pads with spaces.
#include "rfc_vectors.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/integrity.hpp>

namespace ts::stun {
namespace {

using namespace ts::vectors;

/// A copy in a heap buffer of exactly the vector's size.
struct Exact {
  explicit Exact(ByteView bytes) : data(new std::uint8_t[bytes.size()]), size(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), data.get());
  }
  ByteView view() const { return {data.get(), size}; }
  std::unique_ptr<std::uint8_t[]> data;
  std::size_t size;
};

std::string_view text(const MessageView& message, AttributeType type) {
  const auto value = message.find(type);
  return value ? as_text(*value) : std::string_view("(absent)");
}

std::vector<AttributeType> types(const MessageView& message) {
  std::vector<AttributeType> out;
  message.for_each([&](const Attribute& attribute) { out.push_back(attribute.type); });
  return out;
}

/// The bytes with all padding zeroed and the values of integrity and fingerprint blanked, which cover it.
std::vector<std::uint8_t> modulo_padding(ByteView bytes) {
  std::vector<std::uint8_t> out(bytes.begin(), bytes.end());
  for (std::size_t at = kHeaderBytes; at < out.size();) {
    const std::size_t length = load_be16(&out[at + 2]);
    const auto type = static_cast<AttributeType>(load_be16(&out[at]));
    const std::size_t end = at + 4 + padded(length);
    const bool covers = type == AttributeType::MessageIntegrity || type == AttributeType::Fingerprint;
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(covers ? at + 4 : at + 4 + length),
              out.begin() + static_cast<std::ptrdiff_t>(end), std::uint8_t{0});
    at = end;
  }
  return out;
}

std::vector<std::uint8_t> vec(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

constexpr TransactionId kId1{0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};
constexpr TransactionId kId2{0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e};

Md5Digest md5_key() {
  return md5({as_bytes(kLongTermUsername), as_bytes(":"), as_bytes(kLongTermRealm), as_bytes(":"),
              as_bytes(kLongTermPassword)});
}
Sha256Digest sha256_key() {
  return sha256({as_bytes(kLongTermUsername), as_bytes(":"), as_bytes(kLongTermRealm), as_bytes(":"),
                 as_bytes(kLongTermPassword)});
}

// RFC 5769 §2 MUST: the sample messages are read and signed as printed
TEST(Rfc5769, Section21SampleRequest) {
  const Exact bytes{kRequest};
  const auto message = MessageView::parse(bytes.view());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->message_class(), MessageClass::Request);
  EXPECT_EQ(message->method(), Method::Binding);
  EXPECT_TRUE(message->has_magic_cookie());
  EXPECT_EQ(message->transaction_id(), kId1);
  EXPECT_EQ(types(*message), (std::vector{AttributeType::Software, AttributeType::Priority,
                                          AttributeType::IceControlled, AttributeType::Username,
                                          AttributeType::MessageIntegrity, AttributeType::Fingerprint}));
  EXPECT_EQ(text(*message, AttributeType::Software), "STUN test client");
  EXPECT_EQ(text(*message, AttributeType::Username), "evtj:h6vY");
  EXPECT_EQ(decode_u32(*message->find(AttributeType::Priority)), 0x6e0001ffU);
  EXPECT_EQ(load_be64(message->find(AttributeType::IceControlled)->data()), 0x932ff9b151263b36ULL);
  const HmacSha1Key key(as_bytes(kShortTermPassword));
  EXPECT_TRUE(verify_integrity(*message, key));
  EXPECT_FALSE(verify_integrity(*message, HmacSha1Key(as_bytes("VOkJxbRl1RmTxUk/WvJxBu"))));
  EXPECT_FALSE(verify_integrity(*message, HmacSha256Key(as_bytes(kShortTermPassword))));
  EXPECT_TRUE(fingerprint_absent_or_right(*message));

  std::array<std::uint8_t, 200> out;
  MessageBuilder builder(out, MessageClass::Request, Method::Binding, kId1);
  std::array<std::uint8_t, 8> tie_breaker;
  store_be64(tie_breaker.data(), 0x932ff9b151263b36ULL);
  const ByteView again = builder.add(AttributeType::Software, "STUN test client")
                             .add_u32(AttributeType::Priority, 0x6e0001ff)
                             .add(AttributeType::IceControlled, tie_breaker)
                             .add(AttributeType::Username, "evtj:h6vY")
                             .add_integrity(key)
                             .add_fingerprint()
                             .finish();
  EXPECT_EQ(modulo_padding(again), modulo_padding(kRequest));
  EXPECT_TRUE(verify_integrity(*MessageView::parse(again), key));
  EXPECT_TRUE(fingerprint_absent_or_right(*MessageView::parse(again)));
}

void check_response(ByteView vector, const char* endpoint) {
  const Exact bytes{vector};
  const auto message = MessageView::parse(bytes.view());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->message_class(), MessageClass::SuccessResponse);
  EXPECT_EQ(message->method(), Method::Binding);
  EXPECT_EQ(message->transaction_id(), kId1);
  EXPECT_EQ(types(*message), (std::vector{AttributeType::Software, AttributeType::XorMappedAddress,
                                          AttributeType::MessageIntegrity, AttributeType::Fingerprint}));
  EXPECT_EQ(text(*message, AttributeType::Software), "test vector");
  const auto mapped = decode_xor_address(*message->find(AttributeType::XorMappedAddress), kId1);
  EXPECT_EQ(mapped, Endpoint::parse(endpoint));
  const HmacSha1Key key(as_bytes(kShortTermPassword));
  EXPECT_TRUE(verify_integrity(*message, key));
  EXPECT_TRUE(fingerprint_absent_or_right(*message));

  std::array<std::uint8_t, 200> out;
  MessageBuilder builder(out, MessageClass::SuccessResponse, Method::Binding, kId1);
  const ByteView again = builder.add(AttributeType::Software, "test vector")
                             .add_xor_address(AttributeType::XorMappedAddress, *Endpoint::parse(endpoint))
                             .add_integrity(key)
                             .add_fingerprint()
                             .finish();
  EXPECT_EQ(modulo_padding(again), modulo_padding(vector));
  EXPECT_TRUE(verify_integrity(*MessageView::parse(again), key));
}

TEST(Rfc5769, Section22SampleIpv4Response) { check_response(kResponseV4, "192.0.2.1:32853"); }

TEST(Rfc5769, Section23SampleIpv6Response) {
  check_response(kResponseV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

// RFC 5769 §2 MUST: the sample messages are read and signed as printed
// RFC 8489 §9.2.2 MUST: the long-term key is the hash of username, realm and password
TEST(Rfc5769, Section24LongTermAuthentication) {
  const Exact bytes{kLongTerm};
  const auto message = MessageView::parse(bytes.view());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->message_class(), MessageClass::Request);
  EXPECT_EQ(message->transaction_id(), kId2);
  EXPECT_EQ(types(*message), (std::vector{AttributeType::Username, AttributeType::Nonce, AttributeType::Realm,
                                          AttributeType::MessageIntegrity}));
  EXPECT_EQ(text(*message, AttributeType::Username), kLongTermUsername);
  EXPECT_EQ(text(*message, AttributeType::Nonce), "f//499k954d6OL34oL9FSTvy64sA");
  EXPECT_EQ(text(*message, AttributeType::Realm), kLongTermRealm);
  const HmacSha1Key key{md5_key()};
  EXPECT_TRUE(verify_integrity(*message, key));
  EXPECT_EQ(message->fingerprint_offset(), 0U);
  EXPECT_TRUE(fingerprint_absent_or_right(*message));

  std::array<std::uint8_t, sizeof kLongTerm> out;
  MessageBuilder builder(out, MessageClass::Request, Method::Binding, kId2);
  const ByteView again = builder.add(AttributeType::Username, kLongTermUsername)
                             .add(AttributeType::Nonce, "f//499k954d6OL34oL9FSTvy64sA")
                             .add(AttributeType::Realm, kLongTermRealm)
                             .add_integrity(key)
                             .finish();
  EXPECT_EQ(vec(again), vec(kLongTerm)) << "zero padding: identical to the byte";
}

// RFC 8489 §B.1 MUST: the sample request with MESSAGE-INTEGRITY-SHA256 and USERHASH is read (erratum 6268)
TEST(Rfc8489, AppendixB1AsCorrectedByErratum6268) {
  const Exact bytes{kSha256Errata};
  const auto message = MessageView::parse(bytes.view());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->transaction_id(), kId2);
  EXPECT_EQ(types(*message),
            (std::vector{AttributeType::Userhash, AttributeType::Nonce, AttributeType::Realm,
                         AttributeType::PasswordAlgorithm, AttributeType::MessageIntegritySha256}));
  const Sha256Digest userhash =
      sha256({as_bytes(kLongTermUsername), as_bytes(":"), as_bytes(kLongTermRealm)});
  EXPECT_EQ(vec(*message->find(AttributeType::Userhash)), vec(userhash));
  EXPECT_EQ(text(*message, AttributeType::Nonce), "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
  EXPECT_EQ(text(*message, AttributeType::Realm), kLongTermRealm);
  const HmacSha256Key key{sha256_key()};
  EXPECT_TRUE(verify_integrity(*message, key));
  EXPECT_FALSE(verify_integrity(*message, HmacSha256Key{md5_key()}));
  EXPECT_FALSE(verify_integrity(*message, HmacSha1Key{sha256_key()}));

  std::array<std::uint8_t, sizeof kSha256Errata> out;
  MessageBuilder builder(out, MessageClass::Request, Method::Binding, kId2);
  const ByteView again = builder.add(AttributeType::Userhash, userhash)
                             .add(AttributeType::Nonce, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")
                             .add(AttributeType::Realm, kLongTermRealm)
                             .add_u32(AttributeType::PasswordAlgorithm, 0x00020000)
                             .add_integrity(key)
                             .finish();
  EXPECT_EQ(vec(again), vec(kSha256Errata)) << "zero padding: identical to the byte";
}

// The text's own bytes say 0x9C in the header and are 0x88 long, so that they are no message. Their MAC is
// right for the length as printed, with the key of PASSWORD-ALGORITHM SHA-256.
TEST(Rfc8489, AppendixB1AsPrintedHasAWrongLength) {
  Exact bytes{kSha256AsPrinted};
  EXPECT_EQ(MessageView::parse(bytes.view()).error(), MessageError::BadLength);
  const ByteView view = bytes.view();
  const HmacSha256Key key{sha256_key()};
  EXPECT_EQ(vec(key.sign({view.first(view.size() - 36)})), vec(view.last(32)));
  store_be16(bytes.data.get() + 2, static_cast<std::uint16_t>(bytes.size - kHeaderBytes));
  const auto message = MessageView::parse(bytes.view());
  ASSERT_TRUE(message.has_value());
  EXPECT_FALSE(verify_integrity(*message, key));
}

// Every vector: each flip of a single bit ahead of FINGERPRINT is seen by FINGERPRINT.
TEST(Rfc5769, FingerprintSeesEveryFlippedBit) {
  for (const ByteView vector : {ByteView(kRequest), ByteView(kResponseV4), ByteView(kResponseV6)}) {
    for (std::size_t bit = 0; bit < vector.size() * 8; ++bit) {
      const Exact bytes{vector};
      bytes.data[bit / 8] = static_cast<std::uint8_t>(bytes.data[bit / 8] ^ (1U << (bit % 8)));
      const auto message = MessageView::parse(bytes.view());
      if (!message.has_value()) continue;
      // A flip in a type or length can hide the attribute; one that is there is wrong.
      ASSERT_EQ(fingerprint_absent_or_right(*message), message->fingerprint_offset() == 0) << bit;
    }
  }
}

}  // namespace
}  // namespace ts::stun
