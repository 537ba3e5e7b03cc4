// SPDX-License-Identifier: Apache-2.0
#include "tls_session.hpp"

#include <array>
#include <cerrno>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "sockets.hpp"

namespace ts::load {

namespace {

constexpr std::size_t kRecordBytes = 16'384;

SSL_CTX* context() {
  static const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> shared(SSL_CTX_new(TLS_client_method()),
                                                                        SSL_CTX_free);
  if (!shared) die("SSL_CTX_new");
  return shared.get();
}

[[noreturn]] void fail(const char* what) {
  errno = 0;
  die(what);
}

}  // namespace

void TlsSession::Free::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }

TlsSession::TlsSession() : ssl_(SSL_new(context())) {
  if (!ssl_) fail("SSL_new");
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl_.get());
}

bool TlsSession::handshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return true;
  if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) fail("the TLS handshake failed");
  return false;
}

void TlsSession::encrypt(ByteView plain) {
  if (SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())) <= 0) fail("SSL_write");
}

void TlsSession::take_output(std::vector<std::uint8_t>& out) {
  BIO* bio = SSL_get_wbio(ssl_.get());
  const std::size_t waiting = BIO_ctrl_pending(bio);
  if (waiting == 0) return;
  const std::size_t start = out.size();
  out.resize(start + waiting);
  const int n = BIO_read(bio, out.data() + start, static_cast<int>(waiting));
  out.resize(start + (n > 0 ? static_cast<std::size_t>(n) : 0));
}

void TlsSession::feed(ByteView cipher) {
  BIO_write(SSL_get_rbio(ssl_.get()), cipher.data(), static_cast<int>(cipher.size()));
}

bool TlsSession::decrypt(std::vector<std::uint8_t>& plain) {
  std::array<std::uint8_t, kRecordBytes> record;
  for (;;) {
    const int n = SSL_read(ssl_.get(), record.data(), static_cast<int>(record.size()));
    if (n <= 0) return SSL_get_error(ssl_.get(), n) == SSL_ERROR_WANT_READ;
    plain.insert(plain.end(), record.begin(), record.begin() + n);
  }
}

}  // namespace ts::load
