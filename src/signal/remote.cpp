// SPDX-License-Identifier: Apache-2.0
// Members at other nodes in the Router: they come, go, speak and are spoken to like those here, but what they
// may do was judged where they are.
#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include <turnstone/base/hash.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::signal {
namespace {

constexpr std::size_t kFingerprintBytes = 16;

std::string mark_of(std::initializer_list<ByteView> parts) {
  const Sha256Digest digest = sha256(parts);
  return base64url(ByteView(digest).first(kFingerprintBytes));
}

}  // namespace

std::string fingerprint(std::string_view text) {
  return text.empty() ? std::string() : mark_of({as_bytes("turnstone/credential/"), as_bytes(text)});
}

std::string session_fingerprint(std::string_view sid, std::string_view key) {
  return mark_of({as_bytes("turnstone/session/"), as_bytes(sid), as_bytes("/"), as_bytes(key)});
}

std::optional<Router::Holder> Router::holder(std::string_view name) const noexcept {
  const auto at = peers_.find(name);
  if (at == peers_.end()) return std::nullopt;
  const Connection& c = *connections_.find(at->second);
  return Holder{c.id, c.remote != nullptr};
}

RemoteRecord Router::remote_record(ConnectionId id) const {
  RemoteRecord out;
  const Connection* c = connections_.find(handle_of_any(id));
  if (c == nullptr || !c->remote) return out;
  out.credential = c->identity->credential;
  out.session = c->remote->session;
  out.lost = c->remote->lost;
  for (const Membership& m : c->rooms) out.places.push_back({rooms_.find(m.room)->name, m.order, m.meta});
  return out;
}

/// Whoever shows the key of the session is its client; else the member must be out of reach, and the newcomer
/// its equal.
bool Router::may_supersede(const Connection& c, const Identity& identity,
                           const std::optional<Resume>& resume) const {
  const std::string& session = c.remote->session;
  if (resume && !session.empty()) {
    const std::string shown = session_fingerprint(resume->sid, resume->key);
    if (equal_constant_time(as_bytes(shown), as_bytes(session))) return true;
  }
  // Of those who have the shared token, any may be anybody: it must be sure then that the member is lost.
  const bool out_of_reach = !c.remote->node->reachable && !identity.credential.empty();
  return (c.remote->lost || out_of_reach) && c.identity->credential == fingerprint(identity.credential);
}

void Router::remote_enter(ConnectionId id, const RemoteMember& member) {
  auto identity = std::make_shared<Identity>();
  identity->credential = member.credential;
  const auto [at, c] = connections_.emplace();
  c.id = id;
  c.dialect = kRemoteDialect;
  c.member = true;
  c.wants_ice = false;
  c.watched = true;
  c.peer = member.peer;
  c.identity = std::move(identity);
  c.remote = std::make_unique<Remote>();
  c.remote->node = member.node;
  c.remote->session = member.session;
  c.ice_due = c.armed = kNever;
  by_id_.emplace(id, at);
  peers_.emplace(c.peer, at);
}

/// True when `other` has been in the room for longer.
bool Router::is_senior(std::uint64_t order, std::string_view name, SlotHandle other,
                       SlotHandle room) noexcept {
  Connection& o = *connections_.find(other);
  const Membership& m = *o.in(room);
  return m.order < order || (m.order == order && o.peer < name);
}

/// Among those who are there already, in the order in which they came anywhere.
void Router::take_place(SlotHandle at, Room& room, std::uint64_t order, std::string_view name) {
  const SlotHandle own = room_handle(room.name);
  auto place = room.members.end();
  while (place != room.members.begin() && !is_senior(order, name, *std::prev(place), own)) --place;
  room.members.insert(place, at);
}

void Router::remote_join(const Now& now, ConnectionId id, std::string_view name, std::uint64_t order,
                         std::string_view meta, Outbox& out) {
  joins_ = std::max(joins_, order);
  const SlotHandle at = handle_of_any(id);
  Connection* c = connections_.find(at);
  if (c == nullptr || !c->remote) return;
  SlotHandle room = room_handle(name);
  if (Membership* own = c->in(room)) {
    if (own->order == order) {
      if (own->meta != meta) set_meta(at, *c, *own, meta, out);
      return;
    }
    // It has been away, and is not as long in the room as it was thought here.
    leave_room(at, *c, room, LeaveReason::Lost, out);
    room = room_handle(name);
  }
  if (rooms_.find(room) == nullptr) room = open_room(name);
  Room& r = *rooms_.find(room);
  const Membership& own = c->rooms.emplace_back(Membership{room, order, std::string(meta)});
  // Towards those who came later, anywhere, it is the polite one.
  for (const bool senior : {true, false}) {
    out.begin(PeerJoined{r.name, c->peer, own.meta, senior});
    for (const SlotHandle other : r.members) {
      if (is_senior(order, c->peer, other, room) == senior) out.to(connections_.find(other)->receiver());
    }
    out.end();
  }
  take_place(at, r, order, c->peer);
  tell_entered(*c, room);
  deliver_waiting(now, *c, room, out);
}

void Router::remote_update(ConnectionId id, std::string_view name, std::string_view meta, Outbox& out) {
  const SlotHandle at = handle_of_any(id);
  Connection* c = connections_.find(at);
  if (c == nullptr || !c->remote) return;
  if (Membership* own = c->in(room_handle(name))) set_meta(at, *c, *own, meta, out);
}

void Router::remote_leave(ConnectionId id, std::string_view name, LeaveReason why, Outbox& out) {
  const SlotHandle at = handle_of_any(id);
  Connection* c = connections_.find(at);
  const SlotHandle room = room_handle(name);
  if (c != nullptr && c->remote && c->in(room) != nullptr) leave_room(at, *c, room, why, out);
}

void Router::remote_keep(ConnectionId id, const std::vector<std::string>& rooms, Outbox& out) {
  const SlotHandle at = handle_of_any(id);
  Connection* c = connections_.find(at);
  if (c == nullptr || !c->remote) return;
  std::vector<SlotHandle> over;
  for (const Membership& m : c->rooms) {
    if (std::find(rooms.begin(), rooms.end(), rooms_.find(m.room)->name) == rooms.end())
      over.push_back(m.room);
  }
  for (const SlotHandle room : over) leave_room(at, *c, room, LeaveReason::Lost, out);
}

void Router::remote_gone(ConnectionId id, LeaveReason why, Outbox& out) {
  const SlotHandle at = handle_of_any(id);
  Connection* c = connections_.find(at);
  if (c != nullptr && c->remote) shut_remote(at, *c, why, out);
}

void Router::shut_remote(SlotHandle at, Connection& c, LeaveReason why, Outbox& out) {
  while (!c.rooms.empty()) leave_room(at, c, c.rooms.back().room, why, out);
  peers_.erase(c.peer);
  by_id_.erase(c.id);
  connections_.erase(at);
}

void Router::remote_lost(ConnectionId id, bool is_lost, Outbox& out) {
  const SlotHandle at = handle_of_any(id);
  Connection* c = connections_.find(at);
  if (c == nullptr || !c->remote || std::exchange(c->remote->lost, is_lost) == is_lost || is_lost) return;
  for (const Membership& m : c->rooms) {
    const Room& r = *rooms_.find(m.room);
    out.begin(PeerResumed{r.name, c->peer});
    for (const SlotHandle other : r.members) {
      if (!(other == at)) out.to(connections_.find(other)->receiver());
    }
    out.end();
  }
}

std::vector<std::string_view> Router::remote_message(ConnectionId from, const RemoteMessage& message,
                                                     Outbox& out) {
  std::vector<std::string_view> missed;
  Connection* c = connections_.find(handle_of_any(from));
  if (c == nullptr || !c->remote) return {message.to.begin(), message.to.end()};
  const SlotHandle room = room_handle(message.room);
  hear_candidates(*c, room, false, message.to, message.data);
  out.begin(Message{message.room, c->peer, message.kind, message.data});
  for (const std::string_view name : message.to) {
    Connection* to = peer(name);
    const bool here = to != nullptr && !to->remote;
    const bool common =
        here &&
        (message.room.empty() ? std::any_of(c->rooms.begin(), c->rooms.end(),
                                            [&](const Membership& m) { return to->in(m.room) != nullptr; })
                              : to->in(room) != nullptr);
    if (!common) {
      missed.push_back(name);
      continue;
    }
    out.to(to->receiver());  // counted where it comes from
  }
  out.end();
  return missed;
}

void Router::remote_room(const RemoteRoom& change, Outbox& out) {
  joins_ = std::max(joins_, change.stamp);
  Room* room = rooms_.find(room_handle(change.room));
  if (room == nullptr) return;
  // At the same moment anything will do, as long as it is the same at all nodes.
  const auto theirs = std::tuple(change.stamp, change.locked, change.size, change.meta);
  if (theirs <= std::tuple(room->changed, room->locked, room->size, std::string_view(room->meta))) return;
  room->changed = change.stamp;
  room->locked = change.locked;
  room->size = change.size;
  room->meta = change.meta;
  out.begin(RoomUpdated{room->name, room->size, room->locked, room->meta});
  for (const SlotHandle other : room->members) out.to(connections_.find(other)->receiver());
  out.end();
}

void Router::tell_options(const Room& room) const {
  if (watcher_ != nullptr) watcher_->configured({room.name, room.size, room.locked, room.meta, room.changed});
}

void Router::remote_ban(const Now& now, const RemoteBan& told, Outbox& out) {
  joins_ = std::max(joins_, told.stamp);
  const SlotHandle at = room_handle(told.room);
  Room* room = rooms_.find(at);
  if (room == nullptr) return;
  // The one that was meant has ended, and its name is another's now.
  if (connections_.find(room->members.front())->in(at)->order > told.stamp) return;
  const bool ends = told.time.count() == 0;
  std::erase_if(room->bans, [&](const Ban& old) {
    const std::string mark = old.mark.empty() ? fingerprint(old.credential) : old.mark;
    const bool same = old.peer == told.peer && (ends || mark == told.credential);
    return old.until <= now.mono || (same && old.stamp <= told.stamp);
  });
  const bool is_old = std::any_of(room->bans.begin(), room->bans.end(), [&](const Ban& later) {
    const std::string mark = later.mark.empty() ? fingerprint(later.credential) : later.mark;
    return later.peer == told.peer && mark == told.credential;
  });
  if (ends || is_old || room->bans.size() >= kMaxBans) return;
  const Duration time = std::min<std::chrono::seconds>(told.time, kMaxBanTime);
  const Ban ban{std::string(told.peer), {}, now.mono + time, std::string(told.credential), told.stamp};
  room->bans.push_back(ban);
  const std::string_view reason = told.reason.empty() ? "banned" : told.reason;
  const std::vector<SlotHandle> members = room->members;  // the room ends with the last of them
  for (const SlotHandle other : members) {
    const Connection& c = *connections_.find(other);
    if (!c.remote && ban.means(c.peer, *c.identity)) throw_out(now, other, at, reason, out);
  }
}

void Router::remote_kick(const Now& now, std::string_view name, std::string_view room_name,
                         std::uint64_t order, std::string_view reason, Outbox& out) {
  const auto at = peers_.find(name);
  if (at == peers_.end()) return;
  const SlotHandle target = at->second;
  Connection& c = *connections_.find(target);
  if (c.remote) return;
  if (room_name.empty()) return kick(c.id, ErrorCode::Forbidden, out.keep(std::string(reason)), out);
  const SlotHandle room = room_handle(room_name);
  const Membership* own = c.in(room);
  // Who has left and come again meanwhile is not meant.
  if (own != nullptr && (order == 0 || own->order == order)) throw_out(now, target, room, reason, out);
}

void Router::yield(std::string_view name, Outbox& out) {
  const auto at = peers_.find(name);
  if (at == peers_.end() || connections_.find(at->second)->remote) return;
  end_session(at->second, out);
}

void Router::undelivered(std::string_view sender, std::string_view room, std::string_view to, Outbox& out) {
  const Connection* c = peer(sender);
  if (c == nullptr || c->remote) return;
  out.post(c->receiver(), Undelivered{out.keep(std::string(room)), out.keep(std::string(to))});
}

void Router::recount(const Now& now, Watcher& to) {
  connections_.for_each([&](SlotHandle, Connection& c) {
    if (!c.member || c.remote) return;
    const std::string credential = fingerprint(c.identity->credential);
    const std::string session =
        c.session ? session_fingerprint(c.session->sid, c.session->key) : std::string();
    to.entered({c.peer, credential, session, nullptr});
    for (const Membership& m : c.rooms) to.joined(c.peer, rooms_.find(m.room)->name, m.order, m.meta);
    to.lost(c.peer, c.lost);
  });
  rooms_.for_each([&](SlotHandle, Room& room) {
    if (room.changed != 0) to.configured({room.name, room.size, room.locked, room.meta, room.changed});
    for (const Ban& ban : room.bans) {
      if (ban.until <= now.mono) continue;
      const std::string mark = ban.mark.empty() ? fingerprint(ban.credential) : ban.mark;
      to.banned({room.name,
                 ban.peer,
                 mark,
                 std::chrono::ceil<std::chrono::seconds>(ban.until - now.mono),
                 {},
                 ban.stamp});
    }
  });
}

}  // namespace ts::signal
