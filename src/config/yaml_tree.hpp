// SPDX-License-Identifier: Apache-2.0
// YAML as a bounded tree with line numbers. No aliases, no deep nesting, no second document: a configuration
// needs none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/config/load.hpp>

namespace ts::config {

/// A YAML value. Mappings keep keys and values alternating in `children`, in the order of the file.
struct Node {
  enum class Kind : std::uint8_t { Null, Scalar, Sequence, Mapping };
  Kind kind = Kind::Null;
  int line = 0;
  std::string text;
  std::vector<Node> children;
};

inline constexpr int kMaxDepth = 8;

/// Parses `text`; what YAML itself forbids, or we refuse, is appended to `problems` and the rest is dropped.
Node parse_yaml(std::string_view text, std::string_view file_name, std::vector<Problem>& problems);

}  // namespace ts::config
