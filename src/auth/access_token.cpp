// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include <turnstone/auth/access_token.hpp>

namespace ts::auth {
namespace {

/// RFC 7635: 160 bits must be supported; longer ones are for longer MACs.
constexpr std::size_t kMinMacKeyBytes = 20;
constexpr std::size_t kMaxMacKeyBytes = 64;
/// "The RECOMMENDED value for the allowed Delta is 5 seconds."
constexpr std::chrono::seconds kDelta{5};
/// USERNAME's bound.
constexpr std::size_t kMaxKeyIdBytes = 508;

}  // namespace

Result<OauthKey, std::string> parse_oauth_key(std::string_view text) {
  const std::size_t first = text.find(':');
  if (first == 0 || first == std::string_view::npos || first > kMaxKeyIdBytes)
    return std::string("an OAuth key is written kid:base64-key or kid:base64-key:seconds");
  const std::size_t second = text.find(':', first + 1);
  const bool bounded = second != std::string_view::npos;
  const auto key = base64_decode(text.substr(first + 1, bounded ? second - first - 1 : second));
  OauthKey out{std::string(text.substr(0, first)), AeadKey(key ? as_bytes(*key) : ByteView{}), {}};
  if (!out.key.is_valid())
    return "the OAuth key \"" + out.id +
           "\" is not base64 of 16 or 32 bytes; make one with: openssl rand -base64 32";
  if (!bounded) return out;
  const std::string_view digits = text.substr(second + 1);
  std::uint32_t seconds = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, seconds);
  if (error != std::errc{} || stop != end || seconds == 0)
    return "the OAuth key \"" + out.id + "\" has a lifetime that is not a number of seconds";
  out.max_lifetime = std::chrono::seconds(seconds);
  return out;
}

AccessTokens::AccessTokens(const Options& options)
    : server_name_(options.oauth_server_name.empty() ? options.realm : options.oauth_server_name) {
  for (const std::string& text : options.oauth_keys) {
    auto key = parse_oauth_key(text);
    if (key) keys_.push_back(std::move(*key));
  }
}

Result<TokenGrant, TokenFailure> AccessTokens::open(ByteView value, std::string_view key_id,
                                                    WallTime now) const {
  const auto key =
      std::find_if(keys_.begin(), keys_.end(), [&](const OauthKey& k) { return k.id == key_id; });
  if (key == keys_.end()) return TokenFailure::UnknownKey;

  ByteReader outer(value);
  const ByteView nonce = outer.bytes(outer.u16());
  const ByteView sealed = outer.bytes(outer.remaining());
  // RFC 5116 §5.1: these algorithms take nonces of 12 bytes and no others.
  if (!outer.ok() || nonce.size() != AeadKey::kNonceBytes) return TokenFailure::BadToken;
  const auto plain = key->key.open(nonce, as_bytes(server_name_), sealed);
  if (!plain) return TokenFailure::BadToken;

  ByteReader inner(*plain);
  const ByteView mac_key = inner.bytes(inner.u16());
  const std::uint64_t timestamp = inner.u64();
  std::chrono::seconds lifetime(inner.u32());
  const bool whole = inner.ok() && inner.remaining() == 0;
  if (!whole || mac_key.size() < kMinMacKeyBytes || mac_key.size() > kMaxMacKeyBytes)
    return TokenFailure::BadToken;

  // 48 bits of seconds, then 16 of a fraction. "Lifetime + Delta > abs(RDnew - TS)".
  const std::chrono::seconds issued(static_cast<std::int64_t>(timestamp >> 16));
  const std::chrono::seconds age = std::chrono::abs(now.time_since_epoch() - issued);
  if (key->max_lifetime.count() != 0) lifetime = std::min(lifetime, key->max_lifetime);
  if (lifetime + kDelta <= age) return TokenFailure::Expired;

  TokenGrant out;
  out.mac_key.assign(mac_key.begin(), mac_key.end());
  const Sha256Digest digest = sha256({as_bytes(key_id), as_bytes(":"), mac_key});
  out.account = std::string(key_id) + ':' + hex(ByteView(digest).first(8));
  out.remaining = lifetime + kDelta - age;
  return out;
}

std::vector<std::uint8_t> seal_access_token(const AeadKey& key, std::string_view server_name, ByteView nonce,
                                            ByteView mac_key, WallTime issued,
                                            std::uint32_t lifetime_seconds) {
  std::vector<std::uint8_t> plain(2 + mac_key.size() + 8 + 4);
  ByteWriter inner(plain);
  inner.u16(static_cast<std::uint16_t>(mac_key.size()));
  inner.bytes(mac_key);
  inner.u64(static_cast<std::uint64_t>(issued.time_since_epoch().count()) << 16);
  inner.u32(lifetime_seconds);
  const std::vector<std::uint8_t> sealed = key.seal(nonce, as_bytes(server_name), plain);
  std::vector<std::uint8_t> out(2 + nonce.size() + sealed.size());
  ByteWriter outer(out);
  outer.u16(static_cast<std::uint16_t>(nonce.size()));
  outer.bytes(nonce);
  outer.bytes(sealed);
  return out;
}

}  // namespace ts::auth
