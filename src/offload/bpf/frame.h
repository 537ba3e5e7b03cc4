// SPDX-License-Identifier: Apache-2.0
// What the programs do to a packet, by either hook: tc's (struct __sk_buff) and XDP's (struct xdp_md). All
// else is one code for both. A frame is never given to a helper and `xdp` is a constant where this is
// inlined, so that no program has the other hook's helpers in it. Bytes are copied, never pointed to: see
// relay.bpf.c.
#pragma once

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "relay.h"

/// Filled by the server. By an interface's number: devices whose frames the XDP program looks at.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, TS_MAX_DEVICES);
  __type(key, __u32);
  __type(value, struct ts_device);
} xdp_devices SEC(".maps");

/// Those that XDP can send by.
struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, TS_MAX_DEVICES);
  __type(key, __u32);
  __type(value, __u32);
} xdp_out SEC(".maps");

/// The neighbours of these devices. XDP's own question for them (bpf_fib_lookup) is for GPL programs and for
/// hosts that forward.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, TS_MAX_HOPS);
  __type(key, struct ts_hop_key);
  __type(value, struct ts_hop);
} xdp_hops SEC(".maps");

struct frame {
  void* context;
  __u32 device;  // that it came in by
  int xdp;
};

/// What send() needs to know. For XDP it is found before anything is changed, since only then is there a way
/// back.
struct sending {
  struct ethhdr ethernet;
  int action;
};

static __always_inline int pass_up(const struct frame* f) { return f->xdp ? XDP_PASS : TC_ACT_UNSPEC; }
static __always_inline int drop(const struct frame* f) { return f->xdp ? XDP_DROP : TC_ACT_SHOT; }

/// XDP: of the first piece and all others; but without `xdp.frags` the kernel gives us none that has others.
static __always_inline __u32 length_of(const struct frame* f) {
  return f->xdp ? (__u32)bpf_xdp_get_buff_len(f->context) : ((struct __sk_buff*)f->context)->len;
}

/// `count` is a constant.
static __always_inline long load(const struct frame* f, __u32 at, void* to, __u32 count) {
  return f->xdp ? bpf_xdp_load_bytes(f->context, at, to, count)
                : bpf_skb_load_bytes(f->context, at, to, count);
}
static __always_inline long store(const struct frame* f, __u32 at, void* from, __u32 count) {
  return f->xdp ? bpf_xdp_store_bytes(f->context, at, from, count)
                : bpf_skb_store_bytes(f->context, at, from, count, BPF_F_RECOMPUTE_CSUM);
}

/// The device we came by has looked at the UDP checksum, or has at least summed the packet. XDP is not told.
static __always_inline int is_summed(const struct frame* f) {
  return !f->xdp &&
         (bpf_csum_level(f->context, BPF_CSUM_LEVEL_QUERY) >= 0 || bpf_csum_update(f->context, 0) >= 0);
}

#define ROOM_MADE 0
#define ROOM_NONE 1    /* and nothing has changed */
#define ROOM_BROKEN -1 /* of no use any more */

/// Cuts off what is behind `end` and makes the frame longer or shorter in front; `headers` bytes are to be in
/// one piece. What is then in front is to be written anew.
static __always_inline int make_room(const struct frame* f, __u32 headers, __u32 end, int grows_by) {
  if (f->xdp) {
    // A driver leaves 192 bytes in front as a rule, but need not.
    if (grows_by != 0 && bpf_xdp_adjust_head(f->context, -grows_by)) return ROOM_NONE;
    const int surplus = (int)length_of(f) - (int)end - grows_by;
    return surplus > 0 && bpf_xdp_adjust_tail(f->context, -surplus) ? ROOM_BROKEN : ROOM_MADE;
  }
  if (bpf_skb_pull_data(f->context, headers)) return ROOM_BROKEN;
  // Padding of ChannelData, and of short Ethernet frames.
  if (length_of(f) > end && bpf_skb_change_tail(f->context, end, 0)) return ROOM_BROKEN;
  return grows_by != 0 && bpf_skb_adjust_room(f->context, grows_by, BPF_ADJ_ROOM_NET, 0) ? ROOM_BROKEN
                                                                                         : ROOM_MADE;
}

static __always_inline int is_same_address(const __u8* one, const __u8* other) {
  return one[0] == other[0] && one[1] == other[1] && one[2] == other[2] && one[3] == other[3] &&
         one[4] == other[4] && one[5] == other[5];
}

/// What is found under a key may become another's while it is read.
static __always_inline int is_hop_of(const volatile struct ts_hop* hop, const struct ts_hop_key* key) {
  return hop->of.device == key->device && hop->of.family == key->family &&
         hop->of.address[0] == key->address[0] && hop->of.address[1] == key->address[1] &&
         hop->of.address[2] == key->address[2] && hop->of.address[3] == key->address[3];
}

/// False: it cannot be sent by this hook, and nothing has changed.
static __always_inline int prepare(const struct frame* f, const struct ts_leg* leg, __be16 protocol,
                                   struct sending* out) {
  if (!f->xdp) return 1;  // the kernel asks for the neighbour itself
  struct ts_hop_key key = {};
  key.device = leg->out_device;
  key.family = leg->hop_family;
  __builtin_memcpy(key.address, leg->hop, sizeof key.address);
  const struct ts_hop* hop = bpf_map_lookup_elem(&xdp_hops, &key);
  const struct ts_device* by = bpf_map_lookup_elem(&xdp_devices, &key.device);
  if (!hop || !by || !by->sends) return 0;
  __builtin_memcpy(out->ethernet.h_dest, (const void*)hop->target, ETH_ALEN);
  __builtin_memcpy(out->ethernet.h_source, by->address, ETH_ALEN);
  out->ethernet.h_proto = protocol;
  barrier();
  if (!is_hop_of(hop, &key)) return 0;
  out->action = key.device == f->device ? XDP_TX : (int)bpf_redirect_map(&xdp_out, key.device, XDP_PASS);
  return out->action != XDP_PASS;
}

/// The last thing that is done to it. `priority` is that of a socket's packet; XDP has no queues for it.
static __always_inline int send(const struct frame* f, const struct ts_leg* leg, __u32 priority,
                                struct sending* how) {
  if (f->xdp) return how->action;
  struct bpf_redir_neigh hop = {};
  hop.nh_family = leg->hop_family;
  __builtin_memcpy(hop.ipv6_nh, leg->hop, 16);
  ((struct __sk_buff*)f->context)->priority = priority;
  return (int)bpf_redirect_neigh(leg->out_device, &hop, sizeof hop, 0);
}
