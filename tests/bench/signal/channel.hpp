// SPDX-License-Identifier: Apache-2.0
// A client's TCP connection, plain or TLS: non-blocking, edge-triggered, bytes in and bytes out. What it
// receives is a string that the owner takes from; what it is to send goes out in one piece when flush() is
// called.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "../relay/sockets.hpp"

struct ssl_st;
struct ssl_session_st;

namespace ts::load {

struct FreeSsl {
  void operator()(ssl_st* ssl) const noexcept;
  void operator()(ssl_session_st* session) const noexcept;
};

class Client;

class Channel {
 public:
  /// The owner is told by Client::step().
  explicit Channel(Client& owner) noexcept : owner_(owner) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Begins to connect, and adds itself to the epoll instance. A TLS session from before is resumed. False:
  /// refused at once.
  bool connect(int epoll, const Endpoint& local, const Endpoint& server, bool tls);
  /// Goes on after epoll has told of it. False: the connection is over, or never was.
  bool step();
  /// To be sent with the next flush(); it may wait for the connection.
  void write(std::string_view bytes) { out_.append(bytes); }
  bool flush();
  /// Closes with a reset, so that no port stays taken.
  void reset() noexcept;

  bool is_open() const noexcept { return stage_ == Stage::Open; }
  bool is_closed() const noexcept { return stage_ == Stage::Closed; }
  /// The server took up the TLS session from before.
  bool has_resumed() const noexcept { return resumed_; }
  Client& owner() const noexcept { return owner_; }
  /// For OpenSSL's callback.
  void keep_session(ssl_session_st* session) noexcept { session_.reset(session); }

  /// What has arrived and was not taken yet.
  std::string in;

 private:
  enum class Stage : std::uint8_t { Closed, Connecting, Shaking, Open };

  bool connected();
  bool shake();
  bool receive();
  bool receive_tls();

  Client& owner_;
  Fd socket_;
  Stage stage_ = Stage::Closed;
  bool tls_wanted_ = false;
  bool resumed_ = false;
  std::unique_ptr<ssl_st, FreeSsl> tls_;
  std::unique_ptr<ssl_session_st, FreeSsl> session_;
  std::string out_;
};

}  // namespace ts::load
