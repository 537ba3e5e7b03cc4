// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <ctime>

#include <openssl/rand.h>

#include <turnstone/net/clock.hpp>

namespace ts::net {

Now now() noexcept {
  timespec mono{};
  timespec wall{};
  clock_gettime(CLOCK_MONOTONIC, &mono);
  clock_gettime(CLOCK_REALTIME, &wall);
  return Now{TimePoint{std::chrono::seconds(mono.tv_sec) + std::chrono::nanoseconds(mono.tv_nsec)},
             WallTime{std::chrono::seconds(wall.tv_sec)}};
}

void SystemRandom::fill(MutableBytes out) noexcept {
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) std::abort();
}

}  // namespace ts::net
