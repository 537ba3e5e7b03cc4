// SPDX-License-Identifier: Apache-2.0
// Mobility of one allocation (RFC 8016): its tickets, and its client's way while there are two.
#pragma once

#include <string>
#include <string_view>

#include <turnstone/base/aead.hpp>
#include <turnstone/turn/mobility.hpp>

namespace ts::turn {

/// What is sealed inside a ticket.
struct Ticket {
  /// Of the allocation; 48 bits.
  std::uint64_t id = 0;
  /// Which of its tickets; wraps.
  std::uint16_t sequence = 0;
};

/// 32 characters, since some clients take a ticket for text and have room for no more.
std::string seal_ticket(const SivKey& key, const Ticket& ticket);
/// Nothing when it is not one of ours.
std::optional<Ticket> open_ticket(const SivKey& key, ByteView sealed);
/// Names a user without telling who it is.
TicketOwner ticket_owner(std::string_view username, std::string_view account) noexcept;

/// RFC 8016 §3.2.2: where a client has moved to. Data goes on to the old five-tuple until data comes from the
/// new one.
struct MobilePath {
  FiveTuple tuple;
  Route route = 0;
  std::uint8_t shard = 0;
};

/// How long an allocation waits for its client when the client's stream has ended.
inline constexpr std::chrono::seconds kDetachedLife{60};

struct Mobility {
  std::uint64_t id = 0;
  /// Who may move it: whose credential the client has shown last.
  TicketOwner owner{};
  /// Counts the tickets; only the newest one moves the allocation.
  std::uint16_t sequence = 0;
  std::string ticket;
  TimePoint moved_at;

  std::optional<MobilePath> next;
  /// The client's stream has ended, and it has not come back yet.
  bool detached = false;
};

}  // namespace ts::turn
