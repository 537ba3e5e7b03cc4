// SPDX-License-Identifier: Apache-2.0
// Ethernet frames with UDP in them, written and judged without any code of the server's.
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/base/bytes.hpp>

namespace ts::offload::testing {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::size_t kEthernetBytes = 14;

/// A UDP datagram and what its IP header says.
struct Datagram {
  Endpoint from;
  Endpoint to;
  Bytes payload;
  std::uint8_t tos = 0;
  std::uint8_t ttl = 64;
  /// IPv4 only.
  std::uint16_t id = 0;
  bool dont_fragment = false;
};

inline std::size_t ip_bytes(IpFamily family) noexcept { return family == IpFamily::V4 ? 20 : 40; }

/// The ones' complement sum (RFC 1071) of bytes, with `sum` before them.
inline std::uint32_t sum_of(ByteView bytes, std::uint32_t sum = 0) noexcept {
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] * 256U : bytes[i];
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return sum;
}

inline std::uint32_t pseudo_sum(const Datagram& d, std::size_t udp_bytes) noexcept {
  return sum_of(d.to.address.bytes(),
                sum_of(d.from.address.bytes(), static_cast<std::uint32_t>(udp_bytes) + 17));
}

inline Bytes frame_of(const Datagram& d) {
  const bool v4 = d.from.address.is_v4();
  const std::size_t ip = ip_bytes(d.from.address.family());
  const std::size_t udp_bytes = 8 + d.payload.size();
  Bytes out(kEthernetBytes + ip + udp_bytes);
  std::uint8_t* at = out.data();
  store_be16(at + 12, v4 ? 0x0800 : 0x86DD);
  at += kEthernetBytes;
  const ByteView from = d.from.address.bytes();
  const ByteView to = d.to.address.bytes();
  if (v4) {
    at[0] = 0x45;
    at[1] = d.tos;
    store_be16(at + 2, static_cast<std::uint16_t>(ip + udp_bytes));
    store_be16(at + 4, d.id);
    store_be16(at + 6, d.dont_fragment ? 0x4000 : 0);
    at[8] = d.ttl;
    at[9] = 17;
    std::memcpy(at + 12, from.data(), 4);
    std::memcpy(at + 16, to.data(), 4);
    store_be16(at + 10, static_cast<std::uint16_t>(~sum_of({at, 20})));
  } else {
    at[0] = static_cast<std::uint8_t>(0x60 | d.tos >> 4);
    at[1] = static_cast<std::uint8_t>(d.tos << 4);
    store_be16(at + 4, static_cast<std::uint16_t>(udp_bytes));
    at[6] = 17;
    at[7] = d.ttl;
    std::memcpy(at + 8, from.data(), 16);
    std::memcpy(at + 24, to.data(), 16);
  }
  at += ip;
  store_be16(at, d.from.port);
  store_be16(at + 2, d.to.port);
  store_be16(at + 4, static_cast<std::uint16_t>(udp_bytes));
  if (!d.payload.empty()) std::memcpy(at + 8, d.payload.data(), d.payload.size());
  const auto sum = static_cast<std::uint16_t>(~sum_of({at, udp_bytes}, pseudo_sum(d, udp_bytes)));
  store_be16(at + 6, sum == 0 ? 0xFFFF : sum);
  return out;
}

/// What is in a frame, if it is an ordinary one: no options, no fragment, lengths that agree.
struct Read {
  Datagram datagram;
  std::uint16_t checksum = 0;
  bool checksum_good = false;
  /// The field holds the sum of the pseudo header.
  bool checksum_unfinished = false;
  std::size_t trailer = 0;
};

inline std::optional<Read> read_frame(ByteView frame) {
  if (frame.size() < kEthernetBytes + 28) return std::nullopt;
  const std::uint16_t type = load_be16(frame.data() + 12);
  const bool v4 = type == 0x0800;
  if (!v4 && type != 0x86DD) return std::nullopt;
  const std::uint8_t* at = frame.data() + kEthernetBytes;
  const std::size_t ip = v4 ? 20 : 40;
  const std::size_t there = frame.size() - kEthernetBytes;
  if (there < ip + 8) return std::nullopt;
  Read out;
  Datagram& d = out.datagram;
  std::size_t udp_bytes = 0;
  if (v4) {
    if (at[0] != 0x45 || at[9] != 17 || (load_be16(at + 6) & 0xBFFF) != 0 || sum_of({at, 20}) != 0xFFFF)
      return std::nullopt;
    if (load_be16(at + 2) < 28) return std::nullopt;
    udp_bytes = load_be16(at + 2) - 20U;
    d.tos = at[1];
    d.id = load_be16(at + 4);
    d.dont_fragment = (at[6] & 0x40) != 0;
    d.ttl = at[8];
    d.from.address = IpAddress::from_bytes({at + 12, 4});
    d.to.address = IpAddress::from_bytes({at + 16, 4});
  } else {
    if (at[0] >> 4 != 6 || at[6] != 17) return std::nullopt;
    udp_bytes = load_be16(at + 4);
    d.tos = static_cast<std::uint8_t>(at[0] << 4 | at[1] >> 4);
    d.ttl = at[7];
    d.from.address = IpAddress::from_bytes({at + 8, 16});
    d.to.address = IpAddress::from_bytes({at + 24, 16});
  }
  const std::uint8_t* udp = at + ip;
  if (udp_bytes < 8 || load_be16(udp + 4) != udp_bytes || there < ip + udp_bytes) return std::nullopt;
  d.from.port = load_be16(udp);
  d.to.port = load_be16(udp + 2);
  d.payload.assign(udp + 8, udp + udp_bytes);
  out.trailer = there - ip - udp_bytes;
  out.checksum = load_be16(udp + 6);
  const std::uint32_t pseudo = pseudo_sum(d, udp_bytes);
  out.checksum_good = out.checksum != 0 && sum_of({udp, udp_bytes}, pseudo) == 0xFFFF;
  out.checksum_unfinished = sum_of({}, pseudo) == out.checksum;
  return out;
}

}  // namespace ts::offload::testing
