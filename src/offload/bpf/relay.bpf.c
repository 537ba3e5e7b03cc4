// SPDX-License-Identifier: Apache-2.0
// The kernel's part: on a device's way in, ChannelData of bound channels becomes the peers' UDP and back, as
// RFC 8656 §12.6, §12.7 and §14 say. Whatever is unusual goes on to the sockets, as though we were not here.
// Loads on Linux 5.15 and later.
#include "relay.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#define CHANNEL_HEADER 4
#define FRAGMENT_BITS 0xBFFF /* of the fragment field all but DF */

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 2 * TS_MAX_FLOWS);
  __type(key, struct ts_key);
  __type(value, struct ts_flow);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, TS_MAX_FLOWS);
  __type(key, __u32);
  __type(value, struct ts_counts);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct ts_settings);
} settings SEC(".maps");

/// One datagram on its way.
struct packet {
  struct ts_key key;
  __u32 ip_bytes;       // of the IP header
  __u32 payload_bytes;  // of UDP
  __be16 udp_length;
  __u16 checksum;
  __u16 cd_length;  // of ChannelData's header, as on the wire
  __u8 traffic_class;
  __u8 hops;
};

static __always_inline __u32 fold(__u32 sum) {
  sum = (sum & 0xFFFF) + (sum >> 16);
  return (sum & 0xFFFF) + (sum >> 16);
}

static __always_inline __u32 sum_words(const void* at, int words) {
  const __u16* word = at;
  __u32 sum = 0;
#pragma unroll
  for (int i = 0; i < words; i++) sum += word[i];
  return sum;
}

/// A checksum that a device was to fill in holds the sum of the pseudo header alone (packets of this host's
/// own namespaces and guests): nothing that could be updated. One whole checksum in 65,536 looks alike, but
/// for those that the device we came by has looked at.
static __always_inline int is_unfinished(struct __sk_buff* skb, const struct packet* p, int address_words) {
  const __u32 sum = sum_words(p->key.remote, address_words) + sum_words(p->key.local, address_words) +
                    bpf_htons(IPPROTO_UDP) + p->udp_length;
  return fold(sum) == p->checksum && bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) < 0 &&
         bpf_csum_update(skb, 0) < 0;
}

/// ChannelData's channel, and how much padding follows its data; a negative number: it is none.
static __always_inline int read_channel(struct packet* p, const __be16* header) {
  const __u16 channel = bpf_ntohs(header[0]);
  if (channel < 0x4000 || channel > 0x7FFF) return -1;
  const int padding = (int)p->payload_bytes - CHANNEL_HEADER - bpf_ntohs(header[1]);
  if (padding < 0 || padding > 3) return -1;
  p->key.channel = header[0];
  p->cd_length = header[1];
  return padding;
}

/// The sum of `count` bytes that end the datagram.
static __always_inline int sum_tail(struct __sk_buff* skb, __u32 at, int count, int odd, __u32* sum) {
  __u16 words[2] = {0, 0};
  __u8* bytes = (__u8*)words;
  long failed;
  if (odd) {
    failed = count == 1   ? bpf_skb_load_bytes(skb, at, bytes + 1, 1)
             : count == 2 ? bpf_skb_load_bytes(skb, at, bytes + 1, 2)
                          : bpf_skb_load_bytes(skb, at, bytes + 1, 3);
  } else {
    failed = count == 1   ? bpf_skb_load_bytes(skb, at, bytes, 1)
             : count == 2 ? bpf_skb_load_bytes(skb, at, bytes, 2)
                          : bpf_skb_load_bytes(skb, at, bytes, 3);
  }
  *sum = (__u32)words[0] + words[1];
  return failed != 0;
}

static __always_inline void write_v4(struct iphdr* ip, __u8 traffic_class, __u8 hops,
                                     const struct ts_flow* flow, __u32 bytes) {
  ip->version = 4;
  ip->ihl = 5;
  ip->tos = traffic_class;
  ip->tot_len = bpf_htons((__u16)bytes);
  // §14, alternate behaviour, as the sockets do: DF is not set, so that the packet needs a name of its own.
  ip->id = (__be16)bpf_get_prandom_u32();
  ip->frag_off = 0;
  ip->ttl = hops;
  ip->protocol = IPPROTO_UDP;
  ip->check = 0;
  __builtin_memcpy(&ip->saddr, flow->source, 4);
  __builtin_memcpy(&ip->daddr, flow->target, 4);
  ip->check = (__u16)~fold(sum_words(ip, 10));
}

static __always_inline void write_v6(struct ipv6hdr* ip, __u8 traffic_class, __u8 hops,
                                     const struct ts_flow* flow, __u32 bytes) {
  ip->version = 6;
  ip->priority = traffic_class >> 4;
  ip->flow_lbl[0] = (__u8)(traffic_class << 4);
  ip->flow_lbl[1] = 0;
  ip->flow_lbl[2] = 0;
  ip->payload_len = bpf_htons((__u16)(bytes - sizeof *ip));
  ip->nexthdr = IPPROTO_UDP;
  ip->hop_limit = hops;
  __builtin_memcpy(&ip->saddr, flow->source, 16);
  __builtin_memcpy(&ip->daddr, flow->target, 16);
}

/// Everything from the IP header on to the payload.
struct headers_v4 {
  struct iphdr ip;
  struct udphdr udp;
  __be16 channel[2];
};
struct headers_v6 {
  struct ipv6hdr ip;
  struct udphdr udp;
  __be16 channel[2];
};

static __always_inline void write_udp(struct udphdr* udp, const struct ts_flow* flow, __be16 length,
                                      __u32 sum) {
  udp->source = flow->source_port;
  udp->dest = flow->target_port;
  udp->len = length;
  udp->check = (__u16)~fold(sum);
  if (udp->check == 0) udp->check = 0xFFFF;
}

static __always_inline int send(const struct ts_flow* flow) {
  struct bpf_redir_neigh hop = {};
  hop.nh_family = flow->hop_family;
  __builtin_memcpy(hop.ipv6_nh, flow->hop, 16);
  return (int)bpf_redirect_neigh(flow->out_device, &hop, sizeof hop, 0);
}

/// Moves the datagram on. From the first change on there is no way back. `first` is the flow that it came in
/// by, `last` the one that it leaves by: the same, unless two clients of ours talk to each other.
static __always_inline int relay(struct __sk_buff* skb, const struct packet* p, const struct ts_flow* first,
                                 const struct ts_flow* last, int padding, int v6) {
  const int from_client = p->key.channel != 0;
  const int to_client = last->channel != 0;
  const __u32 data = from_client ? p->payload_bytes - CHANNEL_HEADER - padding : p->payload_bytes;
  const __u32 udp = sizeof(struct udphdr) + data + (to_client ? CHANNEL_HEADER : 0);
  const __u32 bytes = p->ip_bytes + udp;
  if (bytes > last->most_bytes) return TC_ACT_UNSPEC;
  struct ts_counts* in = bpf_map_lookup_elem(&counts, &first->slot);
  struct ts_counts* out = bpf_map_lookup_elem(&counts, &last->slot);
  if (!in || !out) return TC_ACT_UNSPEC;
  const __u8 relays = first == last ? 1 : 2;
  if (p->hops <= relays) {
    __sync_fetch_and_add(&in->dropped, 1);
    return TC_ACT_SHOT;
  }

  // The length counts twice: in the header and in the pseudo header.
  const __be16 length = bpf_htons((__u16)udp);
  const __be16 cd_length = bpf_htons((__u16)data);
  __u32 sum = (__u16)~p->checksum + first->sum + 2 * (__u32)length + 2 * (__u32)(__u16)~p->udp_length;
  if (first != last) sum += last->sum;
  if (to_client) sum += cd_length;
  if (from_client) sum += (__u16)~cd_length;
  const __u32 end = ETH_HLEN + p->ip_bytes + sizeof(struct udphdr) + p->payload_bytes - padding;
  if (padding > 0) {
    __u32 tail;
    if (sum_tail(skb, end, padding, data & 1, &tail)) return TC_ACT_UNSPEC;
    sum += (__u16)~fold(tail);
  }
  // Padding of ChannelData, and of short Ethernet frames.
  if (skb->len > end && bpf_skb_change_tail(skb, end, 0)) return TC_ACT_SHOT;
  if (to_client != from_client &&
      bpf_skb_adjust_room(skb, to_client ? CHANNEL_HEADER : -CHANNEL_HEADER, BPF_ADJ_ROOM_NET, 0))
    return TC_ACT_SHOT;

  const __u8 hops = p->hops - relays;
  const __be16 channel[2] = {last->channel, cd_length};
  long failed;
  if (v6) {
    struct headers_v6 h;
    write_v6(&h.ip, p->traffic_class, hops, last, bytes);
    write_udp(&h.udp, last, length, sum);
    __builtin_memcpy(h.channel, channel, sizeof channel);
    failed = to_client
                 ? bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof h, BPF_F_RECOMPUTE_CSUM)
                 : bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof h - CHANNEL_HEADER, BPF_F_RECOMPUTE_CSUM);
  } else {
    struct headers_v4 h;
    write_v4(&h.ip, p->traffic_class, hops, last, bytes);
    write_udp(&h.udp, last, length, sum);
    __builtin_memcpy(h.channel, channel, sizeof channel);
    failed = to_client
                 ? bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof h, BPF_F_RECOMPUTE_CSUM)
                 : bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof h - CHANNEL_HEADER, BPF_F_RECOMPUTE_CSUM);
  }
  if (failed) return TC_ACT_SHOT;
  if (from_client) {
    __sync_fetch_and_add(&in->to_peer.packets, 1);
    __sync_fetch_and_add(&in->to_peer.bytes, data);
  }
  if (to_client) {
    __sync_fetch_and_add(&out->to_client.packets, 1);
    __sync_fetch_and_add(&out->to_client.bytes, data);
  }
  return send(last);
}

/// The flow of a datagram that comes in by `device`, may it be relayed now.
static __always_inline const struct ts_flow* find(const struct ts_key* key, __u32 device) {
  const struct ts_flow* flow = bpf_map_lookup_elem(&flows, key);
  if (!flow || flow->in_device != device) return 0;
  const __u32 first = 0;
  const struct ts_settings* set = bpf_map_lookup_elem(&settings, &first);
  if (!set || flow->epoch != set->epoch) return 0;
  const __u64 now = bpf_ktime_get_ns();
  return now < flow->until && now < set->alive_until ? flow : 0;
}

/// What a peer on this host makes of it, if that is a relay socket of another client's flow.
static __always_inline const struct ts_flow* onward(const struct ts_flow* flow, __u16 family) {
  struct ts_key key = {};
  __builtin_memcpy(key.remote, flow->source, 16);
  __builtin_memcpy(key.local, flow->target, 16);
  key.remote_port = flow->source_port;
  key.local_port = flow->target_port;
  key.family = family;
  const struct ts_flow* next = find(&key, TS_THIS_HOST);
  return next && next->out_device != TS_THIS_HOST ? next : 0;
}

/// `channel`: the first four bytes of the payload; null: it has fewer.
static __always_inline int judge(struct __sk_buff* skb, struct packet* p, const __be16* channel, int v6) {
  if (p->checksum == 0 || is_unfinished(skb, p, v6 ? 8 : 2)) return TC_ACT_UNSPEC;
  const struct ts_flow* flow = 0;
  int padding = channel ? read_channel(p, channel) : -1;
  if (padding >= 0) flow = find(&p->key, skb->ifindex);
  if (!flow) {
    padding = 0;
    p->key.channel = 0;
    flow = find(&p->key, skb->ifindex);
  }
  if (!flow) return TC_ACT_UNSPEC;
  const struct ts_flow* last = flow->out_device == TS_THIS_HOST ? onward(flow, p->key.family) : flow;
  return last ? relay(skb, p, flow, last, padding, v6) : TC_ACT_UNSPEC;
}

/// The headers in one piece, as far as there are so many bytes.
static __always_inline int gather(struct __sk_buff* skb, __u32 bytes) {
  const __u32 want = skb->len < bytes ? skb->len : bytes;
  if ((__u64)skb->data + want <= (__u64)skb->data_end) return 0;
  return bpf_skb_pull_data(skb, want) != 0;
}

static __always_inline int relay_v4(struct __sk_buff* skb) {
  if (gather(skb, ETH_HLEN + sizeof(struct headers_v4))) return TC_ACT_UNSPEC;
  const void* end = (const void*)(long)skb->data_end;
  const struct iphdr* ip = (const void*)(long)skb->data + ETH_HLEN;
  const struct udphdr* udp = (const void*)(ip + 1);
  const __be16* channel = (const void*)(udp + 1);
  if ((const void*)channel > end) return TC_ACT_UNSPEC;
  if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
      (ip->frag_off & bpf_htons(FRAGMENT_BITS)) != 0 || fold(sum_words(ip, 10)) != 0xFFFF)
    return TC_ACT_UNSPEC;
  const __u32 udp_bytes = bpf_ntohs(udp->len);
  if (udp_bytes < sizeof *udp || bpf_ntohs(ip->tot_len) != sizeof *ip + udp_bytes ||
      skb->len < ETH_HLEN + sizeof *ip + udp_bytes)
    return TC_ACT_UNSPEC;
  struct packet p = {};
  __builtin_memcpy(p.key.remote, &ip->saddr, 4);
  __builtin_memcpy(p.key.local, &ip->daddr, 4);
  p.key.remote_port = udp->source;
  p.key.local_port = udp->dest;
  p.key.family = 4;
  p.ip_bytes = sizeof *ip;
  p.payload_bytes = udp_bytes - sizeof *udp;
  p.udp_length = udp->len;
  p.checksum = udp->check;
  p.traffic_class = ip->tos;
  p.hops = ip->ttl;
  return judge(skb, &p, (const void*)(channel + 2) <= end ? channel : 0, 0);
}

static __always_inline int relay_v6(struct __sk_buff* skb) {
  if (gather(skb, ETH_HLEN + sizeof(struct headers_v6))) return TC_ACT_UNSPEC;
  const void* end = (const void*)(long)skb->data_end;
  const struct ipv6hdr* ip = (const void*)(long)skb->data + ETH_HLEN;
  const struct udphdr* udp = (const void*)(ip + 1);
  const __be16* channel = (const void*)(udp + 1);
  if ((const void*)channel > end) return TC_ACT_UNSPEC;
  if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP || ip->payload_len != udp->len) return TC_ACT_UNSPEC;
  const __u32 udp_bytes = bpf_ntohs(udp->len);
  if (udp_bytes < sizeof *udp || skb->len < ETH_HLEN + sizeof *ip + udp_bytes) return TC_ACT_UNSPEC;
  struct packet p = {};
  __builtin_memcpy(p.key.remote, &ip->saddr, 16);
  __builtin_memcpy(p.key.local, &ip->daddr, 16);
  p.key.remote_port = udp->source;
  p.key.local_port = udp->dest;
  p.key.family = 6;
  p.ip_bytes = sizeof *ip;
  p.payload_bytes = udp_bytes - sizeof *udp;
  p.udp_length = udp->len;
  p.checksum = udp->check;
  p.traffic_class = (__u8)(ip->priority << 4 | ip->flow_lbl[0] >> 4);
  p.hops = ip->hop_limit;
  return judge(skb, &p, (const void*)(channel + 2) <= end ? channel : 0, 1);
}

SEC("tc")
int turnstone_relay(struct __sk_buff* skb) {
  // Trains were put together from datagrams that each want a header of their own; and to a packet for another
  // host, which a promiscuous device shows us, we are not the one to answer.
  if (skb->vlan_present || skb->gso_size != 0 || skb->pkt_type != PACKET_HOST) return TC_ACT_UNSPEC;
  if (skb->protocol == bpf_htons(ETH_P_IP)) return relay_v4(skb);
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) return relay_v6(skb);
  return TC_ACT_UNSPEC;
}

// None of the helpers is for GPL programs alone.
char turnstone_license[] SEC("license") = "Apache-2.0";
