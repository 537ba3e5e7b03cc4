// SPDX-License-Identifier: Apache-2.0
// The works of the generator.
#pragma once

#include "options.hpp"

namespace ts::load {

/// Each prints one JSON object (idle: lines on the way, see there) and yields the exit code: 0 when
/// everything that came was right and something did.

/// Relayed packets, in a closed loop or at a pace; with options.churn beside allocations that come and go.
int run_relay(const Options& options);
/// Binding requests.
int run_binding(const Options& options);
/// Allocations that are set up (challenge, Allocate, ChannelBind) and released, over and over.
int run_cycles(const Options& options);
/// Prints "sockets", waits for a line, allocates, prints "allocated SECONDS", waits for a line, releases.
int run_idle(const Options& options);
/// A forwarder until SIGTERM that looks at nothing but the channel number: strips ChannelData headers one
/// way, prepends them the other. Channel 0x4000 + i leaves from port options.relayed + i. Prints a line when
/// it is ready.
int run_forward(const Options& options);
/// The same with io_uring; ends the process where the kernel or the build has none.
int run_forward_ring(const Options& options);

}  // namespace ts::load
