// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include <turnstone/base/check.hpp>

namespace ts {
namespace {
BugHandler g_handler = nullptr;
}

BugHandler set_bug_handler(BugHandler handler) noexcept {
  const BugHandler former = g_handler;
  g_handler = handler;
  return former;
}

void report_bug(const char* what, const char* file, int line) noexcept {
  if (g_handler != nullptr) g_handler(what, file, line);
#ifndef NDEBUG
  std::abort();
#endif
}

}  // namespace ts
