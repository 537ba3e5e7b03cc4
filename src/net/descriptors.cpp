// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <dirent.h>
#include <sys/stat.h>

#include <turnstone/net/descriptors.hpp>

namespace ts::net {

std::uint32_t shards_that_fit(const Options& options, std::uint64_t limit, std::uint32_t cores) noexcept {
  // UDP and DTLS, and TCP on three ports, each on every address; Asio's epoll set and event, and two to
  // spare.
  constexpr std::uint64_t kOfOneAddress = 5;
  constexpr std::uint64_t kOfOneShard = 4 + kDescriptorsOfRunningShard;
  const std::uint64_t addresses =
      (options.bind.empty() ? 2 : options.bind.size()) + options.alt_addresses.size();
  const std::uint64_t most = limit / 3 / (addresses * kOfOneAddress + kOfOneShard);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(most, 1, std::max(cores, 1U)));
}

std::uint64_t open_descriptors() noexcept {
  // Since Linux 6.2 the folder's size is their number; before, it is 0.
  struct stat about {};
  if (::stat("/proc/self/fd", &about) == 0 && about.st_size > 0)
    return static_cast<std::uint64_t>(about.st_size);
  std::uint64_t count = 0;
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  while (const dirent* entry = ::readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(folder);
  return count - 1;  // the folder itself
}

std::optional<std::uint64_t> descriptors_for_streams(std::uint64_t limit, std::uint64_t open) noexcept {
  const std::uint64_t taken = open + descriptor_reserve(limit);
  return taken < limit ? std::optional(limit - taken) : std::nullopt;
}

std::string explain_descriptors(const Options& options, std::uint64_t limit, std::uint64_t open) {
  const std::uint64_t needed = std::max<std::uint64_t>(256, 2 * (open + descriptor_reserve(limit)));
  return "the limit of " + std::to_string(limit) + " descriptors is too low: " + std::to_string(open) +
         " are taken by the listeners of " + std::to_string(options.threads) + " threads and " +
         std::to_string(descriptor_reserve(limit)) + " are kept for relayed addresses: raise it (ulimit -n " +
         std::to_string(needed) + ") or lower listen.threads";
}

}  // namespace ts::net
