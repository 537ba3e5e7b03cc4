// SPDX-License-Identifier: Apache-2.0
// TLS of a client without a socket: bytes in, bytes out. The server's certificate is not looked at.
#pragma once

#include <memory>
#include <vector>

#include <turnstone/base/bytes.hpp>

struct ssl_st;

namespace ts::load {

class TlsSession {
 public:
  TlsSession();

  /// Handshake with what has arrived; true when it is done. Ends the process when it fails.
  bool handshake();
  /// One record with `plain`.
  void encrypt(ByteView plain);
  /// Appends what is to be sent to `out`.
  void take_output(std::vector<std::uint8_t>& out);
  /// What has arrived; during the handshake, handshake() follows, later decrypt().
  void feed(ByteView cipher);
  /// Appends what has been decrypted to `plain`; false when the server has ended the session.
  bool decrypt(std::vector<std::uint8_t>& plain);

 private:
  struct Free {
    void operator()(ssl_st* ssl) const noexcept;
  };
  std::unique_ptr<ssl_st, Free> ssl_;
};

}  // namespace ts::load
