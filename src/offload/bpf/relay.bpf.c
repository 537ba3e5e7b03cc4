// SPDX-License-Identifier: Apache-2.0
// The kernel's part: on a device's way in, ChannelData of bound channels becomes the peers' UDP and back, as
// RFC 8656 §12.6, §12.7 and §14 say. Whatever is unusual goes on to the sockets, as though we were not here.
// Loads on Linux 5.15 and later with CAP_BPF and CAP_NET_ADMIN alone: packets are read by copies, since
// without CAP_PERFMON older kernels forbid sums of packet pointers and registers.
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_sched.h>
#include <linux/udp.h>

#include "frame.h"

#define CHANNEL_HEADER 4
#define DONT_FRAGMENT 0x4000
#define FRAGMENT_BITS 0xBFFF /* of the fragment field all but DF */
#define LEAST_MTU 576        /* a router that asks for less is not believed */
/* RFC 792; linux/icmp.h wants the C library's headers. */
#define ICMP_UNREACHABLE 3
#define ICMP_TOO_LARGE 4

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 2 * TS_MAX_FLOWS);
  __type(key, struct ts_key);
  __type(value, __u32);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 2 * TS_MAX_FLOWS);
  __type(key, __u32);
  __type(value, struct ts_leg);
} legs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, TS_MAX_FLOWS);
  __type(key, __u32);
  __type(value, struct ts_counts);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct ts_settings);
} settings SEC(".maps");

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

/// RFC 792 with RFC 1191 §4: a packet that was too large, as it was sent. Of what follows its IP header,
/// routers owe us eight bytes.
struct too_large_v4 {
  struct iphdr ip;
  __u8 type, code;
  __u16 checksum, unused;
  __be16 mtu;
  struct iphdr sent_ip;
  struct udphdr sent_udp;
};

/// One datagram on its way.
struct packet {
  struct ts_key key;
  __u32 ip_bytes;       // of the IP header
  __u32 payload_bytes;  // of UDP
  __be16 udp_length;
  __u16 checksum;
  __u16 cd_length;  // of ChannelData's header, as on the wire
  __be16 dont_fragment;
  __u8 traffic_class;
  __u8 hops;
};

/// What a key leads to: the leg of datagrams that come in with it, and the flow's other one.
struct found {
  struct ts_leg* leg;
  struct ts_leg* back;
  __u32 number;
};

static __always_inline __u32 fold(__u32 sum) {
  sum = (sum & 0xFFFF) + (sum >> 16);
  return (sum & 0xFFFF) + (sum >> 16);
}

/// Without loops: where a compiler leaves one, it adds a register to a pointer.
static __always_inline __u32 sum_4_bytes(const void* at) {
  const __u16* word = at;
  return (__u32)word[0] + word[1];
}

static __always_inline __u32 sum_address(const __u8* at, int v6) {
  const __u32 first = sum_4_bytes(at);
  return v6 ? first + sum_4_bytes(at + 4) + sum_4_bytes(at + 8) + sum_4_bytes(at + 12) : first;
}

static __always_inline __u32 sum_header_v4(const struct iphdr* ip) {
  const __u8* at = (const void*)ip;
  return sum_4_bytes(at) + sum_4_bytes(at + 4) + sum_4_bytes(at + 8) + sum_4_bytes(at + 12) +
         sum_4_bytes(at + 16);
}

typedef __u64 __attribute__((may_alias)) eight_bytes;

static __always_inline int is_same(const void* one, const void* other) {
  const eight_bytes *a = one, *b = other;
  return a[0] == b[0] && a[1] == b[1];
}

/// A map's element may become another flow's between the moment that it is found and that it is read.
static __always_inline int is_of(const struct found* at, const struct ts_key* key) {
  return at->back->channel == key->channel && at->back->family == key->family &&
         at->back->target_port == key->remote_port && at->back->source_port == key->local_port &&
         is_same(at->back->target, key->remote) && is_same(at->back->source, key->local);
}

/// The flow of a key, may it be relayed now.
static __always_inline int find(const struct ts_key* key, struct found* out) {
  const volatile __u32* number = bpf_map_lookup_elem(&flows, key);
  if (!number) return 0;
  out->number = *number;
  const __u32 other = out->number ^ 1;
  out->leg = bpf_map_lookup_elem(&legs, &out->number);
  out->back = bpf_map_lookup_elem(&legs, &other);
  if (!out->leg || !out->back || !is_of(out, key)) return 0;
  const __u32 first = 0;
  const struct ts_settings* set = bpf_map_lookup_elem(&settings, &first);
  if (!set || out->leg->epoch != set->epoch) return 0;
  // A few milliseconds late at most, and a tenth of the price of the exact one.
  const __u64 now = bpf_ktime_get_coarse_ns();
  return now < out->leg->until && now < set->alive_until;
}

/// The same for a datagram; its ChannelData header, where it may be one, leads to a flow or is payload.
static __always_inline int find_datagram(struct ts_key* key, __be16 channel, struct found* out) {
  const __u16 number = bpf_ntohs(channel);
  key->channel = channel;
  if (number >= 0x4000 && number <= 0x7FFF && find(key, out)) return 1;
  key->channel = 0;
  return find(key, out);
}

/// A checksum that a device was to fill in holds the sum of the pseudo header alone (packets of this host's
/// own namespaces and guests): nothing that could be updated. One whole checksum in 65,536 looks alike, but
/// for those that the device we came by has looked at.
static __always_inline int is_unfinished(const struct frame* f, const struct packet* p, int v6) {
  const __u32 sum =
      sum_address(p->key.remote, v6) + sum_address(p->key.local, v6) + bpf_htons(IPPROTO_UDP) + p->udp_length;
  return fold(sum) == p->checksum && !is_summed(f);
}

/// The sum of `count` bytes that end the datagram.
static __always_inline int sum_tail(const struct frame* f, __u32 at, int count, int odd, __u32* sum) {
  __u16 words[2] = {0, 0};
  __u8* bytes = (__u8*)words;
  long failed;
  if (odd) {
    failed = count == 1   ? load(f, at, bytes + 1, 1)
             : count == 2 ? load(f, at, bytes + 1, 2)
                          : load(f, at, bytes + 1, 3);
  } else {
    failed = count == 1 ? load(f, at, bytes, 1) : count == 2 ? load(f, at, bytes, 2) : load(f, at, bytes, 3);
  }
  *sum = (__u32)words[0] + words[1];
  return failed != 0;
}

static __always_inline void write_v4(struct iphdr* ip, const struct packet* p, __u8 hops,
                                     const struct ts_leg* leg, __u32 bytes) {
  ip->version = 4;
  ip->ihl = 5;
  ip->tos = p->traffic_class;
  ip->tot_len = bpf_htons((__u16)bytes);
  // §14. Towards a peer the preferred behaviour: DF as it came. Towards a client the alternate one, never:
  // what a router quotes of a packet that was too large need not reach as far as the channel, and we could
  // not tell whose it was. Without DF the packet needs a name of its own.
  ip->id = (__be16)bpf_get_prandom_u32();
  ip->frag_off = leg->channel ? 0 : p->dont_fragment;
  ip->ttl = hops;
  ip->protocol = IPPROTO_UDP;
  ip->check = 0;
  __builtin_memcpy(&ip->saddr, leg->source, 4);
  __builtin_memcpy(&ip->daddr, leg->target, 4);
  ip->check = (__u16)~fold(sum_header_v4(ip));
}

static __always_inline void write_v6(struct ipv6hdr* ip, const struct packet* p, __u8 hops,
                                     const struct ts_leg* leg, __u32 bytes) {
  ip->version = 6;
  ip->priority = p->traffic_class >> 4;
  ip->flow_lbl[0] = (__u8)(p->traffic_class << 4);
  ip->flow_lbl[1] = 0;
  ip->flow_lbl[2] = 0;
  ip->payload_len = bpf_htons((__u16)(bytes - sizeof *ip));
  ip->nexthdr = IPPROTO_UDP;
  ip->hop_limit = hops;
  __builtin_memcpy(&ip->saddr, leg->source, 16);
  __builtin_memcpy(&ip->daddr, leg->target, 16);
}

static __always_inline void write_udp(struct udphdr* udp, const struct ts_leg* leg, __be16 length,
                                      __u32 sum) {
  udp->source = leg->source_port;
  udp->dest = leg->target_port;
  udp->len = length;
  udp->check = (__u16)~fold(sum);
  if (udp->check == 0) udp->check = 0xFFFF;
}

/// What the kernel puts into the priority of a packet that a socket sends with this TOS: queueing disciplines
/// go by it (ip_tos2prio).
static __always_inline __u32 priority_of(__u8 tos) {
  const __u32 kind = (tos >> 3) & 3;
  return kind == 0   ? 0
         : kind == 1 ? TC_PRIO_BULK
         : kind == 2 ? TC_PRIO_INTERACTIVE
                     : TC_PRIO_INTERACTIVE_BULK;
}

static __always_inline long write_headers(const struct frame* f, const struct packet* p,
                                          const struct ts_leg* leg, __u8 hops, __u32 data, __u32 sum,
                                          int v6) {
  const __u32 udp = sizeof(struct udphdr) + data + (leg->channel ? CHANNEL_HEADER : 0);
  const __be16 length = bpf_htons((__u16)udp);
  const __be16 channel[2] = {leg->channel, bpf_htons((__u16)data)};
  if (v6) {
    struct headers_v6 h;
    write_v6(&h.ip, p, hops, leg, p->ip_bytes + udp);
    write_udp(&h.udp, leg, length, sum);
    __builtin_memcpy(h.channel, channel, sizeof channel);
    return leg->channel ? store(f, ETH_HLEN, &h, sizeof h)
                        : store(f, ETH_HLEN, &h, sizeof h - CHANNEL_HEADER);
  }
  struct headers_v4 h;
  write_v4(&h.ip, p, hops, leg, p->ip_bytes + udp);
  write_udp(&h.udp, leg, length, sum);
  __builtin_memcpy(h.channel, channel, sizeof channel);
  return leg->channel ? store(f, ETH_HLEN, &h, sizeof h) : store(f, ETH_HLEN, &h, sizeof h - CHANNEL_HEADER);
}

/// Moves the datagram on. From the first change on there is no way back. `first` is what it came in by,
/// `last` what it leaves by: the same, unless two clients of ours talk to each other.
static __always_inline int relay(const struct frame* f, const struct packet* p, const struct found* first,
                                 const struct found* last, int padding, int v6) {
  const int from_client = p->key.channel != 0;
  const int to_client = last->leg->channel != 0;
  const __u32 data = from_client ? p->payload_bytes - CHANNEL_HEADER - padding : p->payload_bytes;
  const __u32 udp = sizeof(struct udphdr) + data + (to_client ? CHANNEL_HEADER : 0);
  if (p->ip_bytes + udp > last->leg->most_bytes) return pass_up(f);
  const __u32 slots[2] = {first->number >> 1, last->number >> 1};
  struct ts_counts* in = bpf_map_lookup_elem(&counts, &slots[0]);
  struct ts_counts* out = bpf_map_lookup_elem(&counts, &slots[1]);
  if (!in || !out) return pass_up(f);
  const __u8 relays = first->number == last->number ? 1 : 2;
  if (p->hops <= relays) {
    __sync_fetch_and_add(&in->dropped, 1);
    return drop(f);
  }

  // The length counts twice: in the header and in the pseudo header.
  const __be16 cd_length = bpf_htons((__u16)data);
  __u32 sum = (__u16)~p->checksum + first->leg->sum + 2 * (__u32)bpf_htons((__u16)udp) +
              2 * (__u32)(__u16)~p->udp_length;
  if (relays == 2) sum += last->leg->sum;
  if (to_client) sum += cd_length;
  if (from_client) sum += (__u16)~cd_length;
  struct sending how = {};
  if (!prepare(f, last->leg, v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP), &how)) return pass_up(f);
  const __u32 end = ETH_HLEN + p->ip_bytes + sizeof(struct udphdr) + p->payload_bytes - padding;
  if (padding > 0) {
    __u32 tail;
    if (sum_tail(f, end, padding, data & 1, &tail)) return pass_up(f);
    sum += (__u16)~fold(tail);
  }
  const int grows_by = to_client == from_client ? 0 : to_client ? CHANNEL_HEADER : -CHANNEL_HEADER;
  const int room = make_room(f, ETH_HLEN + p->ip_bytes + sizeof(struct udphdr), end, grows_by);
  if (room == ROOM_NONE) return pass_up(f);
  if (room == ROOM_BROKEN || (f->xdp && store(f, 0, &how.ethernet, sizeof how.ethernet)) ||
      write_headers(f, p, last->leg, p->hops - relays, data, sum, v6)) {
    __sync_fetch_and_add(&in->failed, 1);
    return drop(f);
  }
  if (from_client) {
    __sync_fetch_and_add(&in->to_peer.packets, 1);
    __sync_fetch_and_add(&in->to_peer.bytes, data);
  }
  if (to_client) {
    __sync_fetch_and_add(&out->to_client.packets, 1);
    __sync_fetch_and_add(&out->to_client.bytes, data);
  }
  return send(f, last->leg, v6 ? 0 : priority_of(p->traffic_class), &how);
}

static __always_inline int is_proven(const struct ts_leg* leg, const struct packet* p) {
  return (leg->proven & TS_PROVEN_OF(p->traffic_class)) != 0;
}

/// To the sockets, and what they make of it is looked for. One at a time: while another is awaited, this one
/// is none of our proof.
static __always_inline int prove(const struct frame* f, struct ts_leg* leg, const struct packet* p) {
  if (leg->came == TS_NONE_CAME) leg->came = TS_CAME_WITH(p->traffic_class);
  return pass_up(f);
}

/// What a peer on this host makes of it, if that is a relay socket of another client's flow.
static __always_inline int find_onward(const struct ts_leg* leg, struct found* out) {
  struct ts_key key = {};
  __builtin_memcpy(key.remote, leg->source, 16);
  __builtin_memcpy(key.local, leg->target, 16);
  key.remote_port = leg->source_port;
  key.local_port = leg->target_port;
  key.family = leg->family;
  return find(&key, out) && out->leg->in_device == TS_THIS_HOST && out->leg->out_device != TS_THIS_HOST;
}

/// How much padding follows the data of a ChannelData; a negative number: it is none.
static __always_inline int padding_of(const struct packet* p) {
  const int padding = (int)p->payload_bytes - CHANNEL_HEADER - bpf_ntohs(p->cd_length);
  return padding > 3 ? -1 : padding;
}

/// `channel`: the first two bytes of the payload.
static __always_inline int judge(const struct frame* f, struct packet* p, __be16 channel, int v6) {
  if (p->checksum == 0 || is_unfinished(f, p, v6)) return pass_up(f);
  struct found first;
  int padding = padding_of(p);
  if (!find_datagram(&p->key, padding >= 0 ? channel : 0, &first)) return pass_up(f);
  if (p->key.channel == 0) padding = 0;
  if (first.leg->in_device != f->device) return pass_up(f);
  if (!is_proven(first.leg, p)) return prove(f, first.leg, p);
  if (first.leg->out_device != TS_THIS_HOST) return relay(f, p, &first, &first, padding, v6);
  struct found last;
  if (!find_onward(first.leg, &last)) return pass_up(f);
  return is_proven(last.leg, p) ? relay(f, p, &first, &last, padding, v6) : prove(f, last.leg, p);
}

/// The headers, and of the payload as much of ChannelData's as there is.
static __always_inline int load_v4(const struct frame* f, struct headers_v4* h) {
  h->channel[0] = h->channel[1] = 0;
  if (load(f, ETH_HLEN, h, sizeof *h) && load(f, ETH_HLEN, h, sizeof *h - CHANNEL_HEADER)) return 0;
  return h->ip.version == 4 && h->ip.ihl == 5 && h->ip.protocol == IPPROTO_UDP &&
         (h->ip.frag_off & bpf_htons(FRAGMENT_BITS)) == 0;
}

static __always_inline int load_v6(const struct frame* f, struct headers_v6* h) {
  h->channel[0] = h->channel[1] = 0;
  if (load(f, ETH_HLEN, h, sizeof *h) && load(f, ETH_HLEN, h, sizeof *h - CHANNEL_HEADER)) return 0;
  return h->ip.version == 6 && h->ip.nexthdr == IPPROTO_UDP;
}

/// Of the datagrams that the other end sends.
static __always_inline void write_key_v4(struct ts_key* key, const struct iphdr* ip, const struct udphdr* udp,
                                         int sent) {
  __builtin_memcpy(key->remote, sent ? &ip->daddr : &ip->saddr, 4);
  __builtin_memcpy(key->local, sent ? &ip->saddr : &ip->daddr, 4);
  key->remote_port = sent ? udp->dest : udp->source;
  key->local_port = sent ? udp->source : udp->dest;
  key->family = 4;
}

static __always_inline void write_key_v6(struct ts_key* key, const struct ipv6hdr* ip,
                                         const struct udphdr* udp, int sent) {
  __builtin_memcpy(key->remote, sent ? &ip->daddr : &ip->saddr, 16);
  __builtin_memcpy(key->local, sent ? &ip->saddr : &ip->daddr, 16);
  key->remote_port = sent ? udp->dest : udp->source;
  key->local_port = sent ? udp->source : udp->dest;
  key->family = 6;
}

/// A router says that what we sent a peer was too large (RFC 1191): the sockets send the like from now on, in
/// fragments. They are told, too. What nobody's route says is harmless: it costs what the sockets cost.
static __always_inline int obey(const struct frame* f) {
  struct too_large_v4 h = {};
  if (load(f, ETH_HLEN, &h, sizeof h)) return pass_up(f);
  if (h.ip.version != 4 || h.ip.ihl != 5 || (h.ip.frag_off & bpf_htons(FRAGMENT_BITS)) != 0 ||
      h.type != ICMP_UNREACHABLE || h.code != ICMP_TOO_LARGE || h.sent_ip.ihl != 5 ||
      h.sent_ip.protocol != IPPROTO_UDP || (h.sent_ip.frag_off & bpf_htons(FRAGMENT_BITS)) != 0)
    return pass_up(f);
  struct ts_key key = {};
  struct found at;
  write_key_v4(&key, &h.sent_ip, &h.sent_udp, 1);
  if (!find(&key, &at)) return pass_up(f);
  const __u32 wanted = bpf_ntohs(h.mtu);
  const __u32 most = wanted < LEAST_MTU ? LEAST_MTU : wanted;
  if (at.back->most_bytes > most) at.back->most_bytes = most;
  return pass_up(f);
}

static __always_inline int relay_v4(const struct frame* f) {
  struct headers_v4 h;
  if (!load_v4(f, &h)) return h.ip.protocol == IPPROTO_ICMP ? obey(f) : pass_up(f);
  if (fold(sum_header_v4(&h.ip)) != 0xFFFF) return pass_up(f);
  const __u32 udp_bytes = bpf_ntohs(h.udp.len);
  if (udp_bytes < sizeof h.udp || bpf_ntohs(h.ip.tot_len) != sizeof h.ip + udp_bytes ||
      length_of(f) < ETH_HLEN + sizeof h.ip + udp_bytes)
    return pass_up(f);
  struct packet p = {};
  write_key_v4(&p.key, &h.ip, &h.udp, 0);
  p.ip_bytes = sizeof h.ip;
  p.payload_bytes = udp_bytes - sizeof h.udp;
  p.udp_length = h.udp.len;
  p.checksum = h.udp.check;
  p.cd_length = h.channel[1];
  p.dont_fragment = h.ip.frag_off & bpf_htons(DONT_FRAGMENT);
  p.traffic_class = h.ip.tos;
  p.hops = h.ip.ttl;
  return judge(f, &p, h.channel[0], 0);
}

static __always_inline __u8 class_of(const struct ipv6hdr* ip) {
  return (__u8)(ip->priority << 4 | ip->flow_lbl[0] >> 4);
}

static __always_inline int relay_v6(const struct frame* f) {
  struct headers_v6 h;
  if (!load_v6(f, &h) || h.ip.payload_len != h.udp.len) return pass_up(f);
  const __u32 udp_bytes = bpf_ntohs(h.udp.len);
  if (udp_bytes < sizeof h.udp || length_of(f) < ETH_HLEN + sizeof h.ip + udp_bytes) return pass_up(f);
  struct packet p = {};
  write_key_v6(&p.key, &h.ip, &h.udp, 0);
  p.ip_bytes = sizeof h.ip;
  p.payload_bytes = udp_bytes - sizeof h.udp;
  p.udp_length = h.udp.len;
  p.checksum = h.udp.check;
  p.cd_length = h.channel[1];
  p.traffic_class = class_of(&h.ip);
  p.hops = h.ip.hop_limit;
  return judge(f, &p, h.channel[0], 1);
}

/// On the way in.
SEC("tc")
int turnstone_relay(struct __sk_buff* skb) {
  // Trains were put together from datagrams that each want a header of their own; and to a packet for another
  // host, which a promiscuous device shows us, we are not the one to answer.
  if (skb->vlan_present || skb->gso_size != 0 || skb->pkt_type != PACKET_HOST) return TC_ACT_UNSPEC;
  const struct frame f = {skb, skb->ifindex, 0};
  if (skb->protocol == bpf_htons(ETH_P_IP)) return relay_v4(&f);
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) return relay_v6(&f);
  return TC_ACT_UNSPEC;
}

/// The same before the kernel has made anything of the frame, where the driver does this (the section's name
/// has no
/// `.frags`: no driver may give us a packet in several pieces). What this passes on, turnstone_relay meets
/// again, which sends by other devices too, and asks for neighbours that are not known.
SEC("xdp")
int turnstone_xdp(struct xdp_md* md) {
  // What somebody else has put in front is not to travel along.
  if ((void*)(long)md->data_meta < (void*)(long)md->data) return XDP_PASS;
  const __u32 number = md->ingress_ifindex;
  const struct frame f = {md, md->ingress_ifindex, 1};
  struct ethhdr ethernet;
  if (load(&f, 0, &ethernet, sizeof ethernet)) return XDP_PASS;
  const struct ts_device* device = bpf_map_lookup_elem(&xdp_devices, &number);
  if (!device || !is_same_address(ethernet.h_dest, device->address)) return XDP_PASS;
  // A VLAN tag is another protocol.
  if (ethernet.h_proto == bpf_htons(ETH_P_IP)) return relay_v4(&f);
  if (ethernet.h_proto == bpf_htons(ETH_P_IPV6)) return relay_v6(&f);
  return XDP_PASS;
}

/// Nobody has given it another place in the queues than a socket does.
static __always_inline int is_usual(__u32 priority, __u8 traffic_class) {
  return priority == 0 || priority == priority_of(traffic_class);
}

/// On the way out: what the sockets have made of a datagram that came, after all that this host does to it.
SEC("tc")
int turnstone_watch(struct __sk_buff* skb) {
  // What is forwarded, and what we have sent on ourselves, came in by a device. A mark is there for routes or
  // queueing disciplines to go by, and ours would have none.
  if (skb->ingress_ifindex != 0 || skb->vlan_present || skb->mark != 0) return TC_ACT_UNSPEC;
  const struct frame f = {skb, 0, 0};
  struct ts_key key = {};
  struct found at;
  __u8 traffic_class;
  if (skb->protocol == bpf_htons(ETH_P_IP)) {
    struct headers_v4 h;
    if (!load_v4(&f, &h)) return TC_ACT_UNSPEC;
    write_key_v4(&key, &h.ip, &h.udp, 1);
    traffic_class = h.ip.tos;
    if (!find_datagram(&key, h.channel[0], &at)) return TC_ACT_UNSPEC;
  } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
    struct headers_v6 h;
    if (!load_v6(&f, &h)) return TC_ACT_UNSPEC;
    write_key_v6(&key, &h.ip, &h.udp, 1);
    traffic_class = class_of(&h.ip);
    if (!find_datagram(&key, h.channel[0], &at)) return TC_ACT_UNSPEC;
  } else {
    return TC_ACT_UNSPEC;
  }
  struct ts_leg* leg = at.back;
  if (leg->came == TS_NONE_CAME || leg->out_device != skb->ifindex) return TC_ACT_UNSPEC;
  // The sum of two writers' changes may lack one, or have one that was just taken back: for seconds.
  if (leg->came == TS_CAME_WITH(traffic_class) && is_usual(skb->priority, traffic_class))
    leg->proven |= TS_PROVEN_OF(traffic_class);
  // Another's was lost or changed; the next to come is awaited.
  leg->came = TS_NONE_CAME;
  return TC_ACT_UNSPEC;
}

// None of the helpers is for GPL programs alone.
char turnstone_license[] SEC("license") = "Apache-2.0";
