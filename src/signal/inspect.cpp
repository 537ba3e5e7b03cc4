// SPDX-License-Identifier: Apache-2.0
// What operators may look at and do.
#include <algorithm>

#include <turnstone/signal/router.hpp>

namespace ts::signal {

RoomPage Router::rooms(std::string_view prefix, std::uint32_t from, std::uint32_t looked,
                       std::size_t most) const {
  RoomPage out;
  const std::uint32_t capacity = rooms_.capacity();
  const std::uint32_t end = from < capacity ? from + std::min(looked, capacity - from) : from;
  std::uint32_t at = from;
  for (; at < end && out.found.size() < most; ++at) {
    const Room* room = rooms_.find(rooms_.handle_at(at));
    if (room == nullptr || !room->name.starts_with(prefix)) continue;
    out.found.push_back(RoomSummary{room->name, room->members.size(), room->size, room->locked});
  }
  if (at < capacity) out.next = at;
  return out;
}

std::optional<MemberPage> Router::members(std::string_view name, std::uint64_t from, std::size_t most) const {
  const SlotHandle at = room_handle(name);
  const Room* room = rooms_.find(at);
  if (room == nullptr) return std::nullopt;
  MemberPage out;
  out.total = room->members.size();
  std::uint64_t last = 0;
  for (const SlotHandle member : room->members) {
    const Connection& c = *connections_.find(member);
    const auto membership =
        std::find_if(c.rooms.begin(), c.rooms.end(), [&](const Membership& m) { return m.room == at; });
    if (membership->order < from) continue;
    // Members of several nodes may have the same one.
    if (out.found.size() >= most && membership->order != last) {
      out.next = membership->order;
      break;
    }
    last = membership->order;
    out.found.push_back(
        MemberSummary{c.peer, c.identity->subject, c.client, c.dialect, c.away(), c.remote != nullptr});
  }
  return out;
}

Result<void, Failure> Router::remove(const Now& now, std::string_view name, std::string_view peer,
                                     std::string_view reason, Outbox& out) {
  const SlotHandle room = room_handle(name);
  const auto found = peers_.find(peer);
  if (rooms_.find(room) == nullptr || found == peers_.end() ||
      connections_.find(found->second)->in(room) == nullptr) {
    return Failure{ErrorCode::UnknownTarget, "no such peer here"};
  }
  if (out_of_reach(*connections_.find(found->second))) return kOutOfReach;
  throw_out(now, found->second, room, reason, out);
  return {};
}

}  // namespace ts::signal
