// SPDX-License-Identifier: Apache-2.0
// EventStream: one client of the native protocol whose messages go down as events of an endless response,
// and come up in requests of other connections. Idle, it owns no buffer. On the server's thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/steady_timer.hpp>

#include "cork.hpp"
#include "event_streams.hpp"
#include "server_impl.hpp"
#include "silence_watch.hpp"

namespace ts::net {

class EventStream final : public Socket,
                          public SilenceWatch::Watched,
                          public std::enable_shared_from_this<EventStream> {
 public:
  EventStream(std::shared_ptr<HttpServer::Impl> server, Stream stream, bool http_1_0);
  ~EventStream() override;

  void start(const HttpRequest& request);

  /// Of a POST: it comes from the page that opened the stream, or from what is no page.
  bool is_of(const HttpRequest& request) const;
  /// What became of a POST.
  enum class Taken : std::uint8_t { All, Ended, OutOfOrder };
  /// Its messages, one after the other, as though each were a frame; none is a sign of life. `post` is
  /// its number; 0: it has none. May end the stream.
  Taken take(std::uint64_t post, std::string_view body);

  std::size_t send(std::string_view text, std::uint64_t seq) override;
  void close(std::uint16_t code, std::string_view reason) override;
  void cut() noexcept override { cork_->close(); }
  void retire() noexcept override {
    if (connection_ == 0) cork_->close();
  }

 private:
  void probe() override;
  void give_up() override { cork_->close(); }
  bool append(std::string_view text);
  void wait(Stream::Status wanted);
  void read();
  /// The client's end is here; messages may still come.
  void leave();
  void lose();
  /// No message is taken any more.
  void withdraw() noexcept;
  void tell();
  asio::awaitable<void> finish();

  std::shared_ptr<HttpServer::Impl> server_;
  const bool tls_;
  const bool chunked_;
  bool closing_ = false;
  bool over_ = false;
  std::uint32_t unasked_bytes_ = 0;
  std::uint64_t last_post_ = 0;
  signal::ConnectionId connection_ = 0;
  std::string id_;
  std::string origin_;
  std::shared_ptr<Cork> cork_;
  asio::steady_timer farewell_;
};

}  // namespace ts::net
