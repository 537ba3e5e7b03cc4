// SPDX-License-Identifier: Apache-2.0
// NAT behaviour discovery (RFC 5780) on the core: where an answer leaves from and goes to.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

Options with_discovery() {
  Options out = default_options();
  out.discovery = {{ip("198.41.0.4"), ip("198.41.0.5"), 3478, 3479, false},
                   {ip("2620:fe::9"), ip("2620:fe::10"), 3478, 3479, true}};
  return out;
}

/// A Binding request to one of the four endpoints; what was sent, if anything.
struct Asker {
  explicit Asker(World& w, const std::string& from = "192.12.0.1:40000") : client(w, from) {}

  template <class F>
  const SentToClient* ask(const std::string& to, F&& add) {
    client.tuple.server = ep(to);
    const std::size_t before = client.world.to_clients.size();
    request = client.make_plain(stun::MessageClass::Request, Method::Binding, add);
    client.world.deliver(client.tuple, request);
    EXPECT_LE(client.world.to_clients.size(), before + 1) << "one request, one answer";
    return client.world.to_clients.size() > before ? &client.world.to_clients.back() : nullptr;
  }
  const SentToClient* change(const std::string& to, std::uint32_t flags) {
    return ask(to, [&](auto& b) { b.add_u32(AttributeType::ChangeRequest, flags); });
  }
  Client client;
  Bytes request;
};

Endpoint clear(const Answer& answer, AttributeType type) {
  return stun::decode_address(answer.attribute(type).value()).value();
}

// RFC 5780 §6.1 MUST: RESPONSE-ORIGIN, OTHER-ADDRESS, MAPPED-ADDRESS and XOR-MAPPED-ADDRESS are in each
// answer
TEST(NatDiscovery, APlainBindingTellsOriginAndOtherAddress) {
  World world(with_discovery());
  Asker asker(world);
  const struct {
    const char* to;
    const char* other;
  } cases[] = {{"198.41.0.4:3478", "198.41.0.5:3479"},
               {"198.41.0.4:3479", "198.41.0.5:3478"},
               {"198.41.0.5:3478", "198.41.0.4:3479"},
               {"198.41.0.5:3479", "198.41.0.4:3478"}};
  for (const auto& c : cases) {
    const SentToClient* sent = asker.ask(c.to, [](auto&) {});
    ASSERT_NE(sent, nullptr);
    const Answer answer{sent->bytes};
    EXPECT_EQ(answer.code(), 0);
    EXPECT_EQ(sent->tuple, asker.client.tuple);
    EXPECT_EQ(clear(answer, AttributeType::ResponseOrigin), ep(c.to));
    EXPECT_EQ(clear(answer, AttributeType::OtherAddress), ep(c.other));
    EXPECT_EQ(clear(answer, AttributeType::MappedAddress), asker.client.tuple.client);
    EXPECT_EQ(answer.address(AttributeType::XorMappedAddress), asker.client.tuple.client);
  }
}

// No request gets more than 2.1 times its own frame back, whatever it has.
TEST(NatDiscovery, AnswersToStrangersDoNotAmplify) {
  World world(with_discovery());
  const auto frame = [](std::size_t payload, bool v6) {
    return static_cast<double>(std::max<std::size_t>(64, payload + (v6 ? 66 : 46)));
  };
  for (const char* from : {"192.12.0.1:40000", "[2620:0:ccc::2]:40000"}) {
    Asker asker(world, from);
    const bool v6 = asker.client.tuple.client.address.is_v6();
    const std::string to = v6 ? "[2620:fe::9]:3478" : "198.41.0.4:3478";
    const auto answer_to = [&](auto&& add) {
      const SentToClient* sent = asker.ask(to, add);
      EXPECT_NE(sent, nullptr);
      EXPECT_LE(frame(sent->bytes.size(), v6), 2.1 * frame(asker.request.size(), v6));
      return Answer{sent->bytes};
    };
    const Answer bare = answer_to([](auto&) {});
    EXPECT_EQ(bare.attribute(AttributeType::MappedAddress).has_value(), !v6);
    EXPECT_EQ(bare.address(AttributeType::XorMappedAddress), asker.client.tuple.client);
    EXPECT_EQ(clear(bare, AttributeType::ResponseOrigin), ep(to));
    EXPECT_TRUE(bare.attribute(AttributeType::OtherAddress));
    EXPECT_TRUE(answer_to([](auto& b) { b.add_fingerprint(); }).attribute(AttributeType::MappedAddress));
    EXPECT_TRUE(answer_to([](auto& b) {
                  b.add_u32(AttributeType::ChangeRequest, 6);
                }).attribute(AttributeType::MappedAddress));
    answer_to([](auto& b) { b.add_flag(AttributeType::Padding); });
    answer_to([](auto& b) { b.add(AttributeType::Padding, Bytes(1400)); });
  }
}

// RFC 5780 §6.1 MUST: the flags of CHANGE-REQUEST choose the source address and port as in table 1
TEST(NatDiscovery, ChangeRequestChoosesTheSource) {
  World world(with_discovery());
  Asker asker(world);
  const struct {
    const char* to;
    std::uint32_t flags;
    const char* from;
    const char* other;
  } cases[] = {{"198.41.0.4:3478", 0, "198.41.0.4:3478", "198.41.0.5:3479"},
               {"198.41.0.4:3478", 4, "198.41.0.5:3478", "198.41.0.5:3479"},
               {"198.41.0.4:3478", 2, "198.41.0.4:3479", "198.41.0.5:3479"},
               {"198.41.0.4:3478", 6, "198.41.0.5:3479", "198.41.0.5:3479"},
               {"198.41.0.5:3479", 4, "198.41.0.4:3479", "198.41.0.4:3478"},
               {"198.41.0.5:3479", 2, "198.41.0.5:3478", "198.41.0.4:3478"},
               {"198.41.0.5:3479", 6, "198.41.0.4:3478", "198.41.0.4:3478"},
               {"198.41.0.4:3478", 0xFFFFFFF9, "198.41.0.4:3478", "198.41.0.5:3479"}};  // reserved bits
  for (const auto& c : cases) {
    const SentToClient* sent = asker.change(c.to, c.flags);
    ASSERT_NE(sent, nullptr);
    const Answer answer{sent->bytes};
    EXPECT_EQ(answer.code(), 0);
    EXPECT_EQ(sent->tuple.server, ep(c.from)) << c.to << ' ' << c.flags;
    EXPECT_EQ(sent->tuple.client, asker.client.tuple.client);
    EXPECT_EQ(clear(answer, AttributeType::ResponseOrigin), ep(c.from));
    EXPECT_EQ(clear(answer, AttributeType::OtherAddress), ep(c.other));
  }
}

TEST(NatDiscovery, WithWildcardListenersAnyAddressIsThePrimaryOne) {
  World world(with_discovery());
  Asker asker(world, "[2620:0:ccc::2]:40000");
  const SentToClient* sent = asker.change("[2620:fe::77]:3478", 6);
  ASSERT_NE(sent, nullptr);
  EXPECT_EQ(sent->tuple.server, ep("[2620:fe::10]:3479"));
  sent = asker.change("[2620:fe::10]:3479", 6);
  ASSERT_NE(sent, nullptr);
  EXPECT_EQ(sent->tuple.server, ep("[2620:fe::9]:3478"));
}

// RFC 5780 §7.5 MUST: the answer goes to the request's source address and the port in RESPONSE-PORT
TEST(NatDiscovery, ResponsePortChoosesTheClientsPort) {
  World world(with_discovery());
  Asker asker(world);
  for (const std::size_t size : {std::size_t{2}, std::size_t{4}}) {
    const std::array<std::uint8_t, 4> value{0x30, 0x39, 0, 0};
    const SentToClient* sent = asker.ask("198.41.0.4:3478", [&](auto& b) {
      b.add(AttributeType::ResponsePort, ByteView(value).first(size))
          .add_u32(AttributeType::ChangeRequest, 6);
    });
    ASSERT_NE(sent, nullptr);
    EXPECT_EQ(sent->tuple.client, ep("192.12.0.1:12345"));
    EXPECT_EQ(sent->tuple.server, ep("198.41.0.5:3479"));
    EXPECT_EQ((Answer{sent->bytes}.address(AttributeType::XorMappedAddress)), asker.client.tuple.client);
  }
}

// RFC 5780 §6.1 MUST: PADDING is answered with PADDING
TEST(NatDiscovery, PaddingIsAnsweredWithNoMoreThanCame) {
  World world(with_discovery());
  Asker asker(world);
  const Bytes zeros(20'000);
  for (const std::size_t size : {0UL, 3UL, 64UL, 1480UL, 1500UL, 9000UL, 20'000UL}) {
    const SentToClient* sent = asker.ask(
        "198.41.0.4:3478", [&](auto& b) { b.add(AttributeType::Padding, ByteView(zeros).first(size)); });
    ASSERT_NE(sent, nullptr);
    const Answer answer{sent->bytes};
    EXPECT_EQ(answer.code(), 0);
    EXPECT_EQ(answer.attribute(AttributeType::Padding).value().size(), std::min<std::size_t>(size, 1500));
    // On the wire, with the headers of IPv4 and UDP.
    EXPECT_LE(static_cast<double>(sent->bytes.size() + 28),
              2.1 * static_cast<double>(asker.request.size() + 28));
  }
}

// RFC 5780 §6.1 MUST: RESPONSE-PORT together with PADDING is answered with 400
TEST(NatDiscovery, WhatDoesNotFitIs400) {
  World world(with_discovery());
  Asker asker(world);
  const auto refused = [&](auto&& add) {
    const SentToClient* sent = asker.ask("198.41.0.4:3478", add);
    ASSERT_NE(sent, nullptr);
    EXPECT_EQ(Answer{sent->bytes}.code(), 400);
    EXPECT_EQ(sent->tuple, asker.client.tuple);
  };
  refused(
      [](auto& b) { b.add_u32(AttributeType::ResponsePort, 0x30390000).add_u32(AttributeType::Padding, 0); });
  refused([](auto& b) { b.add_u32(AttributeType::ResponsePort, 0); });
  refused([](auto& b) { b.add(AttributeType::ResponsePort, ByteView(std::array<std::uint8_t, 3>{})); });
  refused([](auto& b) { b.add(AttributeType::ChangeRequest, ByteView(std::array<std::uint8_t, 8>{})); });
  refused([](auto& b) { b.add(AttributeType::ChangeRequest, ByteView{}); });
}

// RFC 5780 §6.1 MUST: CHANGE-REQUEST is answered with 420 where there is no alternate address and port
TEST(NatDiscovery, WhereItIsOffItsAttributesAreUnknown) {
  const auto unknown = [](Asker& asker, AttributeType type, const std::string& to, Method method) {
    asker.client.tuple.server = ep(to);
    const auto add = [&](auto& b) { b.add_u32(type, 0x30390000); };
    const Answer answer =
        method == Method::Binding
            ? asker.client.send(asker.client.make_plain(stun::MessageClass::Request, method, add))
            : asker.client.request(method, add);
    EXPECT_EQ(answer.code(), 420);
    EXPECT_EQ(load_be16(answer.attribute(AttributeType::UnknownAttributes).value().data()),
              static_cast<std::uint16_t>(type));
    EXPECT_FALSE(answer.attribute(AttributeType::OtherAddress));
  };
  for (const AttributeType type :
       {AttributeType::ChangeRequest, AttributeType::ResponsePort, AttributeType::Padding}) {
    World off;
    Asker asker(off);
    unknown(asker, type, "198.41.0.4:3478", Method::Binding);
    World on(with_discovery());
    Asker other(on);
    unknown(other, type, "198.41.0.9:3478", Method::Binding);   // an address without an alternate one
    unknown(other, type, "198.41.0.4:5349", Method::Binding);   // a port without one
    unknown(other, type, "198.41.0.4:3478", Method::Allocate);  // "only in Binding Requests"
    for (const Transport transport : {Transport::Tcp, Transport::Tls, Transport::Dtls}) {
      other.client.tuple.transport = transport;
      unknown(other, type, "198.41.0.4:3478", Method::Binding);
    }
  }
}

// RFC 5780 §7.4 MUST: no OTHER-ADDRESS without a second address
TEST(NatDiscovery, OffAddsNothing) {
  World world;
  Asker asker(world);
  const SentToClient* sent = asker.ask("198.41.0.4:3478", [](auto&) {});
  ASSERT_NE(sent, nullptr);
  EXPECT_EQ(Answer{sent->bytes}.types(), std::vector{AttributeType::XorMappedAddress});
}

// RFC 5389 §12.2 SHOULD: a client of RFC 3489 gets MAPPED-ADDRESS, and no attribute that it cannot know
TEST(NatDiscovery, ClassicClientsGetTheAttributesOfTheirTime) {
  World world(with_discovery());
  Asker asker(world);
  asker.client.tuple.server = ep("198.41.0.4:3478");
  Bytes request = asker.client.make_plain(stun::MessageClass::Request, Method::Binding,
                                          [](auto& b) { b.add_u32(AttributeType::ChangeRequest, 6); });
  store_be32(request.data() + 4, 0x01020304);
  world.deliver(asker.client.tuple, request);
  ASSERT_FALSE(world.to_clients.empty());
  const SentToClient& sent = world.to_clients.back();
  const Answer answer{sent.bytes};
  EXPECT_EQ(sent.tuple.server, ep("198.41.0.5:3479"));
  EXPECT_EQ(answer.types(), (std::vector{AttributeType::MappedAddress, AttributeType::SourceAddress,
                                         AttributeType::ChangedAddress}));
  EXPECT_EQ(clear(answer, AttributeType::SourceAddress), ep("198.41.0.5:3479"));
  EXPECT_EQ(clear(answer, AttributeType::ChangedAddress), ep("198.41.0.5:3479"));
  EXPECT_TRUE(std::equal(request.begin() + 4, request.begin() + 20, sent.bytes.begin() + 4));
}

}  // namespace
}  // namespace ts::turn::testing
