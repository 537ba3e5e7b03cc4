// SPDX-License-Identifier: Apache-2.0
// What this binary is. Version and commit come from the build; see src/CMakeLists.txt.
#include <turnstone/metrics/snapshot.hpp>

#ifndef TURNSTONE_VERSION
#define TURNSTONE_VERSION "unknown"
#endif
#ifndef TURNSTONE_COMMIT
#define TURNSTONE_COMMIT ""
#endif

namespace ts::metrics {

BuildInfo build_info() {
  BuildInfo out{TURNSTONE_VERSION, TURNSTONE_COMMIT, ""};
  if (out.commit.empty()) out.commit = "unknown";
#if defined(__clang__)
  out.compiler = "clang " + std::to_string(__clang_major__) + '.' + std::to_string(__clang_minor__);
#else
  out.compiler = "g++ " + std::to_string(__GNUC__) + '.' + std::to_string(__GNUC_MINOR__);
#endif
  return out;
}

}  // namespace ts::metrics
