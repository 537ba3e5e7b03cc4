// SPDX-License-Identifier: Apache-2.0
// WsLink: what both of our kinds of WebSockets are made of: frames read off a stream and written to its cork,
// and the closing handshake. Idle, it owns no buffer: what comes is read into one of the server's. On the
// server's thread. RFC 6455.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cork.hpp"
#include "server_impl.hpp"
#include "ws_frames.hpp"

namespace ts::net {

/// Why a WebSocket is over.
enum class WsEnd : std::uint8_t {
  /// The client said so, with a code (1005: none).
  Closed,
  /// It broke a rule; the code is ours.
  Bad,
  /// The stream ended without a word.
  Lost,
  /// We said so first, and the stream has ended now.
  Ours,
};

class WsLink : public std::enable_shared_from_this<WsLink> {
 public:
  WsLink(const WsLink&) = delete;
  WsLink& operator=(const WsLink&) = delete;
  virtual ~WsLink() = default;

 protected:
  /// Up to `queue_bytes` wait to be written; a message is at most `message_bytes` long.
  WsLink(std::shared_ptr<HttpServer::Impl> server, Stream stream, std::size_t queue_bytes,
         std::size_t message_bytes);

  /// Answers an upgrade request that was looked at; `subprotocol` may be empty.
  void accept(const HttpRequest& request, std::string_view subprotocol);
  /// Reads from now on; `early` came behind the request.
  void listen(std::string early);
  /// Sends what is queued and a close frame, and ends in limited time. Idempotent.
  void say_goodbye(std::uint16_t code, std::string_view reason);
  /// The same, and ended() is told at once that a rule was broken.
  void refuse(std::uint16_t code, std::string_view reason);
  /// A close frame is under way, or the stream is gone: nothing more may be sent.
  bool is_closing() const noexcept { return closing_; }
  /// ended() has been called.
  bool is_over() const noexcept { return over_; }

  /// A message; the view is valid during the call. May end the link, as all of these may.
  virtual void message(bool binary, std::string_view data) = 0;
  /// Bytes have come.
  virtual void heard() noexcept {}
  /// A pong has come.
  virtual void ponged() {}
  /// Once. Nothing else is called afterwards.
  virtual void ended(WsEnd why, std::uint16_t code) = 0;

  HttpServer::Impl& host() const noexcept { return *server_; }
  Cork& cork() const noexcept { return *cork_; }
  WsReader& reader() noexcept { return reader_; }
  bool is_tls() const noexcept { return tls_; }

 private:
  void wait(Stream::Status wanted);
  void read();
  /// False: it is closing.
  bool feed(MutableBytes bytes);
  void lose();
  void tell(WsEnd why, std::uint16_t code);
  asio::awaitable<void> finish();

  std::shared_ptr<HttpServer::Impl> server_;
  const bool tls_;
  bool closing_ = false;
  bool over_ = false;
  std::shared_ptr<Cork> cork_;
  WsReader reader_;
};

}  // namespace ts::net
