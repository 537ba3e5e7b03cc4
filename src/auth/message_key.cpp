// SPDX-License-Identifier: Apache-2.0
#include <turnstone/auth/message_key.hpp>
#include <turnstone/stun/integrity.hpp>

namespace ts::auth {
namespace {

template <class Digest>
Digest digest_of(Digest (*hash)(std::initializer_list<ByteView>) noexcept, std::string_view username,
                 std::string_view realm, std::string_view password) noexcept {
  return hash({as_bytes(username), as_bytes(":"), as_bytes(realm), as_bytes(":"), as_bytes(password)});
}

}  // namespace

std::optional<PasswordAlgorithm> decode_password_algorithm(ByteView value) noexcept {
  // Number, length of the parameters (none), and nothing behind.
  if (value.size() != 4 || load_be16(value.data() + 2) != 0) return std::nullopt;
  switch (const auto algorithm = static_cast<PasswordAlgorithm>(load_be16(value.data()))) {
    case PasswordAlgorithm::Md5:
    case PasswordAlgorithm::Sha256: return algorithm;
  }
  return std::nullopt;
}

std::optional<Mac> mac_of(const stun::MessageView& message) noexcept {
  if (message.integrity_sha256_offset() != 0) return Mac::Sha256;
  if (message.integrity_offset() != 0) return Mac::Sha1;
  return std::nullopt;
}

MessageKey::MessageKey(ByteView key, PasswordAlgorithm made_by, Mac mac) noexcept : made_by_(made_by) {
  if (mac == Mac::Sha1) {
    key_.emplace<HmacSha1Key>(key);
  } else {
    key_.emplace<HmacSha256Key>(key);
  }
}

bool MessageKey::verify(const stun::MessageView& message) const noexcept {
  if (mac_of(message) != mac()) return false;
  if (const auto* sha1 = std::get_if<HmacSha1Key>(&key_)) return stun::verify_integrity(message, *sha1);
  const auto value = message.find(stun::AttributeType::MessageIntegritySha256);
  return value && value->size() == sizeof(Sha256Digest) &&
         stun::verify_integrity(message, *std::get_if<HmacSha256Key>(&key_));
}

void MessageKey::sign(stun::MessageBuilder& builder) const noexcept {
  if (const auto* sha1 = std::get_if<HmacSha1Key>(&key_)) {
    builder.add_integrity(*sha1);
  } else {
    builder.add_integrity(*std::get_if<HmacSha256Key>(&key_));
  }
}

HmacSha1Key long_term_key(std::string_view username, std::string_view realm,
                          std::string_view password) noexcept {
  return HmacSha1Key(digest_of(md5, username, realm, password));
}

LongTermKeys::LongTermKeys(std::string_view username, std::string_view realm,
                           std::string_view password) noexcept
    : LongTermKeys(digest_of(md5, username, realm, password), digest_of(sha256, username, realm, password)) {}

LongTermKeys::LongTermKeys(const Md5Digest& md5, const Sha256Digest& sha256) noexcept
    : md5_(md5), sha256_(sha256), md5_sha1_(md5_), sha256_sha256_(sha256_) {}

MessageKey LongTermKeys::key(PasswordAlgorithm made_by, Mac mac) const noexcept {
  if (made_by == PasswordAlgorithm::Md5) {
    return mac == Mac::Sha1 ? MessageKey(md5_sha1_, made_by) : MessageKey(md5_, made_by, mac);
  }
  return mac == Mac::Sha256 ? MessageKey(sha256_sha256_, made_by) : MessageKey(sha256_, made_by, mac);
}

MessageKey message_key(std::string_view username, std::string_view realm, std::string_view password,
                       PasswordAlgorithm made_by, Mac mac) noexcept {
  if (made_by == PasswordAlgorithm::Md5) {
    return MessageKey(digest_of(md5, username, realm, password), made_by, mac);
  }
  return MessageKey(digest_of(sha256, username, realm, password), made_by, mac);
}

Sha256Digest userhash(std::string_view username, std::string_view realm) noexcept {
  return sha256({as_bytes(username), as_bytes(":"), as_bytes(realm)});
}

}  // namespace ts::auth
