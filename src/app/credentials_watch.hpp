// SPDX-License-Identifier: Apache-2.0
// Looks whether the users and secrets files have changed, and reads them anew. On one io_context's thread.
#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>

#include <turnstone/config/config.hpp>

#include "file_watch.hpp"

namespace ts::app {

class CredentialsWatch {
 public:
  /// `use` gets what the configuration and its files say now. `config` outlives the watch.
  CredentialsWatch(boost::asio::io_context& context, const config::Config& config,
                   std::function<void(auth::Options)> use);

  /// Does nothing when the configuration names no file.
  void start() { files_.start(); }
  void stop() { files_.stop(); }
  /// The configuration and its files are about to be read, for watch_anew().
  void mark() { files_.mark(); }
  /// The configuration has changed.
  void watch_anew();

 private:
  void read();

  const config::Config& config_;
  std::function<void(auth::Options)> use_;
  FileWatch files_;
};

}  // namespace ts::app
