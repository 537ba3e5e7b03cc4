// SPDX-License-Identifier: Apache-2.0
// An HTTP server of a test's own, which says whatever it is told to, over TLS too.
#pragma once

#include <cstdio>
#include <list>
#include <mutex>

#include <openssl/pem.h>

#include <turnstone/net/tls.hpp>

#include "turn_client.hpp"

namespace ts::shell_test {

/// The bytes of an answer.
inline std::string http(const std::string& status, const std::string& body, const std::string& more = {}) {
  return "HTTP/1.1 " + status + "\r\n" + more + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

/// An HTTP server that answers each request with raw bytes. What begins with "close:" is the last of its
/// connection; nothing is no answer at all.
class FakeHttpServer {
 public:
  using Reply = std::function<std::string(const std::string& request)>;

  explicit FakeHttpServer(Reply reply, const Endpoint& local = at("127.0.0.1"),
                          std::shared_ptr<const net::TlsContext> tls = nullptr)
      : reply_(std::move(reply)), tls_(std::move(tls)), listener_(listen(local)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { accept(stop); });
  }
  ~FakeHttpServer() {
    thread_.request_stop();
    thread_.join();
    connections_.clear();  // joins
  }

  Endpoint local() const { return listener_.local(); }
  std::string url() const {
    return std::string(tls_ ? "https://" : "http://") + local().to_string() + "/turn?app=1";
  }
  void answer_with(Reply reply) {
    const std::lock_guard lock(mutex_);
    reply_ = std::move(reply);
  }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::size_t connection_count() const {
    const std::lock_guard lock(mutex_);
    return connection_count_;
  }

 private:
  /// A server that comes back has its port again before long.
  static Socket listen(const Endpoint& local) {
    const auto deadline = Clock::now() + kPatience;
    for (;;) {
      Socket out(SOCK_STREAM, local);
      if (!out && Clock::now() < deadline) {
        std::this_thread::sleep_for(20ms);
        continue;
      }
      ::listen(out.fd(), 64);
      return out;
    }
  }
  void accept(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (!listener_.readable(10ms)) continue;
      const int fd = ::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const std::lock_guard lock(mutex_);
      ++connection_count_;
      connections_.emplace_back([this, fd](const std::stop_token& own) {
        serve(fd, own);
        ::close(fd);
      });
    }
  }
  void serve(int fd, const std::stop_token& stop) {
    const timeval step{0, 10'000};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &step, sizeof step);
    // Nothing may linger: the port is used again.
    const linger abrupt{1, 0};
    net::TlsSession tls = tls_ ? tls_->accept(fd) : nullptr;
    std::string text;
    while (!stop.stop_requested()) {
      char buffer[4096];
      const long size =
          tls ? SSL_read(tls.get(), buffer, sizeof buffer) : ::recv(fd, buffer, sizeof buffer, 0);
      if (size <= 0) {
        const bool again = tls ? SSL_get_error(tls.get(), static_cast<int>(size)) == SSL_ERROR_WANT_READ
                               : size < 0 && (errno == EAGAIN || errno == EINTR);
        if (again) continue;
        break;
      }
      text.append(buffer, static_cast<std::size_t>(size));
      if (!is_whole(text)) continue;
      std::string reply = take(std::exchange(text, {}));
      const bool last = reply.starts_with("close:");
      if (last) reply.erase(0, 6);
      for (std::size_t sent = 0; sent < reply.size();) {
        const long n = tls ? SSL_write(tls.get(), reply.data(), static_cast<int>(reply.size()))
                           : ::send(fd, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) break;
        sent += static_cast<std::size_t>(n);
      }
      if (last) break;
    }
    if (stop.stop_requested()) ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
  }
  static bool is_whole(const std::string& text) {
    const std::size_t end = text.find("\r\n\r\n");
    const std::size_t length = text.find("Content-Length: ");
    const std::size_t body = length == std::string::npos ? 0 : std::stoul(text.substr(length + 16));
    return end != std::string::npos && text.size() == end + 4 + body;
  }
  std::string take(std::string request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
    return reply_(requests_.back());
  }

  mutable std::mutex mutex_;
  Reply reply_;
  std::vector<std::string> requests_;
  std::size_t connection_count_ = 0;
  std::shared_ptr<const net::TlsContext> tls_;
  Socket listener_;
  std::list<std::jthread> connections_;
  std::jthread thread_;
};

/// Writes the certificate of a context as PEM.
inline void write_certificate(const net::TlsContext& context, const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) throw std::system_error(errno, std::generic_category(), path);
  const net::TlsSession session = context.accept(-1);
  PEM_write_X509(file, SSL_get_certificate(session.get()));
  std::fclose(file);
}

}  // namespace ts::shell_test
