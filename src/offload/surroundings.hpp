// SPDX-License-Identifier: Apache-2.0
// Surroundings: what XDP has to know of the devices beyond their addresses: who their neighbours are, what
// stands on them, and what their drivers can. Asked over netlink.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>

#include "netlink.hpp"

namespace ts::offload {

using EthernetAddress = std::array<std::uint8_t, 6>;

/// Who has an address on a link, as far as the kernel knows.
struct Neighbour {
  std::uint32_t device = 0;
  IpAddress address;
  EthernetAddress at{};
};

/// An interface of this network namespace.
struct Link {
  std::uint32_t index = 0;
  /// What it stands on; 0: nothing.
  std::uint32_t lower = 0;
  std::string name;
  /// "vlan", "bond", "veth"; empty: a device of its own.
  std::string kind;
};

class Surroundings {
 public:
  Surroundings();
  bool is_open() const noexcept { return changes_.is_open() && questions_.is_open(); }

  /// To wait for: a neighbour has changed.
  int descriptor() const noexcept { return changes_.descriptor(); }
  /// Takes what was told until now; whether that was anything.
  bool take() noexcept { return changes_.drain(); }

  /// Of these devices, those whose Ethernet address is known and not refuted; nothing: there is no answer.
  std::optional<std::vector<Neighbour>> neighbours();
  std::optional<std::vector<Link>> links();
  /// Whether the device's driver sends what XDP redirects to it; nothing: the kernel does not know (before
  /// Linux 6.3).
  std::optional<bool> sends(std::uint32_t device);

 private:
  Netlink changes_;
  Netlink questions_;
  Netlink features_;
  std::uint16_t family_ = 0;  // of the questions to features_; 0: there is none
};

/// What its driver calls itself; empty: it does not say.
std::string driver_of(const std::string& device);

}  // namespace ts::offload
