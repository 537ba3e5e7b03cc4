// SPDX-License-Identifier: Apache-2.0
// signal::Cluster over Redis: its frames, its time, and its words to members here. HTTP thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <turnstone/base/random.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/net/redis_bus.hpp>
#include <turnstone/signal/cluster.hpp>

namespace ts::app {

class Backplane {
 public:
  struct Surroundings {
    boost::asio::io_context& context;
    const signal::Options& options;
    signal::Router& router;
    RandomSource& random;
    /// Takes what other nodes say to members here, and then has it written.
    std::function<void(const Now&, const signal::Outbox&)> say;
    std::function<void()> settle;
    /// Takes an order of another node.
    std::function<void(std::string_view)> take_order;
  };

  /// The error says what is wrong with the options. What the surroundings name must outlive this object,
  /// which in turn must outlive the run of the context.
  static Result<std::unique_ptr<Backplane>, std::string> make(Surroundings surroundings);

  void start() { bus_->start(); }
  /// Says goodbye to the other nodes, and closes the connection soon.
  void stop();

  /// What a call on the Router says to members at other nodes.
  void deliver(const signal::Outbox& outbox) { cluster_.deliver(outbox); }
  /// Gives all other nodes an order; see signal::Cluster::order().
  void order(std::string text, WallTime until, std::size_t kind);

  bool is_whole() const noexcept { return cluster_.is_whole(); }
  signal::ClusterCounters counters() const { return cluster_.snapshot(); }
  const std::string& node() const noexcept { return cluster_.node(); }

 private:
  explicit Backplane(Surroundings surroundings);
  /// What is wrong with the options; empty: nothing.
  std::string make_bus();
  void flush();
  void plan();

  Surroundings around_;
  signal::Cluster cluster_;
  boost::asio::steady_timer timer_;
  bool planned_ = false;
  bool stopped_ = false;
  std::unique_ptr<net::RedisBus> bus_;
};

}  // namespace ts::app
