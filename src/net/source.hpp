// SPDX-License-Identifier: Apache-2.0
// What counts as one client where something is shared out among clients.
#pragma once

#include <algorithm>
#include <array>

#include <turnstone/base/address.hpp>

namespace ts::net {

/// An IPv4 address, or the first one of the /64 that one IPv6 customer has.
inline IpAddress source_of(const IpAddress& client) noexcept {
  const IpAddress address = client.unmapped();
  if (address.is_v4()) return address;
  std::array<std::uint8_t, 16> prefix{};
  std::copy_n(address.bytes().begin(), 8, prefix.begin());
  return IpAddress::from_bytes(prefix);
}

}  // namespace ts::net
