// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include <turnstone/signal/jwt.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::signal {
namespace {

Identity identity_of(auth::TokenClaims claims, std::string_view token, Rights default_rights) {
  Identity out;
  if (claims.subject.empty()) {
    // Only the very token stands for itself.
    out.credential = "token:" + base64url(sha256({as_bytes(token)}));
  } else {
    // RFC 7519 §4.1.2: a subject is one for its issuer alone. With the length, no two pairs read alike.
    out.credential =
        "sub:" + std::to_string(claims.issuer.size()) + ':' + claims.issuer + ':' + claims.subject;
  }
  out.subject = std::move(claims.subject);
  out.peer = std::move(claims.peer);
  out.can = claims.can ? Rights::of(*claims.can) : default_rights;
  if (claims.rooms) {
    out.all_rooms = false;
    out.rooms = std::move(*claims.rooms);
  }
  out.limits = Limits{claims.max_rooms, claims.max_messages_per_second};
  out.expires = claims.expires;
  return out;
}

}  // namespace

JwtAuthenticator::JwtAuthenticator(const Options& options, std::shared_ptr<const auth::JwtKeys> keys)
    : shared_token_(options),
      rules_{options.jwt_audience, options.jwt_issuer},
      default_rights_(Rights::of(options.token_can)),
      open_(options.open),
      keys_(std::move(keys)) {}

void JwtAuthenticator::use(const Options& options, std::shared_ptr<const auth::JwtKeys> keys) {
  shared_token_.use(options);
  rules_ = {options.jwt_audience, options.jwt_issuer};
  default_rights_ = Rights::of(options.token_can);
  keys_ = std::move(keys);
}

Result<std::shared_ptr<const Identity>, Failure> JwtAuthenticator::authenticate(const Now& now,
                                                                                std::string_view token) {
  if (open_ || keys_ == nullptr || keys_->empty() || !auth::is_token_shaped(token))
    return shared_token_.authenticate(now, token);
  auto claims = auth::read_token(token, *keys_, rules_, now.wall);
  if (claims) {
    if (!claims->peer.empty() && (claims->peer == "*" || !valid_name(claims->peer, kMaxPeerNameBytes)))
      return Failure{ErrorCode::Unauthorized, "the token names a peer id that cannot be", {}, true};
    return std::make_shared<const Identity>(identity_of(std::move(*claims), token, default_rights_));
  }
  switch (claims.error()) {
    case auth::Failure::Expired:
      return Failure{ErrorCode::TokenExpired, "the token has expired, or is not good yet", {}, true};
    case auth::Failure::BadPolicy:
      return Failure{ErrorCode::Unauthorized,
                     "the token is for another server, or has a claim that is malformed",
                     {},
                     true};
    // A shared token may look like one.
    case auth::Failure::UnknownUser:
    case auth::Failure::WrongPassword: break;
  }
  return shared_token_.authenticate(now, token);
}

}  // namespace ts::signal
