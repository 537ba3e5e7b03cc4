// SPDX-License-Identifier: Apache-2.0
// Time as an argument. The cores never read a clock: the shell passes Now into every call.
#pragma once

#include <chrono>

namespace ts {

/// A monotonic clock without a now(): only the net layer can make its time points.
struct MonotonicClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};

using Duration = MonotonicClock::duration;
/// For everything that expires here: lifetimes, nonces, permissions. Never jumps.
using TimePoint = MonotonicClock::time_point;
/// Later than anything.
inline constexpr TimePoint kNever = TimePoint::max();
/// For everything whose time somebody else wrote down: credential and certificate expiry. May jump.
using WallTime = std::chrono::sys_seconds;

/// The time of one call.
struct Now {
  TimePoint mono;
  WallTime wall;
};

}  // namespace ts
