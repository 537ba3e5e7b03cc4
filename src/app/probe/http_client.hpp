// SPDX-License-Identifier: Apache-2.0
// One request of HTTP/1.1 over a Connection, and its answer. Bounded in size and time.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "web_codec.hpp"

namespace ts::app::probe {

struct HttpRequest {
  std::string method = "GET";
  std::string target;
  /// The Host field.
  std::string host;
  /// More fields: name, value.
  std::vector<std::pair<std::string, std::string>> fields{};
};

struct HttpAnswer {
  unsigned status = 0;
  std::string body;
};

/// Asks, and reads what comes until the answer is whole, or `max_body` bytes of its body are there, which
/// then are all of it. An answer that ends too early is a problem.
Result<HttpAnswer, Problem> ask(Connection& connection, const HttpRequest& request, std::size_t max_body,
                                TimePoint deadline);

}  // namespace ts::app::probe
