// SPDX-License-Identifier: Apache-2.0
// Public keys that check signatures: RSA (PKCS #1 v1.5) and ECDSA on P-256, both with SHA-256, and Ed25519.
// libcrypto does the work; not for the data path.
#pragma once

#include <memory>
#include <string_view>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/result.hpp>

namespace ts {

/// A public key; copies share it. Threads may share one.
class VerifyKey {
 public:
  enum class Kind : std::uint8_t { Rsa, P256, Ed25519 };

  /// RSA keys of fewer bits are not safe, and of more take too long.
  static constexpr int kMinRsaBits = 2048;
  static constexpr int kMaxRsaBits = 8192;

  /// Of a DER SubjectPublicKeyInfo (RFC 5280 §4.1). What is wrong with it: a static text.
  static Result<VerifyKey, std::string_view> from_der(ByteView der);
  /// Of big-endian numbers (RFC 7518 §6.3.1).
  static Result<VerifyKey, std::string_view> rsa(ByteView modulus, ByteView exponent);
  /// Of a point's coordinates, 32 bytes each (RFC 7518 §6.2.1).
  static Result<VerifyKey, std::string_view> p256(ByteView x, ByteView y);
  /// Of the key's 32 bytes (RFC 8037 §2).
  static Result<VerifyKey, std::string_view> ed25519(ByteView key);

  Kind kind() const noexcept { return kind_; }

  /// True when the key's owner has signed the text. ECDSA's signature is r and s, 32 bytes each (RFC 7518
  /// §3.4).
  bool verify(ByteView text, ByteView signature) const;

 private:
  VerifyKey(std::shared_ptr<void> key, Kind kind) noexcept : key_(std::move(key)), kind_(kind) {}
  static Result<VerifyKey, std::string_view> of(std::shared_ptr<void> key);

  std::shared_ptr<void> key_;  // EVP_PKEY
  Kind kind_;
};

}  // namespace ts
