// SPDX-License-Identifier: Apache-2.0
// Credentials that are a JSON Web Token (RFC 7519), which unmodified browsers carry: the username is the
// first two parts of a JWS Compact Serialization (RFC 7515 §7.1), the password is the third. Whoever has the
// secret computes the password from the username.
//
//   username  <base64url header>.<base64url payload>
//   password  base64url(HMAC-SHA256(secret, username)), without padding
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <turnstone/auth/credentials.hpp>

namespace ts::auth {

/// True for two parts of base64url with a dot between them. Nothing is decoded.
bool is_jwt_shaped(std::string_view username) noexcept;

/// The third part of the token whose first two are the username (RFC 7515 §5.1).
std::string jwt_password(const HmacSha256Key& secret, std::string_view username);

/// Reads a username whose signature has been checked: the header (HS256 alone), `exp`, `nbf`, `iat`, `aud`
/// unless `audience` is empty, `sub`, and the policy in `turn`; other claims are ignored (RFC 7519 §4). The
/// account is empty without `sub`. Failure::Expired: it is not the time for it; Failure::BadPolicy: anything
/// else that is not as it must be, a key that is there twice among it.
Result<std::unique_ptr<const Policy>, Failure> read_jwt(std::string_view username, std::string_view audience,
                                                        WallTime now);

/// When a token of this username expires, whoever made it; nothing when it is no token's.
std::optional<WallTime> jwt_expiry(std::string_view username);

/// Longer usernames are no tokens: RFC 8489 §14.3 allows 508 bytes, some senders of RFC 5389 take more.
inline constexpr std::size_t kMaxJwtUsernameBytes = 763;

/// Mints a token. `user` becomes `sub`, `audience` becomes `aud`; either may be empty. Nothing when the
/// username would be longer than kMaxPolicyUsernameBytes, the secret is too short, or a name is not UTF-8 or
/// too long.
std::optional<Minted> mint_jwt(std::string_view secret, std::string_view user, const Policy& policy,
                               std::string_view audience, WallTime expiry);

}  // namespace ts::auth
