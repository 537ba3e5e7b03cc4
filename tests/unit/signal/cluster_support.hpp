// SPDX-License-Identifier: Apache-2.0
// Several nodes on one fake clock, with a bus between them that loses, holds back and repeats what the test
// wants.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <turnstone/signal/cluster.hpp>

#include "support.hpp"

namespace ts::signal {

/// One node: Router, Cluster, and what its members were told.
class Node {
 public:
  Node(const Options& options, RandomSource& random, std::string_view secret = "the secret of all nodes")
      : router(options, random, ice),
        cluster(router, random, "test", derive(secret, kFramesPurpose),
                [this](std::string_view order) { orders.emplace_back(order); }) {
    cluster.set_others([this](const Now&, const Outbox& said) { hear(said); });
  }

  /// What a call on the Router has said: to members here, and elsewhere.
  void settle() {
    cluster.deliver(out);
    hear(out);
    out.clear();
  }
  /// "1: msg r bob …", in order; emptied. Not what is said to members elsewhere.
  Lines said() { return std::exchange(heard, {}); }

  FakeIce ice;
  Router router;
  Cluster cluster;
  Outbox out;
  Lines heard;
  Lines orders;
  bool running = true;
  bool linked = false;

 private:
  void hear(const Outbox& said) {
    for (std::string& line : lines(said)) {
      if (line.find(':') < 10) heard.push_back(std::move(line));  // ids of members elsewhere are long
    }
  }
};

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override { set_up(3); }
  void set_up(std::size_t count) {
    options_ = test_options();
    options_.max_members_per_room = 8;
    for (std::size_t i = 0; i < count; ++i) add_node();
    link_all();
  }
  Node& add_node() { return *nodes_.emplace_back(std::make_unique<Node>(options_, random_)); }
  Node& add_stranger(std::string_view secret) {
    return *nodes_.emplace_back(std::make_unique<Node>(options_, random_, secret));
  }
  Node& node(std::size_t i) { return *nodes_[i]; }
  void link(Node& node) {
    node.linked = true;
    node.cluster.connected(now_);
  }
  void unlink(Node& node) {
    node.linked = false;
    node.cluster.disconnected(now_);
  }
  void link_all() {
    for (const auto& node : nodes_) link(*node);
    pump();
    pass(std::chrono::milliseconds(600));
  }

  /// Carries what there is, until there is no more.
  void pump() {
    bool more = true;
    for (int round = 0; more && round < 100; ++round) {
      more = false;
      for (const auto& from : nodes_) {
        if (!from->running) continue;
        for (const Cluster::Publication& one : from->cluster.take(now_)) {
          if (!from->linked || bus_stopped_) continue;
          more = true;
          publish(one);
        }
      }
    }
  }
  void publish(const Cluster::Publication& one) {
    ++published_;
    if (lose_ && lose_(one)) return;
    for (const auto& to : nodes_) {
      const bool listens =
          one.channel == to->cluster.common_channel() || one.channel == to->cluster.own_channel();
      if (to->linked && to->running && listens) to->cluster.received(now_, one.frame);
    }
  }
  /// Time passes in steps of 100 ms.
  void pass(Duration time) {
    const TimePoint end = now_.mono + time;
    while (now_.mono < end) {
      now_.mono += std::chrono::milliseconds(100);
      for (const auto& node : nodes_) {
        if (!node->running) continue;
        const auto due = node->cluster.next_deadline();
        if (due && *due <= now_.mono) node->cluster.tick(now_);
      }
      pump();
    }
  }

  ErrorCode hello(Node& at, ConnectionId id, std::string_view peer,
                  const std::optional<Resume>& resume = {}) {
    EXPECT_TRUE(at.router.opened(now_, id, Endpoint{}, 0, at.out));
    Hello wanted{"secret", peer};
    wanted.resumable = true;
    wanted.resume = resume;
    auto welcome = at.router.hello(now_, id, wanted, at.out);
    if (welcome) welcome_ = *welcome;
    at.settle();
    pump();
    return code(welcome);
  }
  void member(Node& at, ConnectionId id, std::string_view peer, std::string_view room = "r") {
    ASSERT_EQ(hello(at, id, peer), ErrorCode::None);
    join(at, id, room);
  }
  void join(Node& at, ConnectionId id, std::string_view room) {
    ASSERT_EQ(code(at.router.join(now_, id, room, {}, at.out)), ErrorCode::None);
    at.settle();
    pump();
  }
  void close(Node& at, ConnectionId id, CloseReason reason) {
    at.router.closed(now_, id, reason, at.out);
    at.settle();
    pump();
  }
  /// Without pump().
  ErrorCode send(Node& at, ConnectionId id, std::string_view to, std::string_view data, int queue_ms = 0) {
    const std::vector<std::string_view> names{to};
    SendRequest request;
    request.room = "r";
    request.everyone = to == "*";
    request.to = names;
    request.data = data;
    request.queue = std::chrono::milliseconds(queue_ms);
    const auto sent = at.router.send(now_, id, request, at.out);
    at.settle();
    return code(sent);
  }
  /// "ada polite" for each room-mate.
  Lines list(Node& at, ConnectionId id, std::string_view room = "r") {
    Lines all;
    const auto peers = at.router.list(id, room, at.out);
    if (!peers) return {"not in it"};
    for (const PeerView& p : *peers)
      all.push_back(std::string(p.peer) + (p.polite ? " polite" : " impolite") + (p.lost ? " lost" : ""));
    return all;
  }
  static std::uint64_t refused(Node& at, ClusterRefusal why) {
    return at.cluster.counters().frames_refused[index(why)];
  }
  void forget_said() {
    for (const auto& node : nodes_) node->said();
  }

  Options options_;
  FakeRandom random_;
  Now now_{TimePoint(std::chrono::hours(1)), WallTime(std::chrono::seconds(1'700'000'000))};
  std::vector<std::unique_ptr<Node>> nodes_;
  std::function<bool(const Cluster::Publication&)> lose_;
  bool bus_stopped_ = false;
  std::size_t published_ = 0;
  Welcome welcome_;
};

}  // namespace ts::signal
