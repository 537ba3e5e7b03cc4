// SPDX-License-Identifier: Apache-2.0
// The external source of credentials on the core: who causes a question, what waits for its answer, how long
// an answer is good for, and that nobody gets in while there is none.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

using auth::HookAnswer;
using auth::Mac;
using auth::PasswordAlgorithm;
using std::chrono::milliseconds;
using std::chrono::seconds;

auth::Options hook_auth() {
  auth::Options out = default_auth();
  out.hook.url = "https://app.example.org/turn";
  return out;
}

HookAnswer of(HookAnswer::Kind kind) {
  HookAnswer out;
  out.kind = kind;
  return out;
}
HookAnswer found(const std::string& password = "look") {
  HookAnswer out = of(HookAnswer::Kind::Found);
  out.password = password;
  return out;
}
const HookAnswer kNobody = of(HookAnswer::Kind::NoSuchUser);

struct Hook : ::testing::Test {
  Client carol(const std::string& from = "192.12.0.1:2000", Transport transport = Transport::Udp,
               const std::string& password = "look") {
    return Client(w, from, transport, "carol", password);
  }
  std::size_t asked() const { return w.asks.size(); }
  /// Answers the latest question; what came of it on the client's five-tuple.
  Answer answer(const Client& client, const HookAnswer& with) {
    const std::size_t before = w.to_clients.size();
    w.answer_ask(w.asks.back().question, with);
    return client.answer_since(before);
  }
  /// Carol is in the cache.
  void know(const HookAnswer& with = found()) {
    Client first = carol("192.12.0.9:9");
    ASSERT_EQ(first.refresh(600).code(), -1);
    answer(first, with);
  }
  Counters counters() const { return w.server.counters(); }
  std::uint64_t failures(AuthFailure why) const { return counters().auth_failures[index(why)]; }

  World w{default_options(), 1, hook_auth()};
};

TEST_F(Hook, AsksAboutAUserWhomNobodyKnowsAndAnswersLater) {
  Client client = carol();
  EXPECT_EQ(client.allocate().code(), -1);
  ASSERT_EQ(asked(), 1U);
  EXPECT_EQ(w.asks[0].username, "carol");
  EXPECT_EQ(w.asks[0].realm, "example.org");
  EXPECT_EQ(w.asks[0].client, ip("192.12.0.1"));
  EXPECT_EQ(counters().hook_waiting, 1U);
  w.advance(milliseconds(250));
  const Answer allocated = answer(client, found());
  EXPECT_EQ(allocated.code(), 0);
  EXPECT_TRUE(stun::verify_integrity(allocated.view(), client.key()));
  EXPECT_EQ(counters().hook_waiting, 0U);
  EXPECT_EQ(counters().hook_cache_entries, 1U);
  EXPECT_EQ(counters().hook_results[index(HookResult::Found)], 1U);
  EXPECT_EQ(counters().hook_nanoseconds, 250'000'000U);
  // An answer comes once.
  w.answer_ask(w.asks[0].question, kNobody);
  EXPECT_EQ(counters().hook_results[index(HookResult::NoSuchUser)], 0U);
  EXPECT_EQ(client.refresh(0).code(), 0);
  EXPECT_EQ(w.broken_invariant(), "");
}

TEST_F(Hook, IsNotAskedAboutUsersWhoAreKnown) {
  Client alice(w);
  EXPECT_EQ(alice.allocate().code(), 0);
  Client wrong(w, "192.12.0.1:3", Transport::Udp, "alice", "wrong");
  EXPECT_EQ(wrong.allocate().code(), 401);
  const auto minted = auth::mint("north", "dave", w.now.wall + seconds(60));
  Client ephemeral(w, "192.12.0.1:4", Transport::Udp, minted.username, "wrong");
  EXPECT_EQ(ephemeral.allocate().code(), 401);
  w.advance(seconds(61));
  ephemeral.password = minted.password;
  EXPECT_EQ(ephemeral.allocate().code(), 401);
  EXPECT_EQ(asked(), 0U);
}

TEST_F(Hook, IsNotAskedAboutWhatIsNoName) {
  for (const std::string& name : {std::string("a\nb"), std::string("a\x7F"), std::string("\xFF\xFE"),
                                  std::string(":dave"), std::string(509, 'x'), std::string("\"\"")}) {
    Client client(w, "192.12.0.1:4", Transport::Udp, name, "look");
    EXPECT_EQ(client.allocate().code(), 401) << name;
  }
  Client elsewhere = carol();
  elsewhere.realm = "example.com";
  EXPECT_EQ(elsewhere.allocate().code(), 401);
  Client hashed = carol();
  const auto userhash = auth::userhash("carol", "example.org");
  EXPECT_EQ(hashed
                .send(hashed.make_plain(stun::MessageClass::Request, Method::Allocate,
                                        [&](auto& b) {
                                          Client::requested_transport(b);
                                          b.add(AttributeType::Userhash, ByteView(userhash))
                                              .add(AttributeType::Realm, hashed.realm)
                                              .add(AttributeType::Nonce, hashed.nonce)
                                              .add_integrity(hashed.key());
                                        }))
                .code(),
            401);
  EXPECT_EQ(asked(), 0U);
}

TEST_F(Hook, OurNoncesPromiseNoAnonymityThatTheHookCouldNotKeep) {
  auth::Options a = hook_auth();
  a.secrets.clear();
  World other(default_options(), 1, a);
  Client stranger(other);
  const Answer challenge = stranger.send(
      stranger.make_plain(stun::MessageClass::Request, Method::Allocate, Client::requested_transport));
  EXPECT_EQ(as_text(*challenge.attribute(AttributeType::Nonce)).substr(0, 13), "obMatJos2gAAA");
}

TEST_F(Hook, ARetransmissionIsDroppedAndTheAnswerComesOnce) {
  Client client = carol();
  const Bytes request = client.make(Method::Allocate, Client::requested_transport);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client.send(request).none());
  EXPECT_EQ(asked(), 1U);
  const std::size_t before = w.to_clients.size();
  EXPECT_EQ(answer(client, found()).code(), 0);
  EXPECT_EQ(w.to_clients.size(), before + 1);
  // One that comes after the answer is answered alike.
  EXPECT_EQ(client.send(request).code(), 0);
  EXPECT_EQ(w.server.allocation_count(), 1U);
}

TEST_F(Hook, AllWhoComeWithANameWaitForOneAnswer) {
  Client one = carol("192.12.0.1:1");
  Client two = carol("192.12.0.2:1", Transport::Tcp);
  Client wrong = carol("192.12.0.3:1", Transport::Udp, "wrong");
  Client other(w, "192.12.0.4:1", Transport::Udp, "dora", "look");
  for (Client* client : {&one, &two, &wrong, &other}) EXPECT_EQ(client->allocate().code(), -1);
  ASSERT_EQ(asked(), 2U);
  EXPECT_EQ(counters().hook_waiting, 4U);
  w.answer_ask(w.asks[0].question, found());
  EXPECT_EQ(one.answer_since(0).code(), 0);
  EXPECT_EQ(two.answer_since(0).code(), 0);
  EXPECT_EQ(wrong.answer_since(0).code(), 401);
  EXPECT_TRUE(other.answer_since(0).none());
  EXPECT_EQ(counters().hook_waiting, 1U);
  EXPECT_EQ(asked(), 2U);
}

TEST_F(Hook, AnAnswerIsGoodForItsTime) {
  know();
  EXPECT_EQ(carol("192.12.0.1:1").allocate().code(), 0);
  w.advance(seconds(59));
  EXPECT_EQ(carol("192.12.0.1:2").allocate().code(), 0);
  EXPECT_EQ(asked(), 1U);
  w.advance(seconds(1));
  EXPECT_EQ(carol("192.12.0.1:3").allocate().code(), -1);
  EXPECT_EQ(asked(), 2U);
}

TEST_F(Hook, TheAnswerMayShortenItsTimeAndNotLengthenIt) {
  HookAnswer brief = found();
  brief.ttl = seconds(10);
  know(brief);
  w.advance(seconds(9));
  EXPECT_EQ(carol("192.12.0.1:1").allocate().code(), 0);
  w.advance(seconds(1));
  HookAnswer endless = found();
  endless.ttl = seconds(1'000'000);
  know(endless);
  EXPECT_EQ(asked(), 2U);
  w.advance(seconds(60));
  EXPECT_EQ(carol("192.12.0.1:2").allocate().code(), -1);
  EXPECT_EQ(asked(), 3U);
  // Also one that is good for no time is good for those who have waited.
  HookAnswer none = found();
  none.ttl = seconds(0);
  Client client = carol("192.12.0.1:3");
  EXPECT_EQ(client.allocate().code(), -1);
  EXPECT_EQ(answer(client, none).code(), 0);
}

TEST_F(Hook, ThatThereIsNoSuchUserIsRememberedForAShorterTime) {
  Client client = carol();
  EXPECT_EQ(client.allocate().code(), -1);
  const Answer refused = answer(client, kNobody);
  EXPECT_EQ(refused.code(), 401);
  EXPECT_FALSE(refused.attribute(AttributeType::MessageIntegrity));
  EXPECT_TRUE(refused.attribute(AttributeType::Nonce));
  w.advance(milliseconds(4999));
  EXPECT_EQ(client.allocate().code(), 401);
  EXPECT_EQ(asked(), 1U);
  EXPECT_EQ(failures(AuthFailure::UnknownUser), 2U);
  w.advance(milliseconds(1));
  EXPECT_EQ(client.allocate().code(), -1);
  EXPECT_EQ(asked(), 2U);
  EXPECT_EQ(answer(client, found()).code(), 0);
}

TEST_F(Hook, AUserWhoIsNoMoreLeavesTheCache) {
  know();
  w.advance(seconds(2));
  Client wrong = carol("192.12.0.1:1", Transport::Udp, "wrong");
  EXPECT_EQ(wrong.allocate().code(), -1);
  EXPECT_EQ(answer(wrong, kNobody).code(), 401);
  EXPECT_EQ(carol("192.12.0.1:2").allocate().code(), 401);
}

// RFC 8489 §9.2.4 MUST: an invalid nonce is 438 with NONCE and REALM
TEST_F(Hook, NobodyIsAskedForAnAddressThatMayBeForged) {
  Client client = carol();
  client.nonce = w.nonces.make(w.now.mono, ep("192.12.0.66:6")).text();
  const Answer stale = client.allocate();
  EXPECT_EQ(stale.code(), 438);
  EXPECT_EQ(as_text(*stale.attribute(AttributeType::Realm)), "example.org");
  EXPECT_FALSE(stale.attribute(AttributeType::MessageIntegrity));
  EXPECT_EQ(asked(), 0U);
  client.nonce = as_text(*stale.attribute(AttributeType::Nonce));
  EXPECT_EQ(client.allocate().code(), -1);
  EXPECT_EQ(asked(), 1U);
  // What is unsigned is rare, and no longer than the request allows.
  int answers = 0;
  Client forger = carol("192.12.0.77:7");
  forger.nonce = "obMatJos2gAAAnonsense";
  for (int i = 0; i < 500; ++i) {
    const Bytes request = forger.make(Method::Allocate, Client::requested_transport);
    const Answer back = forger.send(request);
    if (back.none()) continue;
    ++answers;
    EXPECT_LE(10 * (back.bytes.size() + 46), 21 * (request.size() + 46));
  }
  EXPECT_LE(answers, 201);
  EXPECT_EQ(asked(), 1U);
}

TEST_F(Hook, NobodyGetsInWhileThereIsNoAnswer) {
  for (const auto kind :
       {HookAnswer::Kind::BadAnswer, HookAnswer::Kind::TimedOut, HookAnswer::Kind::Unreachable}) {
    const std::size_t before = asked();
    Client client = carol();
    const Bytes request = client.make(Method::Allocate, Client::requested_transport);
    EXPECT_EQ(client.send(request).code(), -1);
    ASSERT_EQ(asked(), before + 1);
    const Answer busy = answer(client, of(kind));
    EXPECT_EQ(busy.code(), 500);
    EXPECT_LT(busy.bytes.size(), request.size());
    EXPECT_FALSE(busy.attribute(AttributeType::MessageIntegrity));
    // Not asked again at once.
    w.advance(milliseconds(999));
    EXPECT_EQ(client.allocate().code(), 500);
    EXPECT_EQ(asked(), before + 1);
    w.advance(milliseconds(1));
  }
  EXPECT_EQ(failures(AuthFailure::SourceBusy), 6U);
  EXPECT_EQ(counters().hook_results[index(HookResult::BadAnswer)], 1U);
  EXPECT_EQ(counters().hook_results[index(HookResult::TimedOut)], 1U);
  EXPECT_EQ(counters().hook_results[index(HookResult::Unreachable)], 1U);
  // And it comes back.
  Client client = carol();
  EXPECT_EQ(client.allocate().code(), -1);
  EXPECT_EQ(answer(client, found()).code(), 0);
}

TEST_F(Hook, ADeadHookIsAskedRarely) {
  const auto user = [&](int i) {
    return Client(w, "192.12.0.1:" + std::to_string(100 + i), Transport::Udp, "user" + std::to_string(i),
                  "x");
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(user(i).allocate().code(), -1);
    w.answer_ask(w.asks.back().question, of(HookAnswer::Kind::Unreachable));
  }
  EXPECT_EQ(asked(), 3U);
  EXPECT_EQ(user(3).allocate().code(), 500);
  EXPECT_EQ(asked(), 3U);
  // After a second one question at a time goes out.
  w.advance(seconds(1));
  EXPECT_EQ(user(4).allocate().code(), -1);
  EXPECT_EQ(user(5).allocate().code(), 500);
  EXPECT_EQ(asked(), 4U);
  w.answer_ask(w.asks.back().question, of(HookAnswer::Kind::TimedOut));
  EXPECT_EQ(user(6).allocate().code(), 500);
  w.advance(seconds(1));
  EXPECT_EQ(user(7).allocate().code(), -1);
  w.answer_ask(w.asks.back().question, kNobody);
  for (int i = 8; i < 12; ++i) EXPECT_EQ(user(i).allocate().code(), -1);
  EXPECT_EQ(asked(), 9U);
}

TEST_F(Hook, ABadAnswerAboutOneUserIsNoMatterForOthers) {
  for (int i = 0; i < 10; ++i) {
    Client client(w, "192.12.0.1:" + std::to_string(100 + i), Transport::Udp, "u" + std::to_string(i), "x");
    EXPECT_EQ(client.allocate().code(), -1);
    EXPECT_EQ(answer(client, of(HookAnswer::Kind::BadAnswer)).code(), 500);
  }
  EXPECT_EQ(asked(), 10U);
}

TEST_F(Hook, AWrongPasswordIsRefusedAtOnceAndAskedAboutOnceASecond) {
  know();
  Client wrong = carol("192.12.0.1:1", Transport::Udp, "new");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(wrong.allocate().code(), 401);
  EXPECT_EQ(failures(AuthFailure::WrongPassword), 5U);
  EXPECT_EQ(asked(), 1U);
  w.advance(seconds(1));
  EXPECT_EQ(wrong.allocate().code(), -1);
  ASSERT_EQ(asked(), 2U);
  // Whoever has the right one goes on meanwhile.
  EXPECT_EQ(carol("192.12.0.1:2").allocate().code(), 0);
  EXPECT_EQ(answer(wrong, found()).code(), 401);
  EXPECT_EQ(wrong.allocate().code(), 401);
  EXPECT_EQ(asked(), 2U);
  // The password has been changed: noticed, long before the old one's time is over.
  w.advance(seconds(1));
  EXPECT_EQ(wrong.allocate().code(), -1);
  EXPECT_EQ(answer(wrong, found("new")).code(), 0);
  EXPECT_EQ(carol("192.12.0.1:3").allocate().code(), 401);
}

TEST_F(Hook, AKnownUserStaysKnownWhileTheHookIsDead) {
  know();
  w.advance(seconds(5));
  Client wrong = carol("192.12.0.1:1", Transport::Udp, "wrong");
  EXPECT_EQ(wrong.allocate().code(), -1);
  EXPECT_EQ(answer(wrong, of(HookAnswer::Kind::TimedOut)).code(), 401);
  EXPECT_EQ(carol("192.12.0.1:2").allocate().code(), 0);
  EXPECT_EQ(wrong.allocate().code(), 401);
  EXPECT_EQ(asked(), 2U);
  // But not for longer than was granted.
  w.advance(seconds(55));
  Client right = carol("192.12.0.1:3");
  EXPECT_EQ(right.allocate().code(), -1);
  EXPECT_EQ(answer(right, of(HookAnswer::Kind::TimedOut)).code(), 500);
}

TEST_F(Hook, AnAllocationLivesOnWithoutTheHook) {
  Client client = carol();
  EXPECT_EQ(client.allocate().code(), -1);
  EXPECT_EQ(answer(client, found()).code(), 0);
  for (int i = 0; i < 5; ++i) {
    w.advance(seconds(300));
    EXPECT_EQ(client.refresh(600).code(), 0);
  }
  EXPECT_EQ(asked(), 1U);
}

TEST_F(Hook, ACredentialEnds) {
  HookAnswer ending = found();
  ending.expires = w.now.wall + seconds(10);
  Client client = carol();
  EXPECT_EQ(client.allocate().code(), -1);
  EXPECT_EQ(answer(client, ending).code(), 0);
  w.advance(seconds(10));
  // Whose end has come is asked about again: there may be a new one.
  Client late = carol("192.12.0.1:1");
  EXPECT_EQ(late.allocate().code(), -1);
  EXPECT_EQ(answer(late, ending).code(), 401);
  EXPECT_EQ(failures(AuthFailure::Expired), 1U);
  EXPECT_EQ(late.allocate().code(), 401);
  EXPECT_EQ(asked(), 2U);
  w.advance(seconds(5));
  EXPECT_EQ(late.allocate().code(), -1);
  // The wall clock's jump is looked at too.
  ending.expires = w.now.wall + seconds(30);
  EXPECT_EQ(answer(late, ending).code(), 0);
  w.now.wall += seconds(3600);
  EXPECT_EQ(carol("192.12.0.1:2").allocate().code(), 401);
  EXPECT_EQ(failures(AuthFailure::Expired), 3U);
}

TEST_F(Hook, APolicyHolds) {
  HookAnswer strict = found();
  strict.policy.clients = {IpNetwork::parse("192.12.0.0/24").value()};
  strict.policy.max_allocations = 1;
  strict.policy.peers = {IpNetwork::parse("8.8.0.0/16").value()};
  strict.policy.room = "lobby";
  know(strict);
  Client client = carol();
  EXPECT_EQ(client.allocate().code(), 0);
  EXPECT_EQ(client.permit({ep("8.8.4.4:5")}).code(), 0);
  EXPECT_EQ(client.permit({ep("9.9.9.9:5")}).code(), 403);
  EXPECT_EQ(carol("192.12.0.1:2").allocate().code(), 486);
  EXPECT_EQ(carol("198.41.0.99:2").allocate().code(), 403);
  // Revocation ends what lives and refuses what is cached.
  Outbox out;
  w.server.revoke(w.now, Revocation{Revocation::Kind::Room, "lobby", w.now.wall + seconds(60)}, out);
  EXPECT_EQ(w.server.allocation_count(), 0U);
  EXPECT_EQ(carol("192.12.0.1:3").allocate().code(), 403);
  EXPECT_EQ(asked(), 1U);
}

TEST_F(Hook, ARevokedUserIsRefusedWhenTheAnswerComes) {
  Client client = carol();
  EXPECT_EQ(client.allocate().code(), -1);
  Outbox out;
  w.server.revoke(w.now, Revocation{Revocation::Kind::User, "carol", w.now.wall + seconds(60)}, out);
  EXPECT_EQ(answer(client, found()).code(), 403);
}

TEST_F(Hook, KeysWillDoInsteadOfThePassword) {
  const auto allocate = [&](PasswordAlgorithm made_by, Mac mac, const std::string& from) {
    Client client = carol(from);
    return client.send(client.make_plain(stun::MessageClass::Request, Method::Allocate, [&](auto& b) {
      Client::requested_transport(b);
      b.add(AttributeType::Username, client.username)
          .add(AttributeType::Realm, client.realm)
          .add(AttributeType::Nonce, client.nonce);
      if (mac == Mac::Sha256) {
        b.add(AttributeType::PasswordAlgorithms, ByteView(auth::kPasswordAlgorithms))
            .add_u32(AttributeType::PasswordAlgorithm,
                     std::uint32_t{static_cast<std::uint16_t>(made_by)} << 16);
      }
      auth::message_key("carol", "example.org", "look", made_by, mac).sign(b);
    }));
  };
  HookAnswer keys = of(HookAnswer::Kind::Found);
  keys.md5_key = md5({as_bytes("carol:example.org:look")});
  know(keys);
  EXPECT_EQ(allocate(PasswordAlgorithm::Md5, Mac::Sha1, "192.12.0.1:1").code(), 0);
  EXPECT_EQ(allocate(PasswordAlgorithm::Md5, Mac::Sha256, "192.12.0.1:2").code(), 0);
  EXPECT_EQ(allocate(PasswordAlgorithm::Sha256, Mac::Sha256, "192.12.0.1:3").code(), 401);
  w.advance(seconds(60));
  keys.md5_key.reset();
  keys.sha256_key = sha256({as_bytes("carol:example.org:look")});
  know(keys);
  EXPECT_EQ(allocate(PasswordAlgorithm::Sha256, Mac::Sha256, "192.12.0.1:4").code(), 0);
  EXPECT_EQ(allocate(PasswordAlgorithm::Md5, Mac::Sha1, "192.12.0.1:5").code(), 401);
  w.advance(seconds(60));
  know(found());
  EXPECT_EQ(allocate(PasswordAlgorithm::Sha256, Mac::Sha256, "192.12.0.1:6").code(), 0);
  EXPECT_EQ(allocate(PasswordAlgorithm::Md5, Mac::Sha1, "192.12.0.1:7").code(), 0);
  EXPECT_EQ(asked(), 3U);
}

TEST_F(Hook, NothingIsAnsweredIntoAStreamThatCameAfter) {
  Client client = carol("192.12.0.1:1", Transport::Tcp);
  EXPECT_EQ(client.allocate().code(), -1);
  w.client_closed(client.tuple);
  EXPECT_EQ(counters().hook_waiting, 0U);
  // Somebody else has the five-tuple now.
  const std::size_t before = w.to_clients.size();
  w.answer_ask(w.asks.back().question, found());
  EXPECT_EQ(w.to_clients.size(), before);
  EXPECT_EQ(w.server.allocation_count(), 0U);
  // The answer is of use to those who come later.
  EXPECT_EQ(carol("192.12.0.1:2").allocate().code(), 0);
}

TEST_F(Hook, AStreamHasOneRequestWaiting) {
  Client client = carol("192.12.0.1:1", Transport::Tls);
  EXPECT_EQ(client.allocate().code(), -1);
  EXPECT_EQ(client.allocate().code(), 500);
  EXPECT_EQ(failures(AuthFailure::SourceBusy), 1U);
  EXPECT_EQ(counters().hook_waiting, 1U);
  EXPECT_EQ(answer(client, found()).code(), 0);
  // A datagram will come again.
  Client udp(w, "192.12.0.1:1", Transport::Udp, "dora", "look");
  EXPECT_EQ(udp.allocate().code(), -1);
  EXPECT_EQ(udp.allocate().code(), -1);
  EXPECT_EQ(counters().hook_waiting, 1U);
}

TEST_F(Hook, AConnectionBindAsksNobodyAndEndsTheWaiting) {
  Client client = carol("192.12.0.1:1", Transport::Tcp);
  EXPECT_EQ(client.allocate().code(), -1);
  EXPECT_EQ(counters().hook_waiting, 1U);
  const Answer bind = client.request(Method::ConnectionBind,
                                     [](auto& b) { b.add_u32(AttributeType::ConnectionId, 0x00000001); });
  EXPECT_EQ(bind.code(), 401);
  EXPECT_EQ(counters().hook_waiting, 0U);
  EXPECT_EQ(asked(), 1U);
  EXPECT_TRUE(answer(client, found()).none());
  EXPECT_EQ(w.server.allocation_count(), 0U);
}

TEST_F(Hook, OnlySoManyWait) {
  int parked = 0;
  int refused = 0;
  // Of one source, with one name.
  for (int i = 0; i < 70; ++i) {
    const int code = carol("192.12.0.1:" + std::to_string(1000 + i)).allocate().code();
    ++(code == -1 ? parked : refused);
  }
  EXPECT_EQ(parked, 64);
  EXPECT_EQ(refused, 6);
  EXPECT_EQ(asked(), 1U);
  // A /64 is one source.
  for (int i = 0; i < 70; ++i) {
    const std::string from = "[2620:fe:0:1::" + std::to_string(i) + "]:9";
    parked += carol(from).allocate().code() == -1 ? 1 : 0;
  }
  EXPECT_EQ(parked, 128);
  // Of all.
  for (int i = 0; i < 250; ++i)
    parked += carol("192.12.1." + std::to_string(i) + ":9").allocate().code() == -1;
  EXPECT_EQ(parked, 256);
  EXPECT_EQ(counters().hook_waiting, 256U);
  const std::size_t before = w.to_clients.size();
  w.answer_ask(w.asks[0].question, kNobody);
  EXPECT_EQ(counters().hook_waiting, 0U);
  EXPECT_EQ(w.to_clients.size(), before + 256);
}

TEST_F(Hook, OneSourceCausesOnlySoManyQuestions) {
  int waiting = 0;
  for (int i = 0; i < 300; ++i) {
    Client client(w, "192.12.0.1:" + std::to_string(1000 + i), Transport::Udp, "u" + std::to_string(i), "x");
    if (client.allocate().code() != -1) continue;
    ++waiting;
    w.answer_ask(w.asks.back().question, kNobody);
  }
  // Twice of what is allowed in a second at once.
  EXPECT_EQ(asked(), 100U);
  EXPECT_GE(waiting, 100);
  Client elsewhere(w, "192.12.0.2:1", Transport::Udp, "dora", "x");
  EXPECT_EQ(elsewhere.allocate().code(), -1);
  EXPECT_EQ(asked(), 101U);
}

TEST_F(Hook, ALongRequestDoesNotWait) {
  Client client = carol();
  const Answer busy = client.request(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    for (int i = 0; i < 3; ++i) b.add(AttributeType::Software, std::string(700, 'x'));
  });
  EXPECT_EQ(busy.code(), 500);
  EXPECT_EQ(asked(), 0U);
}

TEST_F(Hook, TheCacheIsBounded) {
  auth::HookCache cache(w.auth_options.hook, as_bytes("seed"));
  const auto named = [&](int i) { return cache.name("example.org", "user" + std::to_string(i)); };
  constexpr int kMany = static_cast<int>(auth::HookCache::kMaxEntries) + 100;
  for (int i = 0; i < kMany; ++i) cache.add(named(i), "example.org", "u", kNobody, w.now);
  EXPECT_EQ(cache.size(), auth::HookCache::kMaxEntries);
  EXPECT_FALSE(cache.refused(named(99), w.now.mono));
  EXPECT_TRUE(cache.refused(named(100), w.now.mono));
  // Names whom nobody has push no user out.
  cache.add(named(0), "example.org", "user0", found(), w.now);
  for (int i = 1; i < kMany; ++i) cache.add(named(i), "example.org", "u", kNobody, w.now);
  EXPECT_FALSE(cache.may_doubt(named(0), w.now.mono));
  for (int i = 1; i < kMany; ++i) cache.add(named(i), "example.org", "u", found(), w.now);
  EXPECT_EQ(cache.size(), auth::HookCache::kMaxEntries);
  EXPECT_TRUE(cache.may_doubt(named(0), w.now.mono));
  EXPECT_NE(cache.name("a", "bc"), cache.name("ab", "c"));
}

TEST_F(Hook, WhatWaitsAtTheEndIsForgotten) {
  Client client = carol();
  EXPECT_EQ(client.allocate().code(), -1);
  w.shut_down();
  EXPECT_EQ(counters().hook_waiting, 0U);
  EXPECT_TRUE(answer(client, found()).none());
}

TEST_F(Hook, WithoutAHookNobodyIsAsked) {
  World plain;
  Client client(plain, "192.12.0.1:1", Transport::Udp, "carol", "look");
  EXPECT_EQ(client.allocate().code(), 401);
  EXPECT_TRUE(plain.asks.empty());
  plain.answer_ask(0, found());
}

// A client that has moved to another shard is asked about there, and its move goes on (RFC 8016).
TEST_F(Hook, AMoveToAnotherShardWaitsToo) {
  Options o = default_options();
  o.mobility = true;
  const SivKey tickets(w.random.bytes<SivKey::kKeyBytes>());
  LocalLedger ledger(o);
  std::array<std::unique_ptr<Server>, 2> shards;
  for (const std::uint8_t i : {std::uint8_t{0}, std::uint8_t{1}}) {
    shards[i] = std::make_unique<Server>(Surroundings{o, w.credentials, w.nonces, ledger, w.random, i, 2,
                                                      &tickets, nullptr, &w.auth_options.hook});
  }
  Outbox out;
  const auto last = [&] {
    const ByteView bytes = out.to_clients.back().bytes;
    return Answer{Bytes(bytes.begin(), bytes.end())};
  };
  Client client = carol("192.12.0.1:1");
  const Bytes allocate = client.make(Method::Allocate, [](auto& b) {
    Client::requested_transport(b);
    b.add_flag(AttributeType::MobilityTicket);
  });
  shards[0]->from_client(w.now, Inbound{client.tuple, 7, allocate}, out);
  ASSERT_EQ(out.asks.size(), 1U);
  shards[0]->credential_answered(w.now, out.asks[0].question, found(), out);
  shards[0]->relay_opened(w.now, out.open_relays.at(0).relay, out);
  ASSERT_EQ(last().code(), 0);
  const Answer allocated = last();
  const ByteView value = *allocated.attribute(AttributeType::MobilityTicket);
  const Bytes ticket(value.begin(), value.end());
  out.clear();

  Client moved = carol("192.12.0.1:2");
  const Bytes refresh =
      moved.make(Method::Refresh, [&](auto& b) { b.add(AttributeType::MobilityTicket, ByteView(ticket)); });
  shards[1]->from_client(w.now, Inbound{moved.tuple, 8, refresh}, out);
  ASSERT_EQ(out.asks.size(), 1U);
  EXPECT_TRUE(out.to_clients.empty());
  shards[1]->credential_answered(w.now, out.asks[0].question, found(), out);
  ASSERT_EQ(out.letters.size(), 1U);
  Letter query = std::move(out.letters[0]);
  out.clear();
  shards[0]->receive(w.now, query, out);
  ASSERT_EQ(out.letters.size(), 1U);
  Letter reply = std::move(out.letters[0]);
  out.clear();
  shards[1]->receive(w.now, reply, out);
  ASSERT_EQ(out.to_clients.size(), 1U);
  EXPECT_EQ(last().code(), 0);
  EXPECT_EQ(out.to_clients.back().route, 8U);
  EXPECT_TRUE(out.asks.empty());
}

}  // namespace
}  // namespace ts::turn::testing
