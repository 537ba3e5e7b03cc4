// SPDX-License-Identifier: Apache-2.0
// Counts the calls of operator new in this binary.
#pragma once

#include <cstddef>

namespace ts::testing {

/// Calls of operator new so far in this process.
std::size_t heap_allocations() noexcept;

}  // namespace ts::testing
