// SPDX-License-Identifier: Apache-2.0
// What turn::Server wants done. The shell flushes it after each turn: first relay commands, closes before
// opens (an open may want the port of a close; its outcome is fed back), then transmits, in order, then what
// happens to streams (RFC 6062), then clear(). Nothing is allocated once the vectors have grown.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <turnstone/base/time.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/flows.hpp>
#include <turnstone/turn/mobility.hpp>

namespace ts::turn {

/// Bytes for a client: over UDP a datagram from `tuple.server`, over a stream the next bytes.
struct ToClient {
  Route route = 0;
  FiveTuple tuple;
  ByteView bytes;
  /// Relayed payload, which may be dropped when a stream is slow; answers may not.
  bool droppable = false;
  /// RFC 8656 §14: DSCP and ECN as they came, over UDP.
  std::uint8_t tos = 0;
  /// `tuple.server` is not where the request came in (RFC 5780 §6.1): the datagram leaves from the listener
  /// that has that endpoint.
  bool other_source = false;
};

/// A datagram for a peer.
struct ToPeer {
  RelayId relay;
  Endpoint peer;
  ByteView bytes;
  /// RFC 8656 §14, §15: the DF bit.
  bool dont_fragment = false;
  /// RFC 8656 §14: DSCP and ECN as they came.
  std::uint8_t tos = 0;
};

/// Open a UDP socket, or a listening TCP one, bound to `local`; answer with Server::relay_opened or
/// Server::relay_failed.
struct OpenRelay {
  RelayId relay;
  Endpoint local;
  RelayProtocol protocol = RelayProtocol::Udp;
};

struct CloseRelay {
  RelayId relay;
  RelayProtocol protocol = RelayProtocol::Udp;
};

/// RFC 6062 §5.2: connect from `local`, a relayed transport address, to the peer; answer with
/// Server::peer_connected or Server::peer_connect_failed, not before this flush is over.
struct ConnectPeer {
  ConnectionId connection = 0;
  Endpoint local;
  Endpoint peer;
};

/// RFC 6062 §5.4: once all that was queued for the stream is on its way, its bytes are the peer's and the
/// peer's bytes are its own. It is no control connection any more: no client_closed() follows.
struct BindData {
  ConnectionId connection = 0;
  Route route = 0;
};

/// Close the peer data connection, connected or not, and the client data connection that is bound to it.
struct CloseConnection {
  ConnectionId connection = 0;
};

/// The message that came last on this stream, and all that follows, is for another shard: give it the stream.
struct HandOver {
  Route route = 0;
  std::uint8_t shard = 0;
};

/// Ask the external source about a username; answer with Server::credential_answered, not before this flush
/// is over. One question about a username at a time.
struct AskCredential {
  std::uint64_t question = 0;
  std::string username;
  std::string realm;
  /// Whose request it is.
  IpAddress client;
};

/// For the log: one a start and one an end of an allocation.
struct AllocationEvent {
  bool ended = false;
  EndReason reason{};
  std::string username;
  std::string realm;
  /// Of the credential's policy; empty without one.
  std::string room;
  std::string member;
  FiveTuple tuple;
  Endpoint relayed;
  SlotHandle allocation;
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
  std::vector<CloseConnection> close_connections;
  std::vector<ConnectPeer> connect_peers;
  std::vector<BindData> bind_data;
  std::vector<HandOver> hand_overs;
  std::vector<AskCredential> asks;
  std::vector<AllocationEvent> events;
  /// Only with Options::tell_flows. Ends are to be heeded before anything closes.
  std::vector<Flow> flows;
  /// For other shards; delivered after the transmits.
  std::vector<Letter> letters;

  bool empty() const noexcept {
    return to_clients.empty() && to_peers.empty() && open_relays.empty() && close_relays.empty() &&
           close_connections.empty() && connect_peers.empty() && bind_data.empty() && hand_overs.empty() &&
           asks.empty() && events.empty() && flows.empty() && letters.empty();
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
