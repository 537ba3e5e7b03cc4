// SPDX-License-Identifier: Apache-2.0
// Allocate (RFC 8656 §7.2): the checks in the RFC's order; then a relay socket is asked for, and the answer
// goes out once the shell says that it is open.
#include <turnstone/stun/attributes.hpp>

#include "request.hpp"

namespace ts::turn {
namespace {

using stun::AttributeType;
using stun::ErrorCode;

/// Another program may sit on a port of our range: so many others are tried.
constexpr std::uint8_t kMaxOpenAttempts = 8;
constexpr std::chrono::seconds kReservationLife{30};

/// What the request asks for, once it has passed the checks of form.
struct Wish {
  IpFamily family = IpFamily::V4;
  PortParity parity = PortParity::Any;
  std::optional<ReservationToken> token;
  /// ADDITIONAL-ADDRESS-FAMILY: a second relayed transport address of the other family.
  bool both_families = false;
  std::optional<std::uint32_t> lifetime_seconds;
};

const RelayAddress* relay_of(const Options& options, IpFamily family) noexcept {
  const auto& all = options.relay_addresses;
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const RelayAddress& r) { return r.local.family() == family; });
  return at != all.end() ? &*at : nullptr;
}

/// Checks 3 to 9 of §7.2 as far as the request alone decides them.
Result<Wish, ErrorCode> read_wish(const stun::MessageView& m, const Options& options) {
  Wish wish;
  const auto transport = m.find(AttributeType::RequestedTransport);
  const auto protocol = transport ? stun::decode_requested_transport(*transport) : std::nullopt;
  if (!protocol) return ErrorCode::BadRequest;
  if (*protocol != stun::kTransportUdp) return ErrorCode::UnsupportedTransportProtocol;

  const auto token = m.find(AttributeType::ReservationToken);
  const auto even = m.find(AttributeType::EvenPort);
  const auto family = m.find(AttributeType::RequestedAddressFamily);
  const auto additional = m.find(AttributeType::AdditionalAddressFamily);
  if (const auto lifetime = m.find(AttributeType::Lifetime)) {
    wish.lifetime_seconds = stun::decode_u32(*lifetime);
    if (!wish.lifetime_seconds) return ErrorCode::BadRequest;
  }
  if (token) {
    if (even || family || additional || token->size() != std::tuple_size_v<ReservationToken>)
      return ErrorCode::BadRequest;
    std::copy(token->begin(), token->end(), wish.token.emplace().begin());
    return wish;
  }
  if (family && additional) return ErrorCode::BadRequest;
  if (family) {
    const auto code = stun::decode_address_family(*family);
    if (!code) return ErrorCode::BadRequest;
    const auto known = stun::family_of_code(*code);
    if (!known) return ErrorCode::AddressFamilyNotSupported;
    wish.family = *known;
  }
  if (relay_of(options, wish.family) == nullptr) return ErrorCode::AddressFamilyNotSupported;
  if (even) {
    if (even->size() != 1) return ErrorCode::BadRequest;
    const bool reserve_next = ((*even)[0] & 0x80) != 0;
    if (reserve_next && additional) return ErrorCode::BadRequest;
    wish.parity = reserve_next ? PortParity::EvenWithNextReserved : PortParity::Even;
  }
  if (additional) {
    // "if the attribute value is 0x01 (IPv4 address family)": 400; only IPv6 can be the second one.
    if (stun::decode_address_family(*additional) != stun::kFamilyV6) return ErrorCode::BadRequest;
    wish.both_families = true;
  }
  return wish;
}

std::uint32_t granted_lifetime(std::optional<std::uint32_t> wanted, const Options& options) {
  const auto most = static_cast<std::uint32_t>(options.max_lifetime.count());
  const auto least = std::min(most, static_cast<std::uint32_t>(options.default_lifetime.count()));
  return wanted ? std::clamp(*wanted, least, most) : least;
}

}  // namespace

void Server::handle_allocate(Request& r) {
  if (Allocation* former = find(r.in.tuple)) {
    const bool over = former->state == Allocation::State::Ready && r.now.mono >= former->expires;
    if (!over) {
      // An answer that got lost: the same again. While the socket is being opened the answer is on its way.
      if (former->made_by == r.message.transaction_id() && former->username == r.username) {
        if (former->state == Allocation::State::Ready) answer_allocate(r, *former);
        return;
      }
      return respond_error(r, ErrorCode::AllocationMismatch);
    }
    // It has expired and the clock's tick is late. The five-tuple is free.
    end(by_tuple_.find(r.in.tuple)->second, EndReason::Expired, r.now, r.out);
  }
  const auto wish = read_wish(r.message, options_);
  if (!wish) return respond_error(r, wish.error());
  const auto ticket = r.message.find(AttributeType::MobilityTicket);
  // RFC 8016 §3.1.2: without a value it asks for mobility; there is no ticket yet.
  if (ticket && !ticket->empty()) return respond_error(r, ErrorCode::BadRequest);
  if (ticket && !options_.mobility) return deny(r, ErrorCode::MobilityForbidden, Denial::MobilityOff);

  // The quota first ("at any point"), so that a refusal does not use up a token.
  if (const auto quota = ledger_.admit(r.account)) {
    // 486 is about this user; a full server has no capacity for anybody.
    const bool own = *quota == Denial::QuotaUser;
    return deny(r, own ? ErrorCode::AllocationQuotaReached : ErrorCode::InsufficientCapacity, *quota);
  }
  IpFamily family = wish->family;
  std::optional<std::uint16_t> port;
  if (!wish->token) {
    port = ledger_.take_port(family, wish->parity, r.now.mono, random_);
  } else if (const auto reserved = ledger_.redeem(*wish->token, r.now.mono)) {
    family = reserved->address.family();
    port = reserved->port;
  }
  if (!port) {
    ledger_.leave(r.account);
    return deny(r, ErrorCode::InsufficientCapacity, Denial::NoPort);
  }
  const RelayAddress* address = relay_of(options_, family);

  const auto [handle, allocation] = allocations_.emplace();
  allocation.tuple = r.in.tuple;
  allocation.route = r.in.route;
  allocation.relayed = Endpoint{address->advertised, *port};
  allocation.local = Endpoint{address->local, *port};
  allocation.username = r.username;
  allocation.account = r.account;
  allocation.key = *r.key;
  allocation.made_by = r.message.transaction_id();
  allocation.granted_seconds = granted_lifetime(wish->lifetime_seconds, options_);
  if (r.token) {
    // RFC 7635: no allocation outlives its token.
    const auto left =
        static_cast<std::uint32_t>(std::min<std::int64_t>(r.token->remaining.count(), UINT32_MAX));
    allocation.granted_seconds = std::min(allocation.granted_seconds, left);
    allocation.granted_until = r.now.mono + r.token->remaining;
  }
  allocation.answers_with_fingerprint = r.message.fingerprint_offset() != 0;
  allocation.parity = wish->parity;
  allocation.port_was_reserved = wish->token.has_value();
  allocation.second_family_refused = wish->both_families;
  allocation.second_family_known = relay_of(options_, IpFamily::V6) != nullptr;
  allocation.started = r.now.mono;
  allocation.expires = r.now.mono + std::chrono::seconds(allocation.granted_seconds);
  reserve_next(allocation, r.now.mono);
  if (ticket) make_mobile(handle, allocation);
  by_tuple_.emplace(allocation.tuple, handle);
  r.out.open_relays.push_back(OpenRelay{RelayId{handle, family}, allocation.local});
}

namespace {

/// Writes the attributes of an Allocate success response in the order of RFC 8656 §7.2.
void write_success(stun::MessageBuilder& builder, const Allocation& a) {
  builder.add_xor_address(AttributeType::XorRelayedAddress, a.relayed)
      .add_u32(AttributeType::Lifetime, a.granted_seconds);
  if (a.has_reservation) builder.add(AttributeType::ReservationToken, ByteView(a.reservation_token));
  builder.add_xor_address(AttributeType::XorMappedAddress, a.tuple.client);
  if (a.mobility) builder.add(AttributeType::MobilityTicket, a.mobility->ticket);
  if (a.second_family_refused) {
    // ADDRESS-ERROR-CODE (RFC 8656 §18.12), without a phrase: IPv6 with 440, or with 508 where we do relay
    // it. Departs from RFC 8656 §7.2, check 9: an allocation has one family, so this is always a partial
    // success.
    const std::uint8_t hundreds = a.second_family_known ? 5 : 4;
    const std::uint8_t rest = a.second_family_known ? 8 : 40;
    builder.add(AttributeType::AddressErrorCode,
                std::array<std::uint8_t, 4>{stun::kFamilyV6, 0, hundreds, rest});
  }
}

}  // namespace

void Server::reserve_next(Allocation& allocation, TimePoint now) {
  if (allocation.parity != PortParity::EvenWithNextReserved) return;
  const auto next = static_cast<std::uint16_t>(allocation.local.port + 1);
  allocation.has_reservation = true;
  allocation.reservation_token = ledger_.reserve(allocation.family(), next, now + kReservationLife, random_);
}

void Server::cancel_reservation(Allocation& allocation, TimePoint now) {
  if (!allocation.has_reservation) return;
  allocation.has_reservation = false;
  const auto kept = ledger_.redeem(allocation.reservation_token, now);
  if (kept) ledger_.return_port(kept->address.family(), kept->port);
}

bool Server::try_another_port(Allocation& allocation, TimePoint now) {
  if (allocation.port_was_reserved || ++allocation.open_attempts >= kMaxOpenAttempts) return false;
  cancel_reservation(allocation, now);
  // The new port first, so that the one in use is not drawn again.
  const auto port = ledger_.take_port(allocation.family(), allocation.parity, now, random_);
  if (!port) return false;
  ledger_.return_port(allocation.family(), allocation.local.port);
  allocation.local.port = allocation.relayed.port = *port;
  reserve_next(allocation, now);
  return true;
}

void Server::answer_allocate(Request& r, const Allocation& allocation) {
  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  write_success(response.builder, allocation);
  send_answer(r, response, Outcome::Success);
}

void Server::answer_opened(const Allocation& allocation, stun::MessageClass message_class, Outbox& out) {
  // The request is gone by now; the allocation remembers what its answer needs.
  const bool opened = message_class == stun::MessageClass::SuccessResponse;
  ++counters_.requests[index(RequestKind::Allocate)][index(opened ? Outcome::Success : Outcome::E508)];
  stun::MessageBuilder builder(out.reserve(ResponseWriter::kRoom), message_class, stun::Method::Allocate,
                               allocation.made_by);
  if (opened) {
    write_success(builder, allocation);
  } else {
    builder.add_error(ErrorCode::InsufficientCapacity);
  }
  if (!options_.software.empty()) builder.add(AttributeType::Software, options_.software);
  builder.add_integrity(allocation.key);
  if (allocation.answers_with_fingerprint) builder.add_fingerprint();
  const ByteView bytes = builder.finish();
  out.commit(bytes.size());
  if (!bytes.empty()) out.to_clients.push_back(ToClient{allocation.route, allocation.tuple, bytes, false});
}

void Server::relay_opened(Now now, const RelayId& relay, Outbox& out) {
  Allocation* allocation = allocations_.find(relay.allocation);
  if (allocation == nullptr) {  // it ended meanwhile: nobody wants the socket
    out.close_relays.push_back(CloseRelay{relay});
    return;
  }
  if (allocation->state != Allocation::State::Opening) return;  // said twice
  allocation->state = Allocation::State::Ready;
  ++counters_.allocations_created;
  ++counters_.allocations[index(allocation->tuple.transport)];
  look_again_at(relay.allocation, *allocation, allocation->expires);
  answer_opened(*allocation, stun::MessageClass::SuccessResponse, out);
  AllocationEvent event;
  event.username = allocation->username;
  event.tuple = allocation->tuple;
  event.relayed = allocation->relayed;
  event.age = now.mono - allocation->started;
  out.events.push_back(std::move(event));
}

void Server::relay_failed(Now now, const RelayId& relay, RelayError error, Outbox& out) {
  Allocation* allocation = allocations_.find(relay.allocation);
  if (allocation == nullptr) return;
  if (allocation->state == Allocation::State::Ready)
    return end(relay.allocation, EndReason::RelayFailed, now, out);

  if (error == RelayError::AddressInUse && try_another_port(*allocation, now.mono)) {
    out.open_relays.push_back(OpenRelay{relay, allocation->local});
    return;
  }
  cancel_reservation(*allocation, now.mono);  // nobody was told the token
  ++counters_.denials[index(Denial::NoPort)];
  answer_opened(*allocation, stun::MessageClass::ErrorResponse, out);
  forget(relay.allocation, *allocation);
}

}  // namespace ts::turn
