// SPDX-License-Identifier: Apache-2.0
// From CLI11's objects to plain values.
#include "cli_tree.hpp"

#include <CLI/CLI.hpp>

namespace ts::app {
namespace {

CliOption option_of(const CLI::Option& option) {
  CliOption out;
  for (const std::string& name : option.get_snames()) out.names.push_back('-' + name);
  for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  // A flag's type is empty or says that it is a boolean; it takes no value.
  if (option.get_items_expected_max() > 0) out.value = option.get_type_name();
  out.what = option.get_description();
  out.group = option.get_group();
  return out;
}

}  // namespace

CliCommand tree_of(const CLI::App& app) {
  CliCommand out{app.get_name(), app.get_description(), app.get_footer(), {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) out.options.push_back(option_of(*option));
  }
  const auto all = [](const CLI::App*) { return true; };
  for (const CLI::App* command : app.get_subcommands(all)) {
    if (!command->get_group().empty()) out.commands.push_back(tree_of(*command));
  }
  return out;
}

}  // namespace ts::app
