// SPDX-License-Identifier: Apache-2.0
// Third-party authorization (RFC 7635): self-contained access tokens that an authorization server has sealed
// with a key it shares with us. Immutable once made; shards share one object.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/auth/options.hpp>
#include <turnstone/base/aead.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>

namespace ts::auth {

/// A key that an authorization server seals tokens with.
struct OauthKey {
  /// The kid, which clients send as USERNAME.
  std::string id;
  AeadKey key;
  /// No token lives longer, whatever it says; 0 is no limit.
  std::chrono::seconds max_lifetime{0};
};

/// `kid:base64-key` or `kid:base64-key:seconds`, with a key of 16 (A128GCM) or 32 bytes (A256GCM). What is
/// wrong with it, never with the key in the text.
Result<OauthKey, std::string> parse_oauth_key(std::string_view text);

/// Why a token does not hold.
enum class TokenFailure : std::uint8_t {
  UnknownKey,
  BadToken,  ///< not sealed with that key for this server, or malformed inside
  Expired,   ///< or from the future
};

/// What a token grants.
struct TokenGrant {
  /// Keys MESSAGE-INTEGRITY (and -SHA256) directly.
  std::vector<std::uint8_t> mac_key;
  /// What quotas count by: one token, without telling its key.
  std::string account;
  /// How long an allocation may live at most: "lifetime + Delta - abs(RDnew - TS)".
  std::chrono::seconds remaining{0};
};

class AccessTokens {
 public:
  /// Keys that parse_oauth_key() refuses are left out.
  explicit AccessTokens(const Options& options);

  bool is_enabled() const noexcept { return !keys_.empty(); }
  /// The value of THIRD-PARTY-AUTHORIZATION, and the associated data of every token.
  const std::string& server_name() const noexcept { return server_name_; }

  /// Opens the value of ACCESS-TOKEN (§6.2): nonce length, nonce, and sealed with the key of that name:
  /// length and bytes of the MAC key, timestamp, lifetime.
  Result<TokenGrant, TokenFailure> open(ByteView value, std::string_view key_id, WallTime now) const;

 private:
  std::string server_name_;
  std::vector<OauthKey> keys_;
};

/// Seals a token as an authorization server does. `nonce` must be new.
std::vector<std::uint8_t> seal_access_token(const AeadKey& key, std::string_view server_name, ByteView nonce,
                                            ByteView mac_key, WallTime issued,
                                            std::uint32_t lifetime_seconds);

}  // namespace ts::auth
