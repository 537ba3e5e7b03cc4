// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <climits>
#include <string>
#include <vector>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <turnstone/base/verify_key.hpp>

namespace ts {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

constexpr std::size_t kCoordinateBytes = 32;
constexpr std::size_t kMaxModulusBytes = VerifyKey::kMaxRsaBits / 8 + 1;

std::shared_ptr<void> owned(EVP_PKEY* key) {
  if (key == nullptr) return nullptr;
  return {key, [](void* k) { EVP_PKEY_free(static_cast<EVP_PKEY*>(k)); }};
}

EVP_PKEY* key_of(const std::shared_ptr<void>& key) noexcept { return static_cast<EVP_PKEY*>(key.get()); }

std::shared_ptr<void> make(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1) return nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) return nullptr;
  return owned(key);
}

Number number(ByteView bytes) {
  return Number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

/// The DER that libcrypto wants in place of r and s.
std::vector<std::uint8_t> der_of(ByteView signature) {
  if (signature.size() != 2 * kCoordinateBytes) return {};
  const Signature out(ECDSA_SIG_new());
  Number r = number(signature.first(kCoordinateBytes));
  Number s = number(signature.subspan(kCoordinateBytes));
  if (!out || !r || !s || ECDSA_SIG_set0(out.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release()), static_cast<void>(s.release());  // they are the signature's now
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(out.get(), &der);
  if (size <= 0) return {};
  std::vector<std::uint8_t> bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

bool is_p256(EVP_PKEY* key) {
  std::array<char, 64> name{};
  std::size_t size = 0;
  return EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) == 1 &&
         std::string_view(name.data(), size) == SN_X9_62_prime256v1;
}

}  // namespace

Result<VerifyKey, std::string_view> VerifyKey::of(std::shared_ptr<void> key) {
  if (!key) return std::string_view("not a public key");
  EVP_PKEY* const k = key_of(key);
  if (EVP_PKEY_is_a(k, "RSA") == 1) {
    const int bits = EVP_PKEY_get_bits(k);
    if (bits < kMinRsaBits || bits > kMaxRsaBits)
      return std::string_view("an RSA key of 2048 to 8192 bits is needed");
    return VerifyKey(std::move(key), Kind::Rsa);
  }
  if (EVP_PKEY_is_a(k, "EC") == 1) {
    if (!is_p256(k)) return std::string_view("of elliptic curves, P-256 and Ed25519 are known");
    return VerifyKey(std::move(key), Kind::P256);
  }
  if (EVP_PKEY_is_a(k, "ED25519") == 1) return VerifyKey(std::move(key), Kind::Ed25519);
  return std::string_view("not an RSA, P-256 or Ed25519 key");
}

Result<VerifyKey, std::string_view> VerifyKey::from_der(ByteView der) {
  const unsigned char* at = der.data();
  if (der.size() > 4 * kMaxModulusBytes) return std::string_view("too large");
  auto key = owned(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (key && at != der.data() + der.size()) return std::string_view("something follows the key");
  return of(std::move(key));
}

Result<VerifyKey, std::string_view> VerifyKey::rsa(ByteView modulus, ByteView exponent) {
  if (modulus.size() > kMaxModulusBytes || exponent.empty() || exponent.size() > 8)
    return std::string_view("an RSA key of 2048 to 8192 bits is needed");
  const Builder builder(OSSL_PARAM_BLD_new());
  const Number n = number(modulus);
  const Number e = number(exponent);
  if (!builder || !n || !e || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return of(nullptr);
  }
  return of(make("RSA", builder.get()));
}

Result<VerifyKey, std::string_view> VerifyKey::p256(ByteView x, ByteView y) {
  if (x.size() != kCoordinateBytes || y.size() != kCoordinateBytes)
    return std::string_view("coordinates of 32 bytes are needed");
  std::vector<std::uint8_t> point(1, POINT_CONVERSION_UNCOMPRESSED);
  point.insert(point.end(), x.begin(), x.end());
  point.insert(point.end(), y.begin(), y.end());
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1, 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
          1) {
    return of(nullptr);
  }
  return of(make("EC", builder.get()));
}

Result<VerifyKey, std::string_view> VerifyKey::ed25519(ByteView key) {
  if (key.size() != 32) return std::string_view("a key of 32 bytes is needed");
  return of(owned(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, key.data(), key.size())));
}

bool VerifyKey::verify(ByteView text, ByteView signature) const {
  std::vector<std::uint8_t> der;
  if (kind_ == Kind::P256) {
    der = der_of(signature);
    if (der.empty()) return false;
    signature = der;
  }
  const DigestContext context(EVP_MD_CTX_new());
  const char* digest = kind_ == Kind::Ed25519 ? nullptr : "SHA256";
  return context &&
         EVP_DigestVerifyInit_ex(context.get(), nullptr, digest, nullptr, nullptr, key_of(key_), nullptr) ==
             1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), text.data(), text.size()) == 1;
}

}  // namespace ts
