// SPDX-License-Identifier: Apache-2.0
// Cluster: what other nodes tell, done to the Router.
#include <algorithm>
#include <utility>

#include "cluster_link.hpp"

namespace ts::signal {

using wire::Op;
using wire::OpType;

/// Of two claims of one peer id, the same one at every node: who has taken the place of the other, else the
/// older.
bool Cluster::beats(const Claim& a, const Claim& b) noexcept {
  if (a.over_node == b.node && a.over_stamp == b.stamp) return true;
  if (b.over_node == a.node && b.over_stamp == a.stamp) return false;
  return a.stamp != b.stamp ? a.stamp < b.stamp : a.node < b.node;
}

void Cluster::apply(const Now& now, Link& link, const Op& op) {
  switch (op.type) {
    case OpType::Begin:
      link.in_snapshot = true;
      link.url.clear();
      for (auto& [number, one] : link.members) one.stale = true, one.told.clear();
      return;
    case OpType::Url: link.url = op.text; return;
    case OpType::End: return end_snapshot(link);
    case OpType::Member: return apply_member(link, op);
    case OpType::Room: return router_.remote_room({op.room, op.size, op.flag != 0, op.text, op.stamp}, said_);
    case OpType::Ban:
      return router_.remote_ban(now, {op.room, op.peer, op.mark, std::chrono::seconds(op.size), op.text},
                                said_);
    case OpType::Message: return apply_message(link, op);
    case OpType::Undelivered: return router_.undelivered(op.peer, op.room, op.mark, said_);
    case OpType::Kick: return router_.remote_kick(now, op.peer, op.room, op.text, said_);
    case OpType::Order:
      if (take_order_) take_order_(op.text);
      return;
    default: break;
  }
  // Of one who has lost its peer id to another: its own node closes it.
  const auto known = link.members.find(op.number);
  if (known != link.members.end()) apply_to(now, link, known->second, op);
}

/// What a member does.
void Cluster::apply_to(const Now& now, Link& link, Member& member, const Op& op) {
  const auto why = static_cast<LeaveReason>(op.flag);
  switch (op.type) {
    case OpType::Gone: return forget(link, op.number, why);
    case OpType::Join:
      if (link.in_snapshot) member.told.emplace_back(op.room);
      return router_.remote_join(now, member.connection, op.room, op.stamp, op.text, said_);
    case OpType::Leave: return router_.remote_leave(member.connection, op.room, why, said_);
    case OpType::Update: return router_.remote_update(member.connection, op.room, op.text, said_);
    case OpType::Lost: return router_.remote_lost(member.connection, op.flag != 0, said_);
    default: return;
  }
}

void Cluster::apply_member(Link& link, const Op& op) {
  const auto known = link.members.find(op.number);
  if (known != link.members.end()) {
    known->second.stale = false;
    return;
  }
  Claim claim{link.node, op.stamp, std::string(op.over), op.over_stamp};
  stamps_ = std::max(stamps_, op.stamp);
  if (!make_room(link, op, claim)) return;
  const ConnectionId id = ++last_remote_;
  router_.remote_enter(id, {op.peer, op.mark, op.session, &link.state});
  remotes_.emplace(id, Where{&link, op.number});
  link.members.emplace(op.number, Member{id, std::string(op.peer), std::move(claim)});
}

/// Frees the peer id; false: whoever has it keeps it.
bool Cluster::make_room(Link& link, const Op& op, const Claim& claim) {
  const auto holder = router_.holder(op.peer);
  if (!holder) return true;
  if (!holder->remote) {
    const auto own = locals_.find(op.peer);
    if (own == locals_.end()) return false;
    const bool yields = beats(claim, own->second.claim);
    // To be taken over is in order.
    if (claim.over_node != node_) ++counters_.conflicts;
    if (yields) router_.yield(op.peer, said_);
    return yields;
  }
  const Where where = remotes_.find(holder->connection)->second;
  const Claim& held = where.link->members.find(where.number)->second.claim;
  if (where.link != &link && !beats(claim, held)) return false;
  forget(*where.link, where.number, LeaveReason::Lost);
  return true;
}

void Cluster::end_snapshot(Link& link) {
  std::vector<std::uint64_t> over;
  for (auto& [number, member] : link.members) {
    if (member.stale) {
      over.push_back(number);
    } else {
      router_.remote_keep(member.connection, member.told, said_);
    }
    member.told = {};
  }
  for (const std::uint64_t number : over) forget(link, number, LeaveReason::Lost);
  link.in_snapshot = false;
}

void Cluster::forget(Link& link, std::uint64_t number, LeaveReason why) {
  const auto known = link.members.find(number);
  const ConnectionId id = known->second.connection;
  remotes_.erase(id);
  link.members.erase(known);
  router_.remote_gone(id, why, said_);
}

void Cluster::apply_message(Link& link, const Op& op) {
  const auto holder = router_.holder(op.peer);
  const auto where = holder && holder->remote ? remotes_.find(holder->connection) : remotes_.end();
  // Of one whose name is another's now: its own node closes it.
  if (where == remotes_.end() || where->second.link != &link) return;
  const RemoteMessage message{op.room, static_cast<Kind>(op.flag), op.text, op.targets};
  for (const std::string_view name : router_.remote_message(holder->connection, message, said_)) {
    Op back{OpType::Undelivered};
    back.peer = op.peer;
    back.room = op.room;
    back.mark = name;
    push(link, back);
    ++counters_.undelivered[index(ClusterLoss::Left)];
  }
}

}  // namespace ts::signal
