// SPDX-License-Identifier: Apache-2.0
// TLS 1.2+ and DTLS 1.2 server contexts and sessions (OpenSSL), with ALPN `stun.turn` (RFC 7443) and
// `http/1.1`. A TLS session works on a non-blocking descriptor directly, so that it can move between threads
// with its socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>

struct ssl_ctx_st;
struct ssl_st;

namespace ts::net {

struct TlsSessionDeleter {
  void operator()(ssl_st* session) const noexcept;
};
using TlsSession = std::unique_ptr<ssl_st, TlsSessionDeleter>;

/// A certificate and its key, ready to accept. Immutable; shared by all shards.
class TlsContext {
 public:
  /// From PEM files. The error says which file, what is wrong and what to do. With keys for tickets (see
  /// use_ticket_keys), sessions can be resumed after a restart and on other nodes.
  static Result<std::shared_ptr<const TlsContext>, std::string> from_files(
      const std::string& cert_file, const std::string& key_file, const std::string& ticket_keys_file = {});
  /// A fresh P-256 certificate for the names and addresses, good for 30 days (development).
  static Result<std::shared_ptr<const TlsContext>, std::string> self_signed(
      const std::vector<std::string>& names, const std::vector<IpAddress>& addresses);

  /// A server session on a connected, non-blocking descriptor; the descriptor stays the caller's. Null: no
  /// memory.
  TlsSession accept(int descriptor) const noexcept;
  /// A DTLS server session (RFC 7350 §3) without a BIO. Null: no memory.
  TlsSession accept_datagrams() const noexcept;
  /// The certificate's notAfter.
  WallTime expires() const noexcept { return expires_; }
  /// SHA-256 of the certificate, as 64 hexadecimal digits.
  const std::string& fingerprint() const noexcept { return fingerprint_; }

 private:
  struct ContextDeleter {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  using Context = std::unique_ptr<ssl_ctx_st, ContextDeleter>;
  TlsContext() = default;
  static Context make_context();
  /// DTLS 1.2 with the certificate and key of the TLS context; the error, or empty.
  std::string make_datagram_context();
  /// Reads expiry and fingerprint off the context's certificate.
  void describe();

  Context context_;
  Context datagram_context_;
  WallTime expires_{};
  std::string fingerprint_;
};

}  // namespace ts::net
