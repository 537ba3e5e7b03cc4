// SPDX-License-Identifier: Apache-2.0
// Requests that one node passes on to another: the marks that tell whose a session is, and the pass that
// such a request shows. Both are the same for all that is asked by HTTP. docs/several-nodes.md. Pure.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/signal/cluster_key.hpp>

namespace ts::signal {

/// For derive().
inline constexpr std::string_view kForwardPurpose = "forwarded requests";
/// Names of sessions that are reached by HTTP begin with their node's mark, where there are several nodes.
inline constexpr std::size_t kMarkBytes = 8;
/// A pass may be so old, or so much ahead: clocks differ.
inline constexpr std::chrono::seconds kPassLife{60};
/// Nodes whose passes are looked at, at once.
inline constexpr std::size_t kMaxPassSenders = 128;
inline constexpr std::size_t kMaxPassBytes = 256;

/// The mark of a node: kMarkBytes of base64url. It does not tell the node's name.
std::string mark_of(std::string_view node);
/// What a session's name begins with; empty: it is too short to have a mark.
std::string_view mark_in(std::string_view sid) noexcept;

/// What a pass vouches for. Views live as long as the call.
struct PassedRequest {
  std::string_view method;
  /// Path and query, as they stand in the request.
  std::string_view target;
  /// Whose request it is.
  Endpoint client;
  /// SHA-256.
  Sha256Digest body{};
};

/// Makes this node's passes.
class PassMaker {
 public:
  PassMaker(const ClusterKey& key, std::string from);
  /// One line, good for one request to the node with the mark `to`.
  std::string make(WallTime now, std::string_view to, const PassedRequest& request);

 private:
  HmacSha256Key key_;
  std::string from_;
  std::uint64_t number_ = 0;
};

/// Why a pass is not good.
enum class PassFault : std::uint8_t {
  Malformed,
  /// Not signed for this request, this node or with this secret.
  Forged,
  /// Its time is too far from ours.
  Stale,
  /// It was shown before, or is far behind others of its node.
  Repeated,
  /// Too many nodes.
  Crowded
};
/// For a log.
std::string_view to_string(PassFault fault) noexcept;

/// What an accepted pass says.
struct AcceptedPass {
  Endpoint client;
  Sha256Digest body{};
};

/// Which of a row of numbers have been there: each is taken once, and none that is far behind.
class ReplayWindow {
 public:
  static constexpr std::size_t kSize = 8192;
  /// False: it was there, or may have been.
  bool take(std::uint64_t number) noexcept;

 private:
  std::bitset<kSize> seen_;
  std::uint64_t newest_ = 0;
};

/// Looks at the passes that other nodes show; each is good once.
class PassChecker {
 public:
  /// `own` is this node's mark.
  PassChecker(const ClusterKey& key, std::string own);
  /// The body is still to be compared with what the pass says of it.
  Result<AcceptedPass, PassFault> accept(WallTime now, std::string_view pass, std::string_view method,
                                         std::string_view target);

 private:
  struct Sender {
    ReplayWindow window;
    WallTime last{};
  };
  bool make_room(WallTime now);

  HmacSha256Key key_;
  std::string own_;
  std::map<std::string, Sender, std::less<>> senders_;
};

}  // namespace ts::signal
