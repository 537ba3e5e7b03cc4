// SPDX-License-Identifier: Apache-2.0
// The client side of TLS and DTLS over a non-blocking socket: OpenSSL with the system's trust store. Blocks
// in poll() up to a deadline.
#pragma once

#include <memory>
#include <string>

#include <turnstone/base/bytes.hpp>

#include "report.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace ts::app::probe {

/// Waits until the socket can be read (or written); false when the deadline passed. Errors count as ready.
bool wait_for(int fd, bool for_write, TimePoint deadline) noexcept;

struct TlsSettings {
  /// What the certificate must be for: a host name or an address.
  std::string host;
  /// Accepts any certificate, and says what is wrong with it.
  bool insecure = false;
  /// Offers http/1.1 by ALPN.
  bool http = false;
  /// Certificates (PEM) that the server's is trusted by; empty: the system's.
  std::string ca_file{};
};

/// What became of one read or write.
enum class TlsIo : unsigned char { Done, WantRead, WantWrite, Closed, Failed };

class TlsSession {
 public:
  /// `datagrams`: DTLS on a connected UDP socket.
  explicit TlsSession(bool datagrams);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  /// Handshake and check of the certificate; nothing of ours is sent before that check.
  Result<Note, Problem> handshake(int fd, const TlsSettings& settings, TimePoint deadline);
  /// One attempt; `done` is the number of bytes.
  TlsIo read(MutableBytes out, std::size_t& done) noexcept;
  TlsIo write(ByteView bytes, std::size_t& done) noexcept;

 private:
  bool datagrams_;
  std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)> context_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> session_;
};

}  // namespace ts::app::probe
