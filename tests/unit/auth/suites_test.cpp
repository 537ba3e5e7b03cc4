// SPDX-License-Identifier: Apache-2.0
// Credentials for RFC 8489's suites: USERHASH, forms of passwords that are not ASCII, secrets with two HMACs.
#include <array>
#include <string>

#include <gtest/gtest.h>

#include <turnstone/auth/credentials.hpp>

namespace ts::auth {
namespace {

using std::chrono::seconds;

constexpr WallTime kNow{seconds{1'700'000'000}};
constexpr PasswordAlgorithm kAlgorithms[] = {PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256};
constexpr Mac kMacs[] = {Mac::Sha1, Mac::Sha256};

class Signed {
 public:
  explicit Signed(const MessageKey& key) {
    stun::MessageBuilder builder(bytes_, stun::MessageClass::Request, stun::Method::Allocate, {});
    key.sign(builder);
    view_ = *stun::MessageView::parse(builder.finish());
  }
  const stun::MessageView& view() const { return view_; }

 private:
  std::array<std::uint8_t, 128> bytes_{};
  stun::MessageView view_;
};

Options options() {
  Options out;
  out.realm = "example.org";
  out.users = {{"alice", "wonder"}, {"bob", "builder"}};
  return out;
}

TEST(Suites, EveryCombinationAuthenticatesAndSignsAsTheClaimSays) {
  const Credentials credentials(options());
  for (const auto algorithm : kAlgorithms) {
    for (const auto mac : kMacs) {
      for (const auto answer_mac : kMacs) {
        const Signed message(message_key("alice", "example.org", "wonder", algorithm, mac));
        const auto who = credentials.authenticate(message.view(), {"alice", {}, algorithm, answer_mac}, kNow);
        ASSERT_TRUE(who);
        EXPECT_EQ(who->key.mac(), answer_mac);
        EXPECT_EQ(who->key.made_by(), algorithm);
        const Signed answer(who->key);
        EXPECT_TRUE(
            message_key("alice", "example.org", "wonder", algorithm, answer_mac).verify(answer.view()));
        const auto other =
            algorithm == PasswordAlgorithm::Md5 ? PasswordAlgorithm::Sha256 : PasswordAlgorithm::Md5;
        EXPECT_FALSE(credentials.authenticate(message.view(), {"alice", {}, other, answer_mac}, kNow));
      }
    }
  }
}

TEST(Suites, EphemeralCredentialsHaveThemToo) {
  Options with_secret = options();
  with_secret.secrets = {"north"};
  const Credentials credentials(with_secret);
  const Minted minted = mint("north", "eve", kNow + seconds(60));
  for (const auto algorithm : kAlgorithms) {
    for (const auto mac : kMacs) {
      const Signed message(message_key(minted.username, "example.org", minted.password, algorithm, mac));
      for (const auto answer_mac : kMacs) {
        const auto who =
            credentials.authenticate(message.view(), {minted.username, {}, algorithm, answer_mac}, kNow);
        ASSERT_TRUE(who);
        EXPECT_EQ(who->key.mac(), answer_mac);
        EXPECT_EQ(who->account, ":eve");
      }
    }
  }
}

TEST(Suites, ASecretsPasswordMayBeMadeWithEitherHmac) {
  Options with_secrets = options();
  with_secrets.secrets = {"north", "former"};
  const Credentials credentials(with_secrets);
  const std::string username = "1900000000:eve";
  for (const char* secret : {"north", "former", "stranger"}) {
    const std::string password = base64(HmacSha256Key(as_bytes(secret)).sign({as_bytes(username)}));
    const Signed message(message_key(username, "example.org", password, PasswordAlgorithm::Md5, Mac::Sha1));
    const auto who = credentials.authenticate(message.view(), username, kNow);
    EXPECT_EQ(who.has_value(), std::string_view(secret) != "stranger") << secret;
  }
}

// RFC 8489 §14.4 MAY: USERHASH stands in for USERNAME
TEST(Suites, StaticUsersAreFoundByUserhash) {
  const Credentials credentials(options());
  const Signed message(message_key("bob", "example.org", "builder", PasswordAlgorithm::Sha256, Mac::Sha256));
  const Sha256Digest hash = userhash("bob", "example.org");
  const auto find = [&](std::string_view name, ByteView digest) {
    return credentials.authenticate(message.view(), {name, digest, PasswordAlgorithm::Sha256, Mac::Sha256},
                                    kNow);
  };
  const auto who = find({}, hash);
  ASSERT_TRUE(who);
  EXPECT_EQ(who->username, "bob");
  EXPECT_EQ(who->account, "bob");
  EXPECT_TRUE(find("bob", hash)) << "both, and they agree";
  EXPECT_EQ(find("alice", hash).error(), Failure::UnknownUser) << "both, and they differ";
  EXPECT_EQ(find("bob", userhash("alice", "example.org")).error(), Failure::UnknownUser);
  EXPECT_EQ(find({}, userhash("bob", "example.com")).error(), Failure::UnknownUser);
  EXPECT_EQ(find({}, ByteView(hash).first(31)).error(), Failure::UnknownUser);
  EXPECT_EQ(find({}, userhash("alice", "example.org")).error(), Failure::WrongPassword);
}

TEST(Suites, AnEphemeralUsernameCannotBeFoundByUserhashButMayComeWithIt) {
  Options with_secret = options();
  with_secret.secrets = {"north"};
  const Credentials credentials(with_secret);
  const Minted minted = mint("north", "eve", kNow + seconds(60));
  const Signed message(
      message_key(minted.username, "example.org", minted.password, PasswordAlgorithm::Sha256, Mac::Sha256));
  const Sha256Digest right = userhash(minted.username, "example.org");
  const Sha256Digest wrong = userhash("alice", "example.org");
  const auto find = [&](std::string_view name, ByteView digest) {
    return credentials
        .authenticate(message.view(), {name, digest, PasswordAlgorithm::Sha256, Mac::Sha256}, kNow)
        .has_value();
  };
  EXPECT_FALSE(find({}, right));
  EXPECT_TRUE(find(minted.username, right));
  EXPECT_FALSE(find(minted.username, wrong));
}

// RFC 8489 §9.2.4 MUST: a server that supports anonymous usernames sets the "Username anonymity" bit
TEST(Suites, AnonymityIsPromisedWhereEveryUserCanBeFound) {
  EXPECT_EQ(Credentials(options()).features(), kFeaturePasswordAlgorithms | kFeatureUsernameAnonymity);
  Options with_secret = options();
  with_secret.secrets = {"north"};
  EXPECT_EQ(Credentials(with_secret).features(), kFeaturePasswordAlgorithms);
  EXPECT_EQ(Credentials(Options{}).features(), kFeaturePasswordAlgorithms);
}

// RFC 8489 §9.2.2 MUST: the password is processed with OpaqueString before it is hashed
TEST(Suites, APasswordIsRightInEachFormThatClientsHash) {
  // U+2168 is ROMAN NUMERAL NINE; "e" and U+0301 compose to U+00E9 in NFC.
  Options unicode = options();
  unicode.users = {{"carol",
                    "M\xe2\x85\xa8"
                    "e\xcc\x81"}};
  const Credentials credentials(unicode);
  const struct {
    const char* what;
    const char* password;
    bool right;
  } table[] = {
      {"OpaqueString: NFC", "M\xe2\x85\xa8\xc3\xa9", true},
      {"as it was written",
       "M\xe2\x85\xa8"
       "e\xcc\x81",
       true},
      {"SASLprep: NFKC", "MIX\xc3\xa9", true},
      {"neither", "MIXe", false},
  };
  for (const auto& row : table) {
    for (const auto algorithm : kAlgorithms) {
      const Signed message(message_key("carol", "example.org", row.password, algorithm, Mac::Sha256));
      const auto who = credentials.authenticate(message.view(), {"carol", {}, algorithm, Mac::Sha256}, kNow);
      EXPECT_EQ(who.has_value(), row.right) << row.what;
    }
  }
}

// RFC 8489 §14.3 MUST: the username is processed with OpaqueString
TEST(Suites, ANameIsOneUserInEachForm) {
  Options unicode = options();
  unicode.users = {{"Ren\x65\xcc\x81", "wonder"}};
  const Credentials credentials(unicode);
  for (const char* name : {"Ren\xc3\xa9", "Ren\x65\xcc\x81"}) {
    const Signed message(message_key(name, "example.org", "wonder", PasswordAlgorithm::Md5, Mac::Sha1));
    const auto who = credentials.authenticate(message.view(), name, kNow);
    ASSERT_TRUE(who) << name;
    EXPECT_EQ(who->account, "Ren\xc3\xa9") << "one account";
    const Sha256Digest hash = userhash(name, "example.org");
    EXPECT_TRUE(
        credentials.authenticate(message.view(), {{}, hash, PasswordAlgorithm::Md5, Mac::Sha1}, kNow));
  }
}

// RFC 8489 §14.3 MUST: USERNAME is UTF-8
TEST(Suites, AUsernameThatIsNotUtf8IsNobodys) {
  Options with_secret = options();
  with_secret.secrets = {"north"};
  const Credentials credentials(with_secret);
  for (const auto& [name, known] :
       {std::pair("1900000000:\xe3\x83\x9e", true), std::pair("1900000000:\xff", false),
        std::pair("1900000000:\xc0\xaf", false)}) {
    const std::string password = base64(HmacSha1Key(as_bytes("north")).sign({as_bytes(name)}));
    const Signed message(message_key(name, "example.org", password, PasswordAlgorithm::Md5, Mac::Sha1));
    EXPECT_EQ(credentials.authenticate(message.view(), name, kNow).has_value(), known) << name;
  }
}

// RFC 8489 §9.2.2 MUST: quotes and trailing nulls of the username are removed
TEST(Suites, QuotesAndTrailingNullsAreRemoved) {
  using namespace std::string_view_literals;
  EXPECT_EQ(without_quotes("alice"), "alice");
  EXPECT_EQ(without_quotes("\"alice\""), "alice");
  EXPECT_EQ(without_quotes("alice\0\0"sv), "alice");
  EXPECT_EQ(without_quotes("\"alice\"\0"sv), "alice");
  EXPECT_EQ(without_quotes("al\"ice"), "al\"ice");
  EXPECT_EQ(without_quotes("\"alice"), "\"alice");
  EXPECT_EQ(without_quotes("\""), "\"");
  EXPECT_EQ(without_quotes("\"\""), "");
  EXPECT_EQ(without_quotes("\0"sv), "");
  EXPECT_EQ(without_quotes(""), "");
}

}  // namespace
}  // namespace ts::auth
