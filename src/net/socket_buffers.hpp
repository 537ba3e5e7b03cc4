// SPDX-License-Identifier: Apache-2.0
// The sizes of UDP sockets' buffers: what a burst fits into while its shard is busy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <turnstone/net/options.hpp>

namespace ts::net {

/// Sets the buffers of both directions: past net.core.rmem_max and wmem_max where the process may
/// (CAP_NET_ADMIN), else up to them.
void set_buffers(int descriptor, std::uint32_t bytes) noexcept;

/// What the kernel grants less than `options` ask for: a sentence for each of the two limits that stands in
/// the way, with what to do.
std::vector<std::string> buffer_warnings(const Options& options);

}  // namespace ts::net
