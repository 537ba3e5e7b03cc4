// SPDX-License-Identifier: Apache-2.0
// NameFinder: what host names stand for. The system is asked on threads that nobody waits for: it may take
// minutes, which no stop has. On the thread of its io_context.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace ts::net {

/// One who waits for a name.
class NameWait {
 public:
  explicit NameWait(boost::asio::io_context& context);
  /// What waits, or will, goes on at once, with operation_aborted.
  void cancel() noexcept;

 private:
  friend class NameFinder;
  boost::asio::steady_timer timer_;
  bool cancelled_ = false;
};

class NameFinder {
 public:
  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

  /// To be stopped, or gone, before the io_context goes.
  explicit NameFinder(boost::asio::io_context& context) : context_(context) {}
  NameFinder(const NameFinder&) = delete;
  NameFinder& operator=(const NameFinder&) = delete;
  ~NameFinder() { stop(); }

  /// Puts where this port of the host is into `out`, unless there is an error: of the name, or
  /// operation_aborted. A number needs nobody. All, this object too, must live until the end.
  boost::asio::awaitable<boost::system::error_code> find(const std::string& host, std::uint16_t port,
                                                         NameWait& wait, Endpoints& out);
  /// Everybody goes on, and nothing is found any more. Idempotent.
  void stop() noexcept;

 private:
  struct Search;
  struct Place;
  /// One for all who ask for the name; null: too much is being looked up.
  std::shared_ptr<Search> search_for(const std::string& host);

  boost::asio::io_context& context_;
  std::map<std::string, std::shared_ptr<Search>> searches_;
  bool stopped_ = false;
};

}  // namespace ts::net
