// SPDX-License-Identifier: Apache-2.0
// The low-level block functions are deprecated in OpenSSL 3 in favour of EVP, whose contexts cost a heap
// allocation and about a microsecond a message; a STUN server signs every message it sends.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <turnstone/base/hash.hpp>

namespace ts {
namespace {

constexpr std::size_t kBlockBytes = 64;
using Block = std::array<std::uint8_t, kBlockBytes>;

struct Sha1 {
  using Digest = Sha1Digest;
  using State = std::array<std::uint32_t, 5>;
  SHA_CTX c{};
  Sha1() noexcept { SHA1_Init(&c); }
  /// Continues after exactly one block.
  explicit Sha1(const State& s) noexcept : Sha1() {
    c.h0 = s[0], c.h1 = s[1], c.h2 = s[2], c.h3 = s[3], c.h4 = s[4];
    c.Nl = kBlockBytes * 8;
  }
  State state() const noexcept { return {c.h0, c.h1, c.h2, c.h3, c.h4}; }
  void update(ByteView b) noexcept { SHA1_Update(&c, b.data(), b.size()); }
  Digest finish() noexcept {
    Digest out{};
    SHA1_Final(out.data(), &c);
    return out;
  }
};

struct Sha256 {
  using Digest = Sha256Digest;
  using State = std::array<std::uint32_t, 8>;
  SHA256_CTX c{};
  Sha256() noexcept { SHA256_Init(&c); }
  /// Continues after exactly one block.
  explicit Sha256(const State& s) noexcept : Sha256() {
    for (std::size_t i = 0; i < s.size(); ++i) c.h[i] = s[i];
    c.Nl = kBlockBytes * 8;
  }
  State state() const noexcept { return {c.h[0], c.h[1], c.h[2], c.h[3], c.h[4], c.h[5], c.h[6], c.h[7]}; }
  void update(ByteView b) noexcept { SHA256_Update(&c, b.data(), b.size()); }
  Digest finish() noexcept {
    Digest out{};
    SHA256_Final(out.data(), &c);
    return out;
  }
};

template <class Hash>
typename Hash::Digest digest(std::initializer_list<ByteView> parts) noexcept {
  Hash h;
  for (const ByteView part : parts) h.update(part);
  return h.finish();
}

/// RFC 2104 §2: the key padded to a block, or its digest where it is longer than one.
template <class Hash>
Block key_block(ByteView key) noexcept {
  Block block{};
  if (key.size() > kBlockBytes) {
    const auto shorter = digest<Hash>({key});
    std::memcpy(block.data(), shorter.data(), shorter.size());
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  return block;
}

template <class Hash>
typename Hash::State padded_state(Block block, std::uint8_t pad) noexcept {
  for (std::uint8_t& byte : block) byte = static_cast<std::uint8_t>(byte ^ pad);
  Hash h;
  h.update(block);
  return h.state();
}

template <class Hash>
typename Hash::Digest hmac(const typename Hash::State& inner, const typename Hash::State& outer,
                           std::initializer_list<ByteView> parts) noexcept {
  Hash in(inner);
  for (const ByteView part : parts) in.update(part);
  const auto middle = in.finish();
  Hash out(outer);
  out.update(middle);
  return out.finish();
}

constexpr std::uint8_t kInnerPad = 0x36;
constexpr std::uint8_t kOuterPad = 0x5C;

constexpr char kStandard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kUrlSafe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode64(ByteView bytes, const char* alphabet, bool pad) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = std::uint32_t{bytes[i]} << 16;
    if (have > 1) group |= std::uint32_t{bytes[i + 1]} << 8;
    if (have > 2) group |= bytes[i + 2];
    for (std::size_t k = 0; k <= have; ++k) out += alphabet[(group >> (18 - 6 * k)) & 0x3F];
    if (pad) out.append(3 - have, '=');
  }
  return out;
}

int value64(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

}  // namespace

Md5Digest md5(std::initializer_list<ByteView> parts) noexcept {
  MD5_CTX c;
  MD5_Init(&c);
  for (const ByteView part : parts) MD5_Update(&c, part.data(), part.size());
  Md5Digest out{};
  MD5_Final(out.data(), &c);
  return out;
}

Sha256Digest sha256(std::initializer_list<ByteView> parts) noexcept { return digest<Sha256>(parts); }

HmacSha1Key::HmacSha1Key(ByteView key) noexcept
    : inner_(padded_state<Sha1>(key_block<Sha1>(key), kInnerPad)),
      outer_(padded_state<Sha1>(key_block<Sha1>(key), kOuterPad)) {}

Sha1Digest HmacSha1Key::sign(std::initializer_list<ByteView> parts) const noexcept {
  return hmac<Sha1>(inner_, outer_, parts);
}

HmacSha256Key::HmacSha256Key(ByteView key) noexcept
    : inner_(padded_state<Sha256>(key_block<Sha256>(key), kInnerPad)),
      outer_(padded_state<Sha256>(key_block<Sha256>(key), kOuterPad)) {}

Sha256Digest HmacSha256Key::sign(std::initializer_list<ByteView> parts) const noexcept {
  return hmac<Sha256>(inner_, outer_, parts);
}

bool equal_constant_time(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string base64(ByteView bytes) { return encode64(bytes, kStandard, true); }
std::string base64url(ByteView bytes) { return encode64(bytes, kUrlSafe, false); }

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.ends_with('=')) {  // RFC 4648 §3.2: padding fills the last group of four
    if (text.size() % 4 != 0) return std::nullopt;
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const int value = value64(c);
    if (value < 0) return std::nullopt;
    group = (group << 6) | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>((group >> bits) & 0xFF);
    }
  }
  // RFC 4648 §3.5: the bits behind the last byte are zero, so that bytes have one spelling an alphabet.
  if ((group & ((1U << bits) - 1U)) != 0) return std::nullopt;
  return out;
}

std::string hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 0xF];
  }
  return out;
}

}  // namespace ts
