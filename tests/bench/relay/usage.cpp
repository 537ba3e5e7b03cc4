// SPDX-License-Identifier: Apache-2.0
#include "usage.hpp"

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <unistd.h>

namespace ts::load {

namespace {

double ticks_to_seconds(double ticks) { return ticks / static_cast<double>(sysconf(_SC_CLK_TCK)); }

double seconds_of(clockid_t clock) {
  timespec t{};
  if (clock_gettime(clock, &t) != 0) return 0;
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

void read_process(int pid, Usage& out) {
  clockid_t clock{};
  if (clock_getcpuclockid(pid, &clock) == 0) out.process = seconds_of(clock);
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream file(folder + "/stat");
  std::string line;
  std::getline(file, line);
  if (const std::size_t end = line.rfind(')'); end != std::string::npos) {
    std::istringstream fields(line.substr(end + 1));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    fields >> out.user >> out.system;
    out.user = ticks_to_seconds(out.user);
    out.system = ticks_to_seconds(out.system);
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/task", error)) {
    double on_core_ns = 0;
    if (std::ifstream(entry.path() / "schedstat") >> on_core_ns)
      out.threads[std::atoi(entry.path().filename().c_str())] = on_core_ns / 1e9;
  }
}

void read_core(int core, Usage& out) {
  std::ifstream file("/proc/stat");
  const std::string wanted = "cpu" + std::to_string(core) + " ";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(wanted)) continue;
    std::istringstream fields(line.substr(wanted.size()));
    double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, hard = 0, soft = 0;
    fields >> user >> nice >> system >> idle >> waiting >> hard >> soft;
    // What is not idle by the kernel's exact clock of idleness; the other columns are samples taken at ticks.
    out.core_busy = seconds_of(CLOCK_MONOTONIC) - ticks_to_seconds(idle + waiting);
    out.core_soft = ticks_to_seconds(soft);
  }
}

}  // namespace

Usage usage(int pid, int core) {
  Usage out;
  if (pid > 0) read_process(pid, out);
  if (core >= 0) read_core(core, out);
  return out;
}

std::string usage_json(const Usage& before, const Usage& after) {
  char text[256];
  std::snprintf(
      text, sizeof text,
      "\"server_cpu_seconds\": %.4f, \"server_user_seconds\": %.2f, \"server_system_seconds\": %.2f, "
      "\"core_busy_seconds\": %.3f, \"core_soft_seconds\": %.2f, \"thread_seconds\": [",
      after.process - before.process, after.user - before.user, after.system - before.system,
      after.core_busy - before.core_busy, after.core_soft - before.core_soft);
  std::string out = text;
  const char* separator = "";
  for (const auto& [thread, seconds] : after.threads) {
    const auto earlier = before.threads.find(thread);
    const double used = seconds - (earlier == before.threads.end() ? 0 : earlier->second);
    if (used < 0.001) continue;
    std::snprintf(text, sizeof text, "%s%.4f", separator, used);
    out += text;
    separator = ", ";
  }
  return out + "]";
}

}  // namespace ts::load
