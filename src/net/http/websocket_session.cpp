// SPDX-License-Identifier: Apache-2.0
#include "websocket_session.hpp"

#include <limits>
#include <utility>

#include "silence_watch.hpp"
#include "ws_link.hpp"

namespace ts::net {
namespace {

/// Room in the cork beyond the dialect's limit, for control frames and the closing.
constexpr std::size_t kSlackBytes = 65'536;
/// RFC 6455 §7.4.1.
constexpr std::uint16_t kNormal = 1000;
constexpr std::uint16_t kGoingAway = 1001;
constexpr std::uint16_t kUnknownData = 1003;
constexpr std::uint16_t kNoCode = 1005;
constexpr std::uint16_t kTooBig = 1009;

/// A client that ends in good order has left; any other code of its own means that it may come back.
signal::CloseReason reason_of(WsEnd why, std::uint16_t code) noexcept {
  if (why == WsEnd::Bad && code == kTooBig) return signal::CloseReason::TooLarge;
  if (why != WsEnd::Closed) return signal::CloseReason::Lost;
  switch (code) {
    case kNoCode:
    case kNormal: return signal::CloseReason::Bye;
    case kGoingAway: return signal::CloseReason::GoingAway;
    default: return signal::CloseReason::Lost;
  }
}

std::size_t queue_bytes(const signal::Options& rules) noexcept {
  return std::size_t{rules.max_send_queue_bytes} + rules.max_message_bytes + kSlackBytes;
}

class WebSocketSession final : public Socket, public WsLink, public SilenceWatch::Watched {
 public:
  WebSocketSession(const std::shared_ptr<HttpServer::Impl>& owner, Stream stream, Spoken language)
      : Socket(language),
        WsLink(owner, std::move(stream), queue_bytes(owner->signal_options()),
               owner->signal_options().max_message_bytes) {
    host().add(*this, is_tls());
    --host().counters.streams_accepted[is_tls() ? 1 : 0];  // the HTTP connection was counted
  }
  ~WebSocketSession() override {
    host().silence().remove(*this);
    if (id_ != 0) host().forget(id_);
    host().remove(*this, is_tls());
  }

  void start(const HttpRequest& request, const dialect::PeerJsQuery& query);

  std::size_t send(std::string_view text, std::uint64_t number) override;
  void close(std::uint16_t code, std::string_view reason) override { say_goodbye(code, reason); }
  void cut() noexcept override { cork().close(); }
  void retire() noexcept override {
    if (id_ == 0) cork().close();
  }

 private:
  void message(bool binary, std::string_view data) override;
  void heard() noexcept override { host().silence().heard(*this); }
  void ponged() override { host().socket_alive(id_, *this); }
  void ended(WsEnd why, std::uint16_t code) override;
  void probe() override {
    if (!is_closing()) cork().append_frame(WsOpcode::Ping, {});
  }
  void give_up() override { cork().close(); }

  signal::ConnectionId id_ = 0;
};

void WebSocketSession::start(const HttpRequest& request, const dialect::PeerJsQuery& query) {
  const bool offered = spoken == Spoken::Native && !request.header("Sec-WebSocket-Protocol").empty();
  accept(request, offered ? dialect::kNativeSubprotocol : std::string_view());
  id_ = host().socket_opened(*this, request.remote, query, request.header("Origin"));
  if (is_over()) return host().socket_closed(id_, *this, signal::CloseReason::Lost);
  if (is_closing()) return;
  const std::chrono::milliseconds beat = host().beat();
  if (beat.count() > 0) host().silence().add(*this, beat);
  listen({});
}

void WebSocketSession::message(bool binary, std::string_view data) {
  if (binary) return refuse(kUnknownData, "text only");
  host().socket_text(id_, *this, data);
}

void WebSocketSession::ended(WsEnd why, std::uint16_t code) {
  host().silence().remove(*this);
  host().socket_closed(id_, *this, reason_of(why, code));
}

std::size_t WebSocketSession::send(std::string_view text, std::uint64_t /*it is in the text*/) {
  // After our close frame nothing may follow.
  if (is_closing()) return 0;
  if (!cork().append_text(text) && cork().stream().socket().is_open())
    return std::numeric_limits<std::size_t>::max();
  return cork().waiting_bytes();
}

}  // namespace

void start_websocket(const std::shared_ptr<HttpServer::Impl>& server, Stream stream,
                     const HttpRequest& request, Spoken spoken, const dialect::PeerJsQuery& query) {
  std::make_shared<WebSocketSession>(server, std::move(stream), spoken)->start(request, query);
}

}  // namespace ts::net
