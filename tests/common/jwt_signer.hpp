// SPDX-License-Identifier: Apache-2.0
// What an identity provider does: key pairs, as PEM and as JWK, and signed tokens.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <turnstone/base/hash.hpp>

namespace ts {

class JwtSigner {
 public:
  /// "RS256", "ES256" or "EdDSA".
  explicit JwtSigner(const std::string& algorithm, unsigned rsa_bits = 2048) : algorithm_(algorithm) {
    EVP_PKEY* key = algorithm == "RS256"   ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{rsa_bits})
                    : algorithm == "ES256" ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                                           : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    key_.reset(key, EVP_PKEY_free);
  }

  std::string pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PUBKEY(out.get(), key_.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
  }

  /// The public key, with more members in front.
  std::string jwk(const std::string& more = {}) const {
    if (algorithm_ == "RS256") {
      return "{" + more + R"("kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
             number(OSSL_PKEY_PARAM_RSA_E) + "\"}";
    }
    if (algorithm_ == "ES256") {
      return "{" + more + R"("kty":"EC","crv":"P-256","x":")" + number(OSSL_PKEY_PARAM_EC_PUB_X, 32) +
             R"(","y":")" + number(OSSL_PKEY_PARAM_EC_PUB_Y, 32) + "\"}";
    }
    std::vector<std::uint8_t> raw(32);
    std::size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &size);
    return "{" + more + R"("kty":"OKP","crv":"Ed25519","x":")" + base64url(raw) + "\"}";
  }

  std::string token(const std::string& claims, const std::string& header_more = {}) const {
    const std::string header = R"({"alg":")" + algorithm_ + "\"" + header_more + "}";
    const std::string text = base64url(as_bytes(header)) + '.' + base64url(as_bytes(claims));
    return text + '.' + base64url(sign(text));
  }

  static std::string hs256(std::string_view secret, const std::string& claims,
                           const std::string& header = R"({"alg":"HS256","typ":"JWT"})") {
    const std::string text = base64url(as_bytes(header)) + '.' + base64url(as_bytes(claims));
    return text + '.' + base64url(HmacSha256Key(as_bytes(secret)).sign({as_bytes(text)}));
  }

 private:
  std::string number(const char* name, int bytes = 0) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::vector<std::uint8_t> out(static_cast<std::size_t>(bytes != 0 ? bytes : BN_num_bytes(value)));
    BN_bn2binpad(value, out.data(), static_cast<int>(out.size()));
    BN_free(value);
    return base64url(out);
  }

  std::vector<std::uint8_t> sign(const std::string& text) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const char* digest = algorithm_ == "EdDSA" ? nullptr : "SHA256";
    EVP_DigestSignInit_ex(context.get(), nullptr, digest, nullptr, nullptr, key_.get(), nullptr);
    std::size_t size = 1024;
    std::vector<std::uint8_t> out(size);
    EVP_DigestSign(context.get(), out.data(), &size, as_bytes(text).data(), text.size());
    out.resize(size);
    if (algorithm_ != "ES256") return out;
    const unsigned char* at = out.data();
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    std::vector<std::uint8_t> raw(64);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw.data() + 32, 32);
    ECDSA_SIG_free(signature);
    return raw;
  }

  std::string algorithm_;
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace ts
