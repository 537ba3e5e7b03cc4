// SPDX-License-Identifier: Apache-2.0
// The checks of each kind of URL. Each fills a report; none throws because of what a server does.
#pragma once

#include <string>

#include "connection.hpp"
#include "report.hpp"
#include "turn_client.hpp"
#include "url.hpp"

namespace ts::app::probe {

/// What holds for all URLs of a run.
struct Settings {
  Duration timeout{};
  Login login;
  std::string token;
  bool insecure = false;

  TimePoint deadline() const { return net::now().mono + timeout; }
};

/// Where and how an attempt is made.
struct Target {
  const Url& url;
  Endpoint server;
  const Settings& settings;
};

/// A connection to the target, with TLS where the URL says so; each as a step. Nothing: a step failed.
std::optional<Connection> connect(Attempt& attempt, const Target& target);
/// The same without writing steps down.
Result<Connection, Problem> connect_quietly(const Target& target);

/// At one address: Binding.
void check_stun(Attempt& attempt, const Target& target);
/// At one address: Binding, two allocations, data from one through the server to the other and back.
void check_turn(Attempt& attempt, const Target& target);
/// At one address: upgrade, hello, welcome, bye.
void check_websocket(Attempt& attempt, const Target& target);
/// At one address: /healthz and /readyz, or the URL's own path.
void check_http(Attempt& attempt, const Target& target);

/// All that is to be found out about a URL's text.
Report check(const std::string& text, const Settings& settings);

}  // namespace ts::app::probe
