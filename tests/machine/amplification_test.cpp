// SPDX-License-Identifier: Apache-2.0
// What an unauthenticated source can make the server send over UDP: at most 2.1 times its own bytes, one
// packet, and so many a second.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::milliseconds;

struct Strangers : ::testing::Test {
  static std::uint64_t rate_drops(const World& world) {
    return world.server.counters().drops[index(Drop::SourceRate)];
  }
  static Bytes request(Client& client, Method method, std::size_t size) {
    return client.make_plain(stun::MessageClass::Request, method, [&](auto& b) {
      if (size > 20) b.add(AttributeType::Data, Bytes(size - 24));
    });
  }
};

constexpr int kIpv4AndUdp = 28;
constexpr int kIpv6AndUdp = 48;

/// Bytes of an Ethernet frame, with its checksum.
double frame(std::size_t payload, bool v6) {
  return static_cast<double>(std::max<std::size_t>(64, payload + (v6 ? 66 : 46)));
}
double packet(std::size_t payload, bool v6) {
  return static_cast<double>(payload + (v6 ? kIpv6AndUdp : kIpv4AndUdp));
}

/// Small requests of every kind that is answered without a right MAC.
std::vector<Bytes> small_requests(Client& client) {
  std::vector<Bytes> out;
  const auto add = [&](Method method, auto&& fill) {
    out.push_back(client.make_plain(stun::MessageClass::Request, method, fill));
  };
  for (const Method method :
       {Method::Binding, Method::Allocate, Method::Refresh, Method::CreatePermission, Method::ChannelBind}) {
    add(method, [](auto&) {});
    add(method, [](auto& b) { b.add_fingerprint(); });
    add(method, [](auto& b) { b.add_flag(static_cast<AttributeType>(0x7001)); });
    add(method, [](auto& b) { b.add_flag(static_cast<AttributeType>(0xFF01)); });
    add(method, [](auto& b) { b.add_u32(AttributeType::RequestedTransport, 17U << 24); });
    add(method, [](auto& b) { b.add_u32(AttributeType::RequestedTransport, 17U << 24).add_fingerprint(); });
    add(method, [](auto& b) { b.add_flag(AttributeType::MessageIntegrity); });
    add(method, [](auto& b) { b.add_flag(AttributeType::MessageIntegritySha256).add_fingerprint(); });
    // Signed by nobody whom we know, with as little as the checks let by.
    add(method, [](auto& b) {
      b.add_flag(AttributeType::Username).add_flag(AttributeType::Realm).add_flag(AttributeType::Nonce);
      b.add_flag(AttributeType::MessageIntegrity);
    });
    add(method, [](auto& b) {
      b.add_flag(AttributeType::Userhash).add_flag(AttributeType::Realm).add_flag(AttributeType::Nonce);
      b.add_flag(AttributeType::PasswordAlgorithm).add_flag(AttributeType::MessageIntegritySha256);
    });
    add(method, [](auto& b) {
      b.add(AttributeType::Username, "alice").add(AttributeType::Realm, "r").add(AttributeType::Nonce, "n");
      b.add_integrity(HmacSha1Key());
    });
    for (const unsigned count : {2U, 3U, 50U, 600U}) {
      add(method, [&](auto& b) {
        for (unsigned i = 0; i < count; ++i) b.add_flag(static_cast<AttributeType>(0x7000 + i));
      });
    }
  }
  Bytes classic = client.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {});
  store_be32(&classic[4], 1);
  out.push_back(classic);
  classic = client.make_plain(stun::MessageClass::Request, Method::Binding,
                              [](auto& b) { b.add_u32(AttributeType::ChangeRequest, 6); });
  store_be32(&classic[4], 1);
  out.push_back(classic);
  return out;
}

TEST_F(Strangers, GetAtMost21TimesWhatTheySent) {
  for (const bool enabled : {true, false}) {
    Options options = default_options();
    options.enabled = enabled;
    options.software = "A server with a long name";
    options.max_challenges_per_second_per_source = 0;
    auth::Options with_realm = default_auth();
    with_realm.realm = "turnstone";
    World world(options, 1, with_realm);
    for (const char* from : {"192.12.0.1:40000", "[2620:fe::7]:40000"}) {
      Client client(world, from);
      const bool v6 = client.tuple.client.address.is_v6();
      for (const Bytes& asked : small_requests(client)) {
        const std::size_t before = world.to_clients.size();
        const Answer answer = client.send(asked);
        ASSERT_LE(world.to_clients.size(), before + 1) << "one packet";
        if (answer.none()) continue;
        const std::string what = hex(ByteView(asked).first(std::min<std::size_t>(asked.size(), 60))) +
                                 " code " + std::to_string(answer.code());
        EXPECT_LE(packet(answer.bytes.size(), v6), 2.1 * packet(asked.size(), v6)) << what;
        EXPECT_LE(frame(answer.bytes.size(), v6), 2.1 * frame(asked.size(), v6)) << what;
        EXPECT_FALSE(answer.attribute(AttributeType::Software)) << what;
      }
    }
  }
}

TEST_F(Strangers, TheChallengesSizesAreThese) {
  auth::Options with_realm = default_auth();
  with_realm.realm = "turnstone";
  World world(default_options(), 1, with_realm);
  Client client(world);
  const auto size = [&](Method method, auto&& add) {
    return client.send(client.make_plain(stun::MessageClass::Request, method, add)).bytes.size();
  };
  EXPECT_EQ(size(Method::Allocate, Client::requested_transport), 84U);
  EXPECT_EQ(size(Method::Allocate, [](auto& b) { Client::requested_transport(b), b.add_fingerprint(); }),
            92U);
  EXPECT_EQ(size(Method::Allocate, [](auto&) {}), 60U);
  EXPECT_EQ(size(Method::Allocate, [](auto& b) { b.add_fingerprint(); }), 68U);
}

TEST_F(Strangers, WithoutAnyAttributeTheChallengeIsCompactAndTheNextOneWhole) {
  World world;
  Client client(world);
  const Answer compact =
      client.send(client.make_plain(stun::MessageClass::Request, Method::Allocate, [](auto&) {}));
  EXPECT_EQ(compact.code(), 401);
  EXPECT_EQ(compact.types(),
            (std::vector{AttributeType::ErrorCode, AttributeType::Realm, AttributeType::Nonce}));
  client.nonce = as_text(*compact.attribute(AttributeType::Nonce));
  EXPECT_EQ(client.nonce.size(), 12U);
  const Answer stale = client.allocate();
  EXPECT_EQ(stale.code(), 438);
  EXPECT_TRUE(stale.attribute(AttributeType::PasswordAlgorithms));
  client.nonce = as_text(*stale.attribute(AttributeType::Nonce));
  EXPECT_EQ(client.allocate().code(), 0);
}

TEST_F(Strangers, ALongRealmMakesTheChallengeCompactWhereItWouldAmplify) {
  for (const auto& [realm_bytes, whole] :
       {std::pair(16U, true), std::pair(36U, true), std::pair(37U, false)}) {
    auth::Options options = default_auth();
    options.realm = std::string(realm_bytes, 'r');
    World world(default_options(), 1, options);
    Client client(world);
    const Bytes asked =
        client.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport);
    const Answer answer = client.send(asked);
    EXPECT_EQ(answer.attribute(AttributeType::PasswordAlgorithms).has_value(), whole) << realm_bytes;
    EXPECT_LE(frame(answer.bytes.size(), false), 2.1 * frame(asked.size(), false)) << realm_bytes;
  }
}

TEST_F(Strangers, OnStreamsTheChallengeIsWholeAndHasItsPhrase) {
  World world;
  for (const Transport transport : {Transport::Tcp, Transport::Tls, Transport::Dtls}) {
    Client client(world, "192.12.0.1:40000", transport);
    const Answer answer =
        client.send(client.make_plain(stun::MessageClass::Request, Method::Allocate, [](auto&) {}));
    EXPECT_EQ(stun::decode_error_code(*answer.attribute(AttributeType::ErrorCode))->reason,
              "Unauthenticated");
    EXPECT_TRUE(answer.attribute(AttributeType::PasswordAlgorithms));
  }
  Client udp(world);
  const Answer answer =
      udp.send(udp.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport));
  EXPECT_EQ(stun::decode_error_code(*answer.attribute(AttributeType::ErrorCode))->reason, "");
}

TEST_F(Strangers, ChallengesOfASourceAreLimitedAndTheAuthenticatedAreNot) {
  Options options = default_options();
  options.max_challenges_per_second_per_source = 5;
  World world(options);
  Client client(world);
  Client neighbour(world, "192.12.0.1:40001");
  Client other(world, "192.12.7.2:40000");
  const auto challenged = [&](Client& who) { return !who.send(request(who, Method::Allocate, 28)).none(); };
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(challenged(client)) << i;
  EXPECT_FALSE(challenged(client));
  EXPECT_FALSE(challenged(neighbour)) << "another port of the source";
  EXPECT_TRUE(challenged(other));
  EXPECT_EQ(rate_drops(world), 2U);

  // Wrong passwords and malformed credentials are strangers'.
  client.password = "guess";
  EXPECT_TRUE(client.allocate().none());
  client.username.clear();
  EXPECT_TRUE(client
                  .send(client.make_plain(stun::MessageClass::Request, Method::Refresh,
                                          [](auto& b) { b.add_integrity(HmacSha1Key()); }))
                  .none());
  client.username = "alice";
  client.password = "wonder";
  EXPECT_EQ(client.allocate().code(), 0);
  client.nonce = "stale";
  EXPECT_EQ(client.refresh(600).code(), 438);

  world.advance(milliseconds(200));
  EXPECT_TRUE(challenged(client));
  EXPECT_FALSE(challenged(client));
}

TEST_F(Strangers, OnStreamsNothingIsLimited) {
  Options options = default_options();
  options.max_challenges_per_second_per_source = 1;
  options.max_bindings_per_second_per_source = 1;
  World world(options);
  Client client(world, "192.12.0.1:40000", Transport::Tcp);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(client.send(request(client, Method::Allocate, 28)).none());
    EXPECT_FALSE(client.send(request(client, Method::Binding, 20)).none());
  }
}

TEST_F(Strangers, BindingsOfASourceAreLimited) {
  Options options = default_options();
  options.max_bindings_per_second_per_source = 3;
  World world(options);
  Client client(world);
  Client local(world, "127.0.0.1:40000");
  int answered = 0;
  for (int i = 0; i < 100; ++i) {
    answered += client.send(request(client, Method::Binding, 20)).none() ? 0 : 1;
    EXPECT_FALSE(local.send(request(local, Method::Binding, 20)).none()) << "loopback";
  }
  EXPECT_EQ(answered, 6);
  EXPECT_EQ(rate_drops(world), 94U);
  EXPECT_EQ(client.allocate().code(), 0) << "another table";
}

TEST_F(Strangers, WhileTurnIsOffTheRefusalIsLimited) {
  Options options = default_options();
  options.enabled = false;
  options.max_challenges_per_second_per_source = 2;
  World world(options);
  Client client(world);
  int answered = 0;
  for (int i = 0; i < 100; ++i) answered += client.allocate().none() ? 0 : 1;
  EXPECT_EQ(answered, 4);
}

}  // namespace
}  // namespace ts::turn::testing
