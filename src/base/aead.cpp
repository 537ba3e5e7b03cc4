// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

#include <openssl/evp.h>

#include <turnstone/base/aead.hpp>

namespace ts {
namespace {

/// Lengths that libcrypto takes as int; nothing here is near it.
constexpr std::size_t kMostBytes = 1U << 20;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const EVP_CIPHER* cipher_of(std::size_t key_bytes) noexcept {
  return key_bytes == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
}

int length(ByteView bytes) noexcept { return static_cast<int>(bytes.size()); }

/// A context with key and nonce; null when libcrypto refuses.
Context begin(ByteView key, ByteView nonce, bool encrypt) {
  Context context(EVP_CIPHER_CTX_new());
  const bool good =
      context &&
      EVP_CipherInit_ex(context.get(), cipher_of(key.size()), nullptr, nullptr, nullptr, encrypt ? 1 : 0) ==
          1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN, length(nonce), nullptr) == 1 &&
      EVP_CipherInit_ex(context.get(), nullptr, nullptr, key.data(), nonce.data(), encrypt ? 1 : 0) == 1;
  return good ? std::move(context) : Context();
}

bool is_usable(ByteView nonce, ByteView associated, ByteView text) noexcept {
  return !nonce.empty() && nonce.size() <= 128 && associated.size() <= kMostBytes &&
         text.size() <= kMostBytes;
}

}  // namespace

namespace {

struct FreeCipher {
  void operator()(EVP_CIPHER* cipher) const noexcept { EVP_CIPHER_free(cipher); }
};

/// The cipher has no name in the API but its text. Fetched once; threads may share it.
const EVP_CIPHER* siv_cipher() {
  static const std::unique_ptr<EVP_CIPHER, FreeCipher> cipher(
      EVP_CIPHER_fetch(nullptr, "AES-256-SIV", nullptr));
  return cipher.get();
}

}  // namespace

std::vector<std::uint8_t> SivKey::seal(ByteView associated, ByteView plain) const {
  const Context context(EVP_CIPHER_CTX_new());
  if (plain.empty() || plain.size() > kMostBytes || associated.size() > kMostBytes) return {};
  std::vector<std::uint8_t> out(kTagBytes + plain.size());
  std::uint8_t* text = out.data() + kTagBytes;
  int done = 0;
  const bool good =
      context && siv_cipher() != nullptr &&
      EVP_EncryptInit_ex2(context.get(), siv_cipher(), key_.data(), nullptr, nullptr) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &done, associated.data(), length(associated)) == 1 &&
      EVP_EncryptUpdate(context.get(), text, &done, plain.data(), length(plain)) == 1 &&
      EVP_EncryptFinal_ex(context.get(), text + done, &done) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, out.data()) == 1;
  if (!good) out.clear();
  return out;
}

std::optional<std::vector<std::uint8_t>> SivKey::open(ByteView associated, ByteView sealed) const {
  if (sealed.size() <= kTagBytes || sealed.size() > kMostBytes || associated.size() > kMostBytes)
    return std::nullopt;
  const Context context(EVP_CIPHER_CTX_new());
  std::array<std::uint8_t, kTagBytes> tag;
  std::copy_n(sealed.begin(), tag.size(), tag.begin());
  const ByteView text = sealed.subspan(kTagBytes);
  std::vector<std::uint8_t> out(text.size());
  int done = 0;
  const bool good =
      context && siv_cipher() != nullptr &&
      EVP_DecryptInit_ex2(context.get(), siv_cipher(), key_.data(), nullptr, nullptr) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &done, associated.data(), length(associated)) == 1 &&
      EVP_DecryptUpdate(context.get(), out.data(), &done, text.data(), length(text)) == 1 &&
      EVP_DecryptFinal_ex(context.get(), out.data() + done, &done) == 1;
  if (!good) return std::nullopt;
  return out;
}

AeadKey::AeadKey(ByteView key) {
  if (key.size() != 16 && key.size() != 32) return;
  std::copy(key.begin(), key.end(), key_.begin());
  size_ = key.size();
}

std::vector<std::uint8_t> AeadKey::seal(ByteView nonce, ByteView associated, ByteView plain) const {
  if (!is_valid() || !is_usable(nonce, associated, plain)) return {};
  const Context context = begin(ByteView(key_).first(size_), nonce, true);
  if (!context) return {};
  std::vector<std::uint8_t> out(plain.size() + kTagBytes);
  int done = 0;
  int rest = 0;
  const bool good =
      EVP_CipherUpdate(context.get(), nullptr, &done, associated.data(), length(associated)) == 1 &&
      EVP_CipherUpdate(context.get(), out.data(), &done, plain.data(), length(plain)) == 1 &&
      EVP_CipherFinal_ex(context.get(), out.data() + done, &rest) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, out.data() + plain.size()) == 1;
  if (!good) out.clear();
  return out;
}

std::optional<std::vector<std::uint8_t>> AeadKey::open(ByteView nonce, ByteView associated,
                                                       ByteView sealed) const {
  if (!is_valid() || sealed.size() < kTagBytes || !is_usable(nonce, associated, sealed)) return std::nullopt;
  const Context context = begin(ByteView(key_).first(size_), nonce, false);
  if (!context) return std::nullopt;
  const ByteView text = sealed.first(sealed.size() - kTagBytes);
  std::array<std::uint8_t, kTagBytes> tag;
  std::copy(sealed.end() - kTagBytes, sealed.end(), tag.begin());
  // One byte more, so that there is something to point at when there is no text.
  std::vector<std::uint8_t> out(text.size() + 1);
  int done = 0;
  int rest = 0;
  const bool good =
      EVP_CipherUpdate(context.get(), nullptr, &done, associated.data(), length(associated)) == 1 &&
      EVP_CipherUpdate(context.get(), out.data(), &done, text.data(), length(text)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_CipherFinal_ex(context.get(), out.data() + done, &rest) == 1;
  if (!good) return std::nullopt;
  out.resize(text.size());
  return out;
}

}  // namespace ts
