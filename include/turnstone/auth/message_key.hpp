// SPDX-License-Identifier: Apache-2.0
// The long-term keys of RFC 8489 §9.2.2 and what signs messages with them: a password algorithm makes the key
// (MD5: 16 bytes, SHA-256: 32), and either HMAC uses it (§14.5, §14.6). Four combinations.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include <turnstone/base/hash.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/message.hpp>

namespace ts::auth {

/// RFC 8489 §18.5: how a key is made of username, realm and password. Both have empty parameters.
enum class PasswordAlgorithm : std::uint16_t { Md5 = 0x0001, Sha256 = 0x0002 };

/// The value of our PASSWORD-ALGORITHMS (RFC 8489 §14.11), by preference: SHA-256, then MD5.
inline constexpr std::array<std::uint8_t, 8> kPasswordAlgorithms{0, 2, 0, 0, 0, 1, 0, 0};

/// The algorithm of a PASSWORD-ALGORITHM value (RFC 8489 §14.12); nothing for one that we do not offer.
std::optional<PasswordAlgorithm> decode_password_algorithm(ByteView value) noexcept;

/// Which attribute carries the MAC: MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256.
enum class Mac : std::uint8_t { Sha1, Sha256 };

/// The attribute that a message is verified by: the stronger one of those that it has (RFC 8489 §9.2.4).
/// Nothing: it has neither.
std::optional<Mac> mac_of(const stun::MessageView& message) noexcept;

/// A prepared HMAC with which messages of one client are verified and signed: trivially copyable, no heap.
class MessageKey {
 public:
  MessageKey() noexcept = default;
  explicit MessageKey(const HmacSha1Key& key, PasswordAlgorithm made_by = PasswordAlgorithm::Md5) noexcept
      : key_(key), made_by_(made_by) {}
  explicit MessageKey(const HmacSha256Key& key,
                      PasswordAlgorithm made_by = PasswordAlgorithm::Sha256) noexcept
      : key_(key), made_by_(made_by) {}
  /// Prepares the HMAC of a key's bytes.
  MessageKey(ByteView key, PasswordAlgorithm made_by, Mac mac) noexcept;

  Mac mac() const noexcept { return key_.index() == 0 ? Mac::Sha1 : Mac::Sha256; }
  PasswordAlgorithm made_by() const noexcept { return made_by_; }

  /// True when the message's MAC is of this key's kind and right. Truncated ones are not: RFC 8489 §14.6
  /// leaves it to usages to allow them, and RFC 8656 does not.
  bool verify(const stun::MessageView& message) const noexcept;
  /// Adds MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 over what was written so far.
  void sign(stun::MessageBuilder& builder) const noexcept;

 private:
  std::variant<HmacSha1Key, HmacSha256Key> key_;
  PasswordAlgorithm made_by_ = PasswordAlgorithm::Md5;
};

/// RFC 8489 §9.2.2: the MD5 key of a user, as prepared HMAC-SHA1 states (the suite of RFC 5389). The
/// arguments are prepared already (base/precis.hpp).
HmacSha1Key long_term_key(std::string_view username, std::string_view realm,
                          std::string_view password) noexcept;

/// The keys of one username and password in one realm, prepared for the HMAC that usually goes with each.
class LongTermKeys {
 public:
  LongTermKeys(std::string_view username, std::string_view realm, std::string_view password) noexcept;
  /// Of keys that somebody else has made.
  LongTermKeys(const Md5Digest& md5, const Sha256Digest& sha256) noexcept;

  /// The prepared one where it fits, else made anew.
  MessageKey key(PasswordAlgorithm made_by, Mac mac) const noexcept;

 private:
  Md5Digest md5_;
  Sha256Digest sha256_;
  HmacSha1Key md5_sha1_;
  HmacSha256Key sha256_sha256_;
};

/// One key of a username and password, for those that are used once.
MessageKey message_key(std::string_view username, std::string_view realm, std::string_view password,
                       PasswordAlgorithm made_by, Mac mac) noexcept;

/// RFC 8489 §14.4: SHA-256 of username and realm, both prepared with OpaqueString.
Sha256Digest userhash(std::string_view username, std::string_view realm) noexcept;

}  // namespace ts::auth
