// SPDX-License-Identifier: Apache-2.0
#include "websocket_session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "cork.hpp"
#include "http_text.hpp"

namespace ts::net {

namespace beast = boost::beast;
namespace websocket = beast::websocket;

/// Beast's last step with a stream (found by argument-dependent look-up).
template <class Handler>
void async_teardown(beast::role_type, CorkStream& stream, Handler&& handler) {
  auto shared = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
  auto done = [shared](const std::exception_ptr&) { (*shared)(error_code{}); };
  asio::co_spawn(stream.get_executor(), stream.cork().finish(), std::move(done));
}

namespace {

/// Room in the cork beyond the dialect's limit, for control frames and the closing.
constexpr std::size_t kSlackBytes = 65'536;
/// A larger message's buffer is given back.
constexpr std::size_t kKeptBytes = 16'384;

/// A client that ends in good order has left; any other code of its own means that it may come back.
signal::CloseReason reason_of(std::uint16_t code) noexcept {
  switch (code) {
    case websocket::close_code::none:
    case websocket::close_code::normal: return signal::CloseReason::Bye;
    case websocket::close_code::going_away: return signal::CloseReason::GoingAway;
    default: return signal::CloseReason::Lost;
  }
}

class WebSocketSession final : public Socket, public std::enable_shared_from_this<WebSocketSession> {
 public:
  WebSocketSession(std::shared_ptr<HttpServer::Impl> server, Stream stream, Spoken language,
                   dialect::PeerJsQuery query)
      : Socket(language),
        server_(std::move(server)),
        query_(std::move(query)),
        tls_(stream.is_tls()),
        remote_(stream.remote()),
        cork_(std::make_shared<Cork>(server_, std::move(stream), cork_bytes())),
        socket_(CorkStream(cork_)) {
    server_->add(*this, tls_);
    --server_->counters.streams_accepted[tls_ ? 1 : 0];  // the HTTP connection was counted
  }
  ~WebSocketSession() override {
    if (id_ != 0) server_->forget(id_);
    server_->remove(*this, tls_);
  }

  asio::awaitable<void> run(UpgradeRequest request);

  std::size_t send(std::string_view text) override;
  void close(std::uint16_t code, std::string_view reason) override;
  void cut() noexcept override { cork_->close(); }
  void retire() noexcept override {
    if (id_ == 0) cork_->close();
  }

 private:
  using WebSocket = websocket::stream<CorkStream, false>;

  std::size_t cork_bytes() const noexcept {
    const signal::Options& rules = server_->signal_options();
    return std::size_t{rules.max_send_queue_bytes} + rules.max_message_bytes + kSlackBytes;
  }
  void set_up(const UpgradeRequest& request);
  asio::awaitable<signal::CloseReason> read_messages();

  std::shared_ptr<HttpServer::Impl> server_;
  dialect::PeerJsQuery query_;  // until it is open
  const bool tls_;
  const Endpoint remote_;
  std::shared_ptr<Cork> cork_;
  WebSocket socket_;
  beast::flat_buffer buffer_;
  signal::ConnectionId id_ = 0;
  bool closing_ = false;
};

void WebSocketSession::set_up(const UpgradeRequest& request) {
  const signal::Options& rules = server_->signal_options();
  std::chrono::milliseconds beat = rules.heartbeat;
  if (server_->options.ping_interval.count() > 0) beat = server_->options.ping_interval;
  websocket::stream_base::timeout limits{};
  limits.handshake_timeout = server_->options.close_timeout;
  limits.idle_timeout = websocket::stream_base::none();
  if (beat.count() > 0) {
    // Beast pings after half of it, and gives up when nothing has come for the other half.
    limits.idle_timeout = 2 * beat;
    limits.keep_alive_pings = true;
  }
  socket_.set_option(limits);
  socket_.read_message_max(rules.max_message_bytes);
  const bool offered = request.find(beast::http::field::sec_websocket_protocol) != request.end();
  socket_.set_option(websocket::stream_base::decorator([offered](websocket::response_type& response) {
    response.erase(beast::http::field::server);
    if (offered && response.result() == beast::http::status::switching_protocols) {
      const std::string_view name = dialect::kNativeSubprotocol;
      response.set(beast::http::field::sec_websocket_protocol, beast::string_view(name.data(), name.size()));
    }
  }));
  socket_.control_callback([this](websocket::frame_type type, beast::string_view) {
    if (type == websocket::frame_type::pong && id_ != 0) server_->socket_alive(id_, *this);
  });
}

asio::awaitable<void> WebSocketSession::run(UpgradeRequest request) {
  const auto self = shared_from_this();
  set_up(request);
  const auto [error] = co_await socket_.async_accept(request, kTuple);
  server_->count(error ? 400 : 101);
  if (error || server_->closing) {
    co_await cork_->finish();
    co_return;
  }
  id_ = server_->socket_opened(*this, remote_, std::exchange(query_, {}));
  const signal::CloseReason reason = co_await read_messages();
  server_->socket_closed(id_, *this, reason);
  if (!closing_) cork_->close();
}

asio::awaitable<signal::CloseReason> WebSocketSession::read_messages() {
  while (!closing_) {
    const auto [error, bytes] = co_await socket_.async_read(buffer_, kTuple);
    if (error == websocket::error::message_too_big) co_return signal::CloseReason::TooLarge;
    if (error == websocket::error::closed) co_return reason_of(socket_.reason().code);
    if (error) break;
    if (closing_) break;
    if (!socket_.got_text()) {
      close(websocket::close_code::unknown_data, "text only");
      break;
    }
    const auto data = buffer_.cdata();
    server_->socket_text(id_, *this, {static_cast<const char*>(data.data()), data.size()});
    buffer_.clear();
    if (buffer_.capacity() > kKeptBytes) buffer_.shrink_to_fit();
  }
  co_return signal::CloseReason::Lost;
}

std::size_t WebSocketSession::send(std::string_view text) {
  // After our close frame nothing may follow.
  if (closing_ || !socket_.is_open()) return 0;
  if (!cork_->append_text(text) && cork_->stream().socket().is_open())
    return std::numeric_limits<std::size_t>::max();
  return cork_->waiting_bytes();
}

void WebSocketSession::close(std::uint16_t code, std::string_view reason) {
  if (std::exchange(closing_, true)) return;
  websocket::close_reason why(code);
  why.reason.assign(reason.data(), std::min(reason.size(), why.reason.max_size()));
  // Beast's own deadline for it is HttpOptions::close_timeout.
  socket_.async_close(why, [self = shared_from_this()](error_code) { self->cork_->close(); });
}

}  // namespace

void start_websocket(const std::shared_ptr<HttpServer::Impl>& server, Stream stream, UpgradeRequest request,
                     Spoken spoken, dialect::PeerJsQuery query) {
  const auto session =
      std::make_shared<WebSocketSession>(server, std::move(stream), spoken, std::move(query));
  auto run = [session, first = std::move(request)]() mutable { return session->run(std::move(first)); };
  asio::co_spawn(server->context, std::move(run), asio::detached);
}

}  // namespace ts::net
