// SPDX-License-Identifier: Apache-2.0
// Allocate (RFC 8656 §7.2): every error, what is left behind, retransmissions, ports, families, lifetimes.
#include <set>

#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

struct Allocate : ::testing::Test {
  World world;
  Client alice{world};
  /// Expects an error that changes nothing.
  template <class F>
  void refused(int code, F&& add) {
    const Gauges before = world.gauges();
    const Answer answer = alice.request(Method::Allocate, add);
    EXPECT_EQ(answer.code(), code);
    EXPECT_TRUE(stun::verify_integrity(answer.view(), alice.key()));
    EXPECT_EQ(world.gauges(), before);
    EXPECT_TRUE(world.events.empty());
    EXPECT_EQ(world.broken_invariant(), "");
  }
};

Options small(std::uint16_t low, std::uint16_t high) {
  Options o = default_options();
  o.ports = {low, high};
  return o;
}

// RFC 8656 §7.2 MUST: success has the relayed and the mapped address, LIFETIME, and the token if reserved
// RFC 8656 §7.2 MUST: a new allocation has neither permissions nor channels
TEST_F(Allocate, SuccessHasTheAttributesOfSection72) {
  const Answer answer = alice.allocate();
  ASSERT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.types(), (std::vector{AttributeType::XorRelayedAddress, AttributeType::Lifetime,
                                         AttributeType::XorMappedAddress, AttributeType::MessageIntegrity}));
  EXPECT_EQ(answer.address(AttributeType::XorMappedAddress), alice.tuple.client);
  EXPECT_EQ(answer.u32(AttributeType::Lifetime), 600U);
  EXPECT_EQ(alice.relayed.address, ip("198.41.0.4"));
  EXPECT_TRUE(stun::verify_integrity(answer.view(), alice.key()));
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 1, 1}));
  EXPECT_EQ(world.events.size(), 1U);
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(Allocate, AnswersTheAdvertisedAddressAndBindsTheLocalOne) {
  Options o = default_options();
  o.relay_addresses = {{ip("198.41.0.4"), ip("10.0.0.4")}};
  World nat(o);
  Client client(nat);
  ASSERT_EQ(client.allocate().code(), 0);
  EXPECT_EQ(client.relayed.address, ip("198.41.0.4"));
  EXPECT_EQ(nat.opened.at(0), (Endpoint{ip("10.0.0.4"), client.relayed.port}));
}

// RFC 8656 §7.2 MUST: check 3: a missing or malformed REQUESTED-TRANSPORT is 400, an unknown protocol 442
TEST_F(Allocate, Check3RequestedTransport) {
  refused(400, [](auto&) {});
  refused(400, [](auto& b) { b.add(AttributeType::RequestedTransport, ByteView{}); });
  refused(400, [](auto& b) { b.add(AttributeType::RequestedTransport, as_bytes("\x11\0\0")); });
  for (const std::uint32_t protocol : {0U, 1U, 18U, 255U}) {
    refused(442, [&](auto& b) { b.add_u32(AttributeType::RequestedTransport, protocol << 24); });
  }
}

// RFC 8656 §7.2 MUST: check 4: DONT-FRAGMENT is 420 where DF cannot be set
TEST_F(Allocate, Check4DontFragmentIsSupported) {
  EXPECT_EQ(alice.allocate([](auto& b) { b.add_flag(AttributeType::DontFragment); }).code(), 0);
}

// RFC 8656 §7.2 MUST: check 5: RESERVATION-TOKEN beside EVEN-PORT or a family is 400
// RFC 8656 §7.2 MUST: check 5: a token that is not valid is 508
TEST_F(Allocate, Check5ReservationTokenStandsAlone) {
  const Bytes token(8, 1);
  const auto base = [&](auto& b) {
    Client::requested_transport(b);
    b.add(AttributeType::ReservationToken, token);
  };
  refused(508, base);
  refused(400,
          [&](auto& b) { base(b), b.add(AttributeType::EvenPort, as_bytes(std::string_view("\0", 1))); });
  refused(400, [&](auto& b) { base(b), Client::address_family(b, 1); });
  refused(400, [&](auto& b) { base(b), b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24); });
  refused(400, [&](auto& b) {
    Client::requested_transport(b);
    b.add(AttributeType::ReservationToken, ByteView(token).first(7));
  });
}

// RFC 8656 §7.2 MUST: check 6: REQUESTED- beside ADDITIONAL-ADDRESS-FAMILY is 400
// RFC 8656 §7.2 MUST: check 7: a family that is not served is 440; without the attribute IPv4 is meant
// RFC 8656 §7.2 MUST: check 8: EVEN-PORT with R beside ADDITIONAL-ADDRESS-FAMILY is 400; no port is 508
TEST_F(Allocate, Checks6To9Families) {
  const auto family = [](std::uint8_t code) {
    return [code](auto& b) { Client::requested_transport(b), Client::address_family(b, code); };
  };
  refused(440, family(0));
  refused(440, family(3));
  refused(400, [&](auto& b) { family(1)(b), b.add_u32(AttributeType::AdditionalAddressFamily, 2U << 24); });
  refused(400, [](auto& b) {
    Client::requested_transport(b);
    b.add(AttributeType::RequestedAddressFamily, as_bytes("\x01"));
  });
  refused(400, [](auto& b) {  // R bit and ADDITIONAL-ADDRESS-FAMILY
    Client::requested_transport(b);
    b.add(AttributeType::EvenPort, as_bytes("\x80"))
        .add_u32(AttributeType::AdditionalAddressFamily, 2U << 24);
  });
  refused(400, [](auto& b) {  // "if the attribute value is 0x01 (IPv4 address family)"
    Client::requested_transport(b);
    b.add_u32(AttributeType::AdditionalAddressFamily, 1U << 24);
  });
  refused(400, [](auto& b) {
    Client::requested_transport(b);
    b.add(AttributeType::EvenPort, as_bytes("\x80\x80"));
  });
  refused(400, [](auto& b) {
    Client::requested_transport(b);
    b.add(AttributeType::Lifetime, as_bytes("\x01"));
  });
  EXPECT_EQ(alice.allocate([](auto& b) { Client::address_family(b, 2); }).code(), 0);
  EXPECT_EQ(alice.relayed.address, ip("2620:fe::9"));
}

// RFC 8656 §7.2 MUST: check 7: a family that is not served is 440; without the attribute IPv4 is meant
TEST_F(Allocate, WithoutIpv4TheDefaultFamilyIsNotSupported) {
  Options o = default_options();
  o.relay_addresses.erase(o.relay_addresses.begin());
  World six(o);
  Client client(six);
  EXPECT_EQ(client.allocate().code(), 440);
  EXPECT_EQ(client.allocate([](auto& b) { Client::address_family(b, 1); }).code(), 440);
  EXPECT_EQ(client.allocate([](auto& b) { Client::address_family(b, 2); }).code(), 0);
}

// RFC 8656 §7.2 MUST: the lifetime is the wish between the default and the maximum
// RFC 8656 §8.2 MUST: any other lifetime is the wish between the default and the maximum
// RFC 8656 §8.2 MUST: success has LIFETIME with what was granted
TEST_F(Allocate, LifetimeIsClampedBetweenDefaultAndMaximum) {
  const std::pair<std::uint32_t, std::uint32_t> table[] = {
      {0, 600}, {1, 600}, {599, 600}, {600, 600}, {601, 601}, {3600, 3600}, {3601, 3600}, {0xFFFFFFFF, 3600}};
  std::uint16_t port = 41000;
  for (const auto& [asked, granted] : table) {
    Client client(world, "192.12.0.1:" + std::to_string(port++));
    const auto answer =
        client.allocate([&, asked = asked](auto& b) { b.add_u32(AttributeType::Lifetime, asked); });
    ASSERT_EQ(answer.code(), 0);
    EXPECT_EQ(answer.u32(AttributeType::Lifetime), granted) << asked;
    EXPECT_EQ(client.refresh(asked).u32(AttributeType::Lifetime), asked == 0 ? 0 : granted) << asked;
  }
}

// RFC 8489 §6.3.1 MUST: a retransmitted request leaves the state as it was and gets an equivalent response
// RFC 8656 §5 MUST: a retransmitted request is answered as the first, without a second effect
TEST_F(Allocate, ARetransmissionIsAnsweredByteAlike) {
  const Bytes request = alice.make(Method::Allocate, Client::requested_transport);
  const Answer first = alice.send(request);
  world.advance(seconds(20));
  EXPECT_EQ(alice.send(request).bytes, first.bytes);
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 1, 1}));
  EXPECT_EQ(world.server.counters().allocations_created, 1U);
}

TEST_F(Allocate, ARetransmissionWhileOpeningIsAnsweredOnceByTheFirst) {
  world.hold_opens = true;
  const Bytes request = alice.make(Method::Allocate, Client::requested_transport);
  EXPECT_TRUE(alice.send(request).none());
  EXPECT_TRUE(alice.send(request).none());
  EXPECT_EQ(world.held_opens.size(), 1U);
  EXPECT_EQ(alice.allocate().code(), 437);    // another transaction
  EXPECT_EQ(alice.refresh(600).code(), 437);  // not there yet
  EXPECT_EQ(alice.permit({ep("8.8.8.8:1")}).code(), 437);
  const std::size_t before = world.to_clients.size();
  world.answer_opens();
  EXPECT_EQ(world.to_clients.size(), before + 1);
  const Answer late = alice.answer_since(before);
  EXPECT_EQ(late.code(), 0);
  EXPECT_EQ(alice.send(request).bytes, late.bytes);
  EXPECT_EQ(world.broken_invariant(), "");
}

// RFC 8656 §7.2 MUST: check 2: a five-tuple in use is 437
TEST_F(Allocate, ATakenFiveTupleIsAMismatch) {
  ASSERT_EQ(alice.allocate().code(), 0);
  const Gauges before = world.gauges();
  EXPECT_EQ(alice.allocate().code(), 437);
  EXPECT_EQ(alice.request(Method::Allocate, [](auto&) {}).code(), 437);  // check 2 stands before check 3
  EXPECT_EQ(world.gauges(), before);
}

TEST_F(Allocate, AnotherUserWithTheSameTransactionIdLearnsNothing) {
  ASSERT_EQ(alice.allocate().code(), 0);
  Client bob(world, "192.12.0.1:40000", Transport::Udp, "bob", "builder");
  bob.transaction = alice.transaction - 1;
  const Answer answer = bob.allocate();
  EXPECT_EQ(answer.code(), 437);
  EXPECT_FALSE(answer.attribute(AttributeType::XorRelayedAddress));
}

// RFC 8656 §6 MUST: the five-tuple identifies the allocation in all of its parts
TEST_F(Allocate, FiveTuplesDifferInEachOfTheirParts) {
  std::vector<std::unique_ptr<Client>> clients;
  const auto with = [&](auto&& change) {
    clients.push_back(std::make_unique<Client>(world));
    change(clients.back()->tuple);
    clients.back()->renew_nonce();
    EXPECT_EQ(clients.back()->allocate().code(), 0);
  };
  with([](FiveTuple&) {});
  with([](FiveTuple& t) { t.client.port = 40001; });
  with([](FiveTuple& t) { t.client.address = ip("192.12.0.2"); });
  with([](FiveTuple& t) { t.server.port = 3479; });
  with([](FiveTuple& t) { t.server.address = ip("198.41.0.5"); });
  with([](FiveTuple& t) { t.transport = Transport::Tcp; });
  with([](FiveTuple& t) { t.transport = Transport::Tls; });
  EXPECT_EQ(world.gauges().allocations, 7U);
}

TEST_F(Allocate, AnExpiredAllocationDoesNotBlockItsFiveTupleWhenTheTickIsLate) {
  const Bytes request = alice.make(Method::Allocate, Client::requested_transport);
  ASSERT_EQ(alice.send(request).code(), 0);
  world.advance(seconds(600) - nanoseconds(1));
  EXPECT_EQ(alice.allocate().code(), 437);
  world.advance(nanoseconds(1));
  EXPECT_EQ(alice.send(request).code(), 0);  // a new one, not the former one's answer
  EXPECT_EQ(world.server.counters().allocations_created, 2U);
  EXPECT_EQ(world.server.counters().allocations_ended[index(EndReason::Expired)], 1U);
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 1, 1}));
  world.tick();
  EXPECT_EQ(world.gauges().allocations, 1U);
  EXPECT_EQ(world.broken_invariant(), "");
}

// RFC 8656 §7.2 MAY: check 10: a quota is 486
// RFC 8656 §7.2 SHOULD: quotas count by username, not by address
TEST_F(Allocate, QuotasCountByUserAndLeaveNothingBehind) {
  Options o = small(50000, 50003);
  o.max_allocations_per_user = 1;
  World w(o);
  Client first(w);
  Client second(w, "192.12.0.1:40001");
  ASSERT_EQ(first.allocate().code(), 0);
  const Gauges before = w.gauges();
  EXPECT_EQ(second.allocate().code(), 486);
  EXPECT_EQ(second.allocate([](auto& b) { b.add(AttributeType::EvenPort, as_bytes("\x80")); }).code(), 486);
  EXPECT_EQ(w.gauges(), before);
  EXPECT_EQ(w.server.counters().denials[index(Denial::QuotaUser)], 2U);
  EXPECT_EQ(first.refresh(0).code(), 0);
  EXPECT_EQ(second.allocate().code(), 0);
}

TEST_F(Allocate, TheQuotaCountsTheUserBehindEphemeralNames) {
  Options o = default_options();
  o.max_allocations_per_user = 1;
  World w(o);
  const auto one = auth::mint("north", "eve", w.now.wall + seconds(60));
  const auto two = auth::mint("north", "eve", w.now.wall + seconds(61));
  EXPECT_EQ(Client(w, "192.12.0.1:1", Transport::Udp, one.username, one.password).allocate().code(), 0);
  EXPECT_EQ(Client(w, "192.12.0.1:2", Transport::Udp, two.username, two.password).allocate().code(), 486);
}

// RFC 8656 §7.2 MUST: check 8: EVEN-PORT with R beside ADDITIONAL-ADDRESS-FAMILY is 400; no port is 508
TEST_F(Allocate, NoPortIsInsufficientCapacityAndFreesTheQuota) {
  Options o = small(50000, 50000);
  o.max_allocations_per_user = 2;
  World w(o);
  Client first(w);
  Client second(w, "192.12.0.1:40001");
  ASSERT_EQ(first.allocate().code(), 0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(second.allocate().code(), 508);
  EXPECT_EQ(first.refresh(0).code(), 0);
  EXPECT_EQ(second.allocate().code(), 0);
  EXPECT_EQ(first.allocate().code(), 508);
  EXPECT_EQ(w.broken_invariant(), "");
}

// RFC 8656 §7.2 MUST: RESERVATION-TOKEN gives the reserved port, from any five-tuple
// RFC 8656 §7.2 MUST: EVEN-PORT with R reserves the next port and tells a token
TEST_F(Allocate, EvenPortAndReservationToken) {
  const Bytes request = alice.make(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add(AttributeType::EvenPort, as_bytes("\x80"));
  });
  const Answer answer = alice.send(request);
  ASSERT_EQ(answer.code(), 0);
  EXPECT_EQ(alice.send(request).bytes, answer.bytes);
  const auto port = answer.address(AttributeType::XorRelayedAddress).port;
  EXPECT_EQ(port % 2, 0);
  const auto token = *answer.attribute(AttributeType::ReservationToken);
  ASSERT_EQ(token.size(), 8U);
  EXPECT_EQ(world.gauges().ports_used, 2U);

  world.advance(seconds(30) - nanoseconds(1));
  Client second(world, "192.12.0.9:1", Transport::Tcp, "bob", "builder");  // "any allowed 5-tuple"
  ASSERT_EQ(second.allocate([&](auto& b) { b.add(AttributeType::ReservationToken, token); }).code(), 0);
  EXPECT_EQ(second.relayed.port, port + 1);
  Client third(world, "192.12.0.9:2");
  EXPECT_EQ(third.allocate([&](auto& b) { b.add(AttributeType::ReservationToken, token); }).code(), 508);
  EXPECT_EQ(world.gauges().ports_used, 2U);
}

// RFC 8656 §7.2 MUST: a reservation is held for 30 seconds at least
TEST_F(Allocate, AReservationEndsAfter30SecondsAndItsPortIsFree) {
  const Answer answer = alice.allocate([](auto& b) { b.add(AttributeType::EvenPort, as_bytes("\x80")); });
  ASSERT_EQ(answer.code(), 0);
  const auto token = *answer.attribute(AttributeType::ReservationToken);
  world.advance(seconds(30));
  Client second(world, "192.12.0.9:1");
  EXPECT_EQ(second.allocate([&](auto& b) { b.add(AttributeType::ReservationToken, token); }).code(), 508);
  EXPECT_EQ(world.gauges().ports_used, 1U);
}

TEST_F(Allocate, ARefusalByQuotaDoesNotUseUpTheToken) {
  Options o = default_options();
  o.max_allocations_per_user = 1;
  World w(o);
  Client first(w);
  const Answer answer = first.allocate([](auto& b) { b.add(AttributeType::EvenPort, as_bytes("\x80")); });
  const auto token = *answer.attribute(AttributeType::ReservationToken);
  Client second(w, "192.12.0.9:1");
  const auto with_token = [&](auto& b) { b.add(AttributeType::ReservationToken, token); };
  EXPECT_EQ(second.allocate(with_token).code(), 486);
  ASSERT_EQ(first.refresh(0).code(), 0);
  EXPECT_EQ(second.allocate(with_token).code(), 0);
}

// RFC 8656 §7.2 MUST: EVEN-PORT gives an even port
TEST_F(Allocate, EvenPortAloneReservesNothing) {
  for (std::uint16_t i = 0; i < 20; ++i) {
    Client client(world, "192.12.0.1:" + std::to_string(42000 + i));
    const Answer answer =
        client.allocate([](auto& b) { b.add(AttributeType::EvenPort, as_bytes(std::string_view("\0", 1))); });
    ASSERT_EQ(answer.code(), 0);
    EXPECT_EQ(client.relayed.port % 2, 0);
    EXPECT_FALSE(answer.attribute(AttributeType::ReservationToken));
  }
  EXPECT_EQ(world.gauges().ports_used, 20U);
}

struct OpenFailure : Allocate {};

TEST_F(OpenFailure, APortInUseElsewhereIsReplacedByAnother) {
  std::set<std::uint16_t> tried;
  world.opener = [&](const OpenRelay& open) -> std::optional<RelayError> {
    tried.insert(open.local.port);
    return tried.size() < 4 ? std::optional(RelayError::AddressInUse) : std::nullopt;
  };
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(tried.size(), 4U);
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 1, 1}));
  EXPECT_EQ(alice.relayed.port, world.opened.back().port);
}

TEST_F(OpenFailure, PairsAndEvenPortsAreTriedAgainToo) {
  for (const char* even : {"\x80", "\x00"}) {
    int left = 3;
    world.opener = [&](const OpenRelay& open) -> std::optional<RelayError> {
      EXPECT_EQ(open.local.port % 2, 0);
      return left-- > 0 ? std::optional(RelayError::AddressInUse) : std::nullopt;
    };
    Client client(world, even[0] == 0 ? "192.12.0.1:1" : "192.12.0.1:2");
    const Answer answer = client.allocate(
        [&](auto& b) { b.add(AttributeType::EvenPort, as_bytes(std::string_view(even, 1))); });
    EXPECT_EQ(answer.code(), 0);
    EXPECT_EQ(answer.attribute(AttributeType::ReservationToken).has_value(), even[0] != 0);
  }
  EXPECT_EQ(world.gauges(), (Gauges{2, 0, 0, 3, 2}));
}

TEST_F(OpenFailure, LeavesNothingBehind) {
  const auto fails_with = [&](RelayError error, std::size_t most_opens, auto&& add) {
    std::size_t opens = 0;
    world.opener = [&](const OpenRelay&) {
      ++opens;
      return std::optional(error);
    };
    const Answer answer = alice.allocate(add);
    EXPECT_EQ(answer.code(), 508);
    EXPECT_TRUE(stun::verify_integrity(answer.view(), alice.key()));
    EXPECT_EQ(world.gauges(), Gauges{});
    EXPECT_FALSE(world.server.has_allocation(alice.tuple));
    EXPECT_EQ(world.events.size(), 0U);
    EXPECT_EQ(world.broken_invariant(), "");
    EXPECT_LE(opens, most_opens);
  };
  const auto plain = [](auto&) {};
  const auto pair = [](auto& b) { b.add(AttributeType::EvenPort, as_bytes("\x80")); };
  fails_with(RelayError::NoResources, 1, plain);
  fails_with(RelayError::NoResources, 1, pair);
  fails_with(RelayError::Broken, 1, plain);
  fails_with(RelayError::AddressInUse, 8, plain);
  fails_with(RelayError::AddressInUse, 8, pair);
  world.opener = nullptr;
  EXPECT_EQ(alice.allocate().code(), 0);  // the quota and the five-tuple are free again
}

TEST_F(OpenFailure, AReservedPortHasNoSubstitute) {
  const Answer answer = alice.allocate([](auto& b) { b.add(AttributeType::EvenPort, as_bytes("\x80")); });
  const auto token = *answer.attribute(AttributeType::ReservationToken);
  std::size_t opens = 0;
  world.opener = [&](const OpenRelay&) {
    ++opens;
    return std::optional(RelayError::AddressInUse);
  };
  Client second(world, "192.12.0.9:1");
  EXPECT_EQ(second.allocate([&](auto& b) { b.add(AttributeType::ReservationToken, token); }).code(), 508);
  EXPECT_EQ(opens, 1U);
  EXPECT_EQ(world.gauges(), (Gauges{1, 0, 0, 1, 1}));
}

TEST_F(OpenFailure, EndsBeforeTheSocketIsThere) {
  world.hold_opens = true;
  EXPECT_TRUE(alice.allocate().none());
  world.client_closed(alice.tuple);
  EXPECT_EQ(world.server.allocation_count(), 0U);
  EXPECT_EQ(world.ledger.ports().used, 0U);
  world.answer_opens();  // opened for nobody: closed at once, nobody is told
  EXPECT_EQ(world.gauges(), Gauges{});
  EXPECT_TRUE(world.to_clients.empty());
  EXPECT_EQ(world.broken_invariant(), "");
}

TEST_F(OpenFailure, OpenedTwiceClosesNothing) {
  ASSERT_EQ(alice.allocate().code(), 0);
  world.server.relay_opened(world.now, alice.relay(), world.outbox);
  EXPECT_TRUE(world.outbox.empty());
}

}  // namespace
}  // namespace ts::turn::testing
