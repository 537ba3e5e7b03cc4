// SPDX-License-Identifier: Apache-2.0
#include "runtime_log.hpp"

#include <chrono>
#include <optional>
#include <string>

#include <turnstone/app/logging.hpp>
#include <turnstone/app/runtime.hpp>
#include <turnstone/metrics/labels.hpp>
#include <turnstone/net/clock.hpp>

namespace ts::app {
namespace {

/// How often the log tells of it while revocations are too many.
constexpr std::chrono::minutes kForgottenLogPeriod{1};

}  // namespace

void log_allocation(const turn::AllocationEvent& event) {
  if (!event.ended) {
    log::info("allocation started", {{"user", event.username},
                                     {"realm", event.realm},
                                     {"client", event.tuple.client.to_string()},
                                     {"transport", metrics::label(event.tuple.transport)},
                                     {"relayed", event.relayed.to_string()}});
    return;
  }
  log::info("allocation ended", {{"user", event.username},
                                 {"realm", event.realm},
                                 {"client", event.tuple.client.to_string()},
                                 {"transport", metrics::label(event.tuple.transport)},
                                 {"relayed", event.relayed.to_string()},
                                 {"reason", metrics::label(event.reason)},
                                 {"seconds", std::chrono::duration<double>(event.age).count()},
                                 {"to_peer_bytes", event.to_peer.bytes},
                                 {"to_peer_packets", event.to_peer.packets},
                                 {"to_client_bytes", event.to_client.bytes},
                                 {"to_client_packets", event.to_client.packets}});
}

std::function<void(turn::RevocationCause)> forgotten_revocations_log(std::size_t shard) {
  if (shard != 0) return {};
  return [last = std::optional<TimePoint>()](turn::RevocationCause cause) mutable {
    const TimePoint now = net::now().mono;
    if (last && now < *last + kForgottenLogPeriod) return;
    last = now;
    log::warn("too many revocations: older ones are forgotten, and their credentials good until they expire",
              {{"cause", metrics::label(cause)}});
  };
}

void log_reload(const ReloadReport& report) {
  for (const std::string& problem : report.problems) log::error("not reloaded", {{"problem", problem}});
  if (!report.ok()) return;
  for (const std::string& key : report.needs_restart) log::warn("a change needs a restart", {{"key", key}});
  std::string changed;
  for (const std::string& key : report.changed) changed += (changed.empty() ? "" : ", ") + key;
  log::info("configuration reloaded", {{"changed", changed}});
}

}  // namespace ts::app
