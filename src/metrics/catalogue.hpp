// SPDX-License-Identifier: Apache-2.0
// The one table of metrics: what each is called, and how its samples come out of a Snapshot.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/metrics/exposition.hpp>

namespace ts::metrics {

/// Takes the samples of one metric; label values in the order of the metric's label names.
class Samples {
 public:
  struct Sample {
    std::vector<std::string> labels;
    double value;
  };

  void add(double value, std::initializer_list<std::string_view> labels = {}) {
    samples_.push_back({{labels.begin(), labels.end()}, value});
  }
  void add(std::uint64_t value, std::initializer_list<std::string_view> labels = {}) {
    add(static_cast<double>(value), labels);
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
