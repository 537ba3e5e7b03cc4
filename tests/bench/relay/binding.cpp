// SPDX-License-Identifier: Apache-2.0
// Binding requests: a few clients, each with many requests in flight, one after the other.
#include <algorithm>
#include <bitset>
#include <cstdio>
#include <cstring>

#include <turnstone/stun/attributes.hpp>

#include "batch.hpp"
#include "client.hpp"
#include "load.hpp"
#include "window.hpp"

namespace ts::load {

namespace {

constexpr std::uint64_t kStallNs = 250'000'000;

struct Answers {
  std::uint64_t received = 0, wrong = 0, lost = 0;
  Histogram latency;
};

/// Late: to a request that has been given up, and is counted as lost already.
enum class Kind : std::uint8_t { Right, Late, Wrong };

/// Requests of one client that are in flight; their transaction ids end with consecutive numbers.
struct Flight {
  std::array<std::array<std::uint8_t, 64>, kBatch> requests{};
  std::bitset<kBatch> answered;
  std::size_t count = 0;

  /// Right is the first success response to one of the requests with the address that the client has.
  Kind take(ByteView bytes, const Endpoint& client) {
    const auto view = stun::MessageView::parse(bytes);
    if (!view || view->method() != stun::Method::Binding ||
        view->message_class() != stun::MessageClass::SuccessResponse)
      return Kind::Wrong;
    const stun::TransactionId id = view->transaction_id();
    const std::uint32_t number = load_be32(id.data() + 8), first = load_be32(requests[0].data() + 16);
    if (number < first) return Kind::Late;
    const std::size_t index = number - first;
    if (index >= count || answered[index] ||
        std::memcmp(id.data(), requests[index].data() + 8, id.size()) != 0)
      return Kind::Wrong;
    answered.set(index);
    const auto value = view->find(stun::AttributeType::XorMappedAddress);
    const auto mapped = value ? stun::decode_xor_address(*value, id) : std::nullopt;
    return mapped && *mapped == client ? Kind::Right : Kind::Wrong;
  }
};

/// Sends `count` requests over the client's socket and waits for their answers.
void exchange(const Allocation& client, std::size_t count, Batch& out, Batch& in, Answers& answers) {
  static Flight flight;
  flight.answered.reset();
  for (std::size_t i = 0; i < count; ++i) {
    stun::MessageBuilder builder(flight.requests[i], stun::MessageClass::Request, stun::Method::Binding,
                                 next_transaction_id());
    out.parts[i][0] = {flight.requests[i].data(), builder.finish().size()};
  }
  const std::uint64_t sent_at = now_ns();
  std::size_t open = flight.count = out.send(client.socket, count);
  while (open > 0 && now_ns() < sent_at + kStallNs) {
    const std::size_t got = in.receive(client.socket, false);
    for (std::size_t i = 0; i < got; ++i) {
      const Kind kind = flight.take(in.packet(i), client.relayed);
      if (kind == Kind::Late) continue;
      kind == Kind::Right ? ++answers.received : ++answers.wrong;
      answers.latency.add(now_ns() - sent_at);
      open -= std::min<std::size_t>(open, 1);
    }
  }
  answers.lost += open;
}

}  // namespace

int run_binding(const Options& o) {
  std::vector<Allocation> clients;
  for (std::size_t i = 0; i < o.allocations; ++i) {
    clients.push_back(open_client(Transport::Udp, {client_address(o, i), 0}, o.server));
    // There is no allocation: the address that the server is to tell.
    clients.back().relayed = local_endpoint(clients.back().socket);
  }
  const std::size_t each = std::clamp<std::size_t>(o.window / o.allocations, 1, kBatch);
  Batch out(0), in(512);
  Answers warm, measured;
  Window window(o);
  for (std::size_t c = 0; window.open(now_ns()); c = (c + 1) % clients.size())
    exchange(clients[c], each, out, in, window.measuring() ? measured : warm);
  std::printf("{%s, \"lost\": %llu, \"wrong\": %llu, %s}\n", window.json("answer", measured.received).c_str(),
              static_cast<unsigned long long>(measured.lost + warm.lost),
              static_cast<unsigned long long>(measured.wrong + warm.wrong),
              latency_json("latency_us", measured.latency).c_str());
  return measured.received > 0 && measured.wrong + warm.wrong == 0 ? 0 : 1;
}

}  // namespace ts::load
