// SPDX-License-Identifier: Apache-2.0
#include <turnstone/stun/integrity.hpp>

namespace ts::stun {
namespace {

/// The MAC of all before the attribute at `offset`, with the header's length as if the message ended behind
/// it.
template <class Key>
auto mac_before(const MessageView& message, std::size_t offset, const Key& key) noexcept {
  const ByteView bytes = message.bytes();
  const std::size_t value_bytes = load_be16(bytes.data() + offset + 2);
  std::array<std::uint8_t, kHeaderBytes> header;
  std::memcpy(header.data(), bytes.data(), header.size());
  store_be16(header.data() + 2,
             static_cast<std::uint16_t>(offset + kAttributeHeaderBytes + value_bytes - kHeaderBytes));
  return key.sign({header, bytes.subspan(kHeaderBytes, offset - kHeaderBytes)});
}

ByteView value_at(const MessageView& message, std::size_t offset) noexcept {
  const std::size_t value_bytes = load_be16(message.bytes().data() + offset + 2);
  return message.bytes().subspan(offset + kAttributeHeaderBytes, value_bytes);
}

constexpr std::array<std::array<std::uint32_t, 256>, 4> make_tables() noexcept {
  std::array<std::array<std::uint32_t, 256>, 4> t{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? 0xEDB88320U ^ (c >> 1) : c >> 1;
    t[0][i] = c;
  }
  for (std::size_t i = 0; i < 256; ++i) {
    for (std::size_t k = 1; k < 4; ++k) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xFF];
  }
  return t;
}

constexpr auto kCrc = make_tables();

}  // namespace

bool verify_integrity(const MessageView& message, const HmacSha1Key& key) noexcept {
  const std::size_t offset = message.integrity_offset();
  if (offset == 0) return false;
  const ByteView mac = value_at(message, offset);
  return mac.size() == sizeof(Sha1Digest) && equal_constant_time(mac, mac_before(message, offset, key));
}

bool verify_integrity(const MessageView& message, const HmacSha256Key& key) noexcept {
  const std::size_t offset = message.integrity_sha256_offset();
  if (offset == 0) return false;
  const ByteView mac = value_at(message, offset);
  if (mac.size() < 16 || mac.size() > sizeof(Sha256Digest) || mac.size() % 4 != 0) return false;
  const Sha256Digest right = mac_before(message, offset, key);
  return equal_constant_time(mac, ByteView(right).first(mac.size()));
}

bool fingerprint_absent_or_right(const MessageView& message) noexcept {
  const std::size_t offset = message.fingerprint_offset();
  if (offset == 0) return true;
  const ByteView value = value_at(message, offset);
  const bool last = offset + kAttributeHeaderBytes + 4 == message.bytes().size();
  return value.size() == 4 && last &&
         load_be32(value.data()) == (crc32(message.bytes().first(offset)) ^ kFingerprintMask);
}

std::uint32_t crc32(ByteView bytes) noexcept {
  std::uint32_t c = 0xFFFFFFFFU;
  const std::uint8_t* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 4; left -= 4, p += 4) {  // slicing by four
    c ^= std::uint32_t{p[0]} | (std::uint32_t{p[1]} << 8) | (std::uint32_t{p[2]} << 16) |
         (std::uint32_t{p[3]} << 24);
    c = kCrc[3][c & 0xFF] ^ kCrc[2][(c >> 8) & 0xFF] ^ kCrc[1][(c >> 16) & 0xFF] ^ kCrc[0][c >> 24];
  }
  for (; left > 0; --left, ++p) c = kCrc[0][(c ^ *p) & 0xFF] ^ (c >> 8);
  return c ^ 0xFFFFFFFFU;
}

}  // namespace ts::stun
