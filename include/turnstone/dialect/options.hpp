// SPDX-License-Identifier: Apache-2.0
// What an operator may set about dialects other than the native one. A leaf: data only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ts::dialect {

/// Who gets what connection state recovery needs: `pid` in the answer to CONNECT, and an offset behind the
/// arguments of every event. Clients that take the number of arguments seriously stumble over the latter.
enum class Recovery : std::uint8_t {
  Off,
  /// Clients that connect with `auth: {recovery: true}`.
  Asked,
  All
};

/// Engine.IO v4 and Socket.IO v5. The defaults of times and sizes are those of socket.io.
struct SocketIoOptions {
  bool enabled = true;
  /// Begins and ends with '/'.
  std::string path = "/socket.io/";

  std::chrono::milliseconds ping_interval{25'000};
  std::chrono::milliseconds ping_timeout{20'000};
  /// A client that has joined no namespace by then is closed.
  std::chrono::milliseconds connect_timeout{45'000};
  /// A WebSocket that was to take over from polling and has not by then is closed.
  std::chrono::milliseconds upgrade_timeout{10'000};
  /// How long the last packets of a closed polling session wait to be fetched.
  std::chrono::milliseconds close_timeout{10'000};
  /// The largest message and POST; also of an event with its attachments.
  std::uint32_t max_payload = 1'000'000;

  std::uint32_t max_sessions = 100'000;
  /// Of one IPv4 address or IPv6 /64, since a polling session needs no connection to stay; 0 is no limit.
  std::uint32_t max_polling_sessions_per_source = 1'000;
  /// What waits for one slow client before its session ends.
  std::uint32_t max_send_queue_bytes = 4'194'304;

  /// Lets pages of allowed origins send cookies and credentials with polling requests (CORS).
  bool credentials = false;
  /// The room of clients that name none in `auth.room`.
  std::string default_room = "default";
  /// Its members at a time; 0 is no limit.
  std::uint32_t max_default_room_members = 0;
  /// The server writes the sender's peer id into each message, and lets nobody send before `ready`.
  bool stamp_from = false;
  /// Lets everybody read GET /connections.
  bool public_connections = false;

  Recovery recovery = Recovery::Asked;
  /// How long a lost connection may be recovered.
  std::chrono::milliseconds recovery_time{120'000};
  /// How many such connections wait at once, and what is kept of messages for all clients together: beyond
  /// that, the oldest go first.
  std::uint32_t max_recoverable = 10'000;
  std::uint32_t max_recovery_bytes = 67'108'864;
};

/// PeerJS. What limits messages and connections is signaling's.
struct PeerJsOptions {
  bool enabled = true;
  /// Begins and ends with '/'.
  std::string path = "/peerjs/";
  /// What clients show as `key` who show a credential as `token`. Any other key must be a credential itself.
  std::string key = "peerjs";
  /// Tells everybody with a key who is there.
  bool allow_discovery = false;
  /// The room of the Router in which they meet, unless a token names another.
  std::string room = "peerjs";
  /// Of that room; 0 is no limit.
  std::uint32_t max_members = 5000;
  /// How long a message waits for a peer that is not there.
  std::chrono::milliseconds expire_time{5000};
};

}  // namespace ts::dialect
