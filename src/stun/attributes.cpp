// SPDX-License-Identifier: Apache-2.0
#include <turnstone/stun/attributes.hpp>

namespace ts::stun {

std::optional<Endpoint> decode_address(ByteView value) noexcept {
  ByteReader in(value);
  in.skip(1);
  const std::uint8_t family = in.u8();
  const std::uint16_t port = in.u16();
  const std::size_t size = family == kFamilyV4 ? 4 : family == kFamilyV6 ? 16 : 0;
  if (!in.ok() || size == 0 || in.remaining() != size) return std::nullopt;
  return Endpoint{IpAddress::from_bytes(in.bytes(size)), port};
}

std::optional<Endpoint> decode_xor_address(ByteView value, const TransactionId& id) noexcept {
  const auto masked = decode_address(value);
  if (!masked) return std::nullopt;
  std::array<std::uint8_t, 16> mask;
  store_be32(mask.data(), kMagicCookie);
  std::memcpy(mask.data() + 4, id.data(), id.size());
  std::array<std::uint8_t, 16> clear;
  const ByteView bytes = masked->address.bytes();
  for (std::size_t i = 0; i < bytes.size(); ++i) clear[i] = static_cast<std::uint8_t>(bytes[i] ^ mask[i]);
  return Endpoint{IpAddress::from_bytes(ByteView(clear).first(bytes.size())),
                  static_cast<std::uint16_t>(masked->port ^ (kMagicCookie >> 16))};
}

std::optional<ErrorValue> decode_error_code(ByteView value) noexcept {
  if (value.size() < 4) return std::nullopt;
  const unsigned hundreds = value[2] & 0x7U;
  const unsigned rest = value[3];
  if (hundreds < 3 || hundreds > 6 || rest > 99) return std::nullopt;
  return ErrorValue{static_cast<std::uint16_t>(hundreds * 100 + rest), as_text(value.subspan(4))};
}

std::optional<std::uint32_t> decode_u32(ByteView value) noexcept {
  if (value.size() != 4) return std::nullopt;
  return load_be32(value.data());
}

std::optional<std::uint16_t> decode_channel_number(ByteView value) noexcept {
  if (value.size() != 4) return std::nullopt;
  return load_be16(value.data());
}

std::optional<std::uint8_t> decode_requested_transport(ByteView value) noexcept {
  if (value.size() != 4) return std::nullopt;
  return value[0];
}

std::optional<std::uint8_t> decode_address_family(ByteView value) noexcept {
  if (value.size() != 4) return std::nullopt;
  return value[0];
}

std::optional<IpFamily> family_of_code(std::uint8_t code) noexcept {
  if (code == kFamilyV4) return IpFamily::V4;
  if (code == kFamilyV6) return IpFamily::V6;
  return std::nullopt;
}

}  // namespace ts::stun
