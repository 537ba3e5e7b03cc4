// SPDX-License-Identifier: Apache-2.0
// The admin API at work: its listener, and what each call does. HTTP thread; shards are asked on theirs, a
// bounded piece of work at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <turnstone/admin/api.hpp>
#include <turnstone/admin/stats.hpp>
#include <turnstone/app/runtime.hpp>
#include <turnstone/config/config.hpp>
#include <turnstone/metrics/snapshot.hpp>
#include <turnstone/net/http_listener.hpp>
#include <turnstone/net/http_server.hpp>
#include <turnstone/net/shard.hpp>
#include <turnstone/signal/router.hpp>
#include <turnstone/turn/revocation.hpp>

#include "process_stats.hpp"
#include "top_talkers.hpp"

namespace ts::app {

class AdminServer {
 public:
  /// The server that this is for; all of it outlives this object.
  struct World {
    boost::asio::io_context& context;
    const std::vector<std::unique_ptr<net::Shard>>& shards;
    signal::Router& router;
    ProcessFigures& process;
    /// Tells members what a call on the Router has brought about.
    std::function<void(const signal::Outbox&)> tell_members = {};
    /// What it returns says until when it counts.
    std::function<turn::Revocation(turn::Revocation)> revoke = {};
    /// True: begins to drain. False: ends it. What it returns: done.
    std::function<bool(bool)> drain = {};
    std::function<bool()> is_draining = {};
    std::function<ReloadReport()> reload = {};
    /// The effective configuration as YAML, without secrets.
    std::function<std::string()> config = {};
    /// Signaling sessions of all dialects.
    std::function<std::uint64_t()> sessions = {};
    /// Asks all shards and tells what they have counted, on this thread, later; never, when one of them hangs
    /// or is about to end. Without what the process is told by its system.
    std::function<void(std::function<void(const metrics::Snapshot&)>)> snapshot = {};
    /// The limits that are in force.
    std::function<admin::Facts()> facts = {};
  };

  /// Binds; throws StartProblem with what the operator should do.
  AdminServer(World world, const config::AdminOptions& options);

  Endpoint local() const { return listener_->local(); }
  void start();
  /// Serves nobody any more.
  void stop();
  /// From now on this token counts, and these names.
  void use(const config::AdminOptions& options);

 private:
  using Answer = boost::asio::awaitable<admin::Response>;

  net::HttpHandlers handlers();
  boost::asio::awaitable<net::HttpResponse> respond(const net::HttpRequest& request);
  Answer perform(const admin::Call& call);
  Answer status();
  Answer stats();
  Answer list_top();
  Answer list_allocations(const admin::Call& call);
  Answer show_allocation(const admin::Call& call);
  Answer end_allocation(const admin::Call& call);
  admin::Response list_rooms(const admin::Call& call) const;
  admin::Response list_members(const admin::Call& call) const;
  admin::Response close_room(const admin::Call& call);
  admin::Response remove_member(const admin::Call& call);
  admin::Response revoke(const admin::Call& call);
  admin::Response drain(bool on);
  admin::Response reload();
  admin::Response set_log_level(const admin::Call& call);
  /// What holds at this moment.
  admin::Facts facts() const;
  void sample_later();
  void log_refused(const net::HttpRequest& request, int status);

  World world_;
  admin::Access access_;
  net::HttpServer http_;
  std::unique_ptr<net::HttpListener> listener_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point refusals_told_;
  std::uint64_t refusals_ = 0;
  admin::History history_;
  boost::asio::steady_timer sampler_;
  bool stopped_ = false;
  std::shared_ptr<TopTalkers> talkers_ = std::make_shared<TopTalkers>();
};

}  // namespace ts::app
