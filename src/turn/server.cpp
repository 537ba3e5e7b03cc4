// SPDX-License-Identifier: Apache-2.0
// Dispatch, the long-term credential mechanism (RFC 8489 §9.2) and answers. The methods are in handlers/.
#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/demux.hpp>
#include <turnstone/stun/integrity.hpp>
#include <turnstone/turn/server.hpp>

#include "discovery.hpp"
#include "request.hpp"

namespace ts::turn {
namespace {

using stun::AttributeType;
using stun::ErrorCode;
using stun::MessageClass;
using stun::Method;

constexpr std::optional<RequestKind> kind_of(Method method) noexcept {
  switch (method) {
    case Method::Binding: return RequestKind::Binding;
    case Method::Allocate: return RequestKind::Allocate;
    case Method::Refresh: return RequestKind::Refresh;
    case Method::CreatePermission: return RequestKind::CreatePermission;
    case Method::ChannelBind: return RequestKind::ChannelBind;
    default: return std::nullopt;
  }
}

constexpr Outcome outcome_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::TryAlternate: return Outcome::E300;
    case ErrorCode::BadRequest: return Outcome::E400;
    case ErrorCode::Unauthenticated: return Outcome::E401;
    case ErrorCode::Forbidden: return Outcome::E403;
    case ErrorCode::MobilityForbidden: return Outcome::E405;
    case ErrorCode::UnknownAttribute: return Outcome::E420;
    case ErrorCode::AllocationMismatch: return Outcome::E437;
    case ErrorCode::StaleNonce: return Outcome::E438;
    case ErrorCode::AddressFamilyNotSupported: return Outcome::E440;
    case ErrorCode::WrongCredentials: return Outcome::E441;
    case ErrorCode::UnsupportedTransportProtocol: return Outcome::E442;
    case ErrorCode::PeerAddressFamilyMismatch: return Outcome::E443;
    case ErrorCode::ConnectionAlreadyExists: return Outcome::E446;
    case ErrorCode::ConnectionTimeoutOrFailure: return Outcome::E447;
    case ErrorCode::AllocationQuotaReached: return Outcome::E486;
    case ErrorCode::RoleConflict: return Outcome::E487;
    case ErrorCode::ServerError: return Outcome::E500;
    case ErrorCode::InsufficientCapacity: return Outcome::E508;
  }
  return Outcome::E500;
}

constexpr AuthFailure failure_of(auth::Failure failure) noexcept {
  switch (failure) {
    case auth::Failure::UnknownUser: return AuthFailure::UnknownUser;
    case auth::Failure::WrongPassword: return AuthFailure::WrongPassword;
    case auth::Failure::Expired: return AuthFailure::Expired;
  }
  return AuthFailure::UnknownUser;
}

/// RFC 8489 §14.3: below 509 bytes from those who obey it, and up to 763 from clients of RFC 5389.
constexpr std::size_t kMaxUsernameBytes = 763;

}  // namespace

Server::Server(const Surroundings& s)
    : options_(s.options),
      credentials_(s.credentials),
      nonces_(s.nonces),
      ledger_(s.ledger),
      random_(s.random),
      policy_(s.options),
      by_tuple_(0, TupleHash{load_be64(s.random.bytes<8>().data())}),
      shard_(s.shard),
      own_tickets_(options_.mobility && s.tickets == nullptr
                       ? std::optional<SivKey>(s.random.bytes<SivKey::kKeyBytes>())
                       : std::nullopt),
      tickets_(own_tickets_ ? &*own_tickets_ : s.tickets),
      access_tokens_(s.access_tokens != nullptr && s.access_tokens->is_enabled() ? s.access_tokens : nullptr),
      visitors_(0, by_tuple_.hash_function()) {}

Server::~Server() = default;

void Server::from_client(Now now, const Inbound& in, Outbox& out) {
  if (in.bytes.empty()) return drop(Drop::NotStun);
  if (!visitors_.empty() && visit(now, in, out)) return;
  const std::uint8_t first = in.bytes[0];
  if (first >= stun::kMinChannel >> 8 && first <= max_channel() >> 8) return channel_data(now, in, out);
  switch (stun::classify_packet(first)) {
    case stun::Packet::Stun: return message(now, in, out);
    default: return drop(Drop::NotStun);
  }
}

void Server::message(Now now, const Inbound& in, Outbox& out) {
  const auto parsed = stun::MessageView::parse(in.bytes);
  if (!parsed) return drop(parsed.error() == stun::MessageError::NotStun ? Drop::NotStun : Drop::BadMessage);
  if (!stun::fingerprint_absent_or_right(*parsed)) return drop(Drop::BadFingerprint);
  const stun::MessageView& message = *parsed;

  // RFC 5389 §12.2: a classic client has no magic cookie; only Binding is answered.
  if (!message.has_magic_cookie() && message.method() != Method::Binding) return drop(Drop::BadMessage);

  Request r{now, in, message, out, RequestKind::Other, {}, {}, {}, {}, nullptr};
  if (message.message_class() == MessageClass::Indication && message.method() == Method::Send) {
    r.kind = RequestKind::Send;
    return handle_send(r);
  }
  if (message.message_class() != MessageClass::Request) {
    // A Binding indication keeps a NAT binding alive and wants no answer (RFC 8489 §6.3.2).
    if (message.message_class() == MessageClass::Indication && message.method() == Method::Binding) return;
    return drop(Drop::UnexpectedClass);
  }
  const auto kind = kind_of(message.method());
  if (!kind) return drop(Drop::UnknownMethod);
  r.kind = *kind;
  request(r);
}

void Server::request(Request& r) {
  if (r.kind == RequestKind::Binding) {
    if (understood(r)) handle_binding(r);
    return;
  }
  if (!options_.enabled) return respond_error(r, ErrorCode::Forbidden, "TURN is switched off");
  if (!authenticate(r) || !understood(r)) return;
  if (r.kind == RequestKind::Allocate) return handle_allocate(r);
  if (r.kind == RequestKind::Refresh && r.message.find(AttributeType::MobilityTicket)) return handle_move(r);
  if (!allocation_of_user(r)) return;
  switch (r.kind) {
    case RequestKind::Refresh: return handle_refresh(r);
    case RequestKind::CreatePermission: return handle_create_permission(r);
    case RequestKind::ChannelBind: return handle_channel_bind(r);
    default: return drop(Drop::UnknownMethod);
  }
}

bool Server::authenticate(Request& r) {
  const stun::MessageView& m = r.message;
  // "does not contain a MESSAGE-INTEGRITY": 401.
  if (m.integrity_offset() == 0) {
    challenge(r, ErrorCode::Unauthenticated, AuthFailure::NoCredentials);
    return false;
  }
  // "is missing either the USERNAME, REALM, or NONCE attribute": 400, with nothing in it to learn.
  const auto username = m.find(AttributeType::Username);
  const auto realm = m.find(AttributeType::Realm);
  const auto nonce = m.find(AttributeType::Nonce);
  if (!username || !realm || !nonce || username->empty() || username->size() > kMaxUsernameBytes) {
    ++counters_.auth_failures[index(AuthFailure::MissingAttribute)];
    respond_error(r, ErrorCode::BadRequest);
    return false;
  }
  // "the value of the USERNAME is not valid", or the MAC does not match: 401. A live allocation's own user is
  // known by the allocation's key: an ephemeral credential may expire under it (its expiry bounds new
  // allocations).
  r.username = as_text(*username);
  const Allocation* allocation = find(r.in.tuple);
  const auto token = access_tokens_ != nullptr ? m.find(AttributeType::AccessToken) : std::nullopt;
  if (token) {
    if (!take_token(r, *token)) return false;
  } else if (allocation != nullptr && r.now.mono < allocation->expires &&
             allocation->username == r.username && stun::verify_integrity(m, allocation->key)) {
    r.key = allocation->key;
    r.account = allocation->account;
  } else {
    const auto principal = credentials_.authenticate(m, r.username, r.now.wall);
    if (!principal) {
      challenge(r, ErrorCode::Unauthenticated, failure_of(principal.error()));
      return false;
    }
    r.key = principal->key;
    r.account = principal->account;
  }
  if (as_text(*realm) != credentials_.realm()) {
    r.key.reset();
    challenge(r, ErrorCode::Unauthenticated, AuthFailure::WrongRealm);
    return false;
  }
  // "the NONCE is no longer valid": 438.
  if (!nonces_.is_fresh(as_text(*nonce), r.now.mono, r.in.tuple.client)) {
    challenge(r, ErrorCode::StaleNonce, AuthFailure::StaleNonce);
    return false;
  }
  return true;
}

bool Server::allocation_of_user(Request& r) {
  const auto found = by_tuple_.find(r.in.tuple);
  r.allocation = found != by_tuple_.end() ? allocations_.find(found->second) : nullptr;
  if (r.allocation == nullptr || r.allocation->state != Allocation::State::Ready ||
      r.now.mono >= r.allocation->expires) {
    respond_error(r, ErrorCode::AllocationMismatch);
    return false;
  }
  r.handle = found->second;
  if (r.token && r.allocation->granted_until != TimePoint::max()) {
    renew_token(r, *r.allocation);
  } else if (r.allocation->username != r.username || r.allocation->account != r.account) {
    ++counters_.auth_failures[index(AuthFailure::WrongUser)];
    respond_error(r, ErrorCode::WrongCredentials);
    return false;
  }
  return true;
}

bool Server::understood(Request& r) {
  // RFC 8489 §6.3.1: all unknown comprehension-required attributes are listed; bounded, since the request is.
  std::array<std::uint16_t, 32> unknown;
  std::size_t count = 0;
  r.message.for_each([&](const stun::Attribute& attribute) {
    const auto type = static_cast<std::uint16_t>(attribute.type);
    if (!stun::is_comprehension_required(type) || is_understood(attribute.type) || count == unknown.size())
      return;
    if (attribute.type == AttributeType::AccessToken && access_tokens_ != nullptr) return;
    if (r.kind == RequestKind::Binding && is_discovery_request(attribute.type) &&
        other_endpoint(options_, r.in.tuple))
      return;
    if (std::find(unknown.begin(), unknown.begin() + count, type) == unknown.begin() + count)
      unknown[count++] = type;
  });
  if (count == 0) return true;
  ResponseWriter response(r, MessageClass::ErrorResponse);
  response.builder.add_error(ErrorCode::UnknownAttribute)
      .add_unknown_attributes(std::span(unknown).first(count));
  send_answer(r, response, Outcome::E420);
  return false;
}

void Server::challenge(Request& r, ErrorCode code, AuthFailure why) {
  ++counters_.auth_failures[index(why)];
  const auth::Nonce nonce = nonces_.make(r.now.mono, r.in.tuple.client);
  ResponseWriter response(r, MessageClass::ErrorResponse);
  response.builder.add_error(code)
      .add(AttributeType::Realm, credentials_.realm())
      .add(AttributeType::Nonce, nonce.text());
  if (access_tokens_ != nullptr && code == ErrorCode::Unauthenticated)
    response.builder.add(AttributeType::ThirdPartyAuthorization, access_tokens_->server_name());
  send_answer(r, response, outcome_of(code));
}

void Server::respond_error(Request& r, ErrorCode code, std::string_view reason) {
  ResponseWriter response(r, MessageClass::ErrorResponse);
  response.builder.add_error(code, reason);
  send_answer(r, response, outcome_of(code));
}

void Server::deny(Request& r, ErrorCode code, Denial why) {
  ++counters_.denials[index(why)];
  respond_error(r, code);
}

void Server::send_answer(Request& r, ResponseWriter& response, Outcome outcome) {
  ++counters_.requests[index(r.kind)][index(outcome)];
  // RFC 8656 §5 wants SOFTWARE in answers to Allocate and Refresh; strangers are not told.
  const bool named = r.kind == RequestKind::Allocate || r.kind == RequestKind::Refresh;
  if (named && r.key && !options_.software.empty())
    response.builder.add(AttributeType::Software, options_.software);
  if (r.key) response.builder.add_integrity(*r.key);
  if (r.message.fingerprint_offset() != 0) response.builder.add_fingerprint();
  const ByteView bytes = response.builder.finish();
  r.out.commit(bytes.size());
  if (bytes.empty()) return;
  r.out.to_clients.push_back(
      ToClient{r.in.route, r.answer_tuple.value_or(r.in.tuple), bytes, false, r.answer_tuple.has_value()});
}

}  // namespace ts::turn
