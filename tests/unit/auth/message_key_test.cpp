// SPDX-License-Identifier: Apache-2.0
// Four combinations of key and MAC (RFC 8489 §9.2.2, §14.5, §14.6), PASSWORD-ALGORITHM values, USERHASH.
#include <array>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/auth/message_key.hpp>
#include <turnstone/stun/integrity.hpp>

namespace ts::auth {
namespace {

static_assert(std::is_trivially_copyable_v<MessageKey> && sizeof(MessageKey) <= 72);

constexpr PasswordAlgorithm kAlgorithms[] = {PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256};
constexpr Mac kMacs[] = {Mac::Sha1, Mac::Sha256};

class Message {
 public:
  template <class F>
  explicit Message(F&& add) {
    stun::MessageBuilder builder(bytes_, stun::MessageClass::Request, stun::Method::Allocate, {});
    builder.add(stun::AttributeType::Username, "alice");
    add(builder);
    view_ = *stun::MessageView::parse(builder.finish());
  }
  const stun::MessageView& view() const { return view_; }

 private:
  std::array<std::uint8_t, 256> bytes_{};
  stun::MessageView view_;
};

MessageKey key(PasswordAlgorithm algorithm, Mac mac, const char* password = "wonder") {
  return message_key("alice", "example.org", password, algorithm, mac);
}

// RFC 8489 §9.2.2 MUST: the key of user, realm and pass is 0x8493fbc53ba582fb4c044c456bdc40eb
TEST(MessageKey, IsMadeAsTheTextsExample) {
  const Md5Digest md5_key = md5({as_bytes("user:realm:pass")});
  EXPECT_EQ(hex(md5_key), "8493fbc53ba582fb4c044c456bdc40eb");
  const Message message([&](auto& b) { b.add_integrity(HmacSha1Key(md5_key)); });
  EXPECT_TRUE(message_key("user", "realm", "pass", PasswordAlgorithm::Md5, Mac::Sha1).verify(message.view()));
}

// RFC 8489 §18.5.1.2 MUST: a SHA-256 key has 32 bytes, SHA-256 of username, realm and password
TEST(MessageKey, Sha256KeyIsTheWholeDigest) {
  const Sha256Digest digest = sha256({as_bytes("alice:example.org:wonder")});
  const Message message([&](auto& b) { b.add_integrity(HmacSha256Key(digest)); });
  EXPECT_TRUE(key(PasswordAlgorithm::Sha256, Mac::Sha256).verify(message.view()));
}

TEST(MessageKey, EachCombinationVerifiesWhatItSignsAndNoOther) {
  const LongTermKeys keys("alice", "example.org", "wonder");
  for (const auto algorithm : kAlgorithms) {
    for (const auto mac : kMacs) {
      const MessageKey signer = key(algorithm, mac);
      EXPECT_EQ(signer.mac(), mac);
      EXPECT_EQ(signer.made_by(), algorithm);
      const Message message([&](auto& b) { signer.sign(b); });
      EXPECT_EQ(mac_of(message.view()), mac);
      EXPECT_FALSE(key(algorithm, mac, "guess").verify(message.view()));
      for (const auto other_algorithm : kAlgorithms) {
        for (const auto other_mac : kMacs) {
          const bool same = algorithm == other_algorithm && mac == other_mac;
          EXPECT_EQ(key(other_algorithm, other_mac).verify(message.view()), same);
          EXPECT_EQ(keys.key(other_algorithm, other_mac).verify(message.view()), same);
          EXPECT_EQ(keys.key(other_algorithm, other_mac).made_by(), other_algorithm);
          EXPECT_EQ(keys.key(other_algorithm, other_mac).mac(), other_mac);
        }
      }
    }
  }
}

// RFC 8489 §9.2.4 MUST: where both MACs are present, MESSAGE-INTEGRITY-SHA256 is the one that is checked
TEST(MessageKey, OfTwoMacsTheStrongerDecides) {
  const MessageKey sha1 = key(PasswordAlgorithm::Md5, Mac::Sha1);
  const MessageKey sha256 = key(PasswordAlgorithm::Md5, Mac::Sha256);
  const Message both([&](auto& b) { sha1.sign(b), sha256.sign(b); });
  EXPECT_FALSE(sha1.verify(both.view()));
  EXPECT_TRUE(sha256.verify(both.view()));
  const Message wrong(
      [&](auto& b) { sha1.sign(b), key(PasswordAlgorithm::Md5, Mac::Sha256, "guess").sign(b); });
  EXPECT_FALSE(sha1.verify(wrong.view()));
  EXPECT_FALSE(sha256.verify(wrong.view()));
}

// RFC 8489 §14.6 MUST: the value has the full 32 bytes, since RFC 8656 allows no truncation
TEST(MessageKey, TruncatedMacsAreNotRight) {
  const MessageKey signer = key(PasswordAlgorithm::Sha256, Mac::Sha256);
  const Message whole([&](auto& b) { signer.sign(b); });
  const HmacSha256Key raw(sha256({as_bytes("alice:example.org:wonder")}));
  for (const std::size_t size : {0U, 4U, 16U, 20U, 28U}) {
    // The MAC covers a header whose length counts the attribute's.
    std::array<std::uint8_t, 32> covered{};
    const ByteView head = whole.view().bytes().first(32);
    std::copy(head.begin(), head.end(), covered.begin());
    store_be16(covered.data() + 2, static_cast<std::uint16_t>(12 + 4 + size));
    const Sha256Digest mac = raw.sign({covered});
    const Message cut(
        [&](auto& b) { b.add(stun::AttributeType::MessageIntegritySha256, ByteView(mac).first(size)); });
    EXPECT_EQ(stun::verify_integrity(cut.view(), raw), size >= 16) << size;
    EXPECT_FALSE(signer.verify(cut.view())) << size;
  }
}

TEST(MessageKey, WithoutAMacNothingVerifies) {
  const Message bare([](auto&) {});
  EXPECT_EQ(mac_of(bare.view()), std::nullopt);
  for (const auto mac : kMacs) EXPECT_FALSE(key(PasswordAlgorithm::Md5, mac).verify(bare.view()));
}

// RFC 8489 §14.12 MUST: PASSWORD-ALGORITHM is a number and parameters, which are empty for both
TEST(PasswordAlgorithm, OnlyOursDecode) {
  using Bytes = std::vector<std::uint8_t>;
  EXPECT_EQ(decode_password_algorithm(Bytes{0, 1, 0, 0}), PasswordAlgorithm::Md5);
  EXPECT_EQ(decode_password_algorithm(Bytes{0, 2, 0, 0}), PasswordAlgorithm::Sha256);
  for (const Bytes& value : {Bytes{}, Bytes{0, 1}, Bytes{0, 1, 0}, Bytes{0, 0, 0, 0}, Bytes{0, 3, 0, 0},
                             Bytes{1, 2, 0, 0}, Bytes{0, 2, 0, 1}, Bytes{0, 2, 0, 4, 0, 0, 0, 0},
                             Bytes{0, 2, 0, 0, 0}, Bytes{0, 2, 0, 0, 0, 1, 0, 0}}) {
    EXPECT_FALSE(decode_password_algorithm(value)) << hex(value);
  }
}

// RFC 8489 §14.4 MUST: USERHASH is SHA-256 of username, a colon and realm
TEST(Userhash, IsTheDigestOfUsernameAndRealm) {
  EXPECT_EQ(userhash("alice", "example.org"), sha256({as_bytes("alice:example.org")}));
}

}  // namespace
}  // namespace ts::auth
