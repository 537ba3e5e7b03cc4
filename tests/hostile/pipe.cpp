// SPDX-License-Identifier: Apache-2.0
#include "pipe.hpp"

#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ts::hostile {

namespace {

constexpr int kStepMilliseconds = 10'000;

SSL_CTX* context(bool dtls) {
  static SSL_CTX* const contexts[2] = {SSL_CTX_new(TLS_client_method()), SSL_CTX_new(DTLS_client_method())};
  return contexts[dtls ? 1 : 0];
}

bool wait_for(int fd, short what, int milliseconds) {
  pollfd p{fd, what, 0};
  return poll(&p, 1, milliseconds) > 0;
}

}  // namespace

Pipe::Pipe(Via via, std::uint16_t port) {
  const bool datagrams = via == Via::Dtls;
  socket_ = load::Fd(::socket(AF_INET, (datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  load::SocketAddress to(Endpoint{IpAddress::v4(127, 0, 0, 1), port});
  if (connect(socket_.get(), to.get(), to.size) != 0) return;
  const int on = 1;
  if (!datagrams) setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval limit{kStepMilliseconds / 1000, 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ok_ = true;
  if (via == Via::Tcp) return;
  ssl_.reset(SSL_new(context(datagrams)));
  // A record that is no data (a session ticket) ends a read.
  SSL_clear_mode(ssl_.get(), SSL_MODE_AUTO_RETRY);
  if (datagrams) {
    BIO* bio = BIO_new_dgram(socket_.get(), BIO_NOCLOSE);
    BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, to.get());
    SSL_set_bio(ssl_.get(), bio, bio);
  } else {
    SSL_set_fd(ssl_.get(), socket_.get());
  }
  ERR_clear_error();
  ok_ = SSL_connect(ssl_.get()) == 1;
}

Pipe::~Pipe() { ERR_clear_error(); }

bool Pipe::write_raw(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

bool Pipe::write(ByteView bytes) {
  if (!ssl_) return write_raw(bytes);
  ERR_clear_error();
  return bytes.empty() || SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
}

std::optional<Bytes> Pipe::read(int timeout_ms) {
  const bool pending = ssl_ && SSL_pending(ssl_.get()) > 0;
  if (!pending && !wait_for(socket_.get(), POLLIN, timeout_ms)) return Bytes();
  Bytes out(65'536);
  ERR_clear_error();
  const ssize_t n = ssl_ ? SSL_read(ssl_.get(), out.data(), static_cast<int>(out.size()))
                         : recv(socket_.get(), out.data(), out.size(), 0);
  if (n <= 0) {
    const bool later = ssl_ ? SSL_get_error(ssl_.get(), static_cast<int>(n)) == SSL_ERROR_WANT_READ
                            : n < 0 && (errno == EAGAIN);
    return later ? std::optional(Bytes()) : std::nullopt;
  }
  out.resize(static_cast<std::size_t>(n));
  return out;
}

void Pipe::half_close() { shutdown(socket_.get(), SHUT_WR); }

void Pipe::reset_on_close() {
  const linger now{1, 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void Pipe::close_tls() {
  if (!ssl_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

Bytes client_hello(bool dtls) {
  SSL* ssl = SSL_new(context(dtls));
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, in, out);
  if (dtls) {
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
    DTLS_set_link_mtu(ssl, 1400);
  }
  SSL_set_connect_state(ssl);
  SSL_do_handshake(ssl);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  Bytes bytes(data, data + size);
  SSL_free(ssl);
  ERR_clear_error();
  return bytes;
}

}  // namespace ts::hostile
