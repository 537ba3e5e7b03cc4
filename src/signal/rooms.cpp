// SPDX-License-Identifier: Apache-2.0
// Rooms of the Router: joining, leaving, presence and meta. Work is linear in the room's members at most.
#include <algorithm>
#include <utility>

#include <turnstone/signal/router.hpp>

namespace ts::signal {

Router::Membership* Router::Connection::in(SlotHandle room) noexcept {
  const auto at =
      std::find_if(rooms.begin(), rooms.end(), [&](const Membership& m) { return m.room == room; });
  return at == rooms.end() ? nullptr : &*at;
}

SlotHandle Router::room_handle(std::string_view name) const noexcept {
  const auto at = room_names_.find(name);
  return at == room_names_.end() ? SlotHandle{} : at->second;
}

SlotHandle Router::open_room(std::string_view name) {
  const auto [at, room] = rooms_.emplace(std::string(name), hash_);
  room_names_.emplace(room.name, at);
  ++counters_.rooms;
  return at;
}

std::vector<PeerView> Router::mates(SlotHandle at, Connection& c, SlotHandle room) {
  const Room& r = *rooms_.find(room);
  const std::uint64_t own = c.in(room)->order;
  std::vector<PeerView> out;
  out.reserve(r.members.size() - 1);
  for (const SlotHandle other : r.members) {
    if (other == at) continue;
    Connection& o = *connections_.find(other);
    const Membership& m = *o.in(room);
    // Those of other nodes may have the same.
    const bool senior = own < m.order || (own == m.order && c.peer < o.peer);
    out.push_back(PeerView{o.peer, m.meta, senior, o.away()});
  }
  return out;
}

Result<Joined, Failure> Router::join(const Now& now, ConnectionId id, std::string_view name,
                                     std::string_view meta, const RoomChange& options, Outbox& out) {
  const auto at = member(id, out);
  if (!at) return at.error();
  if (!valid_name(name, kMaxRoomNameBytes)) return Failure{ErrorCode::BadRequest, "not a valid room name"};
  if (meta.size() > kMaxMetaBytes) return Failure{ErrorCode::TooLarge, "meta is too large"};
  Connection& c = *connections_.find(*at);
  SlotHandle room = room_handle(name);
  Membership* own = c.in(room);
  if (own != nullptr) {
    if (!meta.empty() && c.identity->meta.empty()) set_meta(*at, c, *own, meta, out);
  } else {
    // Also those that are refused for another reason: names of rooms could be guessed.
    const std::uint32_t own_rooms = c.identity->limits.rooms;
    const std::uint32_t rooms = own_rooms != 0 ? own_rooms : options_.max_rooms_per_member;
    if (const auto refusal = rate_limiter_.join(now.mono, c.rates, rooms))
      return refuse_rate(id, *refusal, out);
    if (const auto allowed = may_join(now, c, name, options); !allowed) return allowed.error();
    if (rooms_.find(room) == nullptr) {
      room = open_room(name);
      const bool may_shape = common_room(name) == nullptr || c.identity->can.has(Right::Room);
      if (may_shape) apply(*rooms_.find(room), options);
    }
    Room& r = *rooms_.find(room);
    own = &c.rooms.emplace_back(
        Membership{room, ++joins_, meta.empty() || !c.identity->meta.empty() ? c.meta : std::string(meta)});
    out.begin(PeerJoined{r.name, c.peer, own->meta, true});
    for (const SlotHandle other : r.members) out.to(connections_.find(other)->receiver());
    out.end();
    r.members.push_back(*at);
    tell_entered(c, room);
    ++counters_.memberships;
    if (watcher_ != nullptr) {
      watcher_->joined(c.peer, r.name, own->order, own->meta);
      if (r.members.size() == 1 && r.changed != 0) tell_options(r);
    }
    if (observer_ != nullptr) {
      if (r.members.size() == 1) observer_->room_opened(r.name);
      observer_->member_joined({r.name, c.peer, c.identity->subject, c.dialect});
    }
    deliver_waiting(now, c, room, out);
  }
  const Room& r = *rooms_.find(room);
  Joined joined{mates(*at, c, room), ice_of(now, c, name), RoomView{r.size, r.locked, r.meta}};
  arm(*at, c, false);
  return joined;
}

Result<void, Failure> Router::leave(const Now& now, ConnectionId id, std::string_view name, Outbox& out) {
  auto left = leave(id, name, out);
  const SlotHandle at = handle(id);
  // What the ICE provider gave for all rooms ends with the last.
  if (left && connections_.find(at)->rooms.empty())
    end_common_ice(now, at, *connections_.find(at), LeaveReason::Left, out);
  return left;
}

Result<void, Failure> Router::leave(ConnectionId id, std::string_view name, Outbox& out) {
  const auto at = member(id, out);
  if (!at) return at.error();
  Connection& c = *connections_.find(*at);
  const SlotHandle room = room_handle(name);
  if (c.in(room) == nullptr) return Failure{ErrorCode::NotJoined, "not in this room"};
  leave_room(*at, c, room, LeaveReason::Left, out);
  return {};
}

void Router::leave_room(SlotHandle at, Connection& c, SlotHandle room, LeaveReason why, Outbox& out,
                        bool keeps_ice) {
  drop_waiting(c, room);
  Room& r = *rooms_.find(room);
  if (!c.remote) {
    end_ice(c, r.name, why, keeps_ice);
    --counters_.memberships;
    if (watcher_ != nullptr) watcher_->left(c.peer, r.name, why);
    if (observer_ != nullptr) {
      observer_->member_left({r.name, c.peer, c.identity->subject, c.dialect}, why);
      if (r.members.size() == 1) observer_->room_emptied(r.name);
    }
  }
  if (!keeps_ice) {
    tell_left(c, room);
  } else if (listening_) {
    kept_.emplace_back(r.name, c.peer);
  }
  std::erase(r.members, at);
  std::erase_if(c.rooms, [&](const Membership& m) { return m.room == room; });
  if (r.members.empty()) {
    room_names_.erase(r.name);
    rooms_.erase(room);
    --counters_.rooms;
    return;
  }
  // One tick may close the others too, and the room with the last of them: no view into it.
  out.begin(PeerLeft{out.keep(r.name), out.keep(c.peer), label(why)});
  for (const SlotHandle other : r.members) out.to(connections_.find(other)->receiver());
  out.end();
}

void Router::set_meta(SlotHandle at, Connection& c, Membership& m, std::string_view meta, Outbox& out) {
  const Room& r = *rooms_.find(m.room);
  m.meta = meta;
  if (watcher_ != nullptr && !c.remote) watcher_->updated(c.peer, r.name, m.meta);
  out.begin(PeerUpdated{r.name, c.peer, m.meta});
  for (const SlotHandle other : r.members) {
    if (other != at) out.to(connections_.find(other)->receiver());
  }
  out.end();
}

Result<void, Failure> Router::update(ConnectionId id, std::string_view name, std::string_view meta,
                                     Outbox& out) {
  const auto at = member(id, out);
  if (!at) return at.error();
  if (meta.size() > kMaxMetaBytes) return Failure{ErrorCode::TooLarge, "meta is too large"};
  Connection& c = *connections_.find(*at);
  if (!c.identity->meta.empty()) return Failure{ErrorCode::Forbidden, "the application has set the meta"};
  if (!name.empty()) {
    Membership* m = c.in(room_handle(name));
    if (m == nullptr) return Failure{ErrorCode::NotJoined, "not in this room"};
    set_meta(*at, c, *m, meta, out);
    return {};
  }
  c.meta = meta;
  for (Membership& m : c.rooms) set_meta(*at, c, m, meta, out);
  return {};
}

Result<std::vector<PeerView>, Failure> Router::list(ConnectionId id, std::string_view name, Outbox& out) {
  const auto at = member(id, out);
  if (!at) return at.error();
  Connection& c = *connections_.find(*at);
  const SlotHandle room = room_handle(name);
  if (c.in(room) == nullptr) return Failure{ErrorCode::NotJoined, "not in this room"};
  return mates(*at, c, room);
}

}  // namespace ts::signal
