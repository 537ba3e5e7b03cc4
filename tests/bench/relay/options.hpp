// SPDX-License-Identifier: Apache-2.0
// What turnload was asked for.
#pragma once

#include <cstdint>
#include <string>

#include <turnstone/base/address.hpp>

namespace ts::load {

enum class Mode : std::uint8_t { ToPeer, ToClient, Echo };
enum class Transport : std::uint8_t { Udp, Tcp, Tls };
/// What `turnload forward` moves datagrams with.
enum class Engine : std::uint8_t { One, Batch, Trains, Ring };
/// What `turnload forward` does wrong to one packet in a thousand, for tests of the generator's checks.
enum class Fault : std::uint8_t { None, Corrupt, Channel, Drop, Duplicate, Swap };

struct Credentials {
  std::string user;
  std::string password;
};

struct Options {
  Endpoint server;
  Credentials credentials;
  Transport transport = Transport::Udp;
  /// Local addresses of clients and of the peer.
  IpAddress client_address;
  IpAddress peer_address;
  /// IPv4: client i uses the i-th of 64,000 addresses after this one, so that limits per address don't bite.
  /// Unset: all clients use client_address.
  IpAddress spread;

  Mode mode = Mode::ToPeer;
  std::size_t allocations = 1;
  std::size_t payload = 1200;
  /// Closed loop: packets (cycles) in flight over all allocations. Open loop (rate > 0): packets (cycles) a
  /// second.
  std::size_t window = 64;
  double rate = 0;
  /// Packets in a row over one allocation before the next one's turn.
  std::size_t burst = 1;
  /// Bursts go through the kernel as trains (UDP_SEGMENT) on the way to the server, and from it (UDP_GRO).
  bool trains = false;
  /// Beside relayed packets: this many allocations a second are set up and released.
  double churn = 0;
  /// Packets that overtake each other are counted, but no fault.
  bool may_reorder = false;
  double seconds = 3;
  double warmup = 0.5;
  /// Its processor time is part of the report; 0: nobody's.
  int server_pid = 0;
  /// The busy time of this core is part of the report; negative: of none.
  int server_core = -1;

  /// Towards a bare forwarder: no allocation, ChannelData with 0x4000 + i, the peer on this port.
  bool bare = false;
  std::uint16_t peer_port = 0;

  /// forward: where to listen, where to send, the first of `flows` consecutive ports that packets leave from.
  Endpoint listen;
  Endpoint forward_to;
  Endpoint relayed;
  std::size_t flows = 1;
  Engine engine = Engine::One;
  Fault fault = Fault::None;
};

/// The address of client `index`.
inline IpAddress client_address(const Options& o, std::size_t index) {
  if (o.spread == IpAddress{} || !o.client_address.is_v4()) return o.client_address;
  const ByteView from = o.spread.bytes();
  return IpAddress::v4(from[0], from[1], static_cast<std::uint8_t>(index / 250 % 256),
                       static_cast<std::uint8_t>(1 + index % 250));
}

}  // namespace ts::load
