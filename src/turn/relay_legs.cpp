// SPDX-License-Identifier: Apache-2.0
// The one or two relayed transport addresses of an allocation (RFC 8656 §7.2, check 9): from the wish for a
// socket to the answer, ports that others hold, and the end of one of two.
#include <turnstone/turn/server.hpp>

#include "allocation.hpp"

namespace ts::turn {
namespace {

/// Another program may sit on a port of our range: so many others are tried.
constexpr std::uint8_t kMaxOpenAttempts = 8;
constexpr std::chrono::seconds kReservationLife{30};

}  // namespace

void Server::reserve_next(Allocation& allocation, TimePoint now) {
  if (allocation.opening->parity != PortParity::EvenWithNextReserved) return;
  const auto next = static_cast<std::uint16_t>(allocation.local.port + 1);
  allocation.has_reservation = true;
  allocation.reservation_token =
      ledger_.reserve(allocation.family(), next, allocation.account, now + kReservationLife, random_);
}

void Server::cancel_reservation(Allocation& allocation, TimePoint now) {
  if (!allocation.has_reservation) return;
  allocation.has_reservation = false;
  const auto kept = ledger_.redeem(allocation.reservation_token, now);
  if (kept) ledger_.return_port(kept->address.family(), kept->port);
}

bool Server::try_another_port(Allocation& allocation, IpFamily family, TimePoint now) {
  Opening& opening = *allocation.opening;
  if (opening.port_was_reserved || ++opening.legs[family_index(family)].attempts >= kMaxOpenAttempts)
    return false;
  cancel_reservation(allocation, now);
  const auto port = ledger_.take_port(family, opening.parity, allocation.account, now, random_);
  if (!port) return false;
  const bool first = family == allocation.family();
  Endpoint& local = first ? allocation.local : allocation.second->local;
  opening.refused.push_back(local);
  local.port = (first ? allocation.relayed : allocation.second->relayed).port = *port;
  reserve_next(allocation, now);
  return true;
}

void Server::relay_opened(Now now, const RelayId& relay, Outbox& out) {
  Allocation* allocation = allocations_.find(relay.allocation);
  if (allocation == nullptr) {  // it ended meanwhile: nobody wants the socket
    out.close_relays.push_back(CloseRelay{relay, RelayProtocol::Udp});
    out.close_relays.push_back(CloseRelay{relay, RelayProtocol::Tcp});
    return;
  }
  if (allocation->opening == nullptr) return;  // said twice
  Opening::Leg& leg = allocation->opening->legs[family_index(relay.family)];
  if (!leg.wanted || leg.open) return;
  leg.open = true;
  finish_opening(relay.allocation, *allocation, now, out);
}

void Server::relay_failed(Now now, const RelayId& relay, RelayError error, Outbox& out) {
  Allocation* allocation = allocations_.find(relay.allocation);
  if (allocation == nullptr) return;
  if (allocation->opening == nullptr) {
    if (!allocation->is_dual()) return end(relay.allocation, EndReason::RelayFailed, now, out);
    drop_leg(relay.allocation, *allocation, relay.family, out);
    allocation->second.reset();
    return;
  }
  Opening::Leg& leg = allocation->opening->legs[family_index(relay.family)];
  if (!leg.wanted) return;
  if (error == RelayError::AddressInUse && try_another_port(*allocation, relay.family, now.mono)) {
    const bool first = relay.family == allocation->family();
    out.open_relays.push_back(
        OpenRelay{relay, first ? allocation->local : allocation->second->local, allocation->protocol});
    return;
  }
  ++counters_.denials[index(Denial::NoPort)];
  if (!allocation->is_dual()) return give_up_opening(relay.allocation, *allocation, now.mono, out);
  // One of two: "it includes ADDRESS-ERROR-CODE attribute in the success response".
  drop_leg(relay.allocation, *allocation, relay.family, out);
  leg = {};
  allocation->second.reset();
  allocation->address_error = static_cast<std::uint16_t>(stun::ErrorCode::InsufficientCapacity);
  finish_opening(relay.allocation, *allocation, now, out);
}

void Server::finish_opening(SlotHandle handle, Allocation& allocation, Now now, Outbox& out) {
  for (const Opening::Leg& leg : allocation.opening->legs) {
    if (leg.wanted && !leg.open) return;
  }
  for (const Endpoint& refused : allocation.opening->refused)
    ledger_.return_port(refused.address.family(), refused.port);
  allocation.opening.reset();
  allocation.state = Allocation::State::Ready;
  ++counters_.allocations_created;
  ++counters_.allocations[index(allocation.tuple.transport)];
  look_again_at(handle, allocation, allocation.expires);
  announce(allocation, now, out);
}

void Server::announce(const Allocation& allocation, Now now, Outbox& out) {
  answer_opened(allocation, stun::MessageClass::SuccessResponse, out);
  AllocationEvent event;
  event.username = allocation.username;
  event.realm = realm_name(allocation.realm);
  if (allocation.policy != nullptr) {
    event.room = allocation.policy->room;
    event.member = allocation.policy->member;
  }
  event.tuple = allocation.tuple;
  event.relayed = allocation.relayed;
  event.age = now.mono - allocation.started;
  out.events.push_back(std::move(event));
}

void Server::give_up_opening(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out) {
  cancel_reservation(allocation, now);  // nobody was told the token
  answer_opened(allocation, stun::MessageClass::ErrorResponse, out);
  close_legs(handle, allocation, out);
  forget(handle, allocation);
}

void Server::close_legs(SlotHandle handle, const Allocation& allocation, Outbox& out) {
  for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
    const bool there = allocation.opening != nullptr ? allocation.opening->legs[family_index(family)].open
                                                     : allocation.is_dual() || allocation.family() == family;
    if (there) out.close_relays.push_back(CloseRelay{RelayId{handle, family}, allocation.protocol});
  }
}

void Server::drop_leg(SlotHandle handle, Allocation& allocation, IpFamily family, Outbox& out) {
  // §8.1: "MUST NOT affect any permissions or channels associated with allocations for the other address
  // family".
  counters_.permissions -=
      std::erase_if(allocation.permissions, [&](const Permission& p) { return p.peer.family() == family; });
  counters_.channels -=
      allocation.channels.erase_if([&](const Channel& c) { return c.peer.address.family() == family; });
  SecondRelay& second = *allocation.second;
  const bool first_goes = family == allocation.family();
  ledger_.return_port(family, (first_goes ? allocation.local : second.local).port);
  if (allocation.opening == nullptr || allocation.opening->legs[family_index(family)].open)
    out.close_relays.push_back(CloseRelay{RelayId{handle, family}, allocation.protocol});
  if (first_goes) {
    allocation.relayed = second.relayed;
    allocation.local = second.local;
  }
  allocation.expires = second.expires[family_index(other_family(family))];
  second.gone = true;
}

void Server::drop_expired_legs(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out) {
  if (!allocation.is_dual() || now >= allocation.expires) return;
  for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
    if (now < allocation.second->expires[family_index(family)]) continue;
    drop_leg(handle, allocation, family, out);
    allocation.second.reset();
    return;
  }
}

}  // namespace ts::turn
