// SPDX-License-Identifier: Apache-2.0
// What the core does differently for clients on DTLS.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

class OverDtls : public ::testing::Test {
 protected:
  Bytes classic(stun::MessageClass message_class, Method method) {
    Bytes bytes = alice.make_plain(message_class, method, [](auto&) {});
    store_be32(&bytes[4], 0xDEADBEEF);
    return bytes;
  }
  World world;
  Client alice{world, "192.12.0.1:40000", Transport::Dtls};
};

// RFC 8489 §11 MUST: over DTLS all requests without the magic cookie generate a 500 (Server Error) response
TEST_F(OverDtls, ARequestWithoutTheMagicCookieIsAServerError) {
  for (const Method method :
       {Method::Binding, Method::Allocate, Method::Refresh, static_cast<Method>(0x7F)}) {
    const Answer answer = alice.send(classic(stun::MessageClass::Request, method));
    EXPECT_EQ(answer.code(), 500);
    EXPECT_EQ(load_be32(&answer.bytes[4]), 0xDEADBEEFU);
  }
}

// RFC 8489 §11 MUST: over DTLS indications without the magic cookie are ignored
TEST_F(OverDtls, AnIndicationWithoutTheMagicCookieIsIgnored) {
  EXPECT_TRUE(alice.send(classic(stun::MessageClass::Indication, Method::Binding)).none());
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_TRUE(alice.send(classic(stun::MessageClass::Indication, Method::Send)).none());
  EXPECT_TRUE(world.to_peers.empty());
}

TEST_F(OverDtls, TheMagicCookieMakesThemGood) {
  EXPECT_EQ(alice.send(alice.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {})).code(),
            0);
}

// RFC 8489 §6.3.1 MUST: a retransmitted request leaves the state as if there had been only one
TEST_F(OverDtls, ARetransmittedAllocateIsAnsweredAlike) {
  ASSERT_EQ(alice.refresh(0).code(), 437);  // takes the nonce
  const Bytes request = alice.make(Method::Allocate, Client::requested_transport);
  const Answer first = alice.send(request);
  ASSERT_EQ(first.code(), 0);
  const Answer again = alice.send(request);
  EXPECT_EQ(again.bytes, first.bytes);
  EXPECT_EQ(world.server.allocation_count(), 1U);
}

}  // namespace
}  // namespace ts::turn::testing
