// SPDX-License-Identifier: Apache-2.0
// Files and environment: the one place of this layer that asks the operating system for anything.
#include <cerrno>
#include <cstring>
#include <fstream>

#include <turnstone/config/load.hpp>

namespace ts::config {

FileText read_file(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  FileText out;
  if (!in) {
    out.error = errno != 0 ? std::strerror(errno) : "cannot be opened";
    return out;
  }
  out.text.resize(kMaxFileBytes + 1);
  in.read(out.text.data(), static_cast<std::streamsize>(out.text.size()));
  const auto count = static_cast<std::size_t>(in.gcount());
  if (in.bad() || (count == 0 && errno == EISDIR)) {
    out.error = errno != 0 ? std::strerror(errno) : "cannot be read";
  } else if (count > kMaxFileBytes) {
    out.error = "larger than 1 MiB";
  }
  out.text.resize(out.error.empty() ? count : 0);
  return out;
}

Environment environment_from(const char* const* entries) {
  Environment out;
  for (; entries != nullptr && *entries != nullptr; ++entries) {
    const std::string_view entry = *entries;
    const std::size_t equals = entry.find('=');
    if (!entry.starts_with("TURNSTONE_") || equals == std::string_view::npos) continue;
    out.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return out;
}

}  // namespace ts::config
