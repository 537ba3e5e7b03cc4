// SPDX-License-Identifier: Apache-2.0
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <turnstone/base/hash.hpp>
#include <turnstone/net/tls.hpp>

#include "tls_tickets.hpp"

namespace ts::net {
namespace {

/// OpenSSL's newest reason, in words; empties its queue.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(code);
  ERR_clear_error();
  return text != nullptr ? text : "unknown error";
}

/// RFC 7443 §3: TURN may be told from HTTP by ALPN; a client without ALPN is told by its first bytes. An
/// unknown offer is not refused: the stream's first bytes decide anyway.
int select_alpn(SSL* session, const unsigned char** out, unsigned char* out_bytes, const unsigned char* in,
                unsigned int in_bytes, void*) {
  static constexpr unsigned char kOurs[] = "\x09stun.turn\x12stun.nat-discovery\x08http/1.1";
  constexpr unsigned kHttpBytes = 9;
  const unsigned ours_bytes = sizeof kOurs - 1 - (SSL_is_dtls(session) != 0 ? kHttpBytes : 0);
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_bytes, kOurs, ours_bytes, in, in_bytes) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/// Suites of (D)TLS 1.2: forward secrecy and AEAD only. The last one is one of the two that RFC 8489 §6.2.3
/// asks for; it is slow, and taken when the client has nothing better.
void allow_ciphers(SSL_CTX* c) {
  SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE-RSA-AES128-GCM-SHA256:!aNULL");
  SSL_CTX_set_dh_auto(c, 1);
}

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct CertDeleter {
  void operator()(X509* cert) const noexcept { X509_free(cert); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using Certificate = std::unique_ptr<X509, CertDeleter>;

bool add_extension(X509* cert, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, cert, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(cert, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

Certificate make_certificate(EVP_PKEY* key, const std::string& subject_alt_names) {
  constexpr long kLifeSeconds = 30L * 24 * 3600;
  constexpr long kClockSlackSeconds = 24L * 3600;
  Certificate cert(X509_new());
  if (!cert) return nullptr;
  X509* x = cert.get();
  std::uint64_t serial = 0;
  const Sha256Digest seed =
      sha256({as_bytes(subject_alt_names), as_bytes(std::to_string(static_cast<long>(::time(nullptr))))});
  std::memcpy(&serial, seed.data(), sizeof serial);
  X509_NAME* name = X509_get_subject_name(x);
  const bool made =
      X509_set_version(x, 2) == 1 && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(x), -kClockSlackSeconds) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(x), kLifeSeconds) != nullptr && X509_set_pubkey(x, key) == 1 &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>("Turnstone development"), -1, -1,
                                 0) == 1 &&
      X509_set_issuer_name(x, name) == 1 && add_extension(x, NID_subject_alt_name, subject_alt_names) &&
      add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(x, NID_ext_key_usage, "serverAuth") && X509_sign(x, key, EVP_sha256()) > 0;
  return made ? std::move(cert) : nullptr;
}

}  // namespace

void TlsSessionDeleter::operator()(ssl_st* session) const noexcept { SSL_free(session); }
void TlsContext::ContextDeleter::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

TlsContext::Context TlsContext::make_context() {
  Context context(SSL_CTX_new(TLS_server_method()));
  if (!context) return nullptr;
  SSL_CTX* c = context.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                             SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(
      c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // A step takes one record: a client that floods us with KeyUpdates holds up nobody else.
  SSL_CTX_clear_mode(c, SSL_MODE_AUTO_RETRY);
  // Resumption is by ticket alone, which costs us no memory, and one of them is enough.
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(c, 1);
  SSL_CTX_set_alpn_select_cb(c, select_alpn, nullptr);
  allow_ciphers(c);
  static constexpr unsigned char kSessionContext[] = "turnstone";
  SSL_CTX_set_session_id_context(c, kSessionContext, sizeof kSessionContext - 1);
  return context;
}

std::string TlsContext::make_datagram_context() {
  datagram_context_.reset(SSL_CTX_new(DTLS_server_method()));
  SSL_CTX* c = datagram_context_.get();
  if (c == nullptr) return "DTLS: no context: " + openssl_reason();
  SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION);
  // Nothing is kept for a client that comes again, and a flight is as short as it can be.
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                             SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  allow_ciphers(c);
  SSL_CTX_set_alpn_select_cb(c, select_alpn, nullptr);
  // No client certificate is asked for: messages stay as short as the library lets them be.
  SSL_CTX_set_max_cert_list(c, 1);
  // Cookies are made and verified before there is a session.
  SSL_CTX_set_cookie_generate_cb(c, [](SSL*, unsigned char*, unsigned int*) { return 0; });
  SSL_CTX_set_cookie_verify_cb(c, [](SSL*, const unsigned char*, unsigned int) { return 1; });
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context_.get(), &chain);
  const bool armed = SSL_CTX_use_certificate(c, SSL_CTX_get0_certificate(context_.get())) == 1 &&
                     (chain == nullptr || SSL_CTX_set1_chain(c, chain) == 1) &&
                     SSL_CTX_use_PrivateKey(c, SSL_CTX_get0_privatekey(context_.get())) == 1;
  return armed ? std::string() : "DTLS: the certificate cannot be used: " + openssl_reason();
}

void TlsContext::describe() {
  X509* cert = SSL_CTX_get0_certificate(context_.get());
  if (cert == nullptr) return;
  tm until{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &until) == 1)
    expires_ = WallTime{std::chrono::seconds(timegm(&until))};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int digest_bytes = 0;
  if (X509_digest(cert, EVP_sha256(), digest.data(), &digest_bytes) == 1) {
    fingerprint_ = hex(ByteView(digest).first(digest_bytes));
  }
}

Result<std::shared_ptr<const TlsContext>, std::string> TlsContext::from_files(
    const std::string& cert_file, const std::string& key_file, const std::string& ticket_keys_file) {
  std::shared_ptr<TlsContext> out(new TlsContext);
  out->context_ = make_context();
  SSL_CTX* c = out->context_.get();
  if (c == nullptr) return "TLS: no context: " + openssl_reason();
  if (SSL_CTX_use_certificate_chain_file(c, cert_file.c_str()) != 1) {
    return "TLS certificate '" + cert_file + "' cannot be used (" + openssl_reason() +
           "): give a PEM file that begins with the server's certificate and goes on with its chain";
  }
  const bool key_taken = SSL_CTX_use_PrivateKey_file(c, key_file.c_str(), SSL_FILETYPE_PEM) == 1;
  const unsigned long why = key_taken ? 0 : ERR_peek_last_error();
  const bool stranger =
      ERR_GET_LIB(why) == ERR_LIB_X509 &&
      (ERR_GET_REASON(why) == X509_R_KEY_VALUES_MISMATCH || ERR_GET_REASON(why) == X509_R_KEY_TYPE_MISMATCH);
  if (!key_taken && !stranger) {
    return "TLS key '" + key_file + "' cannot be used (" + openssl_reason() +
           "): give the unencrypted PEM private key of the certificate";
  }
  if (stranger || SSL_CTX_check_private_key(c) != 1) {
    ERR_clear_error();
    return "TLS key '" + key_file + "' does not belong to certificate '" + cert_file + "'";
  }
  if (!ticket_keys_file.empty()) {
    if (std::string problem = use_ticket_keys(c, ticket_keys_file); !problem.empty()) return problem;
  }
  if (std::string problem = out->make_datagram_context(); !problem.empty()) return problem;
  out->describe();
  return std::shared_ptr<const TlsContext>(std::move(out));
}

Result<std::shared_ptr<const TlsContext>, std::string> TlsContext::self_signed(
    const std::vector<std::string>& names, const std::vector<IpAddress>& addresses) {
  std::string alt_names;
  const auto add = [&alt_names](const std::string& entry) {
    alt_names += (alt_names.empty() ? "" : ",") + entry;
  };
  for (const std::string& name : names) add("DNS:" + name);
  for (const IpAddress& address : addresses) add("IP:" + address.to_string());
  const Key key(EVP_EC_gen("P-256"));
  const Certificate cert = key ? make_certificate(key.get(), alt_names) : nullptr;
  std::shared_ptr<TlsContext> out(new TlsContext);
  out->context_ = make_context();
  SSL_CTX* c = out->context_.get();
  if (!cert || c == nullptr || SSL_CTX_use_certificate(c, cert.get()) != 1 ||
      SSL_CTX_use_PrivateKey(c, key.get()) != 1) {
    return "TLS: no self-signed certificate could be made: " + openssl_reason();
  }
  if (std::string problem = out->make_datagram_context(); !problem.empty()) return problem;
  out->describe();
  return std::shared_ptr<const TlsContext>(std::move(out));
}

TlsSession TlsContext::accept(int descriptor) const noexcept {
  TlsSession session(SSL_new(context_.get()));
  if (!session || SSL_set_fd(session.get(), descriptor) != 1) return nullptr;
  SSL_set_accept_state(session.get());
  return session;
}

TlsSession TlsContext::accept_datagrams() const noexcept {
  TlsSession session(SSL_new(datagram_context_.get()));
  if (session) SSL_set_accept_state(session.get());
  return session;
}

}  // namespace ts::net
