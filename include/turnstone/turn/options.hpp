// SPDX-License-Identifier: Apache-2.0
// What an operator may set about the relay. A leaf: data only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>

namespace ts::turn {

/// One address that relayed transport addresses are made of; one a family.
struct RelayAddress {
  /// What clients are told (XOR-RELAYED-ADDRESS).
  IpAddress advertised;
  /// What relay sockets are bound to; differs from `advertised` behind 1:1 NAT.
  IpAddress local;
};

/// An inclusive range of ports.
struct PortRange {
  std::uint16_t low = 49152;
  std::uint16_t high = 65535;
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// Who may be a peer. `deny` wins over `allow`, `allow` over the built-in rules.
struct PeerPolicyOptions {
  std::vector<IpNetwork> allow;
  std::vector<IpNetwork> deny;
  /// Loopback and private networks are allowed (development).
  bool allow_private = false;
  /// The server's own addresses: denied as peers but for its relayed transport addresses.
  std::vector<IpAddress> own_addresses;
  /// Endpoints of ours that no peer policy may open (listeners, admin, Redis).
  std::vector<Endpoint> own_endpoints;
};

/// What a realm beside the default one may have.
struct RealmQuotas {
  /// Of one user; nothing: as in Options. 0 is no limit.
  std::optional<std::uint32_t> max_allocations_per_user;
  /// Of the realm; 0 is no limit but Options' own.
  std::uint32_t max_allocations = 0;
};

/// RFC 5780 §6: the two addresses and the two UDP ports of one family that NAT behaviour discovery uses. All
/// four endpoints are listened on.
struct DiscoveryPair {
  IpAddress primary;
  IpAddress alternate;
  std::uint16_t port = 0;
  std::uint16_t alternate_port = 0;
  /// Each address of ours but `alternate` counts as the primary one: the listeners are wildcards.
  bool any_primary = false;
};

struct Options {
  /// False: STUN Binding only; Allocate is answered with 403.
  bool enabled = true;
  std::vector<RelayAddress> relay_addresses;
  PortRange ports;
  PeerPolicyOptions peers;

  /// RFC 8656 §7.2: default and maximum life of an allocation.
  std::chrono::seconds default_lifetime{600};
  std::chrono::seconds max_lifetime{3600};
  /// RFC 8656 §9, §12: fixed by the standard; shorter only in tests.
  std::chrono::seconds permission_lifetime{300};
  std::chrono::seconds channel_lifetime{600};

  /// Limits; 0 is no limit. The first two hold over all shards.
  std::uint32_t max_allocations = 0;
  std::uint32_t max_allocations_per_user = 0;
  /// Of the realms beside the default one, by auth::RealmId minus one.
  std::vector<RealmQuotas> realms;
  std::uint32_t max_permissions_per_allocation = 256;
  std::uint32_t max_channels_per_allocation = 256;

  /// Token buckets on relayed payload, both directions together; what exceeds them is dropped and counted,
  /// never queued. 0 is no limit. The last two hold over all shards.
  std::uint64_t max_bits_per_second_per_allocation = 0;
  std::uint32_t max_packets_per_second_per_allocation = 0;
  std::uint64_t max_bits_per_second_per_user = 0;
  std::uint64_t max_bits_per_second = 0;
  /// New permissions of one allocation in the long run: a client that walks through addresses is scanning.
  std::uint32_t max_new_peers_per_second = 20;
  /// Answers to requests that carry no credentials, for each source (IPv4 address or IPv6 /64); loopback is
  /// exempt, since nobody can forge it from elsewhere. 0 is no limit.
  std::uint32_t max_challenges_per_second_per_source = 100;
  std::uint32_t max_bindings_per_second_per_source = 1000;

  /// TCP allocations (RFC 6062).
  bool tcp_relay = true;
  /// RFC 6062 §5.2, §5.3: how long a peer may take to answer, and a data connection to be bound; fixed by the
  /// standard, shorter only in tests.
  std::chrono::seconds connect_timeout{30};
  std::chrono::seconds connection_bind_timeout{30};
  /// Peer data connections of one allocation, those under way among them.
  std::uint32_t max_connections_per_allocation = 64;
  /// MOBILITY-TICKET (RFC 8016).
  bool mobility = false;
  /// NAT behaviour discovery, at most one a family; empty: off.
  std::vector<DiscoveryPair> discovery;
  /// Where Allocate is sent with 300 (Try Alternate), at most one a family; empty: we relay ourselves.
  std::vector<Endpoint> alternate_servers;
  /// ALTERNATE-DOMAIN of such a 300 over TLS or DTLS: the name in the other servers' certificates; empty: the
  /// same as in ours.
  std::string alternate_domain;
  /// The same while the server drains, at most one a family; empty: as above, or 508 (Insufficient Capacity).
  std::vector<Endpoint> drain_servers;

  /// Channels 0x5000-0x7FFF too, which RFC 5766 allowed and RFC 8656 §12 reserves: some old clients draw from
  /// them.
  bool rfc5766_channels = false;

  /// The shell wants to know of flows (Outbox::flows). Not set by the operator.
  bool tell_flows = false;

  /// SOFTWARE attribute in answers; empty: none (nothing to learn, smaller answers).
  std::string software;
};

}  // namespace ts::turn
