// SPDX-License-Identifier: Apache-2.0
// Latencies in log-linear buckets: 32 a power of two, an error under 3 %, fixed memory.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace ts::load {

class Histogram {
 public:
  void add(std::uint64_t value) noexcept {
    ++counts_[bucket(value)];
    ++total_;
    if (value > max_) max_ = value;
  }

  /// The lower bound of the bucket that holds the quantile; the maximum is exact.
  std::uint64_t quantile(double q) const noexcept {
    if (q >= 1.0) return max_;
    const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) return lower_bound(i);
    }
    return max_;
  }

 private:
  static constexpr unsigned kBits = 5;
  static constexpr std::size_t kPerPower = std::size_t{1} << kBits;

  static std::size_t bucket(std::uint64_t value) noexcept {
    if (value < kPerPower) return static_cast<std::size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
    return (shift + 1) * kPerPower + static_cast<std::size_t>((value >> shift) & (kPerPower - 1));
  }
  static std::uint64_t lower_bound(std::size_t index) noexcept {
    if (index < kPerPower) return index;
    const std::size_t shift = index / kPerPower - 1;
    return std::uint64_t{kPerPower + index % kPerPower} << shift;
  }

  std::array<std::uint64_t, kPerPower * 61> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace ts::load
