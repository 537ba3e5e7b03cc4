// SPDX-License-Identifier: Apache-2.0
// What operators may look at and do, and options that change.
#include <algorithm>

#include <turnstone/turn/server.hpp>

#include "allocation.hpp"

namespace ts::turn {
namespace {

bool matches(const AllocationFilter& filter, const Allocation& a) {
  const auto named = [](const std::string& wanted, const std::string* has) {
    return wanted.empty() || (has != nullptr && *has == wanted);
  };
  const auth::Policy* policy = a.policy.get();
  if (!named(filter.room, policy != nullptr ? &policy->room : nullptr)) return false;
  if (!named(filter.member, policy != nullptr ? &policy->member : nullptr)) return false;
  if (filter.transport && *filter.transport != a.tuple.transport) return false;
  if (filter.client && !filter.client->contains(a.tuple.client.address.unmapped())) return false;
  if (filter.user.empty() || filter.user == a.username) return true;
  return revokes(Revocation{Revocation::Kind::User, filter.user}, Bearer{a.username, a.account, policy});
}

}  // namespace

AllocationView Server::view_of(SlotHandle handle, const Allocation& a, TimePoint now) const {
  AllocationView out;
  out.handle = handle;
  out.username = a.username;
  out.realm = realm_name(a.realm);
  if (a.policy != nullptr) {
    out.room = a.policy->room;
    out.member = a.policy->member;
  }
  out.tuple = a.tuple;
  out.relayed.push_back(a.relayed);
  if (a.is_dual()) out.relayed.push_back(a.second->relayed);
  out.protocol = a.protocol;
  out.age = now - a.started;
  out.left = std::max(a.expires - now, Duration::zero());
  out.permissions = a.permissions.size();
  out.channels = a.channels.size();
  out.connections = a.connections.size();
  out.mobile = a.mobility != nullptr;
  out.to_peer = a.to_peer;
  out.to_client = a.to_client;
  return out;
}

AllocationPage Server::list(const AllocationFilter& filter, std::uint32_t from, std::uint32_t looked,
                            std::size_t most, TimePoint now) const {
  AllocationPage out;
  const std::uint32_t capacity = allocations_.capacity();
  const std::uint32_t end = from < capacity ? from + std::min(looked, capacity - from) : from;
  std::uint32_t at = from;
  for (; at < end && out.found.size() < most; ++at) {
    const SlotHandle handle = allocations_.handle_at(at);
    const Allocation* a = allocations_.find(handle);
    if (a == nullptr || a->state != Allocation::State::Ready || !matches(filter, *a)) continue;
    if (filter.realm && *filter.realm != realm_name(a->realm)) continue;
    out.found.push_back(view_of(handle, *a, now));
  }
  if (at < capacity) out.next = at;
  return out;
}

LoadPage Server::loads(std::uint32_t from, std::uint32_t looked, TimePoint now) const {
  LoadPage out;
  out.at = now;
  const std::uint32_t capacity = allocations_.capacity();
  const std::uint32_t end = from < capacity ? from + std::min(looked, capacity - from) : from;
  for (std::uint32_t at = from; at < end; ++at) {
    const SlotHandle handle = allocations_.handle_at(at);
    const Allocation* a = allocations_.find(handle);
    if (a == nullptr || a->state != Allocation::State::Ready) continue;
    AllocationLoad& load = out.found.emplace_back();
    load.handle = handle;
    load.age = now - a->started;
    load.relayed = a->to_peer;
    load.relayed += a->to_client;
  }
  if (end < capacity) out.next = end;
  return out;
}

std::optional<AllocationDetail> Server::detail(SlotHandle handle, TimePoint now) const {
  const Allocation* a = allocations_.find(handle);
  if (a == nullptr || a->state != Allocation::State::Ready) return std::nullopt;
  AllocationDetail out;
  out.view = view_of(handle, *a, now);
  for (const Permission& p : a->permissions) {
    if (p.expires <= now || out.permissions.size() == AllocationDetail::kMost) continue;
    out.permissions.push_back(PermissionView{p.peer, p.expires - now});
  }
  for (const Channel& c : a->channels) {
    if (c.expires <= now || out.channels.size() == AllocationDetail::kMost) continue;
    out.channels.push_back(ChannelView{c.number, c.peer, c.expires - now});
  }
  return out;
}

bool Server::end_allocation(Now now, SlotHandle handle, Outbox& out) {
  const Allocation* a = allocations_.find(handle);
  if (a == nullptr || a->state != Allocation::State::Ready) return false;
  end(handle, EndReason::Admin, now, out);
  return true;
}

void Server::options_changed() {
  policy_ = PeerPolicy(options_);
  const std::uint64_t seed = by_tuple_.hash_function().seed;
  bindings_ = SourceLimiter(options_.max_bindings_per_second_per_source, ~seed);
  challenges_ = SourceLimiter(options_.max_challenges_per_second_per_source, ~seed);
}

}  // namespace ts::turn
