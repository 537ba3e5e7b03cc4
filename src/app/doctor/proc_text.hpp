// SPDX-License-Identifier: Apache-2.0
// What stands in files of /proc, as values. Pure; a line that is none of what is expected is nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/turn/options.hpp>

namespace ts::app::doctor {

/// A line of /proc/net/{tcp,udp}{,6}.
struct SocketLine {
  Endpoint local;
  /// TCP: 0x0A listens.
  unsigned state = 0;
  std::uint64_t inode = 0;
};
std::optional<SocketLine> socket_line(std::string_view line);

/// "32768\t60999".
std::optional<turn::PortRange> port_range(std::string_view text);
/// "50000-50100,60000"; empty: none.
std::vector<turn::PortRange> port_ranges(std::string_view text);

/// A number and nothing else but white space.
std::optional<std::uint64_t> number(std::string_view text);

/// The effective capabilities in /proc/PID/status.
std::optional<std::uint64_t> effective_capabilities(std::string_view status);

/// The hard limit of open files in /proc/PID/limits; "unlimited" is the largest number.
std::optional<std::uint64_t> descriptor_limit(std::string_view limits);

/// The version in turnstone_build_info of a text of metrics; empty: there is none.
std::string_view version_in(std::string_view metrics);

}  // namespace ts::app::doctor
