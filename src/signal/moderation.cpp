// SPDX-License-Identifier: Apache-2.0
// Moderation of rooms: who may do what, options, removing members.
#include <algorithm>
#include <utility>

#include <turnstone/signal/router.hpp>

namespace ts::signal {

const CommonRoom* Router::common_room(std::string_view name) const noexcept {
  const auto& all = options_.common_rooms;
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const CommonRoom& r) { return r.name == name; });
  return found == all.end() ? nullptr : &*found;
}

/// Whoever has the right anywhere, or is in a room longest; but a common room is nobody's: whoever came first
/// would hold the door for all clients of a dialect that has no word for it.
bool Router::moderates(SlotHandle at, const Connection& c, const Room& room, Right right) const noexcept {
  return c.identity->can.has(right) || (room.members.front() == at && common_room(room.name) == nullptr);
}

Result<void, Failure> Router::may_join(const Now& now, const Connection& c, std::string_view name,
                                       const RoomChange& options) const {
  const Identity& identity = *c.identity;
  const Room* room = rooms_.find(room_handle(name));
  const bool made_by_others = room != nullptr || common_room(name) != nullptr;
  if (!identity.can.has(made_by_others ? Right::Join : Right::Create) || !identity.may_enter(name)) {
    return Failure{ErrorCode::Forbidden, "not allowed in this room"};
  }
  const std::size_t most = identity.limits.rooms != 0 ? identity.limits.rooms : options_.max_rooms_per_member;
  if (c.rooms.size() >= most) return Failure{ErrorCode::Forbidden, "in too many rooms"};
  if (room == nullptr) {
    if (options.meta.size() > kMaxMetaBytes) return Failure{ErrorCode::TooLarge, "meta is too large"};
    return {};
  }
  return has_place(now, c.peer, identity, *room);
}

Result<void, Failure> Router::may_enter(const Now& now, const Identity& identity,
                                        std::string_view name) const {
  if (!identity.can.has(Right::Join) || !identity.may_enter(name)) {
    return Failure{ErrorCode::Forbidden, "not allowed in this room"};
  }
  const Room* room = rooms_.find(room_handle(name));
  return room == nullptr ? Result<void, Failure>() : has_place(now, {}, identity, *room);
}

Result<void, Failure> Router::has_place(const Now& now, std::string_view peer_id, const Identity& identity,
                                        const Room& room) const {
  for (const Ban& ban : room.bans) {
    if (ban.until > now.mono && ban.means(peer_id, identity)) {
      return Failure{ErrorCode::Forbidden, "banned from this room",
                     std::chrono::ceil<std::chrono::seconds>(ban.until - now.mono)};
    }
  }
  if (room.locked && !identity.can.has(Right::Room)) {
    return Failure{ErrorCode::RoomLocked, "the room is locked"};
  }
  const CommonRoom* common = common_room(room.name);
  const std::uint32_t most = common == nullptr ? options_.max_members_per_room : common->max_members;
  const std::uint32_t size = room.size != 0 && (most == 0 || room.size < most) ? room.size : most;
  if (size != 0 && room.members.size() >= size) return Failure{ErrorCode::RoomFull, "the room is full"};
  return {};
}

Result<void, Failure> Router::configure(ConnectionId id, std::string_view name, const RoomChange& change,
                                        Outbox& out) {
  const auto at = member(id, out);
  if (!at) return at.error();
  Connection& c = *connections_.find(*at);
  const SlotHandle room = room_handle(name);
  if (c.in(room) == nullptr) return Failure{ErrorCode::NotJoined, "not in this room"};
  Room& r = *rooms_.find(room);
  if (!moderates(*at, c, r, Right::Room))
    return Failure{ErrorCode::Forbidden, "not a moderator of this room"};
  if (change.empty()) return Failure{ErrorCode::BadRequest, "size, locked or meta is needed"};
  if (change.meta.size() > kMaxMetaBytes) return Failure{ErrorCode::TooLarge, "meta is too large"};
  apply(r, change);
  tell_options(r);
  out.begin(RoomUpdated{r.name, r.size, r.locked, r.meta});
  for (const SlotHandle other : r.members) {
    if (!(other == *at)) out.to(connections_.find(other)->receiver());
  }
  out.end();
  return {};
}

void Router::apply(Room& room, const RoomChange& change) {
  if (change.size) room.size = *change.size;
  if (change.locked) room.locked = *change.locked;
  if (!change.meta.empty()) room.meta = change.meta;
  if (!change.empty()) room.changed = ++joins_;
}

Result<void, Failure> Router::kick(const Now& now, ConnectionId id, const KickRequest& request, Outbox& out) {
  const auto at = member(id, out);
  if (!at) return at.error();
  const Connection& c = *connections_.find(*at);
  const SlotHandle room = room_handle(request.room);
  const Room* r = rooms_.find(room);
  if (r == nullptr || std::find(r->members.begin(), r->members.end(), *at) == r->members.end()) {
    return Failure{ErrorCode::NotJoined, "not in this room"};
  }
  if (request.reason.size() > kMaxReasonBytes) return Failure{ErrorCode::TooLarge, "reason is too large"};
  const auto target = peers_.find(request.peer);
  const bool there = target != peers_.end() && connections_.find(target->second)->in(room) != nullptr;
  if (there && target->second == *at) return Failure{ErrorCode::BadRequest, "leave, rather"};
  if (!moderates(*at, c, *r, Right::Kick))
    return Failure{ErrorCode::Forbidden, "not a moderator of this room"};
  if (!there) return Failure{ErrorCode::UnknownTarget, "no such peer here"};
  const Connection& mate = *connections_.find(target->second);
  // It would be removed here alone, and come back.
  if (out_of_reach(mate)) return kOutOfReach;
  throw_out(now, target->second, room, request.reason, out);
  return {};
}

Result<void, Failure> Router::ban(const Now& now, ConnectionId id, const BanRequest& request, Outbox& out) {
  const auto at = member(id, out);
  if (!at) return at.error();
  Connection& c = *connections_.find(*at);
  const SlotHandle room = room_handle(request.room);
  if (c.in(room) == nullptr) return Failure{ErrorCode::NotJoined, "not in this room"};
  if (request.reason.size() > kMaxReasonBytes) return Failure{ErrorCode::TooLarge, "reason is too large"};
  if (!valid_name(request.peer, kMaxPeerNameBytes))
    return Failure{ErrorCode::BadRequest, "not a valid peer id"};
  Room& r = *rooms_.find(room);
  if (!moderates(*at, c, r, Right::Ban)) return Failure{ErrorCode::Forbidden, "not a moderator of this room"};
  Ban ban{std::string(request.peer),
          {},
          now.mono + std::min<std::chrono::seconds>(request.time, kMaxBanTime),
          {},
          joins_ + 1};
  if (const Connection* target = peer(request.peer))
    (target->remote ? ban.mark : ban.credential) = target->identity->credential;
  if (ban.means(c.peer, *c.identity)) return Failure{ErrorCode::BadRequest, "leave, rather"};
  const bool ends = request.time.count() == 0;
  for (const Ban& old : r.bans) {
    // Who is banned again while it is away stays who it was.
    if (ends || old.peer != ban.peer || !ban.credential.empty() || !ban.mark.empty()) continue;
    ban.credential = old.credential;
    ban.mark = old.mark;
  }
  const std::string mark = ban.mark.empty() ? fingerprint(ban.credential) : ban.mark;
  const RemoteBan told{r.name,         ban.peer,
                       mark,           std::min<std::chrono::seconds>(request.time, kMaxBanTime),
                       request.reason, ban.stamp};
  std::erase_if(r.bans, [&](const Ban& old) {
    return old.until <= now.mono ||
           (old.peer == ban.peer && (ends || (old.credential == ban.credential && old.mark == ban.mark)));
  });
  if (ends) {
    joins_ = ban.stamp;
    if (watcher_ != nullptr) watcher_->banned(told);
    return {};
  }
  if (r.bans.size() >= (c.identity->can.has(Right::Ban) ? kMaxBans : kMaxBansOfSeniors))
    return Failure{ErrorCode::Forbidden, "too many bans in this room"};
  joins_ = ban.stamp;
  r.bans.push_back(ban);
  if (watcher_ != nullptr) watcher_->banned(told);
  const std::vector<SlotHandle> members = r.members;  // the room stays: its moderator is in it
  for (const SlotHandle other : members) {
    const Connection& member = *connections_.find(other);
    const bool known = member.remote ? !mark.empty() && member.identity->credential == mark
                                     : ban.means(member.peer, *member.identity);
    if (known || member.peer == ban.peer) throw_out(now, other, room, request.reason, out);
  }
  return {};
}

std::optional<std::size_t> Router::close_room(const Now& now, std::string_view name, std::string_view reason,
                                              Outbox& out) {
  const SlotHandle room = room_handle(name);
  if (rooms_.find(room) == nullptr) return std::nullopt;
  const std::vector<SlotHandle> all = rooms_.find(room)->members;
  std::size_t stay = 0;
  for (const SlotHandle at : all) {
    // They would be removed here alone, and come back.
    if (out_of_reach(*connections_.find(at))) {
      ++stay;
    } else {
      throw_out(now, at, room, reason, out);
    }
  }
  return stay;
}

void Router::throw_out(const Now& now, SlotHandle at, SlotHandle room, std::string_view reason, Outbox& out) {
  Connection& c = *connections_.find(at);
  out.post(c.receiver(), Kicked{ErrorCode::Forbidden, out.keep(std::string(reason)),
                                out.keep(rooms_.find(room)->name), c.in(room)->order});
  leave_room(at, c, room, LeaveReason::Kicked, out);
  if (c.remote) return;  // its own node does the rest
  // A call to those of the room may go over what it was given for all rooms, even if it is in others.
  end_common_ice(now, at, c, LeaveReason::Kicked, out);
}

/// True when the member must get other servers if it stays.
bool Router::end_ice(const Connection& c, std::string_view room, LeaveReason why, bool keeps_ice) {
  if (!keeps_ice) return ice_.ended(room, c.peer, why);
  ice_.released(room, c.peer);
  return false;
}

void Router::end_common_ice(const Now& now, SlotHandle at, Connection& c, LeaveReason why, Outbox& out) {
  if (!end_ice(c, {}, why) || c.lost) return;
  renew_ice(now, c, out);
  arm(at, c, false);
}

}  // namespace ts::signal
