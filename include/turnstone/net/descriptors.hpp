// SPDX-License-Identifier: Apache-2.0
// How the process's descriptors are shared out: what listeners took stays theirs, relay sockets keep a
// reserve, and streams get the rest. At start-up, before threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <turnstone/net/options.hpp>

namespace ts::net {

/// Descriptors that streams leave to relay sockets, whatever comes in.
constexpr std::uint64_t descriptor_reserve(std::uint64_t limit) noexcept {
  constexpr std::uint64_t kLeast = 32;
  return limit / 4 < kLeast ? kLeast : limit / 4;
}

/// What a shard opens when it starts.
inline constexpr std::uint64_t kDescriptorsOfRunningShard = 3;

/// Shards whose listeners take no more than a third of the descriptors: `cores`, or fewer, and at least one.
std::uint32_t shards_that_fit(const Options& options, std::uint64_t limit, std::uint32_t cores) noexcept;

/// Open descriptors of this process.
std::uint64_t open_descriptors() noexcept;

/// What streams may take when so many descriptors are open already; nothing: the limit is too low to serve.
std::optional<std::uint64_t> descriptors_for_streams(std::uint64_t limit, std::uint64_t open) noexcept;

/// For an operator whose limit is too low: what is missing and what to do.
std::string explain_descriptors(const Options& options, std::uint64_t limit, std::uint64_t open);

}  // namespace ts::net
