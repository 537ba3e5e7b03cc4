// SPDX-License-Identifier: Apache-2.0
// Looks whether the users and secrets files have changed, and reads them anew. On one io_context's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <turnstone/config/config.hpp>

namespace ts::app {

class CredentialsWatch {
 public:
  /// `use` gets what the configuration and its files say now. `config` outlives the watch.
  CredentialsWatch(boost::asio::io_context& context, const config::Config& config,
                   std::function<void(auth::Options)> use);

  /// Does nothing when the configuration names no file.
  void start();
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
    friend bool operator==(const Version&, const Version&) = default;
  };
  using Versions = std::vector<Version>;

  static Version version_of(const std::string& path);
  Versions versions() const;
  void wait();
  void look();
  void read();

  const config::Config& config_;
  std::vector<std::string> files_;
  std::function<void(auth::Options)> use_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
  Versions read_;
  Versions seen_;
};

}  // namespace ts::app
