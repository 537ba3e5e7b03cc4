// SPDX-License-Identifier: Apache-2.0
// The client of the external source of credentials: HTTP/1.1 or HTTPS over connections that are kept. One
// thread, that of its io_context.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include <turnstone/auth/hook.hpp>
#include <turnstone/base/address.hpp>
#include <turnstone/base/result.hpp>

namespace ts::net {

/// A question about a username.
struct HookQuestion {
  std::string username;
  std::string realm;
  /// Whose request it is.
  IpAddress client;
};

class CredentialHook {
 public:
  using Done = std::function<void(const auth::HookAnswer&)>;
  /// What went wrong, for the log; at most one every ten seconds, and never with a secret in it.
  using Report = std::function<void(const std::string&)>;

  /// The error says what is wrong with the options. They outlive the hook.
  static Result<std::unique_ptr<CredentialHook>, std::string> make(boost::asio::io_context& context,
                                                                   const auth::HookOptions& options,
                                                                   Report report);
  ~CredentialHook();

  /// Asks, or waits for the answer to the same question that is on its way. `done` is called once, after
  /// HookOptions::timeout at the latest; never after stop().
  void ask(const HookQuestion& question, Done done);
  /// Closes all connections and answers nothing any more.
  void stop();

 private:
  class Impl;
  explicit CredentialHook(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace ts::net
