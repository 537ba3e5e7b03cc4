// SPDX-License-Identifier: Apache-2.0
#include "tls.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <turnstone/base/address.hpp>

#include "text.hpp"

namespace ts::app::probe {
namespace {

constexpr std::int64_t kExpiresSoonDays = 14;
constexpr std::array<unsigned char, 9> kHttpAlpn{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "the server closed the connection" : reason;
}

/// The first of the name's parts that says who it is.
std::string short_name(const X509_NAME* name) {
  for (const int part : {NID_organizationName, NID_commonName}) {
    const int at = name == nullptr ? -1 : X509_NAME_get_index_by_NID(name, part, -1);
    if (at < 0) continue;
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, value);
    if (size < 0) continue;
    std::string text = printable(as_text(ByteView(utf8, static_cast<std::size_t>(size))), 80);
    OPENSSL_free(utf8);
    return text;
  }
  return "unnamed";
}

/// Whole days until the certificate expires; negative when it has.
std::int64_t days_left(const X509* certificate) {
  int days = 0;
  int seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate)) != 1) return 0;
  return seconds < 0 ? days - 1 : days;
}

/// The names that the certificate is for, as many as are helpful.
std::string names_of(X509* certificate) {
  constexpr int kMost = 5;
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string out;
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names);
  for (int i = 0; i < std::min(count, kMost); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    const ASN1_STRING* value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const int length = ASN1_STRING_length(value);
    const ByteView bytes(ASN1_STRING_get0_data(value), static_cast<std::size_t>(std::max(length, 0)));
    const bool address = name->type == GEN_IPADD && (length == 4 || length == 16);
    out.append(out.empty() ? "" : ", ");
    out.append(address ? IpAddress::from_bytes(bytes).to_string() : printable(as_text(bytes), 80));
  }
  GENERAL_NAMES_free(names);
  return out.empty() ? "no host name" : out;
}

std::string remedy_for(long verification, X509* certificate, const std::string& host) {
  switch (verification) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return "renew the certificate, and check that the server has loaded it";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "check the clocks of both machines";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the certificate is for " + names_of(certificate) + "; use such a name, or get one for " + host;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "configure the full chain (server certificate, then intermediates), or install the private CA "
             "here";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "browsers reject it: get a certificate from a public CA, install the private CA here, or test "
             "with "
             "--insecure";
    default: return "get a valid certificate, or test with --insecure";
  }
}

Problem no_handshake(const std::string& reason) {
  const bool plain = reason.find("wrong version") != std::string::npos;
  return {"TLS handshake: " + reason,
          plain ? "the port does not speak TLS: use its plain scheme, or the TLS port"
                : "check that the port is the server's TLS port, and its log"};
}

/// The certificate's verdict after the handshake.
Result<Note, Problem> judge(SSL* session, const TlsSettings& settings) {
  const std::unique_ptr<X509, void (*)(X509*)> certificate(SSL_get1_peer_certificate(session), &X509_free);
  if (!certificate) return Problem{"the server has no certificate", "configure a certificate", false};
  const long verification = SSL_get_verify_result(session);
  const std::int64_t days = days_left(certificate.get());
  const std::string issuer = short_name(X509_get_issuer_name(certificate.get()));
  const std::string validity = days < 0 ? "expired " + std::to_string(-days) + " days ago"
                                        : "expires in " + std::to_string(days) + " days";
  Note note;
  note.detail = std::string(SSL_get_version(session)) + ", certificate by " + issuer + ", " + validity;
  note.facts = {{"protocol", SSL_get_version(session)},
                {"cipher", SSL_get_cipher_name(session)},
                {"issuer", issuer},
                {"expires_in_days", days},
                {"verified", verification == X509_V_OK ? "yes" : "no"}};
  if (verification == X509_V_OK) {
    note.warning = days < kExpiresSoonDays;
    if (note.warning) note.remedy = "renew the certificate soon";
    return note;
  }
  const std::string why = X509_verify_cert_error_string(verification);
  const std::string remedy = remedy_for(verification, certificate.get(), settings.host);
  if (!settings.insecure)
    return Problem{"certificate not accepted: " + why + " (" + note.detail + ")", remedy, false};
  note.detail += "; NOT VERIFIED (--insecure): " + why;
  note.warning = true;
  note.remedy = remedy;
  return note;
}

/// Whom the certificate must be for; false when OpenSSL refuses.
bool expect_host(SSL* session, const std::string& host) {
  if (IpAddress::parse(host))
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
  SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // SSL_set_tlsext_host_name() is a macro with a cast of the old style.
  std::string name = host;
  const long named = SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  return named == 1 && SSL_set1_host(session, host.c_str()) == 1;
}

/// Joins session and socket; false when OpenSSL refuses.
bool attach(SSL* session, int fd, bool datagrams) {
  if (!datagrams) return SSL_set_fd(session, fd) == 1;
  BIO* bio = BIO_new_dgram(fd, BIO_NOCLOSE);
  BIO_ADDR* anybody = BIO_ADDR_new();
  const bool made = bio != nullptr && anybody != nullptr;
  // The socket is connected: where to send to is not asked for.
  if (made) BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, anybody);
  BIO_ADDR_free(anybody);
  if (made) {
    SSL_set_bio(session, bio, bio);
  } else {
    BIO_free(bio);
  }
  return made;
}

/// When a flight must be sent again, or the deadline where that comes first.
TimePoint next_flight(SSL* session, bool datagrams, TimePoint deadline) {
  timeval left{};
  if (!datagrams || DTLSv1_get_timeout(session, &left) != 1) return deadline;
  const auto wait = std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
  return std::min<TimePoint>(deadline, net::now().mono + wait + std::chrono::milliseconds(1));
}

int bounded(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

TlsIo outcome(SSL* session, int result) {
  switch (SSL_get_error(session, result)) {
    case SSL_ERROR_WANT_READ: return TlsIo::WantRead;
    case SSL_ERROR_WANT_WRITE: return TlsIo::WantWrite;
    case SSL_ERROR_ZERO_RETURN: return TlsIo::Closed;
    default: return TlsIo::Failed;
  }
}

}  // namespace

bool wait_for(int fd, bool for_write, TimePoint deadline) noexcept {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - net::now().mono).count();
    if (left <= 0) return false;
    pollfd entry{fd, static_cast<short>(for_write ? POLLOUT : POLLIN), 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true;
  }
}

TlsSession::TlsSession(bool datagrams)
    : datagrams_(datagrams), context_(nullptr, &SSL_CTX_free), session_(nullptr, &SSL_free) {}
TlsSession::~TlsSession() = default;

Result<Note, Problem> TlsSession::handshake(int fd, const TlsSettings& settings, TimePoint deadline) {
  ERR_clear_error();
  context_.reset(SSL_CTX_new(datagrams_ ? DTLS_client_method() : TLS_client_method()));
  if (!context_) return Problem{"OpenSSL: " + openssl_reason(), "check the installation of OpenSSL", false};
  SSL_CTX_set_min_proto_version(context_.get(), datagrams_ ? DTLS1_2_VERSION : TLS1_2_VERSION);
  const bool trusts = settings.ca_file.empty()
                          ? SSL_CTX_set_default_verify_paths(context_.get()) == 1
                          : SSL_CTX_load_verify_file(context_.get(), settings.ca_file.c_str()) == 1;
  if (!trusts && !settings.ca_file.empty())
    return Problem{settings.ca_file + " cannot be read as certificates", "check the file", false};
  // The chain is verified all the same; judge() looks at the result, and can say more than a failed
  // handshake.
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  session_.reset(SSL_new(context_.get()));
  const bool ready =
      session_ && attach(session_.get(), fd, datagrams_) && expect_host(session_.get(), settings.host);
  if (!ready) return Problem{"OpenSSL: " + openssl_reason(), "check the host name", false};
  if (settings.http) SSL_set_alpn_protos(session_.get(), kHttpAlpn.data(), kHttpAlpn.size());
  for (;;) {
    ERR_clear_error();
    const int result = SSL_connect(session_.get());
    if (result == 1) return judge(session_.get(), settings);
    const TlsIo io = outcome(session_.get(), result);
    if (io != TlsIo::WantRead && io != TlsIo::WantWrite) return no_handshake(openssl_reason());
    if (wait_for(fd, io == TlsIo::WantWrite, next_flight(session_.get(), datagrams_, deadline))) continue;
    if (net::now().mono >= deadline) return no_handshake("no answer in time");
    DTLSv1_handle_timeout(session_.get());
  }
}

TlsIo TlsSession::read(MutableBytes out, std::size_t& done) noexcept {
  ERR_clear_error();
  const int result = SSL_read(session_.get(), out.data(), bounded(out.size()));
  done = result > 0 ? static_cast<std::size_t>(result) : 0;
  return result > 0 ? TlsIo::Done : outcome(session_.get(), result);
}

TlsIo TlsSession::write(ByteView bytes, std::size_t& done) noexcept {
  ERR_clear_error();
  const int result = SSL_write(session_.get(), bytes.data(), bounded(bytes.size()));
  done = result > 0 ? static_cast<std::size_t>(result) : 0;
  return result > 0 ? TlsIo::Done : outcome(session_.get(), result);
}

}  // namespace ts::app::probe
