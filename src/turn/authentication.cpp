// SPDX-License-Identifier: Apache-2.0
// The long-term credential mechanism (RFC 8489 §9.2.4), its checks in the order of the text, and challenges
// that are worth nothing to those who forge their address.
#include <turnstone/auth/access_token.hpp>
#include <turnstone/auth/nonce.hpp>
#include <turnstone/auth/realms.hpp>
#include <turnstone/turn/server.hpp>

#include "request.hpp"

namespace ts::turn {
namespace {

using stun::AttributeType;
using stun::ErrorCode;
using stun::MessageClass;

constexpr AuthFailure failure_of(auth::Failure failure) noexcept {
  switch (failure) {
    case auth::Failure::UnknownUser: return AuthFailure::UnknownUser;
    case auth::Failure::WrongPassword: return AuthFailure::WrongPassword;
    case auth::Failure::Expired: return AuthFailure::Expired;
    case auth::Failure::BadPolicy: return AuthFailure::BadPolicy;
  }
  return AuthFailure::UnknownUser;
}

/// RFC 8489 §14.3, §14.9, §14.10: what those send who obey RFC 5389; those of RFC 8489 stay below 509.
constexpr std::size_t kMaxTextBytes = 763;

/// The attributes of the mechanism, read in one walk; of equal ones the first counts.
struct Attributes {
  explicit Attributes(const stun::MessageView& message) {
    message.for_each([this](const stun::Attribute& a) {
      if (std::optional<ByteView>* place = place_of(a.type); place != nullptr && !place->has_value())
        *place = a.value;
    });
  }
  std::optional<ByteView>* place_of(AttributeType type) noexcept {
    switch (type) {
      case AttributeType::Username: return &username;
      case AttributeType::Userhash: return &userhash;
      case AttributeType::Realm: return &realm;
      case AttributeType::Nonce: return &nonce;
      case AttributeType::PasswordAlgorithms: return &offered;
      case AttributeType::PasswordAlgorithm: return &chosen;
      default: return nullptr;
    }
  }

  std::optional<ByteView> username;
  std::optional<ByteView> userhash;
  std::optional<ByteView> realm;
  std::optional<ByteView> nonce;
  std::optional<ByteView> offered;
  std::optional<ByteView> chosen;
};

/// What the attributes say.
struct Sender {
  auth::Claim claim;
  std::string_view realm;
  std::string_view nonce;
};

/// "If the NONCE attribute starts with the nonce cookie with the STUN Security Feature Password algorithms
/// bit set to 1 …": which algorithm made the key, and which attribute signs the answer. False: 400.
bool read_algorithm(const Attributes& a, Sender& sender) noexcept {
  // "contains neither": as though PASSWORD-ALGORITHM were MD5, and MESSAGE-INTEGRITY in the answer.
  if (!a.offered && !a.chosen) return true;
  sender.claim.answer_mac = auth::Mac::Sha256;
  const auto algorithm = a.chosen ? auth::decode_password_algorithm(*a.chosen) : std::nullopt;
  if (algorithm) sender.claim.algorithm = *algorithm;
  if ((auth::features_of(sender.nonce).value_or(0) & auth::kFeaturePasswordAlgorithms) == 0) {
    // Not said by the text. The nonce is none of ours, and a 438 will follow, if the key is right.
    return algorithm.has_value() || !a.chosen;
  }
  return algorithm && a.offered &&
         std::equal(a.offered->begin(), a.offered->end(), auth::kPasswordAlgorithms.begin(),
                    auth::kPasswordAlgorithms.end());
}

/// What is wrong with the attributes themselves: 400.
std::optional<AuthFailure> read_sender(const stun::MessageView& message, Sender& sender) noexcept {
  const Attributes a(message);
  if ((!a.username && !a.userhash) || !a.realm || !a.nonce) return AuthFailure::MissingAttribute;
  for (const auto& text : {a.username, a.realm, a.nonce}) {
    if (text && text->size() > kMaxTextBytes) return AuthFailure::MissingAttribute;
  }
  if (a.username) sender.claim.username = auth::without_quotes(as_text(*a.username));
  if (a.userhash) sender.claim.userhash = *a.userhash;
  sender.realm = auth::without_quotes(as_text(*a.realm));
  sender.nonce = as_text(*a.nonce);
  if (!read_algorithm(a, sender)) return AuthFailure::BadAlgorithm;
  return std::nullopt;
}

/// An attribute of four bytes, such as FINGERPRINT, REQUESTED-TRANSPORT, or ERROR-CODE without a phrase.
constexpr std::size_t kNumberAttributeBytes = stun::kAttributeHeaderBytes + 4;

}  // namespace

bool Server::authenticate(Request& r) {
  const stun::MessageView& m = r.message;
  meet_realm(r);
  // "does not contain a MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 attribute": 401.
  const auto mac = auth::mac_of(m);
  if (!mac) {
    challenge(r, ErrorCode::Unauthenticated, AuthFailure::NoCredentials);
    return false;
  }
  // "is missing either the USERNAME or USERHASH, REALM, or NONCE", or the algorithms are not those that were
  // offered: 400, with nothing in it to learn.
  Sender sender;
  if (const auto why = read_sender(m, sender)) {
    ++counters_.auth_failures[index(*why)];
    if (admits_stranger(r)) respond_error(r, ErrorCode::BadRequest);
    return false;
  }
  // "the value of the USERNAME or USERHASH attribute is not valid", or the MAC does not match: 401.
  // Access tokens are the default realm's.
  const bool takes_tokens = access_tokens_ != nullptr && r.realm == auth::kDefaultRealm;
  const auto token = takes_tokens ? m.find(AttributeType::AccessToken) : std::nullopt;
  if (token) r.username = sender.claim.username;
  auto why = token ? take_token(r, *token, *mac) : identify(r, sender.claim, *mac);
  if (why == AuthFailure::UnknownUser && !token && waiting_ != nullptr &&
      consult(r, sender.claim, sender.realm, sender.nonce, why)) {
    return false;
  }
  if (why) {
    challenge(r, ErrorCode::Unauthenticated, *why);
    return false;
  }
  if (sender.realm != r.credentials->realm()) {
    r.key.reset();
    challenge(r, ErrorCode::Unauthenticated, AuthFailure::WrongRealm);
    return false;
  }
  // "the NONCE is no longer valid": 438.
  if (!is_valid_nonce(r, sender.nonce)) {
    challenge(r, ErrorCode::StaleNonce, AuthFailure::StaleNonce);
    return false;
  }
  return usable(r);
}

bool Server::is_valid_nonce(const Request& r, std::string_view nonce) {
  if (nonces_.is_fresh(nonce, r.now.mono, r.in.tuple.client)) return true;
  const Allocation* allocation = claimed_allocation(r);
  if (allocation == nullptr || allocation->realm != r.realm || allocation->username != r.username)
    return false;
  // The nonce of the control connection is good for its data connections (RFC 6062).
  if (r.kind == RequestKind::ConnectionBind)
    return nonces_.is_fresh(nonce, r.now.mono, allocation->tuple.client);
  // A retransmission is answered alike (RFC 8489 §6.3.1), though the nonce went stale meanwhile.
  return r.kind == RequestKind::Allocate && allocation->made_by == r.message.transaction_id();
}

std::optional<AuthFailure> Server::identify(Request& r, const auth::Claim& claim, auth::Mac mac) {
  // A live allocation's own user is known by the allocation's key: an ephemeral credential may expire under
  // it (its expiry bounds new allocations).
  const Allocation* allocation = claimed_allocation(r);
  const auto fits = [&](const Allocation& a) {
    // An access token's key was made by no password algorithm (RFC 7635).
    return a.granted_until != TimePoint::max() ||
           (a.key.made_by() == claim.algorithm && mac == claim.answer_mac);
  };
  if (allocation != nullptr && r.now.mono < allocation->expires && claim.userhash.empty() &&
      allocation->realm == r.realm && allocation->username == claim.username && fits(*allocation) &&
      allocation->key.verify(r.message)) {
    r.username = claim.username;
    r.key = allocation->key;
    r.account = allocation->account;
    r.policy = allocation->policy.get();
    return std::nullopt;
  }
  auto principal = r.credentials->authenticate(r.message, claim, r.now.wall);
  if (!principal) return failure_of(principal.error());
  r.sent_by(*std::move(principal));
  return std::nullopt;
}

bool Server::admits_stranger(const Request& r) {
  if (r.in.tuple.transport != Transport::Udp || challenges_.admit(r.in.tuple.client.address, r.now.mono))
    return true;
  drop(Drop::SourceRate);
  return false;
}

void Server::challenge(Request& r, ErrorCode code, AuthFailure why) {
  ++counters_.auth_failures[index(why)];
  const bool may_be_forged = !r.key && r.in.tuple.transport == Transport::Udp;
  if (may_be_forged && !admits_stranger(r)) return;

  // A 401 to an address that may be forged has no phrase, and only as much as makes it no amplifier. Without
  // any attribute but FINGERPRINT the request is no client's: an Allocate has REQUESTED-TRANSPORT.
  ResponseWriter response(r, MessageClass::ErrorResponse);
  const std::string& realm = r.credentials->realm();
  const std::size_t fingerprint = r.message.fingerprint_offset() != 0 ? kNumberAttributeBytes : 0;
  // RFC 7635: a client that has a token learns here that it is good for something, so that the rest gives
  // way.
  const bool takes_tokens = access_tokens_ != nullptr && r.realm == auth::kDefaultRealm;
  const std::string_view third_party =
      takes_tokens && code == ErrorCode::Unauthenticated ? access_tokens_->server_name() : std::string_view();
  const std::size_t named = third_party.empty() ? 0 : 4 + stun::padded(third_party.size());
  const std::size_t whole = stun::kHeaderBytes + kNumberAttributeBytes + 4 + stun::padded(realm.size()) + 4 +
                            stun::padded(auth::Nonce::kBytes) + 4 + auth::kPasswordAlgorithms.size() + named +
                            fingerprint;
  const std::size_t asked = r.message.bytes().size();
  const Endpoint& client = r.in.tuple.client;
  const bool compact = may_be_forged && (asked - fingerprint < stun::kHeaderBytes + kNumberAttributeBytes ||
                                         amplifies(asked, whole, client.address.is_v6()));
  may_be_forged ? response.builder.add_bare_error(code) : response.builder.add_error(code);
  response.builder.add(AttributeType::Realm, realm);
  if (compact) {
    // Departs from RFC 8489 §9.2: this nonce lacks the cookie. It is stale from the beginning, and the 438
    // has all.
    response.builder.add(AttributeType::Nonce, nonces_.make_compact(r.now.mono, client).text());
  } else {
    response.builder.add(AttributeType::Nonce,
                         nonces_.make(r.now.mono, client, r.credentials->features()).text());
    response.builder.add(AttributeType::PasswordAlgorithms, ByteView(auth::kPasswordAlgorithms));
  }
  constexpr std::size_t kSaved = stun::padded(auth::Nonce::kBytes) -
                                 stun::padded(auth::Nonce::kCompactBytes) + 4 +
                                 auth::kPasswordAlgorithms.size();
  if (named != 0 && !(compact && amplifies(asked, whole - kSaved, client.address.is_v6())))
    response.builder.add(AttributeType::ThirdPartyAuthorization, third_party);
  send_answer(r, response, outcome_of(code));
}

}  // namespace ts::turn
