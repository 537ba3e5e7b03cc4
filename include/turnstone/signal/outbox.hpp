// SPDX-License-Identifier: Apache-2.0
// What the Router wants said to connections other than the one that asked: dialect-neutral events, each with
// its receivers, in order. Opaque texts (meta, data) are JSON that nobody here looks into.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <turnstone/signal/counters.hpp>
#include <turnstone/signal/ice.hpp>

namespace ts::signal {

/// Names one connection of the shell; never used again after it was closed.
using ConnectionId = std::uint64_t;
/// Names the dialect that a connection speaks.
using DialectId = std::uint8_t;

/// WebSocket close codes of the protocol.
enum class CloseCode : std::uint16_t {
  Normal = 1000,
  Drain = 1001,
  TooLarge = 1009,
  Restart = 1012,
  Unauthorized = 4001,
  Forbidden = 4003,
  Limit = 4008,
  Superseded = 4009,
  RateLimited = 4029,
};

/// A member has joined. `polite`: what the receiver is towards it in perfect negotiation.
struct PeerJoined {
  std::string_view room;
  std::string_view peer;
  std::string_view meta;
  bool polite = true;
};

/// A member has left: "left", "lost" or "kicked".
struct PeerLeft {
  std::string_view room;
  std::string_view peer;
  std::string_view reason;
};

struct PeerUpdated {
  std::string_view room;
  std::string_view peer;
  std::string_view meta;
};

/// A relayed message; `room` is empty when the sender named none, `data` when it sent none.
struct Message {
  std::string_view room;
  std::string_view from;
  Kind kind = Kind::Custom;
  std::string_view data;
};

/// A queued send ran out.
struct Expired {
  std::string_view to;
};

/// Renewed ICE servers: what a room adds, or (empty `room`) all others.
struct IceRenewed {
  IceServers ice;
  std::string_view room{};
};

/// The receiver was removed from a room; without a room, a Close follows.
struct Kicked {
  ErrorCode code = ErrorCode::Forbidden;
  std::string_view reason;
  std::string_view room{};
  /// Of the membership that ends, where that is at another node.
  std::uint64_t order = 0;
};

/// A member is back whose connection had been lost.
struct PeerResumed {
  std::string_view room;
  std::string_view peer;
};

/// The options of a room are these now. `meta` is empty when there is none.
struct RoomUpdated {
  std::string_view room;
  std::uint32_t size = 0;
  bool locked = false;
  std::string_view meta;
};

/// We are about to stop: come back elsewhere after this time.
struct GoAway {
  std::chrono::milliseconds retry_after{0};
};

/// How members are sent away by a server that is about to stop.
struct Farewell {
  /// When the first may come back.
  std::chrono::milliseconds retry_after{0};
  /// The last one so much later.
  std::chrono::milliseconds spread{0};
  /// Whoever is still there so long after its time is closed; nothing: nobody is.
  std::optional<std::chrono::milliseconds> linger{};
};

/// Close the connection. The Router has forgotten it already.
struct Close {
  CloseCode code = CloseCode::Normal;
  std::string_view reason;
};

/// What the receiver has sent to a member at another node may not have arrived: the node cannot be reached,
/// or the member has left meanwhile.
struct Undelivered {
  std::string_view room;
  std::string_view to;
};

using Event = std::variant<PeerJoined, PeerLeft, PeerUpdated, Message, Expired, IceRenewed, Kicked, GoAway,
                           Close, PeerResumed, RoomUpdated, Undelivered>;

struct Receiver {
  ConnectionId connection = 0;
  DialectId dialect = 0;
  /// There is no connection any more: the message waits for a resume, and is not sent.
  bool lost = false;
};

/// Events in order. The views in them are valid until the next call on the Router, and as long as the
/// arguments of the call that made them: encode the Outbox and clear it after each call.
class Outbox {
 public:
  struct Item {
    Event event;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };

  std::span<const Item> items() const noexcept { return items_; }
  std::span<const Receiver> receivers(const Item& item) const noexcept {
    return std::span(receivers_).subspan(item.first, item.count);
  }
  bool empty() const noexcept { return items_.empty(); }
  void clear() noexcept { items_.clear(), receivers_.clear(), kept_.clear(); }

  /// Begins an event; to() adds its receivers. An event that got none is dropped by end().
  void begin(Event event) {
    items_.push_back(Item{std::move(event), static_cast<std::uint32_t>(receivers_.size()), 0});
  }
  void to(Receiver receiver) { receivers_.push_back(receiver), ++items_.back().count; }
  void end() {
    if (items_.back().count == 0) items_.pop_back();
  }
  /// An event for one receiver.
  void post(Receiver receiver, Event event) { begin(std::move(event)), to(receiver); }
  /// Keeps a text alive until clear().
  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }

 private:
  std::vector<Item> items_;
  std::vector<Receiver> receivers_;
  std::deque<std::string> kept_;
};

}  // namespace ts::signal
