// SPDX-License-Identifier: Apache-2.0
#include "engine_socket.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <openssl/evp.h>

#include <turnstone/base/hash.hpp>

#include "http_text.hpp"

namespace ts::net {

using dialect::EngineEnd;

namespace {

/// Room in the cork beyond what may wait, for control frames and the closing.
constexpr std::size_t kSlackBytes = 65'536;
/// Reads of one connection before others have their turn.
constexpr int kMaxReads = 4;

/// RFC 6455 §4.2.2.
std::string accept_key(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  Sha1Digest digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr);
  return base64(digest);
}

}  // namespace

EngineSocket::EngineSocket(std::shared_ptr<HttpServer::Impl> server, EngineEndpoint& endpoint, Stream stream)
    : server_(std::move(server)),
      endpoint_(endpoint),
      tls_(stream.is_tls()),
      cork_(std::make_shared<Cork>(server_, std::move(stream), endpoint.max_queue_bytes() + kSlackBytes)),
      reader_(std::min<std::size_t>(endpoint.max_payload_bytes(), dialect::kMaxStrangerBytes)) {
  server_->add(*this, tls_);
  --server_->counters.streams_accepted[tls_ ? 1 : 0];  // the HTTP connection was counted
  ++server_->counters.websockets_open;
}

EngineSocket::~EngineSocket() {
  --server_->counters.websockets_open;
  server_->remove(*this, tls_);
}

void EngineSocket::start(const HttpRequest& request, std::string early) {
  std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accept_key(request.header("Sec-WebSocket-Key")) + "\r\n";
  // Nothing depends on it here; the first is what clients are given elsewhere.
  const std::string_view offered = request.header("Sec-WebSocket-Protocol");
  if (!offered.empty()) {
    head.append("Sec-WebSocket-Protocol: ").append(offered.substr(0, offered.find(','))).append("\r\n");
  }
  server_->count(101);
  cork_->append(head.append("\r\n"));
  id_ = endpoint_.socket_opened(shared_from_this(), request);
  if (closing_) return;
  reader_.allow(endpoint_.max_message_bytes(id_));
  if (!early.empty() && !feed({reinterpret_cast<std::uint8_t*>(early.data()), early.size()})) return;
  read();
}

void EngineSocket::wait() {
  cork_->stream().socket().async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
    if (self->closing_) return;
    if (error) return self->ended(EngineEnd::TransportClose);
    self->read();
  });
}

void EngineSocket::read() {
  Stream& stream = cork_->stream();
  for (int i = 0; i < kMaxReads; ++i) {
    const MutableBytes room = server_->scratch();
    const Stream::Step step = stream.read(room);
    switch (step.status) {
      case Stream::Status::Done:
        if (!feed(room.first(step.bytes))) return;
        // Less than there was room for, and no TLS that may hold some back: that was all.
        if (!tls_ && step.bytes < room.size()) return wait();
        break;
      case Stream::Status::Closed: return ended(EngineEnd::TransportClose);
      case Stream::Status::WantRead:
      case Stream::Status::WantWrite: return wait();
    }
  }
  asio::post(server_->context, [self = shared_from_this()] {
    if (!self->closing_) self->read();
  });
}

bool EngineSocket::feed(MutableBytes bytes) {
  const auto self = shared_from_this();
  while (!closing_) {
    const WsItem item = reader_.next(bytes);
    switch (item.kind) {
      case WsItem::Kind::Nothing: return true;
      case WsItem::Kind::Text:
      case WsItem::Kind::Binary:
        endpoint_.socket_message(id_, item.kind == WsItem::Kind::Binary, item.data);
        if (!closing_ && reader_.max_bytes() < endpoint_.max_payload_bytes())
          reader_.allow(endpoint_.max_message_bytes(id_));
        break;
      case WsItem::Kind::Ping: frame(WsOpcode::Pong, item.data); break;
      case WsItem::Kind::Pong: break;
      case WsItem::Kind::Close:
        close(item.code == 1005 ? 1000 : item.code);
        endpoint_.socket_closed(id_, EngineEnd::TransportClose);
        break;
      case WsItem::Kind::Bad:
        close(item.code);
        endpoint_.socket_closed(id_, EngineEnd::ParseError);
        break;
    }
  }
  return false;
}

void EngineSocket::ended(EngineEnd why) {
  closing_ = true;
  cork_->close();
  endpoint_.socket_closed(id_, why);
}

void EngineSocket::frame(WsOpcode opcode, std::string_view payload) { cork_->append_frame(opcode, payload); }

bool EngineSocket::send(bool binary, std::string_view bytes) {
  if (closing_) return true;
  const bool taken = cork_->append_frame(binary ? WsOpcode::Binary : WsOpcode::Text, bytes);
  return (taken && cork_->waiting_bytes() <= endpoint_.max_queue_bytes()) ||
         !cork_->stream().socket().is_open();
}

void EngineSocket::close(std::uint16_t code) {
  if (std::exchange(closing_, true)) return;
  std::array<std::uint8_t, 2> payload{};
  store_be16(payload.data(), code);
  frame(WsOpcode::Close, as_text(payload));
  // The wait for more to read ends with the stream.
  auto run = [cork = cork_] { return cork->finish(); };
  asio::co_spawn(server_->context, std::move(run), asio::detached);
}

}  // namespace ts::net
