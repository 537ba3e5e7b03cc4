// SPDX-License-Identifier: Apache-2.0
// The sleeps of relay.coalesce (coalescer.hpp). Only the clock ends them: what comes meanwhile wakes nobody,
// which is their point.
#pragma once

#include <chrono>

#include <turnstone/base/time.hpp>
#include <turnstone/net/counters.hpp>

namespace ts::net {

/// To the calling thread's sleeps the kernel may add half of `coalesce`, its timer slack, by which more will
/// have come. (To those of other threads it adds 50 µs, whatever they sleep.)
void allow_slack(std::chrono::microseconds coalesce) noexcept;

/// Sleeps for `nap` and the slack, and counts it. How long that was.
Duration take_nap(Duration nap, Counters& counters) noexcept;

}  // namespace ts::net
