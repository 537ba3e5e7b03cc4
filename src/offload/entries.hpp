// SPDX-License-Identifier: Apache-2.0
// What the program's maps hold for a flow: an entry a direction.
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
  friend bool operator==(const Way&, const Way&) noexcept = default;
};

/// A leg, and what leads to it.
struct Entry {
  ts_key key;
  ts_leg leg;
};

struct Entries {
  Entry to_peer;
  Entry to_client;
};

/// The ways of a flow's packets.
struct Ways {
  Way to_client;
  Way to_peer;
  friend bool operator==(const Ways&, const Ways&) noexcept = default;
};

/// The numbers of a slot's legs (bpf/relay.h).
constexpr std::uint32_t leg_to_peer(std::uint32_t slot) noexcept { return 2 * slot; }
constexpr std::uint32_t leg_to_client(std::uint32_t slot) noexcept { return 2 * slot + 1; }

/// Only where client and peer are of one family. Nothing is proven of the legs yet.
Entries entries_of(const turn::Flow& flow, const Ways& ways, std::uint32_t epoch) noexcept;

/// As the program compares it.
std::uint64_t kernel_time(TimePoint when) noexcept;

}  // namespace ts::offload
