// SPDX-License-Identifier: Apache-2.0
// /healthz and /readyz as functions of the server's state. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ts::admin {

/// An HTTP answer.
struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  /// Of a 405: the methods that there are.
  std::string allow = {};
};

/// What readiness depends on.
struct State {
  /// All listeners are bound.
  bool listening = false;
  /// Told to stop: no new allocations, the old ones go on.
  bool draining = false;
  std::uint64_t allocations = 0;
  /// Whether other nodes are reached: "up" or "degraded"; empty: there are none. A node that is cut off still
  /// serves those who are at it, and would serve nobody if all of them said that they were not ready.
  std::string_view backplane{};
};

/// GET /healthz: 200 as long as the process answers.
Response health();

/// GET /readyz: 200 when new clients are welcome, else 503 with the reason.
Response ready(const State& state);

}  // namespace ts::admin
