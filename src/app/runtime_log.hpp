// SPDX-License-Identifier: Apache-2.0
// What a running server writes into its log of allocations and revocations; of reloads: app/runtime.hpp.
#pragma once

#include <cstddef>
#include <functional>

#include <turnstone/turn/counters.hpp>
#include <turnstone/turn/outbox.hpp>

namespace ts::app {

/// That an allocation has begun, or ended and what it has relayed. Any thread.
void log_allocation(const turn::AllocationEvent& event);

/// Tells that revocations are too many. Every shard has the same ones: the first speaks for all, and once a
/// minute.
std::function<void(turn::RevocationCause)> forgotten_revocations_log(std::size_t shard);

}  // namespace ts::app
