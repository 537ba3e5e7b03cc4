// SPDX-License-Identifier: Apache-2.0
// What the system says of the process, for many askers: it is read on a thread that has calls to carry on.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include <turnstone/metrics/snapshot.hpp>
#include <turnstone/net/descriptors.hpp>

namespace ts::app {

/// Where figures and the time come from.
struct ProcessSource {
  std::function<std::uint64_t()> count_open_fds = net::open_descriptors;
  std::function<metrics::ProcessStats(std::uint64_t)> read = metrics::read_process_stats;
  std::function<std::chrono::steady_clock::time_point()> clock = std::chrono::steady_clock::now;
};

/// One thread. Figures are of this second. Descriptors are counted more seldom where that takes long: a
/// hundredth of the time at most goes into it.
class ProcessFigures {
 public:
  explicit ProcessFigures(ProcessSource source = {}) : source_(std::move(source)) {}

  const metrics::ProcessStats& now();

 private:
  using Clock = std::chrono::steady_clock;

  ProcessSource source_;
  std::optional<metrics::ProcessStats> kept_;
  Clock::time_point read_again_at_;
  Clock::time_point count_again_at_;
};

}  // namespace ts::app
