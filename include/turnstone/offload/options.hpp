// SPDX-License-Identifier: Apache-2.0
// What an operator may set about relaying in the kernel. A leaf: data only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ts::offload {

/// Tc: a filter on each device's way in. Auto: the same, where build, kernel and capabilities have it. Xdp:
/// before the filter a program in the driver, where that has XDP.
enum class Mode : std::uint8_t { Off, Auto, Tc, Xdp };

struct Options {
  Mode mode = Mode::Off;
  /// Devices that datagrams come in and go out by. Empty: all Ethernet devices that are up.
  std::vector<std::string> devices;
};

}  // namespace ts::offload
