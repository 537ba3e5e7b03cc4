// SPDX-License-Identifier: Apache-2.0
// Runtime: the whole server put together out of a Config. What `turnstone serve` runs, and what tests run
// in-process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <turnstone/config/config.hpp>
#include <turnstone/config/load.hpp>
#include <turnstone/turn/revocation.hpp>

namespace ts::app {

/// Reads the configuration that the server was started with anew.
using LoadConfig = std::function<config::LoadResult()>;

/// What came of a reload.
struct ReloadReport {
  /// Why everything stayed as it was; empty: it was done.
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
  /// Keys that took effect, and those that need a restart.
  std::vector<std::string> changed;
  std::vector<std::string> needs_restart;

  bool ok() const noexcept { return problems.empty(); }
};

class Runtime {
 public:
  /// Checks, binds and prepares everything; serves nothing yet. On failure `runtime` is null and `problems`
  /// says everything that is wrong, with what to do.
  struct Made {
    std::unique_ptr<Runtime> runtime;
    std::vector<std::string> problems;
  };
  /// `load` is for reload(); without, nothing can be reloaded. `loaded`: what it gave for this start, where
  /// something has been filled in since; null: `config`.
  static Made make(config::Config config, LoadConfig load = {}, const config::Config* loaded = nullptr);

  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  /// stop().
  ~Runtime();

  /// Starts the threads; returns at once.
  void start();
  /// Says goodbye to WebSocket clients, ends allocations and joins the threads. Idempotent.
  void stop();

  /// Lets nobody new in and waits for what is there, for shutdown.drain_timeout at most; then calls `done`,
  /// on a thread of the Runtime's. Calling stop() is up to the caller. Any thread, between start() and
  /// stop().
  void drain(std::function<void()> done);
  /// Reads the configuration anew, all or nothing: problems change nothing. `done` is told what came of it,
  /// on a thread of the Runtime's. Any thread, between start() and stop().
  void reload(std::function<void(const ReloadReport&)> done);

  /// Ends the live allocations that the revocation means, on every shard, and lets its credentials in no
  /// more. Returns at once. Any thread, between start() and stop(). In memory only: a restart forgets it. See
  /// turn::with_end() for how long it counts.
  void revoke(turn::Revocation revocation);

  /// Calls `alive` on the HTTP thread when that and every shard have answered; never, when one of them hangs.
  /// Any thread, between start() and stop().
  void pulse(const std::function<void()>& alive);

  /// The ports that were really bound; 0: none.
  struct Ports {
    std::uint16_t turn = 0;
    std::uint16_t tls = 0;
    std::uint16_t dtls = 0;
    std::uint16_t http = 0;
    std::uint16_t admin = 0;
  };
  Ports ports() const noexcept;
  /// The effective configuration, with generated values.
  const config::Config& config() const noexcept;
  /// STUN and TURN URLs that clients are given.
  const std::vector<std::string>& ice_urls() const noexcept;
  /// What works but not as asked, for the log.
  const std::vector<std::string>& warnings() const noexcept;

 private:
  class Impl;
  explicit Runtime(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

/// Writes what came of a reload into the log.
void log_reload(const ReloadReport& report);

/// What dev mode prints once the server runs: URLs, an iceServers JSON with a fresh credential, the demo's
/// address.
std::string dev_banner(const Runtime& runtime);

}  // namespace ts::app
