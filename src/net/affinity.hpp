// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace ts::net {

/// Keeps the calling thread on one of the cores that it may use: the one of this number, from the first again
/// when there are not so many. False: the kernel refuses.
bool pin_to_core(std::size_t number) noexcept;

}  // namespace ts::net
