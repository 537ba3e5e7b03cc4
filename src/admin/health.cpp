// SPDX-License-Identifier: Apache-2.0
#include <turnstone/admin/health.hpp>

namespace ts::admin {

Response health() { return {200, "application/json", "{\"status\":\"ok\"}\n"}; }

Response ready(const State& state) {
  Response out;
  const bool is_ready = state.listening && !state.draining;
  out.status = is_ready ? 200 : 503;
  out.body = std::string("{\"status\":\"") +
             (is_ready         ? "ready"
              : state.draining ? "draining"
                               : "starting") +
             "\",\"allocations\":" + std::to_string(state.allocations);
  if (!state.backplane.empty()) out.body.append(",\"backplane\":\"").append(state.backplane).append("\"");
  out.body += "}\n";
  return out;
}

}  // namespace ts::admin
