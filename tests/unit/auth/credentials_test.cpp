// SPDX-License-Identifier: Apache-2.0
// Static users, ephemeral credentials (draft-uberti-behave-turn-rest-00 §2.2) and RFC 5769 §2.4.
#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/integrity.hpp>

namespace ts::auth {
namespace {

using std::chrono::seconds;

constexpr WallTime kNow{seconds{1'700'000'000}};

/// An Allocate of the user, signed with the password's key.
class Signed {
 public:
  Signed(std::string_view username, std::string_view realm, std::string_view password)
      : Signed(username, long_term_key(username, realm, password)) {}
  Signed(std::string_view username, const HmacSha1Key& key) {
    stun::MessageBuilder builder(bytes_, stun::MessageClass::Request, stun::Method::Allocate, {});
    builder.add(stun::AttributeType::Username, username).add_integrity(key);
    view_ = *stun::MessageView::parse(builder.finish());
  }
  const stun::MessageView& view() const { return view_; }

 private:
  std::array<std::uint8_t, 1024> bytes_{};
  stun::MessageView view_;
};

Options options() {
  Options out;
  out.realm = "example.org";
  out.users = {{"alice", "wonder"}, {"bob", "builder"}};
  out.secrets = {"north", "former"};
  return out;
}

// RFC 8489 §9.2.2 MUST: the long-term key is the hash of username, realm and password
TEST(LongTermKey, MatchesRfc5769Section24) {
  // The MESSAGE-INTEGRITY of RFC 5769 §2.4 over its first 96 bytes, whose length field counts up to it.
  const std::vector<std::uint8_t> covered = {
      0x00, 0x01, 0x00, 0x60, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0,
      0x29, 0xda, 0x41, 0x2e, 0x00, 0x06, 0x00, 0x12, 0xe3, 0x83, 0x9e, 0xe3, 0x83, 0x88, 0xe3, 0x83,
      0xaa, 0xe3, 0x83, 0x83, 0xe3, 0x82, 0xaf, 0xe3, 0x82, 0xb9, 0x00, 0x00, 0x00, 0x15, 0x00, 0x1c,
      0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39, 0x6b, 0x39, 0x35, 0x34, 0x64, 0x36, 0x4f, 0x4c, 0x33, 0x34,
      0x6f, 0x4c, 0x39, 0x46, 0x53, 0x54, 0x76, 0x79, 0x36, 0x34, 0x73, 0x41, 0x00, 0x14, 0x00, 0x0b,
      0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x00};
  const Sha1Digest expected = {0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6, 0x4a, 0x3e, 0x02, 0xb8,
                               0xe0, 0x71, 0x2e, 0x85, 0xc9, 0xa2, 0x8c, 0xa8, 0x96, 0x66};
  const HmacSha1Key key = long_term_key(
      "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9", "example.org", "TheMatrIX");
  EXPECT_EQ(key.sign({covered}), expected);
}

TEST(Mint, MatchesTheDraftsConstruction) {
  // base64(HMAC-SHA1("north", username)), computed with another implementation.
  const Minted minted = mint("north", "user", WallTime{seconds{1'433'895'918}});
  EXPECT_EQ(minted.username, "1433895918:user");
  EXPECT_EQ(minted.password, "/gk4t5tUc08OpM3NjrVjHSFVNmY=");
  EXPECT_EQ(mint("logen", "ninefingers", WallTime{seconds{1'433'065'916}}).password,
            "d9e+ANbXfEdV1hQItfU0bINZWO4=");
}

TEST(Mint, WithoutAUserIsTheExpiryAlone) {
  EXPECT_EQ(mint("north", "", WallTime{seconds{12}}).username, "12");
}

TEST(Credentials, StaticUserWithTheRightPasswordIsThePrincipal) {
  const Credentials credentials(options());
  const Signed message("alice", "example.org", "wonder");
  const auto who = credentials.authenticate(message.view(), "alice", kNow);
  ASSERT_TRUE(who);
  EXPECT_EQ(who->account, "alice");
  EXPECT_EQ(who->username, "alice");
  EXPECT_TRUE(who->key.verify(message.view()));
}

TEST(Credentials, SayWhyNot) {
  const Credentials credentials(options());
  const struct {
    const char* username;
    const char* realm;
    const char* password;
    Failure failure;
  } table[] = {
      {"alice", "example.org", "Wonder", Failure::WrongPassword},
      {"alice", "example.com", "wonder", Failure::WrongPassword},
      {"alice", "example.org", "builder", Failure::WrongPassword},
      {"alice", "example.org", "", Failure::WrongPassword},
      {"carol", "example.org", "wonder", Failure::UnknownUser},
      {"Alice", "example.org", "wonder", Failure::UnknownUser},
      {"alice ", "example.org", "wonder", Failure::UnknownUser},
      {"", "example.org", "", Failure::UnknownUser},
      {":", "example.org", "", Failure::UnknownUser},
      {":alice", "example.org", "", Failure::UnknownUser},
      {"-1:alice", "example.org", "", Failure::UnknownUser},
      {"+1900000000:alice", "example.org", "", Failure::UnknownUser},
      {" 1900000000:alice", "example.org", "", Failure::UnknownUser},
      {"1900000000 :alice", "example.org", "", Failure::UnknownUser},
      {"0x70000000:alice", "example.org", "", Failure::UnknownUser},
      {"1.9e9:alice", "example.org", "", Failure::UnknownUser},
      {"alice:1900000000", "example.org", "", Failure::UnknownUser},
      {"9223372036854775807:alice", "example.org", "", Failure::UnknownUser},
      {"9223372036854775808:alice", "example.org", "", Failure::UnknownUser},
      {"99999999999999999999999999:alice", "example.org", "", Failure::UnknownUser},
      {"1900000000:alice", "example.org", "guess", Failure::WrongPassword},
      {"0:alice", "example.org", "guess", Failure::Expired},
      {"-0:alice", "example.org", "guess", Failure::Expired},
      {"1699999999:alice", "example.org", "guess", Failure::Expired},
  };
  for (const auto& row : table) {
    const Signed message(row.username, row.realm, row.password);
    const auto who = credentials.authenticate(message.view(), row.username, kNow);
    ASSERT_FALSE(who) << row.username;
    EXPECT_EQ(who.error(), row.failure) << row.username;
  }
}

TEST(Credentials, WhatIsMintedAuthenticates) {
  const Credentials credentials(options());
  const std::string names[] = {"",
                               "alice",
                               "a:b:c",
                               ":",
                               "with space",
                               "\xe3\x83\x9e",
                               std::string("nul\0inside", 10),
                               std::string(490, 'x')};
  for (const std::string& user : names) {
    const Minted minted = mint("north", user, kNow + seconds(60));
    const Signed message(minted.username, "example.org", minted.password);
    const auto who = credentials.authenticate(message.view(), minted.username, kNow);
    ASSERT_TRUE(who) << minted.username;
    // With its colon: no static user of that name shares a quota with it.
    EXPECT_EQ(who->account, user.empty() ? minted.username : ":" + user);
  }
}

TEST(Credentials, ANamelessUserIsNoSharedAccount) {
  // "<expiry>:" would otherwise share one quota among all who have no name.
  const Credentials credentials(options());
  const std::string username = "1900000000:";
  const std::string password = base64(HmacSha1Key(as_bytes("north")).sign({as_bytes(username)}));
  const Signed message(username, "example.org", password);
  const auto who = credentials.authenticate(message.view(), username, kNow);
  ASSERT_TRUE(who);
  EXPECT_EQ(who->account, username);
}

TEST(Credentials, EphemeralOnesExpireOnTheSecond) {
  const Credentials credentials(options());
  const Minted minted = mint("north", "alice", kNow);
  const Signed message(minted.username, "example.org", minted.password);
  EXPECT_TRUE(credentials.authenticate(message.view(), minted.username, kNow - seconds(1)));
  const auto who = credentials.authenticate(message.view(), minted.username, kNow);
  ASSERT_FALSE(who);
  EXPECT_EQ(who.error(), Failure::Expired);
}

TEST(Credentials, EverySecretVerifiesAndNoOther) {
  const Credentials credentials(options());
  for (const char* secret : {"north", "former", "stranger"}) {
    const Minted minted = mint(secret, "alice", kNow + seconds(60));
    const Signed message(minted.username, "example.org", minted.password);
    const auto who = credentials.authenticate(message.view(), minted.username, kNow);
    EXPECT_EQ(who.has_value(), std::string_view(secret) != "stranger") << secret;
    EXPECT_TRUE(who || who.error() == Failure::WrongPassword);
  }
}

TEST(Credentials, APasswordOfOneUsernameIsNotAnothers) {
  const Credentials credentials(options());
  const Minted minted = mint("north", "alice", kNow + seconds(60));
  const std::string later = std::to_string((kNow + seconds(6000)).time_since_epoch().count()) + ":alice";
  const Signed message(later, "example.org", minted.password);
  EXPECT_FALSE(credentials.authenticate(message.view(), later, kNow));
}

TEST(Credentials, WithoutSecretsNoNumberIsAUser) {
  Options only_users = options();
  only_users.secrets.clear();
  const Credentials credentials(only_users);
  const Minted minted = mint("", "alice", kNow + seconds(60));
  const Signed message(minted.username, "example.org", minted.password);
  const auto who = credentials.authenticate(message.view(), minted.username, kNow);
  ASSERT_FALSE(who);
  EXPECT_EQ(who.error(), Failure::UnknownUser);
}

TEST(Credentials, AStaticUserHidesAnEphemeralNameAlike) {
  Options both = options();
  both.users.push_back({"1900000000:alice", "static"});
  const Credentials credentials(both);
  const std::string_view name = "1900000000:alice";
  EXPECT_TRUE(credentials.authenticate(Signed(name, "example.org", "static").view(), name, kNow));
  const Minted minted = mint("north", "alice", WallTime{seconds{1'900'000'000}});
  EXPECT_FALSE(credentials.authenticate(Signed(name, "example.org", minted.password).view(), name, kNow));
}

TEST(Credentials, AMessageWithoutIntegrityNeverHolds) {
  const Credentials credentials(options());
  std::array<std::uint8_t, 128> bytes{};
  stun::MessageBuilder builder(bytes, stun::MessageClass::Request, stun::Method::Allocate, {});
  builder.add(stun::AttributeType::Username, "alice");
  const stun::MessageView view = *stun::MessageView::parse(builder.finish());
  EXPECT_FALSE(credentials.authenticate(view, "alice", kNow));
  EXPECT_FALSE(credentials.authenticate(view, "1900000000:alice", kNow));
}

TEST(Options, KnowWhetherAnybodyCanAuthenticate) {
  EXPECT_FALSE(Options{}.any_source());
  EXPECT_TRUE(options().any_source());
}

}  // namespace
}  // namespace ts::auth
