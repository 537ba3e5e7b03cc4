// SPDX-License-Identifier: Apache-2.0
// Binding (RFC 8489 §6.3, RFC 5389 §12.2) and the long-term credential mechanism (RFC 8489 §9.2.4).
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using Types = std::vector<AttributeType>;

struct Script : ::testing::Test {
  World world;
  Client alice{world};
  std::uint64_t failures(AuthFailure why) const { return world.server.counters().auth_failures[index(why)]; }
  std::uint64_t outcomes(RequestKind kind, Outcome outcome) const {
    return world.server.counters().requests[index(kind)][index(outcome)];
  }
  std::uint64_t drops(Drop why) const { return world.server.counters().drops[index(why)]; }
};

using Binding = Script;

// RFC 8489 §6.3.1.1 MUST: a Binding success response has the source address in XOR-MAPPED-ADDRESS
// RFC 8489 §12 MUST: Binding is served
// RFC 8489 §12 SHOULD: Binding needs no credentials
// RFC 8489 §5 MUST: responses carry the transaction id of their request
TEST_F(Binding, AnswersWithTheXoredAddressAndNothingElse) {
  const Answer answer =
      alice.send(alice.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {}));
  ASSERT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.address(AttributeType::XorMappedAddress), alice.tuple.client);
  EXPECT_EQ(answer.types(), Types{AttributeType::XorMappedAddress});
  EXPECT_EQ(answer.view().transaction_id(), alice.id());
  EXPECT_EQ(outcomes(RequestKind::Binding, Outcome::Success), 1U);
}

// RFC 8489 §6.3.1.1 MUST: a Binding success response has the source address in XOR-MAPPED-ADDRESS
TEST_F(Binding, AnswersOverIpv6) {
  Client six(world, "[2620:fe::77]:40000");
  const Answer answer = six.send(six.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {}));
  EXPECT_EQ(answer.address(AttributeType::XorMappedAddress), six.tuple.client);
}

// RFC 8489 §7 MUST: FINGERPRINT is answered with FINGERPRINT
// RFC 8489 §6.3 MUST: a wrong FINGERPRINT makes the message be discarded without an answer
TEST_F(Binding, FingerprintIsAnsweredWithFingerprint) {
  const Answer answer = alice.send(
      alice.make_plain(stun::MessageClass::Request, Method::Binding, [](auto& b) { b.add_fingerprint(); }));
  EXPECT_EQ(answer.types(), (Types{AttributeType::XorMappedAddress, AttributeType::Fingerprint}));
  EXPECT_TRUE(stun::fingerprint_absent_or_right(answer.view()));
  Bytes wrong =
      alice.make_plain(stun::MessageClass::Request, Method::Binding, [](auto& b) { b.add_fingerprint(); });
  wrong.back() ^= 1;
  EXPECT_TRUE(alice.send(wrong).none());
  EXPECT_EQ(drops(Drop::BadFingerprint), 1U);
}

// RFC 5389 §12.2 SHOULD: the magic cookie field is copied, and MAPPED-ADDRESS replaces XOR-MAPPED-ADDRESS
// RFC 5389 §12.2 MUST: a classic Binding request is answered with MAPPED-ADDRESS and its own transaction id
// RFC 8489 §11 SHOULD: a Binding request without the magic cookie is answered as RFC 5389 §12.2 asks
TEST_F(Binding, ClassicClientGetsItsCookieFieldBackAndAClearAddress) {
  Bytes bytes = alice.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {});
  store_be32(&bytes[4], 0xDEADBEEF);
  const Answer answer = alice.send(bytes);
  ASSERT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.types(), Types{AttributeType::MappedAddress});
  EXPECT_EQ(stun::decode_address(*answer.attribute(AttributeType::MappedAddress)), alice.tuple.client);
  EXPECT_EQ(load_be32(&answer.bytes[4]), 0xDEADBEEFU);
}

// RFC 8489 §11 SHOULD: a Binding request without the magic cookie is answered as RFC 5389 §12.2 asks
TEST_F(Binding, ClassicClientGetsItsCookieFieldBackInErrorsToo) {
  Bytes bytes = alice.make_plain(stun::MessageClass::Request, Method::Binding,
                                 [](auto& b) { b.add_u32(AttributeType::ChangeRequest, 2); });
  store_be32(&bytes[4], 0xDEADBEEF);
  const Answer answer = alice.send(bytes);
  EXPECT_EQ(answer.code(), 420);
  EXPECT_EQ(load_be32(&answer.bytes[4]), 0xDEADBEEFU);
}

// RFC 8489 §6.3.1 MUST: an unknown comprehension-required attribute in a request is 420
// RFC 8489 §6.3.1.1 MUST: a 420 lists the attributes in UNKNOWN-ATTRIBUTES
TEST_F(Binding, UnknownAttributesAreListedOnceEach) {
  const Answer answer =
      alice.send(alice.make_plain(stun::MessageClass::Request, Method::Binding, [](auto& b) {
        for (const unsigned type : {0x7001U, 0x7002U, 0x7001U, 0x9001U}) {
          b.add_u32(static_cast<AttributeType>(type), 0);
        }
      }));
  EXPECT_EQ(answer.code(), 420);
  const auto list = answer.attribute(AttributeType::UnknownAttributes).value();
  EXPECT_EQ(Bytes(list.begin(), list.end()), (Bytes{0x70, 0x01, 0x70, 0x02}));
}

// RFC 8489 §6.3.1 MUST: UNKNOWN-ATTRIBUTES lists the unknown comprehension-required attributes
TEST_F(Binding, ManyUnknownAttributesAreAllListedAsFarAsAnAnswerHasRoom) {
  for (const unsigned count : {1U, 20U, 32U, 33U, 350U, 512U, 513U, 3000U}) {
    const Bytes request = alice.make_plain(stun::MessageClass::Request, Method::Binding, [&](auto& b) {
      for (unsigned i = 0; i < count; ++i) b.add_flag(static_cast<AttributeType>(0x7000 + i));
    });
    const Answer answer = alice.send(request);
    EXPECT_EQ(answer.code(), 420);
    EXPECT_LE(answer.bytes.size(), request.size() + 36) << count;
    EXPECT_EQ(answer.attribute(AttributeType::UnknownAttributes)->size(), 2 * std::min(count, 512U));
  }
}

// RFC 8489 §6.3.2 MUST: indications are never answered
// RFC 8489 §6.3 MUST: malformed messages are discarded without an answer
// RFC 8489 §6.3.1 MUST: a request with an unknown method is not treated as a known one
TEST_F(Binding, IndicationsResponsesAndNoiseAreNotAnswered) {
  for (const auto c : {stun::MessageClass::Indication, stun::MessageClass::SuccessResponse,
                       stun::MessageClass::ErrorResponse}) {
    EXPECT_TRUE(alice.send(alice.make_plain(c, Method::Binding, [](auto&) {})).none());
  }
  EXPECT_EQ(drops(Drop::UnexpectedClass), 2U);
  EXPECT_TRUE(alice.send({}).none());
  EXPECT_TRUE(alice.send({0x80, 0, 0, 0}).none());
  EXPECT_EQ(drops(Drop::NotStun), 2U);
  const Bytes whole = alice.make_plain(stun::MessageClass::Request, Method::Binding,
                                       [](auto& b) { b.add(AttributeType::Software, "abc"); });
  for (std::size_t n = 1; n < whole.size(); ++n) {
    EXPECT_TRUE(alice.send(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))).none()) << n;
  }
  EXPECT_TRUE(
      alice.send(alice.make_plain(stun::MessageClass::Request, Method::ConnectionAttempt, [](auto&) {}))
          .none());
  EXPECT_TRUE(alice.send(alice.make_plain(stun::MessageClass::Request, Method::Send, [](auto&) {})).none());
  EXPECT_EQ(drops(Drop::UnknownMethod), 2U);
}

using Auth = Script;

// RFC 8489 §9.2.4 MUST: a request without MESSAGE-INTEGRITY is 401
// RFC 8489 §9.2.4 MUST: the 401 has REALM and NONCE
// RFC 8489 §9.2.4 SHOULD: a challenge contains neither USERNAME, USERHASH nor an integrity attribute
// RFC 8656 §7.2 MUST: check 1: an Allocate is authenticated first
TEST_F(Auth, WithoutIntegrityIsChallengedWithWhatIsNeededToAnswer) {
  // "If the message does not contain a MESSAGE-INTEGRITY": 401, REALM, NONCE; no MESSAGE-INTEGRITY.
  for (const Method m : {Method::Allocate, Method::Refresh, Method::CreatePermission, Method::ChannelBind}) {
    const Answer answer = alice.send(alice.make_plain(stun::MessageClass::Request, m, [](auto& b) {
      b.add(AttributeType::Username, "alice").add_u32(static_cast<AttributeType>(0x7001), 0);
    }));
    EXPECT_EQ(answer.code(), 401);
    EXPECT_EQ(answer.types(), (Types{AttributeType::ErrorCode, AttributeType::Realm, AttributeType::Nonce,
                                     AttributeType::PasswordAlgorithms}));
    EXPECT_EQ(answer.bytes.size(), 84U);
  }
  EXPECT_EQ(failures(AuthFailure::NoCredentials), 4U);
  EXPECT_EQ(world.gauges(), Gauges{});
}

// RFC 8656 §5 MUST: the long-term credential mechanism is implemented
TEST_F(Auth, TheChallengesNonceLeadsToAnAllocation) {
  alice.nonce.clear();
  const Answer challenge = alice.send(
      alice.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport));
  alice.nonce = as_text(*challenge.attribute(AttributeType::Nonce));
  alice.realm = as_text(*challenge.attribute(AttributeType::Realm));
  const Answer answer = alice.allocate();
  EXPECT_EQ(answer.code(), 0);
  EXPECT_TRUE(stun::verify_integrity(answer.view(), alice.key()));
}

// RFC 8489 §9.2.4 MUST: integrity without USERNAME or USERHASH, REALM or NONCE is 400
// RFC 8489 §9.2.4 SHOULD: that 400 has no USERNAME, USERHASH, NONCE or REALM
// RFC 8489 §9.2.4 MUST: an unknown user is 401 with REALM and NONCE
// RFC 8489 §9.2.4 MUST: a wrong integrity value is 401 with REALM and NONCE
TEST_F(Auth, ChecksStandInTheStandardsOrder) {
  // Each row breaks one check and all later ones; the first that is broken decides.
  const HmacSha1Key good = alice.key();
  const HmacSha1Key bad = auth::long_term_key("alice", "example.org", "guess");
  const struct {
    const char* what;
    const char* username;
    const char* realm;
    const char* nonce;
    const HmacSha1Key* key;
    int code;
    AuthFailure why;
  } table[] = {
      {"no integrity", nullptr, nullptr, nullptr, nullptr, 401, AuthFailure::NoCredentials},
      {"no username", nullptr, "x", "stale", &bad, 400, AuthFailure::MissingAttribute},
      {"no realm", "alice", nullptr, "stale", &bad, 400, AuthFailure::MissingAttribute},
      {"no nonce", "alice", "x", nullptr, &bad, 400, AuthFailure::MissingAttribute},
      {"unknown user", "carol", "x", "stale", &bad, 401, AuthFailure::UnknownUser},
      {"expired user", "5:alice", "x", "stale", &bad, 401, AuthFailure::Expired},
      {"wrong password", "alice", "x", "stale", &bad, 401, AuthFailure::WrongPassword},
      {"wrong realm", "alice", "x", "stale", &good, 401, AuthFailure::WrongRealm},
      {"stale nonce", "alice", "example.org", "stale", &good, 438, AuthFailure::StaleNonce},
  };
  for (const auto& row : table) {
    const std::uint64_t before = failures(row.why);
    const Bytes bytes = alice.make_plain(stun::MessageClass::Request, Method::Allocate, [&](auto& b) {
      b.add_u32(static_cast<AttributeType>(0x7001), 0);  // 420 comes after authentication
      if (row.username != nullptr) b.add(AttributeType::Username, row.username);
      if (row.realm != nullptr) b.add(AttributeType::Realm, row.realm);
      if (row.nonce != nullptr) b.add(AttributeType::Nonce, row.nonce);
      if (row.key != nullptr) b.add_integrity(*row.key);
    });
    const Answer answer = alice.send(bytes);
    EXPECT_EQ(answer.code(), row.code) << row.what;
    EXPECT_EQ(failures(row.why), before + 1) << row.what;
    // Only who has proved to know the key gets an answer that is signed with it.
    EXPECT_EQ(answer.attribute(AttributeType::MessageIntegrity).has_value(), row.code == 438) << row.what;
    EXPECT_EQ(answer.attribute(AttributeType::Nonce).has_value(), row.code != 400) << row.what;
    EXPECT_EQ(answer.attribute(AttributeType::Realm).has_value(), row.code != 400) << row.what;
    EXPECT_FALSE(answer.attribute(AttributeType::Username)) << row.what;
  }
  EXPECT_EQ(world.gauges(), Gauges{});
}

// RFC 8489 §9 MUST: behind MESSAGE-INTEGRITY only -SHA256 and FINGERPRINT count
TEST_F(Auth, AttributesBehindTheIntegrityDoNotCount) {
  Bytes bytes = alice.make(Method::Allocate, [](auto&) {});  // no REQUESTED-TRANSPORT
  const Bytes behind = {0, 0x19, 0, 4, 17, 0, 0, 0};
  bytes.insert(bytes.end(), behind.begin(), behind.end());
  store_be16(&bytes[2], static_cast<std::uint16_t>(bytes.size() - 20));
  EXPECT_EQ(alice.send(bytes).code(), 400);
}

// RFC 8489 §14 MUST: of several attributes of one type the first counts
TEST_F(Auth, OfTwoEqualAttributesTheFirstCounts) {
  const Answer answer = alice.request(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add_u32(AttributeType::RequestedTransport, 6U << 24).add_u32(AttributeType::Lifetime, 700);
    b.add_u32(AttributeType::Lifetime, 800);
  });
  ASSERT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.u32(AttributeType::Lifetime), 700U);
}

// RFC 8489 §9.2.4 MUST: an invalid nonce is 438 with NONCE and REALM
// RFC 8489 §9.2.4 MUST: the nonce of the 438 is valid
// RFC 8656 §5 SHOULD: a new random nonce for the first attempt; it expires at least hourly
TEST_F(Auth, ANonceExpiresAndTheNewOneWorks) {
  ASSERT_EQ(alice.allocate().code(), 0);
  world.advance(seconds(500));
  ASSERT_EQ(alice.refresh(3600).code(), 0);
  world.advance(seconds(3100));
  const Answer stale = alice.refresh(600);
  EXPECT_EQ(stale.code(), 438);
  alice.nonce = as_text(*stale.attribute(AttributeType::Nonce));
  EXPECT_EQ(alice.refresh(600).code(), 0);
}

TEST_F(Auth, AnothersNonceIsStale) {
  Client other(world, "192.12.0.2:40000");
  alice.nonce = other.nonce;
  EXPECT_EQ(alice.allocate().code(), 438);
}

// RFC 8489 §14.3 MUST: usernames of up to 763 bytes are read
TEST_F(Auth, UsernamesOfUpTo763BytesAreRead) {
  // RFC 8489 §14.3: "MUST be able to parse a UTF-8-encoded sequence of 763 or fewer octets".
  alice.username = std::string(764, 'a');
  EXPECT_EQ(alice.allocate().code(), 400);
  alice.username = std::string(763, 'a');
  EXPECT_EQ(alice.allocate().code(), 401);
}

TEST_F(Auth, AnEphemeralCredentialMayExpireUnderItsAllocation) {
  const auth::Minted minted = auth::mint("north", "eve", world.now.wall + seconds(60));
  Client eve(world, "192.12.0.3:40000", Transport::Udp, minted.username, minted.password);
  ASSERT_EQ(eve.allocate().code(), 0);
  world.advance(seconds(61));
  EXPECT_EQ(eve.refresh(600).code(), 0);
  Client again(world, "192.12.0.3:40001", Transport::Udp, minted.username, minted.password);
  EXPECT_EQ(again.allocate().code(), 401);
}

TEST_F(Auth, AnExpiredAllocationsKeyIsWorthNothingEvenBeforeTheTick) {
  const auth::Minted minted = auth::mint("north", "eve", world.now.wall + seconds(60));
  Client eve(world, "192.12.0.3:40000", Transport::Udp, minted.username, minted.password);
  ASSERT_EQ(eve.allocate().code(), 0);
  world.advance(seconds(600));
  EXPECT_EQ(eve.allocate().code(), 401);
  EXPECT_EQ(eve.refresh(600).code(), 401);
}

// RFC 8489 §6.3.1 MUST: 420 lists them, and is looked at once the authentication checks are done
// RFC 8489 §6.3.1.1 SHOULD: responses to authenticated requests are authenticated
TEST_F(Auth, UnknownAttributesAreListedToTheAuthenticated) {
  const Answer answer =
      alice.request(Method::Allocate, [](auto& b) { b.add_flag(static_cast<AttributeType>(0x7001)); });
  EXPECT_EQ(answer.code(), 420);
  EXPECT_TRUE(stun::verify_integrity(answer.view(), alice.key()));
}

// RFC 8489 §16.1.2 SHOULD: SOFTWARE can be configured
TEST_F(Auth, SoftwareIsToldToTheAuthenticatedOnly) {
  Options o = default_options();
  o.software = "Turnstone";
  World named(o);
  Client client(named);
  const Answer stranger = client.send(
      client.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport));
  EXPECT_FALSE(stranger.attribute(AttributeType::Software));
  EXPECT_TRUE(client.allocate().attribute(AttributeType::Software));
  EXPECT_TRUE(client.refresh(600).attribute(AttributeType::Software));
}

TEST_F(Auth, SwitchedOffSaysForbiddenAndStillAnswersBinding) {
  Options o = default_options();
  o.enabled = false;
  World off(o);
  Client client(off);
  const Answer answer = client.allocate();
  EXPECT_EQ(answer.code(), 403);
  EXPECT_LE(answer.bytes.size(), 52U);
  EXPECT_EQ(client.send(client.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {})).code(),
            0);
}

TEST_F(Auth, ClassicCookieIsForBindingOnly) {
  Bytes bytes = alice.make(Method::Allocate, Client::requested_transport);
  store_be32(&bytes[4], 1);
  EXPECT_TRUE(alice.send(bytes).none());
  EXPECT_EQ(drops(Drop::BadMessage), 1U);
}

}  // namespace
}  // namespace ts::turn::testing
