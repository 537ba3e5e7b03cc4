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
#include <turnstone/turn/revocation.hpp>

namespace ts::app {

class Runtime {
 public:
  /// Checks, binds and prepares everything; serves nothing yet. On failure `runtime` is null and `problems`
  /// says everything that is wrong, with what to do.
  struct Made {
    std::unique_ptr<Runtime> runtime;
    std::vector<std::string> problems;
  };
  static Made make(config::Config config);

  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  /// stop().
  ~Runtime();

  /// Starts the threads; returns at once.
  void start();
  /// Says goodbye to WebSocket clients, ends allocations and joins the threads. Idempotent.
  void stop();

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

/// What dev mode prints once the server runs: URLs, an iceServers JSON with a fresh credential, the demo's
/// address.
std::string dev_banner(const Runtime& runtime);

}  // namespace ts::app
