// SPDX-License-Identifier: Apache-2.0
#include "clock.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace ts::offload {

bool moves_monotonic(std::string_view offsets) noexcept {
  // A line a clock: its name or number, seconds, nanoseconds.
  while (!offsets.empty()) {
    const std::string_view line = offsets.substr(0, offsets.find('\n'));
    offsets.remove_prefix(std::min(line.size() + 1, offsets.size()));
    const std::size_t end = line.find_first_of(" \t");
    const std::string_view clock = line.substr(0, end);
    if (end == std::string_view::npos || (clock != "monotonic" && clock != "1")) continue;
    return line.find_first_of("123456789", end) != std::string_view::npos;
  }
  return false;
}

bool is_clock_moved() {
  std::ifstream file("/proc/self/timens_offsets");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return moves_monotonic(text);
}

}  // namespace ts::offload
