// SPDX-License-Identifier: Apache-2.0
// ICE servers whose TURN credentials live and die with a membership: each is bound to a room and a member by
// its policy, and revoked when the membership ends. HTTP thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/auth/policy.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/signal/ice.hpp>
#include <turnstone/turn/reach.hpp>

namespace ts::app {

class MemberIce final : public signal::IceProvider {
 public:
  /// Makes a credential for a user with a policy, good until a time; nothing: it cannot be.
  using Mint = std::function<std::optional<auth::Minted>(std::string_view user, const auth::Policy& policy,
                                                         WallTime expiry)>;
  /// Ends whatever was granted to a member of a policy, none of which is good after `until`.
  using Revoke = std::function<void(const std::string& member, WallTime until, signal::LeaveReason why)>;

  /// STUN URLs are given bare, TURN URLs with a credential that lives for `ttl`. `random` outlives this
  /// object.
  MemberIce(const std::vector<std::string>& urls, std::chrono::seconds ttl, RandomSource& random, Mint mint,
            Revoke revoke);

  /// Whether credentials made now are for a closed relay.
  using IsClosed = std::function<bool()>;
  using TellReach = std::function<void(turn::ReachChange)>;
  /// From now on asks `is_closed`, and says of each closed credential whose it is, before anybody gets it.
  void close(IsClosed is_closed, TellReach tell) {
    is_closed_ = std::move(is_closed);
    tell_ = std::move(tell);
  }

  signal::IceServers servers(const Now& now, std::string_view room, std::string_view peer) override;
  bool ended(std::string_view room, std::string_view peer, signal::LeaveReason why) override;
  void released(std::string_view room, std::string_view peer) override;

 private:
  /// A membership that has got credentials; without a room, a session.
  struct Grant {
    /// The member of the policies: no two memberships ever have the same, so that whoever comes back is not
    /// revoked with what it was before.
    std::string member;
    WallTime until;
    /// Shards know whose it is.
    bool told = false;
  };

  /// Forgets whoever was released and has no credential that is still good.
  void forget_released(WallTime now);
  static std::string key_of(std::string_view room, std::string_view peer);
  Grant& grant(std::string_view room, std::string_view peer);

  std::vector<std::string> stun_urls_;
  std::vector<std::string> turn_urls_;
  std::chrono::seconds ttl_;
  RandomSource& random_;
  Mint mint_;
  Revoke revoke_;
  IsClosed is_closed_;
  TellReach tell_;
  boost::unordered_flat_map<std::string, Grant> grants_;
  /// Members that shards know, whose memberships are over and whose credentials are not; by their end.
  std::multimap<WallTime, std::string> released_;
};

}  // namespace ts::app
