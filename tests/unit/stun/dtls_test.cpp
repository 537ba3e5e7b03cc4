// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/stun/dtls.hpp>

namespace ts::stun {
namespace {

using Bytes = std::vector<std::uint8_t>;

void append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

Bytes u16(std::size_t v) { return {static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)}; }
Bytes u24(std::size_t v) {
  return {static_cast<std::uint8_t>(v >> 16), static_cast<std::uint8_t>(v >> 8),
          static_cast<std::uint8_t>(v)};
}

Bytes record(std::uint8_t content, std::uint16_t epoch, const Bytes& fragment, std::uint8_t sequence = 7) {
  Bytes out{content, 0xFE, 0xFD};
  append(out, u16(epoch));
  append(out, {0, 1, 0, 0, 0, sequence});
  append(out, u16(fragment.size()));
  append(out, fragment);
  return out;
}

struct Shape {
  std::size_t message_sequence = 0;
  std::size_t length = 0;  // 0: as the body
  std::size_t offset = 0;
  std::uint8_t type = 1;
};

Bytes handshake(const Bytes& body, const Shape& shape = {}) {
  Bytes out{shape.type};
  append(out, u24(shape.length != 0 ? shape.length : body.size()));
  append(out, u16(shape.message_sequence));
  append(out, u24(shape.offset));
  append(out, u24(body.size()));
  append(out, body);
  return out;
}

Bytes hello_body(const Bytes& cookie = {}) {
  Bytes out{0xFE, 0xFD};
  for (std::uint8_t i = 0; i < 32; ++i) out.push_back(i);
  append(out, {3, 'i', 'd', '!'});
  out.push_back(static_cast<std::uint8_t>(cookie.size()));
  append(out, cookie);
  append(out, {0, 4, 0xC0, 0x2B, 0xC0, 0x2F, 1, 0});
  append(out, {0, 0});  // no extensions
  return out;
}

/// In a buffer of exactly its size.
template <class F>
auto exactly(const Bytes& bytes, F&& f) {
  const std::unique_ptr<std::uint8_t[]> copy(new std::uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), copy.get());
  return f(ByteView(copy.get(), bytes.size()));
}

bool is_hello(const Bytes& datagram) {
  return exactly(datagram, [](ByteView view) {
    const auto record = parse_dtls_record(view);
    return record && parse_dtls_client_hello(*record).has_value();
  });
}

std::size_t acceptable(const Bytes& datagram, bool established, DtlsEarly early = {}) {
  return exactly(datagram, [&](ByteView view) { return acceptable_dtls_bytes(view, established, early); });
}

TEST(Dtls, ARecordAsItStandsInTheRfc) {
  const Bytes bytes = record(23, 1, {9, 8, 7});
  const auto parsed = parse_dtls_record(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->content, DtlsContent::Application);
  EXPECT_EQ(parsed->epoch, 1);
  EXPECT_EQ(parsed->sequence, 0x0001'0000'0007U);
  EXPECT_EQ(parsed->fragment.size(), 3U);
  EXPECT_EQ(parsed->bytes, bytes.size());
}

TEST(Dtls, WhatIsNoRecord) {
  const Bytes whole = record(22, 0, {1, 2, 3});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(exactly(Bytes(whole.begin(), whole.begin() + static_cast<long>(size)), parse_dtls_record));
  }
  for (const int content : {0, 19, 24, 25, 26, 63, 255})
    EXPECT_FALSE(parse_dtls_record(record(static_cast<std::uint8_t>(content), 0, {})));
  Bytes tls = whole;
  tls[1] = 3;
  EXPECT_FALSE(parse_dtls_record(tls));
}

TEST(Dtls, AClientHelloAndItsCookie) {
  const Bytes bytes = record(22, 0, handshake(hello_body({5, 6}), {.message_sequence = 1}));
  const auto parsed = parse_dtls_record(bytes);
  ASSERT_TRUE(parsed);
  const auto hello = parse_dtls_client_hello(*parsed);
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->whole);
  EXPECT_EQ(hello->message_sequence, 1);
  EXPECT_EQ(hello->before_cookie.size(), 2U + 32 + 1 + 3);
  EXPECT_EQ(Bytes(hello->cookie.begin(), hello->cookie.end()), (Bytes{5, 6}));
  EXPECT_EQ(Bytes(hello->after_cookie.begin(), hello->after_cookie.end()),
            (Bytes{0, 4, 0xC0, 0x2B, 0xC0, 0x2F, 1, 0}));
}

TEST(Dtls, AClientHelloCutAnywhere) {
  const Bytes body = hello_body({5, 6});
  for (std::size_t size = 0; size < body.size(); ++size) {
    const Bytes front(body.begin(), body.begin() + static_cast<long>(size));
    // As a first fragment it is one when everything up to the compression methods is there.
    EXPECT_EQ(is_hello(record(22, 0, handshake(front, {.length = body.size()}))), size + 2 >= body.size());
    EXPECT_EQ(is_hello(record(22, 0, handshake(front))), size + 2 >= body.size());
  }
  Bytes cut = handshake(body);
  cut.pop_back();
  EXPECT_FALSE(is_hello(record(22, 0, cut)));
}

TEST(Dtls, WhatIsNoClientHello) {
  const Bytes body = hello_body();
  EXPECT_TRUE(is_hello(record(22, 0, handshake(body))));
  EXPECT_FALSE(is_hello(record(22, 1, handshake(body)))) << "encrypted";
  EXPECT_FALSE(is_hello(record(23, 0, handshake(body))));
  EXPECT_FALSE(is_hello(record(22, 0, handshake(body, {.type = 16}))));
  EXPECT_FALSE(is_hello(record(22, 0, handshake(body, {.length = body.size() + 5, .offset = 5}))));
  EXPECT_FALSE(is_hello(record(22, 0, handshake(body, {.length = 1}))));
  EXPECT_FALSE(is_hello(record(22, 0, {})));
}

// RFC 6347 §4.2.1 SHOULD: DTLS 1.2 server implementations use DTLS version 1.0 in a HelloVerifyRequest
// RFC 6347 §4.2.1 MUST: the record sequence number of a HelloVerifyRequest is that of the ClientHello
TEST(Dtls, AHelloVerifyRequestByteForByte) {
  const Bytes bytes = record(22, 0, handshake(hello_body()));
  const auto hello = parse_dtls_client_hello(*parse_dtls_record(bytes));
  ASSERT_TRUE(hello);
  std::array<std::uint8_t, kMaxHelloVerifyRequestBytes> out{};
  const std::array<std::uint8_t, 4> cookie{0xA, 0xB, 0xC, 0xD};
  const std::size_t size = write_hello_verify_request(out, *hello, cookie);
  const Bytes expected{22,   0xFE, 0xFF, 0,   0,   0,   1,  0, 0, 0, 7, 0, 19,  // record
                       3,    0,    0,    7,   0,   0,   0,  0, 0, 0, 0, 7,      // handshake
                       0xFE, 0xFF, 4,    0xA, 0xB, 0xC, 0xD};
  EXPECT_EQ(Bytes(out.begin(), out.begin() + static_cast<long>(size)), expected);
  EXPECT_LT(size, bytes.size()) << "no amplification";
  EXPECT_EQ(write_hello_verify_request(MutableBytes(out).first(size - 1), *hello, cookie), 0U);
  EXPECT_EQ(write_hello_verify_request(out, *hello, std::array<std::uint8_t, 33>{}), 0U);
}

TEST(Dtls, WhatASessionIsGiven) {
  const Bytes exchange = record(22, 0, handshake(Bytes(66), {.type = 16}));
  const Bytes change = record(20, 0, {1});
  const Bytes finished = record(22, 1, Bytes(40));
  const Bytes data = record(23, 1, Bytes(40));
  Bytes flight = exchange;
  append(flight, change);
  append(flight, finished);
  EXPECT_EQ(acceptable(flight, false), flight.size());
  EXPECT_EQ(acceptable(flight, true), flight.size()) << "sent again after the handshake";
  EXPECT_EQ(acceptable(data, true), data.size());
  EXPECT_EQ(acceptable(data, false), 0U) << "nothing comes before Finished";
  EXPECT_EQ(acceptable(record(23, 0, {1}), false), 0U);

  Bytes with_more = flight;
  append(with_more, data);
  EXPECT_EQ(acceptable(with_more, false), flight.size());
  Bytes with_garbage = data;
  append(with_garbage, {23, 0xFE});
  EXPECT_EQ(acceptable(with_garbage, true), data.size());
}

TEST(Dtls, WhatWouldMakeASessionGrowIsKeptFromIt) {
  for (std::uint8_t content = 20; content <= 23; ++content) {
    EXPECT_EQ(acceptable(record(content, 2, Bytes(40)), true), 0U) << "an epoch to come";
    EXPECT_EQ(acceptable(record(content, 2, Bytes(40)), false), 0U);
  }
  const Bytes early = record(22, 1, Bytes(40));
  EXPECT_EQ(acceptable(early, false, {kMaxDtlsEarlyRecords - 1}), early.size());
  EXPECT_EQ(acceptable(early, false, {kMaxDtlsEarlyRecords}), 0U);
  Bytes changed = record(20, 0, {1});
  append(changed, early);
  EXPECT_EQ(acceptable(changed, false, {kMaxDtlsEarlyRecords}), changed.size()) << "the client's own flight";
  EXPECT_EQ(acceptable(changed, false, {2 * kMaxDtlsEarlyRecords}), changed.size() - early.size());
  EXPECT_NE(acceptable(record(22, 0, handshake({1}, {.length = kMaxDtlsHandshakeBytes})), false), 0U);
  EXPECT_EQ(acceptable(record(22, 0, handshake({1}, {.length = kMaxDtlsHandshakeBytes + 1})), false), 0U);
  Bytes two = handshake({1, 2, 3});
  append(two, handshake({1}, {.length = 100'000}));
  EXPECT_EQ(acceptable(record(22, 0, two), false), 0U) << "the second message of a record";
  EXPECT_EQ(acceptable(record(22, 0, {1, 2, 3}), false), 0U);
}

}  // namespace
}  // namespace ts::stun
