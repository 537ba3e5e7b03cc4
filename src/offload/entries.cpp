// SPDX-License-Identifier: Apache-2.0
#include "entries.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include <sys/socket.h>

namespace ts::offload {
namespace {

/// The same bits on the wire.
std::uint16_t wire16(std::uint16_t value) noexcept {
  std::uint16_t out = 0;
  store_be16(reinterpret_cast<std::uint8_t*>(&out), value);
  return out;
}

void copy(const IpAddress& from, std::uint8_t (&to)[16]) noexcept {
  const ByteView bytes = from.bytes();
  std::copy(bytes.begin(), bytes.end(), to);
}

/// A ones' complement sum of words as they lie in memory, as the program has them.
class Sum {
 public:
  void add(std::uint16_t word) noexcept { sum_ += word; }
  void subtract(std::uint16_t word) noexcept { sum_ += static_cast<std::uint16_t>(~word); }
  void add(const Endpoint& endpoint) noexcept {
    each(endpoint, [this](std::uint16_t word) { add(word); });
  }
  void subtract(const Endpoint& endpoint) noexcept {
    each(endpoint, [this](std::uint16_t word) { subtract(word); });
  }
  std::uint16_t folded() const noexcept {
    std::uint32_t sum = sum_;
    while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
  }

 private:
  template <class F>
  static void each(const Endpoint& endpoint, F&& f) noexcept {
    const ByteView bytes = endpoint.address.bytes();
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
      std::uint16_t word = 0;
      std::memcpy(&word, bytes.data() + i, sizeof word);
      f(word);
    }
    f(wire16(endpoint.port));
  }

  std::uint32_t sum_ = 0;
};

/// One direction: from `remote` to `local`, and on from `source` to `target`.
struct Direction {
  const Endpoint& remote;
  const Endpoint& local;
  const Endpoint& source;
  const Endpoint& target;
  const Way& in;
  const Way& out;
};

Entry entry_of(const Direction& d, std::uint16_t taken_off, std::uint16_t put_on) noexcept {
  Entry out;
  std::memset(&out, 0, sizeof out);  // the kernel compares keys byte by byte
  copy(d.remote.address, out.key.remote);
  copy(d.local.address, out.key.local);
  out.key.remote_port = wire16(d.remote.port);
  out.key.local_port = wire16(d.local.port);
  out.key.channel = wire16(taken_off);
  out.key.family = d.local.address.is_v4() ? 4 : 6;
  ts_leg& leg = out.leg;
  copy(d.source.address, leg.source);
  copy(d.target.address, leg.target);
  leg.source_port = wire16(d.source.port);
  leg.target_port = wire16(d.target.port);
  leg.channel = wire16(put_on);
  Sum sum;
  sum.add(d.source);
  sum.add(d.target);
  sum.subtract(d.remote);
  sum.subtract(d.local);
  if (taken_off != 0) sum.subtract(wire16(taken_off));
  if (put_on != 0) sum.add(wire16(put_on));
  leg.sum = sum.folded();
  leg.in_device = d.in.device;
  leg.out_device = d.out.device;
  leg.most_bytes = d.out.most_bytes;
  leg.hop_family = d.out.hop.is_v4() ? AF_INET : AF_INET6;
  leg.family = out.key.family;
  copy(d.out.hop, leg.hop);
  return out;
}

}  // namespace

std::uint64_t kernel_time(TimePoint when) noexcept {
  return static_cast<std::uint64_t>(std::max<TimePoint::rep>(when.time_since_epoch().count(), 0));
}

Entries entries_of(const turn::Flow& flow, const Ways& ways, std::uint32_t epoch) noexcept {
  const Endpoint& client = flow.tuple.client;
  const Endpoint& server = flow.tuple.server;
  Entries out{
      entry_of({client, server, flow.relay, flow.peer, ways.to_client, ways.to_peer}, flow.channel, 0),
      entry_of({flow.peer, flow.relay, server, client, ways.to_peer, ways.to_client}, 0, flow.channel),
  };
  for (Entry* entry : {&out.to_peer, &out.to_client}) {
    entry->leg.until = kernel_time(flow.until);
    entry->leg.epoch = epoch;
  }
  // Between two clients of ours nothing leaves on this leg: the other one's is looked at instead, and what
  // comes in on this one is awaited there.
  if (ways.to_peer.device == TS_THIS_HOST) out.to_peer.leg.proven = TS_ALL_PROVEN;
  return out;
}

}  // namespace ts::offload
