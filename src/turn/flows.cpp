// SPDX-License-Identifier: Apache-2.0
// What the shell is told about flows, when it asks for that (Options::tell_flows): the difference between
// what a channel may relay by now and what was told last.
#include <turnstone/turn/flows.hpp>
#include <turnstone/turn/server.hpp>

#include "allocation.hpp"

namespace ts::turn {
namespace {

/// A flow that would last only so much longer is not told again: clients may refresh as often as they like,
/// and each telling costs the shell system calls. Without the telling the sockets relay for as long.
constexpr std::chrono::seconds kNotWorthTelling{10};

bool may_flow(const Allocation& allocation) noexcept {
  // What a rate limits is counted packet by packet, here and nowhere else.
  return allocation.tuple.transport == Transport::Udp && allocation.protocol == RelayProtocol::Udp &&
         allocation.state == Allocation::State::Ready && allocation.limits == nullptr &&
         !(allocation.mobility && allocation.mobility->detached);
}

TimePoint end_of(Allocation& allocation, const Channel& channel) noexcept {
  const Permission* permission = allocation.permission(channel.peer.address);
  if (permission == nullptr) return TimePoint::min();
  const IpFamily family = channel.peer.address.family();
  const TimePoint leg =
      allocation.is_dual() ? allocation.second->expires[family_index(family)] : allocation.expires;
  return std::min({channel.expires, permission->expires, leg});
}

Flow flow_of(SlotHandle handle, const Allocation& allocation, const Channel& channel) noexcept {
  Flow out;
  out.allocation = handle;
  out.channel = channel.number;
  out.tuple = allocation.tuple;
  const bool first = channel.peer.address.family() == allocation.family();
  out.relay = first || !allocation.is_dual() ? allocation.local : allocation.second->local;
  out.peer = channel.peer;
  return out;
}

void end_flow(SlotHandle handle, const Allocation& allocation, Channel& channel, Outbox& out) {
  if (channel.told_until == TimePoint::min()) return;
  channel.told_until = TimePoint::min();
  out.flows.push_back(flow_of(handle, allocation, channel));
  out.flows.back().ended = true;
}

}  // namespace

void Server::tell_flows(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out) {
  if (!options_.tell_flows) return;
  const bool fit = may_flow(allocation);
  for (Channel& channel : allocation.channels) {
    const TimePoint until = fit ? end_of(allocation, channel) : TimePoint::min();
    if (until <= now) {
      end_flow(handle, allocation, channel, out);
      continue;
    }
    const TimePoint told = channel.told_until;
    if (told != TimePoint::min() && until >= told && until - told < kNotWorthTelling) continue;
    channel.told_until = until;
    out.flows.push_back(flow_of(handle, allocation, channel));
    out.flows.back().until = until;
  }
}

void Server::end_flows(SlotHandle handle, Allocation& allocation, std::optional<IpFamily> only, Outbox& out) {
  if (!options_.tell_flows) return;
  for (Channel& channel : allocation.channels) {
    if (!only || channel.peer.address.family() == *only) end_flow(handle, allocation, channel, out);
  }
}

void Server::flow_ended(const Flow& flow, Outbox& out) noexcept {
  const auto add = [&flow](auto& to) {
    to.to_peer += flow.to_peer;
    to.to_client += flow.to_client;
  };
  if (Allocation* allocation = allocations_.find(flow.allocation)) return add(*allocation);
  for (AllocationEvent& event : out.events) {
    if (event.ended && event.allocation == flow.allocation) return add(event);
  }
  for (Letter& letter : out.letters) {
    if (letter.allocation && letter.departed == flow.allocation) return add(*letter.allocation);
  }
}

}  // namespace ts::turn
