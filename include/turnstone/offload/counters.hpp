// SPDX-License-Identifier: Apache-2.0
// What the kernel has relayed, as one scrape sees it. A leaf: data only.
#pragma once

#include <cstdint>

namespace ts::offload {

struct Counters {
  /// Packets and payload, of UDP clients.
  std::uint64_t to_peer_packets = 0;
  std::uint64_t to_peer_bytes = 0;
  std::uint64_t to_client_packets = 0;
  std::uint64_t to_client_bytes = 0;
  /// Datagrams whose TTL or hop limit was used up.
  std::uint64_t hops_used_up = 0;
  /// Datagrams that the kernel had no memory or room for when they were changed.
  std::uint64_t failed = 0;
  /// Gauge: flows that the kernel relays.
  std::uint64_t flows = 0;
};

}  // namespace ts::offload
