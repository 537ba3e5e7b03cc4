// SPDX-License-Identifier: Apache-2.0
#include "channel.hpp"

#include <array>
#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

namespace ts::load {
namespace {

constexpr std::size_t kChunkBytes = 65'536;

/// TLS 1.3's tickets come after the handshake, whenever the server likes.
int take_ticket(SSL* tls, SSL_SESSION* session) {
  static_cast<Channel*>(SSL_get_ex_data(tls, 0))->keep_session(session);
  return 1;  // it is ours now
}

SSL_CTX* context() {
  static SSL_CTX* const shared = [] {
    SSL_CTX* made = SSL_CTX_new(TLS_client_method());
    if (made == nullptr) die("SSL_CTX_new");
    SSL_CTX_set_mode(
        made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(made, take_ticket);
    return made;
  }();
  return shared;
}

void set_option(const Fd& socket, int level, int option, int value) noexcept {
  setsockopt(socket.get(), level, option, &value, sizeof value);
}

/// The scratch of all channels: there is one thread.
std::array<char, kChunkBytes>& chunk() {
  static std::array<char, kChunkBytes> bytes;
  return bytes;
}

}  // namespace

void FreeSsl::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }
void FreeSsl::operator()(ssl_session_st* session) const noexcept { SSL_SESSION_free(session); }

bool Channel::connect(int epoll, const Endpoint& local, const Endpoint& server, bool tls) {
  in.clear();
  out_.clear();
  resumed_ = false;
  tls_wanted_ = tls;
  const int family = server.address.is_v4() ? AF_INET : AF_INET6;
  socket_ = Fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket_.get() < 0) die("socket");
  set_option(socket_, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  SocketAddress from(local);
  if (::bind(socket_.get(), from.get(), from.size) != 0) die("bind");
  SocketAddress to(server);
  if (::connect(socket_.get(), to.get(), to.size) != 0 && errno != EINPROGRESS) {
    if (errno != ECONNREFUSED && errno != ECONNRESET) die("connect");
    reset();
    return false;
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket_.get(), &event) != 0) die("epoll_ctl");
  stage_ = Stage::Connecting;
  return true;
}

void Channel::reset() noexcept {
  if (socket_.get() >= 0) {
    const linger now{1, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  // Else OpenSSL would take the session for a bad one, not to be resumed.
  if (tls_) SSL_set_shutdown(tls_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  tls_.reset();
  socket_ = Fd();
  stage_ = Stage::Closed;
}

bool Channel::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return false;
  sockaddr_storage peer{};
  socklen_t peer_size = sizeof peer;
  if (getpeername(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0)
    return errno == ENOTCONN;  // not yet
  if (!tls_wanted_) {
    stage_ = Stage::Open;
    return true;
  }
  tls_.reset(SSL_new(context()));
  if (!tls_ || SSL_set_fd(tls_.get(), socket_.get()) != 1) die("SSL_new");
  SSL_set_ex_data(tls_.get(), 0, this);
  SSL_set_connect_state(tls_.get());
  if (session_) SSL_set_session(tls_.get(), session_.get());
  stage_ = Stage::Shaking;
  return true;
}

bool Channel::shake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(tls_.get());
  if (result == 1) {
    resumed_ = SSL_session_reused(tls_.get()) == 1;
    stage_ = Stage::Open;
    return true;
  }
  const int why = SSL_get_error(tls_.get(), result);
  return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

bool Channel::step() {
  if (stage_ == Stage::Connecting && !connected()) return false;
  if (stage_ == Stage::Shaking && !shake()) return false;
  if (stage_ != Stage::Open) return stage_ != Stage::Closed;
  return flush() && (tls_ ? receive_tls() : receive());
}

bool Channel::receive() {
  for (;;) {
    const ssize_t count = ::recv(socket_.get(), chunk().data(), chunk().size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    in.append(chunk().data(), static_cast<std::size_t>(count));
    // Edge-triggered: more than this tells of itself anew.
    if (static_cast<std::size_t>(count) < chunk().size()) return true;
  }
}

bool Channel::receive_tls() {
  for (;;) {
    ERR_clear_error();
    const int count = SSL_read(tls_.get(), chunk().data(), static_cast<int>(chunk().size()));
    if (count <= 0) return SSL_get_error(tls_.get(), count) == SSL_ERROR_WANT_READ;
    in.append(chunk().data(), static_cast<std::size_t>(count));
  }
}

bool Channel::flush() {
  if (stage_ != Stage::Open) return stage_ != Stage::Closed;
  std::size_t sent = 0;
  bool well = true;
  while (sent < out_.size()) {
    if (tls_) {
      ERR_clear_error();
      const int count = SSL_write(tls_.get(), out_.data() + sent, static_cast<int>(out_.size() - sent));
      if (count <= 0) {
        well = SSL_get_error(tls_.get(), count) == SSL_ERROR_WANT_WRITE;
        break;
      }
      sent += static_cast<std::size_t>(count);
    } else {
      const ssize_t count = ::send(socket_.get(), out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
      if (count < 0) {
        well = errno == EAGAIN || errno == EINTR;
        break;
      }
      sent += static_cast<std::size_t>(count);
    }
  }
  out_.erase(0, sent);
  if (out_.empty() && out_.capacity() > 4096) out_.shrink_to_fit();
  return well;
}

}  // namespace ts::load
