// SPDX-License-Identifier: Apache-2.0
// Mobility (RFC 8016) on the shard that has the allocation: tickets, moves, and the change of the five-tuple.
#include "mobility.hpp"

#include <turnstone/base/hash.hpp>
#include <turnstone/stun/attributes.hpp>

#include "request.hpp"

namespace ts::turn {
namespace {

using stun::AttributeType;
using stun::ErrorCode;

constexpr std::string_view kTicketUse = "turnstone mobility ticket 1";
constexpr std::size_t kPlainBytes = 8;
constexpr std::size_t kTicketBytes = (SivKey::kTagBytes + kPlainBytes) / 3 * 4;
/// RFC 8016 §3.2.2: the old ticket is known "for a period of at least 30 seconds", for retransmissions.
constexpr std::chrono::seconds kOldTicketLife{60};

}  // namespace

std::string seal_ticket(const SivKey& key, const Ticket& ticket) {
  std::array<std::uint8_t, kPlainBytes> plain;
  store_be64(plain.data(), ticket.id << 16 | ticket.sequence);
  return base64url(key.seal(as_bytes(kTicketUse), plain));
}

std::optional<Ticket> open_ticket(const SivKey& key, ByteView sealed) {
  if (sealed.size() != kTicketBytes) return std::nullopt;
  const auto raw = base64_decode(as_text(sealed));
  const auto plain = raw ? key.open(as_bytes(kTicketUse), as_bytes(*raw)) : std::nullopt;
  if (!plain || plain->size() != kPlainBytes) return std::nullopt;
  const std::uint64_t both = load_be64(plain->data());
  return Ticket{both >> 16, static_cast<std::uint16_t>(both)};
}

TicketOwner ticket_owner(std::string_view username, std::string_view account) noexcept {
  std::array<std::uint8_t, 2> length;
  store_be16(length.data(), static_cast<std::uint16_t>(username.size()));
  const Sha256Digest digest = sha256({length, as_bytes(username), as_bytes(account)});
  TicketOwner out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

void Server::make_mobile(SlotHandle handle, Allocation& allocation) {
  allocation.mobility = std::make_unique<Mobility>();
  allocation.mobility->id = ledger_.add_place(Place{shard_, handle}, random_);
  allocation.mobility->owner = ticket_owner(allocation.username, allocation.account);
  next_ticket(allocation);
}

void Server::next_ticket(Allocation& allocation) {
  Mobility& m = *allocation.mobility;
  ++m.sequence;
  m.ticket = seal_ticket(*tickets_, Ticket{m.id, m.sequence});
}

void Server::unlink(const FiveTuple& tuple, SlotHandle handle) {
  const auto found = by_tuple_.find(tuple);
  if (found != by_tuple_.end() && found->second == handle) by_tuple_.erase(found);
}

void Server::forget_paths(SlotHandle handle, Allocation& allocation) {
  unlink(allocation.tuple, handle);
  if (!allocation.mobility) return;
  if (allocation.mobility->next) unlink(allocation.mobility->next->tuple, handle);
}

void Server::handle_move(Request& r) {
  if (!options_.mobility) return deny(r, ErrorCode::MobilityForbidden, Denial::MobilityOff);
  const ByteView value = r.message.find(AttributeType::MobilityTicket).value_or(ByteView{});
  if (value.empty())
    return respond_error(r, ErrorCode::BadRequest);  // it asks for mobility, in Allocate only
  const auto lifetime = granted_refresh(r);
  if (!lifetime) return respond_error(r, ErrorCode::BadRequest);
  const auto family = r.message.find(AttributeType::RequestedAddressFamily);
  const auto family_code = family ? stun::decode_address_family(*family) : std::nullopt;
  if (family && !family_code) return respond_error(r, ErrorCode::BadRequest);

  const auto ticket = open_ticket(*tickets_, value);
  const auto place = ticket ? ledger_.place_of(ticket->id) : std::nullopt;
  if (!place) return deny(r, ErrorCode::AllocationMismatch, Denial::WrongTicket);
  // The five-tuple has an allocation of its own.
  const auto held = by_tuple_.find(r.in.tuple);
  if (held != by_tuple_.end() && (place->shard != shard_ || held->second != place->allocation))
    return respond_error(r, ErrorCode::AllocationMismatch);

  Letter query;
  query.kind = Letter::Kind::Query;
  query.from = shard_;
  query.to = place->shard;
  query.id = ticket->id;
  query.sequence = ticket->sequence;
  query.owner = ticket_owner(r.username, r.account);
  query.tuple = r.in.tuple;
  query.route = r.in.route;
  query.lifetime_seconds = *lifetime;
  query.family_code = family_code;
  query.transaction_id = r.message.transaction_id();
  if (place->shard != shard_) {
    query.request.assign(r.in.bytes.begin(), r.in.bytes.end());
    r.out.letters.push_back(std::move(query));
    return;
  }
  answer_move(r, move(r.now, query, r.out));
}

void Server::answer_move(Request& r, const Letter& reply) {
  if (reply.error) {
    if (*reply.error == ErrorCode::AllocationMismatch) ++counters_.denials[index(Denial::WrongTicket)];
    if (*reply.error == ErrorCode::WrongCredentials) ++counters_.auth_failures[index(AuthFailure::WrongUser)];
    return respond_error(r, *reply.error);
  }
  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  response.builder.add_u32(AttributeType::Lifetime, reply.lifetime_seconds);
  if (!reply.ticket.empty()) response.builder.add(AttributeType::MobilityTicket, reply.ticket);
  send_answer(r, response, Outcome::Success);
}

Allocation* Server::find_mobile(std::uint64_t id, TimePoint now, SlotHandle& handle) noexcept {
  const auto place = ledger_.place_of(id);
  if (!place || place->shard != shard_) return nullptr;
  handle = place->allocation;
  Allocation* allocation = allocations_.find(handle);
  const bool good = allocation != nullptr && allocation->mobility && allocation->mobility->id == id &&
                    allocation->state == Allocation::State::Ready && now < allocation->expires;
  return good ? allocation : nullptr;
}

Letter Letter::answer(Kind kind_of_answer) const {
  Letter out;
  out.kind = kind_of_answer;
  out.from = to;
  out.to = from;
  out.id = id;
  out.tuple = tuple;
  return out;
}

Letter Server::move(Now now, const Letter& query, Outbox& out) {
  Letter reply = query.answer(Letter::Kind::Reply);
  reply.route = query.route;
  reply.lifetime_seconds = query.lifetime_seconds;
  reply.error = ErrorCode::AllocationMismatch;

  SlotHandle handle;
  Allocation* allocation = find_mobile(query.id, now.mono, handle);
  if (allocation == nullptr) return reply;
  Mobility& m = *allocation->mobility;
  if (m.owner != query.owner) {
    reply.error = ErrorCode::WrongCredentials;
    return reply;
  }
  drop_expired_legs(handle, *allocation, now.mono, out);
  const auto only = query.family_code ? stun::family_of_code(*query.family_code) : std::nullopt;
  const bool there = only && allocation->relays(*only, now.mono);
  // As in any Refresh: the retransmission of one that took this family away succeeds again.
  const bool repeated =
      !there && only && query.lifetime_seconds == 0 && allocation->was_cut_by(query.transaction_id);
  if (query.family_code && !there && !repeated) {
    reply.error = ErrorCode::PeerAddressFamilyMismatch;
    return reply;
  }
  const bool cuts = there && query.lifetime_seconds == 0 && allocation->is_dual();
  const bool ends = query.lifetime_seconds == 0 && !repeated && !cuts;
  // Where the client was last known to be.
  const bool here = m.next ? m.next->tuple == query.tuple && m.next->shard == query.from
                           : !m.detached && allocation->tuple == query.tuple;
  if (query.sequence == m.sequence) {
    if (here) {  // "no IP address or source port number change": no ticket is due
      reply.error = ErrorCode::BadRequest;
      return reply;
    }
    if (!ends) set_next(handle, *allocation, query, now);
  } else if (static_cast<std::uint16_t>(query.sequence + 1) != m.sequence || !here ||
             now.mono - m.moved_at >= kOldTicketLife) {
    return reply;
  }
  reply.error.reset();
  if (ends) {
    end(handle, EndReason::Refreshed, now, out);
    return reply;
  }
  reply.ticket = m.ticket;
  if (cuts) {
    drop_leg(handle, *allocation, *only, out);
    allocation->second->deleted_by = query.transaction_id;
  } else if (!repeated) {
    prolong(handle, *allocation, only, reply, now);
  }
  // Nobody is left on the old five-tuple.
  if (m.detached && m.next && m.next->shard == shard_) settle(handle, *allocation);
  return reply;
}

void Server::prolong(SlotHandle handle, Allocation& allocation, std::optional<IpFamily> only, Letter& reply,
                     Now now) {
  if (allocation.granted_until != TimePoint::max()) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(allocation.granted_until - now.mono);
    reply.lifetime_seconds = static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(left.count(), 1, std::int64_t{reply.lifetime_seconds}));
  }
  const TimePoint expires = now.mono + std::chrono::seconds(reply.lifetime_seconds);
  allocation.set_expiry(only, expires);
  look_again_at(handle, allocation, expires);
}

void Server::set_next(SlotHandle handle, Allocation& allocation, const Letter& query, Now now) {
  Mobility& m = *allocation.mobility;
  if (m.next) unlink(m.next->tuple, handle);
  m.next.reset();
  m.moved_at = now.mono;
  next_ticket(allocation);
  if (!m.detached && query.from == shard_ && query.tuple == allocation.tuple) {  // it has come back
    allocation.route = query.route;
    by_tuple_.insert_or_assign(query.tuple, handle);
    return;
  }
  m.next = MobilePath{query.tuple, query.route, query.from};
  if (query.from == shard_) by_tuple_.insert_or_assign(query.tuple, handle);
}

void Server::data_came(SlotHandle handle, Allocation& allocation, const FiveTuple& tuple) {
  const Mobility& m = *allocation.mobility;
  if (m.next && m.next->shard == shard_ && m.next->tuple == tuple) settle(handle, allocation);
}

void Server::settle(SlotHandle handle, Allocation& allocation) {
  Mobility& m = *allocation.mobility;
  if (allocation.tuple != m.next->tuple) unlink(allocation.tuple, handle);
  --counters_.allocations[index(allocation.tuple.transport)];
  ++counters_.allocations[index(m.next->tuple.transport)];
  allocation.tuple = m.next->tuple;
  allocation.route = m.next->route;
  m.next.reset();
  m.detached = false;
}

bool Server::is_left(const Allocation& allocation, const FiveTuple& tuple) const noexcept {
  return allocation.mobility && allocation.mobility->next && allocation.mobility->next->tuple != tuple;
}

bool Server::survives_close(SlotHandle handle, const FiveTuple& tuple, Now now, Outbox& out) {
  Allocation* allocation = allocations_.find(handle);
  if (allocation == nullptr || !allocation->mobility || allocation->state != Allocation::State::Ready)
    return false;
  Mobility& m = *allocation->mobility;
  unlink(tuple, handle);
  if (m.next && m.next->shard == shard_ && m.next->tuple == tuple) {
    m.next.reset();
  } else {
    m.detached = true;
    if (m.next && m.next->shard != shard_) {
      hand_over(handle, *m.next, m.id, out);
      return true;
    }
    if (m.next) settle(handle, *allocation);
  }
  if (m.detached) {
    allocation->expires = std::min(allocation->expires, now.mono + kDetachedLife);
    look_again_at(handle, *allocation, allocation->expires);
  }
  return true;
}

}  // namespace ts::turn
