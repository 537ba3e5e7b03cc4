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
  return op;
}

Op url_op(std::string_view url) {
  Op op{OpType::Url};
  op.text = url;
  return op;
}

Op order_op(std::string_view text) {
  Op op{OpType::Order};
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
    const Claim& claim = known->second.claim;
    Op op{OpType::Member};
    op.number = known->second.number;
    op.peer = member.peer;
    op.mark = member.credential;
    op.session = member.session;
    op.stamp = claim.stamp;
    op.over = claim.over_node;
    op.over_stamp = claim.over_stamp;
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
  for (const auto& kind : orders_) {
    for (const Order& order : kind) {
      if (order.until > now.wall) push(link, order_op(order.text));
    }
  }
  push(link, Op{OpType::End});
}

Cluster::Cluster(Router& router, RandomSource& random, std::string prefix, TakeOrder take_order)
    : router_(router),
      prefix_(std::move(prefix)),
      node_(base64url(random.bytes<12>())),
      common_channel_(prefix_ + ":all"),
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

void Cluster::received(const Now& now, std::string_view frame) {
  now_ = now.mono;
  if (left_) return;
  ++counters_.frames_received;
  counters_.bytes_received += frame.size();
  wire::FrameReader in(frame);
  const auto head = in.head();
  if (!head) {
    ++counters_.frames_malformed;
    return;
  }
  if (head->node == node_) return echoed(now);
  if (head->type == wire::FrameType::Bye) {
    const auto known = links_.find(head->node);
    if (known != links_.end()) drop(now, *known->second, LeaveReason::Left);
    return;
  }
  Link* link = link_to(now, head->node);
  if (link == nullptr) return;
  heard(now, *link);
  if (head->type != wire::FrameType::Data) return;
  confirm(now, *link, *head);
  if (advance_stream(*link, *head)) read(now, *link, in, *head);
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
  now_ = ticked_ = now.mono;
  if (up_ && echo_ + kEchoLimit < now.mono) go_down();
  std::vector<std::string> silent;
  for (const auto& [name, link] : links_) {
    look(now, *link);
    // Who was stopped itself must hear for a while before it knows who is silent.
    if (up_ && std::max(link->heard_at, up_since_) + kNodeLimit < now.mono) silent.push_back(name);
  }
  for (const std::string& name : silent) {
    ++counters_.nodes_lost;
    drop(now, *links_.find(name)->second, LeaveReason::Lost);
  }
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
      const auto same = std::find_if(to.begin(), to.end(), [&](const auto& one) {
        return one.first == link && one.second.size() < kMaxOpTargets;
      });
      auto& names =
          same != to.end() ? same->second : to.emplace_back(link, std::vector<std::string_view>()).second;
      names.push_back(name);
    }
    for (const auto& [link, names] : to) {
      if (message != nullptr) {
        Op op{OpType::Message};
        op.peer = message->from;
        op.room = message->room;
        op.flag = static_cast<std::uint8_t>(message->kind);
        op.text = message->data;
        op.targets = names;
        push(*link, op);
        continue;
      }
      for (const std::string_view name : names) {
        Op op{OpType::Kick};
        op.peer = name;
        op.room = kicked->room;
        op.text = kicked->reason.substr(0, kMaxReasonBytes);
        push(*link, op);
      }
    }
  }
}

void Cluster::order(const Now& now, std::string text, WallTime until, std::size_t kind) {
  if (text.size() > wire::kMaxOrderBytes) return;
  std::deque<Order>& kept = orders_[std::min(kind, kOrderKinds - 1)];
  // Those of a kind last about equally long.
  while (!kept.empty() && (kept.front().until <= now.wall || kept.size() >= kMaxOrders)) kept.pop_front();
  push_all(order_op(text));
  kept.push_back({std::move(text), until});
}

void Cluster::leave() {
  if (std::exchange(left_, true)) return;
  say_goodbye_ = true;
  wake();
}

const std::string* Cluster::url_of(std::string_view mark) const noexcept {
  const auto found = std::find_if(links_.begin(), links_.end(),
                                  [mark](const auto& entry) { return entry.second->mark == mark; });
  return found == links_.end() ? nullptr : &found->second->url;
}

bool Cluster::is_whole() const noexcept {
  return up_ && std::all_of(links_.begin(), links_.end(),
                            [](const auto& entry) { return entry.second->state.reachable; });
}

ClusterCounters Cluster::snapshot() const {
  ClusterCounters out = counters_;
  out.up = up_;
  out.nodes = links_.size();
  out.remote_members = remotes_.size();
  for (const auto& [name, link] : links_) {
    out.waiting_bytes += link->waiting_bytes;
    out.nodes_out_of_reach += link->state.reachable ? 0U : 1U;
  }
  return out;
}

// What members here do.

void Cluster::entered(const RemoteMember& member) {
  LocalMember& own = locals_[std::string(member.peer)];
  own.number = ++numbers_;
  own.claim = Claim{node_, ++stamps_};
  if (const auto over = std::exchange(replaced_, std::nullopt)) {
    own.claim.over_node = over->node;
    own.claim.over_stamp = over->stamp;
  }
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
}

void Cluster::joined(std::string_view peer, std::string_view room, std::uint64_t order,
                     std::string_view meta) {
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

void Cluster::configured(const RemoteRoom& room) { push_all(room_op(room)); }

void Cluster::banned(const RemoteBan& ban) { push_all(ban_op(ban)); }

void Cluster::superseded(std::uint64_t connection) {
  const auto where = remotes_.find(connection);
  if (where == remotes_.end()) return;
  auto& members = where->second.link->members;
  const auto member = members.find(where->second.number);
  replaced_ = member->second.claim;
  members.erase(member);
  remotes_.erase(where);
}

}  // namespace ts::signal
