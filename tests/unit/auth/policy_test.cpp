// SPDX-License-Identifier: Apache-2.0
// Policies in the usernames of ephemeral credentials.
#include <cstring>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/stun/builder.hpp>

namespace ts::auth {
namespace {

using std::chrono::seconds;

constexpr WallTime kNow{seconds{1'700'000'000}};
constexpr WallTime kLater{seconds{1'700'003'600}};

/// Parses from a buffer of exactly the text's size.
std::optional<Policy> parse(std::string_view text) {
  const auto exact = std::make_unique<char[]>(text.size());
  if (!text.empty()) std::memcpy(exact.get(), text.data(), text.size());
  return parse_policy({exact.get(), text.size()});
}

Policy full() {
  Policy out;
  out.room = "R";
  out.member = "M";
  out.peers = {*IpNetwork::parse("10.0.0.0/8"), *IpNetwork::parse("2001:db8::/32")};
  out.max_bits_per_second = 2'000'000;
  out.max_packets_per_second = 500;
  out.max_allocations = 2;
  out.clients = {*IpNetwork::parse("203.0.113.7")};
  return out;
}

TEST(Policy, ReadsEveryKey) {
  EXPECT_EQ(parse("room=R;member=M;peers=10.0.0.0/8+2001:db8::/32;bps=2000000;pps=500;allocations=2;"
                  "ip=203.0.113.7"),
            full());
  EXPECT_EQ(parse("ip=203.0.113.7/32;allocations=2;pps=500;bps=2000000;peers=10.0.0.0/8+2001:db8::/32;"
                  "member=M;room=R"),
            full());
  EXPECT_EQ(parse("room=a%20%3b%3D%25b:c@d").value().room, "a ;=%b:c@d");
  EXPECT_EQ(parse("bps=1000000000000").value().max_bits_per_second, kMaxPolicyBitsPerSecond);
  EXPECT_EQ(parse("pps=4294967295").value().max_packets_per_second, 4294967295U);
  EXPECT_EQ(parse("room=" + std::string(kMaxPolicyNameBytes, 'x')).value().room.size(), kMaxPolicyNameBytes);
}

TEST(Policy, WhatIsNotUnderstoodIsNoPolicy) {
  const std::string bad[] = {"",
                             ";",
                             "room",
                             "room=",
                             "room=a;",
                             ";room=a",
                             "room=a;;pps=1",
                             "room=a;room=a",
                             "room=a;member=b;room=c",
                             "Room=a",
                             "rooms=a",
                             "=a",
                             "room=a=b",
                             "room=%",
                             "room=%4",
                             "room=a%4",
                             "room=%4g",
                             "room=%zz",
                             "room=" + std::string(kMaxPolicyNameBytes + 1, 'x'),
                             "peers=",
                             "peers=10.0.0.0/8+",
                             "peers=+10.0.0.0/8",
                             "peers=10.0.0.0/8,11.0.0.0/8",
                             "peers=10.0.0.1/8",
                             "peers=10.0.0.0/33",
                             "peers=host.example",
                             "ip=",
                             "ip=1.2.3",
                             "ip=1.2.3.4:5",
                             "bps=0",
                             "bps=-1",
                             "bps=+1",
                             "bps=1.5",
                             "bps=1k",
                             "bps= 1",
                             "bps=1000000000001",
                             "bps=18446744073709551616",
                             "pps=4294967296",
                             "pps=0",
                             "allocations=0",
                             "allocations=4294967297",
                             "ts1",
                             "room=a;ts1;room=b",
                             std::string("room=a\0;x=", 10)};
  for (const std::string& text : bad) EXPECT_FALSE(parse(text)) << text;
}

TEST(Policy, WritesWhatItReads) {
  EXPECT_EQ(format_policy({}), "");
  EXPECT_EQ(format_policy(full()),
            ";ts1;room=R;member=M;peers=10.0.0.0/8+2001:db8::/32;bps=2000000;pps=500;allocations=2;"
            "ip=203.0.113.7/32");
  Policy odd;
  odd.room = "a b;c=d%e\xC3\xA4\n";
  EXPECT_EQ(format_policy(odd), ";ts1;room=a%20b%3Bc%3Dd%25e%C3%A4%0A");
  EXPECT_EQ(parse(std::string_view(format_policy(odd)).substr(kPolicyMarker.size())), odd);
}

TEST(Policy, IsClosedOrDoesNotSay) {
  Policy closed;
  closed.closed = true;
  EXPECT_FALSE(closed.empty());
  EXPECT_EQ(format_policy(closed), ";ts1;closed=1");
  EXPECT_EQ(parse("closed=1"), closed);
  for (const char* text : {"closed", "closed=", "closed=0", "closed=01", "closed=true", "closed=1;closed=1"})
    EXPECT_FALSE(parse(text)) << text;
  EXPECT_EQ(parse_policy_json(R"({"closed":true})"), closed);
  for (const char* text : {R"({"closed":false})", R"({"closed":1})", R"({"closed":"1"})"})
    EXPECT_FALSE(parse_policy_json(text)) << text;
}

TEST(Policy, SplitsAtTheFirstMarker) {
  EXPECT_FALSE(split_username("1:alice").policy);
  EXPECT_FALSE(split_username("1:alice;ts1").policy);
  EXPECT_FALSE(split_username("1:alice;ts2;room=a").policy);
  EXPECT_EQ(split_username("1:alice;ts1;").policy, "");
  const auto split = split_username("1:alice;ts1;room=a;ts1;room=b");
  EXPECT_EQ(split.name, "1:alice");
  EXPECT_EQ(split.policy, "room=a;ts1;room=b");
}

TEST(Policy, JudgesAddresses) {
  const Policy p = full();
  EXPECT_TRUE(p.admits_peer(*IpAddress::parse("10.1.2.3")));
  EXPECT_TRUE(p.admits_peer(*IpAddress::parse("2001:db8::1")));
  EXPECT_FALSE(p.admits_peer(*IpAddress::parse("11.1.2.3")));
  EXPECT_FALSE(p.admits_peer(*IpAddress::parse("2001:db9::1")));
  EXPECT_TRUE(p.admits_client(*IpAddress::parse("203.0.113.7")));
  EXPECT_TRUE(p.admits_client(*IpAddress::parse("::ffff:203.0.113.7")));
  EXPECT_FALSE(p.admits_client(*IpAddress::parse("203.0.113.8")));
  EXPECT_FALSE(p.admits_client(*IpAddress::parse("2001:db8::1")));
  EXPECT_TRUE(Policy{}.admits_client(*IpAddress::parse("2001:db8::1")));
  EXPECT_TRUE(Policy{}.admits_peer(*IpAddress::parse("2001:db8::1")));
}

/// What becomes of an Allocate with these credentials.
Result<Principal, Failure> log_in(const Minted& minted) {
  Options options;
  options.realm = "example.org";
  options.users = {{"1700000000:static;ts1;nonsense", "wonder"}};
  options.secrets = {"north", "former"};
  static std::vector<std::unique_ptr<Credentials>> kept;
  const Credentials& credentials = *kept.emplace_back(std::make_unique<Credentials>(options));
  std::array<std::uint8_t, 1024> bytes{};
  stun::MessageBuilder builder(bytes, stun::MessageClass::Request, stun::Method::Allocate, {});
  builder.add(stun::AttributeType::Username, minted.username)
      .add_integrity(long_term_key(minted.username, options.realm, minted.password));
  return credentials.authenticate(*stun::MessageView::parse(builder.finish()), minted.username, kNow);
}

/// A credential with any username, signed with the shared secret.
Minted signed_by_secret(const std::string& username) {
  const HmacSha1Key key(as_bytes("north"));
  return {username, base64(key.sign({as_bytes(username)}))};
}

TEST(PolicyCredential, CarriesItsPolicy) {
  const auto minted = mint("north", "alice", full(), kLater);
  ASSERT_TRUE(minted);
  EXPECT_EQ(minted->username, "1700003600:alice" + format_policy(full()));
  const auto principal = log_in(*minted);
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->account, ":alice");
  ASSERT_NE(principal->policy, nullptr);
  EXPECT_EQ(*principal->policy, full());
}

TEST(PolicyCredential, IsWhatTheExamplesOfTheDocumentationMint) {
  Policy policy;
  policy.room = "a;b%";
  policy.peers = {*IpNetwork::parse("8.8.0.0/16"), *IpNetwork::parse("2001:db8::/32")};
  policy.max_bits_per_second = 2'000'000;
  const auto minted = mint("north", "alice", policy, kLater).value();
  EXPECT_EQ(minted.username, "1700003600:alice;ts1;room=a%3Bb%25;peers=8.8.0.0/16+2001:db8::/32;bps=2000000");
  EXPECT_EQ(minted.password, "MK7NlUNF6xP7AcgwRiNOYPd3BY8=");
}

TEST(PolicyCredential, WithoutPolicyThereIsNone) {
  const auto minted = mint("north", "alice", Policy{}, kLater);
  ASSERT_TRUE(minted);
  EXPECT_EQ(minted->username, mint("north", "alice", kLater).username);
  const auto principal = log_in(*minted);
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->policy, nullptr);
}

TEST(PolicyCredential, ABrokenPolicyLetsNobodyIn) {
  for (const char* tail :
       {";ts1;", ";ts1;bps=0", ";ts1;later=1", ";ts1;room=a;room=a", ";ts1;room=a;ts1;pps=1"}) {
    const auto principal = log_in(signed_by_secret(std::string("1700003600:alice") + tail));
    ASSERT_FALSE(principal) << tail;
    EXPECT_EQ(principal.error(), Failure::BadPolicy) << tail;
  }
  const std::string longest = "1700003600:" + std::string(508 - 11 - 12, 'u') + ";ts1;room=ab";
  ASSERT_EQ(longest.size(), kMaxPolicyUsernameBytes);
  EXPECT_TRUE(log_in(signed_by_secret(longest)));
  EXPECT_EQ(log_in(signed_by_secret(longest + "c")).error(), Failure::BadPolicy);
}

TEST(PolicyCredential, NobodyElseCanChangeIt) {
  auto minted = mint("north", "alice", full(), kLater).value();
  minted.username = minted.username.substr(0, minted.username.find(";ts1;"));
  EXPECT_EQ(log_in(minted).error(), Failure::WrongPassword);
}

TEST(PolicyCredential, ExpiryAndAccountStandBeforeThePolicy) {
  EXPECT_EQ(log_in(signed_by_secret("1700000000:alice;ts1;room=a")).error(), Failure::Expired);
  EXPECT_EQ(log_in(signed_by_secret("x1700003600:alice;ts1;room=a")).error(), Failure::UnknownUser);
  // Without a user, a credential counts by itself; the colon of an address is not the user's.
  const auto unnamed = signed_by_secret("1700003600;ts1;ip=2001:db8::1");
  EXPECT_EQ(log_in(unnamed)->account, unnamed.username);
  const auto blank = signed_by_secret("1700003600:;ts1;room=a");
  EXPECT_EQ(log_in(blank)->account, blank.username);
}

TEST(PolicyCredential, StaticUsersHaveNone) {
  const auto principal = log_in({"1700000000:static;ts1;nonsense", "wonder"});
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->policy, nullptr);
}

TEST(PolicyCredential, AUserCannotNameAPolicy) {
  const std::string evil = "eve;ts1;room=lobby";
  EXPECT_EQ(mint("north", evil, kLater).username, "1700003600:eve%3Bts1;room=lobby");
  EXPECT_EQ(log_in(mint("north", evil, kLater))->policy, nullptr);
  Policy policy;
  policy.room = "cellar";
  const auto minted = mint("north", evil, policy, kLater).value();
  const auto principal = log_in(minted);
  ASSERT_TRUE(principal);
  EXPECT_EQ(*principal->policy, policy);
  EXPECT_EQ(principal->account, ":eve%3Bts1;room=lobby");
  // "…;ts1" and the marker's semicolon make a marker too soon.
  EXPECT_FALSE(mint("north", "eve;ts1", policy, kLater));
}

TEST(PolicyCredential, RefusesToMintWhatCouldNotBeRead) {
  Policy policy;
  policy.room = std::string(kMaxPolicyNameBytes + 1, 'r');
  EXPECT_FALSE(mint("north", "alice", policy, kLater));
  policy = {};
  policy.max_bits_per_second = kMaxPolicyBitsPerSecond + 1;
  EXPECT_FALSE(mint("north", "alice", policy, kLater));
  policy = {};
  policy.room = "a";
  EXPECT_FALSE(mint("north", std::string(500, 'u'), policy, kLater));
}

}  // namespace
}  // namespace ts::auth
