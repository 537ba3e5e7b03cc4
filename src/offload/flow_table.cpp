// SPDX-License-Identifier: Apache-2.0
#include "flow_table.hpp"

#include <algorithm>
#include <utility>

#include "ways.hpp"

namespace ts::offload {
namespace {

/// Families that differ want another IP header, and a link-local address is good on one link only: the
/// sockets' work.
bool is_ours(const turn::Flow& flow) noexcept {
  const Endpoint& client = flow.tuple.client;
  return client.address.family() == flow.peer.address.family() && !is_link_local(client.address) &&
         !is_link_local(flow.peer.address);
}

turn::Traffic difference(const ts_count& after, const ts_count& before) noexcept {
  return {after.packets - before.packets, after.bytes - before.bytes};
}

}  // namespace

FlowTable::FlowTable(Program& program, std::uint64_t seed)
    : program_(program), held_(TS_MAX_FLOWS, Hash{seed}) {
  places_.reserve(TS_MAX_FLOWS);
  free_.reserve(TS_MAX_FLOWS);
  for (std::uint32_t slot = TS_MAX_FLOWS; slot-- > 0;) free_.push_back(slot);
}

bool FlowTable::tell(const turn::Flow& flow) {
  if (!is_ours(flow)) return false;
  const Name name = name_of(flow);
  if (held_.size() >= TS_MAX_FLOWS && !held_.contains(name)) return false;
  const auto [at, is_new] = held_.try_emplace(name);
  Held& held = at->second;
  if (is_new) {
    held.place = places_.size();
    places_.push_back(&*at);
  }
  const bool same = !is_new && held.flow.peer == flow.peer && held.flow.relay == flow.relay;
  if (!same) {
    take_back(held);
    held.telling = ++tellings_;
  }
  held.flow = flow;
  if (held.slot) program_.prolong(*held.slot, flow.until);
  if (held.slot || held.awaited) return false;
  held.awaited = true;
  return true;
}

void FlowTable::end(turn::Flow& flow) {
  const auto found = held_.find(name_of(flow));
  if (found == held_.end()) return;
  Held& held = found->second;
  take_back(held);
  flow.to_peer = held.to_peer;
  flow.to_client = held.to_client;
  const auto last = held_.find(places_.back()->first);
  last->second.place = held.place;
  places_[held.place] = &*last;
  places_.pop_back();
  held_.erase(found);
}

std::optional<FlowTable::Wanted> FlowTable::find(const Name& name) {
  const auto found = held_.find(name);
  if (found == held_.end()) return std::nullopt;
  found->second.awaited = false;
  return Wanted{found->second.flow, found->second.telling};
}

void FlowTable::place(const Wanted& wanted, const std::optional<Ways>& ways, std::uint32_t epoch) {
  const auto found = held_.find(name_of(wanted.flow));
  if (found == held_.end() || found->second.telling != wanted.telling) return;
  Held& held = found->second;
  if (!ways) return take_back(held);
  if (held.slot && held.epoch == epoch && held.ways == *ways) return;
  if (free_.empty()) return take_back(held);
  // What may be in use is not rewritten: the keys lead to another slot from now on.
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  slots_used_ = std::max(slots_used_, slot + 1);
  const Entries entries = entries_of(held.flow, *ways, epoch);
  const ts_counts before = program_.counts(slot);
  program_.write(slot, entries);
  const bool published = program_.publish(slot, entries);
  leave_slot(held);
  if (!published) return left_.push_back(slot);
  held.slot = slot;
  held.before = before;
  held.ways = *ways;
  held.epoch = epoch;
  ++placed_;
}

void FlowTable::take_back(Held& held) {
  if (!held.slot) return;
  program_.withdraw(entries_of(held.flow, {}, 0));
  leave_slot(held);
}

void FlowTable::leave_slot(Held& held) {
  if (!held.slot) return;
  const ts_counts after = program_.counts(*held.slot);
  held.to_peer += difference(after.to_peer, held.before.to_peer);
  held.to_client += difference(after.to_client, held.before.to_client);
  left_.push_back(*held.slot);
  held.slot.reset();
  --placed_;
}

std::vector<std::uint32_t> FlowTable::take_left() noexcept { return std::exchange(left_, {}); }

void FlowTable::leave(const std::vector<std::uint32_t>& slots) {
  left_.insert(left_.end(), slots.begin(), slots.end());
}

void FlowTable::give_back(const std::vector<std::uint32_t>& slots) {
  free_.insert(free_.end(), slots.begin(), slots.end());
}

}  // namespace ts::offload
