// SPDX-License-Identifier: Apache-2.0
// The sizes of what the server says on its own over UDP, with everything on that makes answers long.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

Options talkative() {
  Options out = default_options();
  out.software = std::string(127, 's');
  out.mobility = true;
  out.discovery = {{ip("198.41.0.4"), ip("198.41.0.5"), 3478, 3479, true},
                   {ip("2620:fe::9"), ip("2620:fe::10"), 3478, 3479, true}};
  return out;
}

auth::Options with_long_names() {
  auth::Options out = default_auth();
  out.realm = std::string(127, 'r');
  return out;
}

/// What fits beside the headers of IP and UDP into the packets that RFC 8489 §6.1 names.
std::size_t most(const Client& client) { return client.tuple.client.address.is_v4() ? 576 - 28 : 1280 - 48; }

/// Asks for everything that has an answer.
void ask_everything(Client& client, World& world) {
  client.send(client.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {}));
  client.send(client.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport));
  // As many as a request of that size has, which MUST all be listed.
  const auto many_unknown = [](auto& b) {
    for (unsigned i = 0; i < 80; ++i) b.add_flag(static_cast<AttributeType>(0x7000 + i));
  };
  client.send(client.make_plain(stun::MessageClass::Request, Method::Binding, many_unknown));
  client.request(Method::Refresh, many_unknown);
  EXPECT_EQ(client.refresh(600).code(), 437);
  const Answer made = client.allocate([](auto& b) {
    b.add_u32(AttributeType::AdditionalAddressFamily, 0x02000000).add_flag(AttributeType::MobilityTicket);
  });
  EXPECT_EQ(made.code(), 0);
  EXPECT_EQ(client.allocate().code(), 437);
  EXPECT_EQ(client.refresh(600).code(), 0);
  EXPECT_EQ(client.permit({ep("9.9.9.9:1"), ep("[2620:fe::77]:1")}).code(), 0);
  EXPECT_EQ(client.permit({ep("127.0.0.1:1")}).code(), 403);
  EXPECT_EQ(client.bind(0x4000, ep("9.9.9.9:1")).code(), 0);
  EXPECT_EQ(client.bind(0x3000, ep("9.9.9.9:1")).code(), 400);
  world.peer_error(client.relay(), ep("9.9.9.9:1"), {3, 4, 1400});
  client.nonce = "stale";
  EXPECT_EQ(client.refresh(600).code(), 438);
}

// RFC 8489 §6.1 SHOULD: messages over UDP stay below 576 bytes (IPv4) or 1280 bytes (IPv6)
TEST(DatagramSizes, WhatTheServerSaysFitsWhereThePathIsUnknown) {
  World world(talkative(), 1, with_long_names());
  for (const char* from : {"192.12.0.1:40000", "[2620:0:ccc::2]:40000"}) {
    Client client(world, from);
    client.realm = std::string(127, 'r');
    ask_everything(client, world);
    std::size_t largest = 0;
    for (const SentToClient& sent : world.to_clients) {
      if (sent.tuple != client.tuple) continue;
      EXPECT_LE(sent.bytes.size(), most(client)) << hex(ByteView(sent.bytes).first(20));
      largest = std::max(largest, sent.bytes.size());
    }
    EXPECT_GT(largest, 300U) << "of those there were long ones";
  }
}

// RFC 8656 §5 SHOULD: Allocate and Refresh responses carry SOFTWARE
TEST(Software, IsInAnswersToAllocateAndRefreshWhereItIsConfigured) {
  Options options = default_options();
  options.software = "A relay";
  World world(options);
  Client client(world);
  const auto software = [](const Answer& answer) {
    const auto value = answer.attribute(AttributeType::Software);
    return value ? std::string(as_text(*value)) : "";
  };
  EXPECT_EQ(software(client.refresh(600)), "A relay") << "an error";
  EXPECT_EQ(software(client.allocate()), "A relay");
  EXPECT_EQ(software(client.refresh(600)), "A relay");
  EXPECT_EQ(software(client.allocate()), "A relay") << "437";
  EXPECT_EQ(software(client.send(client.make_plain(stun::MessageClass::Request, Method::Allocate,
                                                   Client::requested_transport))),
            "")
      << "strangers are not told";
  World silent;
  EXPECT_EQ(software(Client(silent).allocate()), "");
}

// RFC 8656 §6 MUST: keys are stored, not passwords
TEST(StoredKeys, NothingNeedsThePasswordAgain) {
  World world;
  const auth::Minted minted = auth::mint("north", "guest", world.now.wall + std::chrono::hours(1));
  Client alice(world);
  Client guest(world, "192.12.0.1:40001", Transport::Udp, minted.username, minted.password);
  // The credentials keep keys alone: what they were made of may go.
  for (auth::StaticUser& user : world.auth_options.users) user.password.assign(user.password.size(), '*');
  for (std::string& secret : world.auth_options.secrets) secret.assign(secret.size(), '*');
  EXPECT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(guest.allocate().code(), 0);
  // And so does the allocation, of whose user nothing is known any more.
  auth::Options nobody = default_auth();
  nobody.users.clear();
  nobody.secrets.clear();
  const auth::Credentials none(nobody);
  world.server.use_credentials(none);
  for (Client* client : {&alice, &guest}) {
    const Answer answer = client->refresh(600);
    EXPECT_EQ(answer.code(), 0);
    EXPECT_TRUE(stun::verify_integrity(answer.view(), client->key()));
  }
}

// RFC 8489 §10 MUST: a 300 over (D)TLS to another certificate has ALTERNATE-DOMAIN
TEST(AlternateDomain, IsToldOverTlsAndDtls) {
  Options options = default_options();
  options.alternate_servers = {ep("198.41.0.5:5349")};
  options.alternate_domain = "turn2.example.org";
  World world(options);
  for (const Transport transport : {Transport::Tls, Transport::Dtls, Transport::Udp, Transport::Tcp}) {
    Client client(world, "192.12.0.1:40000", transport);
    const Answer answer = client.allocate();
    EXPECT_EQ(answer.code(), 300);
    EXPECT_TRUE(stun::verify_integrity(answer.view(), client.key()));
    const auto domain = answer.attribute(AttributeType::AlternateDomain);
    const bool encrypted = transport == Transport::Tls || transport == Transport::Dtls;
    ASSERT_EQ(domain.has_value(), encrypted);
    EXPECT_EQ(as_text(domain.value_or(ByteView{})), encrypted ? "turn2.example.org" : "");
  }
  options.alternate_domain.clear();
  World same(options);
  EXPECT_FALSE(
      Client(same, "192.12.0.1:40000", Transport::Tls).allocate().attribute(AttributeType::AlternateDomain));
}

}  // namespace
}  // namespace ts::turn::testing
