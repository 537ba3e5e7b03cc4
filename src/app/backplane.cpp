// SPDX-License-Identifier: Apache-2.0
#include "backplane.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include <turnstone/app/logging.hpp>
#include <turnstone/net/clock.hpp>
#include <turnstone/signal/cluster_key.hpp>
#include <turnstone/signal/forward_pass.hpp>

#include "cluster_orders.hpp"
#include "start_problem.hpp"

namespace ts::app {

namespace {

/// Beyond the largest message, of a frame: its targets, its head.
constexpr std::size_t kFrameRoom = std::size_t{64} << 10;
constexpr std::chrono::minutes kComplaintPause{1};

}  // namespace

Backplane::Backplane(Surroundings surroundings) : around_(std::move(surroundings)), timer_(around_.context) {
  const config::Config& config = around_.config;
  if (!config.signaling_enabled || config.signal.cluster.backplane == signal::Backplane::Memory) return;
  const signal::ClusterOptions& options = config.signal.cluster;
  cluster_ = std::make_unique<signal::Cluster>(around_.router, around_.random, options.redis_prefix,
                                               signal::derive(options.cluster_secret, signal::kFramesPurpose),
                                               [this](std::string_view order) {
                                                 if (const auto revocation = revocation_of(order))
                                                   around_.revoke(*revocation);
                                               });
  cluster_->set_others(
      [this](const Now& now, const signal::Outbox& said) { around_.dialects.tell_here(now, said); });
  if (passes_on()) {
    cluster_->set_url(config.signal.cluster.node_url);
    around_.dialects.mark_sessions(cluster_->mark());
  }
  // All that a turn of the loop brings leaves together.
  cluster_->set_wake([this] { asio::post(around_.context, [this] { flush(); }); });
  make_bus();
  around_.dialects.set_elsewhere([this](const signal::Outbox& said) { cluster_->deliver(said); });
}

void Backplane::make_bus() {
  net::RedisBus::Handlers handlers;
  handlers.connected = [this] {
    log::info("connected to Redis", {{"node", cluster_->node()}});
    cluster_->connected(net::now());
    flush();
  };
  handlers.disconnected = [this] { cluster_->disconnected(net::now()); };
  handlers.message = [this](std::string_view frame) {
    if (const auto why = cluster_->received(net::now(), frame)) complain(*why);
    around_.dialects.flush();
  };
  handlers.report = [](const std::string& trouble) {
    log::warn("no connection to Redis: members of other nodes are out of reach", {{"reason", trouble}});
  };
  handlers.failed = [this] { ++cluster_->counters().connect_failures; };
  const signal::Options& options = around_.config.signal;
  const std::size_t largest =
      std::max<std::size_t>(options.max_message_bytes, signal::kMaxFrameBytes) + kFrameRoom;
  auto bus = net::RedisBus::make(around_.context, options.cluster,
                                 {cluster_->common_channel(), cluster_->own_channel()}, largest,
                                 std::move(handlers));
  if (!bus) throw StartProblem(bus.error());
  bus_ = std::move(*bus);
}

/// What an operator must mend. Not of each frame: whoever may publish could fill the log.
void Backplane::complain(signal::ClusterRefusal why) {
  if (why == signal::ClusterRefusal::Replay) return;
  const auto now = net::now().mono;
  auto& last = complained_[signal::index(why)];
  if (last && now - *last < kComplaintPause) return;
  last = now;
  if (why == signal::ClusterRefusal::Version) {
    log::error("a node of another version is on this Redis: its members and ours do not see each other",
               {{"remedy", "bring all nodes to one version"}});
  } else {
    log::error("somebody speaks on the channels of this cluster without its secret, and is not heard",
               {{"remedy",
                 "signaling.redis.cluster_secret must be the same at all nodes, and deployments "
                 "that share a Redis need a signaling.redis.prefix each"}});
  }
}

void Backplane::start() {
  if (bus_) bus_->start();
}

void Backplane::flush() {
  const Now at = net::now();
  for (const signal::Cluster::Publication& one : cluster_->take(at)) bus_->publish(one.channel, one.frame);
  around_.dialects.flush();
  plan();
}

void Backplane::plan() {
  const auto due = cluster_->next_deadline();
  if (!due || stopped_ || std::exchange(planned_, true)) return;
  timer_.expires_after(std::max(*due - net::now().mono, Duration::zero()));
  timer_.async_wait([this](const boost::system::error_code& error) {
    planned_ = false;
    if (error || stopped_) return;
    cluster_->tick(net::now());
    flush();
  });
}

// Requests for sessions of other nodes.

/// Without a secret nobody could tell a node's word from a stranger's.
bool Backplane::passes_on() const noexcept {
  return cluster_ && !around_.config.signal.cluster.cluster_secret.empty();
}

std::optional<net::OtherNode> Backplane::elsewhere(std::string_view sid) const {
  const std::string_view mark = signal::mark_in(sid);
  if (mark.empty() || mark == cluster_->mark()) return std::nullopt;
  const std::string* url = cluster_->url_of(net::now(), mark);
  if (url == nullptr || url->empty()) return std::nullopt;
  return net::OtherNode{std::string(mark), *url};
}

std::unique_ptr<net::Forwarder> Backplane::make_forwarder() const {
  if (!cluster_) return nullptr;
  const config::Config& config = around_.config;
  const signal::ClusterOptions& cluster = config.signal.cluster;
  if (!passes_on() || cluster.node_url.empty()) {
    log::info("clients that poll need a balancer with sticky sessions",
              {{"reason", passes_on() ? "signaling.node_url is not set"
                                      : "signaling.redis.cluster_secret is not set"}});
  }
  if (!passes_on()) return nullptr;
  net::ForwarderOptions options;
  options.mark = cluster_->mark();
  options.max_under_way = cluster.max_forwarded;
  // All that waits for one client, with what base64 adds to attachments.
  options.max_answer_bytes =
      2 * (std::size_t{config.socketio.max_send_queue_bytes} + config.socketio.max_payload) + kFrameRoom;
  return std::make_unique<net::Forwarder>(
      around_.context, std::move(options), signal::derive(cluster.cluster_secret, signal::kForwardPurpose),
      [this](std::string_view sid) { return elsewhere(sid); },
      [](const std::string& trouble) {
        log::warn("a request for a session of another node was not passed on", {{"reason", trouble}});
      });
}

void Backplane::tell(const turn::Revocation& revocation) {
  if (!cluster_ || stopped_) return;
  cluster_->order(net::now(), order_of(revocation), revocation.until,
                  static_cast<std::size_t>(revocation.cause));
}

std::string_view Backplane::state() const noexcept {
  if (!cluster_) return {};
  return cluster_->is_whole() ? "up" : "degraded";
}

void Backplane::count(metrics::Snapshot& to) const {
  if (cluster_) to.cluster = cluster_->snapshot();
}

void Backplane::stop() {
  if (!cluster_ || std::exchange(stopped_, true)) return;
  timer_.cancel();
  cluster_->leave();
  for (const signal::Cluster::Publication& one : cluster_->take(net::now()))
    bus_->publish(one.channel, one.frame);
  bus_->stop();
}

}  // namespace ts::app
