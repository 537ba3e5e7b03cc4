// SPDX-License-Identifier: Apache-2.0
#include <turnstone/config/load.hpp>

namespace ts::config {

std::string Problem::to_string() const {
  std::string out = source.empty() ? "configuration" : source;
  out += ": " + key + ": expected " + expected + ", found " + found;
  if (!remedy.empty()) out += "\n    " + remedy;
  return out;
}

std::string to_text(std::span<const Problem> problems) {
  std::string out;
  for (const Problem& problem : problems) out += problem.to_string() + '\n';
  return out;
}

}  // namespace ts::config
