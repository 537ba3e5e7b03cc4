// SPDX-License-Identifier: Apache-2.0
// The one table: path, place in Config, range, flag, what it is, what to do when it is wrong, example. The
// rows are in schema/, a file a section.
#include "schema_table.hpp"

#include <algorithm>
#include <array>

#include "schema/rows.hpp"

namespace ts::config {

std::string environment_name(std::string_view path) {
  std::string out = "TURNSTONE_";
  for (const char c : path)
    out += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

namespace {

/// What a reload changes; everything else needs a restart.
constexpr std::array kLive{std::string_view("listen.tls_cert_file"),
                           std::string_view("listen.tls_key_file"),
                           std::string_view("listen.tls_ticket_keys_file"),
                           std::string_view("auth.users"),
                           std::string_view("auth.users_file"),
                           std::string_view("auth.secrets"),
                           std::string_view("auth.secrets_file"),
                           std::string_view("auth.jwt_secrets"),
                           std::string_view("auth.jwt_secrets_file"),
                           std::string_view("auth.jwt_audience"),
                           kRealmsPath,
                           std::string_view("relay.allow_peers"),
                           std::string_view("relay.deny_peers"),
                           std::string_view("relay.allow_private_peers"),
                           std::string_view("relay.default_lifetime"),
                           std::string_view("relay.max_lifetime"),
                           std::string_view("relay.max_allocations"),
                           std::string_view("relay.max_allocations_per_user"),
                           std::string_view("relay.max_permissions_per_allocation"),
                           std::string_view("relay.max_channels_per_allocation"),
                           std::string_view("relay.max_connections_per_allocation"),
                           std::string_view("relay.max_bit_rate_per_allocation"),
                           std::string_view("relay.max_packet_rate_per_allocation"),
                           std::string_view("relay.max_new_peers_per_second"),
                           std::string_view("relay.max_challenges_per_second"),
                           std::string_view("relay.max_bindings_per_second"),
                           std::string_view("relay.alternate_servers"),
                           std::string_view("relay.alternate_domain"),
                           std::string_view("relay.software"),
                           std::string_view("signaling.token"),
                           std::string_view("signaling.token_file"),
                           std::string_view("signaling.token_can"),
                           std::string_view("signaling.jwt_secrets"),
                           std::string_view("signaling.jwt_key_files"),
                           std::string_view("signaling.jwt_audience"),
                           std::string_view("signaling.jwt_issuer"),
                           std::string_view("signaling.hook_url"),
                           std::string_view("signaling.hook_secret"),
                           std::string_view("signaling.hook_secret_file"),
                           std::string_view("signaling.hook_ca_file"),
                           std::string_view("signaling.hook_timeout"),
                           std::string_view("signaling.hook_max_in_flight"),
                           std::string_view("signaling.hook_can"),
                           std::string_view("webhooks.urls"),
                           std::string_view("webhooks.secrets"),
                           std::string_view("webhooks.secret_file"),
                           std::string_view("webhooks.events"),
                           std::string_view("webhooks.ca_file"),
                           std::string_view("webhooks.timeout"),
                           std::string_view("webhooks.retry_time"),
                           std::string_view("webhooks.max_queue"),
                           std::string_view("signaling.allowed_origins"),
                           std::string_view("signaling.closed_relay"),
                           std::string_view("signaling.max_members_per_room"),
                           std::string_view("signaling.max_rooms_per_member"),
                           std::string_view("signaling.messages_per_second"),
                           std::string_view("signaling.message_burst"),
                           std::string_view("signaling.bytes_per_second"),
                           std::string_view("signaling.joins_per_second"),
                           std::string_view("signaling.address_messages_per_second"),
                           std::string_view("signaling.address_bytes_per_second"),
                           std::string_view("signaling.address_joins_per_second"),
                           std::string_view("signaling.max_queued_per_target"),
                           std::string_view("signaling.max_queue_time"),
                           std::string_view("admin.token"),
                           std::string_view("admin.token_file"),
                           std::string_view("admin.allowed_hosts"),
                           std::string_view("shutdown.drain_timeout"),
                           std::string_view("shutdown.signaling_spread"),
                           std::string_view("shutdown.alternate_servers"),
                           std::string_view("metrics.allow_from"),
                           std::string_view("log.level")};

}  // namespace

std::span<const Key> key_table() {
  static const std::vector<Key> kTable = [] {
    std::vector<Key> table;
    for (const auto add : {add_listen, add_auth, add_realms, add_relay, add_signaling, add_socketio,
                           add_peerjs, add_redis, add_webhooks, add_operation, add_rest})
      add(table);
    for (Key& key : table)
      key.info.live = std::find(kLive.begin(), kLive.end(), key.info.path) != kLive.end();
    return table;
  }();
  return kTable;
}

std::span<const Section> sections() {
  static const std::array<Section, 14> kSections{{
      {"listen", "Where clients reach the server."},
      {"auth", "Who may use the relay. At least one source is needed: users, secrets, OAuth keys or a hook."},
      {"relay", "TURN: what clients are relayed from, and to whom."},
      {"signaling", "WebSocket signaling."},
      {"signaling.socketio", "Socket.IO signaling."},
      {"signaling.peerjs", "PeerJS signaling."},
      {"signaling.redis", "What several nodes meet over, with signaling.backplane: redis."},
      {"signaling.compat", "What servers did that Turnstone replaces, and that is not open by itself."},
      {"webhooks", "What the server tells applications of (docs/webhooks.md). Off unless there is a URL."},
      {"admin", "The admin API (docs/admin.md): HTTP on a listener of its own. Off unless there is a token."},
      {"shutdown",
       "How the server ends on SIGTERM (docs/operations.md). SIGINT, and a second SIGTERM, end it at once."},
      {"metrics", "Prometheus."},
      {"log", "Log lines, written to stderr."},
      {"", "Development mode."},
  }};
  return kSections;
}

}  // namespace ts::config
