// SPDX-License-Identifier: Apache-2.0
// What an operator may set about sockets. A leaf: data only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>

namespace ts::net {

/// What moves datagrams. Auto: choose_udp_engine() decides; a shard takes it for epoll.
enum class UdpEngineKind : std::uint8_t { Auto, Epoll, IoUring };

struct Options {
  /// Addresses to listen on. Empty: 0.0.0.0 and, where the host has IPv6, ::.
  std::vector<IpAddress> bind;
  /// STUN/TURN over UDP and TCP (and HTTP on the same TCP port); 0 lets the kernel choose.
  std::uint16_t port = 3478;
  /// TURN over TLS, HTTPS and WSS on one port. Used when a certificate is there.
  std::uint16_t tls_port = 5349;
  /// TURN over DTLS on UDP. Used when a certificate is there. The loader sets it to tls_port when it is left
  /// out.
  std::uint16_t dtls_port = 5349;
  /// RFC 5780: second addresses of this host, one a family, and the second port. Empty: off.
  std::vector<IpAddress> alt_addresses;
  std::uint16_t alt_port = 3479;
  /// HTTP and WebSocket (also answers STUN and TURN over TCP).
  std::uint16_t http_port = 8080;
  bool udp = true;
  bool tcp = true;
  /// PEM files; both or none.
  std::string tls_cert_file;
  std::string tls_key_file;
  /// Keys of session tickets, for resumption after a restart and on other nodes; empty: new ones at each
  /// start.
  std::string tls_ticket_keys_file;
  /// Self-signed certificate in memory when no file is given (development).
  bool tls_self_signed = false;

  /// Shards; 0: one for each core.
  std::uint32_t threads = 0;
  /// Each shard's thread stays on a core of its own, where there are enough.
  bool pin_threads = false;

  std::uint32_t udp_listener_buffer_bytes = 4U << 20;
  std::uint32_t udp_relay_buffer_bytes = 1U << 20;
  UdpEngineKind udp_engine = UdpEngineKind::Auto;
  /// How long datagrams may gather, at rates at which that saves wake-ups, and half of that more; 0: never.
  std::chrono::microseconds udp_coalesce{100};

  /// A stream that has not shown what it speaks, or not finished its TLS handshake, by then is closed.
  std::chrono::milliseconds handshake_timeout{10'000};
  /// A TURN stream without an allocation and without a message for this long is closed.
  std::chrono::seconds stream_idle_timeout{60};
  /// Bytes that wait for one slow stream client; past it the newest datagram is dropped and counted.
  std::uint32_t stream_send_queue_bytes = 262'144;
  /// Streams over all listeners; 0 is no limit.
  std::uint32_t max_streams = 50'000;
  /// Streams of one address (IPv6: /64), and among them those that have not shown yet what they speak.
  std::uint32_t max_streams_per_address = 4096;
  std::uint32_t max_half_open_per_address = 512;
  /// Load balancers whose streams begin with a PROXY protocol header (v1 or v2).
  std::vector<IpNetwork> proxy_protocol_from;
};

}  // namespace ts::net
