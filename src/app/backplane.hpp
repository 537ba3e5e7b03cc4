// SPDX-License-Identifier: Apache-2.0
// What joins this node with others (signaling.backplane): signal::Cluster over Redis, its time, its words to
// members here. Without others, nothing. HTTP thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <turnstone/base/random.hpp>
#include <turnstone/config/config.hpp>
#include <turnstone/metrics/snapshot.hpp>
#include <turnstone/net/forwarder.hpp>
#include <turnstone/net/redis_bus.hpp>
#include <turnstone/signal/cluster.hpp>
#include <turnstone/turn/revocation.hpp>

#include "dialects.hpp"

namespace ts::app {

namespace asio = boost::asio;

class Backplane {
 public:
  /// All of it outlives this object.
  struct Surroundings {
    asio::io_context& context;
    const config::Config& config;
    signal::Router& router;
    Dialects& dialects;
    RandomSource& random;
    /// Obeys what another node has revoked.
    std::function<void(const turn::Revocation&)> revoke;
  };

  /// Must outlive the run of the context. Throws StartProblem with what is wrong with the options.
  explicit Backplane(Surroundings surroundings);
  Backplane(const Backplane&) = delete;
  Backplane& operator=(const Backplane&) = delete;

  void start();
  /// Says goodbye to the other nodes, and closes the connection soon.
  void stop();

  /// Has other nodes revoke it as well.
  void tell(const turn::Revocation& revocation);
  /// For /readyz: "up", or "degraded" while other nodes are out of reach. Empty: there are no others.
  std::string_view state() const noexcept;
  void count(metrics::Snapshot& to) const;

  /// What passes requests on to the nodes whose sessions they are; null: that is not done.
  std::unique_ptr<net::Forwarder> make_forwarder() const;

 private:
  void make_bus();
  void complain(signal::ClusterRefusal why);
  bool passes_on() const noexcept;
  std::optional<net::OtherNode> elsewhere(std::string_view sid) const;
  void flush();
  void plan();

  Surroundings around_;
  std::unique_ptr<signal::Cluster> cluster_;  // null: this is the only node; then so is bus_
  asio::steady_timer timer_;
  std::array<std::optional<TimePoint>, signal::kClusterRefusalCount> complained_{};
  bool planned_ = false;
  bool stopped_ = false;
  std::unique_ptr<net::RedisBus> bus_;
};

}  // namespace ts::app
