// SPDX-License-Identifier: Apache-2.0
// A client's connection over TCP, TLS or DTLS that may be treated badly.
#pragma once

#include <memory>
#include <optional>

#include <openssl/ssl.h>

#include "random.hpp"
#include "sockets.hpp"

namespace ts::hostile {

enum class Via : std::uint8_t { Tcp, Tls, Dtls };

class Pipe {
 public:
  Pipe(Via via, std::uint16_t port);
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  /// Connected, and through the handshake.
  bool ok() const { return ok_; }
  /// False when the connection has ended.
  bool write(ByteView bytes);
  /// What has come within the time; empty: nothing; nothing at all: the end.
  std::optional<Bytes> read(int timeout_ms);
  /// Past TLS, to the socket.
  bool write_raw(ByteView bytes);
  void half_close();
  /// The next close is a reset.
  void reset_on_close();
  /// close_notify.
  void close_tls();
  int fd() const { return socket_.get(); }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  load::Fd socket_;
  std::unique_ptr<SSL, Free> ssl_;
  bool ok_ = false;
};

/// A first flight of a (D)TLS handshake, as it would be sent.
Bytes client_hello(bool dtls);

}  // namespace ts::hostile
