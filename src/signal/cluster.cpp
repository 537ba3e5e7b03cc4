// SPDX-License-Identifier: Apache-2.0
// Cluster: what this node's members do, and what they say to members elsewhere, as operations for other
// nodes.
#include <algorithm>
#include <utility>

#include <turnstone/base/hash.hpp>
#include <turnstone/signal/cluster.hpp>
#include <turnstone/signal/forward_pass.hpp>

#include "cluster_link.hpp"

namespace ts::signal {

using wire::Op;
using wire::OpType;

namespace {

/// Of one operation, so that a frame is not much larger than what is said.
constexpr std::size_t kMaxOpTargets = 512;
/// How often tick() looks at what time does.
constexpr std::chrono::milliseconds kTickPeriod{100};

Op join_op(std::uint64_t number, std::string_view room, std::uint64_t order, std::string_view meta) {
  Op op{OpType::Join};
  op.number = number;
  op.room = room;
  op.stamp = order;
  op.text = meta;
  return op;
}

Op room_op(const RemoteRoom& room) {
  Op op{OpType::Room};
  op.room = room.room;
  op.size = room.size;
  op.flag = room.locked ? 1 : 0;
  op.text = room.meta;
  op.stamp = room.stamp;
  return op;
}

Op ban_op(const RemoteBan& ban) {
  Op op{OpType::Ban};
  op.room = ban.room;
  op.peer = ban.peer;
  op.mark = ban.credential;
  op.size = static_cast<std::uint32_t>(ban.time.count());  // a week at most
  op.text = ban.reason;
  op.stamp = ban.stamp;
  return op;
}

Op url_op(std::string_view url) {
  Op op{OpType::Url};
  op.text = url;
  return op;
}

Op order_op(std::string_view text, WallTime until, std::size_t kind) {
  Op op{OpType::Order};
  op.number = static_cast<std::uint64_t>(std::max<std::int64_t>(until.time_since_epoch().count(), 0));
  op.flag = static_cast<std::uint8_t>(kind);
  op.text = text;
  return op;
}

}  // namespace

/// Tells one node of everything that is here.
class Cluster::Recount final : public Watcher {
 public:
  Recount(Cluster& cluster, Link& link) : cluster_(cluster), link_(link) {}

  void entered(const RemoteMember& member) override {
    const auto known = cluster_.locals_.find(member.peer);
    if (known == cluster_.locals_.end()) return;
    Op op{OpType::Member};
    op.number = known->second.number;
    op.peer = member.peer;
    op.mark = member.credential;
    op.session = member.session;
    op.stamp = known->second.stamp;
    op.over = known->second.over;
    cluster_.push(link_, op);
  }
  void joined(std::string_view peer, std::string_view room, std::uint64_t order,
              std::string_view meta) override {
    const auto known = cluster_.locals_.find(peer);
    if (known != cluster_.locals_.end())
      cluster_.push(link_, join_op(known->second.number, room, order, meta));
  }
  void lost(std::string_view peer, bool is_lost) override {
    const auto known = cluster_.locals_.find(peer);
    if (known == cluster_.locals_.end()) return;
    Op op{OpType::Lost};
    op.number = known->second.number;
    op.flag = is_lost ? 1 : 0;
    cluster_.push(link_, op);
  }
  void configured(const RemoteRoom& room) override { cluster_.push(link_, room_op(room)); }
  void banned(const RemoteBan& ban) override { cluster_.push(link_, ban_op(ban)); }
  // What a recount does not tell of.
  void gone(std::string_view, LeaveReason) override {}
  void left(std::string_view, std::string_view, LeaveReason) override {}
  void updated(std::string_view, std::string_view, std::string_view) override {}
  void superseded(std::uint64_t) override {}

 private:
  Cluster& cluster_;
  Link& link_;
};

/// A stream's beginning.
void Cluster::tell_all(const Now& now, Link& link) {
  push(link, Op{OpType::Begin});
  if (!url_.empty()) push(link, url_op(url_));
  Recount recount(*this, link);
  router_.recount(now, recount);
  for (const RemoteBan& ban : bans_.words(now.mono)) {
    // Of rooms that are here the recount tells, but not of bans that have ended.
    if (ban.time.count() == 0 || !router_.has_room(ban.room)) push(link, ban_op(ban));
  }
  for (std::size_t kind = 0; kind < kOrderKinds; ++kind) {
    for (const Order& order : orders_[kind]) {
      if (order.until > now.wall) push(link, order_op(order.text, order.until, kind));
    }
  }
  push(link, Op{OpType::End});
}

Cluster::Cluster(Router& router, RandomSource& random, std::string prefix, const ClusterKey& key,
                 TakeOrder take_order)
    : router_(router),
      prefix_(std::move(prefix)),
      node_(base64url(random.bytes<12>())),
      common_channel_(prefix_ + ":all"),
      key_(ByteView(key.bytes)),
      mark_(mark_of(node_)),
      take_order_(std::move(take_order)) {
  router_.set_watcher(this);
}

Cluster::~Cluster() { router_.set_watcher(nullptr); }

std::string Cluster::channel_of(std::string_view node) const {
  return prefix_ + ":node:" + std::string(node);
}

void Cluster::wake() {
  if (wake_ && !std::exchange(awake_, true)) wake_();
}

// What carries the frames.

void Cluster::connected(const Now& now) {
  now_ = ticked_ = beacon_due_ = now.mono;
  connected_ = true;
  ++counters_.connects;
  wake();
}

void Cluster::disconnected(const Now& now) {
  now_ = now.mono;
  connected_ = false;
  go_down();
}

std::optional<ClusterRefusal> Cluster::refuse(ClusterRefusal why) {
  ++counters_.frames_refused[index(why)];
  return why;
}

std::optional<ClusterRefusal> Cluster::received(const Now& now, std::string_view frame) {
  notice_stop(now);
  now_ = now.mono;
  if (left_) return std::nullopt;
  ++counters_.frames_received;
  counters_.bytes_received += frame.size();
  const wire::Look look = wire::look_at(frame);
  if (look == wire::Look::OtherVersion) return refuse(ClusterRefusal::Version);
  std::optional<std::string_view> body;
  if (look == wire::Look::ToOne) body = wire::unseal(key_, own_channel(), frame);
  if (look == wire::Look::ToAll) body = wire::unseal(key_, common_channel_, frame);
  if (look != wire::Look::Nothing && !body) return refuse(ClusterRefusal::Signature);
  wire::FrameReader in(body.value_or(std::string_view()));
  const auto head = in.head();
  if (!head) {
    ++counters_.frames_malformed;
    return std::nullopt;
  }
  if (head->node == node_) {
    echoed(now, head->serial);
    return std::nullopt;
  }
  const auto known = links_.find(head->node);
  const std::uint64_t last = known != links_.end() ? known->second->serial : last_serial(head->node);
  if (head->serial <= last) return refuse(ClusterRefusal::Replay);
  if (head->type == wire::FrameType::Bye) {
    bury({std::string(head->node), head->serial});
    if (known == links_.end()) return std::nullopt;
    known->second->serial = head->serial;
    drop(now, *known->second, LeaveReason::Left);
    fill_vacant(now);
    return std::nullopt;
  }
  Link* link = link_to(now, head->node);
  if (link == nullptr) return std::nullopt;
  link->serial = head->serial;
  link->proven = link->proven || head->type == wire::FrameType::Data;
  heard(now, *link);
  if (head->type != wire::FrameType::Data) return std::nullopt;
  confirm(now, *link, *head);
  if (advance_stream(now, *link, *head)) read(now, *link, in, *head);
  return std::nullopt;
}

/// The process, or its host, has stood still: what comes now is old, and others may have given it up.
void Cluster::notice_stop(const Now& now) {
  if (!up_ || ticked_ + kStoppedLimit >= now.mono) return;
  now_ = ticked_ = now.mono;
  go_down();
}

/// What a call on the Router says must be said before the next one. It may be to members elsewhere, too: what
/// had waited for one who has joined.
void Cluster::say(const Now& now) {
  if (said_.empty()) return;
  deliver(said_);
  if (others_) others_(now, said_);
  said_.clear();
}

std::vector<Cluster::Publication> Cluster::take(const Now& now) {
  now_ = now.mono;
  awake_ = false;
  fill_vacant(now);
  std::vector<Publication> all;
  for (const Bounce& b : std::exchange(bounces_, {})) router_.undelivered(b.sender, b.room, b.to, said_);
  say(now);
  if (!connected_) return all;
  if (std::exchange(say_goodbye_, false)) publish_to_all(wire::FrameType::Bye, all);
  if (left_) return all;
  if (beacon_due_ <= now.mono) {
    beacon_due_ = now.mono + kBeaconPeriod;
    publish_to_all(wire::FrameType::Beacon, all);
  }
  for (const auto& [name, link] : links_) publish(now, *link, all);
  return all;
}

void Cluster::tick(const Now& now) {
  notice_stop(now);
  now_ = ticked_ = now.mono;
  if (up_ && echo_ + kEchoLimit < now.mono) go_down();
  std::vector<std::string> silent;
  for (const auto& [name, link] : links_) {
    look(now, *link);
    // Who was stopped itself must hear for a while before it knows who is silent.
    if (up_ && std::max(link->heard_at, up_since_) + kNodeLimit < now.mono) silent.push_back(name);
  }
  for (const std::string& name : silent) {
    Link& link = *links_.find(name)->second;
    counters_.nodes_lost += link.proven ? 1U : 0U;
    drop(now, link, LeaveReason::Lost);
  }
  fill_vacant(now);
}

std::optional<TimePoint> Cluster::next_deadline() const noexcept {
  if (left_ || (!connected_ && links_.empty())) return std::nullopt;
  return ticked_ + kTickPeriod;
}

// This node.

void Cluster::deliver(const Outbox& outbox) {
  for (const Outbox::Item& item : outbox.items()) {
    const auto* message = std::get_if<Message>(&item.event);
    const auto* kicked = std::get_if<Kicked>(&item.event);
    if (message == nullptr && kicked == nullptr) continue;
    std::vector<std::pair<Link*, std::vector<std::string_view>>> to;
    for (const Receiver& receiver : outbox.receivers(item)) {
      if (receiver.dialect != kRemoteDialect) continue;
      const auto where = remotes_.find(receiver.connection);
      if (where == remotes_.end()) continue;
      Link* link = where->second.link;
      const std::string_view name = link->members.find(where->second.number)->second.peer;
      if (kicked != nullptr) {
        tell_kick(name, where->second, *kicked);
        continue;
      }
      const auto same = std::find_if(to.begin(), to.end(), [&](const auto& one) {
        return one.first == link && one.second.size() < kMaxOpTargets;
      });
      auto& names =
          same != to.end() ? same->second : to.emplace_back(link, std::vector<std::string_view>()).second;
      names.push_back(name);
    }
    for (const auto& [link, names] : to) {
      Op op{OpType::Message};
      op.peer = message->from;
      op.room = message->room;
      op.flag = static_cast<std::uint8_t>(message->kind);
      op.text = message->data;
      op.targets = names;
      push(*link, op);
    }
  }
}

/// All nodes: what they hear of the member later, and was said before, does not bring it back.
void Cluster::tell_kick(std::string_view peer, const Where& where, const Kicked& kicked) {
  Op op{OpType::Kick};
  op.peer = peer;
  op.room = kicked.room;
  op.text = kicked.reason.substr(0, kMaxReasonBytes);
  op.over = where.link->node;
  op.number = where.number;
  op.stamp = kicked.order;
  push_all(op);
  if (!op.room.empty())
    kicks_.add(now_, {where.link->node, where.number, std::string(op.room)}, op.stamp, op.text);
}

void Cluster::order(const Now& now, std::string text, WallTime until, std::size_t kind) {
  if (text.size() > wire::kMaxOrderBytes) return;
  kind = std::min(kind, kOrderKinds - 1);
  std::deque<Order>& kept = orders_[kind];
  // Those of a kind last about equally long.
  while (!kept.empty() && (kept.front().until <= now.wall || kept.size() >= kMaxOrders)) kept.pop_front();
  push_all(order_op(text, until, kind));
  kept.push_back({std::move(text), until});
}

void Cluster::leave() {
  if (std::exchange(left_, true)) return;
  say_goodbye_ = true;
  wake();
}

const std::string* Cluster::url_of(const Now& now, std::string_view mark) const noexcept {
  const auto found = std::find_if(links_.begin(), links_.end(),
                                  [mark](const auto& entry) { return entry.second->mark == mark; });
  if (found != links_.end()) return &found->second->url;
  const auto gone = std::find_if(gone_nodes_.begin(), gone_nodes_.end(), [&](const Gone& one) {
    return one.mark == mark && one.since + kGoneUrlLife >= now.mono;
  });
  return gone == gone_nodes_.end() ? nullptr : &gone->url;
}

bool Cluster::is_whole() const noexcept {
  return up_ && std::all_of(links_.begin(), links_.end(), [](const auto& entry) {
           return entry.second->state.reachable || !entry.second->proven;
         });
}

ClusterCounters Cluster::snapshot() const {
  ClusterCounters out = counters_;
  out.up = up_;
  out.remote_members = remotes_.size();
  for (const auto& [name, link] : links_) {
    out.waiting_bytes += link->waiting_bytes;
    out.nodes += link->proven ? 1U : 0U;
    out.nodes_out_of_reach += link->state.reachable || !link->proven ? 0U : 1U;
  }
  return out;
}

// What members here do.

void Cluster::entered(const RemoteMember& member) {
  LocalMember& own = locals_[std::string(member.peer)];
  own.number = ++numbers_;
  own.stamp = ++stamps_;
  own.over = std::exchange(replaced_, {});
  for (const auto& [name, link] : links_) Recount(*this, *link).entered(member);
}

void Cluster::gone(std::string_view peer, LeaveReason why) {
  const auto known = locals_.find(peer);
  if (known == locals_.end()) return;
  Op op{OpType::Gone};
  op.number = known->second.number;
  op.flag = static_cast<std::uint8_t>(why);
  push_all(op);
  locals_.erase(known);
  // The Router is still at work.
  if (hidden_.find(peer) == hidden_.end()) return;
  vacant_.emplace_back(peer);
  wake();
}

void Cluster::joined(std::string_view peer, std::string_view room, std::uint64_t order,
                     std::string_view meta) {
  newest_ = std::max(newest_, order);
  const auto known = locals_.find(peer);
  if (known != locals_.end()) push_all(join_op(known->second.number, room, order, meta));
}

void Cluster::left(std::string_view peer, std::string_view room, LeaveReason why) {
  const auto known = locals_.find(peer);
  if (known == locals_.end()) return;
  Op op{OpType::Leave};
  op.number = known->second.number;
  op.room = room;
  op.flag = static_cast<std::uint8_t>(why);
  push_all(op);
}

void Cluster::updated(std::string_view peer, std::string_view room, std::string_view meta) {
  const auto known = locals_.find(peer);
  if (known == locals_.end()) return;
  Op op{OpType::Update};
  op.number = known->second.number;
  op.room = room;
  op.text = meta;
  push_all(op);
}

void Cluster::lost(std::string_view peer, bool is_lost) {
  const auto known = locals_.find(peer);
  if (known == locals_.end()) return;
  Op op{OpType::Lost};
  op.number = known->second.number;
  op.flag = is_lost ? 1 : 0;
  push_all(op);
}

void Cluster::configured(const RemoteRoom& room) {
  newest_ = std::max(newest_, room.stamp);
  push_all(room_op(room));
}

void Cluster::banned(const RemoteBan& ban) {
  newest_ = std::max(newest_, ban.stamp);
  bans_.take(now_, ban);
  push_all(ban_op(ban));
}

/// It is the Router that takes it away. Its own node hears of the new claim, and closes it.
void Cluster::superseded(std::uint64_t connection) {
  const auto at = remotes_.find(connection);
  if (at == remotes_.end()) return;
  const Where where = at->second;
  remotes_.erase(at);
  Member& member = where.link->members.find(where.number)->second;
  member.hidden = std::make_unique<RemoteRecord>(router_.remote_record(connection));
  member.connection = 0;
  hidden_.emplace(member.peer, where);
  replaced_ = where.link->node;
}

}  // namespace ts::signal
