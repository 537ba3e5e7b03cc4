// SPDX-License-Identifier: Apache-2.0
// What turn::Server wants done. The shell flushes it after each turn: first relay commands, closes before
// opens (an open may want the port of a close; its outcome is fed back), then transmits, in order, then
// clear(). Nothing is allocated once the vectors have grown.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <turnstone/base/time.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/mobility.hpp>

namespace ts::turn {

/// Bytes for a client: over UDP a datagram from `tuple.server`, over a stream the next bytes.
struct ToClient {
  Route route = 0;
  FiveTuple tuple;
  ByteView bytes;
  /// Relayed payload, which may be dropped when a stream is slow; answers may not.
  bool droppable = false;
  /// `tuple.server` is not where the request came in (RFC 5780 §6.1): the datagram leaves from the listener
  /// that has that endpoint.
  bool other_source = false;
};

/// A datagram for a peer.
struct ToPeer {
  RelayId relay;
  Endpoint peer;
  ByteView bytes;
  /// RFC 8656 §14.9: the DF bit.
  bool dont_fragment = false;
};

/// Open a UDP socket bound to `local`; answer with Server::relay_opened or Server::relay_failed.
struct OpenRelay {
  RelayId relay;
  Endpoint local;
};

struct CloseRelay {
  RelayId relay;
};

/// For the log: one a start and one an end of an allocation.
struct AllocationEvent {
  bool ended = false;
  EndReason reason{};
  std::string username;
  FiveTuple tuple;
  Endpoint relayed;
  Duration age{};
  Traffic to_peer;
  Traffic to_client;
};

class Outbox {
 public:
  std::vector<ToClient> to_clients;
  std::vector<ToPeer> to_peers;
  std::vector<OpenRelay> open_relays;
  std::vector<CloseRelay> close_relays;
  std::vector<AllocationEvent> events;
  /// For other shards; delivered after the transmits.
  std::vector<Letter> letters;

  bool empty() const noexcept {
    return to_clients.empty() && to_peers.empty() && open_relays.empty() && close_relays.empty() &&
           events.empty() && letters.empty();
  }

  /// At least `size` bytes (at most kMaxReserve) for a message under construction; stable until clear().
  MutableBytes reserve(std::size_t size);
  /// Keeps the first `size` bytes of what was reserved last.
  void commit(std::size_t size) noexcept { used_ += (size + 7) & ~std::size_t{7}; }
  static constexpr std::size_t kMaxReserve = 4096;

  /// Forgets everything; keeps the memory.
  void clear() noexcept;

 private:
  static constexpr std::size_t kChunkBytes = 65'536;

  std::vector<std::unique_ptr<std::uint8_t[]>> chunks_;
  std::size_t chunk_ = 0;
  std::size_t used_ = 0;
};

}  // namespace ts::turn
