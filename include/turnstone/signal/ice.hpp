// SPDX-License-Identifier: Apache-2.0
// ICE servers as members get them: who provides them, and the provider for a list of URLs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/base/time.hpp>

namespace ts::signal {

/// One RTCIceServer. Without user name and credential for STUN.
struct IceServer {
  std::vector<std::string> urls;
  std::string username;
  std::string credential;
};

struct IceServers {
  std::vector<IceServer> servers;
  /// Life of the credentials; 0: they do not expire.
  std::chrono::seconds ttl{0};
};

/// Why a membership ended, as room-mates are told.
enum class LeaveReason : std::uint8_t { Left, Lost, Kicked };

constexpr std::string_view label(LeaveReason reason) noexcept {
  switch (reason) {
    case LeaveReason::Left: return "left";
    case LeaveReason::Lost: return "lost";
    case LeaveReason::Kicked: return "kicked";
  }
  return {};
}

/// Mints or looks up what a member may use. Called by the Router at welcome, at join, on request and for
/// renewal.
class IceProvider {
 public:
  IceProvider() = default;
  IceProvider(const IceProvider&) = delete;
  IceProvider& operator=(const IceProvider&) = delete;
  virtual ~IceProvider() = default;

  /// The servers for `peer`. `room` is empty except at a join: then, what that room adds (no servers:
  /// nothing).
  virtual IceServers servers(const Now& now, std::string_view room, std::string_view peer) = 0;

  /// The member has left the room; without a room: it is in none any more, or gone. What servers() gave it
  /// for that is to be good for nothing from now on. True when it must get other ones if it stays.
  virtual bool ended(std::string_view /*room*/, std::string_view /*peer*/, LeaveReason /*why*/) {
    return false;
  }

  /// The same where it need not end: the member goes to another server, since this one is about to stop, or
  /// this one stops. What it has stays good until it runs out, so that its calls go on here.
  virtual void released(std::string_view /*room*/, std::string_view /*peer*/) {}
};

/// An ephemeral TURN credential.
struct IceCredential {
  std::string username;
  std::string password;
  std::chrono::seconds ttl{0};
};

/// Makes a credential for a user.
using MintIceCredential = std::function<IceCredential(const Now& now, std::string_view user)>;

/// Gives each member the same URLs: stun and stuns bare, turn and turns with a credential minted for the peer
/// id. Without `mint`, TURN URLs are left out. A room adds nothing.
class UrlIceProvider final : public IceProvider {
 public:
  explicit UrlIceProvider(const std::vector<std::string>& urls, MintIceCredential mint = {});
  IceServers servers(const Now& now, std::string_view room, std::string_view peer) override;

 private:
  std::vector<std::string> stun_urls_;
  std::vector<std::string> turn_urls_;
  MintIceCredential mint_;
};

}  // namespace ts::signal
