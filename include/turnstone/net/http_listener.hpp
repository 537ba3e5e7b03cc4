// SPDX-License-Identifier: Apache-2.0
// A TCP listener of its own for an HttpServer: no STUN, no TLS, no budget of streams. One thread, that of its
// io_context.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include <turnstone/base/address.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/net/stream.hpp>

namespace ts::net {

class HttpListener {
 public:
  /// Takes what has been accepted.
  using Serve = std::function<void(DetachedStream)>;

  /// Binds; accepts nothing yet. A port of 0 is the kernel's choice. The error says what to do, in words.
  static Result<std::unique_ptr<HttpListener>, std::string> make(boost::asio::io_context& context,
                                                                 const Endpoint& wanted, Serve serve);
  ~HttpListener();

  Endpoint local() const;
  void start();
  /// Accepts nothing any more. Idempotent.
  void stop() noexcept;

 private:
  class Impl;
  explicit HttpListener(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace ts::net
