// SPDX-License-Identifier: Apache-2.0
// A client that posts texts to one URL of the operator's: HTTP/1.1 or HTTPS over connections that are kept.
// Redirects are not followed. One thread, that of its io_context.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include <turnstone/base/http_url.hpp>
#include <turnstone/base/result.hpp>

namespace ts::net {

struct HttpCallOptions {
  HttpUrl url;
  /// PEM; empty: the system's authorities.
  std::string ca_file;
  std::chrono::milliseconds timeout{3000};
  /// Posts at a time; others wait.
  std::size_t max_in_flight = 8;
  /// A longer answer is none...
  std::size_t max_answer_bytes = 16'384;
  /// ... unless its status is all that counts.
  bool only_status = false;
};

struct HttpReply {
  enum class Kind : std::uint8_t {
    Answered,
    BadAnswer,  ///< not HTTP, or too long
    TimedOut,
    Unreachable,
  };
  Kind kind = Kind::Unreachable;
  unsigned status = 0;
  std::string body;
  /// Why there is no answer, for the log; holds nothing of the request.
  std::string trouble;
};

class HttpCaller {
 public:
  using Done = std::function<void(const HttpReply&)>;
  using Fields = std::vector<std::pair<std::string, std::string>>;

  /// The error is that of the file of certificates.
  static Result<std::unique_ptr<HttpCaller>, std::string> make(boost::asio::io_context& context,
                                                               HttpCallOptions options);
  ~HttpCaller();

  /// Posts JSON. `done` is called once, after the time limit at the latest, and not before this returns;
  /// never after stop().
  void post(std::string body, Fields fields, Done done);
  /// Closes all connections and calls nobody any more.
  void stop();

 private:
  class Impl;
  explicit HttpCaller(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace ts::net
