// SPDX-License-Identifier: Apache-2.0
// This program again, as a process of its own that runs one disabled test.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

namespace ts::shell_test {

/// Starts the test `name` with more variables ("NAME=value") in its environment; its standard output is
/// nobody's. What `actions` do with other descriptors is up to the caller, who waits for it, too.
inline pid_t spawn_self(const std::string& name, std::vector<std::string> variables,
                        posix_spawn_file_actions_t& actions) {
  std::vector<char*> environment;
  for (char** at = environ; *at != nullptr; ++at) {
    // Its results are not this program's.
    if (!std::string_view(*at).starts_with("GTEST_OUTPUT=")) environment.push_back(*at);
  }
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  std::vector<std::string> words = {"test_shell", "--gtest_brief=1", "--gtest_also_run_disabled_tests",
                                    "--gtest_filter=" + name};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  if (::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, arguments.data(), environment.data()) != 0) {
    std::abort();
  }
  return pid;
}

}  // namespace ts::shell_test
