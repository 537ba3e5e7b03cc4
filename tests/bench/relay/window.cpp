// SPDX-License-Identifier: Apache-2.0
#include "window.hpp"

#include <cstdio>

#include "sockets.hpp"

namespace ts::load {

Window::Window(const Options& options)
    : o_(&options), start_ns_(now_ns()), from_ns_(start_ns_ + static_cast<std::uint64_t>(o_->warmup * 1e9)) {}

bool Window::open(std::uint64_t now) {
  if (now < from_ns_) return true;
  if (began_ns_ == 0) {
    measuring_ = true;
    before_ = usage(o_->server_pid, o_->server_core);
    began_ns_ = now_ns();
  }
  if (now < began_ns_ + static_cast<std::uint64_t>(o_->seconds * 1e9)) return true;
  if (measuring_) {
    measuring_ = false;
    after_ = usage(o_->server_pid, o_->server_core);
    seconds_ = static_cast<double>(now_ns() - began_ns_) / 1e9;
  }
  return false;
}

std::string Window::json(const char* unit, std::uint64_t units) const {
  const double count = units > 0 ? static_cast<double>(units) : 1;
  const double process = after_.process - before_.process, core = after_.core_busy - before_.core_busy;
  char text[320];
  std::snprintf(text, sizeof text,
                "\"%ss\": %llu, \"seconds\": %.3f, \"%ss_per_second\": %.0f, \"server_us_per_%s\": %.3f, "
                "\"core_us_per_%s\": %.3f, \"server_busy\": %.3f, ",
                unit, static_cast<unsigned long long>(units), seconds_, unit,
                static_cast<double>(units) / seconds_, unit, process * 1e6 / count, unit, core * 1e6 / count,
                process / seconds_);
  return text + usage_json(before_, after_);
}

std::string latency_json(const char* name, const Histogram& latency) {
  const auto us = [&latency](double q) { return static_cast<double>(latency.quantile(q)) / 1e3; };
  char text[200];
  std::snprintf(text, sizeof text,
                "\"%s\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}", name,
                us(0.5), us(0.9), us(0.99), us(0.999), us(1.0));
  return text;
}

}  // namespace ts::load
