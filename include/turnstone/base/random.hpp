// SPDX-License-Identifier: Apache-2.0
// Randomness as an argument. The shell passes a CSPRNG, tests a seeded generator.
#pragma once

#include <array>
#include <cstdint>

#include <turnstone/base/bytes.hpp>

namespace ts {

/// A source of unpredictable bytes.
class RandomSource {
 public:
  RandomSource() = default;
  RandomSource(const RandomSource&) = delete;
  RandomSource& operator=(const RandomSource&) = delete;
  virtual ~RandomSource() = default;

  /// Fills `out` wholly; cannot fail.
  virtual void fill(MutableBytes out) noexcept = 0;

  /// `N` random bytes.
  template <std::size_t N>
  std::array<std::uint8_t, N> bytes() noexcept {
    std::array<std::uint8_t, N> out{};
    fill(out);
    return out;
  }

  /// Any number of 64 bits.
  std::uint64_t number() noexcept { return load_be64(bytes<8>().data()); }

  /// A number in [0, bound), without noticeable bias for bounds below 2^32; 0 when bound is 0.
  std::uint32_t below(std::uint32_t bound) noexcept {
    const auto raw = bytes<8>();
    return bound == 0 ? 0U : static_cast<std::uint32_t>(load_be64(raw.data()) % bound);
  }
};

}  // namespace ts
