// SPDX-License-Identifier: Apache-2.0
// Stream: a connected TCP socket, plain or TLS, as non-blocking steps and as an Asio/Beast AsyncStream. It
// can be taken apart and put together again on another thread's io_context, with its TLS state.
#pragma once

#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include <turnstone/base/address.hpp>
#include <turnstone/base/bytes.hpp>
#include <turnstone/net/stream_budget.hpp>
#include <turnstone/net/tls.hpp>

namespace ts::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// A stream without an io_context, on its way between threads. Owns the descriptor.
struct DetachedStream {
  int descriptor = -1;
  TlsSession tls;
  Endpoint local;
  Endpoint remote;
  StreamTicket ticket;

  DetachedStream() = default;
  DetachedStream(int fd, TlsSession session, const Endpoint& l, const Endpoint& r) noexcept
      : descriptor(fd), tls(std::move(session)), local(l), remote(r) {}
  DetachedStream(DetachedStream&& other) noexcept
      : descriptor(std::exchange(other.descriptor, -1)),
        tls(std::move(other.tls)),
        local(other.local),
        remote(other.remote),
        ticket(std::move(other.ticket)) {}
  DetachedStream& operator=(DetachedStream&&) = delete;
  ~DetachedStream();
};

/// A stream that changes hands in the middle of its life.
struct MovedStream {
  DetachedStream stream;
  /// What was read from it and is for the next owner.
  std::vector<std::uint8_t> received;
  /// What it is still to be sent, before anything else.
  std::vector<std::uint8_t> unsent;

  MovedStream(DetachedStream s, std::vector<std::uint8_t> r, std::vector<std::uint8_t> u) noexcept
      : stream(std::move(s)), received(std::move(r)), unsent(std::move(u)) {}
};

class Stream {
 public:
  using executor_type = tcp::socket::executor_type;
  using lowest_layer_type = tcp::socket;

  /// What a non-blocking step came to.
  enum class Status : std::uint8_t { Done, WantRead, WantWrite, Closed };
  struct Step {
    Status status = Status::Closed;
    std::size_t bytes = 0;
    /// With Closed, of read(): the other side said that nothing more comes; false: the connection broke.
    bool orderly = false;
  };

  /// Takes over a connected socket. The endpoints are kept, since a broken socket no longer knows them.
  Stream(tcp::socket socket, const Endpoint& local, const Endpoint& remote);
  /// Puts a detached stream onto an io_context.
  Stream(asio::io_context& context, DetachedStream detached);
  Stream(Stream&&) = default;
  Stream& operator=(Stream&&) = default;

  /// Takes it off its io_context; this object is empty afterwards.
  DetachedStream detach();

  /// Begins TLS as the server; then call handshake() until Done.
  bool begin_tls(const TlsContext& context);
  Step handshake() noexcept;
  bool is_tls() const noexcept { return tls_ != nullptr; }
  /// From now on TLS takes all that the socket has at once, where it would ask for a record's head and body
  /// one after the other. Only for who looks at holds_bytes() before waiting.
  void read_ahead() noexcept;
  /// TLS has bytes of the other side that read() has not given out yet, perhaps only half a record: waiting
  /// for the socket may be in vain.
  bool holds_bytes() const noexcept;

  /// One step; never blocks. Done carries the count of bytes, at least one.
  Step read(MutableBytes out) noexcept;
  Step write(ByteView bytes) noexcept;
  /// The first byte to be read, without taking it.
  Step peek(std::uint8_t& first) noexcept;
  /// Bytes from before any TLS, without taking them, and taking them (they must be there).
  Step peek_raw(MutableBytes out) noexcept;
  void skip_raw(std::size_t count) noexcept;
  /// Ends our direction: TLS's close_notify where it can be sent at once, and FIN.
  void shutdown_send() noexcept;
  /// Sends TLS's close_notify where it can be sent at once, and closes. Steps are Closed from then on.
  void close() noexcept;
  /// Closes with a reset, where TCP still can.
  void reset() noexcept;

  const Endpoint& local() const noexcept { return local_; }
  const Endpoint& remote() const noexcept { return remote_; }
  /// A balancer has told whose connection it passes on; from now on its ends are this stream's.
  void set_endpoints(const Endpoint& local, const Endpoint& remote) noexcept {
    local_ = local;
    remote_ = remote;
    proxied_ = true;
  }
  bool is_proxied() const noexcept { return proxied_; }
  /// The stream's place in the budget; close() gives it back.
  StreamTicket& ticket() noexcept { return ticket_; }
  tcp::socket& socket() noexcept { return socket_; }
  static tcp::socket::wait_type wait_type(Status status) noexcept {
    return status == Status::WantWrite ? tcp::socket::wait_write : tcp::socket::wait_read;
  }

  // Asio's AsyncReadStream and AsyncWriteStream, for Beast.
  executor_type get_executor() noexcept { return socket_.get_executor(); }
  tcp::socket& lowest_layer() noexcept { return socket_; }
  const tcp::socket& lowest_layer() const noexcept { return socket_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return async_transfer<true>(
        first_buffer<MutableBytes>(asio::buffer_sequence_begin(buffers), asio::buffer_sequence_end(buffers)),
        std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return async_transfer<false>(
        first_buffer<ByteView>(asio::buffer_sequence_begin(buffers), asio::buffer_sequence_end(buffers)),
        std::forward<Token>(token));
  }

 private:
  /// The first buffer that is not empty: a step moves one stretch of bytes.
  template <class Bytes, class It>
  static Bytes first_buffer(It at, It end) {
    for (; at != end; ++at) {
      const auto buffer = *at;
      if (buffer.size() != 0) {
        return Bytes(static_cast<typename Bytes::pointer>(buffer.data()), buffer.size());
      }
    }
    return Bytes{};
  }

  template <bool Reading, class Bytes, class Token>
  auto async_transfer(Bytes bytes, Token&& token) {
    return asio::async_compose<Token, void(error_code, std::size_t)>(
        [this, bytes, step = Step{}, posted = false](auto& self, error_code error = {},
                                                     std::size_t = 0) mutable {
          if (posted) return self.complete(step.status == Status::Done ? error_code{} : eof(), step.bytes);
          if (error) return self.complete(error, 0);
          if (bytes.empty()) {
            step = Step{Status::Done, 0};
          } else if constexpr (Reading) {
            step = read(bytes);
          } else {
            step = write(bytes);
          }
          if (step.status == Status::Done || step.status == Status::Closed) {
            // Not from within the initiating function (Asio's rule).
            posted = true;
            return asio::post(socket_.get_executor(), std::move(self));
          }
          socket_.async_wait(wait_type(step.status), std::move(self));
        },
        token, socket_);
  }
  static error_code eof() noexcept;

  tcp::socket socket_;
  TlsSession tls_;
  Endpoint local_;
  Endpoint remote_;
  StreamTicket ticket_;
  bool proxied_ = false;
};

}  // namespace ts::net
