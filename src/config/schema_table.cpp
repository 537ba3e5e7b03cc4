// SPDX-License-Identifier: Apache-2.0
// The one table: path, place in Config, range, flag, what it is, what to do when it is wrong, example. The
// rows are in schema/, a file a section.
#include "schema_table.hpp"

#include <array>

#include "schema/rows.hpp"

namespace ts::config {

std::string environment_name(std::string_view path) {
  std::string out = "TURNSTONE_";
  for (const char c : path)
    out += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::span<const Key> key_table() {
  static const std::vector<Key> kTable = [] {
    std::vector<Key> table;
    for (const auto add : {add_listen, add_auth, add_realms, add_relay, add_signaling, add_socketio,
                           add_peerjs, add_redis, add_rest})
      add(table);
    return table;
  }();
  return kTable;
}

std::span<const Section> sections() {
  static const std::array<Section, 11> kSections{{
      {"listen", "Where clients reach the server."},
      {"auth", "Who may use the relay. At least one source is needed: users, secrets, OAuth keys or a hook."},
      {"relay", "TURN: what clients are relayed from, and to whom."},
      {"signaling", "WebSocket signaling."},
      {"signaling.socketio", "Socket.IO signaling."},
      {"signaling.peerjs", "PeerJS signaling."},
      {"signaling.redis", "What several nodes meet over, with signaling.backplane: redis."},
      {"signaling.compat", "What servers did that Turnstone replaces, and that is not open by itself."},
      {"metrics", "Prometheus."},
      {"log", "Log lines, written to stderr."},
      {"", "Development mode."},
  }};
  return kSections;
}

}  // namespace ts::config
