// SPDX-License-Identifier: Apache-2.0
// MessageBuilder and the attribute decoders: round trips, exact bytes, overflow at every size, the largest
// body.
#include <array>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/integrity.hpp>

#include "testing.hpp"

namespace ts::stun {
namespace {

using namespace ts::stun::testing;
using A = AttributeType;

const HmacSha1Key kKey(as_bytes("secret"));
const HmacSha256Key kKey256(as_bytes("secret"));

std::vector<std::uint8_t> build(const std::function<void(MessageBuilder&)>& fill) {
  std::vector<std::uint8_t> out(70'000, 0xEE);
  MessageBuilder builder(out, MessageClass::Request, Method::Allocate, kId);
  fill(builder);
  return vec(builder.finish());
}

MessageView parsed(ByteView bytes) {
  const auto message = MessageView::parse(bytes);
  EXPECT_TRUE(message.has_value());
  return message.has_value() ? *message : MessageView{};
}

// RFC 8489 §5 MUST: the magic cookie is 0x2112A442
// RFC 8489 §5 MUST: the length field counts the bytes behind the header, a multiple of four
TEST(Builder, HeaderAlone) {
  const auto bytes = build([](MessageBuilder&) {});
  EXPECT_EQ(bytes, vec(RawMessage(0x0003).done().view()));
}

// RFC 8489 §14 MUST: the length of an attribute is that of its value without padding
// RFC 8489 §14 MUST: padding is zero on sending and ignored on receiving
TEST(Builder, WritesExactBytesWithZeroPadding) {
  for (std::size_t size = 0; size < 9; ++size) {
    const std::vector<std::uint8_t> value(size, 0xAB);
    const auto bytes = build([&](MessageBuilder& b) { b.add(A::Nonce, value); });
    EXPECT_EQ(bytes, vec(RawMessage(0x0003).add(A::Nonce, value).done().view())) << size;
    EXPECT_EQ(vec(*parsed(bytes).find(A::Nonce)), value);
  }
}

// RFC 8489 §14.2 MUST: XOR addresses: port and IPv4 with the cookie, IPv6 with cookie and transaction id
TEST(Builder, RoundTripsAddresses) {
  for (const char* text :
       {"0.0.0.0:0", "192.0.2.1:3478", "255.255.255.255:65535", "33.18.164.66:8466", "[::]:0",
        "[2001:db8::1]:49152", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[::ffff:192.0.2.1]:1"}) {
    const Endpoint endpoint = *Endpoint::parse(text);
    for (const A type : {A::MappedAddress, A::AlternateServer, A::ResponseOrigin, A::OtherAddress}) {
      const auto bytes = build([&](MessageBuilder& b) { b.add_address(type, endpoint); });
      EXPECT_EQ(decode_address(*parsed(bytes).find(type)), endpoint) << text;
    }
    for (const A type : {A::XorMappedAddress, A::XorPeerAddress, A::XorRelayedAddress}) {
      const auto bytes = build([&](MessageBuilder& b) { b.add_xor_address(type, endpoint); });
      const ByteView value = *parsed(bytes).find(type);
      EXPECT_EQ(decode_xor_address(value, kId), endpoint) << text;
      // RFC 8489 §14.2: IPv4 does not depend on the transaction id, IPv6 does.
      TransactionId other = kId;
      other[11] ^= 1;
      EXPECT_EQ(decode_xor_address(value, other) == endpoint, endpoint.address.is_v4());
      // Unmasking by hand: cookie, then the transaction id.
      EXPECT_EQ(load_be16(&value[2]) ^ 0x2112, endpoint.port);
      for (std::size_t i = 4; i < value.size(); ++i) {
        EXPECT_EQ(value[i] ^ bytes[i], endpoint.address.bytes()[i - 4]) << "header byte " << i;
      }
    }
  }
}

// RFC 8489 §14.1 MUST: addresses have 32 bits (IPv4) or 128 bits (IPv6)
// RFC 8489 §14.1 MUST: an address's first byte is zero on sending and ignored on receiving
TEST(Attributes, AddressesOfTheWrongShape) {
  for (std::size_t size = 0; size <= 24; ++size) {
    for (unsigned family = 0; family < 256; ++family) {
      std::vector<std::uint8_t> value(size, 0x55);
      if (size > 1) value[1] = static_cast<std::uint8_t>(family);
      const bool good = (family == kFamilyV4 && size == 8) || (family == kFamilyV6 && size == 20);
      const Exact exact(value);
      ASSERT_EQ(decode_address(exact.view()).has_value(), good) << size << ' ' << family;
      ASSERT_EQ(decode_xor_address(exact.view(), kId).has_value(), good);
    }
  }
  // The first byte is ignored (RFC 8489 §14.1).
  EXPECT_EQ(decode_address(std::array<std::uint8_t, 8>{0xFF, 1, 0, 80, 192, 0, 2, 1}),
            Endpoint::parse("192.0.2.1:80"));
}

// RFC 8489 §14.8 MUST: an error's class is 3 to 6, its number 0 to 99; reserved bits are ignored
TEST(Attributes, ErrorCodes) {
  // Class and number over all byte values (RFC 8489 §14.8: 3 to 6, 0 to 99; 21 reserved bits are ignored).
  for (unsigned c = 0; c < 256; ++c) {
    for (unsigned number = 0; number < 256; ++number) {
      const Exact value(std::array<std::uint8_t, 4>{0xFF, 0xFF, static_cast<std::uint8_t>(c),
                                                    static_cast<std::uint8_t>(number)});
      const auto error = decode_error_code(value.view());
      const bool good = (c & 7) >= 3 && (c & 7) <= 6 && number <= 99;
      ASSERT_EQ(error.has_value(), good) << c << ' ' << number;
      if (good) {
        ASSERT_EQ(error->code, (c & 7) * 100 + number);
        ASSERT_TRUE(error->reason.empty());
      }
    }
  }
  for (std::size_t size = 0; size < 4; ++size) {
    EXPECT_FALSE(decode_error_code(Exact(std::vector<std::uint8_t>(size, 4)).view()).has_value());
  }
}

// RFC 8489 §6.3.1.1 MUST: an error response has an ERROR-CODE
TEST(Builder, RoundTripsErrors) {
  for (const ErrorCode code : {ErrorCode::TryAlternate, ErrorCode::Unauthenticated, ErrorCode::StaleNonce,
                               ErrorCode::AllocationQuotaReached, ErrorCode::InsufficientCapacity}) {
    const auto bytes = build([&](MessageBuilder& b) { b.add_error(code); });
    const auto error = decode_error_code(*parsed(bytes).find(A::ErrorCode));
    EXPECT_EQ(error->code, static_cast<std::uint16_t>(code));
    EXPECT_EQ(error->reason, reason_phrase(code));
    EXPECT_FALSE(error->reason.empty());
  }
  const auto bytes = build([](MessageBuilder& b) { b.add_error(ErrorCode::BadRequest, "No \xC3\xA9"); });
  EXPECT_EQ(decode_error_code(*parsed(bytes).find(A::ErrorCode))->reason, "No \xC3\xA9");
}

// A code without a phrase is an attribute of four bytes.
TEST(Builder, AnErrorWithoutAPhrase) {
  const auto bytes = build([](MessageBuilder& b) { b.add_error(static_cast<ErrorCode>(699)); });
  const auto value = parsed(bytes).find(A::ErrorCode);
  ASSERT_EQ(value->size(), 4U);
  EXPECT_EQ(decode_error_code(*value)->code, 699);
}

TEST(Builder, RoundTripsTheFixedSizes) {
  const auto bytes = build([](MessageBuilder& b) {
    b.add_u32(A::Lifetime, 0xFFFFFFFE)
        .add_channel_number(0x4ABC)
        .add_u32(A::RequestedTransport, std::uint32_t{kTransportUdp} << 24)
        .add_u32(A::RequestedAddressFamily, std::uint32_t{kFamilyV6} << 24)
        .add_u32(A::ConnectionId, 7)
        .add_flag(A::DontFragment)
        .add(A::EvenPort, std::array<std::uint8_t, 1>{0x80})
        .add(A::ReservationToken, std::array<std::uint8_t, 8>{1, 2, 3, 4, 5, 6, 7, 8});
  });
  const MessageView message = parsed(bytes);
  EXPECT_EQ(decode_u32(*message.find(A::Lifetime)), 0xFFFFFFFEU);
  EXPECT_EQ(decode_channel_number(*message.find(A::ChannelNumber)), 0x4ABC);
  EXPECT_EQ(vec(*message.find(A::ChannelNumber)), (std::vector<std::uint8_t>{0x4A, 0xBC, 0, 0}));
  EXPECT_EQ(decode_requested_transport(*message.find(A::RequestedTransport)), kTransportUdp);
  EXPECT_EQ(decode_address_family(*message.find(A::RequestedAddressFamily)), kFamilyV6);
  EXPECT_EQ(decode_u32(*message.find(A::ConnectionId)), 7U);
  EXPECT_TRUE(message.find(A::DontFragment)->empty());
  EXPECT_EQ(message.find(A::EvenPort)->size(), 1U);
  EXPECT_EQ(load_be64(message.find(A::ReservationToken)->data()), 0x0102030405060708ULL);
}

// RFC 8656 §18.1 MUST: the reserved half of CHANNEL-NUMBER is ignored
// RFC 8656 §18.6 MUST: the reserved bits of REQUESTED-ADDRESS-FAMILY are ignored
// RFC 8656 §18.8 MUST: the reserved bits of REQUESTED-TRANSPORT are ignored
TEST(Attributes, FixedSizesAreExactAndReservedBitsIgnored) {
  for (std::size_t size = 0; size <= 8; ++size) {
    const Exact value(std::vector<std::uint8_t>(size, 0xFF));
    EXPECT_EQ(decode_u32(value.view()).has_value(), size == 4);
    EXPECT_EQ(decode_channel_number(value.view()).has_value(), size == 4);
    EXPECT_EQ(decode_requested_transport(value.view()).has_value(), size == 4);
    EXPECT_EQ(decode_address_family(value.view()).has_value(), size == 4);
  }
  const std::array<std::uint8_t, 4> value{0x11, 0xAA, 0xBB, 0xCC};
  EXPECT_EQ(decode_requested_transport(value), 0x11);
  EXPECT_EQ(decode_address_family(value), 0x11);
  EXPECT_EQ(decode_channel_number(value), 0x11AA);
  EXPECT_EQ(decode_u32(value), 0x11AABBCCU);
  for (unsigned code = 0; code < 256; ++code) {
    const auto family = family_of_code(static_cast<std::uint8_t>(code));
    EXPECT_EQ(family.has_value(), code == 1 || code == 2);
  }
  EXPECT_EQ(family_of_code(kFamilyV4), IpFamily::V4);
  EXPECT_EQ(family_of_code(kFamilyV6), IpFamily::V6);
}

// RFC 8489 §6.3.1.1 MUST: a 420 lists the attributes in UNKNOWN-ATTRIBUTES
TEST(Builder, UnknownAttributesAreListed) {
  for (std::size_t count = 0; count <= 5; ++count) {
    std::vector<std::uint16_t> list;
    for (std::size_t i = 0; i < count; ++i) list.push_back(static_cast<std::uint16_t>(0x7F01 + i));
    const auto bytes = build([&](MessageBuilder& b) { b.add_unknown_attributes(list); });
    const auto value = parsed(bytes).find(A::UnknownAttributes);
    ASSERT_TRUE(value.has_value());
    ASSERT_EQ(value->size(), 2 * count) << "the length is without padding";
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(load_be16(value->data() + 2 * i), list[i]);
    EXPECT_EQ(bytes.size() % 4, 0U);
  }
}

// RFC 5389 §12.2 MUST: a classic Binding request is answered with MAPPED-ADDRESS and its own transaction id
TEST(Builder, EchoesAClassicCookie) {
  const auto bytes = build([](MessageBuilder& b) { b.echo_classic_cookie(0x01020304); });
  EXPECT_FALSE(parsed(bytes).has_magic_cookie());
  EXPECT_EQ(load_be32(bytes.data() + 4), 0x01020304U);
  EXPECT_EQ(parsed(bytes).transaction_id(), kId);
}

TEST(Builder, SignsInEveryCombination) {
  for (unsigned mask = 0; mask < 8; ++mask) {
    const auto bytes = build([&](MessageBuilder& b) {
      b.add(A::Username, "user");
      if ((mask & 1) != 0) b.add_integrity(kKey);
      if ((mask & 2) != 0) b.add_integrity(kKey256);
      if ((mask & 4) != 0) b.add_fingerprint();
    });
    const MessageView message = parsed(bytes);
    EXPECT_EQ(verify_integrity(message, kKey), (mask & 1) != 0) << mask;
    EXPECT_EQ(verify_integrity(message, kKey256), (mask & 2) != 0) << mask;
    EXPECT_EQ(message.fingerprint_offset() != 0, (mask & 4) != 0) << mask;
    EXPECT_TRUE(fingerprint_absent_or_right(message)) << mask;
  }
}

void add_one_of_each(MessageBuilder& b) {
  static constexpr std::uint16_t kUnknown[] = {0x7F00, 0x7F01, 0x7F02};
  b.add_error(ErrorCode::UnknownAttribute)
      .add_unknown_attributes(kUnknown)
      .add_xor_address(A::XorMappedAddress, *Endpoint::parse("[2001:db8::1]:1"))
      .add_address(A::MappedAddress, *Endpoint::parse("192.0.2.1:1"))
      .add_channel_number(0x4000)
      .add_flag(A::DontFragment)
      .add_u32(A::Lifetime, 600)
      .add(A::Software, "turnstone")
      .add_integrity(kKey)
      .add_integrity(kKey256)
      .add_fingerprint();
}

// Every smaller buffer gives an empty view, and nothing is written past any buffer's end.
TEST(Builder, EverySmallerBufferGivesNothing) {
  const auto whole = build(add_one_of_each);
  for (std::size_t size = 0; size <= whole.size() + 8; ++size) {
    const auto out = std::make_unique<std::uint8_t[]>(size);
    MessageBuilder builder({out.get(), size}, MessageClass::Request, Method::Allocate, kId);
    builder.echo_classic_cookie(kMagicCookie);
    add_one_of_each(builder);
    EXPECT_EQ(vec(builder.finish()), size < whole.size() ? std::vector<std::uint8_t>{} : whole) << size;
  }
}

TEST(Builder, OverflowIsForGood) {
  std::array<std::uint8_t, 40> out;
  MessageBuilder builder(out, MessageClass::Request, Method::Binding, kId);
  builder.add(A::Data, std::vector<std::uint8_t>(100))
      .add_flag(A::DontFragment)
      .add_integrity(kKey)
      .add_fingerprint();
  EXPECT_TRUE(builder.finish().empty());
}

TEST(Builder, TheLargestBody) {
  for (const std::size_t size :
       {65'524U, 65'525U, 65'528U, 65'529U, 65'532U, 65'533U, 65'535U, 65'536U, 69'000U}) {
    const std::vector<std::uint8_t> value(size, 0x42);
    const auto bytes = build([&](MessageBuilder& b) { b.add(A::Data, value); });
    EXPECT_EQ(!bytes.empty(), size <= 65'528) << size;
    if (!bytes.empty()) {
      EXPECT_EQ(vec(*parsed(bytes).find(A::Data)), value);
    }
  }
  // One header more than fits.
  const auto filled = [](std::size_t size) {
    return build([&](MessageBuilder& b) {
      b.add(A::Data, std::vector<std::uint8_t>(size))
          .add_integrity(kKey)
          .add_integrity(kKey256)
          .add_fingerprint();
    });
  };
  const std::size_t most = 65'532 - 4 - 24 - 36 - 8;
  const auto bytes = filled(most);
  ASSERT_EQ(bytes.size(), kHeaderBytes + 65'532);
  EXPECT_TRUE(verify_integrity(parsed(bytes), kKey));
  EXPECT_TRUE(verify_integrity(parsed(bytes), kKey256));
  EXPECT_TRUE(fingerprint_absent_or_right(parsed(bytes)));
  EXPECT_TRUE(filled(most + 1).empty());
}

}  // namespace
}  // namespace ts::stun
