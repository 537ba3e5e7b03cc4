// SPDX-License-Identifier: Apache-2.0
// Names of rooms and peers.
#include <turnstone/signal/router.hpp>
#include <turnstone/signal/utf8.hpp>

namespace ts::signal {

bool valid_name(std::string_view name, std::size_t max_bytes) noexcept {
  if (name.empty() || name.size() > max_bytes) return false;
  while (!name.empty()) {
    std::uint32_t code_point = 0;
    const std::size_t size = utf8_front(name, code_point);
    if (size == 0 || code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F)) return false;
    name.remove_prefix(size);
  }
  return true;
}

}  // namespace ts::signal
