// SPDX-License-Identifier: Apache-2.0
// Cork: what waits to be written to one WebSocket's stream. Writes are taken at once, and go out together at
// the end of the loop's turn. CorkStream is its handle and Beast's next layer.
#pragma once

#include <memory>
#include <string>
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
      : server_(std::move(server)),
        stream_(std::move(stream)),
        timer_(stream_.get_executor()),
        limit_bytes_(limit_bytes) {}

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
  std::shared_ptr<HttpServer::Impl> server_;
  Stream stream_;
  asio::steady_timer timer_;
  std::size_t limit_bytes_;
  std::string out_;
  std::size_t sent_ = 0;
  bool planned_ = false;
  bool waiting_ = false;
};

class CorkStream {
 public:
  using executor_type = Stream::executor_type;

  explicit CorkStream(std::shared_ptr<Cork> cork) noexcept : cork_(std::move(cork)) {}
  executor_type get_executor() noexcept { return cork_->stream().get_executor(); }
  Cork& cork() noexcept { return *cork_; }
  const std::shared_ptr<Cork>& shared() const noexcept { return cork_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return cork_->stream().async_read_some(buffers, std::forward<Token>(token));
  }

  /// Takes all of it at once, so that a frame is never torn by one of ours.
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    bool taken = true;
    std::size_t bytes = 0;
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto at = asio::buffer_sequence_begin(buffers); at != end; ++at) {
      const asio::const_buffer buffer = *at;
      taken = taken && cork_->append({static_cast<const char*>(buffer.data()), buffer.size()});
      bytes += buffer.size();
    }
    return asio::async_compose<Token, void(error_code, std::size_t)>(
        [cork = cork_, taken, bytes, posted = false](auto& self) mutable {
          if (!std::exchange(posted, true)) {
            return asio::post(cork->stream().get_executor(), std::move(self));
          }
          self.complete(taken ? error_code{} : asio::error::eof, taken ? bytes : 0);
        },
        token, cork_->stream().socket());
  }

  friend void beast_close_socket(CorkStream& stream) { stream.cork_->close(); }

 private:
  std::shared_ptr<Cork> cork_;
};

}  // namespace ts::net
