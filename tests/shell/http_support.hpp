// SPDX-License-Identifier: Apache-2.0
// A HttpServer on a thread of its own, and a raw blocking client (plain or TLS) for the test's thread.
#pragma once

#include <array>
#include <atomic>
#include <csignal>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <arpa/inet.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <turnstone/dialect/native.hpp>
#include <turnstone/net/clock.hpp>
#include <turnstone/net/http_server.hpp>
#include <turnstone/signal/ice.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::net::http_test {

using namespace std::chrono_literals;

inline Endpoint endpoint_of(const sockaddr_in& a) {
  Endpoint out;
  out.address = IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&a.sin_addr), 4});
  out.port = ntohs(a.sin_port);
  return out;
}

/// What came back.
struct Answer {
  unsigned status = 0;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
  std::string field(const std::string& name) const {
    const auto at = fields.find(name);
    return at == fields.end() ? "" : at->second;
  }
};

struct Frame {
  int opcode = -1;  // -1: the stream has ended
  std::string payload;
  unsigned code() const {
    return payload.size() < 2 ? 0
                              : static_cast<unsigned>(static_cast<unsigned char>(payload[0])) * 256 +
                                    static_cast<unsigned char>(payload[1]);
  }
};

/// A blocking client; gives up on a read after 20 s.
class Client {
 public:
  Client(int fd, SSL* tls) : fd_(fd), tls_(tls) {}
  Client(Client&& o) noexcept
      : fd_(std::exchange(o.fd_, -1)), tls_(std::exchange(o.tls_, nullptr)), buffer_(std::move(o.buffer_)) {}
  ~Client() { close(); }

  /// Null: plain.
  SSL* tls() const noexcept { return tls_; }
  void close() {
    if (tls_ != nullptr) SSL_free(std::exchange(tls_, nullptr));
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  /// RST instead of FIN.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  int fd() const { return fd_; }

  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto n = tls_ != nullptr ? SSL_write(tls_, text.data(), static_cast<int>(text.size()))
                                     : ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// More bytes into the buffer; false at the end of the stream.
  bool fill() {
    std::array<char, 16384> chunk;
    const auto n = tls_ != nullptr ? SSL_read(tls_, chunk.data(), chunk.size())
                                   : ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (n < 0 && tls_ == nullptr && errno == EAGAIN) {
      ADD_FAILURE() << "nothing came for too long";
    }
    if (n <= 0) return false;
    buffer_.append(chunk.data(), static_cast<std::size_t>(n));
    return true;
  }
  /// What has come and was not looked at.
  std::string take_buffer() { return std::exchange(buffer_, {}); }
  /// True when the server ends the stream; what comes before is dropped.
  bool ended() {
    while (fill()) {
    }
    return true;
  }

  Answer answer(bool head_only = false) {
    Answer out;
    std::size_t at = 0;
    while ((at = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return out;
    }
    std::string head = buffer_.substr(0, at + 2);
    buffer_.erase(0, at + 4);
    out.status = static_cast<unsigned>(std::stoul(head.substr(9, 3)));
    for (std::size_t line = head.find("\r\n") + 2; line < head.size();) {
      const std::size_t end = head.find("\r\n", line);
      const std::size_t colon = head.find(": ", line);
      std::string name = head.substr(line, colon - line);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      out.fields[name] = head.substr(colon + 2, end - colon - 2);
      line = end + 2;
    }
    const std::string length = out.field("content-length");
    const std::size_t bytes = head_only || length.empty() ? 0 : std::stoul(length);
    while (buffer_.size() < bytes) {
      if (!fill()) break;
    }
    out.body = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return out;
  }
  Answer ask(std::string_view method, std::string_view target, std::string_view fields = {},
             std::string_view body = {}) {
    std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n";
    text += fields;
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    send(text + "\r\n" + std::string(body));
    return answer(method == "HEAD");
  }
  Answer get(std::string_view target, std::string_view fields = {}) { return ask("GET", target, fields); }

  // WebSocket.

  Answer upgrade(std::string_view fields = "Sec-WebSocket-Protocol: signal.v1+json\r\n",
                 std::string_view target = "/v1/ws") {
    std::string text = "GET " + std::string(target) +
                       " HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    send(text + std::string(fields) + "\r\n");
    return answer();
  }
  static std::string frame(int opcode, std::string_view payload, bool masked = true) {
    std::string out(1, static_cast<char>(0x80 | opcode));
    const char mask_bit = masked ? static_cast<char>(0x80) : '\0';
    if (payload.size() < 126) {
      out += static_cast<char>(mask_bit | static_cast<char>(payload.size()));
    } else if (payload.size() <= 0xFFFF) {
      out += static_cast<char>(mask_bit | 126);
      for (int shift = 8; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
    } else {
      out += static_cast<char>(mask_bit | 127);
      for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
    }
    if (masked) out += "abcd";
    for (std::size_t i = 0; i < payload.size(); ++i) {
      out += masked ? static_cast<char>(payload[i] ^ "abcd"[i % 4]) : payload[i];
    }
    return out;
  }
  bool text(std::string_view payload) { return send(frame(1, payload)); }
  Frame next() {
    const auto need = [this](std::size_t bytes) {
      while (buffer_.size() < bytes) {
        if (!fill()) return false;
      }
      return true;
    };
    if (!need(2)) return {};
    std::size_t size = static_cast<unsigned char>(buffer_[1]);
    std::size_t head = 2;
    if (size >= 126) {
      const std::size_t extra = size == 126 ? 2 : 8;
      if (!need(2 + extra)) return {};
      size = 0;
      for (std::size_t i = 0; i < extra; ++i) size = size * 256 + static_cast<unsigned char>(buffer_[2 + i]);
      head += extra;
    }
    if (!need(head + size)) return {};
    Frame out;
    out.opcode = buffer_[0] & 15;
    out.payload = buffer_.substr(head, size);
    buffer_.erase(0, head + size);
    return out;
  }
  /// The next text, answering pings on the way; empty at a close or the end.
  std::string next_text() {
    for (;;) {
      Frame f = next();
      if (f.opcode == 9) {
        send(frame(10, f.payload));
        continue;
      }
      return f.opcode == 1 ? f.payload : std::string();
    }
  }
  /// The server's close code; 0 when the stream ends without.
  unsigned next_close() {
    for (;;) {
      const Frame f = next();
      if (f.opcode == -1) return 0;
      if (f.opcode == 8) return f.code();
    }
  }

 private:
  int fd_;
  SSL* tls_;
  std::string buffer_;
};

struct Settings {
  HttpOptions http;
  signal::Options signal;
  bool signaling = true;
  /// What /turn wants.
  std::string turn_token;
  /// What /metrics takes.
  std::chrono::milliseconds metrics_time{0};
};

class Server {
 public:
  explicit Server(Settings settings = {})
      : work_(asio::make_work_guard(context_)),
        ice_({"stun:192.0.2.1"}),
        metrics_time_(settings.metrics_time) {
    std::signal(SIGPIPE, SIG_IGN);
    HttpHandlers handlers;
    handlers.metrics = [this](const HttpRequest&) -> asio::awaitable<HttpResponse> { return metrics(); };
    handlers.health = [](const HttpRequest&) -> asio::awaitable<HttpResponse> {
      HttpResponse out(200, "application/json", "{\"status\":\"ok\"}");
      co_return out;
    };
    handlers.ready = [](const HttpRequest&) -> asio::awaitable<HttpResponse> {
      throw std::runtime_error("broken");
      co_return HttpResponse();
    };
    handlers.mint = [token =
                         settings.turn_token](const TurnQuestion& q) -> Result<TurnCredential, TurnRefusal> {
      if (q.token != token) return TurnRefusal{401, "unauthorized", "a valid token is needed"};
      if (q.user == "nobody") return TurnRefusal{404, "not_found", "there is nothing here"};
      std::string name = "1:" + std::string(q.user) + std::string(q.sid) + std::string(q.session_key);
      return TurnCredential{std::move(name), "pa\"ss", 600s, {"turn:a", "turns:b"}};
    };
    router_.emplace(settings.signal, random_, ice_);
    native_.emplace(*router_);
    server_.emplace(context_, settings.http, std::move(handlers), settings.signaling ? &*native_ : nullptr,
                    settings.signaling ? &*router_ : nullptr);
    listen();
    thread_ = std::thread([this] {
      context_.run();
      finished_ = true;
    });
  }
  /// Lets go of the io_context; true when nothing else keeps it running.
  bool comes_to_rest() {
    work_.reset();
    for (int i = 0; i < 300 && !finished_; ++i) std::this_thread::sleep_for(10ms);
    return finished_;
  }
  /// Runs a function on the server's thread and waits for it.
  template <class F>
  auto run(F f) {
    auto task = std::make_shared<std::packaged_task<decltype(f())()>>(std::move(f));
    auto future = task->get_future();
    asio::post(context_, [task] { (*task)(); });
    return future.get();
  }
  ~Server() {
    if (thread_.joinable()) {
      if (finished_) {
        server_.reset();
      } else {
        run([this] { server_.reset(); });
      }
      work_.reset();
      thread_.join();
    }
    ::close(listener_);
  }

  HttpServer& http() { return *server_; }
  asio::io_context& context() { return context_; }
  signal::Router& router() { return *router_; }

  Client connect(int receive_buffer = 0) {
    auto [client, served] = pair(receive_buffer);
    serve(DetachedStream(served.fd, nullptr, served.local, served.remote));
    return Client(client, nullptr);
  }
  /// As though it were a client of that address.
  Client connect_as(const Endpoint& remote) {
    auto [client, served] = pair(0);
    serve(DetachedStream(served.fd, nullptr, served.local, remote));
    return Client(client, nullptr);
  }
  Client connect_tls() {
    if (!tls_) tls_ = *TlsContext::self_signed({"test"}, {});
    auto [client, served] = pair(0);
    std::thread accepting([this, s = served] {
      asio::io_context other;
      tcp::socket socket(other, tcp::v4(), s.fd);
      Stream stream(std::move(socket), s.local, s.remote);
      ASSERT_TRUE(stream.begin_tls(*tls_));
      for (;;) {
        const auto step = stream.handshake();
        if (step.status == Stream::Status::Done) break;
        ASSERT_NE(step.status, Stream::Status::Closed);
        pollfd p{s.fd, static_cast<short>(step.status == Stream::Status::WantWrite ? POLLOUT : POLLIN), 0};
        ::poll(&p, 1, 5000);
      }
      serve(stream.detach());
    });
    static SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL* tls = SSL_new(context);
    SSL_set_fd(tls, client);
    EXPECT_EQ(SSL_connect(tls), 1);
    accepting.join();
    return Client(client, tls);
  }
  void serve(DetachedStream stream) {
    asio::post(context_, [this, s = std::move(stream)]() mutable { server_->serve(std::move(s)); });
  }
  /// Waits until so many connections are there.
  bool settles_at(std::size_t connections) {
    for (int i = 0; i < 1000; ++i) {
      if (run([this] { return server_->connection_count(); }) == connections) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

 private:
  struct Served {
    int fd = -1;
    Endpoint local;
    Endpoint remote;
  };

  asio::awaitable<HttpResponse> metrics() {
    // Comes back later, as a scrape over shards does.
    asio::steady_timer time(context_, metrics_time_);
    co_await time.async_wait(asio::use_awaitable);
    HttpResponse out(200, "text/plain", "up 1\n");
    co_return out;
  }
  void listen() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    socklen_t size = sizeof address_;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &size);
    ASSERT_EQ(::listen(listener_, 64), 0);
  }
  std::pair<int, Served> pair(int receive_buffer) {
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{20, 0};
    ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (receive_buffer != 0)
      ::setsockopt(client, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    sockaddr_in from{};
    socklen_t size = sizeof from;
    Served served;
    served.fd = ::accept4(listener_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (receive_buffer != 0)
      ::setsockopt(served.fd, SOL_SOCKET, SO_SNDBUF, &receive_buffer, sizeof receive_buffer);
    served.local = endpoint_of(address_);
    served.remote = endpoint_of(from);
    return {client, served};
  }

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  SystemRandom random_;
  signal::UrlIceProvider ice_;
  std::chrono::milliseconds metrics_time_;
  std::optional<signal::Router> router_;
  std::optional<dialect::Native> native_;
  std::optional<HttpServer> server_;
  std::shared_ptr<const TlsContext> tls_;
  int listener_ = -1;
  sockaddr_in address_{};
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

/// Everything open, for loopback.
inline Settings open_settings() {
  Settings out;
  out.signal.open = true;
  out.http.metrics_allow_from = {*IpNetwork::parse("127.0.0.0/8")};
  return out;
}

}  // namespace ts::net::http_test
