// SPDX-License-Identifier: Apache-2.0
// MessageView: every MessageError, the type field's bits, what find() and for_each() see, the largest
// messages.
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/message.hpp>

#include "testing.hpp"

namespace ts::stun {
namespace {

using namespace ts::stun::testing;
using A = AttributeType;

std::vector<A> types(const MessageView& message) {
  std::vector<A> out;
  message.for_each([&](const Attribute& attribute) { out.push_back(attribute.type); });
  return out;
}

const std::vector<std::uint8_t> kMac(20, 0x11);
const std::vector<std::uint8_t> kMac256(32, 0x22);
const std::vector<std::uint8_t> kCrcValue(4, 0x33);

TEST(Message, TooShort) {
  const Exact whole = RawMessage().done();
  for (std::size_t size = 0; size < kHeaderBytes; ++size) {
    const auto message = MessageView::parse(Exact(whole.view().first(size)).view());
    ASSERT_TRUE(message.has_error());
    EXPECT_EQ(message.error(), MessageError::TooShort) << size;
  }
  EXPECT_EQ(MessageView::parse({}).error(), MessageError::TooShort);
}

// RFC 8489 §5 MUST: a message whose first two bits are not zero is no STUN message
TEST(Message, NotStun) {
  for (const std::uint16_t type :
       std::initializer_list<std::uint16_t>{0x4000, 0x8000, 0xC000, 0x4001, 0xFFFF}) {
    EXPECT_EQ(MessageView::parse(RawMessage(type).done().view()).error(), MessageError::NotStun) << type;
  }
}

// RFC 8489 §5 MUST: the length field counts the bytes behind the header, a multiple of four
TEST(Message, BadLength) {
  RawMessage raw;
  raw.add(A::Software, "abcd");
  for (std::size_t length = 0; length <= 0xFFFF; length += length < 64 ? 1 : 251) {
    const auto message = MessageView::parse(raw.with_length(length).view());
    EXPECT_EQ(message.has_value(), length == 8) << length;
    if (message.has_error()) {
      EXPECT_EQ(message.error(), MessageError::BadLength) << length;
    }
  }
  // A length that is right but no multiple of four (RFC 8489 §5).
  for (const std::size_t extra : {1U, 2U, 3U, 5U}) {
    RawMessage odd;
    for (std::size_t i = 0; i < extra; ++i) odd.append({0});
    EXPECT_EQ(MessageView::parse(odd.done().view()).error(), MessageError::BadLength) << extra;
  }
}

// RFC 8489 §14 MUST: attributes are read as type, length and value on 32-bit boundaries
TEST(Message, BadAttribute) {
  // Value lengths against 0, 4 and 8 bytes of room.
  for (const std::size_t room : {0U, 4U, 8U}) {
    for (const std::uint32_t length : {0U, 1U, 3U, 4U, 5U, 7U, 8U, 9U, 12U, 0xFFFCU, 0xFFFDU, 0xFFFFU}) {
      RawMessage raw;
      raw.append({0x80, 0x22, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)});
      for (std::size_t i = 0; i < room; ++i) raw.append({0});
      const auto message = MessageView::parse(raw.done().view());
      // What is left behind a shorter value reads as attributes of type and length zero.
      EXPECT_EQ(message.has_value(), padded(length) <= room) << room << ' ' << length;
      if (message.has_error()) {
        EXPECT_EQ(message.error(), MessageError::BadAttribute);
      }
    }
  }
}

TEST(Message, EveryTruncationAndEveryLengthByteStaysInBounds) {
  RawMessage raw;
  raw.add(A::Username, "user")
      .add(A::Realm, "realm")
      .add(A::MessageIntegrity, kMac)
      .add(A::Fingerprint, kCrcValue);
  const Exact whole = raw.done();
  for (std::size_t size = 0; size < whole.view().size(); ++size) {
    EXPECT_FALSE(MessageView::parse(Exact(whole.view().first(size)).view()).has_value());
    if (size < kHeaderBytes) continue;
    const Exact cut(whole.view().first(size));  // truncated, with a length field that says so
    store_be16(&cut[2], static_cast<std::uint16_t>(size - kHeaderBytes));
    if (const auto message = MessageView::parse(cut.view())) types(*message);
  }
  for (std::size_t at = kHeaderBytes; at < whole.view().size(); ++at) {
    for (const unsigned value : {0x00U, 0x01U, 0x7FU, 0x80U, 0xFFU}) {
      const Exact bytes(whole.view());
      bytes[at] = static_cast<std::uint8_t>(value);
      if (const auto message = MessageView::parse(bytes.view())) {
        message->for_each([&](const Attribute& attribute) {
          unsigned sum = 0;
          for (const std::uint8_t byte : attribute.value) sum += byte;
          EXPECT_LE(sum, 255U * attribute.value.size());
        });
      }
    }
  }
}

struct TypeRow {
  std::uint16_t type;
  MessageClass message_class;
  Method method;
};

TEST(Message, TypesOfTheStandards) {
  static constexpr TypeRow kRows[] = {
      {0x0001, MessageClass::Request, Method::Binding},
      {0x0011, MessageClass::Indication, Method::Binding},
      {0x0101, MessageClass::SuccessResponse, Method::Binding},
      {0x0111, MessageClass::ErrorResponse, Method::Binding},
      {0x0003, MessageClass::Request, Method::Allocate},
      {0x0103, MessageClass::SuccessResponse, Method::Allocate},
      {0x0113, MessageClass::ErrorResponse, Method::Allocate},
      {0x0004, MessageClass::Request, Method::Refresh},
      {0x0016, MessageClass::Indication, Method::Send},
      {0x0017, MessageClass::Indication, Method::Data},
      {0x0008, MessageClass::Request, Method::CreatePermission},
      {0x0009, MessageClass::Request, Method::ChannelBind},
      {0x0109, MessageClass::SuccessResponse, Method::ChannelBind},
      {0x000A, MessageClass::Request, Method::Connect},
      {0x000B, MessageClass::Request, Method::ConnectionBind},
      {0x001C, MessageClass::Indication, Method::ConnectionAttempt},
  };
  for (const TypeRow& row : kRows) {
    EXPECT_EQ(message_type(row.message_class, row.method), row.type);
    const Exact bytes = RawMessage(row.type).done();
    const auto message = MessageView::parse(bytes.view());
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->message_class(), row.message_class) << row.type;
    EXPECT_EQ(message->method(), row.method) << row.type;
  }
}

// RFC 8489 §5, figure 3, bit by bit: M11-M7 C1 M6-M4 C0 M3-M0.
// RFC 8489 §5 MUST: class and method are read from the bits of the type field as figure 3 says
TEST(Message, ClassAndMethodBitsAreABijection) {
  static constexpr unsigned kMethodBit[] = {0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13};
  std::set<std::uint16_t> seen;
  for (unsigned method = 0; method < 4'096; ++method) {
    for (unsigned c = 0; c < 4; ++c) {
      unsigned want = ((c & 1) << 4) | ((c >> 1) << 8);
      for (unsigned bit = 0; bit < 12; ++bit) want |= ((method >> bit) & 1) << kMethodBit[bit];
      const std::uint16_t type = message_type(static_cast<MessageClass>(c), static_cast<Method>(method));
      ASSERT_EQ(type, want);
      seen.insert(type);
      RawMessage raw(type);
      const Exact bytes = raw.done();
      const auto message = MessageView::parse(bytes.view());
      ASSERT_TRUE(message.has_value());
      ASSERT_EQ(static_cast<unsigned>(message->method()), method);
      ASSERT_EQ(static_cast<unsigned>(message->message_class()), c);
    }
  }
  EXPECT_EQ(seen.size(), 16'384U) << "all types with two leading zero bits";
}

// RFC 8489 §5 MUST: the magic cookie is 0x2112A442
TEST(Message, HeaderFields) {
  RawMessage raw;
  const Exact bytes = raw.done();
  const auto message = MessageView::parse(bytes.view());
  EXPECT_EQ(message->transaction_id(), kId);
  EXPECT_TRUE(message->has_magic_cookie());
  EXPECT_EQ(message->bytes().data(), bytes.view().data());
  for (std::size_t bit = 0; bit < 32; ++bit) {
    const Exact classic(bytes.view());
    classic[4 + bit / 8] = static_cast<std::uint8_t>(classic[4 + bit / 8] ^ (1U << (bit % 8)));
    const auto other = MessageView::parse(classic.view());
    ASSERT_TRUE(other.has_value()) << "an RFC 3489 message is still a message";
    EXPECT_FALSE(other->has_magic_cookie());
  }
}

struct SeenRow {
  const char* what;
  std::vector<A> sent;
  std::vector<A> seen;
  int integrity;  ///< the index in `sent` of the one that counts; -1: none
  int sha256;
  int fingerprint;
};

// RFC 8489 §9 and §14.5-14.7: which attributes count around integrity and fingerprint.
// RFC 8489 §9 MUST: behind MESSAGE-INTEGRITY only -SHA256 and FINGERPRINT count
// RFC 8489 §9 MUST: behind MESSAGE-INTEGRITY-SHA256 only FINGERPRINT counts
TEST(Message, WhatCountsAroundIntegrityAndFingerprint) {
  constexpr A mi = A::MessageIntegrity, sha = A::MessageIntegritySha256, fp = A::Fingerprint;
  constexpr A u = A::Username, x = A::Software;
  const std::vector<SeenRow> rows = {
      {"nothing", {}, {}, -1, -1, -1},
      {"plain", {u, x}, {u, x}, -1, -1, -1},
      {"duplicates are walked", {u, x, u}, {u, x, u}, -1, -1, -1},
      {"integrity last", {u, mi}, {u, mi}, 1, -1, -1},
      {"behind integrity", {mi, u}, {mi}, 0, -1, -1},
      {"fingerprint behind integrity", {u, mi, fp}, {u, mi, fp}, 1, -1, 2},
      {"between integrity and fingerprint", {u, mi, x, fp}, {u, mi, fp}, 1, -1, 3},
      {"both", {u, mi, sha}, {u, mi, sha}, 1, 2, -1},
      {"both and fingerprint", {u, mi, sha, fp}, {u, mi, sha, fp}, 1, 2, 3},
      {"between the two", {mi, x, sha}, {mi, sha}, 0, 2, -1},
      {"behind the two", {mi, sha, x, fp}, {mi, sha, fp}, 0, 1, 3},
      {"sha256 alone", {u, sha, x}, {u, sha}, -1, 1, -1},
      {"sha256 and fingerprint", {u, sha, x, fp}, {u, sha, fp}, -1, 1, 3},
      {"integrity behind sha256", {u, sha, mi}, {u, sha}, -1, 1, -1},
      {"integrity behind sha256, then more", {sha, mi, u, fp}, {sha, fp}, -1, 0, 3},
      {"second integrity", {mi, mi}, {mi}, 0, -1, -1},
      {"second sha256", {sha, sha}, {sha}, -1, 0, -1},
      {"second sha256 behind both", {mi, sha, sha}, {mi, sha}, 0, 1, -1},
      {"sha256 far behind integrity", {mi, x, u, sha, fp}, {mi, sha, fp}, 0, 3, 4},
      {"fingerprint alone", {fp}, {fp}, -1, -1, 0},
      {"behind fingerprint", {u, fp, x}, {u, fp}, -1, -1, 1},
      {"integrity behind fingerprint", {u, fp, mi}, {u, fp}, -1, -1, 1},
      {"sha256 behind fingerprint", {fp, sha}, {fp}, -1, -1, 0},
      {"fingerprint between the two", {mi, fp, sha}, {mi, fp}, 0, -1, 1},
      {"second fingerprint", {fp, fp}, {fp}, -1, -1, 0},
  };
  for (const SeenRow& row : rows) {
    SCOPED_TRACE(row.what);
    RawMessage raw;
    std::vector<std::size_t> offsets;
    for (const A type : row.sent) {
      offsets.push_back(raw.size());
      const auto& value = type == mi ? kMac : type == sha ? kMac256 : kCrcValue;
      raw.add(type, value);
    }
    const Exact bytes = raw.done();
    const auto message = MessageView::parse(bytes.view());
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(types(*message), row.seen);
    const auto offset = [&](int index) {
      return index < 0 ? std::size_t{0} : offsets[static_cast<std::size_t>(index)];
    };
    EXPECT_EQ(message->integrity_offset(), offset(row.integrity));
    EXPECT_EQ(message->integrity_sha256_offset(), offset(row.sha256));
    EXPECT_EQ(message->fingerprint_offset(), offset(row.fingerprint));
    for (const A type : {u, x, mi, sha, fp}) {
      const bool seen = std::find(row.seen.begin(), row.seen.end(), type) != row.seen.end();
      EXPECT_EQ(message->find(type).has_value(), seen) << name(type);
    }
    // An attribute is found exactly where its offset says.
    const auto at = [&](A type, std::size_t where) {
      const auto value = message->find(type);
      ASSERT_EQ(value.has_value(), where != 0);
      if (value) {
        EXPECT_EQ(value->data(), bytes.view().data() + where + kAttributeHeaderBytes);
      }
    };
    at(mi, message->integrity_offset());
    at(sha, message->integrity_sha256_offset());
    at(fp, message->fingerprint_offset());
  }
}

// RFC 8489 §14 MUST: of several attributes of one type the first counts
// RFC 8489 §14 MUST: padding is zero on sending and ignored on receiving
TEST(Message, FirstOfDuplicatesWinsAndPaddingIsIgnored) {
  RawMessage raw;
  raw.add(A::Software, as_bytes("a"), 0xFF)
      .add(A::Username, "first")
      .add(A::Username, "second")
      .add(A::Username);
  const Exact bytes = raw.done();
  const auto message = MessageView::parse(bytes.view());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(as_text(*message->find(A::Username)), "first");
  EXPECT_EQ(as_text(*message->find(A::Software)), "a");
  EXPECT_FALSE(message->find(A::Realm).has_value());
  EXPECT_EQ(types(*message).size(), 4U);
}

TEST(Message, EmptyValuesAreFound) {
  RawMessage raw;
  raw.add(A::DontFragment).add(A::UseCandidate);
  const Exact bytes = raw.done();
  const auto message = MessageView::parse(bytes.view());
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->find(A::DontFragment).has_value());
  EXPECT_TRUE(message->find(A::UseCandidate)->empty());
}

TEST(Message, TheLargestBodyIs65532Bytes) {
  // One attribute of the greatest size that fits.
  const std::vector<std::uint8_t> value(65'528, 0x77);
  RawMessage one;
  one.add(A::Data, value);
  const Exact bytes = one.done();
  ASSERT_EQ(bytes.view().size(), kHeaderBytes + 65'532);
  const auto message = MessageView::parse(bytes.view());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->find(A::Data)->size(), 65'528U);

  // The same with a value length that runs past the end by padding or wholly.
  for (const std::uint16_t length : std::initializer_list<std::uint16_t>{65'529, 65'532, 65'533, 65'535}) {
    const Exact bad(bytes.view());
    store_be16(&bad[kHeaderBytes + 2], length);
    EXPECT_EQ(MessageView::parse(bad.view()).error(), MessageError::BadAttribute) << length;
  }

  // As many attributes as fit, then integrity and fingerprint at the very end.
  RawMessage many;
  while (many.size() + 4 + 24 + 36 + 8 <= kHeaderBytes + 65'532) many.add(A::DontFragment);
  const std::size_t integrity = many.size();
  many.add(A::MessageIntegrity, kMac).add(A::MessageIntegritySha256, kMac256).add(A::Fingerprint, kCrcValue);
  const Exact full = many.done();
  ASSERT_EQ(full.view().size(), kHeaderBytes + 65'532);
  const auto parsed = MessageView::parse(full.view());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->integrity_offset(), integrity);
  EXPECT_EQ(parsed->integrity_sha256_offset(), integrity + 24);
  EXPECT_EQ(parsed->fingerprint_offset(), integrity + 60);
  EXPECT_EQ(types(*parsed).size(), (integrity - kHeaderBytes) / 4 + 3);

  // 65,536 bytes of body cannot be said in 16 bits.
  RawMessage over;
  over.add(A::Data, std::vector<std::uint8_t>(65'532));
  EXPECT_EQ(MessageView::parse(over.done().view()).error(), MessageError::BadLength);
}

TEST(Message, PaddedRoundsUp) {
  static_assert(padded(0) == 0 && padded(1) == 4 && padded(4) == 4 && padded(5) == 8);
  static_assert(padded(65'533) == 65'536 && padded(65'535) == 65'536);
}

}  // namespace
}  // namespace ts::stun
