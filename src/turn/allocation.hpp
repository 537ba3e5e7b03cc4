// SPDX-License-Identifier: Apache-2.0
// The state of one allocation (RFC 8656 §6): permissions (§9) in a short sorted array, and channel
// bindings (§12).
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <turnstone/auth/message_key.hpp>
#include <turnstone/auth/options.hpp>
#include <turnstone/auth/policy.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/stun/message.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/ledger.hpp>

#include "channel_table.hpp"
#include "limits.hpp"
#include "mobility.hpp"

namespace ts::turn {

struct Permission {
  IpAddress peer;
  TimePoint expires;
};

constexpr std::size_t family_index(IpFamily family) noexcept { return family == IpFamily::V4 ? 0 : 1; }
constexpr IpFamily other_family(IpFamily family) noexcept {
  return family == IpFamily::V4 ? IpFamily::V6 : IpFamily::V4;
}

/// What a dual allocation has more than others (RFC 8656 §7.2, check 9).
struct SecondRelay {
  Endpoint relayed;
  Endpoint local;
  /// §6: "the time-to-expiry for each relayed transport address", by family.
  std::array<TimePoint, 2> expires{};
  /// The Refresh that took one of the two away: its retransmission is answered alike.
  stun::TransactionId deleted_by{};
  bool gone = false;
};

/// What is known of an allocation only until its relay sockets are open, or not to be had.
struct Opening {
  struct Leg {
    bool wanted = false;
    bool open = false;
    std::uint8_t attempts = 0;
  };
  std::array<Leg, 2> legs;  // by family
  PortParity parity = PortParity::Any;
  /// The port came with a RESERVATION-TOKEN: no other one will do.
  bool port_was_reserved = false;
  /// Ports that another program has: ours until the end of the opening, so that none is drawn twice.
  std::vector<Endpoint> refused;
};

struct Allocation {
  enum class State : std::uint8_t { Opening, Ready };

  FiveTuple tuple;
  Route route = 0;
  /// What the client was told, and what the socket is bound to.
  Endpoint relayed;
  Endpoint local;
  std::string username;
  /// With its realm (auth::account_in).
  std::string account;
  /// What the credential allows; null: all that the server does.
  std::unique_ptr<const auth::Policy> policy;
  /// Null: nothing is limited.
  std::unique_ptr<Limits> limits;
  /// See take_new_peers().
  TimePoint new_peers_paid_until = TimePoint::min();
  auth::MessageKey key;
  /// The Allocate that made it: a retransmission is answered alike (RFC 8656 §5).
  stun::TransactionId made_by{};
  std::uint32_t granted_seconds = 0;
  ReservationToken reservation_token{};
  bool has_reservation = false;
  bool answers_with_fingerprint = false;
  RelayProtocol protocol = RelayProtocol::Udp;
  State state = State::Opening;
  /// 440 or 508: why a client that asked for both families has this one only (ADDRESS-ERROR-CODE).
  std::uint16_t address_error = 0;
  auth::RealmId realm = auth::kDefaultRealm;
  /// ICMP errors told in the second that began at `errors_since` (RFC 8656 §11.5).
  std::uint16_t errors_told = 0;
  TimePoint errors_since;
  TimePoint started;
  /// Of the allocation: that of its relayed transport address, or of the one that stays longer.
  TimePoint expires;
  /// When the deadline queue's entry that counts pops; other entries are stale.
  TimePoint look_at = TimePoint::max();
  std::vector<Permission> permissions;  // by peer
  ChannelTable channels;
  std::vector<ConnectionId> connections;
  Traffic to_peer;
  Traffic to_client;
  std::unique_ptr<SecondRelay> second;
  std::unique_ptr<Opening> opening;
  /// RFC 7635: where the access token ends; max(): there was none.
  TimePoint granted_until = TimePoint::max();
  /// Null: the client did not ask for mobility.
  std::unique_ptr<Mobility> mobility;

  /// Of the first relayed transport address, or the only one.
  IpFamily family() const noexcept { return relayed.address.family(); }
  bool is_dual() const noexcept { return second != nullptr && !second->gone; }
  /// There is a relayed transport address of this family, and it has not expired.
  bool relays(IpFamily wanted, TimePoint now) const noexcept {
    if (is_dual()) return now < second->expires[family_index(wanted)];
    return wanted == family() && now < expires;
  }
  /// The Refresh with this id took one of two relayed transport addresses away.
  bool was_cut_by(const stun::TransactionId& id) const noexcept {
    return second != nullptr && second->gone && second->deleted_by == id;
  }
  /// Sets the time-to-expiry of one family's relayed transport address, or of all there are (§8.1).
  void set_expiry(std::optional<IpFamily> only, TimePoint when) noexcept {
    if (!is_dual()) {
      expires = when;
      return;
    }
    for (const IpFamily each : {IpFamily::V4, IpFamily::V6}) {
      if (!only || *only == each) second->expires[family_index(each)] = when;
    }
    expires = std::max(second->expires[0], second->expires[1]);
  }

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

  Channel* channel(std::uint16_t number) noexcept { return channels.find(number); }
  Channel* channel_to(const Endpoint& peer) noexcept { return channels.find(peer); }
};

}  // namespace ts::turn
