// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file: problems or a config, never a crash, and the print of a good one is good
// again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <turnstone/config/load.hpp>
#include <turnstone/config/schema.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace config = ts::config;
  const auto no_files = [](const std::string&) { return config::FileText{"", "No such file or directory"}; };
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const config::LoadResult result = config::load(text, "fuzz.yaml", {}, {}, no_files);
  config::to_text(result.problems);
  if (!result.ok()) return 0;
  const std::string printed = config::print(result.config);
  const config::LoadResult again = config::load(printed, "print.yaml", {}, {}, no_files);
  if (!again.ok() || config::print(again.config) != printed) std::abort();
  return 0;
}
