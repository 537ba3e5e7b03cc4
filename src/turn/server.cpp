// SPDX-License-Identifier: Apache-2.0
// Dispatch and answers. The methods are in handlers/.
#include <bitset>

#include <turnstone/stun/demux.hpp>
#include <turnstone/stun/integrity.hpp>
#include <turnstone/turn/server.hpp>

#include "discovery.hpp"
#include "peer_connection.hpp"
#include "request.hpp"
#include "waiting.hpp"

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
    case Method::Connect: return RequestKind::Connect;
    case Method::ConnectionBind: return RequestKind::ConnectionBind;
    default: return std::nullopt;
  }
}

}  // namespace

Server::Server(const Surroundings& s)
    : options_(s.options),
      credentials_(&s.credentials),
      nonces_(s.nonces),
      ledger_(s.ledger),
      random_(s.random),
      policy_(s.options),
      shares_(std::make_unique<Shares>(s.ledger)),
      by_tuple_(0, TupleHash{load_be64(s.random.bytes<8>().data())}),
      bindings_(s.options.max_bindings_per_second_per_source, ~by_tuple_.hash_function().seed),
      challenges_(s.options.max_challenges_per_second_per_source, ~by_tuple_.hash_function().seed),
      shard_(s.shard),
      shard_count_(s.shard_count),
      own_tickets_(options_.mobility && s.tickets == nullptr
                       ? std::optional<SivKey>(s.random.bytes<SivKey::kKeyBytes>())
                       : std::nullopt),
      tickets_(own_tickets_ ? &*own_tickets_ : s.tickets),
      access_tokens_(s.access_tokens != nullptr && s.access_tokens->is_enabled() ? s.access_tokens : nullptr),
      visitors_(0, by_tuple_.hash_function()),
      waiting_(s.hook != nullptr && s.hook->is_enabled() ? std::make_unique<Waiting>(*s.hook, s.random)
                                                         : nullptr) {}

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

  Request r{now, in, message, out, RequestKind::Other, {}, {}, nullptr, {}, {}, {}, nullptr};
  if (!message.has_magic_cookie()) {
    // RFC 8489 §11: over DTLS every request without the magic cookie is answered with 500.
    if (in.tuple.transport == Transport::Dtls && message.message_class() == MessageClass::Request) {
      r.kind = kind_of(message.method()).value_or(RequestKind::Other);
      return respond_error(r, ErrorCode::ServerError);
    }
    // RFC 5389 §12.2: a classic client has no magic cookie; only Binding is answered.
    if (message.method() != Method::Binding) return drop(Drop::BadMessage);
  }
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
  // The stream may be about to become something else.
  if (r.kind == RequestKind::ConnectionBind && is_stream(in.tuple.transport)) stop_waiting(in.tuple);
  if (!handed_over(r)) request(r);
}

void Server::request(Request& r) {
  if (r.kind == RequestKind::Binding) {
    if (r.in.tuple.transport == Transport::Udp && !bindings_.admit(r.in.tuple.client.address, r.now.mono)) {
      return drop(Drop::SourceRate);
    }
    if (understood(r)) handle_binding(r);
    return;
  }
  if (!options_.enabled) {
    if (admits_stranger(r)) respond_error(r, ErrorCode::Forbidden, "TURN is switched off");
    return;
  }
  if (!authenticate(r) || !understood(r)) return;
  if (r.kind == RequestKind::Allocate) return handle_allocate(r);
  if (r.kind == RequestKind::Refresh && r.message.find(AttributeType::MobilityTicket)) return handle_move(r);
  if (r.kind == RequestKind::ConnectionBind) return handle_connection_bind(r);
  if (!allocation_of_user(r)) return;
  switch (r.kind) {
    case RequestKind::Refresh: return handle_refresh(r);
    case RequestKind::CreatePermission: return handle_create_permission(r);
    case RequestKind::ChannelBind: return handle_channel_bind(r);
    case RequestKind::Connect: return handle_connect(r);
    default: return drop(Drop::UnknownMethod);
  }
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
  drop_expired_legs(r.handle, *r.allocation, r.now.mono, r.out);
  const bool same_realm = r.allocation->realm == r.realm;
  if (same_realm && r.token && r.allocation->granted_until != TimePoint::max()) {
    renew_token(r, *r.allocation);
  } else if (!same_realm || r.allocation->username != r.username || r.allocation->account != r.account) {
    ++counters_.auth_failures[index(AuthFailure::WrongUser)];
    respond_error(r, ErrorCode::WrongCredentials);
    return false;
  }
  return true;
}

bool Server::understood(Request& r) {
  bool all = true;
  const auto is_unknown = [&](AttributeType type) {
    if (!stun::is_comprehension_required(static_cast<std::uint16_t>(type)) || is_understood(type))
      return false;
    if (type == AttributeType::AccessToken)
      return access_tokens_ == nullptr || r.realm != auth::kDefaultRealm;
    return r.kind != RequestKind::Binding || !is_discovery_request(type) ||
           !other_endpoint(options_, r.in.tuple);
  };
  r.message.for_each([&](const stun::Attribute& a) { all = all && !is_unknown(a.type); });
  if (all) return true;

  // RFC 8489 §6.3.1: all unknown comprehension-required attributes are listed, each once, as far as the
  // answer has room; a request that names more of them does not fit into a packet.
  std::array<std::uint16_t, 512> unknown;
  std::size_t count = 0;
  std::bitset<0x8000> listed;
  r.message.for_each([&](const stun::Attribute& a) {
    const auto type = static_cast<std::uint16_t>(a.type);
    if (!is_unknown(a.type) || listed.test(type) || count == unknown.size()) return;
    listed.set(type);
    unknown[count++] = type;
  });
  ResponseWriter response(r, MessageClass::ErrorResponse);
  response.builder.add_error(ErrorCode::UnknownAttribute)
      .add_unknown_attributes(std::span(unknown).first(count));
  send_answer(r, response, Outcome::E420);
  return false;
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
  if (r.key) r.key->sign(response.builder);
  // Classic clients do not know FINGERPRINT (RFC 5389 §12.2).
  if (r.message.fingerprint_offset() != 0 && r.message.has_magic_cookie()) response.builder.add_fingerprint();
  const ByteView bytes = response.builder.finish();
  r.out.commit(bytes.size());
  if (bytes.empty()) return;
  r.out.to_clients.push_back(
      ToClient{r.in.route, r.answer_tuple.value_or(r.in.tuple), bytes, false, 0, r.answer_tuple.has_value()});
}

}  // namespace ts::turn
