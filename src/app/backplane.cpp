// SPDX-License-Identifier: Apache-2.0
#include "backplane.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include <turnstone/app/logging.hpp>
#include <turnstone/net/clock.hpp>

namespace ts::app {

namespace asio = boost::asio;

namespace {

/// Beyond the largest message, of a frame: its targets, its head.
constexpr std::size_t kFrameRoom = std::size_t{64} << 10;

}  // namespace

Backplane::Backplane(Surroundings surroundings)
    : around_(std::move(surroundings)),
      cluster_(around_.router, around_.random, around_.options.cluster.redis_prefix, around_.take_order),
      timer_(around_.context) {
  cluster_.set_others(around_.say);
  // All that a turn of the loop brings leaves together.
  cluster_.set_wake([this] { asio::post(around_.context, [this] { flush(); }); });
}

std::string Backplane::make_bus() {
  net::RedisBus::Handlers handlers;
  handlers.connected = [this] {
    log::info("connected to Redis", {{"node", cluster_.node()}});
    cluster_.connected(net::now());
    flush();
  };
  handlers.disconnected = [this] { cluster_.disconnected(net::now()); };
  handlers.message = [this](std::string_view frame) {
    cluster_.received(net::now(), frame);
    around_.settle();
  };
  handlers.report = [](const std::string& trouble) {
    log::warn("no connection to Redis: members of other nodes are out of reach", {{"reason", trouble}});
  };
  handlers.failed = [this] { ++cluster_.counters().connect_failures; };
  const std::size_t largest =
      std::max<std::size_t>(around_.options.max_message_bytes, signal::kMaxFrameBytes) + kFrameRoom;
  auto bus =
      net::RedisBus::make(around_.context, around_.options.cluster,
                          {cluster_.common_channel(), cluster_.own_channel()}, largest, std::move(handlers));
  if (!bus) return bus.error();
  bus_ = std::move(*bus);
  return {};
}

Result<std::unique_ptr<Backplane>, std::string> Backplane::make(Surroundings surroundings) {
  std::unique_ptr<Backplane> out(new Backplane(std::move(surroundings)));
  if (std::string problem = out->make_bus(); !problem.empty()) return problem;
  return Result<std::unique_ptr<Backplane>, std::string>(std::move(out));
}

void Backplane::flush() {
  const Now at = net::now();
  for (const signal::Cluster::Publication& one : cluster_.take(at)) bus_->publish(one.channel, one.frame);
  around_.settle();
  plan();
}

void Backplane::plan() {
  const auto due = cluster_.next_deadline();
  if (!due || stopped_ || std::exchange(planned_, true)) return;
  timer_.expires_after(std::max(*due - net::now().mono, Duration::zero()));
  timer_.async_wait([this](const boost::system::error_code& error) {
    planned_ = false;
    if (error || stopped_) return;
    cluster_.tick(net::now());
    flush();
  });
}

void Backplane::order(std::string text, WallTime until, std::size_t kind) {
  if (!stopped_) cluster_.order(net::now(), std::move(text), until, kind);
}

void Backplane::stop() {
  if (std::exchange(stopped_, true)) return;
  timer_.cancel();
  cluster_.leave();
  for (const signal::Cluster::Publication& one : cluster_.take(net::now()))
    bus_->publish(one.channel, one.frame);
  bus_->stop();
}

}  // namespace ts::app
