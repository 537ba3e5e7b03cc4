// SPDX-License-Identifier: Apache-2.0
// The bare forwarder in the kernel, for tests/bench/run: at the ingress of a veth device, ChannelData to UDP
// and back, without a look at anything but ports and the channel number. IPv4 without options, no UDP
// checksums, one peer behind the device. Built with -DSERVER_PORT, -DRELAY_PORT (the first of FLOWS),
// -DPEER_PORT, -DPEER_ADDRESS (in the order of the network).
// bpf's headers want the types of linux's.
// clang-format off
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#define FLOWS 100
#define CHANNEL 0x4000

struct client {
  __be32 address;
  __be16 port;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FLOWS);
  __type(key, __u32);
  __type(value, struct client);
} clients SEC(".maps");

struct headers {
  struct ethhdr ethernet;
  struct iphdr ip;
  struct udphdr udp;
  __be16 channel, length;  // of ChannelData towards the server
} __attribute__((packed));

struct way {
  __be32 from, to;
  __be16 from_port, to_port;
  int grows_by;
  __u32 flow;
};

static __always_inline __u16 ip_checksum(const struct headers* h) {
  const __u16* words = (const void*)((const char*)h + sizeof(struct ethhdr));
  __u32 sum = 0;
  for (int i = 0; i < 10; ++i) sum += words[i];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

/// Where a packet goes; 0 when it is none of ours.
static __always_inline int find_way(struct headers* h, struct way* way) {
  const __u16 port = bpf_ntohs(h->udp.dest);
  way->from = h->ip.daddr;
  if (port == SERVER_PORT) {
    way->flow = bpf_ntohs(h->channel) - CHANNEL;
    struct client* client = bpf_map_lookup_elem(&clients, &way->flow);
    if (!client) return 0;
    client->address = h->ip.saddr;
    client->port = h->udp.source;
    way->to = PEER_ADDRESS;
    way->to_port = bpf_htons(PEER_PORT);
    way->from_port = bpf_htons(RELAY_PORT + way->flow);
    way->grows_by = -4;
    return 1;
  }
  way->flow = port - RELAY_PORT;
  struct client* client = bpf_map_lookup_elem(&clients, &way->flow);
  if (!client) return 0;
  way->to = client->address;
  way->to_port = client->port;
  way->from_port = bpf_htons(SERVER_PORT);
  way->grows_by = 4;
  return 1;
}

SEC("tc")
int forward(struct __sk_buff* skb) {
  if (bpf_skb_pull_data(skb, sizeof(struct headers))) return TC_ACT_OK;
  struct headers* h = (void*)(long)skb->data;
  if ((void*)(h + 1) > (void*)(long)skb->data_end) return TC_ACT_OK;
  if (h->ethernet.h_proto != bpf_htons(ETH_P_IP) || h->ip.ihl != 5 || h->ip.protocol != IPPROTO_UDP)
    return TC_ACT_OK;
  struct way way = {};
  if (!find_way(h, &way)) return TC_ACT_OK;
  const __u16 ip_bytes = bpf_ntohs(h->ip.tot_len) + way.grows_by,
              udp_bytes = bpf_ntohs(h->udp.len) + way.grows_by;

  // Room is made or taken between the IP and the UDP header, which is then written anew.
  if (bpf_skb_adjust_room(skb, way.grows_by, BPF_ADJ_ROOM_NET, 0)) return TC_ACT_SHOT;
  h = (void*)(long)skb->data;
  if ((void*)(h + 1) > (void*)(long)skb->data_end) return TC_ACT_SHOT;
  unsigned char mac[ETH_ALEN];
  __builtin_memcpy(mac, h->ethernet.h_dest, ETH_ALEN);
  __builtin_memcpy(h->ethernet.h_dest, h->ethernet.h_source, ETH_ALEN);
  __builtin_memcpy(h->ethernet.h_source, mac, ETH_ALEN);
  h->ip.saddr = way.from;
  h->ip.daddr = way.to;
  h->ip.tot_len = bpf_htons(ip_bytes);
  h->ip.check = 0;
  h->ip.check = ip_checksum(h);
  h->udp.source = way.from_port;
  h->udp.dest = way.to_port;
  h->udp.len = bpf_htons(udp_bytes);
  h->udp.check = 0;
  if (way.grows_by > 0) {
    h->channel = bpf_htons(CHANNEL + way.flow);
    h->length = bpf_htons(udp_bytes - sizeof(struct udphdr) - 4);
  }
  return bpf_redirect(skb->ifindex, 0);
}

char terms[] SEC("license") = "Apache-2.0";
