// SPDX-License-Identifier: Apache-2.0
#include "process_stats.hpp"

#include <algorithm>

namespace ts::app {
namespace {

constexpr std::chrono::seconds kKept{1};
/// So many times as long as counting took, nothing is counted.
constexpr int kRest = 100;

}  // namespace

const metrics::ProcessStats& ProcessFigures::now() {
  const Clock::time_point began = source_.clock();
  if (kept_ && began < read_again_at_) return *kept_;
  std::uint64_t open_fds = kept_ ? kept_->open_fds : 0;
  if (!kept_ || began >= count_again_at_) {
    open_fds = source_.count_open_fds();
    const Clock::duration took = source_.clock() - began;
    count_again_at_ = began + std::max<Clock::duration>(kKept, kRest * took);
  }
  kept_ = source_.read(open_fds);
  read_again_at_ = began + kKept;
  return *kept_;
}

}  // namespace ts::app
