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

Cluster::Link* Cluster::link_to(const Now& now, std::string_view node) {
  const auto known = links_.find(node);
  if (known != links_.end()) return known->second.get();
  if (links_.size() >= kMaxNodes) return nullptr;
  auto made = std::make_unique<Link>();
  made->node = node;
  made->mark = mark_of(node);
  made->heard_at = now.mono;
  made->state.reachable = false;
  return links_.emplace(std::string(node), std::move(made)).first->second.get();
}

void Cluster::echoed(const Now& now) {
  echo_ = now.mono;
  if (!std::exchange(up_, true)) up_since_ = now.mono;
}

void Cluster::go_down() {
  up_ = false;
  for (const auto& [name, link] : links_) link->state.reachable = false;
}

void Cluster::heard(const Now& now, Link& link) {
  link.heard_at = now.mono;
  if (link.state.reachable || !up_) return;
  if (link.stream == 0) return start(now, link);
  link.state.reachable = true;
  link.send_again();
  wake();
}

/// A new stream, which begins with everything that is here.
void Cluster::start(const Now& now, Link& link) {
  if (link.stream != 0) bounce(link, ClusterLoss::Link);
  if (link.confirmed != 0) ++counters_.resyncs;
  link.stream = ++streams_;
  link.confirmed = 0;
  link.waiting.clear();
  link.waiting_bytes = 0;
  link.send_again();
  link.progress = now.mono;
  link.state.reachable = up_;
  tell_all(now, link);
}

/// What waits is given up; the stream begins anew when the node is heard.
void Cluster::break_off(Link& link, ClusterLoss why) {
  bounce(link, why);
  link.stream = 0;
  link.waiting.clear();
  link.waiting_bytes = 0;
  link.send_again();
  link.state.reachable = false;
}

/// The senders of the messages that wait are to be told.
void Cluster::bounce(const Link& link, ClusterLoss why) {
  for (const Sent& sent : link.waiting) {
    if (!sent.is_message) continue;
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
    forget(link, number, why);
    say(now);
  }
  links_.erase(std::string(link.node));  // its own name goes with it
}

void Cluster::push(Link& link, const Op& op, const std::shared_ptr<const std::string>& bytes) {
  if (left_) return;  // the goodbye has told of everybody
  const bool is_message = op.type == OpType::Message;
  if (link.stream != 0 && link.waiting_bytes + bytes->size() <= kMaxLinkBytes) {
    link.waiting.push_back({bytes, is_message});
    link.waiting_bytes += bytes->size();
    return wake();
  }
  if (link.stream != 0) break_off(link, ClusterLoss::Link);
  // Of all else, the new stream tells.
  if (!is_message) return;
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
  if (forgotten || headless) return start(now, link);
  if (head.ack_stream != link.stream || head.ack <= link.confirmed) return;
  const std::uint64_t count = head.ack - link.confirmed;
  if (count > link.waiting.size()) return;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t size = link.waiting.front().op->size();
    link.waiting_bytes -= size;
    if (link.sent > 0) --link.sent, link.sent_bytes -= size;
    link.waiting.pop_front();
  }
  link.confirmed = head.ack;
  link.progress = now.mono;
  if (link.sent < link.waiting.size()) wake();
}

/// False: there is nothing new in the frame, or something is missing before it.
bool Cluster::advance_stream(Link& link, const wire::Head& head) {
  if (head.stream == 0 || head.count == 0) return false;
  if (head.stream < link.in_stream) {
    ++counters_.frames_repeated;
    return false;
  }
  link.owes_ack = true;
  if (head.stream > link.in_stream) {
    if (head.first != 1) {
      link.headless = head.stream;
      wake();
      return false;
    }
    link.in_stream = head.stream;
    link.in_done = 0;
    link.headless = 0;
  }
  if (head.first > link.in_done + 1) return false;  // it will be sent again
  if (head.first + head.count - 1 > link.in_done) return true;
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
  if (link.sent != 0 && std::max(link.progress, link.sent_at) + kRepeatAfter < now.mono) {
    link.send_again();
    wake();
  }
}

void Cluster::publish(const Now& now, Link& link, std::vector<Publication>& out) {
  wire::Head head;
  head.type = wire::FrameType::Data;
  head.node = node_;
  head.stream = link.stream;
  head.restart = link.headless != 0;
  head.ack_stream = head.restart ? link.headless : link.in_stream;
  head.ack = head.restart ? 0 : link.in_done;
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
    publish(channel_of(link.node), wire::encode(head, ops), out);
    link.sent_at = now.mono;
    link.owes_ack = false;
  }
  if (std::exchange(link.owes_ack, false)) {
    head.first = head.count = 0;
    publish(channel_of(link.node), wire::encode(head, {}), out);
  }
  link.headless = 0;
}

void Cluster::publish(std::string channel, std::string frame, std::vector<Publication>& out) {
  ++counters_.frames_sent;
  counters_.bytes_sent += frame.size();
  out.push_back({std::move(channel), std::move(frame)});
}

void Cluster::publish_to_all(wire::FrameType type, std::vector<Publication>& out) {
  wire::Head head;
  head.type = type;
  head.node = node_;
  publish(common_channel_, wire::encode(head, {}), out);
}

/// Reads the operations of a frame, of which the first ones may be known already.
void Cluster::read(const Now& now, Link& link, wire::FrameReader& in, const wire::Head& head) {
  std::uint64_t number = head.first;
  const std::uint64_t stream = link.in_stream;
  while (const auto op = in.next()) {
    if (number++ <= link.in_done) continue;
    link.in_done = number - 1;
    apply(now, link, *op);
    say(now);
  }
  if (!in.ok() || number != head.first + head.count) {
    ++counters_.frames_malformed;
    link.headless = stream;  // it is to begin anew
    link.in_done = 0;
    link.owes_ack = true;
    return wake();
  }
  if (link.in_done % kAckEvery == 0) wake();
}

}  // namespace ts::signal
