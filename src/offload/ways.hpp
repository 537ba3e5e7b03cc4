// SPDX-License-Identifier: Apache-2.0
// Ways: what the kernel's routing knows, asked over netlink: the devices, the next hop to an address, and
// that something has changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>

#include "entries.hpp"

namespace ts::offload {

bool is_link_local(const IpAddress& address) noexcept;

/// An Ethernet device that is up and has an address, other than a link-local one.
struct Device {
  std::uint32_t index = 0;
  std::uint32_t mtu = 0;
  std::string name;
};

/// By index.
std::vector<Device> ethernet_devices();

/// A netlink socket; closes with its owner.
class Netlink {
 public:
  /// `groups`: of RTMGRP_*; 0: questions alone.
  explicit Netlink(std::uint32_t groups);
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;
  ~Netlink();

  bool is_open() const noexcept { return descriptor_ >= 0; }
  int descriptor() const noexcept { return descriptor_; }

  /// The way of a packet from an address of ours to `to`: by one of the devices, or TS_THIS_HOST. There is
  /// none to what is unreachable, multicast or beyond another device.
  std::optional<Way> way(const IpAddress& from, const IpAddress& to, const std::vector<Device>& devices);

  /// Empties a socket of groups; true: there was something in it, or too much for it.
  bool drain() noexcept;

 private:
  int descriptor_;
  std::uint32_t sequence_ = 0;
};

}  // namespace ts::offload
