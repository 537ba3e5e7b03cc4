// SPDX-License-Identifier: Apache-2.0
// The section relay.
#include "rows.hpp"

namespace ts::config {
namespace {

void add_limits(std::vector<Key>& t) {
  t.push_back(one<CountCodec>(
      TS_AT(turn.max_allocations),
      {"relay.max_allocations", "", kLimit, "Allocations over the whole server; 0 is no limit but the ports.",
       "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(turn.max_allocations_per_user),
                              {"relay.max_allocations_per_user", "--user-quota", kLimit,
                               "Allocations of one username; 0 is no limit.", "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(turn.max_permissions_per_allocation),
                              {"relay.max_permissions_per_allocation",
                               "",
                               {0, 65'535},
                               "Permissions of one allocation; 0 is no limit.",
                               "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(turn.max_channels_per_allocation),
                              {"relay.max_channels_per_allocation",
                               "",
                               {0, 4096},
                               "Channels of one allocation; 0 is no limit but the channel numbers.",
                               "Write a number."}));
  t.push_back(
      one<BitRateCodec>(TS_AT(turn.max_bits_per_second_per_allocation),
                        {"relay.max_bit_rate_per_allocation", "", kBitRate,
                         "Relayed payload of one allocation, both directions together; datagrams that "
                         "exceed it are dropped, streams (relay.tcp) wait. 0 is no limit.",
                         "Write bits per second."}));
  t.push_back(one<CountCodec>(
      TS_AT(turn.max_packets_per_second_per_allocation),
      {"relay.max_packet_rate_per_allocation", "", kLimit,
       "Relayed datagrams of one allocation in a second, of streams 1,200 bytes each; 0 is no limit.",
       "Write a number."}));
  t.push_back(one<BitRateCodec>(
      TS_AT(turn.max_bits_per_second_per_user),
      {"relay.max_bit_rate_per_user", "", kBitRate,
       "Relayed payload of one user's allocations together; 0 is no limit.", "Write bits per second."}));
  t.push_back(
      one<BitRateCodec>(TS_AT(turn.max_bits_per_second),
                        {"relay.max_bit_rate", "", kBitRate,
                         "Relayed payload of the whole server; 0 is no limit.", "Write bits per second."}));
  t.push_back(one<CountCodec>(
      TS_AT(turn.max_new_peers_per_second),
      {"relay.max_new_peers_per_second", "", kLimit,
       "New peer addresses of one allocation in a second; 0 is no limit.", "Write a number."}));
  t.push_back(
      one<CountCodec>(TS_AT(turn.max_challenges_per_second_per_source),
                      {"relay.max_challenges_per_second", "", kLimit,
                       "Answers in a second to requests without credentials, for each IPv4 address or "
                       "IPv6 /64 but loopback; 0 is no limit.",
                       "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(turn.max_bindings_per_second_per_source),
                              {"relay.max_bindings_per_second", "", kLimit,
                               "STUN Binding answers in a second for each IPv4 address or IPv6 /64 but "
                               "loopback; 0 is no limit.",
                               "Write a number."}));
  t.push_back(one<UdpEngineCodec>(TS_AT(net.udp_engine),
                                  {"relay.engine", "", kAny,
                                   "What moves UDP datagrams: io_uring, which costs less with many clients, "
                                   "or epoll. auto: io_uring where the kernel allows it (Linux 6.1; many "
                                   "containers forbid it).",
                                   "Write auto, epoll or io_uring."}));
  t.push_back(one<MicrosecondsCodec>(
      TS_AT(net.udp_coalesce), {"relay.coalesce",
                                "",
                                {0, 10'000},
                                "How long datagrams, and what comes over TCP and TLS, may gather before "
                                "they are relayed, at rates at which that saves wake-ups; 0us: never. The "
                                "kernel may add half of it to a sleep.",
                                "Write a time up to 10ms, such as 100us."}));
  t.push_back(one<OffloadCodec>(
      TS_AT(offload.mode),
      {"relay.offload", "--offload", kAny,
       "Relay bound channels in the kernel (docs/offload.md). tc: on each device's way in. xdp: in the "
       "devices' drivers, and tc on those without. auto: tc, or the sockets.",
       "Write off, auto, tc or xdp."}));
  t.push_back(many<TextCodec>(TS_AT(offload.devices), {"relay.offload_devices",
                                                       "",
                                                       {1, 15},
                                                       "Devices for relay.offload; empty: all Ethernet ones.",
                                                       "Write names.",
                                                       "eth0"}));
  t.push_back(
      one<BoolCodec>(TS_AT(turn.tcp_relay),
                     {"relay.tcp", "", kAny, "Grant allocations that relay to peers over TCP (RFC 6062).",
                      "Write true or false."}));
  t.push_back(one<BoolCodec>(
      TS_AT(turn.mobility),
      {"relay.mobility", "--mobility", kAny, "Let clients move their allocation to a new address (RFC 8016).",
       "Write true or false."}));
  t.push_back(many<EndpointCodec>(
      TS_AT(turn.alternate_servers),
      {"relay.alternate_servers", "--alternate-server", kAny,
       "Servers that every Allocate is sent to with 300 (Try Alternate), at most one a family.",
       "Write the address and the port of another TURN server.", "\"192.0.2.9:3478\""}));
  t.push_back(one<DomainCodec>(
      TS_AT(turn.alternate_domain),
      {"relay.alternate_domain",
       "",
       {0, 255},
       "The name in the certificates of relay.alternate_servers, which clients on TLS and DTLS are told "
       "(ALTERNATE-DOMAIN); empty: the same as in this server's.",
       "Write a domain name.",
       "turn2.example.org"}));
  t.push_back(one<BoolCodec>(
      TS_AT(turn.rfc5766_channels),
      {"relay.rfc5766_channels", "", kAny,
       "Grant channels 0x5000-0x7FFF too, which RFC 8656 reserves and some RFC 5766 clients draw.",
       "Write true or false."}));
  t.push_back(one<TextCodec>(TS_AT(turn.software),
                             {"relay.software",
                              "",
                              {0, 127},
                              "SOFTWARE attribute in answers; empty: none, and nothing to learn from it.",
                              "Write a short text or \"\".",
                              "Turnstone"}));
}

}  // namespace

void add_relay(std::vector<Key>& t) {
  t.push_back(one<BoolCodec>(
      TS_AT(turn.enabled),
      {"relay.enabled", "", kAny, "Relay with TURN. False: STUN Binding only.", "Write true or false."}));
  t.push_back(many<RelayAddressCodec>(
      TS_AT(turn.relay_addresses),
      {"relay.addresses", "--relay-address", kAny,
       "Addresses that clients are relayed from, one a family: PUBLIC, or PUBLIC/LOCAL behind 1:1 NAT. "
       "Empty: a specific "
       "address of listen.bind, else the host's own.",
       "Write the public address of this host, and after a slash its local one if they differ.",
       "\"192.0.2.1/10.0.0.5\""}));
  t.push_back(many<AddressSourceCodec>(
      TS_AT(discover.sources),
      {"relay.discover", "--discover", kAny,
       "Who is asked at start for the address that the internet reaches this host by, instead of "
       "relay.addresses: node (the ExternalIP of Kubernetes' Node object), metadata (of AWS, Google Cloud, "
       "Azure, "
       "Hetzner, DigitalOcean, OpenStack), stun (relay.discover_stun); in this order, until one knows. "
       "Empty: "
       "nobody.",
       "Write some of node, metadata and stun."}));
  t.push_back(one<TextCodec>(TS_AT(discover.stun_server),
                             {"relay.discover_stun",
                              "",
                              {0, 512},
                              "The STUN server of relay.discover, which sees this host from outside. Empty: "
                              "none.",
                              "Write a stun: or stuns: URL, such as stun:stun.example.org:3478.",
                              "stun:stun.example.org:3478"}));
  t.push_back(
      one<MillisecondsCodec>(TS_AT(discover.timeout), {"relay.discover_timeout",
                                                       "",
                                                       {100, 8000},
                                                       "How long each source of relay.discover may take.",
                                                       "Write a time such as 5s."}));
  t.push_back(one<PortRangeCodec>(TS_AT(turn.ports),
                                  {"relay.ports", "--relay-ports", kAny,
                                   "UDP ports of relayed transport addresses; open them in the firewall.",
                                   "Write the lower port first."}));
  t.push_back(
      many<NetworkCodec>(TS_AT(turn.peers.allow), {"relay.allow_peers", "--allow-peer", kAny,
                                                   "Networks that may be peers although a built-in rule "
                                                   "denies them (private, loopback, link-local, ...).",
                                                   "Write networks in CIDR notation.", "\"10.1.0.0/16\""}));
  t.push_back(many<NetworkCodec>(TS_AT(turn.peers.deny),
                                 {"relay.deny_peers", "--deny-peer", kAny,
                                  "Networks that may not be peers; wins over relay.allow_peers.",
                                  "Write networks in CIDR notation.", "\"198.51.100.0/24\""}));
  t.push_back(
      one<BoolCodec>(TS_AT(turn.peers.allow_private),
                     {"relay.allow_private_peers", "", kAny,
                      "Allow peers on loopback and private networks (for development, or a closed network).",
                      "Write true or false."}));
  t.push_back(one<SecondsCodec>(TS_AT(turn.default_lifetime),
                                {"relay.default_lifetime",
                                 "",
                                 {kMinute, kDay},
                                 "Life of an allocation whose client asked for none (RFC 8656: 10 minutes).",
                                 "Write a duration with a unit."}));
  t.push_back(
      one<SecondsCodec>(TS_AT(turn.max_lifetime), {"relay.max_lifetime",
                                                   "",
                                                   {kMinute, kDay},
                                                   "The longest life of an allocation between two refreshes.",
                                                   "Write a duration with a unit."}));
  add_limits(t);
}

}  // namespace ts::config
