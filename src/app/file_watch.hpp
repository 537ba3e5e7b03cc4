// SPDX-License-Identifier: Apache-2.0
// Notices that files have changed, by looking at them again and again. HTTP thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace ts::app {

class FileWatch {
 public:
  static constexpr std::chrono::seconds kInterval{1};

  /// `changed` is called when a version of the files that is not the one before has stood for an `interval`.
  FileWatch(boost::asio::io_context& context, std::vector<std::string> files, std::function<void()> changed,
            std::chrono::milliseconds interval = kInterval);

  /// Does nothing when there are no files.
  void start();
  /// They are about to be read, for watch().
  void mark() { marked_ = versions(); }
  /// Other files from now on. What has changed since mark(), or was not watched then, is read once more.
  void watch(std::vector<std::string> files);
  void stop() {
    stopped_ = true;
    timer_.cancel();
  }

 private:
  /// What tells one version of a file from another.
  struct Version {
    std::uint64_t inode = 0;
    std::int64_t bytes = -1;
    std::int64_t changed_seconds = 0;
    std::int64_t changed_nanoseconds = 0;
    // Of the inode: it tells when a file that was not to be read is given another mode or owner.
    std::int64_t status_seconds = 0;
    std::int64_t status_nanoseconds = 0;
    /// What says no may be a folder above it.
    bool readable = false;
    friend bool operator==(const Version&, const Version&) = default;
  };
  using Versions = std::vector<Version>;

  static Version version_of(const std::string& path);
  Versions versions() const;
  void wait();
  void look();

  std::vector<std::string> files_;
  std::function<void()> changed_;
  std::chrono::milliseconds interval_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
  Versions marked_;
  Versions read_;
  Versions seen_;
};

}  // namespace ts::app
