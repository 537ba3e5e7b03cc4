// SPDX-License-Identifier: Apache-2.0
#include "tls_tickets.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

namespace ts::net {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kNameBytes = 16;
constexpr std::size_t kMaxKeys = 4;

using Bytes32 = std::array<unsigned char, kSecretBytes>;

/// What one secret is good for, each use with a key of its own.
struct TicketKey {
  Bytes32 name{};  // of which kNameBytes are told
  Bytes32 cipher{};
  Bytes32 mac{};
  TicketKey() = default;
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
  ~TicketKey() {
    OPENSSL_cleanse(cipher.data(), cipher.size());
    OPENSSL_cleanse(mac.data(), mac.size());
  }
};
using TicketKeys = std::vector<TicketKey>;

bool derive(const Bytes32& secret, std::string_view use, Bytes32& out) {
  unsigned int bytes = 0;
  const auto* const text = reinterpret_cast<const unsigned char*>(use.data());
  return HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), text, use.size(), out.data(),
              &bytes) != nullptr &&
         bytes == out.size();
}

int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<TicketKey> key_of(std::string_view line) {
  if (line.size() != 2 * kSecretBytes) return std::nullopt;
  Bytes32 secret{};
  for (std::size_t i = 0; i < secret.size(); ++i) {
    const int high = digit(line[2 * i]);
    const int low = digit(line[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    secret[i] = static_cast<unsigned char>(high * 16 + low);
  }
  TicketKey out;
  const bool made = derive(secret, "turnstone ticket name", out.name) &&
                    derive(secret, "turnstone ticket cipher", out.cipher) &&
                    derive(secret, "turnstone ticket mac", out.mac);
  OPENSSL_cleanse(secret.data(), secret.size());
  return made ? std::optional(out) : std::nullopt;
}

void free_keys(void*, void* keys, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<TicketKeys*>(keys);
}

/// Where a context keeps its keys, which go with it.
int place_in_context() {
  static const int place = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_keys);
  return place;
}

bool set_mac(EVP_MAC_CTX* mac, const TicketKey& key) {
  char digest[] = "SHA256";
  Bytes32 secret = key.mac;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret.data(), secret.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  const bool set = EVP_MAC_CTX_set_params(mac, parameters) == 1;
  OPENSSL_cleanse(secret.data(), secret.size());
  return set;
}

/// OpenSSL's question for a key, to seal (`sealing` 1) or to open; SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
int ticket_key(SSL* session, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
               int sealing) {
  constexpr int kFailed = -1, kNone = 0, kUse = 1, kUseAndRenew = 2;
  const auto* const keys =
      static_cast<const TicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), place_in_context()));
  if (keys == nullptr || SSL_version(session) != TLS1_3_VERSION) return kNone;
  if (sealing == 1) {
    const TicketKey& key = keys->front();
    std::copy_n(key.name.begin(), kNameBytes, name);
    const int iv_bytes = EVP_CIPHER_get_iv_length(EVP_aes_256_cbc());
    const bool ready = RAND_bytes(iv, iv_bytes) == 1 &&
                       EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) == 1 &&
                       set_mac(mac, key);
    return ready ? kUse : kFailed;
  }
  const auto found = std::find_if(keys->begin(), keys->end(), [name](const TicketKey& key) {
    return std::equal(key.name.begin(), key.name.begin() + kNameBytes, name);
  });
  if (found == keys->end()) return kNone;
  const bool ready = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, found->cipher.data(), iv) == 1 &&
                     set_mac(mac, *found);
  // Clients use a ticket of TLS 1.3 once (RFC 8446), so each resumption brings the next one.
  return ready ? kUseAndRenew : kFailed;
}

}  // namespace

std::string use_ticket_keys(ssl_ctx_st* context, const std::string& file) {
  const std::string named = "TLS ticket keys '" + file + "' ";
  const std::string remedy = ": write one to four lines, each of: openssl rand -hex 32";
  std::ifstream in(file);
  if (!in) return named + "cannot be read: let the server's user read the file";
  auto keys = std::make_unique<TicketKeys>();
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line.starts_with('#')) continue;
    const auto key = key_of(line);
    OPENSSL_cleanse(line.data(), line.size());
    if (!key) return named + "have a line that is not 64 hexadecimal digits" + remedy;
    if (keys->size() == kMaxKeys) return named + "are too many" + remedy;
    keys->push_back(*key);
  }
  if (keys->empty()) return named + "are none" + remedy;
  if (SSL_CTX_set_ex_data(context, place_in_context(), keys.get()) != 1) return named + "find no place";
  static_cast<void>(keys.release());  // the context's from now on
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
  return {};
}

}  // namespace ts::net
