// SPDX-License-Identifier: Apache-2.0
// The clients of a work and their epoll loop: who is coming, who is there, and what has arrived.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "client.hpp"
#include "frames.hpp"
#include "options.hpp"

namespace ts::load {

class Load {
 public:
  explicit Load(const SignalOptions& options);
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load();

  /// Brings all who are not there, some at a time, those who are refused again and again. False: not all came
  /// in time.
  bool bring(double seconds);
  /// Deals with what there is, waiting for it this long at most, and sends what came of it.
  void turn(int timeout_ms);
  /// Resets all connections.
  void cut();

  const SignalOptions& options() const noexcept { return options_; }
  Client& client(std::size_t number) noexcept { return *clients_[number]; }
  std::size_t size() const noexcept { return clients_.size(); }
  Endpoint local_of(std::size_t number) const noexcept;
  Endpoint server_of(std::size_t number) const noexcept {
    return number % 2 != 0 && options_.second.port != 0 ? options_.second : options_.load.server;
  }
  int epoll() const noexcept { return epoll_.get(); }

  // For clients.

  void want_flush(Channel& channel) { unflushed_.push_back(&channel); }
  void came(Client& client);
  void lost(Client& client);
  void arrived(Client& client, std::string_view text) {
    if (on_text) on_text(client, text);
  }
  /// The server has said that something is wrong; the first time it is printed.
  void complain(std::string_view words);

  std::function<void(Client&, std::string_view)> on_text;
  Totals totals;
  /// Connections that ended by themselves while nobody was coming.
  std::uint64_t dropped = 0;

 private:
  const SignalOptions& options_;
  Fd epoll_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::deque<Client*> waiting_;
  std::vector<Channel*> unflushed_;
  std::size_t coming_ = 0;
  std::size_t there_ = 0;
  bool complained_ = false;
};

}  // namespace ts::load
