// SPDX-License-Identifier: Apache-2.0
// The certificate and its key, as OpenSSL reads them.
#include <array>
#include <ctime>
#include <memory>

#include <grp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <turnstone/config/load.hpp>

#include "../probe/text.hpp"
#include "../probe/url.hpp"
#include "gather.hpp"

namespace ts::app::doctor {
namespace {

/// As the packages and the systemd unit have it.
constexpr const char* kServiceUser = "turnstone";

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* value) const noexcept {
    kFree(value);
  }
};
struct FreeStack {
  void operator()(STACK_OF(X509) * all) const noexcept { sk_X509_pop_free(all, X509_free); }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using Chain = std::unique_ptr<STACK_OF(X509), FreeStack>;

Bio bio_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Nobody is asked for a password.
int no_password(char*, int, int, void*) { return 0; }

std::string name_of(const GENERAL_NAME* name) {
  const ASN1_STRING* text = name->type == GEN_DNS     ? name->d.dNSName
                            : name->type == GEN_IPADD ? name->d.iPAddress
                                                      : nullptr;
  if (text == nullptr) return {};
  const std::uint8_t* data = ASN1_STRING_get0_data(text);
  const auto size = static_cast<std::size_t>(ASN1_STRING_length(text));
  if (name->type == GEN_IPADD) return IpAddress::from_bytes(ByteView(data, size)).to_string();
  return probe::printable(std::string_view(reinterpret_cast<const char*>(data), size), 253);
}

std::vector<std::string> names_of(const X509* certificate) {
  constexpr std::size_t kMostNames = 20;
  std::vector<std::string> out;
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && out.size() < kMostNames; ++i) {
    std::string name = name_of(sk_GENERAL_NAME_value(names, i));
    if (!name.empty()) out.push_back(std::move(name));
  }
  GENERAL_NAMES_free(names);
  return out;
}

/// Hosts of the URLs over TLS and DTLS that clients are given.
std::vector<std::string> asked_hosts(const config::Config& config) {
  std::vector<std::string> out;
  for (const std::string& text : config.signal.ice_urls) {
    const auto url = probe::parse_url(text);
    if (url.has_error() || !probe::is_secure(url->carrier)) continue;
    if (std::find(out.begin(), out.end(), url->host) == out.end()) out.push_back(url->host);
  }
  return out;
}

bool is_for(X509* certificate, const std::string& host) {
  if (IpAddress::parse(host)) return X509_check_ip_asc(certificate, host.c_str(), 0) == 1;
  return X509_check_host(certificate, host.data(), host.size(), 0, nullptr) == 1;
}

/// Why the system's authorities do not lead to it; expiry is told elsewhere.
std::string why_untrusted(X509* leaf, STACK_OF(X509) * chain) {
  const Store store(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  if (!store || !context || X509_STORE_set_default_paths(store.get()) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), leaf, chain) != 1)
    return {};
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context.get()), X509_V_FLAG_NO_CHECK_TIME);
  X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_SERVER);
  if (X509_verify_cert(context.get()) == 1) return {};
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

void judge_time(const X509* certificate, CertificateFacts& out) {
  std::tm when{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) return;
  const auto end = static_cast<std::int64_t>(::timegm(&when));
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(net::now().wall.time_since_epoch());
  out.left = std::chrono::seconds(end) - now;
  std::array<char, 16> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d", &when);
  out.until.assign(text.data(), size);
}

/// Permissions alone are looked at: systemd gives credentials by an access list.
void look_at_key_file(const std::string& path, CertificateFacts& out) {
  struct stat about {};
  if (path.starts_with("/run/credentials/") || ::stat(path.c_str(), &about) != 0) return;
  out.key_mode = about.st_mode & 0777U;
  std::array<char, 4096> space{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(kServiceUser, &entry, space.data(), space.size(), &found) != 0 || found == nullptr) return;
  std::array<gid_t, 64> groups{};
  int count = static_cast<int>(groups.size());
  if (::getgrouplist(kServiceUser, entry.pw_gid, groups.data(), &count) < 0) return;
  const auto end = groups.begin() + count;
  const bool in_group = std::find(groups.begin(), end, about.st_gid) != end;
  const unsigned bit = about.st_uid == entry.pw_uid ? S_IRUSR : in_group ? S_IRGRP : S_IROTH;
  if ((about.st_mode & bit) == 0) out.user_without_key = kServiceUser;
}

}  // namespace

CertificateFacts look_at_certificate(const config::Config& config) {
  CertificateFacts out;
  out.configured = !config.net.tls_cert_file.empty();
  out.self_made = !out.configured && (config.net.tls_self_signed || config.dev);
  if (!out.configured) return out;
  const config::FileText cert_file = config::read_file(config.net.tls_cert_file);
  const config::FileText key_file = config::read_file(config.net.tls_key_file);
  if (!cert_file.error.empty()) out.problem = "listen.tls_cert_file cannot be read: " + cert_file.error;
  if (!key_file.error.empty()) out.problem = "listen.tls_key_file cannot be read: " + key_file.error;
  if (!out.problem.empty()) return out;
  const Bio cert_bio = bio_of(cert_file.text);
  const Bio key_bio = bio_of(key_file.text);
  const Certificate leaf(PEM_read_bio_X509(cert_bio.get(), nullptr, no_password, nullptr));
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_password, nullptr));
  if (!leaf)
    out.problem = "listen.tls_cert_file has no certificate that can be read";
  else if (!key)
    out.problem = "listen.tls_key_file has no key that can be read without a password";
  if (!out.problem.empty()) return out;
  const Chain chain(sk_X509_new_null());
  while (X509* more = PEM_read_bio_X509(cert_bio.get(), nullptr, no_password, nullptr))
    sk_X509_push(chain.get(), more);
  judge_time(leaf.get(), out);
  out.names = names_of(leaf.get());
  for (const std::string& host : asked_hosts(config)) out.asked.emplace_back(host, is_for(leaf.get(), host));
  out.key_matches = X509_check_private_key(leaf.get(), key.get()) == 1;
  out.untrusted = why_untrusted(leaf.get(), chain.get());
  look_at_key_file(config.net.tls_key_file, out);
  return out;
}

}  // namespace ts::app::doctor
