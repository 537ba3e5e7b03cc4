// SPDX-License-Identifier: Apache-2.0
// TS_BUG: we are wrong. Aborts in debug builds; in release the handler counts it and the program goes on.
#pragma once

namespace ts {

/// Called for each TS_BUG with its text and place. Must be thread-safe and must not throw.
using BugHandler = void (*)(const char* what, const char* file, int line) noexcept;

/// Installs the process-wide handler; call before threads start. Returns the former one.
BugHandler set_bug_handler(BugHandler handler) noexcept;

/// Reports a broken invariant: the handler in release, the handler and then abort in debug.
void report_bug(const char* what, const char* file, int line) noexcept;

}  // namespace ts

#define TS_BUG(what) ::ts::report_bug(what, __FILE__, __LINE__)
