// SPDX-License-Identifier: Apache-2.0
// Ways: the devices, and the next hop to an address, asked over netlink.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>

#include "entries.hpp"
#include "netlink.hpp"

namespace ts::offload {

bool is_link_local(const IpAddress& address) noexcept;

/// An Ethernet device that is up and has an address, other than a link-local one.
struct Device {
  std::uint32_t index = 0;
  std::uint32_t mtu = 0;
  std::string name;
  /// Of Ethernet.
  std::array<std::uint8_t, 6> address{};
};

/// By index; nothing: the system does not say at the moment.
std::optional<std::vector<Device>> ethernet_devices();

/// What the kernel's routing knows.
class Router {
 public:
  Router();
  bool is_open() const noexcept { return netlink_.is_open(); }

  /// Of both directions, by the devices; nothing: one is unreachable, multicast or beyond another device, the
  /// client is on this host, or there is no answer.
  std::optional<Ways> ways(const turn::Flow& flow, const std::vector<Device>& devices);

 private:
  /// Of a datagram from an address of ours to `to`.
  std::optional<Way> way(const Endpoint& from, const Endpoint& to, const std::vector<Device>& devices);
  Netlink netlink_;
};

}  // namespace ts::offload
