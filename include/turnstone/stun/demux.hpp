// SPDX-License-Identifier: Apache-2.0
// What a packet or a stream is, by its first byte (RFC 7983 §7, RFC 8656 §12).
#pragma once

#include <cstdint>

namespace ts::stun {

enum class Packet : std::uint8_t { Stun, ChannelData, Dtls, Unknown };

/// By the first byte of a datagram: 0-3 STUN, 20-63 DTLS, 64-79 TURN channel.
constexpr Packet classify_packet(std::uint8_t first) noexcept {
  if (first <= 3) return Packet::Stun;
  if (first >= 20 && first <= 63) return Packet::Dtls;
  if (first >= 64 && first <= 79) return Packet::ChannelData;
  return Packet::Unknown;
}

enum class Stream : std::uint8_t { Turn, Tls, Http, Unknown };

/// By the first byte of a stream: STUN or a channel, a TLS record (22: handshake), an HTTP method's
/// upper-case letter. 'P' (0x50) and 'G' (0x47), 'H' (0x48) … 0x40-0x4F are channel numbers too, but a TURN
/// stream cannot begin with ChannelData, as no channel is bound yet: upper-case letters are HTTP.
constexpr Stream classify_stream(std::uint8_t first) noexcept {
  if (first <= 3) return Stream::Turn;
  if (first == 22) return Stream::Tls;
  if (first >= 'A' && first <= 'Z') return Stream::Http;
  return Stream::Unknown;
}

}  // namespace ts::stun
