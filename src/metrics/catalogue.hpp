// SPDX-License-Identifier: Apache-2.0
// The one table of metrics: what each is called, and how its samples come out of a Snapshot.
#pragma once

#include <chrono>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/metrics/exposition.hpp>

namespace ts::metrics {

/// Takes the samples of one metric; label values in the order of the metric's label names.
class Samples {
 public:
  /// So many were at most as large as `bound`, counting from the smallest.
  struct Bucket {
    double bound;
    std::uint64_t count;
  };
  struct Sample {
    std::vector<std::string> labels;
    /// Of a histogram: the sum of what was observed.
    double value;
    /// Of a histogram: in the order of their bounds, the last one infinite.
    std::vector<Bucket> buckets = {};
  };

  void add(double value, std::initializer_list<std::string_view> labels = {}) {
    samples_.push_back({{labels.begin(), labels.end()}, value});
  }
  void add(std::uint64_t value, std::initializer_list<std::string_view> labels = {}) {
    add(static_cast<double>(value), labels);
  }
  /// A histogram, in seconds.
  void add(const net::DelayHistogram& delays) {
    Sample& sample = samples_.emplace_back(Sample{{}, static_cast<double>(delays.nanoseconds) / 1e9});
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < delays.counts.size(); ++i) {
      const bool last = i == delays.kBounds.size();
      const double bound = last ? std::numeric_limits<double>::infinity()
                                : std::chrono::duration<double>(delays.kBounds[i]).count();
      sample.buckets.push_back({bound, so_far += delays.counts[i]});
    }
  }
  const std::vector<Sample>& all() const noexcept { return samples_; }

 private:
  std::vector<Sample> samples_;
};

struct Metric {
  MetricInfo info;
  void (*collect)(const Snapshot&, Samples&);
};

/// In the order of the output.
std::span<const Metric> metric_table();

}  // namespace ts::metrics
