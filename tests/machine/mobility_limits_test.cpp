// SPDX-License-Identifier: Apache-2.0
// Mobility (RFC 8016) and access tokens (RFC 7635) together with what else an allocation may be.
#include <gtest/gtest.h>

#include "mobility.hpp"
#include "token_world.hpp"

namespace ts::turn::testing {
namespace {

// RFC 8016 §3.1.2 MUST: where mobility is not to be had, 405; a TCP allocation's connections cannot move
TEST(MobilityLimits, ATcpAllocationDoesNotMove) {
  World world(mobile());
  Client client(world, "192.12.0.1:40000", Transport::Tcp);
  const auto ask = [&](std::uint8_t protocol) {
    return client.request(Method::Allocate, [&](auto& b) {
      b.add_u32(AttributeType::RequestedTransport, std::uint32_t{protocol} << 24)
          .add_flag(AttributeType::MobilityTicket);
    });
  };
  EXPECT_EQ(ask(stun::kTransportTcp).code(), 405);
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_EQ(ask(stun::kTransportUdp).code(), 0);
}

TEST(MobilityLimits, APolicysClientAddressesHoldForAMoveToo) {
  World world(mobile());
  auth::Policy policy;
  policy.clients = {*IpNetwork::parse("192.12.0.0/24")};
  const auto minted =
      auth::mint("north", "carol", policy, world.now.wall + std::chrono::seconds(600)).value();
  const auto at = [&](const char* from) {
    return Client(world, from, Transport::Udp, minted.username, minted.password);
  };
  Client home = at("192.12.0.1:40000");
  const Bytes ticket = ticket_of(home.allocate([](auto& b) { b.add_flag(AttributeType::MobilityTicket); }));
  ASSERT_FALSE(ticket.empty());
  const auto move = [&](Client client) {
    return client
        .request(Method::Refresh, [&](auto& b) { b.add(AttributeType::MobilityTicket, ByteView(ticket)); })
        .code();
  };
  EXPECT_EQ(move(at("192.12.9.9:50000")), 403);
  EXPECT_EQ(move(at("192.12.0.9:50000")), 0);
}

// RFC 8656 §8.2 MUST: REQUESTED-ADDRESS-FAMILY means one of two relayed addresses, also in a move
TEST(MobilityLimits, AMoveRefreshesOneFamilyOrBoth) {
  World world(mobile());
  Client home(world);
  Client away(world, "192.12.9.9:50000");
  const Bytes ticket = ticket_of(home.allocate([](auto& b) {
    b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24).add_flag(AttributeType::MobilityTicket);
  }));
  ASSERT_FALSE(ticket.empty());
  world.advance(std::chrono::seconds(500));
  const Answer moved = away.request(Method::Refresh, [&](auto& b) {
    b.add_u32(AttributeType::RequestedAddressFamily, 2U << 24)
        .add(AttributeType::MobilityTicket, ByteView(ticket));
  });
  ASSERT_EQ(moved.code(), 0);
  world.advance(std::chrono::seconds(200));
  world.tick();
  EXPECT_EQ(world.server.allocation_count(), 1U) << "the IPv6 one lives on";
  const auto refresh = [&](std::uint32_t family) {
    return away
        .request(Method::Refresh,
                 [&](auto& b) { b.add_u32(AttributeType::RequestedAddressFamily, family << 24); })
        .code();
  };
  EXPECT_EQ(refresh(1), 443);
  EXPECT_EQ(refresh(2), 0);
}

struct Tokens : TokenWorld {
  Tokens() : TokenWorld("turnstone") {}
};

// RFC 8489 §9.2.4 MUST: responses to requests with SHA-256 are signed with MESSAGE-INTEGRITY-SHA256
TEST_F(Tokens, AnyOfTheTwoMacsGoesWithATokensKey) {
  const FiveTuple tuple{ep("192.12.0.1:40000"), ep("198.41.0.4:3478"), Transport::Udp};
  const std::string nonce(world.nonces.make(world.now.mono, tuple.client).text());
  const Bytes key(32, 9);
  const auth::MessageKey signer{HmacSha256Key(key)};
  std::uint32_t transaction = 0;
  const auto request = [&](Method method, bool with_token) {
    Bytes bytes(2048);
    stun::TransactionId id{};
    store_be32(id.data(), ++transaction);
    stun::MessageBuilder b(bytes, stun::MessageClass::Request, method, id);
    if (method == Method::Allocate) Client::requested_transport(b);
    std::array<std::uint8_t, 12> once{};
    if (with_token)
      b.add(AttributeType::AccessToken,
            ByteView(auth::seal_access_token(AeadKey(Bytes(32, 0x42)), auth_options.realm, once, key,
                                             world.now.wall, 600)));
    b.add(AttributeType::Username, "north")
        .add(AttributeType::Realm, auth_options.realm)
        .add(AttributeType::Nonce, nonce);
    signer.sign(b);
    bytes.resize(b.finish().size());
    return send(tuple, bytes);
  };
  const Answer answer = request(Method::Allocate, true);
  ASSERT_EQ(answer.code(), 0);
  EXPECT_TRUE(signer.verify(answer.view()));
  const Answer later = request(Method::Refresh, false);
  EXPECT_EQ(later.code(), 0) << "the key is the allocation's";
  EXPECT_TRUE(signer.verify(later.view()));
}

struct TokensOfALongName : TokenWorld {
  TokensOfALongName() : TokenWorld("a-realm-of-turnstone.example.org") {}
};

TEST_F(TokensOfALongName, TheChallengeNamesTheServerAndAmplifiesNoMore) {
  for (const char* from : {"192.12.0.1:40000", "[2620:fe::7]:40000"}) {
    for (const std::size_t more : {0U, 8U, 16U, 24U, 40U, 80U}) {
      const FiveTuple tuple{ep(from), ep("198.41.0.4:3478"), Transport::Udp};
      Bytes plain(256);
      stun::MessageBuilder b(plain, stun::MessageClass::Request, Method::Allocate, stun::TransactionId{1});
      Client::requested_transport(b);
      if (more != 0) b.add(AttributeType::Software, Bytes(more - 4));
      plain.resize(b.finish().size());
      const Answer answer = send(tuple, plain);
      ASSERT_EQ(answer.code(), 401);
      const std::size_t frame = tuple.client.address.is_v6() ? 66 : 46;
      EXPECT_LE(10 * (answer.bytes.size() + frame), 21 * std::max<std::size_t>(64, plain.size() + frame));
      const bool named = answer.attribute(AttributeType::ThirdPartyAuthorization).has_value();
      EXPECT_TRUE(named || plain.size() < 68) << from << ' ' << more;
    }
  }
}

}  // namespace
}  // namespace ts::turn::testing
