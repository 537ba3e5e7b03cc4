// SPDX-License-Identifier: Apache-2.0
// What an operator may set about signaling. A leaf: data only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace ts::signal {

struct Options {
  /// Shared token that a hello must carry. Empty: nobody is let in, unless `open`.
  std::string token;
  /// Everybody is let in (development).
  bool open = false;
  /// Origins (scheme://host[:port]) of web pages that may open a WebSocket, besides pages of this very host;
  /// "*" is any. Clients that are not browsers send none and pass. With `open`, all pass.
  std::vector<std::string> allowed_origins;

  /// URLs given to members as ICE servers. STUN URLs are given bare, TURN URLs with a minted credential.
  std::vector<std::string> ice_urls;

  std::chrono::milliseconds hello_timeout{10'000};
  /// Clients ping this often; a connection silent for more than twice as long is closed.
  std::chrono::seconds heartbeat{25};
  std::uint32_t max_message_bytes = 65'536;
  std::uint32_t max_members_per_room = 64;
  std::uint32_t max_rooms_per_member = 16;
  std::uint32_t max_connections = 100'000;
  /// Token bucket of messages per connection.
  std::uint32_t messages_per_second = 100;
  std::uint32_t message_burst = 400;
  /// How many `send` with `queue` wait for one absent member, and for how long at most.
  std::uint32_t max_queued_per_target = 64;
  std::chrono::milliseconds max_queue_time{10'000};
  /// Text that waits for one slow connection before it is closed as a slow consumer.
  std::uint32_t max_send_queue_bytes = 1'048'576;
};

}  // namespace ts::signal
