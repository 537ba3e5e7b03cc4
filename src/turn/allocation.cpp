// SPDX-License-Identifier: Apache-2.0
// Life of allocations: permissions, expiry, end.
#include "allocation.hpp"

#include <turnstone/turn/server.hpp>

namespace ts::turn {

Allocation* Server::find(const FiveTuple& tuple) noexcept {
  const auto found = by_tuple_.find(tuple);
  return found != by_tuple_.end() ? allocations_.find(found->second) : nullptr;
}

void Server::look_again_at(SlotHandle handle, Allocation& allocation, TimePoint when) {
  // An entry that pops early puts itself back; only an earlier look needs a new one.
  if (when >= allocation.look_at) return;
  allocation.look_at = when;
  deadlines_.push(when, handle);
}

void Server::sweep(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out) {
  tell_flows(handle, allocation, now, out);
  counters_.permissions -=
      std::erase_if(allocation.permissions, [now](const Permission& p) { return p.expires <= now; });
  counters_.channels -= allocation.channels.erase_if([now](const Channel& c) { return c.expires <= now; });
}

bool Server::has_room_for(const Allocation& allocation, std::size_t added) const noexcept {
  const std::size_t most = options_.max_permissions_per_allocation;
  return most == 0 || added == 0 || allocation.permissions.size() + added <= most;
}

void Server::permit(SlotHandle handle, Allocation& allocation, const IpAddress& peer, TimePoint now) {
  const TimePoint expires = now + options_.permission_lifetime;
  if (Permission* present = allocation.permission(peer)) {
    present->expires = expires;
  } else {
    const auto at = std::lower_bound(allocation.permissions.begin(), allocation.permissions.end(), peer,
                                     [](const Permission& p, const IpAddress& ip) { return p.peer < ip; });
    allocation.permissions.insert(at, Permission{peer, expires});
    ++counters_.permissions;
  }
  look_again_at(handle, allocation, expires);
}

void Server::tick(Now now, Outbox& out) {
  while (const auto handle = deadlines_.pop_due(now.mono)) {
    Allocation* allocation = allocations_.find(*handle);
    if (allocation == nullptr || now.mono < allocation->look_at) continue;
    if (now.mono >= allocation->expires) {
      end(*handle, EndReason::Expired, now, out);
      continue;
    }
    drop_expired_legs(*handle, *allocation, now.mono, out);
    sweep(*handle, *allocation, now.mono, out);
    TimePoint next = allocation->expires;
    if (allocation->is_dual())
      next = std::min(allocation->second->expires[0], allocation->second->expires[1]);
    for (const Permission& p : allocation->permissions) next = std::min(next, p.expires);
    for (const Channel& c : allocation->channels) next = std::min(next, c.expires);
    next = std::min(next, sweep_connections(*allocation, now.mono, out));
    allocation->look_at = TimePoint::max();
    look_again_at(*handle, *allocation, next);
  }
}

void Server::end(SlotHandle handle, EndReason reason, Now now, Outbox& out) {
  Allocation* allocation = allocations_.find(handle);
  if (allocation == nullptr) return;
  drop_connections(*allocation, out);
  end_flows(handle, *allocation, std::nullopt, out);
  if (allocation->state == Allocation::State::Ready) {
    ++counters_.allocations_ended[index(reason)];
    --counters_.allocations[index(allocation->tuple.transport)];
    AllocationEvent event;
    event.ended = true;
    event.reason = reason;
    event.username = allocation->username;
    event.realm = realm_name(allocation->realm);
    if (allocation->policy != nullptr) {
      event.room = allocation->policy->room;
      event.member = allocation->policy->member;
    }
    event.tuple = allocation->tuple;
    event.relayed = allocation->relayed;
    event.allocation = handle;
    event.age = now.mono - allocation->started;
    event.to_peer = allocation->to_peer;
    event.to_client = allocation->to_client;
    out.events.push_back(std::move(event));
  }
  close_legs(handle, *allocation, out);
  if (allocation->state == Allocation::State::Opening) cancel_reservation(*allocation, now.mono);
  forget(handle, *allocation);
}

void Server::forget(SlotHandle handle, Allocation& allocation) {
  counters_.permissions -= allocation.permissions.size();
  counters_.channels -= allocation.channels.size();
  ledger_.return_port(allocation.local.address.family(), allocation.local.port);
  if (allocation.is_dual())
    ledger_.return_port(allocation.second->local.address.family(), allocation.second->local.port);
  if (allocation.opening) {
    for (const Endpoint& refused : allocation.opening->refused)
      ledger_.return_port(refused.address.family(), refused.port);
  }
  unlimit(allocation);
  leave_member(handle, allocation);
  forget_paths(handle, allocation);
  if (allocation.mobility) ledger_.forget_place(allocation.mobility->id);
  allocations_.erase(handle);
  tidy_deadlines();
}

void Server::tidy_deadlines() {
  // An ended allocation's entries stay until they pop, up to an hour later. Clients that allocate and delete
  // in turn would fill memory with them, so they are thrown out once they are many.
  if (deadlines_.size() <= 4 * std::size_t{allocations_.capacity()} + 1024) return;
  deadlines_ = DeadlineQueue<SlotHandle>();
  allocations_.for_each([this](SlotHandle handle, const Allocation& allocation) {
    if (allocation.look_at != TimePoint::max()) deadlines_.push(allocation.look_at, handle);
  });
}

void Server::client_closed(Now now, const FiveTuple& tuple, Outbox& out) {
  stop_waiting(tuple);
  const auto found = by_tuple_.find(tuple);
  if (found == by_tuple_.end()) {
    visitors_.erase(tuple);
    return;
  }
  const SlotHandle handle = found->second;
  if (!survives_close(handle, tuple, now, out)) end(handle, EndReason::ClientClosed, now, out);
}

void Server::shut_down(Now now, Outbox& out) {
  forget_waiting();
  allocations_.for_each([&](SlotHandle handle, Allocation&) { end(handle, EndReason::Shutdown, now, out); });
}

}  // namespace ts::turn
