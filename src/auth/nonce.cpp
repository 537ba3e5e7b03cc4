// SPDX-License-Identifier: Apache-2.0
#include <turnstone/auth/nonce.hpp>

namespace ts::auth {
namespace {

constexpr std::string_view kCookie = "obMatJos2";
constexpr std::size_t kCharsOf24Bits = 4;
constexpr std::size_t kPrefix = kCookie.size() + kCharsOf24Bits;
constexpr std::size_t kMacChars = Nonce::kBytes - kPrefix - kCharsOf24Bits;
constexpr std::size_t kCompactMacChars = Nonce::kCompactBytes - kCharsOf24Bits;
static_assert(kMacChars == 7 && kCompactMacChars == 8);

// RFC 8489 §9.2 wants base64 for the features; our own part takes what needs no thought about quoting.
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Writes the highest `6 * count` bits of `bits`.
char* put(char* out, std::uint64_t bits, std::size_t count, std::string_view alphabet) noexcept {
  for (; count > 0; --count, bits <<= 6) *out++ = alphabet[bits >> 58];
  return out;
}

constexpr std::uint64_t high_24(std::uint64_t low) noexcept { return low << 40; }

std::optional<std::uint32_t> read_24_bits(std::string_view text, std::string_view alphabet) noexcept {
  std::uint32_t out = 0;
  for (const char c : text.substr(0, kCharsOf24Bits)) {
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    out = (out << 6) | static_cast<std::uint32_t>(digit);
  }
  return out;
}

std::uint64_t second_of(TimePoint now) noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

}  // namespace

std::optional<SecurityFeatures> features_of(std::string_view nonce) noexcept {
  if (nonce.size() < kPrefix || !nonce.starts_with(kCookie)) return std::nullopt;
  return read_24_bits(nonce.substr(kCookie.size()), kBase64);
}

Sha256Digest NonceMaker::mac(std::uint64_t second, const Endpoint& client,
                             SecurityFeatures features) const noexcept {
  // The whole time, of which 24 bits stand in the nonce: an old nonce is not revived when those wrap.
  std::array<std::uint8_t, 14> head;
  store_be64(head.data(), second);
  store_be32(head.data() + 8, features);
  store_be16(head.data() + 12, client.port);
  return key_.sign({head, client.address.bytes()});
}

Nonce NonceMaker::for_second(std::uint64_t second, const Endpoint& client,
                             SecurityFeatures features) const noexcept {
  Nonce out;
  std::memcpy(out.text_.data(), kCookie.data(), kCookie.size());
  char* p = put(out.text_.data() + kCookie.size(), high_24(features), kCharsOf24Bits, kBase64);
  p = put(p, high_24(second), kCharsOf24Bits, kBase64Url);
  put(p, load_be64(mac(second, client, features).data()), kMacChars, kBase64Url);
  out.size_ = Nonce::kBytes;
  return out;
}

Nonce NonceMaker::make(TimePoint now, const Endpoint& client, SecurityFeatures features) const noexcept {
  return for_second(second_of(now), client, features);
}

Nonce NonceMaker::make_compact(TimePoint now, const Endpoint& client) const noexcept {
  constexpr SecurityFeatures kNoSuchFeatures = 0xFFFFFFFF;  // no MAC of a compact one is that of a whole one
  Nonce out;
  char* p = put(out.text_.data(), high_24(second_of(now)), kCharsOf24Bits, kBase64Url);
  put(p, load_be64(mac(second_of(now), client, kNoSuchFeatures).data()), kCompactMacChars, kBase64Url);
  out.size_ = Nonce::kCompactBytes;
  return out;
}

bool NonceMaker::is_fresh(std::string_view nonce, TimePoint now, const Endpoint& client) const noexcept {
  if (nonce.size() != Nonce::kBytes) return false;
  const auto features = features_of(nonce);
  const auto made = read_24_bits(nonce.substr(kPrefix), kBase64Url);
  if (!features || !made) return false;
  // How long ago the 24 bits stood so, across their wrap.
  const std::uint64_t second = second_of(now);
  const std::uint64_t age = (second - *made) & 0xFFFFFF;
  if (age > second || std::chrono::seconds(age) >= lifetime_) return false;
  return equal_constant_time(as_bytes(for_second(second - age, client, *features).text()), as_bytes(nonce));
}

}  // namespace ts::auth
