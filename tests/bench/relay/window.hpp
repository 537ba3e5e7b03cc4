// SPDX-License-Identifier: Apache-2.0
// The measured time of a work, after its warm-up: what the server used in it, and latencies.
#pragma once

#include <cstdint>
#include <string>

#include "histogram.hpp"
#include "options.hpp"
#include "usage.hpp"

namespace ts::load {

class Window {
 public:
  explicit Window(const Options& options);

  /// To be called all the time; false once the measured time is over.
  bool open(std::uint64_t now_ns);
  bool measuring() const noexcept { return measuring_; }
  std::uint64_t start_ns() const noexcept { return start_ns_; }
  double seconds() const noexcept { return seconds_; }

  /// Members of a JSON object about the measured time and the server in it, for this many units of work
  /// ("packet").
  std::string json(const char* unit, std::uint64_t units) const;

 private:
  const Options* o_;
  std::uint64_t start_ns_, from_ns_, began_ns_ = 0;
  bool measuring_ = false;
  double seconds_ = 0;
  Usage before_, after_;
};

/// "NAME": {"p50": ..., "p90": ..., "p99": ..., "p999": ..., "max": ...}
std::string latency_json(const char* name, const Histogram& latency);

}  // namespace ts::load
