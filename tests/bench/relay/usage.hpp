// SPDX-License-Identifier: Apache-2.0
// What a server has used of the machine so far: its process, its threads, and the core that it is pinned to.
#pragma once

#include <map>
#include <string>

namespace ts::load {

/// Seconds.
struct Usage {
  /// Of all threads of the process, also of ended ones, to the nanosecond.
  double process = 0;
  double user = 0, system = 0;
  /// By thread; a thread that has ended is missing.
  std::map<int, double> threads;
  /// Of the core: time that it was not idle, and within it in soft interrupts.
  double core_busy = 0, core_soft = 0;
};

/// Zeros where there is no such process (pid 0) or core (negative).
Usage usage(int pid, int core);

/// The difference, as the members of a JSON object: "server_cpu_seconds", "server_user_seconds", ...
std::string usage_json(const Usage& before, const Usage& after);

}  // namespace ts::load
