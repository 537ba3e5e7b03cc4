// SPDX-License-Identifier: Apache-2.0
// The state of one load(): values so far, where each came from, problems so far.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/config/load.hpp>

namespace ts::config {

struct Key;

enum class Layer : std::uint8_t { Default, File, Variables, CommandLine };

/// One text and where it was written.
struct Item {
  std::string text;
  std::string source;
  int line = 0;
};

/// Where a key's value came from.
struct Origin {
  Layer layer = Layer::Default;
  std::string source;
  int line = 0;
};

struct Loading {
  Config config;
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  std::map<std::string, Origin, std::less<>> origins;
  /// Keys whose value is wrong: cross-field checks leave them alone.
  std::set<std::string, std::less<>> failed;

  /// Sets a key of the table from texts, or tells what is wrong with each.
  void set(const Key& key, std::vector<Item> items, Layer layer, const std::string& source = {},
           int line = 0);
};

/// At most 60 characters, printable ASCII; for messages.
std::string excerpt(std::string_view text);

}  // namespace ts::config
