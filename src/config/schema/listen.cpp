// SPDX-License-Identifier: Apache-2.0
// The section listen.
#include "rows.hpp"

namespace ts::config {
namespace {

/// Where clients come to.
void add_endpoints(std::vector<Key>& t) {
  t.push_back(many<AddressCodec>(
      TS_AT(net.bind),
      {"listen.bind", "--bind", kAny,
       "Addresses to listen on. Empty: all IPv4 addresses, and all IPv6 ones where the host has IPv6.",
       "Write one address an item, without a port.", "\"192.0.2.1\", \"2001:db8::1\""}));
  t.push_back(one<PortCodec>(TS_AT(net.port), {"listen.port", "--port", kAny,
                                               "STUN and TURN over UDP and TCP.", "Choose a free port."}));
  t.push_back(one<PortCodec>(TS_AT(net.tls_port),
                             {"listen.tls_port", "--tls-port", kAny,
                              "TURN over TLS, HTTPS and secure WebSocket. Used when there is a certificate.",
                              "Choose a free port."}));
  t.push_back(one<PortCodec>(TS_AT(net.dtls_port),
                             {"listen.dtls_port", "--dtls-port", kAny,
                              "TURN over DTLS (UDP). Used when there is a certificate. Left out: the number "
                              "of listen.tls_port.",
                              "Choose a free port."}));
  t.push_back(many<AddressCodec>(
      TS_AT(net.alt_addresses),
      {"listen.alt_addresses", "--alt-address", kAny,
       "NAT behaviour discovery (RFC 5780): second addresses of this host, one a family. Empty: off.",
       "Write an address of this host that is not in listen.bind.", "\"192.0.2.2\""}));
  t.push_back(
      one<PortCodec>(TS_AT(net.alt_port), {"listen.alt_port", "--alt-port", kAny,
                                           "NAT behaviour discovery (RFC 5780): the second port. Used with "
                                           "listen.alt_addresses.",
                                           "Choose a free port."}));
  t.push_back(one<PortCodec>(TS_AT(net.http_port),
                             {"listen.http_port", "--http-port", kAny,
                              "HTTP: signaling (WebSocket), health, metrics.", "Choose a free port."}));
  t.push_back(one<BoolCodec>(TS_AT(net.udp),
                             {"listen.udp", "", kAny, "STUN and TURN over UDP.", "Write true or false."}));
  t.push_back(one<BoolCodec>(TS_AT(net.tcp),
                             {"listen.tcp", "", kAny, "STUN and TURN over TCP.", "Write true or false."}));
}

/// Certificate, threads and buffers.
void add_means(std::vector<Key>& t) {
  t.push_back(one<PathCodec>(TS_AT(net.tls_cert_file),
                             {"listen.tls_cert_file",
                              "--tls-cert",
                              {0, 4096},
                              "Certificate chain (PEM). With listen.tls_key_file it turns TLS on.",
                              "Name a PEM file that the server's user may read.",
                              "/etc/turnstone/tls.crt"}));
  t.push_back(one<PathCodec>(TS_AT(net.tls_key_file), {"listen.tls_key_file",
                                                       "--tls-key",
                                                       {0, 4096},
                                                       "Private key of the certificate (PEM).",
                                                       "Name a PEM file that the server's user may read.",
                                                       "/etc/turnstone/tls.key"}));
  t.push_back(one<PathCodec>(TS_AT(net.tls_ticket_keys_file),
                             {"listen.tls_ticket_keys_file",
                              "",
                              {0, 4096},
                              "Keys that seal TLS 1.3 session tickets, one a line, the newest first: clients "
                              "resume after a restart and on other nodes. Empty: new ones at each start.",
                              "Name a file of one to four lines, each of: openssl rand -hex 32.",
                              "/etc/turnstone/tls-tickets"}));
  t.push_back(
      one<BoolCodec>(TS_AT(net.tls_self_signed),
                     {"listen.tls_self_signed", "", kAny,
                      "Make a self-signed certificate at start when no file is given (for development).",
                      "Write true or false."}));
  t.push_back(one<CountCodec>(TS_AT(net.threads), {"listen.threads",
                                                   "--threads",
                                                   {0, 255},
                                                   "Threads that relay; 0 is one for each core.",
                                                   "Write 0 for one thread a core."}));
  t.push_back(one<BoolCodec>(
      TS_AT(net.pin_threads),
      {"listen.pin_threads", "", kAny,
       "Keep each of these threads on one core, the next core for the next thread. Pays where the cores have "
       "nothing else to do.",
       "Write true or false."}));
  t.push_back(one<SizeCodec>(TS_AT(net.udp_listener_buffer_bytes),
                             {"listen.udp_listener_buffer",
                              "",
                              {4096, 1U << 30},
                              "Socket buffers of a UDP listener, each direction. The kernel caps them at "
                              "net.core.rmem_max and wmem_max unless the server has CAP_NET_ADMIN.",
                              "Write a size with a unit."}));
  t.push_back(one<SizeCodec>(TS_AT(net.udp_relay_buffer_bytes),
                             {"listen.udp_relay_buffer",
                              "",
                              {4096, 1U << 30},
                              "Socket buffers of a relay socket, each direction; with the same caps.",
                              "Write a size with a unit."}));
}

/// Limits of streams.
void add_streams(std::vector<Key>& t) {
  t.push_back(one<MillisecondsCodec>(
      TS_AT(net.handshake_timeout),
      {"listen.handshake_timeout",
       "",
       {100, 5 * kMinute},
       "A stream that has not shown what it speaks, or not finished its TLS handshake, by then is closed.",
       "Write a duration with a unit."}));
  t.push_back(
      one<SecondsCodec>(TS_AT(net.stream_idle_timeout),
                        {"listen.stream_idle_timeout",
                         "",
                         {kSecond, kDay},
                         "A TURN stream without an allocation and without a message for this long is closed.",
                         "Write a duration with a unit."}));
  t.push_back(one<SizeCodec>(
      TS_AT(net.stream_send_queue_bytes),
      {"listen.stream_send_queue",
       "",
       {4096, 64U << 20},
       "Bytes that wait for one slow stream client; past it new datagrams are dropped and counted.",
       "Write a size with a unit."}));
  t.push_back(
      one<CountCodec>(TS_AT(net.max_streams),
                      {"listen.max_streams", "", kLimit,
                       "Streams (TCP and TLS) over all listeners; 0 is no limit.", "Write a number."}));
  t.push_back(
      one<CountCodec>(TS_AT(net.max_streams_per_address),
                      {"listen.max_streams_per_address", "", kLimit,
                       "Streams of one IPv4 address or IPv6 /64; 0 is no limit.", "Write a number."}));
  t.push_back(one<CountCodec>(
      TS_AT(net.max_half_open_per_address),
      {"listen.max_half_open_per_address", "", kLimit,
       "Streams of one IPv4 address or IPv6 /64 that have not shown yet what they speak; 0 is no limit.",
       "Write a number."}));
  t.push_back(many<NetworkCodec>(
      TS_AT(net.proxy_protocol_from),
      {"listen.proxy_protocol_from", "", kAny,
       "Load balancers whose streams begin with a PROXY protocol header (v1 or v2), which tells the client's "
       "address.",
       "Write networks in CIDR notation.", "\"10.0.0.0/24\""}));
}

}  // namespace

void add_listen(std::vector<Key>& t) {
  add_endpoints(t);
  add_means(t);
  add_streams(t);
}

}  // namespace ts::config
