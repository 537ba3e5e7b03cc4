// SPDX-License-Identifier: Apache-2.0
// Hexadecimal digits.
#pragma once

namespace ts {

/// The value of a hexadecimal digit of either case; -1: it is none.
constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace ts
