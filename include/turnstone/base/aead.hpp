// SPDX-License-Identifier: Apache-2.0
// Authenticated encryption with AES: in Galois/Counter Mode (RFC 5116 §5) for access tokens, and SIV (RFC
// 5297) for mobility tickets. libcrypto does the work; not for the data path.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include <turnstone/base/bytes.hpp>

namespace ts {

/// A key that seals and opens. Threads may share one.
class AeadKey {
 public:
  static constexpr std::size_t kTagBytes = 16;
  static constexpr std::size_t kNonceBytes = 12;

  /// 16 bytes (AEAD_AES_128_GCM) or 32 (AEAD_AES_256_GCM); any other size gives a key that neither seals nor
  /// opens.
  explicit AeadKey(ByteView key);

  bool is_valid() const noexcept { return size_ != 0; }

  /// The ciphertext with the tag behind it. `nonce` must never come twice with one key.
  std::vector<std::uint8_t> seal(ByteView nonce, ByteView associated, ByteView plain) const;
  /// The plaintext; nothing when tag, nonce, associated data or key do not fit. The nonce may have 1 to 128
  /// bytes.
  std::optional<std::vector<std::uint8_t>> open(ByteView nonce, ByteView associated, ByteView sealed) const;

 private:
  std::array<std::uint8_t, 32> key_{};
  std::size_t size_ = 0;
};

/// A key that seals without a nonce (AEAD_AES_SIV_CMAC_512, RFC 5297): the same text gives the same bytes,
/// and they are only 16 longer.
class SivKey {
 public:
  static constexpr std::size_t kKeyBytes = 64;
  static constexpr std::size_t kTagBytes = 16;

  explicit SivKey(const std::array<std::uint8_t, kKeyBytes>& key) noexcept : key_(key) {}

  /// The tag with the ciphertext behind it. `plain` must not be empty.
  std::vector<std::uint8_t> seal(ByteView associated, ByteView plain) const;
  std::optional<std::vector<std::uint8_t>> open(ByteView associated, ByteView sealed) const;

 private:
  std::array<std::uint8_t, kKeyBytes> key_;
};

}  // namespace ts
