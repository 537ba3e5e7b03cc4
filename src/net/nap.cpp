// SPDX-License-Identifier: Apache-2.0
#include "nap.hpp"

#include <algorithm>
#include <thread>

#include <sys/prctl.h>

#include <turnstone/net/clock.hpp>

namespace ts::net {

void allow_slack(std::chrono::microseconds coalesce) noexcept {
  // 0 would mean the kernel's default.
  const auto slack = std::max<Duration>(coalesce / 2, std::chrono::microseconds(1));
  ::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack.count()), 0UL, 0UL, 0UL);
}

Duration take_nap(Duration nap, Counters& counters) noexcept {
  ++counters.naps;
  const TimePoint began = now().mono;
  std::this_thread::sleep_for(nap);
  return now().mono - began;
}

}  // namespace ts::net
