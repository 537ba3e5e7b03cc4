// SPDX-License-Identifier: Apache-2.0
// The works of the generator: relayed packets, Binding requests, idle allocations, and bare forwarders.
#pragma once

#include <string>

#include "client.hpp"

namespace ts::load {

enum class Mode : std::uint8_t { ToPeer, ToClient, Echo };

struct Options {
  Endpoint server;
  Credentials credentials;
  Transport transport = Transport::Udp;
  /// Local addresses of clients and of the peer.
  IpAddress client_address;
  IpAddress peer_address;
  /// IPv4: client i uses the i-th address of 127.1/16, so that per-address limits don't bite.
  bool spread = false;

  Mode mode = Mode::ToPeer;
  std::size_t allocations = 1;
  std::size_t payload = 1200;
  /// Closed loop: packets in flight over all allocations. Open loop (rate > 0): packets a second.
  std::size_t window = 64;
  double rate = 0;
  /// Packets in a row over one allocation before the next one's turn.
  std::size_t burst = 1;
  /// Bursts go through the kernel as trains (UDP_SEGMENT) on the way to the server, and from it (UDP_GRO).
  bool trains = false;
  double seconds = 3;
  double warmup = 0.5;
  /// Its processor time is part of the report; 0: nobody's.
  int server_pid = 0;

  /// Towards a bare forwarder: no allocation, ChannelData with 0x4000, the peer on this port.
  bool bare = false;
  std::uint16_t peer_port = 0;

  /// forward: where to listen, where to send, how many datagrams a system call.
  Endpoint listen;
  Endpoint forward_to;
  std::size_t batch = 1;
};

/// Each prints one JSON object (idle: lines on the way, see there) and yields the exit code: 0 when every
/// packet that came was right and, in a closed loop, at least one did.
int run_relay(const Options& options);
int run_binding(const Options& options);
/// Prints "sockets", waits for a line, allocates, prints "allocated", waits for a line, releases.
int run_idle(const Options& options);
/// A recvfrom/sendto forwarder until SIGTERM: strips ChannelData headers one way, prepends them the other.
int run_forward(const Options& options);

/// User and system time of a process over all its threads, in seconds; 0 when there is none.
double cpu_seconds(int pid);

}  // namespace ts::load
