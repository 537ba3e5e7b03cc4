// SPDX-License-Identifier: Apache-2.0
// The state of one allocation (RFC 8656 §6): permissions (§9) and channel bindings (§12) in short sorted
// arrays.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <turnstone/base/hash.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/stun/message.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/ledger.hpp>

#include "mobility.hpp"

namespace ts::turn {

struct Permission {
  IpAddress peer;
  TimePoint expires;
};

struct Channel {
  std::uint16_t number = 0;
  Endpoint peer;
  TimePoint expires;
};

struct Allocation {
  enum class State : std::uint8_t { Opening, Ready };

  FiveTuple tuple;
  Route route = 0;
  /// What the client was told, and what the socket is bound to.
  Endpoint relayed;
  Endpoint local;
  std::string username;
  std::string account;
  HmacSha1Key key;
  /// The Allocate that made it: a retransmission is answered alike (RFC 8656 §5).
  stun::TransactionId made_by{};
  std::uint32_t granted_seconds = 0;
  ReservationToken reservation_token{};
  bool has_reservation = false;
  bool answers_with_fingerprint = false;
  /// The client asked for both families and gets this one only (RFC 8656 §7.2, check 9).
  bool second_family_refused = false;
  /// … though we relay that family too: an Allocate of its own gets it.
  bool second_family_known = false;
  /// The port came with a RESERVATION-TOKEN: no other one will do.
  bool port_was_reserved = false;
  PortParity parity = PortParity::Any;
  std::uint8_t open_attempts = 0;
  State state = State::Opening;
  TimePoint started;
  TimePoint expires;
  /// When the deadline queue's entry that counts pops; other entries are stale.
  TimePoint look_at = TimePoint::max();
  std::vector<Permission> permissions;  // by peer
  std::vector<Channel> channels;        // by number
  Traffic to_peer;
  Traffic to_client;
  /// RFC 7635: where the access token ends; max(): there was none.
  TimePoint granted_until = TimePoint::max();
  /// Null: the client did not ask for mobility.
  std::unique_ptr<Mobility> mobility;

  IpFamily family() const noexcept { return relayed.address.family(); }

  Permission* permission(const IpAddress& peer) noexcept {
    const auto at = std::lower_bound(permissions.begin(), permissions.end(), peer,
                                     [](const Permission& p, const IpAddress& ip) { return p.peer < ip; });
    return at != permissions.end() && at->peer == peer ? &*at : nullptr;
  }
  /// RFC 8656 §9: by address alone; ports do not matter.
  bool permits(const IpAddress& peer, TimePoint now) noexcept {
    const Permission* p = permission(peer);
    return p != nullptr && now < p->expires;
  }

  Channel* channel(std::uint16_t number) noexcept {
    const auto at = std::lower_bound(channels.begin(), channels.end(), number,
                                     [](const Channel& c, std::uint16_t n) { return c.number < n; });
    return at != channels.end() && at->number == number ? &*at : nullptr;
  }
  Channel* channel_to(const Endpoint& peer) noexcept {
    const auto at = std::find_if(channels.begin(), channels.end(), [&](const Channel& c) {
      return c.peer.port == peer.port && c.peer == peer;
    });
    return at != channels.end() ? &*at : nullptr;
  }
};

}  // namespace ts::turn
