// SPDX-License-Identifier: Apache-2.0
// Parsing, finding, decoding, verifying, building and framing take nothing from the heap.
#include <array>

#include <gtest/gtest.h>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/framer.hpp>
#include <turnstone/stun/integrity.hpp>

#include "common/counting_new.hpp"
#include "testing.hpp"

namespace ts::stun {
namespace {

using namespace ts::stun::testing;
using A = AttributeType;

TEST(Allocation, TheCounterCounts) {
  const std::size_t before = ts::testing::heap_allocations();
  ::operator delete(::operator new(1));  // not an expression that a compiler may leave out
  EXPECT_EQ(ts::testing::heap_allocations(), before + 1);
}

TEST(Allocation, NothingOnThePathOfAMessage) {
  std::array<std::uint8_t, 512> out;
  const Endpoint v4 = *Endpoint::parse("192.0.2.1:3478");
  const Endpoint v6 = *Endpoint::parse("[2001:db8::1]:3478");
  const std::array<std::uint16_t, 3> unknown{1, 2, 3};
  bool ok = true;
  const std::size_t before = ts::testing::heap_allocations();
  for (int i = 0; i < 100; ++i) {
    const HmacSha1Key key(as_bytes("secret"));
    const HmacSha256Key key256(
        as_bytes("a key that is longer than the block size of both of the hash functions"));
    MessageBuilder builder(out, MessageClass::ErrorResponse, Method::Allocate, kId);
    const ByteView bytes = builder.add_error(ErrorCode::StaleNonce)
                               .add(A::Realm, "example.org")
                               .add_unknown_attributes(unknown)
                               .add_xor_address(A::XorPeerAddress, v6)
                               .add_address(A::MappedAddress, v4)
                               .add_channel_number(0x4000)
                               .add_u32(A::Lifetime, 600)
                               .add_integrity(key)
                               .add_integrity(key256)
                               .add_fingerprint()
                               .finish();
    const auto frame = next_frame(bytes);
    ok = ok && frame.has_value() && frame->has_value();
    const auto message = MessageView::parse(bytes);
    ok = ok && message.has_value() && verify_integrity(*message, key) && verify_integrity(*message, key256) &&
         fingerprint_absent_or_right(*message);
    ok = ok && decode_error_code(*message->find(A::ErrorCode))->code == 438;
    ok = ok && decode_xor_address(*message->find(A::XorPeerAddress), message->transaction_id()) == v6;
    ok = ok && decode_address(*message->find(A::MappedAddress)) == v4;
    ok = ok && !message->find(A::Nonce).has_value();
    int count = 0;
    message->for_each([&count](const Attribute&) { ++count; });
    ok = ok && count == 10;
    ok = ok && !name(A::Realm).empty() && !name(Method::Allocate).empty();
    ok = ok && MessageView::parse(bytes.first(bytes.size() - 4)).has_error();
    write_channel_data_header(out.data(), 0x4000, 10);
    ok = ok && parse_channel_data(out).has_value();
  }
  const std::size_t taken = ts::testing::heap_allocations() - before;
  EXPECT_TRUE(ok);
  EXPECT_EQ(taken, 0U);
}

}  // namespace
}  // namespace ts::stun
