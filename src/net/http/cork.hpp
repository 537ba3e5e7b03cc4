// SPDX-License-Identifier: Apache-2.0
// Cork: what waits to be written to one WebSocket's stream. Writes are taken at once, and go out together at
// the end of the loop's turn. While nothing waits it has no buffer: it borrows the server's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include <turnstone/net/stream.hpp>

#include "server_impl.hpp"
#include "ws_frames.hpp"

namespace ts::net {

/// Reads until the other side has closed, an error or 1 MiB. A timer of the caller's limits the time by
/// closing the stream; the stream must live until the end.
asio::awaitable<void> discard(Stream& stream);

class Cork : public std::enable_shared_from_this<Cork> {
 public:
  /// Holds up to `limit_bytes`; more fails.
  Cork(std::shared_ptr<HttpServer::Impl> server, Stream stream, std::size_t limit_bytes)
      : server_(std::move(server)), stream_(std::move(stream)), limit_bytes_(limit_bytes) {}

  /// Takes bytes to be written soon. False: closed or full.
  bool append(std::string_view bytes);
  /// Takes a text message: one unmasked frame (RFC 6455 §5.2).
  bool append_text(std::string_view text) { return append_frame(WsOpcode::Text, text); }
  /// Takes one unmasked frame, or nothing of it.
  bool append_frame(WsOpcode opcode, std::string_view payload);
  /// Writes what the socket takes; goes on by itself when it takes more.
  void flush();
  /// Bytes that wait.
  std::size_t waiting_bytes() const noexcept { return out_.size() - sent_; }
  void close() noexcept;
  /// Flushes, ends our direction, waits for the other side's end and closes; in limited time.
  asio::awaitable<void> finish();

  Stream& stream() noexcept { return stream_; }

 private:
  /// All is written, or never will be.
  void empty() noexcept;
  void stop_timer() noexcept;

  std::shared_ptr<HttpServer::Impl> server_;
  Stream stream_;
  /// From finish() on.
  std::unique_ptr<asio::steady_timer> timer_;
  std::size_t limit_bytes_;
  std::string out_;
  std::size_t sent_ = 0;
  bool planned_ = false;
  bool waiting_ = false;
};

}  // namespace ts::net
