// SPDX-License-Identifier: Apache-2.0
// The command line as a tree of plain values, and what is printed from it: the manual page and completions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace ts::app {

struct CliOption {
  /// "-c", "--config"; empty: a positional.
  std::vector<std::string> names;
  /// What the value is called: "FILE", "PORT", "auto|epoll"; empty: there is none.
  std::string value;
  std::string what;
  std::string group;
};

struct CliCommand {
  std::string name;
  std::string what;
  std::string footer;
  std::vector<CliOption> options;
  std::vector<CliCommand> commands;
};

/// Without commands and options that the help does not show.
CliCommand tree_of(const CLI::App& app);

/// turnstone(1) in man(7)'s language.
std::string manual(const CliCommand& root);

/// A script for bash, zsh or fish; nothing for another shell.
std::optional<std::string> completion(const CliCommand& root, std::string_view shell);

}  // namespace ts::app
