// SPDX-License-Identifier: Apache-2.0
// How clients and peers look from inside the core: five-tuples, routes and what came in.
#pragma once

#include <cstddef>
#include <cstdint>

#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/slot_map.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/turn/counters.hpp>

namespace ts::turn {

/// RFC 8656 §2: what names a client and its allocation.
struct FiveTuple {
  Endpoint client;
  Endpoint server;
  Transport transport = Transport::Udp;

  friend bool operator==(const FiveTuple&, const FiveTuple&) noexcept = default;
};

/// The shell's name of the way back to a client: a UDP listener or a stream. Opaque to the core.
using Route = std::uint64_t;

/// One message from a client: a whole datagram, or one frame of a stream.
struct Inbound {
  FiveTuple tuple;
  Route route = 0;
  ByteView bytes;
  /// The IPv4 TOS or IPv6 traffic class byte it came with (RFC 8656 §14); 0 from streams.
  std::uint8_t tos = 0;
};

/// A relay socket: an allocation has one a family.
struct RelayId {
  SlotHandle allocation;
  IpFamily family = IpFamily::V4;

  friend bool operator==(const RelayId&, const RelayId&) noexcept = default;
};

/// What an ICMP or ICMPv6 message said about a datagram of ours (RFC 8656 §11.5).
struct IcmpError {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  /// The next hop's MTU, where the type is about it.
  std::uint32_t mtu = 0;
};

/// What a relayed transport address speaks (REQUESTED-TRANSPORT).
enum class RelayProtocol : std::uint8_t { Udp, Tcp };

/// RFC 6062 §6.2.1: names a peer data connection. The upper eight bits are the shard's number, so that a
/// client data connection finds it from any other; the rest is random.
using ConnectionId = std::uint32_t;

/// How the bytes of a connection may go on, where a rate limits them: RFC 6062 has nothing that could be
/// dropped, so its flows pause instead.
struct Pace {
  /// Nothing is read before; min(): no limit holds it up.
  TimePoint resume_at = TimePoint::min();
  /// What a read may take at most, so that the next rest is short.
  std::size_t read_bytes = 65'536;
};

/// True for the transports that are byte streams.
constexpr bool is_stream(Transport transport) noexcept {
  return transport == Transport::Tcp || transport == Transport::Tls;
}

/// Writable bytes that every datagram given to Server::from_peer has in front of and behind it, so that
/// headers and padding are put around the payload in place.
inline constexpr std::size_t kHeadroomBytes = 64;
inline constexpr std::size_t kTailroomBytes = 4;

}  // namespace ts::turn
