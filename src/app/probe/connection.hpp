// SPDX-License-Identifier: Apache-2.0
// A small blocking client: a UDP socket, plain or DTLS, or a TCP stream, plain or TLS, to one address,
// everything bounded by a deadline.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <turnstone/base/address.hpp>

#include "report.hpp"
#include "tls.hpp"
#include "url.hpp"

namespace ts::app::probe {

using Buffer = std::vector<std::uint8_t>;

/// The addresses of a host name (at most eight, in the order of preference), or the address itself.
Result<std::vector<IpAddress>, Problem> resolve(const std::string& host, TimePoint deadline);

/// An owned file descriptor.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) noexcept : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket();
  int fd() const noexcept { return fd_; }

 private:
  int fd_ = -1;
};

class Connection {
 public:
  /// A connected socket; for TLS and DTLS secure() must follow. `local`: the address to leave from; nothing:
  /// what the routes choose.
  static Result<Connection, Problem> open(Carrier carrier, const Endpoint& server, TimePoint deadline,
                                          const std::optional<IpAddress>& local = std::nullopt);
  /// TLS handshake (see TlsSession).
  Result<Note, Problem> secure(const TlsSettings& settings, TimePoint deadline);

  /// Sends everything, or says why not.
  std::optional<Problem> send(ByteView bytes, TimePoint deadline);
  /// One datagram, or what a stream has; at least one byte. Nothing: the deadline passed.
  Result<std::optional<Buffer>, Problem> receive_some(TimePoint deadline);
  /// One STUN or ChannelData message: a datagram, or a frame of the stream. Nothing: the deadline passed.
  Result<std::optional<Buffer>, Problem> receive_message(TimePoint deadline);

  /// The address that it leaves from.
  std::optional<IpAddress> local_address() const;
  bool is_stream() const noexcept { return probe::is_stream(carrier_); }
  Carrier carrier() const noexcept { return carrier_; }

 private:
  Connection(Carrier carrier, Socket socket) : carrier_(carrier), socket_(std::move(socket)) {}
  TlsIo try_read(MutableBytes out, std::size_t& done) noexcept;
  TlsIo try_write(ByteView bytes, std::size_t& done) noexcept;

  Carrier carrier_;
  Socket socket_;
  std::unique_ptr<TlsSession> tls_;
  Buffer pending_;
};

}  // namespace ts::app::probe
