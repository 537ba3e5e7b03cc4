// SPDX-License-Identifier: Apache-2.0
// Third-party authorization (RFC 7635) of requests: the token in ACCESS-TOKEN brings the key.
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

std::optional<AuthFailure> Server::take_token(Request& r, ByteView token, auth::Mac mac) {
  auto grant = access_tokens_->open(token, r.username, r.now.wall);
  if (!grant) return failure_of(grant.error());
  // The MAC key is no password's: which of the two HMACs it is for, the request tells.
  const auth::MessageKey key = mac == auth::Mac::Sha1 ? auth::MessageKey(HmacSha1Key(grant->mac_key))
                                                      : auth::MessageKey(HmacSha256Key(grant->mac_key));
  if (!key.verify(r.message)) return AuthFailure::WrongPassword;
  r.token = std::move(*grant);
  r.account = r.token->account;
  r.key = key;
  return std::nullopt;
}

void Server::renew_token(const Request& r, Allocation& allocation) {
  // The five-tuple and the nonce, which only its owner can have seen, say whose allocation it is. The account
  // stays, since the quota has counted it.
  allocation.username = r.username;
  allocation.key = *r.key;
  allocation.granted_until = r.now.mono + r.token->remaining;
  if (allocation.mobility) allocation.mobility->owner = ticket_owner(r.username, r.account);
}

}  // namespace ts::turn
