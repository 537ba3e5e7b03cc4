// SPDX-License-Identifier: Apache-2.0
// Whether our monotonic clock is the one that the kernel's program reads.
#pragma once

#include <string>
#include <string_view>

namespace ts::offload {

/// Whether /proc/self/timens_offsets with this text moves the monotonic clock.
bool moves_monotonic(std::string_view offsets) noexcept;

/// This process is in a time namespace with a clock of its own (time_namespaces(7)): times that are told to
/// the kernel would be others there. Kernels without time namespaces have one clock.
bool is_clock_moved();

}  // namespace ts::offload
