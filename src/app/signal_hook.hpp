// SPDX-License-Identifier: Apache-2.0
// The application that judges hellos (signaling.hook_url): carries the Doorman's questions to it by HTTP, and
// its answers back. HTTP thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include <turnstone/base/random.hpp>
#include <turnstone/net/http_caller.hpp>
#include <turnstone/signal/router.hpp>

#include "dialects.hpp"

namespace ts::app {

class SignalHook {
 public:
  /// All of it outlives this object.
  SignalHook(boost::asio::io_context& context, signal::Router& router, Dialects& dialects,
             RandomSource& random)
      : context_(context), router_(router), dialects_(dialects), random_(random) {}

  /// From now on these hold; who waits for an answer of former ones is told to try again. What is wrong with
  /// the file of certificates (then all stays as it was); empty: nothing.
  std::string use(const signal::HookOptions& options);
  /// Nobody is asked any more.
  void stop();

 private:
  void ask(signal::QuestionId id, const signal::HelloQuestion& question);
  signal::HelloAnswer answer_of(const net::HttpReply& reply);
  void report(const std::string& trouble);

  boost::asio::io_context& context_;
  signal::Router& router_;
  Dialects& dialects_;
  RandomSource& random_;
  signal::HookOptions options_;
  std::string key_;
  std::unique_ptr<net::HttpCaller> caller_;  // null: it is off
  std::optional<TimePoint> reported_;
};

}  // namespace ts::app
