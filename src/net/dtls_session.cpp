// SPDX-License-Identifier: Apache-2.0
#include "dtls_session.hpp"

#include <algorithm>
#include <cstring>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/time.h>

#include <turnstone/stun/dtls.hpp>

namespace ts::net {
namespace {

/// Records of a handshake flight go into datagrams of at most so many bytes: they pass everywhere.
constexpr long kFlightBytes = 1200;
/// IPv6 and UDP headers.
constexpr long kOverheadBytes = 48;

/// What protection adds to a record of the ciphers that this server has (RFC 5288 §3, RFC 7905 §2): the
/// explicit part of a nonce, and a tag.
std::size_t protection_bytes(const SSL* tls) noexcept {
  constexpr std::size_t kNonceBytes = 8;
  constexpr std::size_t kTagBytes = 16;
  const SSL_CIPHER* cipher = SSL_get_current_cipher(tls);
  if (cipher == nullptr) cipher = SSL_get_pending_cipher(tls);
  const bool counts = cipher == nullptr || SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305;
  return counts ? kTagBytes : kNonceBytes + kTagBytes;
}

/// The records of a datagram before the first one that nobody with the keys can have written. OpenSSL 3.0.19
/// ends the association for a record that is too short, where RFC 6347 §4.1.2.7 has it dropped in silence.
ByteView plausible_records(const SSL* tls, ByteView datagram) noexcept {
  const std::size_t least = protection_bytes(tls);
  std::size_t taken = 0;
  while (const auto record = stun::parse_dtls_record(datagram.subspan(taken))) {
    if (record->epoch != 0 && record->fragment.size() < least) break;
    taken += record->bytes;
  }
  return datagram.first(taken);
}

DtlsWire& wire_of(BIO* bio) noexcept { return *static_cast<DtlsWire*>(BIO_get_data(bio)); }

int read_datagram(BIO* bio, char* out, int size) {
  DtlsWire& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  if (!wire.unread || size <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  wire.unread = wire.peek;
  const std::size_t taken = std::min(static_cast<std::size_t>(size), wire.datagram.size());
  std::memcpy(out, wire.datagram.data(), taken);
  return static_cast<int>(taken);
}

int write_datagram(BIO* bio, const char* bytes, int size) {
  DtlsWire& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  if (size > 0 && wire.session != nullptr) {
    wire.writer.write_datagram(
        *wire.session, {reinterpret_cast<const std::uint8_t*>(bytes), static_cast<std::size_t>(size)});
  }
  return size;
}

long control(BIO* bio, int command, long number, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT: return 1;
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: return kOverheadBytes;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU: return kFlightBytes;
    case BIO_CTRL_DGRAM_SET_PEEK_MODE: wire_of(bio).peek = number != 0; return 1;
    default: return 0;
  }
}

const BIO_METHOD* method() noexcept {
  struct Deleter {
    void operator()(BIO_METHOD* m) const noexcept { BIO_meth_free(m); }
  };
  static const std::unique_ptr<BIO_METHOD, Deleter> shared = [] {
    std::unique_ptr<BIO_METHOD, Deleter> made(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "turnstone datagram"));
    if (made) {
      BIO_meth_set_read(made.get(), read_datagram);
      BIO_meth_set_write(made.get(), write_datagram);
      BIO_meth_set_ctrl(made.get(), control);
    }
    return made;
  }();
  return shared.get();
}

/// Joins a session and a wire; false: no memory.
bool attach(SSL* tls, DtlsWire& wire) noexcept {
  BIO* bio = method() != nullptr ? BIO_new(method()) : nullptr;
  if (bio == nullptr) return false;
  BIO_set_data(bio, &wire);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls, bio, bio);
  SSL_set_options(tls, SSL_OP_NO_QUERY_MTU);
  SSL_set_mtu(tls, kFlightBytes);
  return true;
}

}  // namespace

DtlsSession::DtlsSession(TlsSession tls, DtlsWire& wire, const Origin& origin) noexcept
    : tls_(std::move(tls)), wire_(wire), origin_(origin) {
  if (tls_ && !attach(tls_.get(), wire_)) tls_.reset();
}

template <class F>
DtlsSession::Step DtlsSession::step(F&& work) noexcept {
  if (!tls_) return {};
  wire_.session = this;
  ERR_clear_error();
  const int result = work(tls_.get());
  const int why = result > 0 ? SSL_ERROR_NONE : SSL_get_error(tls_.get(), result);
  ERR_clear_error();
  wire_.session = nullptr;
  if (result > 0) return {Status::Done, static_cast<std::size_t>(result)};
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return {Status::Again, 0};
  return {why == SSL_ERROR_ZERO_RETURN ? Status::Closed : Status::Failed, 0};
}

void DtlsSession::offer(ByteView datagram) noexcept {
  wire_.datagram = tls_ ? plausible_records(tls_.get(), datagram) : datagram;
  wire_.unread = !wire_.datagram.empty();
  wire_.peek = false;
}

DtlsSession::Step DtlsSession::begin(ByteView datagram) noexcept {
  if (!tls_) return {};
  offer(datagram);
  // Takes over the sequence numbers of an exchange that we did without it; the cookie is known to be right.
  wire_.session = this;
  BIO_ADDR* nobody = BIO_ADDR_new();
  const bool heard = nobody != nullptr && DTLSv1_listen(tls_.get(), nobody) == 1;
  BIO_ADDR_free(nobody);
  ERR_clear_error();
  wire_.session = nullptr;
  wire_.peek = false;
  return heard ? handshake() : Step{};
}

DtlsSession::Step DtlsSession::handshake() noexcept {
  const Step out = step([](SSL* tls) { return SSL_do_handshake(tls); });
  established_ = established_ || out.status == Status::Done;
  return out;
}

DtlsSession::Step DtlsSession::read(MutableBytes out) noexcept {
  holds_buffers_ = true;
  const int room = static_cast<int>(std::min<std::size_t>(out.size(), 1U << 30));
  return step([&](SSL* tls) { return SSL_alloc_buffers(tls) == 1 ? SSL_read(tls, out.data(), room) : -1; });
}

DtlsSession::Step DtlsSession::write(ByteView bytes) noexcept {
  if (bytes.size() > SSL3_RT_MAX_PLAIN_LENGTH) return {Status::Again, 0};
  holds_buffers_ = true;
  return step([&](SSL* tls) {
    return SSL_alloc_buffers(tls) == 1 ? SSL_write(tls, bytes.data(), static_cast<int>(bytes.size())) : -1;
  });
}

void DtlsSession::close() noexcept {
  if (!established_) return;
  step([](SSL* tls) {
    const bool said = (SSL_get_shutdown(tls) & SSL_SENT_SHUTDOWN) != 0;
    return !said && SSL_alloc_buffers(tls) == 1 ? SSL_shutdown(tls) : 1;
  });
}

DtlsSession::Step DtlsSession::retransmit() noexcept {
  if (!tls_) return {};
  wire_.session = this;
  wire_.unread = false;
  const bool failed = DTLSv1_handle_timeout(tls_.get()) < 0;
  ERR_clear_error();
  wire_.session = nullptr;
  return {failed ? Status::Failed : Status::Again, 0};
}

std::optional<Duration> DtlsSession::until_retransmit() const noexcept {
  timeval left{};
  if (!tls_ || DTLSv1_get_timeout(tls_.get(), &left) != 1) return std::nullopt;
  return std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
}

void DtlsSession::release_buffers() noexcept {
  // Not while there is something in them: then it is tried again later.
  holds_buffers_ = tls_ && SSL_free_buffers(tls_.get()) != 1;
}

}  // namespace ts::net
