// SPDX-License-Identifier: Apache-2.0
// Members at other nodes, as the Router knows them, and what it tells of its own members so that other nodes
// know them.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/signal/counters.hpp>
#include <turnstone/signal/failure.hpp>
#include <turnstone/signal/ice.hpp>

namespace ts::signal {

/// The dialect of the Outbox's receivers that are members at other nodes, and the first of their
/// ConnectionIds.
inline constexpr std::uint8_t kRemoteDialect = 255;
inline constexpr std::uint64_t kFirstRemoteConnection = std::uint64_t{1} << 63;

/// A node that is out of reach may be back by then, or given up.
inline constexpr Failure kOutOfReach{ErrorCode::UnknownTarget, "the peer's node cannot be reached",
                                     std::chrono::milliseconds{1000}};

/// Another node. Who made it keeps it until all its members have gone.
struct RemoteNode {
  /// What is sent to its members now will probably arrive.
  bool reachable = true;
};

/// Stands for a secret where others may see it: equal for equal texts, 16 bytes of SHA-256 as base64url;
/// empty for an empty text.
std::string fingerprint(std::string_view text);
/// Of a session: both its name and its key, so that nobody shows the one without the other.
std::string session_fingerprint(std::string_view sid, std::string_view key);

/// A member at another node. Views live as long as the call.
struct RemoteMember {
  std::string_view peer;
  /// Fingerprints of Identity::credential, and of the session that it may resume (empty: none).
  std::string_view credential;
  std::string_view session;
  const RemoteNode* node = nullptr;
};

/// What the Router keeps of a member at another node.
struct RemoteRecord {
  struct Place {
    std::string room;
    std::uint64_t order = 0;
    std::string meta;
  };
  std::string credential;
  std::string session;
  bool lost = false;
  std::vector<Place> places{};
};

struct RemoteMessage {
  std::string_view room;
  Kind kind = Kind::Custom;
  std::string_view data;
  /// Peer ids, all of them at this node.
  std::span<const std::string_view> to;
};

/// A room's options, and when they were set: of two, the later ones count.
struct RemoteRoom {
  std::string_view room;
  std::uint32_t size = 0;
  bool locked = false;
  std::string_view meta;
  std::uint64_t stamp = 0;
};

struct RemoteBan {
  std::string_view room;
  std::string_view peer;
  /// Fingerprint; empty: the peer id alone is banned.
  std::string_view credential;
  /// 0: the ban ends.
  std::chrono::seconds time{0};
  /// For people; may be empty.
  std::string_view reason{};
  /// When it was said, among joins: of two, the later counts. Who has made the room anew since is not meant.
  std::uint64_t stamp = 0;
};

/// Is told what the members at this node do, as it happens. Texts live as long as the call, which must not
/// call the Router.
class Watcher {
 public:
  Watcher() = default;
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  virtual ~Watcher() = default;

  virtual void entered(const RemoteMember& member) = 0;
  virtual void gone(std::string_view peer, LeaveReason why) = 0;
  virtual void joined(std::string_view peer, std::string_view room, std::uint64_t order,
                      std::string_view meta) = 0;
  virtual void left(std::string_view peer, std::string_view room, LeaveReason why) = 0;
  virtual void updated(std::string_view peer, std::string_view room, std::string_view meta) = 0;
  /// Its connection is lost, or it has resumed.
  virtual void lost(std::string_view peer, bool is_lost) = 0;
  virtual void configured(const RemoteRoom& room) = 0;
  virtual void banned(const RemoteBan& ban) = 0;
  /// A member at another node has made way for one here, which entered() tells of next.
  virtual void superseded(std::uint64_t connection) = 0;
};

}  // namespace ts::signal
