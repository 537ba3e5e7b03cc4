// SPDX-License-Identifier: Apache-2.0
// What the shards of one process write to each other when a client moves (RFC 8016) and its new five-tuple
// lands on a shard that does not have its allocation. The shell carries letters and reads none of them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/base/time.hpp>
#include <turnstone/stun/message.hpp>
#include <turnstone/stun/registry.hpp>
#include <turnstone/turn/client.hpp>

namespace ts::turn {

struct Allocation;
struct FreeAllocation {
  void operator()(Allocation* allocation) const noexcept;
};

using TicketOwner = std::array<std::uint8_t, 16>;

struct Letter {
  enum class Kind : std::uint8_t {
    Query,    ///< a Refresh with a ticket came here; may its five-tuple have the allocation?
    Reply,    ///< the answer to a Query
    Fetch,    ///< the client speaks on its new five-tuple: hand the allocation over
    Arrival,  ///< the allocation, or nothing when it is gone
  };
  Kind kind{};
  std::uint8_t from = 0;
  std::uint8_t to = 0;

  /// Of the ticket: which allocation, which of its tickets, and whose.
  std::uint64_t id = 0;
  std::uint16_t sequence = 0;
  TicketOwner owner{};
  /// The client's new way.
  FiveTuple tuple;
  Route route = 0;
  /// Of the Refresh: what it asks for, and a copy of it.
  std::uint32_t lifetime_seconds = 0;
  std::optional<std::uint8_t> family_code;
  stun::TransactionId transaction_id{};
  std::vector<std::uint8_t> request;

  /// Reply: why not, or the next ticket.
  std::optional<stun::ErrorCode> error;
  std::string ticket;

  /// Arrival: what goes over, and which relay sockets of the sender (of either family) go with it.
  std::unique_ptr<Allocation, FreeAllocation> allocation;
  SlotHandle departed;
  /// Messages that waited for the allocation; they must outlive the turn that they are handled in.
  std::vector<std::vector<std::uint8_t>> waiting;

  /// The beginning of an answer: back to where this came from, about the same ticket and five-tuple.
  Letter answer(Kind kind_of_answer) const;
};

/// A client that has moved to a five-tuple of this shard, and whose allocation another one still has.
struct Visitor {
  std::uint64_t id = 0;
  Route route = 0;
  TimePoint expires;
  bool fetching = false;
  std::vector<std::vector<std::uint8_t>> waiting;
  std::size_t waiting_bytes = 0;
};

}  // namespace ts::turn
