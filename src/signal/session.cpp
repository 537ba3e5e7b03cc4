// SPDX-License-Identifier: Apache-2.0
// Sessions that outlive their connection: what is lost, waits, is resumed, or runs out.
#include <algorithm>
#include <utility>

#include <turnstone/signal/router.hpp>

namespace ts::signal {

/// The member stays in its rooms without a connection, where it may come back; else it ends.
void Router::lose(const Now& now, SlotHandle at, CloseReason reason, Outbox& out) {
  Connection& c = *connections_.find(at);
  const bool network = reason == CloseReason::Lost || reason == CloseReason::Silent;
  // As many as there may be connections: else a client could fill the memory by connecting again and again.
  if (!network || !c.session || draining_ || counters_.lost >= options_.max_connections) {
    return shut(at, reason, out);
  }
  c.lost = true;
  c.session->lost_due = now.mono + options_.resume_time;
  c.session->lost_seq = c.session->replay.last();
  --counters_.connections, --counters_.members, ++counters_.lost;
  ++counters_.closed[index(reason)];
  if (watcher_ != nullptr) watcher_->lost(c.peer, true);
  arm(at, c, true);  // the entry that it had may be the one that has just told of its silence
}

/// The session of that name, if the key is its own.
SlotHandle Router::session_of(const Resume& resume) const noexcept {
  const auto at = sessions_.find(resume.sid);
  if (at == sessions_.end()) return {};
  const std::string& key = connections_.find(at->second)->session->key;
  return equal_constant_time(as_bytes(key), as_bytes(resume.key)) ? at->second : SlotHandle{};
}

/// What the member has and its identity, which may be another than when it got it, does not allow, ends.
void Router::obey(const Now& now, SlotHandle at, Connection& c, Outbox& out) {
  const Identity& identity = *c.identity;
  const std::size_t most = identity.limits.rooms != 0 ? identity.limits.rooms : options_.max_rooms_per_member;
  std::vector<SlotHandle> left;
  std::size_t stays = 0;
  for (const Membership& m : c.rooms) {
    if (stays < most && identity.may_enter(rooms_.find(m.room)->name)) {
      ++stays;
    } else {
      left.push_back(m.room);
    }
  }
  for (const SlotHandle room : left) throw_out(now, at, room, "the token does not allow this room", out);
  if (!identity.can.has(Right::Send)) {
    for (const Membership& m : c.rooms) drop_waiting(c, m.room);
  }
  if (identity.can.has(Right::Ice)) return;
  for (const Membership& m : c.rooms) end_ice(c, rooms_.find(m.room)->name, LeaveReason::Kicked);
  end_ice(c, {}, LeaveReason::Kicked);
}

/// The session goes on with the connection at `at`, whose own slot is given back.
Welcome Router::take_over(const Now& now, SlotHandle at, SlotHandle was, std::uint64_t seq, Outbox& out) {
  Connection& fresh = *connections_.find(at);
  Connection& c = *connections_.find(was);
  if (c.lost) {
    --counters_.lost, ++counters_.members;
    if (watcher_ != nullptr) watcher_->lost(c.peer, false);
  } else {
    out.post(c.receiver(), Close{CloseCode::Superseded, "superseded"});
    --counters_.connections;
    ++counters_.closed[index(CloseReason::Superseded)];
  }
  by_id_.erase(c.id);
  by_id_[fresh.id] = was;
  c.id = fresh.id;
  c.dialect = fresh.dialect;
  c.client = fresh.client;
  // Or whoever comes back would have a burst again.
  c.rates.inherit(fresh.rates);
  c.rates.place = fresh.rates.place;
  c.seen = now.mono;
  c.lost = false;
  connections_.erase(at);
  acknowledge(c.id, seq);
  std::vector<Replay::Kept> missed = c.session->replay.after(seq);
  obey(now, was, c, out);

  Welcome welcome;
  welcome.sid = c.session->sid;
  welcome.key = c.session->key;
  welcome.peer = c.peer;
  welcome.outcome = ResumeOutcome::Resumed;
  welcome.missed = std::move(missed);
  welcome.ice = fresh_ice(now, c);
  renew_room_ice(now, c, out);
  for (const Membership& m : c.rooms) {
    const Room& r = *rooms_.find(m.room);
    out.begin(PeerResumed{r.name, c.peer});
    for (const SlotHandle other : r.members) {
      if (!(other == was)) out.to(connections_.find(other)->receiver());
    }
    out.end();
  }
  arm(was, c, false);
  return welcome;
}

std::uint64_t Router::number(ConnectionId id, const Replay::Text& text) {
  const SlotHandle at = handle_of_any(id);
  Connection* c = connections_.find(at);
  if (c == nullptr || !c->session) return 0;
  Session& s = *c->session;
  const std::size_t former = s.replay.bytes();
  const std::uint64_t seq = s.replay.push(text);
  const auto too_much = [&] {
    return s.replay.count() > options_.max_resume_messages || s.replay.bytes() > options_.max_resume_bytes;
  };
  while (too_much() && s.replay.drop()) {
  }
  set_share(s, former);
  end_if_gap(at, *c);
  make_replay_room();
  return seq;
}

void Router::set_share(Session& session, std::size_t former_bytes) {
  counters_.replay_bytes += session.replay.bytes() - former_bytes;
  replay_shares_.set(session.share, session.replay.bytes());
}

/// Nothing that a lost member's client may have makes up for what is gone: the next tick ends it.
void Router::end_if_gap(SlotHandle at, Connection& c) {
  Session& s = *c.session;
  if (!c.lost || s.replay.covers(s.lost_seq)) return;
  const std::size_t former = s.replay.bytes();
  s.replay.clear();
  set_share(s, former);
  s.lost_due = TimePoint{};
  arm(at, c, false);
}

/// Whoever holds most forgets first: who holds little comes back all the same.
void Router::make_replay_room() {
  while (counters_.replay_bytes > options_.max_resume_total_bytes) {
    const ReplayShares::Holder* most = replay_shares_.largest();
    if (most == nullptr) return;
    const SlotHandle at = most->who;
    Connection& c = *connections_.find(at);
    const std::size_t former = c.session->replay.bytes();
    c.session->replay.drop();
    set_share(*c.session, former);
    end_if_gap(at, c);
  }
}

bool Router::is_lost(ConnectionId id) const noexcept {
  const Connection* c = connections_.find(handle_of_any(id));
  return c != nullptr && c->lost;
}

void Router::acknowledge(ConnectionId id, std::uint64_t seq) noexcept {
  Connection* c = connections_.find(handle(id));
  if (c == nullptr || !c->session) return;
  Session& s = *c->session;
  const std::size_t former = s.replay.bytes();
  s.replay.acknowledge(seq);
  set_share(s, former);
}

void Router::forget_session(Connection& c) {
  if (!c.session) return;
  const std::size_t former = c.session->replay.bytes();
  c.session->replay.clear();
  set_share(*c.session, former);
  sessions_.erase(c.session->sid);
  c.session.reset();
}

}  // namespace ts::signal
