// SPDX-License-Identifier: Apache-2.0
// RateGate: how fast one sender's messages may come, in sixteen bytes; and how often in a row it was told
// that they come too fast. Time is an argument. The generic cell rate algorithm (ITU-T I.371).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <turnstone/base/time.hpp>

namespace ts {

class RateGate {
 public:
  /// Full from the beginning of time.
  RateGate() = default;
  /// Full at `now`.
  explicit RateGate(TimePoint now) noexcept : full_(now) {}

  /// Takes one message of `per_second` (at least 1) with `burst` at once; both may differ from call to call.
  /// Zero: it may pass. Else it is refused, and one may pass after the time returned.
  Duration take(TimePoint now, std::uint32_t per_second, std::uint32_t burst) noexcept {
    const Duration cost = Duration(std::chrono::seconds(1)) / std::max(per_second, 1U);
    const TimePoint full = std::max(full_, now);
    // Whoever goes on at the very rate is refused now and then for ever: only a pause makes up for it.
    if (full == now) refusals_ = 0;
    const Duration over = full + cost - now - cost * std::max(burst, 1U);
    if (over <= Duration::zero()) {
      full_ = full + cost;
      return Duration::zero();
    }
    ++refusals_;
    return over;
  }
  /// Refusals since it was last full.
  std::uint32_t refusals() const noexcept { return refusals_; }

  /// Takes over what another one of the same sender has left, if that is less.
  void inherit(const RateGate& other) noexcept {
    full_ = std::max(full_, other.full_);
    refusals_ = std::max(refusals_, other.refusals_);
  }

 private:
  /// When it will be full again.
  TimePoint full_{};
  std::uint32_t refusals_ = 0;
};

}  // namespace ts
