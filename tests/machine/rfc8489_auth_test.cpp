// SPDX-License-Identifier: Apache-2.0
// The long-term credential mechanism of RFC 8489: password algorithms, MESSAGE-INTEGRITY-SHA256, USERHASH,
// and what an attacker on the path may try with them.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using auth::Mac;
using auth::PasswordAlgorithm;
using std::chrono::seconds;
using Maybe = std::optional<Bytes>;

const Bytes kOffer{0, 2, 0, 0, 0, 1, 0, 0};
const Bytes kMd5{0, 1, 0, 0};
const Bytes kSha256{0, 2, 0, 0};

/// Which attributes of the mechanism a request has, and how it is signed.
struct Form {
  std::optional<std::string> username = "alice";
  Maybe userhash;
  std::optional<std::string> realm = "example.org";
  std::optional<std::string> nonce;
  Maybe algorithms;
  Maybe algorithm;
  PasswordAlgorithm key_by = PasswordAlgorithm::Md5;
  std::vector<Mac> macs{Mac::Sha1};
  std::string password = "wonder";
};

struct Rfc8489 : ::testing::Test {
  World world;
  Client client{world};

  /// What a client of RFC 8489 sends, with the algorithm of its choice.
  static Form modern(const Bytes& algorithm = kSha256) {
    Form form;
    form.algorithms = kOffer;
    form.algorithm = algorithm;
    form.key_by = algorithm == kMd5 ? PasswordAlgorithm::Md5 : PasswordAlgorithm::Sha256;
    form.macs = {Mac::Sha256};
    return form;
  }
  auth::MessageKey key(const Form& form, Mac mac) const {
    return auth::message_key(form.username.value_or("alice"), form.realm.value_or("example.org"),
                             form.password, form.key_by, mac);
  }
  template <class F>
  Answer ask(const Form& form, Method method, F&& add) {
    return client.send(client.make_plain(stun::MessageClass::Request, method, [&](auto& b) {
      add(b);
      if (form.username) b.add(AttributeType::Username, *form.username);
      if (form.userhash) b.add(AttributeType::Userhash, *form.userhash);
      if (form.realm) b.add(AttributeType::Realm, *form.realm);
      b.add(AttributeType::Nonce, form.nonce.value_or(client.nonce));
      if (form.algorithms) b.add(AttributeType::PasswordAlgorithms, *form.algorithms);
      if (form.algorithm) b.add(AttributeType::PasswordAlgorithm, *form.algorithm);
      for (const Mac mac : form.macs) key(form, mac).sign(b);
    }));
  }
  Answer allocate(const Form& form) { return ask(form, Method::Allocate, Client::requested_transport); }
  Answer refresh(const Form& form, std::uint32_t lifetime = 600) {
    return ask(form, Method::Refresh, [&](auto& b) { b.add_u32(AttributeType::Lifetime, lifetime); });
  }
  std::uint64_t failures(AuthFailure why) const { return world.server.counters().auth_failures[index(why)]; }
  static auth::Options static_users_only() {
    auth::Options out = default_auth();
    out.secrets.clear();
    return out;
  }
  void expect_challenge(const Answer& answer, int code) const {
    EXPECT_EQ(answer.code(), code);
    EXPECT_EQ(as_text(answer.attribute(AttributeType::Realm).value_or(ByteView{})), "example.org");
    const auto offer = answer.attribute(AttributeType::PasswordAlgorithms).value_or(ByteView{});
    EXPECT_EQ(Bytes(offer.begin(), offer.end()), kOffer);
    const auto nonce = as_text(answer.attribute(AttributeType::Nonce).value_or(ByteView{}));
    EXPECT_TRUE(world.nonces.is_fresh(nonce, world.now.mono, client.tuple.client));
    EXPECT_FALSE(answer.attribute(AttributeType::Username));
    EXPECT_FALSE(answer.attribute(AttributeType::Userhash));
  }
};

// RFC 8489 §9.2.4 MUST: the challenge has REALM, NONCE and, with PASSWORD-ALGORITHMS, the feature bit set
TEST_F(Rfc8489, TheChallengeOffersBothAlgorithmsAndSaysSoInTheNonce) {
  const Answer answer = client.send(
      client.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport));
  expect_challenge(answer, 401);
  const auto nonce = as_text(*answer.attribute(AttributeType::Nonce));
  EXPECT_EQ(nonce.substr(0, 13), "obMatJos2gAAA") << "there are secrets: not every user has a USERHASH";
}

// RFC 8489 §9.2.4 MUST: "Username anonymity" is set where the server supports it
TEST_F(Rfc8489, WithStaticUsersOnlyTheNonceAsksForUserhash) {
  World anonymous(default_options(), 1, static_users_only());
  Client stranger(anonymous);
  const Answer answer = stranger.send(
      stranger.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport));
  EXPECT_EQ(as_text(*answer.attribute(AttributeType::Nonce)).substr(0, 13), "obMatJos2wAAA");
}

struct Suite {
  const char* what;
  bool says_algorithm;
  PasswordAlgorithm key_by;
  std::vector<Mac> macs;
  Mac answer;
};

// RFC 8489 §9.2.4 MUST: answers carry MESSAGE-INTEGRITY-SHA256, or MESSAGE-INTEGRITY to an RFC 5389 client
TEST_F(Rfc8489, EverySuiteAllocatesAndIsAnsweredWithTheAttributeThatIsDue) {
  const Suite table[] = {
      {"RFC 5389", false, PasswordAlgorithm::Md5, {Mac::Sha1}, Mac::Sha1},
      {"MD5 as though, SHA-256 MAC", false, PasswordAlgorithm::Md5, {Mac::Sha256}, Mac::Sha1},
      {"MD5 as though, both MACs", false, PasswordAlgorithm::Md5, {Mac::Sha1, Mac::Sha256}, Mac::Sha1},
      {"MD5 chosen, SHA-1 MAC", true, PasswordAlgorithm::Md5, {Mac::Sha1}, Mac::Sha256},
      {"MD5 chosen, SHA-256 MAC", true, PasswordAlgorithm::Md5, {Mac::Sha256}, Mac::Sha256},
      {"SHA-256 chosen, SHA-1 MAC", true, PasswordAlgorithm::Sha256, {Mac::Sha1}, Mac::Sha256},
      {"SHA-256 chosen, SHA-256 MAC", true, PasswordAlgorithm::Sha256, {Mac::Sha256}, Mac::Sha256},
      {"SHA-256 chosen, both MACs", true, PasswordAlgorithm::Sha256, {Mac::Sha1, Mac::Sha256}, Mac::Sha256},
  };
  for (const Suite& suite : table) {
    Form form;
    if (suite.says_algorithm) form = modern(suite.key_by == PasswordAlgorithm::Md5 ? kMd5 : kSha256);
    form.macs = suite.macs;
    for (int round = 0; round < 2; ++round) {  // the second time the live allocation's key may serve
      for (const Answer& answer :
           {round == 0 ? allocate(form) : refresh(form), refresh(form, 77), allocate(form)}) {
        EXPECT_EQ(auth::mac_of(answer.view()), suite.answer) << suite.what;
        EXPECT_TRUE(key(form, suite.answer).verify(answer.view())) << suite.what;
        const bool both = answer.attribute(AttributeType::MessageIntegrity) &&
                          answer.attribute(AttributeType::MessageIntegritySha256);
        EXPECT_FALSE(both) << suite.what;
        EXPECT_FALSE(answer.attribute(AttributeType::Nonce)) << suite.what;
        EXPECT_FALSE(answer.attribute(AttributeType::Realm)) << suite.what;
        EXPECT_FALSE(answer.attribute(AttributeType::PasswordAlgorithms)) << suite.what;
        EXPECT_TRUE(answer.code() == 0 || answer.code() == 437) << suite.what << answer.code();
      }
    }
    EXPECT_EQ(refresh(form, 0).code(), 0) << suite.what;
    EXPECT_EQ(refresh(form, 0).code(), 437) << suite.what;
  }
}

// RFC 8489 §9.2.4 MUST: with neither PASSWORD-ALGORITHMS nor PASSWORD-ALGORITHM the key is the MD5 one
TEST_F(Rfc8489, OneAllocationMayBeUsedWithEverySuiteOfItsUser) {
  ASSERT_EQ(allocate(Form{}).code(), 0);
  const Answer modern_refresh = refresh(modern());
  EXPECT_EQ(modern_refresh.code(), 0);
  EXPECT_TRUE(key(modern(), Mac::Sha256).verify(modern_refresh.view()));
  Form hashed = modern();
  hashed.username.reset();
  const Sha256Digest digest = auth::userhash("alice", "example.org");
  hashed.userhash = Bytes(digest.begin(), digest.end());
  EXPECT_EQ(refresh(hashed).code(), 0) << "USERHASH names the user who allocated";
  EXPECT_EQ(refresh(Form{}).code(), 0);
}

// RFC 8489 §9.2.4 MUST: unless both are present, match the offer and each other, 400 (Bad Request)
TEST_F(Rfc8489, AlgorithmsThatAreNotAsOfferedAreABadRequest) {
  const struct {
    const char* what;
    Maybe algorithms;
    Maybe algorithm;
  } table[] = {
      {"PASSWORD-ALGORITHMS alone", kOffer, std::nullopt},
      {"PASSWORD-ALGORITHM alone", std::nullopt, kSha256},
      {"bid-down: MD5 only was offered", Bytes{0, 1, 0, 0}, kMd5},
      {"bid-down: SHA-256 only", Bytes{0, 2, 0, 0}, kSha256},
      {"another order", Bytes{0, 1, 0, 0, 0, 2, 0, 0}, kSha256},
      {"more were offered", Bytes{0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0}, kSha256},
      {"an empty offer", Bytes{}, kSha256},
      {"an unknown algorithm", kOffer, Bytes{0, 3, 0, 0}},
      {"the reserved algorithm", kOffer, Bytes{0, 0, 0, 0}},
      {"with parameters", kOffer, Bytes{0, 2, 0, 4, 1, 2, 3, 4}},
      {"cut short", kOffer, Bytes{0, 2}},
      {"empty", kOffer, Bytes{}},
  };
  for (const auto& row : table) {
    for (const char* nonce : {"", "obMatJos2gAAAsome nonce of another server"}) {
      Form form = modern();
      form.algorithms = row.algorithms;
      form.algorithm = row.algorithm;
      if (*nonce != '\0') form.nonce = nonce;
      const std::uint64_t before = failures(AuthFailure::BadAlgorithm);
      const Answer answer = allocate(form);
      EXPECT_EQ(answer.code(), 400) << row.what;
      EXPECT_EQ(answer.types(), std::vector{AttributeType::ErrorCode}) << row.what;
      EXPECT_EQ(failures(AuthFailure::BadAlgorithm), before + 1) << row.what;
    }
  }
  EXPECT_EQ(world.gauges(), Gauges{});
}

// RFC 8489 §9.2.4 MUST: the checks are made in the order of the text
TEST_F(Rfc8489, ChecksStandInTheStandardsOrder) {
  // Each row is wrong in one point and, but for the first two, in all later ones.
  Form form = modern();
  form.nonce = "obMatJos2gAAAstale";
  form.username = "carol";
  form.password = "guess";
  form.algorithm = Bytes{0, 9, 0, 0};
  Form unsigned_one = form;
  unsigned_one.macs.clear();
  expect_challenge(allocate(unsigned_one), 401);
  Form nobody = form;
  nobody.username.reset();
  EXPECT_EQ(allocate(nobody).code(), 400);
  EXPECT_EQ(failures(AuthFailure::MissingAttribute), 1U);
  EXPECT_EQ(allocate(form).code(), 400);
  EXPECT_EQ(failures(AuthFailure::BadAlgorithm), 1U);
  form.algorithm = kSha256;
  expect_challenge(allocate(form), 401);
  EXPECT_EQ(failures(AuthFailure::UnknownUser), 1U);
  form.username = "alice";
  expect_challenge(allocate(form), 401);
  EXPECT_EQ(failures(AuthFailure::WrongPassword), 1U);
  form.password = "wonder";
  const Answer stale = allocate(form);
  expect_challenge(stale, 438);
  EXPECT_TRUE(key(form, Mac::Sha256).verify(stale.view()))
      << "MAY, and tells the client that it is the server's";
  form.nonce = as_text(*stale.attribute(AttributeType::Nonce));
  EXPECT_EQ(allocate(form).code(), 0);
}

// RFC 8489 §9.2.4 MUST: 438 has a valid NONCE, REALM and PASSWORD-ALGORITHMS
TEST_F(Rfc8489, ANonceWithoutACookieIsStaleWithEverySuite) {
  // An attacker who took the cookie and the offer away from the challenge.
  Form old;
  old.nonce = "a nonce of RFC 5389";
  expect_challenge(allocate(old), 438);
  Form chosen = modern();
  chosen.nonce = "a nonce of RFC 5389";
  expect_challenge(allocate(chosen), 438);
  chosen.algorithms.reset();
  expect_challenge(allocate(chosen), 438);
  chosen.algorithm = Bytes{0, 9, 0, 0};
  EXPECT_EQ(allocate(chosen).code(), 400);
  Form without_feature;
  without_feature.nonce = "obMatJos2AAAA" + client.nonce.substr(13);
  expect_challenge(allocate(without_feature), 438);
}

// RFC 8489 §9.2.4 MUST: an invalid USERHASH: 401 with REALM, NONCE and PASSWORD-ALGORITHMS
TEST_F(Rfc8489, UserhashNamesStaticUsers) {
  const auto hashed = [](const std::string& name, const std::string& realm = "example.org") {
    const Sha256Digest digest = auth::userhash(name, realm);
    return Bytes(digest.begin(), digest.end());
  };
  Form form = modern();
  form.username.reset();
  for (const Bytes& wrong :
       {hashed("carol"), hashed("alice", "example.com"), Bytes(32, 0), Bytes(31, 0), Bytes{}}) {
    form.userhash = wrong;
    expect_challenge(allocate(form), 401);
  }
  form.userhash = hashed("alice");
  const Answer answer = allocate(form);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_TRUE(key(form, Mac::Sha256).verify(answer.view()));
  EXPECT_FALSE(answer.attribute(AttributeType::Userhash));
  Form both = modern();
  both.userhash = hashed("alice");
  EXPECT_EQ(refresh(both).code(), 0);
  both.userhash = hashed("bob");
  EXPECT_EQ(refresh(both).code(), 401) << "two names of two users";
  both.username = "bob";
  both.password = "builder";
  EXPECT_EQ(refresh(both).code(), 441) << "alice's allocation";
}

// RFC 8489 §14.6 MUST: a truncated MESSAGE-INTEGRITY-SHA256 is not accepted
TEST_F(Rfc8489, AShortMacIsAWrongOne) {
  for (const std::size_t size : {0U, 16U, 28U}) {
    Form form = modern();
    form.macs.clear();
    const Answer answer =
        client.send(client.make_plain(stun::MessageClass::Request, Method::Allocate, [&](auto& b) {
          b.add(AttributeType::Username, "alice").add(AttributeType::Realm, "example.org");
          b.add(AttributeType::Nonce, client.nonce).add(AttributeType::PasswordAlgorithms, kOffer);
          b.add(AttributeType::PasswordAlgorithm, kSha256);
          // What the builder has written so far is signed under a header that counts the short attribute.
          Bytes covered(512);
          stun::MessageBuilder same(covered, stun::MessageClass::Request, Method::Allocate, client.id());
          same.add(AttributeType::Username, "alice").add(AttributeType::Realm, "example.org");
          same.add(AttributeType::Nonce, client.nonce).add(AttributeType::PasswordAlgorithms, kOffer);
          covered.resize(same.add(AttributeType::PasswordAlgorithm, kSha256).finish().size());
          store_be16(&covered[2], static_cast<std::uint16_t>(covered.size() - 20 + 4 + size));
          const HmacSha256Key raw(sha256({as_bytes("alice:example.org:wonder")}));
          b.add(AttributeType::MessageIntegritySha256, ByteView(raw.sign({covered})).first(size));
        }));
    expect_challenge(answer, 401);
  }
}

TEST_F(Rfc8489, OfTwoMacsTheWrongStrongerOneDecides) {
  // A right MESSAGE-INTEGRITY does not help a wrong MESSAGE-INTEGRITY-SHA256 behind it.
  const auto with = [&](const char* weak, const char* strong) {
    return client.send(client.make_plain(stun::MessageClass::Request, Method::Allocate, [&](auto& b) {
      Client::requested_transport(b);
      b.add(AttributeType::Username, "alice").add(AttributeType::Realm, "example.org");
      b.add(AttributeType::Nonce, client.nonce);
      Form form;
      form.password = weak;
      key(form, Mac::Sha1).sign(b);
      form.password = strong;
      key(form, Mac::Sha256).sign(b);
    }));
  };
  EXPECT_EQ(with("wonder", "guess").code(), 401);
  EXPECT_EQ(with("guess", "wonder").code(), 0);
}

// RFC 8489 §9 MUST: attributes that follow MESSAGE-INTEGRITY(-SHA256) are ignored
TEST_F(Rfc8489, UnknownAttributesBehindTheMacAreIgnored) {
  for (const Form& form : {Form{}, modern()}) {
    const Answer answer =
        client.send(client.make_plain(stun::MessageClass::Request, Method::Allocate, [&](auto& b) {
          Client::requested_transport(b);
          b.add(AttributeType::Username, "alice").add(AttributeType::Realm, "example.org");
          b.add(AttributeType::Nonce, client.nonce);
          if (form.algorithms) b.add(AttributeType::PasswordAlgorithms, *form.algorithms);
          if (form.algorithm) b.add(AttributeType::PasswordAlgorithm, *form.algorithm);
          key(form, form.macs[0]).sign(b);
          b.add_flag(static_cast<AttributeType>(0x7001)).add_fingerprint();
        }));
    EXPECT_EQ(answer.code(), 0);
    EXPECT_TRUE(answer.attribute(AttributeType::Fingerprint));
    EXPECT_EQ(refresh(form, 0).code(), 0);
  }
}

// RFC 8489 §14.9 MUST: REALM and NONCE are read up to 763 bytes
TEST_F(Rfc8489, OverlongTextIsABadRequest) {
  Form form;
  form.nonce = std::string(763, 'n');
  EXPECT_EQ(allocate(form).code(), 438);
  form.nonce = std::string(764, 'n');
  EXPECT_EQ(allocate(form).code(), 400);
  form = Form{};
  form.realm = std::string(763, 'r');
  EXPECT_EQ(allocate(form).code(), 401);
  form.realm = std::string(764, 'r');
  EXPECT_EQ(allocate(form).code(), 400);
  form = Form{};
  form.username = "";
  EXPECT_EQ(allocate(form).code(), 401) << "there, and nobody's";
}

TEST_F(Rfc8489, AnEphemeralCredentialHasEverySuiteAndMayExpireUnderItsAllocation) {
  const auth::Minted minted = auth::mint("north", "eve", world.now.wall + seconds(60));
  Form form = modern();
  form.username = minted.username;
  form.password = minted.password;
  ASSERT_EQ(allocate(form).code(), 0);
  world.advance(seconds(61));
  const Answer answer = refresh(form);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_TRUE(key(form, Mac::Sha256).verify(answer.view()));
  form.algorithm = kMd5;  // says MD5, signs with the SHA-256 key
  EXPECT_EQ(refresh(form).code(), 401);
}

// RFC 8656 §5 SHOULD: the nonce expires, by default within an hour
TEST_F(Rfc8489, TheNoncesLifeIsTheOperators) {
  auth::Options options = default_auth();
  options.nonce_lifetime = seconds(7);
  World brief(default_options(), 1, options);
  Client user(brief);
  ASSERT_EQ(user.allocate().code(), 0);
  brief.advance(seconds(7) - std::chrono::nanoseconds(1));
  EXPECT_EQ(user.refresh(600).code(), 0);
  brief.advance(std::chrono::nanoseconds(1));
  const Answer stale = user.refresh(600);
  EXPECT_EQ(stale.code(), 438);
  EXPECT_TRUE(stun::verify_integrity(stale.view(), user.key()));
  user.nonce = as_text(*stale.attribute(AttributeType::Nonce));
  EXPECT_EQ(user.refresh(600).code(), 0);
}

// RFC 8489 §11 MUST: over DTLS, requests without the magic cookie get 500, indications are ignored
TEST_F(Rfc8489, ClassicRequestsOverDtlsAreAServerError) {
  Client dtls(world, "192.12.0.9:40000", Transport::Dtls);
  for (const Method method : {Method::Binding, Method::Allocate}) {
    Bytes bytes = dtls.make_plain(stun::MessageClass::Request, method, [](auto&) {});
    store_be32(&bytes[4], 0xDEADBEEF);
    const Answer answer = dtls.send(bytes);
    EXPECT_EQ(answer.code(), 500);
    EXPECT_EQ(load_be32(&answer.bytes[4]), 0xDEADBEEFU);
    bytes[0] = 0, bytes[1] = static_cast<std::uint8_t>(bytes[1] | 0x10);
    EXPECT_TRUE(dtls.send(bytes).none());
  }
}

// RFC 5389 §12.2 SHOULD: a classic client gets its transaction id of 16 bytes back and MAPPED-ADDRESS
TEST_F(Rfc8489, ClassicAnswersHaveNothingThatClassicClientsDoNotKnow) {
  Bytes bytes = client.make_plain(stun::MessageClass::Request, Method::Binding, [](auto& b) {
    b.add_u32(AttributeType::Priority, 1).add_flag(AttributeType::ChangeRequest);
  });
  store_be32(&bytes[4], 0x01020304);
  const Answer error = client.send(bytes);
  EXPECT_EQ(error.code(), 420);
  EXPECT_EQ(error.types(), (std::vector{AttributeType::ErrorCode, AttributeType::UnknownAttributes}));
  EXPECT_EQ(Bytes(error.bytes.begin() + 4, error.bytes.begin() + 20),
            Bytes(bytes.begin() + 4, bytes.begin() + 20));

  bytes = client.make_plain(stun::MessageClass::Request, Method::Binding, [](auto&) {});
  store_be32(&bytes[4], 0x01020304);
  bytes.resize(28);
  store_be16(&bytes[2], 8);
  store_be16(&bytes[20], static_cast<std::uint16_t>(AttributeType::Fingerprint));
  store_be16(&bytes[22], 4);
  store_be32(&bytes[24], stun::crc32(ByteView(bytes).first(20)) ^ stun::kFingerprintMask);
  const Answer answer = client.send(bytes);
  EXPECT_EQ(answer.types(), std::vector{AttributeType::MappedAddress}) << "no FINGERPRINT";
  EXPECT_EQ(Bytes(answer.bytes.begin() + 4, answer.bytes.begin() + 20),
            Bytes(bytes.begin() + 4, bytes.begin() + 20));
}

}  // namespace
}  // namespace ts::turn::testing
