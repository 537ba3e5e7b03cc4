// SPDX-License-Identifier: Apache-2.0
// The ChannelData header (RFC 8656 §12.4): channel number, length, application data.
#pragma once

#include <cstdint>
#include <optional>

#include <turnstone/base/bytes.hpp>

namespace ts::stun {

inline constexpr std::size_t kChannelDataHeaderBytes = 4;
/// RFC 8656 §12: 0x4000-0x4FFF may be bound; 0x5000-0xFFFF are reserved.
inline constexpr std::uint16_t kMinChannel = 0x4000;
inline constexpr std::uint16_t kMaxChannel = 0x4FFF;

/// RFC 5766 §11 let clients go as far as this.
inline constexpr std::uint16_t kMaxRfc5766Channel = 0x7FFF;

constexpr bool is_channel_number(std::uint16_t number, std::uint16_t max = kMaxChannel) noexcept {
  return number >= kMinChannel && number <= max;
}

/// A ChannelData message in somebody else's bytes.
struct ChannelData {
  std::uint16_t channel = 0;
  ByteView data;
};

/// Nothing when the number is out of range or the length runs past the bytes. Bytes after the data are
/// padding (RFC 8656 §12.5: over UDP padding is not required, but a receiver must not choke on it).
inline std::optional<ChannelData> parse_channel_data(ByteView bytes,
                                                     std::uint16_t max = kMaxChannel) noexcept {
  if (bytes.size() < kChannelDataHeaderBytes) return std::nullopt;
  const std::uint16_t channel = load_be16(bytes.data());
  const std::size_t length = load_be16(bytes.data() + 2);
  if (!is_channel_number(channel, max) || bytes.size() - kChannelDataHeaderBytes < length)
    return std::nullopt;
  return ChannelData{channel, bytes.subspan(kChannelDataHeaderBytes, length)};
}

/// Writes the header to `out[0..3]`.
inline void write_channel_data_header(std::uint8_t* out, std::uint16_t channel, std::size_t length) noexcept {
  store_be16(out, channel);
  store_be16(out + 2, static_cast<std::uint16_t>(length));
}

}  // namespace ts::stun
