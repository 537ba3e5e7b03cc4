// SPDX-License-Identifier: Apache-2.0
// Closed relays: who may reach what, and what ends when that becomes less.
#include <algorithm>
#include <utility>

#include <turnstone/turn/reach.hpp>
#include <turnstone/turn/server.hpp>

#include "allocation.hpp"
#include "peer_connection.hpp"

namespace ts::turn {

std::vector<std::string> ReachTable::apply(const ReachChange& change) {
  using Kind = ReachChange::Kind;
  switch (change.kind) {
    case Kind::Enter: enter(change); break;
    case Kind::Announce: announce(change); break;
    case Kind::Leave: return leave(change);
    case Kind::Grant: grant(change); break;
    case Kind::Forget: forget(change.member); break;
  }
  return {};
}

void ReachTable::enter(const ReachChange& change) {
  Room& room = rooms_[change.room];
  Person& person = people_[change.peer];
  room.peers.insert(change.peer);
  if (!person.members.empty()) room.holders.insert(change.peer);
  person.rooms.try_emplace(change.room);
}

void ReachTable::grant(const ReachChange& change) {
  forget(change.member);
  grants_[change.member] = Grant{change.room, change.peer};
  Person& person = people_[change.peer];
  person.members.insert(change.member);
  for (const auto& [room, addresses] : person.rooms) rooms_.find(room)->second.holders.insert(change.peer);
}

void ReachTable::announce(const ReachChange& change) {
  const auto person = people_.find(change.peer);
  if (person == people_.end()) return;
  const auto own = person->second.rooms.find(change.room);
  if (own == person->second.rooms.end()) return;
  Room& room = rooms_[change.room];
  for (const IpAddress& each : change.addresses) {
    const IpAddress address = embedded_v4(each).value_or(each);
    if (room.addresses[address].insert(change.peer).second) own->second.push_back(address);
  }
}

std::vector<std::string> ReachTable::leave(const ReachChange& change) {
  const auto person = people_.find(change.peer);
  const auto room = rooms_.find(change.room);
  if (person == people_.end() || room == rooms_.end()) return {};
  const auto own = person->second.rooms.find(change.room);
  if (own == person->second.rooms.end()) return {};
  std::vector<std::string> out(person->second.members.begin(), person->second.members.end());
  bool less = false;  // for somebody who stays: of two who announced it, the other one
  for (const IpAddress& address : own->second) {
    const auto at = room->second.addresses.find(address);
    at->second.erase(change.peer);
    less = less || at->second.size() <= 1;
    if (at->second.empty()) room->second.addresses.erase(at);
  }
  person->second.rooms.erase(own);
  room->second.peers.erase(change.peer);
  room->second.holders.erase(change.peer);
  for (const std::string& mate : room->second.holders) {
    if (!less) break;
    const Names& members = people_.find(mate)->second.members;
    out.insert(out.end(), members.begin(), members.end());
  }
  if (room->second.peers.empty()) rooms_.erase(room);
  tidy(change.peer);
  return out;
}

void ReachTable::forget(std::string_view member) {
  const auto grant = grants_.find(member);
  if (grant == grants_.end()) return;
  const std::string peer = std::move(grant->second.peer);
  grants_.erase(grant);
  const auto person = people_.find(peer);
  if (person == people_.end()) return;
  if (const auto at = person->second.members.find(member); at != person->second.members.end())
    person->second.members.erase(at);
  if (person->second.members.empty()) {
    for (const auto& [room, addresses] : person->second.rooms) rooms_.find(room)->second.holders.erase(peer);
  }
  tidy(peer);
}

void ReachTable::tidy(std::string_view peer) {
  const auto person = people_.find(peer);
  if (person == people_.end() || !person->second.rooms.empty() || !person->second.members.empty()) return;
  people_.erase(person);
}

bool ReachTable::announced(std::string_view room, std::string_view peer, const IpAddress& address) const {
  const auto in = rooms_.find(room);
  if (in == rooms_.end()) return false;
  const auto at = in->second.addresses.find(address);
  // Its own announcement opens nothing: else it could open whatever it likes.
  return at != in->second.addresses.end() && (at->second.size() > 1 || *at->second.begin() != peer);
}

bool ReachTable::reaches(std::string_view member, const IpAddress& address) const {
  const auto grant = grants_.find(member);
  if (grant == grants_.end()) return false;
  const auto person = people_.find(grant->second.peer);
  if (person == people_.end()) return false;
  const auto& rooms = person->second.rooms;
  if (!grant->second.room.empty())
    return rooms.contains(grant->second.room) && announced(grant->second.room, person->first, address);
  return std::any_of(rooms.begin(), rooms.end(),
                     [&](const auto& room) { return announced(room.first, person->first, address); });
}

void Server::reach(Now now, const ReachChange& change, Outbox& out) {
  for (const std::string& member : reach_.apply(change)) {
    for (const SlotHandle handle : members_.of(member)) {
      if (Allocation* allocation = allocations_.find(handle)) confine(handle, *allocation, now.mono, out);
    }
  }
}

void Server::confine(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out) {
  if (allocation.policy == nullptr || !allocation.policy->closed) return;
  const auto is_out = [&](const IpAddress& peer) {
    return denied_by_credential(allocation, peer).has_value();
  };
  const std::size_t gone =
      std::erase_if(allocation.permissions, [&](const Permission& p) { return is_out(p.peer); });
  counters_.permissions -= gone;
  // What the kernel relays ends by what is no longer permitted, before the channels go that say so.
  if (gone != 0) tell_flows(handle, allocation, now, out);
  counters_.channels -=
      allocation.channels.erase_if([&](const Channel& c) { return is_out(c.peer.address); });
  const std::vector<ConnectionId> connections = allocation.connections;
  for (const ConnectionId id : connections) {
    const PeerConnection& connection = *connections_.find(id)->second;
    if (!is_out(connection.peer.address)) continue;
    if (connection.state == PeerConnection::State::Connecting)
      answer_connect(connection, stun::ErrorCode::Forbidden, out);
    drop_connection(id, out);
  }
}

}  // namespace ts::turn
