// SPDX-License-Identifier: Apache-2.0
// One packet through turn::Server without sockets: ChannelData to a peer, a peer's datagram to a client, and
// the same as Send and Data. Arguments: allocations, and channels of each (the packet's is the last one).
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "../../machine/harness.hpp"

namespace {

using namespace ts;
using namespace ts::turn;
using namespace ts::turn::testing;

constexpr std::size_t kPayloadBytes = 1200;
constexpr std::size_t kBatch = 32;

Options many_ports() {
  Options o = default_options();
  o.ports = {49152, 65535};
  return o;
}

Endpoint peer_of(std::size_t channel) {
  return Endpoint{
      IpAddress::v4(8, 8, static_cast<std::uint8_t>(channel / 200), static_cast<std::uint8_t>(channel % 200)),
      5000};
}

struct Loaded {
  explicit Loaded(const benchmark::State& state)
      : world(many_ports()), channels(static_cast<std::size_t>(state.range(1))) {
    world.keep_history = false;
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      clients.push_back(std::make_unique<Client>(world, "192.12.0.1:" + std::to_string(1024 + i)));
      clients.back()->allocate();
      for (std::size_t c = 0; c < channels; ++c) {
        clients.back()->bind(static_cast<std::uint16_t>(0x4000 + c), peer_of(c));
      }
      relays.push_back(clients.back()->relay());
    }
    world.to_clients.clear();
    buffer.resize(kHeadroomBytes + kPayloadBytes + kTailroomBytes);
  }
  MutableBytes datagram() { return MutableBytes(buffer).subspan(kHeadroomBytes, kPayloadBytes); }

  World world;
  std::size_t channels;
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<RelayId> relays;
  Bytes buffer;
  Outbox out;
};

template <class Step>
void run(benchmark::State& state, Loaded& load, Step&& step) {
  std::size_t next = 0;
  for (auto _ : state) {
    step(next);
    // A prime stride, so that neighbours in time are not neighbours in memory.
    next = (next + 617) % load.clients.size();
    if (load.out.to_peers.size() + load.out.to_clients.size() >= kBatch) load.out.clear();
  }
  const Counters& c = load.world.server.counters();
  if (c.to_peer[0].packets + c.to_client[0].packets == 0) state.SkipWithError("nothing was relayed");
  state.SetItemsProcessed(state.iterations());
}

void channel_data_to_peer(benchmark::State& state) {
  Loaded load(state);
  const Bytes message =
      Client::channel_data(static_cast<std::uint16_t>(0x4000 + load.channels - 1), Bytes(kPayloadBytes));
  run(state, load, [&](std::size_t i) {
    load.world.server.from_client(load.world.now, Inbound{load.clients[i]->tuple, 7, message}, load.out);
  });
}

void peer_to_channel_data(benchmark::State& state) {
  Loaded load(state);
  const Endpoint peer = peer_of(load.channels - 1);
  run(state, load, [&](std::size_t i) {
    load.world.server.from_peer(load.world.now, load.relays[i], peer, load.datagram(), load.out);
  });
}

void send_to_peer(benchmark::State& state) {
  Loaded load(state);
  const Bytes message =
      load.clients[0]->make_plain(stun::MessageClass::Indication, Method::Send, [&](auto& b) {
        b.add_xor_address(AttributeType::XorPeerAddress, peer_of(0))
            .add(AttributeType::Data, Bytes(kPayloadBytes));
      });
  run(state, load, [&](std::size_t i) {
    load.world.server.from_client(load.world.now, Inbound{load.clients[i]->tuple, 7, message}, load.out);
  });
}

void peer_to_data_indication(benchmark::State& state) {
  Loaded load(state);
  const Endpoint peer{peer_of(0).address, 6000};  // permitted, and not bound
  run(state, load, [&](std::size_t i) {
    load.world.server.from_peer(load.world.now, load.relays[i], peer, load.datagram(), load.out);
  });
}

void allocate_and_delete(benchmark::State& state) {
  World world(many_ports());
  world.keep_history = false;
  Client client(world);
  for (auto _ : state) {
    client.allocate();
    client.refresh(0);
    world.to_clients.clear();
  }
}

void sizes(benchmark::internal::Benchmark* b) {
  b->Args({1, 1})->Args({1000, 1})->Args({1000, 4})->Args({1, 256});
}

BENCHMARK(channel_data_to_peer)->Apply(sizes);
BENCHMARK(peer_to_channel_data)->Apply(sizes);
BENCHMARK(send_to_peer)->Apply(sizes);
BENCHMARK(peer_to_data_indication)->Apply(sizes);
BENCHMARK(allocate_and_delete);

}  // namespace
