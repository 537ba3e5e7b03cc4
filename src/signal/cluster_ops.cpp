// SPDX-License-Identifier: Apache-2.0
// Cluster: what other nodes tell, done to the Router.
#include <algorithm>
#include <utility>

#include "cluster_link.hpp"

namespace ts::signal {

using wire::Op;
using wire::OpType;

/// Of two claims of one peer id, the same one at every node: a total order.
bool Cluster::beats(const Claim& a, const Claim& b) noexcept {
  return a.stamp != b.stamp ? a.stamp > b.stamp : a.node > b.node;
}

void Cluster::apply(const Now& now, Link& link, const Op& op) {
  // A clock that has gone mad must not take all others along, up to where they end.
  if (op.stamp > std::max(newest_, stamps_) + kMaxStampStep) {
    ++counters_.frames_malformed;
    return;
  }
  newest_ = std::max(newest_, op.stamp);
  switch (op.type) {
    case OpType::Begin:
      link.in_snapshot = true;
      link.url.clear();
      for (auto& [number, one] : link.members) one.stale = true, one.told.clear();
      for (auto& kind : link.orders) kind.clear();
      return;
    case OpType::Url: link.url = op.text; return;
    case OpType::End: return end_snapshot(now, link);
    case OpType::Member: return apply_member(now, link, op);
    case OpType::Room: return router_.remote_room({op.room, op.size, op.flag != 0, op.text, op.stamp}, said_);
    case OpType::Ban: {
      const RemoteBan ban{op.room, op.peer, op.mark, std::chrono::seconds(op.size), op.text, op.stamp};
      if (bans_.take(now.mono, ban)) router_.remote_ban(now, ban, said_);
      return;
    }
    case OpType::Message: return apply_message(link, op);
    case OpType::Undelivered: return router_.undelivered(op.peer, op.room, op.mark, said_);
    case OpType::Kick: return apply_kick(now, op);
    case OpType::Order: return apply_order(link, op);
    default: break;
  }
  const auto known = link.members.find(op.number);
  if (known != link.members.end()) apply_to(now, link, known->second, op);
}

/// What a member does.
void Cluster::apply_to(const Now& now, Link& link, Member& member, const Op& op) {
  const auto why = static_cast<LeaveReason>(op.flag);
  if (op.type == OpType::Gone) return forget(now, link, op.number, why);
  if (op.type == OpType::Join) {
    if (was_kicked(now, link, member, op)) return;
    if (link.in_snapshot) member.told.emplace_back(op.room);
  }
  if (member.hidden) return apply_hidden(*member.hidden, op);
  switch (op.type) {
    case OpType::Join: return router_.remote_join(now, member.connection, op.room, op.stamp, op.text, said_);
    case OpType::Leave: return router_.remote_leave(member.connection, op.room, why, said_);
    case OpType::Update: return router_.remote_update(member.connection, op.room, op.text, said_);
    case OpType::Lost: return router_.remote_lost(member.connection, op.flag != 0, said_);
    default: return;
  }
}

void Cluster::apply_hidden(RemoteRecord& member, const Op& op) {
  const auto place = std::find_if(member.places.begin(), member.places.end(),
                                  [&](const RemoteRecord::Place& one) { return one.room == op.room; });
  const bool there = place != member.places.end();
  switch (op.type) {
    case OpType::Join:
      if (there) member.places.erase(place);
      member.places.push_back({std::string(op.room), op.stamp, std::string(op.text)});
      return;
    case OpType::Leave:
      if (there) member.places.erase(place);
      return;
    case OpType::Update:
      if (there) place->meta = op.text;
      return;
    case OpType::Lost: member.lost = op.flag != 0; return;
    default: return;
  }
}

/// Its node had not heard of the kick: it hears of it now.
bool Cluster::was_kicked(const Now& now, Link& link, const Member& member, const Op& join) {
  const Kicks::Kick* kick = kicks_.find(now.mono, link.node, join.number, join.room, join.stamp);
  if (kick == nullptr) return false;
  Op again{OpType::Kick};
  again.peer = member.peer;
  again.room = join.room;
  again.text = kick->reason;
  again.over = link.node;
  again.number = join.number;
  again.stamp = kick->order;
  push(link, again);
  return true;
}

void Cluster::apply_kick(const Now& now, const Op& op) {
  if (op.over == node_) {
    const auto own = locals_.find(op.peer);
    const bool is_it = own != locals_.end() && own->second.number == op.number;
    if (is_it) router_.remote_kick(now, op.peer, op.room, op.stamp, op.text, said_);
    return;
  }
  if (op.room.empty()) return;  // its own node tells
  kicks_.add(now.mono, {std::string(op.over), op.number, std::string(op.room)}, op.stamp, op.text);
  const auto link = links_.find(op.over);
  if (link == links_.end()) return;
  const auto known = link->second->members.find(op.number);
  if (known == link->second->members.end()) return;
  Member& member = known->second;
  RemoteRecord held;
  if (!member.hidden) held = router_.remote_record(member.connection);
  std::vector<RemoteRecord::Place>& places = member.hidden ? member.hidden->places : held.places;
  const auto place = std::find_if(places.begin(), places.end(), [&](const RemoteRecord::Place& one) {
    return one.room == op.room && one.order <= op.stamp;
  });
  if (place == places.end()) return;
  if (member.hidden) {
    places.erase(place);
  } else {
    router_.remote_leave(member.connection, op.room, LeaveReason::Kicked, said_);
  }
}

void Cluster::apply_order(Link& link, const Op& op) {
  std::deque<Order>& kept = link.orders[op.flag];
  const std::uint64_t last = static_cast<std::uint64_t>(WallTime::max().time_since_epoch().count());
  const auto until = static_cast<std::int64_t>(std::min(op.number, last));
  if (kept.size() >= kMaxHeardOrders) kept.pop_front();
  kept.push_back({std::string(op.text), WallTime(std::chrono::seconds(until))});
  if (take_order_) take_order_(op.text);
}

void Cluster::apply_member(const Now& now, Link& link, const Op& op) {
  const auto known = link.members.find(op.number);
  if (known != link.members.end()) {
    known->second.stale = false;
    return;
  }
  stamps_ = std::max(stamps_, op.stamp);
  const bool first = make_room(link, op);
  Member& member = link.members.emplace(op.number, Member{0, std::string(op.peer), op.stamp}).first->second;
  member.hidden = std::make_unique<RemoteRecord>();
  member.hidden->credential = op.mark;
  member.hidden->session = op.session;
  if (first) {
    show(now, link, op.number, member);
  } else {
    hidden_.emplace(member.peer, Where{&link, op.number});
  }
}

/// Frees the peer id; false: whoever has it keeps it.
bool Cluster::make_room(const Link& link, const Op& op) {
  const Claim claim{op.stamp, link.node};
  const auto holder = router_.holder(op.peer);
  if (!holder) return true;
  if (!holder->remote) {
    const auto own = locals_.find(op.peer);
    if (own == locals_.end()) return false;
    const bool yields = beats(claim, {own->second.stamp, node_});
    // To take over, or to be taken over, is in order.
    if (op.over != node_ && own->second.over != link.node) ++counters_.conflicts;
    if (yields) router_.yield(op.peer, said_);
    return yields;
  }
  const Where where = remotes_.find(holder->connection)->second;
  const Member& held = where.link->members.find(where.number)->second;
  if (!beats(claim, {held.stamp, where.link->node})) return false;
  hide(where);
  return true;
}

/// The member has the peer id, which is free.
void Cluster::show(const Now& now, Link& link, std::uint64_t number, Member& member) {
  const std::unique_ptr<RemoteRecord> record = std::move(member.hidden);
  const ConnectionId id = ++last_remote_;
  member.connection = id;
  router_.remote_enter(id, {member.peer, record->credential, record->session, &link.state});
  remotes_.emplace(id, Where{&link, number});
  for (const RemoteRecord::Place& place : record->places) {
    router_.remote_join(now, id, place.room, place.order, place.meta, said_);
    say(now);  // it looks into the member, whose rooms move with the next one
  }
  if (record->lost) router_.remote_lost(id, true, said_);
}

void Cluster::hide(const Where& where) {
  Member& member = where.link->members.find(where.number)->second;
  const ConnectionId id = std::exchange(member.connection, 0);
  member.hidden = std::make_unique<RemoteRecord>(router_.remote_record(id));
  hidden_.emplace(member.peer, where);
  remotes_.erase(id);
  router_.remote_gone(id, LeaveReason::Lost, said_);
}

/// Who has the highest claim of those who are hidden gets a peer id that is free.
void Cluster::promote(const Now& now, std::string_view peer) {
  if (router_.holder(peer)) return;
  const auto claim_of = [](const Where& where) {
    return Claim{where.link->members.find(where.number)->second.stamp, where.link->node};
  };
  const auto [begin, end] = hidden_.equal_range(peer);
  if (begin == end) return;
  const auto best = std::max_element(begin, end, [&](const auto& a, const auto& b) {
    return beats(claim_of(b.second), claim_of(a.second));
  });
  const Where where = best->second;
  hidden_.erase(best);
  show(now, *where.link, where.number, where.link->members.find(where.number)->second);
}

void Cluster::fill_vacant(const Now& now) {
  for (const std::string& peer : std::exchange(vacant_, {})) {
    promote(now, peer);
    say(now);
  }
}

void Cluster::end_snapshot(const Now& now, Link& link) {
  std::vector<std::uint64_t> over;
  for (auto& [number, member] : link.members) {
    const std::vector<std::string> told = std::exchange(member.told, {});
    if (member.stale) {
      over.push_back(number);
    } else if (member.hidden) {
      std::erase_if(member.hidden->places, [&](const RemoteRecord::Place& place) {
        return std::find(told.begin(), told.end(), place.room) == told.end();
      });
    } else {
      router_.remote_keep(member.connection, told, said_);
    }
  }
  for (const std::uint64_t number : over) forget(now, link, number, LeaveReason::Lost);
  link.in_snapshot = false;
}

void Cluster::forget(const Now& now, Link& link, std::uint64_t number, LeaveReason why) {
  const auto known = link.members.find(number);
  const std::string peer = std::move(known->second.peer);
  const ConnectionId id = known->second.connection;
  const bool was_hidden = known->second.hidden != nullptr;
  link.members.erase(known);
  if (was_hidden) {
    const auto [begin, end] = hidden_.equal_range(peer);
    const auto own = std::find_if(
        begin, end, [&](const auto& one) { return one.second.link == &link && one.second.number == number; });
    if (own != end) hidden_.erase(own);
    return;
  }
  remotes_.erase(id);
  router_.remote_gone(id, why, said_);
  promote(now, peer);
}

void Cluster::apply_message(Link& link, const Op& op) {
  const auto holder = router_.holder(op.peer);
  const auto where = holder && holder->remote ? remotes_.find(holder->connection) : remotes_.end();
  std::vector<std::string_view> missed;
  if (where == remotes_.end() || where->second.link != &link) {
    missed = op.targets;  // its name is another's now: its own node closes it
  } else {
    const RemoteMessage message{op.room, static_cast<Kind>(op.flag), op.text, op.targets};
    missed = router_.remote_message(holder->connection, message, said_);
  }
  for (const std::string_view name : missed) {
    Op back{OpType::Undelivered};
    back.peer = op.peer;
    back.room = op.room;
    back.mark = name;
    push(link, back);
    ++counters_.undelivered[index(ClusterLoss::Left)];
  }
}

}  // namespace ts::signal
