// SPDX-License-Identifier: Apache-2.0
// The catalogue of metrics and its Prometheus text form. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <turnstone/metrics/snapshot.hpp>

namespace ts::metrics {

enum class MetricType : std::uint8_t { Counter, Gauge, Histogram };

/// A metric as documented.
struct MetricInfo {
  std::string_view name;
  MetricType type;
  std::string_view help;
  /// Label names, separated by ", "; empty for none.
  std::string_view labels;
};

/// All metrics in the order of the output. Valid for the life of the program.
std::span<const MetricInfo> catalogue();

/// Prometheus text format 0.0.4; Content-Type is kContentType.
std::string expose(const Snapshot& snapshot);
inline constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

/// docs/metrics.md.
std::string documentation();

}  // namespace ts::metrics
