// SPDX-License-Identifier: Apache-2.0
// Digests, HMAC with states prepared once a key, constant-time comparison, base64 and hexadecimal.
// libcrypto's block functions do the work; a prepared key is only the two chaining values (RFC 2104 §4).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <turnstone/base/bytes.hpp>

namespace ts {

using Md5Digest = std::array<std::uint8_t, 16>;
using Sha1Digest = std::array<std::uint8_t, 20>;
using Sha256Digest = std::array<std::uint8_t, 32>;

/// Digests of the concatenation of `parts`.
Md5Digest md5(std::initializer_list<ByteView> parts) noexcept;
Sha256Digest sha256(std::initializer_list<ByteView> parts) noexcept;

/// HMAC-SHA1 with the key's two block states computed once: 40 bytes, trivially copyable, no allocation.
class HmacSha1Key {
 public:
  HmacSha1Key() noexcept : HmacSha1Key(ByteView{}) {}
  explicit HmacSha1Key(ByteView key) noexcept;
  /// The MAC of the concatenation of `parts`.
  Sha1Digest sign(std::initializer_list<ByteView> parts) const noexcept;

 private:
  std::array<std::uint32_t, 5> inner_;
  std::array<std::uint32_t, 5> outer_;
};

/// HMAC-SHA256 with the key's two block states computed once: 64 bytes, trivially copyable, no allocation.
class HmacSha256Key {
 public:
  HmacSha256Key() noexcept : HmacSha256Key(ByteView{}) {}
  explicit HmacSha256Key(ByteView key) noexcept;
  /// The MAC of the concatenation of `parts`.
  Sha256Digest sign(std::initializer_list<ByteView> parts) const noexcept;

 private:
  std::array<std::uint32_t, 8> inner_;
  std::array<std::uint32_t, 8> outer_;
};

/// True when both are equal; the time depends on the lengths only.
bool equal_constant_time(ByteView a, ByteView b) noexcept;

/// RFC 4648 §4 base64 with padding.
std::string base64(ByteView bytes);
/// RFC 4648 §5 base64url without padding.
std::string base64url(ByteView bytes);
/// The bytes of base64 or base64url text, padded or not; nothing when the text is not valid.
std::optional<std::string> base64_decode(std::string_view text);
/// Lower-case hexadecimal.
std::string hex(ByteView bytes);

/// A fast 64-bit mix for hash tables (not for adversaries without a secret seed).
constexpr std::uint64_t mix64(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t x = a ^ (b * 0x9E3779B97F4A7C15ULL);
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93ULL;
  x = (x ^ (x >> 29)) * 0xA0761D6478BD642FULL;
  return x ^ (x >> 32);
}

}  // namespace ts
