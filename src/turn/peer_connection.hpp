// SPDX-License-Identifier: Apache-2.0
// The state of one peer data connection of a TCP allocation (RFC 6062 §5.2, §5.3).
#pragma once

#include <turnstone/auth/message_key.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/stun/message.hpp>
#include <turnstone/turn/client.hpp>

namespace ts::turn {

struct PeerConnection {
  enum class State : std::uint8_t {
    Connecting,  ///< the answer to Connect is due
    Pending,     ///< waits for ConnectionBind
    Bound,       ///< relays
  };

  ConnectionId id = 0;
  SlotHandle allocation;
  Endpoint peer;
  State state = State::Connecting;
  /// The end of Connecting, then that of Pending.
  TimePoint deadline;

  // What the answer to Connect needs, long after the request's bytes are gone.
  stun::TransactionId asked_by{};
  auth::MessageKey key;
  bool answers_with_fingerprint = false;
};

}  // namespace ts::turn
