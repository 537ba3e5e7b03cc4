// SPDX-License-Identifier: Apache-2.0
// One step of a strict UTF-8 decoder (RFC 3629 §4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ts::signal {

/// Bytes of the well-formed sequence at the front of `text` and its code point; 0 when it is malformed or
/// absent.
inline std::size_t utf8_front(std::string_view text, std::uint32_t& code_point) noexcept {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) {
    code_point = lead;
    return 1;
  }
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return 0;
  code_point = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code_point = (code_point << 6) | (byte(i) & 0x3FU);
  }
  const std::uint32_t least = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  return code_point >= least && code_point <= 0x10FFFF && !surrogate ? size : 0;
}

}  // namespace ts::signal
