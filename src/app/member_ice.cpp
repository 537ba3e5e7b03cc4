// SPDX-License-Identifier: Apache-2.0
#include "member_ice.hpp"

#include <algorithm>
#include <utility>

#include <turnstone/base/hash.hpp>

namespace ts::app {

MemberIce::MemberIce(const std::vector<std::string>& urls, std::chrono::seconds ttl, RandomSource& random,
                     Mint mint, Revoke revoke)
    : ttl_(ttl), random_(random), mint_(std::move(mint)), revoke_(std::move(revoke)) {
  for (const std::string& url : urls) (url.starts_with("stun") ? stun_urls_ : turn_urls_).push_back(url);
}

std::string MemberIce::key_of(std::string_view room, std::string_view peer) {
  return std::string(room).append(1, '\0').append(peer);  // names have no such byte
}

MemberIce::Grant& MemberIce::grant(std::string_view room, std::string_view peer) {
  Grant& out = grants_[key_of(room, peer)];
  if (out.member.empty()) out.member = std::string(peer) + '~' + base64url(random_.bytes<9>());
  return out;
}

signal::IceServers MemberIce::servers(const Now& now, std::string_view room, std::string_view peer) {
  forget_released(now.wall);
  signal::IceServers out;
  if (room.empty() && !stun_urls_.empty()) out.servers.push_back(signal::IceServer{stun_urls_, {}, {}});
  if (turn_urls_.empty()) return out;
  Grant& given = grant(room, peer);
  auth::Policy policy;
  policy.room = room;
  policy.member = given.member;
  policy.closed = is_closed_ && is_closed_();
  const WallTime expiry = now.wall + ttl_;
  auto made = mint_(peer, policy, expiry);
  if (!made) {
    // Too long with both names in it. The user is the peer's id anyway.
    if (given.until != WallTime{}) revoke_(given.member, given.until, signal::LeaveReason::Left);
    if (std::exchange(given.told, false)) tell_({turn::ReachChange::Kind::Forget, {}, {}, given.member, {}});
    policy.member = given.member = given.member.substr(given.member.rfind('~'));
    made = mint_(peer, policy, expiry);
  }
  if (!made) return out;
  if (policy.closed && !given.told) {
    given.told = true;
    tell_({turn::ReachChange::Kind::Grant, std::string(room), std::string(peer), given.member, {}});
  }
  given.until = std::max(given.until, expiry);  // the clock may have been set back
  out.servers.push_back(signal::IceServer{turn_urls_, std::move(made->username), std::move(made->password)});
  out.ttl = ttl_;
  return out;
}

bool MemberIce::ended(std::string_view room, std::string_view peer, signal::LeaveReason why) {
  const auto found = grants_.find(key_of(room, peer));
  if (found == grants_.end()) return false;
  const Grant given = std::move(found->second);
  grants_.erase(found);
  revoke_(given.member, given.until, why);
  if (given.told) tell_({turn::ReachChange::Kind::Forget, {}, {}, given.member, {}});
  return true;
}

void MemberIce::released(std::string_view room, std::string_view peer) {
  const auto found = grants_.find(key_of(room, peer));
  if (found == grants_.end()) return;
  Grant& given = found->second;
  if (given.told) released_.emplace(given.until, std::move(given.member));
  grants_.erase(found);
}

void MemberIce::forget_released(WallTime now) {
  while (!released_.empty() && released_.begin()->first < now) {
    const auto over = released_.extract(released_.begin());
    tell_({turn::ReachChange::Kind::Forget, {}, {}, over.mapped(), {}});
  }
}

}  // namespace ts::app
