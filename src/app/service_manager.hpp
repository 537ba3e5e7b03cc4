// SPDX-License-Identifier: Apache-2.0
// What systemd is told of a service of Type=notify: sd_notify(3)'s protocol, datagrams to $NOTIFY_SOCKET.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <turnstone/net/listen.hpp>

namespace ts::app {

class ServiceManager {
 public:
  /// A path, or an abstract name behind "@"; empty: there is no service manager, and it is told nothing. Our
  /// end of the socket is opened here and kept, so that a process out of file descriptors can still say it
  /// lives.
  explicit ServiceManager(std::string socket_name);
  /// The one that started this process; takes its variables out of the environment, so that no child speaks
  /// in our name. Before there are other threads.
  static ServiceManager from_environment();

  /// Sends lines such as "READY=1"; whatever goes wrong is no reason to stop. A manager that does not keep up
  /// is waited for, but no longer than a second. Any thread.
  void tell(std::string_view lines) const noexcept;
  /// The watchdog's sign of life. Never waits: another one follows. Any thread.
  void tell_alive() const noexcept;

  /// How long it waits for a sign of life before it ends the process; nothing: for ever.
  std::optional<std::chrono::microseconds> watchdog() const noexcept { return watchdog_; }

 private:
  void send(std::string_view lines, int flags) const noexcept;

  std::string socket_name_;
  net::Descriptor socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

/// Gives the signs of life that the manager waits for, three in the time of one: each only after every thread
/// has answered. The io_context's thread; `manager` outlives whatever `ask` has been given.
class Heartbeat {
 public:
  /// `ask` calls what it is given, on any thread, when all threads have answered it.
  using Ask = std::function<void(std::function<void()>)>;

  Heartbeat(boost::asio::io_context& context, const ServiceManager& manager, Ask ask)
      : timer_(context), manager_(manager), ask_(std::move(ask)) {}

  /// Does nothing where the manager does not wait.
  void start();

 private:
  boost::asio::steady_timer timer_;
  const ServiceManager& manager_;
  Ask ask_;
};

}  // namespace ts::app
