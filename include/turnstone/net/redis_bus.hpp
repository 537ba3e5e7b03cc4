// SPDX-License-Identifier: Apache-2.0
// A connection to Redis (6 or later, or Valkey) that listens at channels and publishes, and is made again
// whenever it is lost. One thread, that of its io_context.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include <turnstone/base/result.hpp>
#include <turnstone/signal/options.hpp>

namespace ts::net {

class RedisBus {
 public:
  struct Handlers {
    /// All channels are listened at.
    std::function<void()> connected;
    /// After connected(): what is published gets lost.
    std::function<void()> disconnected;
    /// Somebody, perhaps this process, has published something. The view lasts as long as the call.
    std::function<void(std::string_view payload)> message;
    /// Why there is no connection, for the log; at most one every ten seconds, and never with a secret in it.
    std::function<void(const std::string& trouble)> report;
    /// An attempt to connect has failed.
    std::function<void()> failed;
  };

  /// The error says what is wrong with the options. Payloads are at most `max_payload_bytes` long.
  static Result<std::unique_ptr<RedisBus>, std::string> make(boost::asio::io_context& context,
                                                             const signal::ClusterOptions& options,
                                                             std::vector<std::string> channels,
                                                             std::size_t max_payload_bytes,
                                                             Handlers handlers);
  ~RedisBus();
  RedisBus(const RedisBus&) = delete;
  RedisBus& operator=(const RedisBus&) = delete;

  void start();
  /// Without a connection: nothing.
  void publish(std::string_view channel, std::string_view payload);
  /// Closes the connection once what was published is written, at the latest after a moment, then calls
  /// `done`. No handler is called any more.
  void stop(std::function<void()> done = {});

 private:
  class Impl;
  explicit RedisBus(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace ts::net
