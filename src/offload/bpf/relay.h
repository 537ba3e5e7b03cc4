// SPDX-License-Identifier: Apache-2.0
// What the kernel program and the server have in common: the maps' keys and values. Plain C; addresses, ports
// and channels as they are on the wire, an IPv4 address in the first four bytes, the rest zero.
#pragma once

#include <linux/types.h>

/// Flows at most; more are relayed by the sockets. A flow has two legs, one a direction.
#define TS_MAX_FLOWS 65536

/// What the XDP program knows at most.
#define TS_MAX_DEVICES 256
#define TS_MAX_HOPS 16384

/// Instead of an interface: the peer is a socket of this host, of another client as a rule.
#define TS_THIS_HOST 0

/// What a datagram that comes in is looked up by; the map gives the number of a leg.
struct ts_key {
  __u8 remote[16];
  __u8 local[16];
  __be16 remote_port;
  __be16 local_port;
  /// Of a client's ChannelData; 0: what a peer sends to a relay socket.
  __be16 channel;
  /// 4 or 6.
  __u16 family;
} __attribute__((aligned(8)));

/// What has been seen of the sockets' packets. A leg is used for packets of a DSCP when one of these has come
/// in just as it is looked up, and what the sockets made of it has left just as we would send it: nothing on
/// this host translates, marks, encrypts or refuses it. Such a proof is good for some seconds, since not
/// everything that changes on a host is told.
#define TS_ALL_PROVEN (~0ull)
#define TS_PROVEN_OF(traffic_class) (1ull << ((traffic_class) >> 2))
#define TS_NONE_CAME 0
#define TS_CAME_WITH(traffic_class) (0x100u | (traffic_class))

/// A leg is one direction of a flow: number 2 * slot goes to the peer, 2 * slot + 1 to the client. What the
/// one is sent to, the other comes from.
struct ts_leg {
  /// By the kernel's CLOCK_MONOTONIC, in nanoseconds.
  __u64 until;
  /// A bit a DSCP: what the leg is used for. The program sets them, the server takes them back.
  __u64 proven;
  /// Of the host's routes and rules: a leg of an earlier epoch is not used.
  __u32 epoch;
  /// TS_NONE_CAME, or what has come in and is awaited to leave (TS_CAME_WITH). Program and server write it.
  __u32 came;
  __u8 source[16];
  __u8 target[16];
  /// The next one on the way.
  __u8 hop[16];
  __be16 source_port;
  __be16 target_port;
  /// Towards a client: put into the ChannelData header; 0: towards a peer, the header is taken off.
  __be16 channel;
  /// Added to the ones' complement sum under the checksum: the new addresses, ports and channel less the old
  /// ones.
  __u16 sum;
  /// Interfaces: where it must come in, where it goes out.
  __u32 in_device;
  __u32 out_device;
  /// The largest IP packet that goes out. The program lowers it when a router asks for that.
  __u32 most_bytes;
  /// AF_INET or AF_INET6.
  __u16 hop_family;
  /// As in ts_key.
  __u16 family;
};

struct ts_count {
  __u64 packets;
  /// Payload, without headers.
  __u64 bytes;
};

/// What a flow has relayed; one cache line a flow. Slots are used again and never set back.
struct ts_counts {
  struct ts_count to_peer;
  struct ts_count to_client;
  /// Datagrams whose TTL or hop limit was used up.
  __u64 dropped;
  /// Datagrams that the kernel had no memory or room for when they were changed.
  __u64 failed;
  __u64 unused[2];
};

struct ts_settings {
  /// The server renews it while it lives: nothing is relayed for one that has crashed. As ts_leg::until.
  __u64 alive_until;
  __u32 epoch;
  __u32 unused;
};

/// A device that the XDP program serves.
struct ts_device {
  /// Of Ethernet: what is for us, and where what we send comes from.
  __u8 address[6];
  /// Its driver sends what XDP gives it. Otherwise only tc does.
  __u8 sends;
  __u8 unused;
};

/// A next hop on a device; as hop and hop_family of ts_leg.
struct ts_hop_key {
  __u32 device;
  __u32 family;
  __u32 address[4];
};

/// Where it is.
struct ts_hop {
  /// The key again: the kernel uses an element for another one at any time.
  struct ts_hop_key of;
  __u8 target[6];
  __u8 unused[2];
};
