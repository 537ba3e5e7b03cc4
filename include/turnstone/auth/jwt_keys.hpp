// SPDX-License-Identifier: Apache-2.0
// JSON Web Tokens as bearers show them, whole (RFC 7515 §7.1, RFC 7519): the keys that check them, and what
// they say. HS256, RS256, ES256 and EdDSA (RFC 7518, RFC 8037); `none` never. Immutable once filled.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/base/verify_key.hpp>

namespace ts::auth {

/// Longer tokens are not looked at.
inline constexpr std::size_t kMaxTokenBytes = 8192;
/// Larger key files are refused, and so are more keys.
inline constexpr std::size_t kMaxKeyFileBytes = 262'144;
inline constexpr std::size_t kMaxKeys = 64;

class JwtKeys {
 public:
  /// A shared secret (HS256) of kMinJwtSecretBytes or more; shorter ones are left out.
  void add_secret(std::string_view secret);
  /// Keys of a file: PEM (public keys, one or several) or a JWK Set (RFC 7517 §5) or a single JWK. In a set,
  /// keys that are not for signatures, or of other kinds, are left out. How many; or what is wrong, without
  /// secrets.
  Result<std::size_t, std::string> add(std::string_view text);

  std::size_t size() const noexcept { return secrets_.size() + public_.size(); }
  bool empty() const noexcept { return size() == 0; }

  /// True when a key of that algorithm, and of that name where both the header and the key have one, has
  /// signed the text.
  bool verify(std::string_view algorithm, std::string_view key_id, std::string_view text,
              std::string_view signature) const;

 private:
  struct Secret {
    std::string id;
    HmacSha256Key key;
  };
  struct Public {
    std::string id;
    VerifyKey key;
  };

  Result<std::size_t, std::string> add_pem(std::string_view text);
  Result<std::size_t, std::string> add_jwks(std::string_view text);

  std::vector<Secret> secrets_;
  std::vector<Public> public_;
};

/// What a token says that is signed, for us, and good now.
struct TokenClaims {
  /// `sub`; empty when there is none.
  std::string subject;
  /// `iss`, whose name for somebody the subject is; empty when there is none.
  std::string issuer;
  /// `peer`: the one peer id; empty: any.
  std::string peer;
  /// `rooms`: nothing when the claim is absent.
  std::optional<std::vector<std::string>> rooms;
  /// `can`: nothing when the claim is absent.
  std::optional<std::vector<std::string>> can;
  /// `limits`: `rooms` and `messages`; 0: none.
  std::uint32_t max_rooms = 0;
  std::uint32_t max_messages_per_second = 0;
  WallTime expires;
};

/// What `aud` and `iss` must be; empty: whatever they are.
struct TokenRules {
  std::string audience;
  std::string issuer;
};

/// True for three parts of base64url with dots between them. Nothing is decoded.
bool is_token_shaped(std::string_view token) noexcept;

/// Reads a token. UnknownUser: not a token; WrongPassword: not signed with one of the keys; Expired;
/// BadPolicy: a claim is not as it must be, or it is for others.
Result<TokenClaims, Failure> read_token(std::string_view token, const JwtKeys& keys, const TokenRules& rules,
                                        WallTime now);

}  // namespace ts::auth
