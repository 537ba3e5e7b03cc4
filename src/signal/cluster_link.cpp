// SPDX-License-Identifier: Apache-2.0
// Cluster: streams between two nodes. Each is numbered, confirmed, sent again from where a frame was lost,
// and begun anew with all that there is when the other end has lost its place.
#include "cluster_link.hpp"

#include <algorithm>
#include <utility>

#include <turnstone/signal/forward_pass.hpp>

namespace ts::signal {

using wire::Op;
using wire::OpType;

/// What one node may have taken before it confirms without having anything to say itself.
constexpr std::uint64_t kAckEvery = 64;
constexpr std::size_t kAckBytes = kLinkWindowBytes / 4;
/// Of one node, as long as there is no stream to it.
constexpr std::size_t kMaxAnswers = 1024;

Cluster::Link* Cluster::link_to(const Now& now, std::string_view node) {
  const auto known = links_.find(node);
  if (known != links_.end()) return known->second.get();
  if (links_.size() >= kMaxNodes) return nullptr;
  auto made = std::make_unique<Link>();
  made->node = node;
  made->mark = mark_of(node);
  made->heard_at = now.mono;
  made->state.reachable = false;
  if (const Gone* before = find_gone(node); before != nullptr) {
    made->serial = before->serial;
    made->url = before->url;
  }
  return links_.emplace(std::string(node), std::move(made)).first->second.get();
}

/// A node that has gone and may only have been away; null: there is none.
const Cluster::Gone* Cluster::find_gone(std::string_view node) const noexcept {
  for (const Gone& one : gone_nodes_) {
    if (one.node == node) return &one;
  }
  return nullptr;
}

std::uint64_t Cluster::last_serial(std::string_view node) const noexcept {
  const Gone* gone = find_gone(node);
  return gone == nullptr ? 0 : gone->serial;
}

void Cluster::bury(Gone gone) {
  std::erase_if(gone_nodes_, [&](const Gone& one) { return one.node == gone.node; });
  if (gone_nodes_.size() >= kMaxGoneNodes) gone_nodes_.pop_front();
  gone_nodes_.push_back(std::move(gone));
}

/// Only what was said since this node knows that nothing gets through says that it does again.
void Cluster::echoed(const Now& now, std::uint64_t serial) {
  if (serial < echo_from_) return;
  echo_from_ = serial + 1;
  echo_ = now.mono;
  if (!std::exchange(up_, true)) up_since_ = now.mono;
}

void Cluster::go_down() {
  up_ = false;
  echo_from_ = serial_ + 1;
  beacon_due_ = now_;
  for (const auto& [name, link] : links_) link->state.reachable = false;
  if (connected_) wake();
}

void Cluster::heard(const Now& now, Link& link) {
  link.heard_at = now.mono;
  if (link.state.reachable || !up_) return;
  if (link.stream == 0) {
    if (link.retry_at <= now.mono) start(now, link);
    return;
  }
  if (link.failures != 0) return;  // what it says is heard, but not the other way, as far as one knows
  link.state.reachable = true;
  link.send_again();
  wake();
}

/// A new stream, which begins with everything that is here.
void Cluster::start(const Now& now, Link& link) {
  if (link.stream != 0) bounce(link, ClusterLoss::Link);
  if (link.confirmed != 0) ++counters_.resyncs;
  const auto answers = std::exchange(link.answers, {});
  link.stream = ++streams_;
  link.confirmed = 0;
  link.waiting.clear();
  link.waiting_bytes = 0;
  link.send_again();
  link.asked_at.reset();
  link.progress = link.begun_at = now.mono;
  link.state.reachable = up_ && link.failures == 0;
  link.is_beginning = true;
  tell_all(now, link);
  for (const auto& answer : answers) {
    link.waiting.push_back({answer, Carried::Answer});
    link.waiting_bytes += answer->size();
  }
  link.is_beginning = false;
  link.beginning_bytes = link.waiting_bytes;
}

/// What waits is given up; the stream begins anew when the node is heard, and later each time.
void Cluster::break_off(Link& link, ClusterLoss why) {
  bounce(link, why);
  const auto pause =
      std::min<Duration>(kRestartPause * (1U << std::min(link.failures, 4U)), kLongestRestartPause);
  link.retry_at = now_ + pause;
  ++link.failures;
  link.stream = 0;
  link.waiting.clear();
  link.waiting_bytes = link.beginning_bytes = 0;
  link.send_again();
  link.state.reachable = false;
}

/// The senders of the messages that wait are to be told; answers wait for the next stream.
void Cluster::bounce(Link& link, ClusterLoss why) {
  for (const Sent& sent : link.waiting) {
    if (sent.as == Carried::Answer && link.answers.size() < kMaxAnswers) link.answers.push_back(sent.op);
    if (sent.as != Carried::Message) continue;
    wire::FrameReader in(*sent.op);
    const auto op = in.next();
    if (!op) continue;
    for (const std::string_view to : op->targets) {
      bounces_.push_back({std::string(op->peer), std::string(op->room), std::string(to)});
      ++counters_.undelivered[index(why)];
    }
  }
  if (!bounces_.empty()) wake();
}

void Cluster::drop(const Now& now, Link& link, LeaveReason why) {
  bounce(link, ClusterLoss::Node);
  while (!link.members.empty()) {
    const std::uint64_t number = link.members.begin()->first;
    forget(now, link, number, why);
    say(now);
  }
  inherit(link);
  Gone gone{link.node, link.serial};
  if (why == LeaveReason::Lost) {
    gone.mark = link.mark;
    gone.url = link.url;
    gone.since = link.heard_at;
  }
  bury(std::move(gone));
  links_.erase(std::string(link.node));  // its own name goes with it
}

/// What it has ordered is told by those who have heard it, now that it cannot.
void Cluster::inherit(const Link& link) {
  for (std::size_t kind = 0; kind < kOrderKinds; ++kind) {
    std::deque<Order>& own = orders_[kind];
    for (const Order& order : link.orders[kind]) {
      if (std::find(own.begin(), own.end(), order) != own.end()) continue;
      if (own.size() >= kMaxOrders) own.pop_front();
      own.push_back(order);
    }
  }
}

void Cluster::push(Link& link, const Op& op, const std::shared_ptr<const std::string>& bytes) {
  if (left_) return;  // the goodbye has told of everybody
  const Carried as = op.type == OpType::Message       ? Carried::Message
                     : op.type == OpType::Undelivered ? Carried::Answer
                                                      : Carried::State;
  if (link.takes(bytes->size())) {
    if (link.waiting.empty()) link.progress = now_;
    link.waiting.push_back({bytes, as});
    link.waiting_bytes += bytes->size();
    return wake();
  }
  if (link.stream != 0) break_off(link, ClusterLoss::Link);
  if (as == Carried::Answer && link.answers.size() < kMaxAnswers) link.answers.push_back(bytes);
  // Of all else, the new stream tells.
  if (as != Carried::Message) return;
  for (const std::string_view to : op.targets) {
    bounces_.push_back({std::string(op.peer), std::string(op.room), std::string(to)});
    ++counters_.undelivered[index(ClusterLoss::Link)];
  }
  wake();
}

void Cluster::push(Link& link, const Op& op) {
  push(link, op, std::make_shared<const std::string>(wire::encode(op)));
}

void Cluster::push_all(const Op& op) {
  if (left_ || links_.empty()) return;
  const auto bytes = std::make_shared<const std::string>(wire::encode(op));
  for (const auto& [name, link] : links_) push(*link, op, bytes);
}

/// What the other end says about our stream.
void Cluster::confirm(const Now& now, Link& link, const wire::Head& head) {
  if (link.stream == 0) return;
  // Another one reads from the middle, or has forgotten us: then its members of ours are gone, too.
  const bool forgotten = head.ack_stream == 0 && link.confirmed != 0;
  const bool headless = head.ack_stream == link.stream && head.restart;
  if (forgotten || headless) {
    if (link.begun_at + kRestartPause <= now.mono) start(now, link);
    return;
  }
  if (head.ack_stream != link.stream || head.ack < link.confirmed) return;
  const std::uint64_t count = head.ack - link.confirmed;
  if (count > link.waiting.size()) return;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t size = link.waiting.front().op->size();
    link.waiting_bytes -= size;
    if (link.sent > 0) --link.sent, link.sent_bytes -= size;
    link.waiting.pop_front();
  }
  if (count != 0) {
    link.confirmed = head.ack;
    link.progress = now.mono;
    link.failures = 0;
    link.state.reachable = up_;
  }
  // It says so for each frame that comes after the one that was lost, and once is enough.
  const bool is_new = link.asked_at != link.confirmed || link.round_at + kAskAgainAfter <= now.mono;
  if (head.gap && link.sent != 0 && is_new) {
    link.asked_at = link.confirmed;
    link.send_again();
  }
  if (link.sent < link.waiting.size()) wake();
}

/// The stream that comes cannot be read, or not from here on.
void Cluster::ask_anew(Link& link, std::uint64_t stream) {
  link.headless = stream;
  link.owes_ack = true;
  wake();
}

/// False: there is nothing new in the frame, or something is missing before it.
bool Cluster::advance_stream(const Now& now, Link& link, const wire::Head& head) {
  if (head.stream == 0 || head.count == 0) return false;
  if (head.stream < link.in_stream) {
    ++counters_.frames_repeated;
    return false;
  }
  link.owes_ack = true;
  if (head.stream > link.in_stream) {
    if (head.first != 1) {
      ask_anew(link, head.stream);
      return false;
    }
    link.in_stream = head.stream;
    link.in_done = 0;
    link.headless = 0;
    link.in_broken = link.in_gap = false;
  }
  if (link.in_broken) {
    ask_anew(link, head.stream);
    return false;
  }
  if (head.first > link.in_done + 1) {
    if (!link.in_gap || link.gap_told + kAskAgainAfter <= now.mono) {
      link.in_gap = true;
      link.gap_told = now.mono;
      wake();
    }
    return false;
  }
  if (head.count - 1 >= link.in_done + 1 - head.first) return true;
  ++counters_.frames_repeated;
  return false;
}

/// What time does to a stream.
void Cluster::look(const Now& now, Link& link) {
  if (link.owes_ack) wake();
  if (link.stream == 0 || link.waiting.empty()) {
    link.progress = now.mono;
    return;
  }
  if (link.progress + kDeliveryLimit < now.mono) return break_off(link, ClusterLoss::Link);
  // However much is sent after it, the first that is not confirmed is what the other end waits for.
  if (link.sent != 0 && std::max(link.progress, link.round_at) + kRepeatAfter < now.mono) {
    link.send_again();
    wake();
  }
}

void Cluster::publish(const Now& now, Link& link, std::vector<Publication>& out) {
  wire::Head head;
  head.type = wire::FrameType::Data;
  head.stream = link.stream;
  head.restart = link.headless != 0;
  head.gap = link.in_gap;
  head.ack_stream = head.restart ? link.headless : link.in_stream;
  head.ack = head.restart ? 0 : link.in_done;
  if (link.sent == 0) link.round_at = now.mono;
  while (link.sent < link.waiting.size() && link.sent_bytes < kLinkWindowBytes) {
    head.first = link.confirmed + link.sent + 1;
    head.count = 0;
    std::string ops;
    while (link.sent < link.waiting.size()) {
      const std::string& op = *link.waiting[link.sent].op;
      if (head.count != 0 && ops.size() + op.size() > kMaxFrameBytes) break;
      ops += op;
      ++head.count;
      ++link.sent;
      link.sent_bytes += op.size();
    }
    publish(channel_of(link.node), head, ops, out);
    link.owes_ack = false;
  }
  if (std::exchange(link.owes_ack, false)) {
    head.first = head.count = 0;
    publish(channel_of(link.node), head, {}, out);
  }
  link.unconfirmed_bytes = 0;
  link.headless = 0;
}

void Cluster::publish(std::string channel, wire::Head& head, std::string_view ops,
                      std::vector<Publication>& out) {
  head.node = node_;
  head.serial = ++serial_;
  std::string frame = wire::encode(head, ops);
  wire::seal(key_, channel, frame);
  ++counters_.frames_sent;
  counters_.bytes_sent += frame.size();
  out.push_back({std::move(channel), std::move(frame)});
}

void Cluster::publish_to_all(wire::FrameType type, std::vector<Publication>& out) {
  wire::Head head;
  head.type = type;
  publish(common_channel_, head, {}, out);
}

/// Reads the operations of a frame, of which the first ones may be known already.
void Cluster::read(const Now& now, Link& link, wire::FrameReader& in, const wire::Head& head) {
  std::uint64_t number = head.first;
  const std::uint64_t stream = link.in_stream;
  while (const auto op = in.next()) {
    link.unconfirmed_bytes += op->text.size();
    if (number++ <= link.in_done) continue;
    link.in_done = number - 1;
    link.in_gap = false;
    apply(now, link, *op);
    say(now);
  }
  if (!in.ok() || number - head.first != head.count) {
    ++counters_.frames_malformed;
    link.in_broken = true;  // it is to begin anew
    link.in_done = 0;
    return ask_anew(link, stream);
  }
  if (link.in_done % kAckEvery == 0 || link.unconfirmed_bytes >= kAckBytes) wake();
}

}  // namespace ts::signal
