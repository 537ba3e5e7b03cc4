// SPDX-License-Identifier: Apache-2.0
// Flows: what a bound channel moves between a client and a peer, both over UDP, so that somebody faster than
// the sockets may take it over (Options::tell_flows). The core says when a flow begins, lasts longer and
// ends.
#pragma once

#include <span>

#include <turnstone/base/time.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/counters.hpp>

namespace ts::turn {

/// ChannelData of `tuple.client` to `tuple.server` with this channel is the peer's, from `relay`; what the
/// peer sends to `relay` is the client's (RFC 8656 §12.6, §12.7). `tuple` and `channel` name the flow.
struct Flow {
  /// It is over: nothing may be relayed on its account any more.
  bool ended = false;
  std::uint16_t channel = 0;
  FiveTuple tuple;
  /// What the relay socket is bound to, which behind 1:1 NAT is not what the client was told.
  Endpoint relay;
  Endpoint peer;
  /// The first of the ends of allocation, permission and channel binding. A flow that is told again lasts
  /// until then instead, which may be sooner. Not told of an end.
  TimePoint until = TimePoint::min();
  /// Whose it is.
  SlotHandle allocation;
  /// Of an end: what was relayed in the core's place; the sink fills it in.
  Traffic to_peer;
  Traffic to_client;
};

/// Who takes flows over. Shards call it on their threads, each about its own flows.
class FlowSink {
 public:
  FlowSink() = default;
  FlowSink(const FlowSink&) = delete;
  FlowSink& operator=(const FlowSink&) = delete;
  virtual ~FlowSink() = default;

  /// In the order of what happened. An end holds when the call returns; what begins may be left to the
  /// sockets, which relay it all the same.
  virtual void apply(std::span<Flow> flows) noexcept = 0;
};

}  // namespace ts::turn
