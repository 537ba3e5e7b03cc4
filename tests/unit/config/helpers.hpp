// SPDX-License-Identifier: Apache-2.0
// What the configuration tests share: loading with files out of a map.
#pragma once

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <turnstone/config/load.hpp>

namespace ts::config {

/// Keys without which a default configuration has problems, in a layer below the file's.
inline constexpr const char* kGood = "auth: {secrets: [s3cr3t-one]}\nsignaling: {token: t0ken-one}\n";

using Files = std::map<std::string, std::string>;

inline FileReader reader_of(Files files) {
  return [files = std::move(files)](const std::string& path) -> FileText {
    const auto found = files.find(path);
    if (found == files.end()) return {"", "No such file or directory"};
    return {found->second, ""};
  };
}

inline LoadResult load_text(const std::string& yaml, const Environment& environment = {},
                            const std::vector<Override>& overrides = {}, const Files& files = {}) {
  return load(yaml, "t.yaml", environment, overrides, reader_of(files));
}

/// Loads `yaml` in dev mode, where nothing is missing.
inline LoadResult load_dev(const std::string& yaml) { return load_text("dev: true\n" + yaml); }

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace ts::config
