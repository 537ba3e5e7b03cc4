// SPDX-License-Identifier: Apache-2.0
// What the program's map holds for a flow: an entry a direction.
#pragma once

#include <cstdint>

#include <turnstone/turn/flows.hpp>

#include "bpf/relay.h"

namespace ts::offload {

/// How a packet gets to an address.
struct Way {
  /// Or TS_THIS_HOST.
  std::uint32_t device = 0;
  std::uint32_t most_bytes = 0;
  IpAddress hop;
};

struct Entry {
  ts_key key;
  ts_flow value;
};

struct Entries {
  Entry to_peer;
  Entry to_client;
};

/// Only where client and peer are of one family. `slot` and `epoch` as in bpf/relay.h.
Entries entries_of(const turn::Flow& flow, const Way& to_client, const Way& to_peer, std::uint32_t slot,
                   std::uint32_t epoch) noexcept;

/// As the program compares it.
std::uint64_t kernel_time(TimePoint when) noexcept;

}  // namespace ts::offload
