// SPDX-License-Identifier: Apache-2.0
// Third-party authorization (RFC 7635) on the core.
#include <gtest/gtest.h>

#include "token_world.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::seconds;

const Endpoint kPeer = ep("192.12.0.77:7000");

/// A client with a token, on a server that takes tokens and users.
struct ThirdParty : TokenWorld {
  ThirdParty() : nonce(world.nonces.make(world.now.mono, tuple.client).text()) {}
  Bytes token(std::uint32_t lifetime = 600, std::uint8_t key = 0x42, std::uint8_t mac = 9) {
    std::array<std::uint8_t, 12> once{};
    once[0] = ++sealed;
    return auth::seal_access_token(AeadKey(Bytes(32, key)), "example.org", once, Bytes(20, mac),
                                   world.now.wall, lifetime);
  }
  template <class F>
  Answer request(Method method, F&& add, std::uint8_t mac = 9, std::string_view kid = "north") {
    Bytes bytes(4096);
    stun::TransactionId id{};
    store_be32(id.data(), ++transaction);
    stun::MessageBuilder b(bytes, stun::MessageClass::Request, method, id);
    add(b);
    b.add(AttributeType::Username, kid)
        .add(AttributeType::Realm, std::string_view("example.org"))
        .add(AttributeType::Nonce, nonce)
        .add_integrity(HmacSha1Key(Bytes(20, mac)));
    bytes.resize(b.finish().size());
    return send(bytes);
  }
  Answer send(const Bytes& bytes) { return TokenWorld::send(tuple, bytes); }
  Answer allocate(const Bytes& value, std::uint8_t mac = 9, std::string_view kid = "north") {
    return request(
        Method::Allocate,
        [&](auto& b) {
          Client::requested_transport(b);
          b.add(AttributeType::AccessToken, ByteView(value));
        },
        mac, kid);
  }
  Answer refresh(const Bytes& value, std::uint8_t mac = 9, std::string_view kid = "north") {
    return request(
        Method::Refresh,
        [&](auto& b) {
          b.add_u32(AttributeType::Lifetime, 600);
          if (!value.empty()) b.add(AttributeType::AccessToken, ByteView(value));
        },
        mac, kid);
  }
  std::uint64_t failures(AuthFailure why) const { return server->counters().auth_failures[index(why)]; }

  FiveTuple tuple{ep("192.12.0.1:40000"), ep("198.41.0.4:3478"), Transport::Udp};
  std::string nonce;
  std::uint32_t transaction = 0;
  std::uint8_t sealed = 0;
};

// RFC 7635 §6.1 MUST: the challenge names the server that a token is needed for
TEST_F(ThirdParty, TheChallengeCarriesTheServerName) {
  Bytes plain(64);
  stun::MessageBuilder b(plain, stun::MessageClass::Request, Method::Allocate, stun::TransactionId{1});
  Client::requested_transport(b);
  plain.resize(b.finish().size());
  const Answer answer = send(plain);
  EXPECT_EQ(answer.code(), 401);
  EXPECT_EQ(as_text(answer.attribute(AttributeType::ThirdPartyAuthorization).value()), "example.org");
  Client client(world);
  EXPECT_FALSE(client.send(plain).attribute(AttributeType::ThirdPartyAuthorization)) << "off by default";
}

// RFC 7635 §7 MUST: the answer to a request with a token is signed with the token's key
TEST_F(ThirdParty, ATokenLetsAClientIn) {
  const Answer answer = allocate(token());
  ASSERT_EQ(answer.code(), 0);
  EXPECT_TRUE(stun::verify_integrity(answer.view(), HmacSha1Key(Bytes(20, 9))));
  // Later requests need no token: the key is the allocation's.
  EXPECT_EQ(request(Method::CreatePermission,
                    [](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, kPeer); })
                .code(),
            0);
  EXPECT_EQ(refresh({}).code(), 0);
}

// No lifetime is longer than what is left of the token.
TEST_F(ThirdParty, NoAllocationOutlivesItsToken) {
  EXPECT_EQ(allocate(token(100)).u32(AttributeType::Lifetime), 105U);
  world.advance(seconds(60));
  EXPECT_EQ(refresh({}).u32(AttributeType::Lifetime), 45U);
  EXPECT_EQ(refresh(token(300, 0x42, 11), 11).u32(AttributeType::Lifetime), 305U) << "a new token, a new key";
  EXPECT_EQ(refresh({}, 9).code(), 401) << "the old key is gone";
  EXPECT_EQ(refresh({}, 11).code(), 0);
}

TEST_F(ThirdParty, KeysRotateUnderALiveAllocation) {
  ASSERT_EQ(allocate(token()).code(), 0);
  EXPECT_EQ(refresh(token(600, 0x43, 12), 12, "south").code(), 0);
  EXPECT_EQ(refresh({}, 12, "south").code(), 0);
}

// RFC 7635 §7 MUST: a token that does not open, is not of this time, or whose key does not fit: 401
TEST_F(ThirdParty, WhatDoesNotHoldIs401) {
  EXPECT_EQ(allocate(token(600, 0x43)).code(), 401);
  EXPECT_EQ(failures(AuthFailure::WrongPassword), 1U);
  EXPECT_EQ(allocate(token(), 10).code(), 401);
  EXPECT_EQ(failures(AuthFailure::WrongPassword), 2U);
  EXPECT_EQ(allocate(token(), 9, "west").code(), 401);
  EXPECT_EQ(failures(AuthFailure::UnknownUser), 1U);
  const Bytes old = token(10);
  world.advance(seconds(15));
  EXPECT_EQ(allocate(old).code(), 401);
  EXPECT_EQ(failures(AuthFailure::Expired), 1U);
  for (const std::size_t size : {0UL, 1UL, 2UL, 14UL, 30UL, 1000UL})
    EXPECT_EQ(allocate(Bytes(size, 0xFF)).code(), 401) << size;
  EXPECT_EQ(server->allocation_count(), 0U);
}

TEST_F(ThirdParty, AnAllocationOfAUserIsNotTakenByAToken) {
  // alice, by her password, on this five-tuple.
  Client alice(world);
  const Bytes bytes = alice.make(Method::Allocate, [](auto& b) { Client::requested_transport(b); });
  ASSERT_EQ(alice.tuple, tuple);
  ASSERT_EQ((send(bytes).code()), 0);
  EXPECT_EQ(refresh(token()).code(), 441);
}

TEST_F(ThirdParty, WhereItIsOffTheAttributeIsUnknown) {
  Client client(world);
  const Answer answer =
      client.allocate([&](auto& b) { b.add(AttributeType::AccessToken, ByteView(token())); });
  EXPECT_EQ(answer.code(), 420);
}

}  // namespace
}  // namespace ts::turn::testing
