// SPDX-License-Identifier: Apache-2.0
// What one scrape sees: sums of the shards' counters, and facts about process and build. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/dialect/counters.hpp>
#include <turnstone/net/counters.hpp>
#include <turnstone/offload/counters.hpp>
#include <turnstone/signal/counters.hpp>
#include <turnstone/turn/counters.hpp>

namespace ts::metrics {

struct BuildInfo {
  std::string version;
  std::string commit;
  std::string compiler;
};

/// Of this process, in base units.
struct ProcessStats {
  double cpu_seconds = 0;
  double start_time_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
};

struct Snapshot {
  /// Sums over all shards.
  turn::Counters turn;
  net::Counters net;
  /// Nothing where all is relayed by the sockets. Its packets are counted in `turn` too.
  std::optional<offload::Counters> offload;
  signal::Counters signal;
  signal::HookCounters hello_hook;
  net::WebhookCounters webhooks;
  /// Nothing where this is the only node.
  std::optional<signal::ClusterCounters> cluster;
  /// Nothing where no other node is passed anything on to.
  std::optional<net::ForwardCounters> forwards;
  dialect::SocketIoCounters socketio;
  dialect::PeerJsCounters peerjs;
  /// Allocations of each shard, by shard index.
  std::vector<std::uint64_t> shard_allocations;
  /// How often TS_BUG fired.
  std::uint64_t bugs = 0;
  /// Told to stop and waiting for allocations to end.
  bool draining = false;
  /// When the TLS certificate stops being valid, in seconds since 1970; nothing without TLS.
  std::optional<double> certificate_expiry_seconds;
  BuildInfo build;
  ProcessStats process;
};

/// Version, commit and compiler of this binary.
BuildInfo build_info();

/// Reads /proc/self; what cannot be read is 0. Descriptors are for others to count, since that may take long.
ProcessStats read_process_stats(std::uint64_t open_fds);

}  // namespace ts::metrics
