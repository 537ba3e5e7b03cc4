// SPDX-License-Identifier: Apache-2.0
// The seeded randomness of the storm: the same numbers for the same seed.
#pragma once

#include <cstdint>
#include <vector>

#include <turnstone/base/bytes.hpp>

namespace ts::hostile {

using Bytes = std::vector<std::uint8_t>;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t x = state_;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
  }
  /// Below `bound`; 0 for 0.
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(next() % bound); }
  bool percent(unsigned chance) { return below(100) < chance; }
  std::uint8_t byte() { return static_cast<std::uint8_t>(next()); }
  Bytes bytes(std::size_t size) {
    Bytes out(size);
    for (auto& b : out) b = byte();
    return out;
  }
  template <class Container>
  const auto& pick(const Container& from) {
    return from[below(std::size(from))];
  }

 private:
  std::uint64_t state_;
};

}  // namespace ts::hostile
