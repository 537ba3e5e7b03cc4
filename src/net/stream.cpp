// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <boost/asio/error.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <turnstone/net/stream.hpp>

#include "socket_address.hpp"

namespace ts::net {
namespace {

/// One step of a session. SSL_get_error reads the thread's error queue, which must hold nothing of anybody
/// else's.
template <class F>
Stream::Step tls_step(SSL* session, F&& step) noexcept {
  ERR_clear_error();
  const int result = step(session);
  if (result > 0) return {Stream::Status::Done, static_cast<std::size_t>(result)};
  const int why = SSL_get_error(session, result);
  ERR_clear_error();
  if (why == SSL_ERROR_WANT_READ) return {Stream::Status::WantRead, 0};
  if (why == SSL_ERROR_WANT_WRITE) return {Stream::Status::WantWrite, 0};
  return {Stream::Status::Closed, 0, why == SSL_ERROR_ZERO_RETURN};
}

Stream::Step step_of(ssize_t result, Stream::Status wanted) noexcept {
  if (result > 0) return {Stream::Status::Done, static_cast<std::size_t>(result)};
  if (result < 0 && (errno == EAGAIN || errno == EINTR)) return {wanted, 0};
  return {Stream::Status::Closed, 0, result == 0};
}

int clamp_to_int(std::size_t size) noexcept {
  return static_cast<int>(std::min<std::size_t>(size, 1U << 30));
}

}  // namespace

DetachedStream::~DetachedStream() {
  if (descriptor >= 0) ::close(descriptor);
}

Stream::Stream(tcp::socket socket, const Endpoint& local, const Endpoint& remote)
    : socket_(std::move(socket)), local_(local), remote_(remote) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
}

Stream::Stream(asio::io_context& context, DetachedStream detached)
    : socket_(context),
      tls_(std::move(detached.tls)),
      local_(detached.local),
      remote_(detached.remote),
      ticket_(std::move(detached.ticket)) {
  error_code error;
  socket_.assign(remote_.address.is_v4() ? tcp::v4() : tcp::v6(), detached.descriptor, error);
  if (error) return;
  detached.descriptor = -1;
  socket_.non_blocking(true, error);
}

DetachedStream Stream::detach() {
  error_code error;
  const int descriptor = socket_.release(error);
  DetachedStream out(error ? -1 : descriptor, std::move(tls_), local_, remote_);
  out.ticket = std::move(ticket_);
  return out;
}

bool Stream::begin_tls(const TlsContext& context) {
  tls_ = context.accept(socket_.native_handle());
  return tls_ != nullptr;
}

void Stream::read_ahead() noexcept {
  if (tls_) SSL_set_read_ahead(tls_.get(), 1);
}

bool Stream::holds_bytes() const noexcept { return tls_ && SSL_has_pending(tls_.get()) == 1; }

// A closed stream's session still knows the descriptor's number, which may be another connection's by now.
Stream::Step Stream::handshake() noexcept {
  if (!socket_.is_open()) return {};
  return tls_step(tls_.get(), [](SSL* tls) { return SSL_do_handshake(tls); });
}

Stream::Step Stream::read(MutableBytes out) noexcept {
  if (!socket_.is_open()) return {};
  if (tls_)
    return tls_step(tls_.get(),
                    [&](SSL* tls) { return SSL_read(tls, out.data(), clamp_to_int(out.size())); });
  return step_of(::recv(socket_.native_handle(), out.data(), out.size(), 0), Status::WantRead);
}

Stream::Step Stream::write(ByteView bytes) noexcept {
  if (!socket_.is_open()) return {};
  if (tls_)
    return tls_step(tls_.get(),
                    [&](SSL* tls) { return SSL_write(tls, bytes.data(), clamp_to_int(bytes.size())); });
  return step_of(::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                 Status::WantWrite);
}

Stream::Step Stream::peek(std::uint8_t& first) noexcept {
  if (!socket_.is_open()) return {};
  if (tls_) return tls_step(tls_.get(), [&](SSL* tls) { return SSL_peek(tls, &first, 1); });
  return step_of(::recv(socket_.native_handle(), &first, 1, MSG_PEEK), Status::WantRead);
}

Stream::Step Stream::peek_raw(MutableBytes out) noexcept {
  if (!socket_.is_open()) return {};
  return step_of(::recv(socket_.native_handle(), out.data(), out.size(), MSG_PEEK), Status::WantRead);
}

void Stream::skip_raw(std::size_t count) noexcept {
  std::array<std::uint8_t, 512> sink;
  while (count != 0 && socket_.is_open()) {
    const ssize_t got = ::recv(socket_.native_handle(), sink.data(), std::min(count, sink.size()), 0);
    if (got <= 0) return;
    count -= static_cast<std::size_t>(got);
  }
}

void Stream::shutdown_send() noexcept {
  if (!socket_.is_open()) return;
  if (tls_ && SSL_is_init_finished(tls_.get())) SSL_shutdown(tls_.get());
  ERR_clear_error();
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void Stream::close() noexcept {
  if (!socket_.is_open()) return;
  const int sent = tls_ ? SSL_get_shutdown(tls_.get()) & SSL_SENT_SHUTDOWN : 0;
  if (tls_ && sent == 0 && SSL_is_init_finished(tls_.get())) SSL_shutdown(tls_.get());
  ERR_clear_error();
  error_code ignored;
  socket_.close(ignored);
  ticket_.reset();
}

void Stream::reset() noexcept {
  if (!socket_.is_open()) return;
  error_code ignored;
  socket_.set_option(tcp::socket::linger(true, 0), ignored);
  socket_.close(ignored);
  ticket_.reset();
}

error_code Stream::eof() noexcept { return asio::error::eof; }

}  // namespace ts::net
