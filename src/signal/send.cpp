// SPDX-License-Identifier: Apache-2.0
// Sends of the Router: to room-mates now, or queued until a target joins. First in, first out for each pair.
#include <algorithm>
#include <utility>

#include <turnstone/signal/router.hpp>

namespace ts::signal {

/// One send under way: its Message is the last event of the Outbox.
struct Router::Sending {
  const Now& now;
  const SendRequest& request;
  SlotHandle at;
  Connection& c;
  /// The room that was named; or the only one, which a queued message waits in.
  SlotHandle room;
  Outbox& out;
  Sent sent;
  bool full = false;

  /// Of a lost connection, until it is resumed.
  std::uint32_t kept = 0;
  bool unreachable = false;

  void deliver(const Connection& to) {
    out.to(to.receiver());
    ++(to.away() ? kept : sent.delivered);
  }
};

Result<Sent, Failure> Router::send(const Now& now, ConnectionId id, const SendRequest& request, Outbox& out) {
  const auto at = member(id, out);
  if (!at) return at.error();
  Connection& c = *connections_.find(*at);
  if (!c.identity->can.has(Right::Send)) return Failure{ErrorCode::Forbidden, "not allowed to send"};
  const bool named = !request.room.empty();
  if (c.rooms.empty()) return Failure{ErrorCode::NotJoined, "in no room"};
  const SlotHandle room = named ? room_handle(request.room) : c.rooms.front().room;
  if (c.in(room) == nullptr) return Failure{ErrorCode::NotJoined, "not in this room"};
  if (!request.everyone && (request.to.empty() || request.to.size() > kMaxTargets)) {
    return Failure{ErrorCode::BadRequest, "too few or too many targets"};
  }
  if (!request.everyone && request.queue.count() > 0 && !named && c.rooms.size() > 1) {
    return Failure{ErrorCode::BadRequest, "queue needs a room"};
  }
  hear_candidates(c, named ? room : SlotHandle{}, request.everyone, request.to, request.data);
  out.begin(Message{named ? std::string_view(rooms_.find(room)->name) : std::string_view(), c.peer,
                    request.kind, request.data});
  Sending s{now, request, *at, c, room, out, {}, false};
  ++marks_;
  c.mark = marks_;  // nobody sends to itself, or twice to one target
  if (request.everyone) {
    broadcast(s);
  } else {
    for (std::size_t i = 0; i < request.to.size(); ++i) target(s, i);
  }
  out.end();
  s.sent.queued += s.kept;
  counters_.relayed[index(request.kind)] += s.sent.delivered + s.kept;
  if (request.everyone || s.sent.delivered + s.sent.queued > 0) return s.sent;
  if (s.unreachable) return kOutOfReach;
  if (s.full) return Failure{ErrorCode::QueueFull, "too many messages wait already"};
  return Failure{ErrorCode::UnknownTarget, "no such peer here"};
}

void Router::broadcast(Sending& s) {
  for (const Membership& m : s.c.rooms) {
    if (!s.request.room.empty() && !(m.room == s.room)) continue;
    for (const SlotHandle other : rooms_.find(m.room)->members) {
      Connection& o = *connections_.find(other);
      if (o.mark != marks_) s.deliver(o);
      o.mark = marks_;
    }
  }
}

void Router::target(Sending& s, std::size_t number) {
  const std::string_view name = s.request.to[number];
  Connection* p = peer(name);
  if (p != nullptr) {
    if (p->mark == marks_) return;
    const bool common = s.request.room.empty()
                            ? std::any_of(s.c.rooms.begin(), s.c.rooms.end(),
                                          [&](const Membership& m) { return p->in(m.room) != nullptr; })
                            : p->in(s.room) != nullptr;
    if (common) {
      p->mark = marks_;
      // One alone is told at once; of several, signal::Cluster tells who was not reached.
      s.unreachable = out_of_reach(*p) && s.request.to.size() == 1;
      if (!s.unreachable) s.deliver(*p);
      return;
    }
  }
  const auto before = s.request.to.first(number);
  if (std::find(before.begin(), before.end(), name) == before.end()) enqueue(s, name);
}

void Router::enqueue(Sending& s, std::string_view name) {
  const auto wait = std::min(s.request.queue, options_.max_queue_time);
  if (wait.count() <= 0 || !valid_name(name, kMaxPeerNameBytes)) return;
  Room& room = *rooms_.find(s.room);
  const auto queue = room.waiting.find(name);
  const std::size_t ahead = queue == room.waiting.end() ? 0 : queue->second.size();
  if (std::max(ahead, s.c.waiting.size()) >= options_.max_queued_per_target ||
      s.c.waiting_bytes + s.request.data.size() > options_.max_send_queue_bytes) {
    s.full = true;
    return;
  }
  const auto [at, p] = pending_.emplace();
  p.sender = s.at;
  p.room = s.room;
  p.target = name;
  p.data = s.request.data;
  p.expires = s.now.mono + wait;
  p.kind = s.request.kind;
  p.room_named = !s.request.room.empty();
  room.waiting[p.target].push_back(at);
  s.c.waiting.push_back(at);
  s.c.waiting_bytes += p.data.size();
  pending_deadlines_.push(p.expires, at);
  ++counters_.queued;
  ++s.sent.queued;
}

/// Forgets a queued send.
void Router::unlink(SlotHandle at) {
  const Pending& p = *pending_.find(at);
  Connection& sender = *connections_.find(p.sender);
  std::erase(sender.waiting, at);
  sender.waiting_bytes -= p.data.size();
  Room& room = *rooms_.find(p.room);
  const auto queue = room.waiting.find(p.target);
  std::erase(queue->second, at);
  if (queue->second.empty()) room.waiting.erase(queue);
  pending_.erase(at);
  --counters_.queued;
}

void Router::expire(SlotHandle at, Outbox& out) {
  const Pending& p = *pending_.find(at);
  out.post(connections_.find(p.sender)->receiver(), Expired{out.keep(p.target)});
  unlink(at);
  ++counters_.expired;
}

void Router::deliver_waiting(const Now& now, Connection& c, SlotHandle room, Outbox& out) {
  Room& r = *rooms_.find(room);
  const auto queue = r.waiting.find(c.peer);
  if (queue == r.waiting.end()) return;
  const std::vector<SlotHandle> due = queue->second;
  for (const SlotHandle at : due) {
    const Pending& p = *pending_.find(at);
    if (p.expires <= now.mono) {
      expire(at, out);
      continue;
    }
    const std::string_view from = connections_.find(p.sender)->peer;
    out.post(c.receiver(), Message{p.room_named ? std::string_view(r.name) : std::string_view(), from, p.kind,
                                   out.keep(p.data)});
    ++counters_.relayed[index(p.kind)];
    unlink(at);
  }
}

/// The sender leaves the room, and what it has queued there with it.
void Router::drop_waiting(Connection& c, SlotHandle room) {
  const std::vector<SlotHandle> all = c.waiting;
  for (const SlotHandle at : all) {
    if (pending_.find(at)->room == room) unlink(at);
  }
}

}  // namespace ts::signal
