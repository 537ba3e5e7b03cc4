// SPDX-License-Identifier: Apache-2.0
// Third-party authorization (RFC 7635) of requests: the token in ACCESS-TOKEN brings the key.
#include <turnstone/stun/integrity.hpp>

#include "request.hpp"

namespace ts::turn {
namespace {

AuthFailure failure_of(auth::TokenFailure failure) noexcept {
  switch (failure) {
    case auth::TokenFailure::UnknownKey: return AuthFailure::UnknownUser;
    case auth::TokenFailure::BadToken: return AuthFailure::WrongPassword;
    case auth::TokenFailure::Expired: return AuthFailure::Expired;
  }
  return AuthFailure::WrongPassword;
}

}  // namespace

bool Server::take_token(Request& r, ByteView token) {
  auto grant = access_tokens_->open(token, r.username, r.now.wall);
  std::optional<AuthFailure> failure;
  if (!grant) {
    failure = failure_of(grant.error());
  } else if (const HmacSha1Key key(grant->mac_key); stun::verify_integrity(r.message, key)) {
    r.token = std::move(*grant);
    r.account = r.token->account;
    r.key = key;
  } else {
    failure = AuthFailure::WrongPassword;
  }
  if (failure) challenge(r, stun::ErrorCode::Unauthenticated, *failure);
  return !failure;
}

void Server::renew_token(const Request& r, Allocation& allocation) {
  // The five-tuple and the nonce, which only its owner can have seen, say whose allocation it is. The account
  // stays, since the quota has counted it.
  allocation.username = r.username;
  allocation.key = *r.key;
  allocation.granted_until = r.now.mono + r.token->remaining;
}

}  // namespace ts::turn
