// SPDX-License-Identifier: Apache-2.0
// Reading the configuration anew: what it comes to, found out wholly before anything changes. HTTP thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/app/runtime.hpp>
#include <turnstone/auth/jwt_keys.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/config/config.hpp>
#include <turnstone/config/reload.hpp>
#include <turnstone/net/tls.hpp>

namespace ts::app {

/// What is to be put to use.
struct ReloadPlan {
  /// The one in effect with what may change while the server runs.
  config::Config effective;
  std::vector<config::Change> changes;
  /// Null: there is no TLS, or none from files.
  std::shared_ptr<const net::TlsContext> tls;
  std::shared_ptr<const auth::JwtKeys> signal_keys;

  /// True when a key that begins so has changed, and takes effect.
  bool touches(std::string_view prefix) const;
};

class Reloader {
 public:
  /// `loaded`: what the server began with, before anything was filled in.
  Reloader(config::Config loaded, LoadConfig load) : loaded_(std::move(loaded)), load_(std::move(load)) {}

  /// Nothing: there are problems, and nothing may change. The report says what. `random` makes what dev mode
  /// lacks.
  std::optional<ReloadPlan> plan(const config::Config& effective, const net::TlsContext* tls,
                                 RandomSource& random, ReloadReport& report);
  /// It is in use now.
  void done(const ReloadPlan& plan);
  /// This was read from the credentials' files, and is in use, without a reload.
  void took(const auth::Options& read);

 private:
  void check_mixture(const ReloadPlan& plan, ReloadReport& report) const;

  config::Config loaded_;  // and what reloads have changed
  config::Config fresh_;
  LoadConfig load_;
};

}  // namespace ts::app
