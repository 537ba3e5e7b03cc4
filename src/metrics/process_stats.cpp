// SPDX-License-Identifier: Apache-2.0
// The standard process_* facts out of /proc/self (proc(5)).
#include <charconv>
#include <fstream>
#include <iterator>
#include <vector>

#include <turnstone/metrics/snapshot.hpp>

namespace ts::metrics {
namespace {

std::string read_all(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Fields of /proc/self/stat after the command in parentheses; the first one is field 3.
std::vector<std::string_view> stat_fields(std::string_view stat) {
  std::vector<std::string_view> out;
  const std::size_t close = stat.rfind(')');
  if (close == std::string_view::npos) return out;
  for (std::string_view rest = stat.substr(close + 1); !rest.empty();) {
    const std::size_t space = rest.find(' ');
    if (space != 0) out.push_back(rest.substr(0, space));
    rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
  }
  return out;
}

/// The number after `name` and blanks in a table of names and values; 0 when there is none.
std::uint64_t value_after(std::string_view table, std::string_view name) {
  const std::size_t at = table.find(name);
  if (at == std::string_view::npos) return 0;
  table.remove_prefix(at + name.size());
  const std::size_t digit = table.find_first_not_of(" \t");
  return digit == std::string_view::npos ? 0 : number(table.substr(digit));
}

/// Seconds since 1970 at which the machine came up.
std::uint64_t boot_time() { return value_after(read_all("/proc/stat"), "\nbtime"); }

}  // namespace

ProcessStats read_process_stats(std::uint64_t open_fds) {
  ProcessStats out;
  const std::string stat = read_all("/proc/self/stat");
  const auto fields = stat_fields(stat);
  constexpr double kUserHz =
      100;  // of the kernel's interface, not of its timer; the same on all our platforms
  constexpr std::size_t kUserTime = 11;
  constexpr std::size_t kSystemTime = 12;
  constexpr std::size_t kStartTime = 19;
  if (fields.size() > kStartTime) {
    out.cpu_seconds = static_cast<double>(number(fields[kUserTime]) + number(fields[kSystemTime])) / kUserHz;
    out.start_time_seconds =
        static_cast<double>(boot_time()) + static_cast<double>(number(fields[kStartTime])) / kUserHz;
  }
  const std::string status = read_all("/proc/self/status");
  out.resident_bytes = value_after(status, "\nVmRSS:") * 1024;
  out.virtual_bytes = value_after(status, "\nVmSize:") * 1024;
  out.open_fds = open_fds;
  out.max_fds = value_after(read_all("/proc/self/limits"), "\nMax open files");
  return out;
}

}  // namespace ts::metrics
