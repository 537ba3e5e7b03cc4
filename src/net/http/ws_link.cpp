// SPDX-License-Identifier: Apache-2.0
#include "ws_link.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <openssl/evp.h>

#include <turnstone/base/hash.hpp>

namespace ts::net {
namespace {

constexpr std::uint16_t kNormal = 1000;
constexpr std::uint16_t kNoCode = 1005;
/// Reads of one connection before others have their turn.
constexpr int kMaxReads = 4;

/// RFC 6455 §4.2.2.
std::string accept_key(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  Sha1Digest digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr);
  return base64(digest);
}

/// RFC 6455 §5.5.1: a control frame is short, and its reason UTF-8 to the last byte.
std::string close_payload(std::uint16_t code, std::string_view reason) {
  constexpr std::size_t kMaxReasonBytes = 123;
  std::array<std::uint8_t, 2> head{};
  store_be16(head.data(), code);
  std::size_t size = std::min(reason.size(), kMaxReasonBytes);
  while (size != 0 && size < reason.size() && (static_cast<unsigned char>(reason[size]) & 0xC0U) == 0x80U) {
    --size;
  }
  return std::string(as_text(head)).append(reason.substr(0, size));
}

}  // namespace

WsLink::WsLink(std::shared_ptr<HttpServer::Impl> server, Stream stream, std::size_t queue_bytes,
               std::size_t message_bytes)
    : server_(std::move(server)),
      tls_(stream.is_tls()),
      cork_(std::make_shared<Cork>(server_, std::move(stream), queue_bytes)),
      reader_(message_bytes) {
  cork_->stream().read_ahead();
}

void WsLink::accept(const HttpRequest& request, std::string_view subprotocol) {
  std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: ";
  head.append(accept_key(request.header("Sec-WebSocket-Key"))).append("\r\n");
  if (!subprotocol.empty()) head.append("Sec-WebSocket-Protocol: ").append(subprotocol).append("\r\n");
  server_->count(101);
  cork_->append(head.append("\r\n"));
}

void WsLink::listen(std::string early) {
  if (!early.empty() && !feed({reinterpret_cast<std::uint8_t*>(early.data()), early.size()})) return;
  read();
}

void WsLink::wait(Stream::Status wanted) {
  auto look = [self = shared_from_this()](error_code error) {
    if (self->closing_) return;
    if (error) return self->lose();
    self->read();
  };
  cork_->stream().socket().async_wait(Stream::wait_type(wanted), std::move(look));
}

void WsLink::read() {
  Stream& stream = cork_->stream();
  for (int i = 0; i < kMaxReads; ++i) {
    const MutableBytes room = server_->scratch();
    const Stream::Step step = stream.read(room);
    if (step.status == Stream::Status::Closed) return lose();
    // TLS asks for more only when it holds nothing but a part of a record.
    if (step.status != Stream::Status::Done) return wait(step.status);
    heard();
    if (!feed(room.first(step.bytes))) return;
    // Less than there was room for, or nothing that TLS has read ahead: that was all, as far as we know.
    const bool more = tls_ ? stream.holds_bytes() : step.bytes == room.size();
    if (!more) return wait(Stream::Status::WantRead);
  }
  asio::post(server_->context, [self = shared_from_this()] {
    if (!self->closing_) self->read();
  });
}

bool WsLink::feed(MutableBytes bytes) {
  const auto self = shared_from_this();
  while (!closing_) {
    const WsItem item = reader_.next(bytes);
    switch (item.kind) {
      case WsItem::Kind::Nothing: return true;
      case WsItem::Kind::Text: message(false, item.data); break;
      case WsItem::Kind::Binary: message(true, item.data); break;
      case WsItem::Kind::Ping:
        // Who pings and does not read is not to fill our memory.
        if (!cork_->append_frame(WsOpcode::Pong, item.data)) lose();
        break;
      case WsItem::Kind::Pong: ponged(); break;
      case WsItem::Kind::Close:
        say_goodbye(item.code == kNoCode ? kNormal : item.code, {});
        tell(WsEnd::Closed, item.code);
        break;
      case WsItem::Kind::Bad: refuse(item.code, {}); break;
    }
  }
  return false;
}

void WsLink::say_goodbye(std::uint16_t code, std::string_view reason) {
  if (std::exchange(closing_, true)) return;
  cork_->append_frame(WsOpcode::Close, close_payload(code, reason));
  // The wait for more to read ends with the stream.
  auto run = [self = shared_from_this()] { return self->finish(); };
  asio::co_spawn(server_->context, std::move(run), asio::detached);
}

void WsLink::refuse(std::uint16_t code, std::string_view reason) {
  say_goodbye(code, reason);
  tell(WsEnd::Bad, code);
}

void WsLink::lose() {
  closing_ = true;
  cork_->close();
  tell(WsEnd::Lost, 0);
}

void WsLink::tell(WsEnd why, std::uint16_t code) {
  if (!std::exchange(over_, true)) ended(why, code);
}

asio::awaitable<void> WsLink::finish() {
  const auto self = shared_from_this();
  co_await cork_->finish();
  tell(WsEnd::Ours, 0);
}

}  // namespace ts::net
