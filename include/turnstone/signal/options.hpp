// SPDX-License-Identifier: Apache-2.0
// What an operator may set about signaling. A leaf: data only.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ts::signal {

/// In the order of signal::Right.
inline constexpr std::array<std::string_view, 7> kRightNames{"join", "create", "send", "ice",
                                                             "room", "kick",   "ban"};

/// What members with the shared token may do, if nobody says otherwise.
inline std::vector<std::string> default_token_rights() { return {"join", "create", "send", "ice"}; }

/// What the members of several nodes meet over.
enum class Backplane : std::uint8_t { Memory, Redis };

/// Shorter secrets of a cluster could be guessed by whoever reads along.
inline constexpr std::size_t kMinClusterSecretBytes = 16;

struct ClusterOptions {
  Backplane backplane = Backplane::Memory;
  /// redis://host[:port] or rediss://host[:port] (TLS).
  std::string redis_url = "redis://127.0.0.1:6379";
  /// Of an ACL user; empty: the default user.
  std::string redis_username;
  std::string redis_password;
  /// PEM; empty: the system's authorities.
  std::string redis_ca_file;
  /// Shown to Redis where it asks for one; both or none.
  std::string redis_cert_file;
  std::string redis_key_file;
  /// Begins the names of all channels: nodes with the same one are a cluster.
  std::string redis_prefix = "turnstone";
  /// What nodes show one another that they belong together; see cluster_key.hpp.
  std::string cluster_secret;
  /// http://host[:port] or https://host[:port]: where other nodes reach this one's HTTP port. Empty: nowhere.
  std::string node_url;
  /// Requests that this node passes on to others at once, WebSockets among them.
  std::uint32_t max_forwarded = 2'000;
};

/// An application that is asked about tokens that this server cannot judge by itself.
struct HookOptions {
  /// http or https; empty: off.
  std::string url;
  /// Signs the questions; empty: they are not signed. A secret.
  std::string secret;
  /// PEM; empty: the system's authorities.
  std::string ca_file;
  std::chrono::milliseconds timeout{3000};
  std::uint32_t max_in_flight = 32;
  /// The most that an answer may grant (signal::Right).
  std::vector<std::string> can = default_token_rights();

  bool is_enabled() const noexcept { return !url.empty(); }
};

struct CommonRoom {
  std::string name;
  /// 0 is no limit.
  std::uint32_t max_members = 0;
};

struct Options {
  /// True when somebody could be let in.
  bool lets_anybody_in() const noexcept {
    return open || !token.empty() || !jwt_secrets.empty() || !jwt_key_files.empty() || hook.is_enabled();
  }

  /// Shared token that a hello must carry. Empty: nobody is let in, unless `open`.
  std::string token;
  /// What members with the shared token may do (signal::Right), beside moderating a room in which nobody is
  /// longer than they.
  std::vector<std::string> token_can = default_token_rights();  // g++ 12.2 fails at a list here
  /// JSON Web Tokens (auth/jwt_keys.hpp) that a hello may carry instead: shared secrets (HS256), files of
  /// public keys, and what `aud` and `iss` must be (empty: anything).
  std::vector<std::string> jwt_secrets;
  std::vector<std::string> jwt_key_files;
  std::string jwt_audience;
  std::string jwt_issuer;
  HookOptions hook;
  /// Everybody is let in, with all rights (development).
  bool open = false;
  /// Origins (scheme://host[:port]) of web pages that may open a WebSocket, besides pages of this very host;
  /// "*" is any. Clients that are not browsers send none and pass. With `open`, all pass.
  std::vector<std::string> allowed_origins;

  /// URLs given to members as ICE servers. STUN URLs are given bare, TURN URLs with a minted credential.
  std::vector<std::string> ice_urls;
  /// Bind those credentials to the membership, and revoke them with it.
  bool bind_turn = true;
  /// What those credentials make may reach only what room-mates announce in candidates.
  bool closed_relay = false;

  std::chrono::milliseconds hello_timeout{10'000};
  /// Clients ping this often; a connection silent for more than twice as long is closed.
  std::chrono::seconds heartbeat{25};
  std::uint32_t max_message_bytes = 65'536;
  std::uint32_t max_members_per_room = 64;
  /// Rooms that everybody is in who names none, in dialects whose clients know of no rooms, and how many each
  /// takes instead.
  std::vector<CommonRoom> common_rooms;
  std::uint32_t max_rooms_per_member = 16;
  std::uint32_t max_connections = 100'000;
  /// Token bucket of messages per connection.
  std::uint32_t messages_per_second = 100;
  std::uint32_t message_burst = 400;
  /// Others of the same kind (rate_limiter.hpp), of a connection and of all connections of one address; 0: no
  /// limit. What an address may is what a hundred and more busy clients behind one NAT need together.
  std::uint32_t bytes_per_second = 2'097'152;
  std::uint32_t joins_per_second = 25;
  std::uint32_t address_messages_per_second = 10'000;
  std::uint32_t address_bytes_per_second = 33'554'432;
  std::uint32_t address_joins_per_second = 1'000;
  /// How many `send` with `queue` wait for one absent member, and for how long at most.
  std::uint32_t max_queued_per_target = 64;
  std::chrono::milliseconds max_queue_time{10'000};
  /// Text that waits for one slow connection before it is closed as a slow consumer.
  std::uint32_t max_send_queue_bytes = 1'048'576;

  /// How long a member whose connection was lost stays in its rooms and may resume; 0: there is no resume.
  std::chrono::milliseconds resume_time{30'000};
  /// What is kept for one member until it is acknowledged.
  std::uint32_t max_resume_messages = 256;
  std::uint32_t max_resume_bytes = 262'144;
  /// The same for all members together.
  std::uint32_t max_resume_total_bytes = 268'435'456;

  ClusterOptions cluster;
};

}  // namespace ts::signal
