// SPDX-License-Identifier: Apache-2.0
// Keys that all nodes of a cluster derive from their one secret (signaling.redis.cluster_secret), a key for
// each purpose, so that what is signed for one is worth nothing for another. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/hash.hpp>

namespace ts::signal {

/// Frames on the bus of the nodes.
inline constexpr std::string_view kFramesPurpose = "cluster frames";

struct ClusterKey {
  std::array<std::uint8_t, 32> bytes{};
};

/// HMAC-SHA-256(secret, "turnstone " + purpose).
inline ClusterKey derive(std::string_view secret, std::string_view purpose) {
  return {HmacSha256Key(as_bytes(secret)).sign({as_bytes("turnstone "), as_bytes(purpose)})};
}

}  // namespace ts::signal
