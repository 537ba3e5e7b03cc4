// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/auth/realms.hpp>
#include <turnstone/turn/revocation.hpp>

namespace ts::turn {
namespace {

using Kind = Revocation::Kind;

/// The account of an ephemeral credential begins with a colon; whoever revokes names the user.
std::string_view user_of(std::string_view account) noexcept {
  const std::string_view name = auth::split_account(account).name;
  return name.starts_with(':') ? name.substr(1) : name;
}

/// `realm` may be nothing: every one.
std::string key_of(Kind kind, std::string_view name, std::optional<auth::RealmId> realm) {
  std::string out(1, static_cast<char>('0' + static_cast<int>(kind)));
  if (realm) out.append(std::to_string(*realm));
  return out.append(":").append(name);
}

bool has_user(const std::vector<auth::StaticUser>& users, std::string_view name) noexcept {
  return std::any_of(users.begin(), users.end(),
                     [&](const auth::StaticUser& user) { return user.name == name; });
}

}  // namespace

bool revokes(const Revocation& revocation, const Bearer& bearer) noexcept {
  if (revocation.name.empty()) return false;  // else it would mean all that are in no room
  if (revocation.realm && *revocation.realm != auth::split_account(bearer.account).realm) return false;
  switch (revocation.kind) {
    case Kind::Credential: return revocation.name == bearer.username;
    case Kind::User: return revocation.name == user_of(bearer.account);
    case Kind::Room: return bearer.policy != nullptr && revocation.name == bearer.policy->room;
    case Kind::Member: return bearer.policy != nullptr && revocation.name == bearer.policy->member;
  }
  return false;
}

Revocation with_end(Revocation revocation, const auth::Options& options, WallTime now) {
  if (revocation.until != WallTime::max()) return revocation;
  const bool is_static = has_user(options.users, revocation.name) ||
                         std::any_of(options.realms.begin(), options.realms.end(), [&](const auto& realm) {
                           return has_user(realm.users, revocation.name);
                         });
  if (is_static && (revocation.kind == Kind::User || revocation.kind == Kind::Credential)) return revocation;
  if (revocation.kind == Kind::Credential) {
    revocation.until = auth::expiry_of(revocation.name).value_or(WallTime::max());
  } else {
    revocation.until = now + std::max<std::chrono::seconds>(kRevocationLife, options.credential_ttl);
  }
  return revocation;
}

void RevocationList::add(const Revocation& revocation, WallTime now) {
  forget_lapsed(now);
  if (revocation.name.empty() || revocation.until <= now) return;
  first_lapse_ = std::min(first_lapse_, revocation.until);
  const std::string key = key_of(revocation.kind, revocation.name, revocation.realm);
  if (const auto found = until_.find(key); found != until_.end()) {
    found->second = std::max(found->second, revocation.until);
    by_age_.erase(std::find(by_age_.begin(), by_age_.end(), key));
  } else {
    if (by_age_.size() >= kMax) {
      until_.erase(by_age_.front());
      by_age_.pop_front();
    }
    until_.emplace(key, revocation.until);
  }
  by_age_.push_back(key);
}

void RevocationList::forget_lapsed(WallTime now) {
  if (now < first_lapse_) return;
  first_lapse_ = WallTime::max();
  std::erase_if(by_age_, [&](const std::string& key) {
    const auto found = until_.find(key);
    if (found->second <= now) {
      until_.erase(found);
      return true;
    }
    first_lapse_ = std::min(first_lapse_, found->second);
    return false;
  });
}

bool RevocationList::listed(Kind kind, std::string_view name, auth::RealmId realm, WallTime now) const {
  if (name.empty()) return false;
  const auto holds = [&](const std::string& key) {
    const auto found = until_.find(key);
    return found != until_.end() && now < found->second;
  };
  return holds(key_of(kind, name, std::nullopt)) || holds(key_of(kind, name, realm));
}

bool RevocationList::matches(const Bearer& bearer, WallTime now) const {
  if (until_.empty()) return false;
  const auth::RealmId realm = auth::split_account(bearer.account).realm;
  if (listed(Kind::Credential, bearer.username, realm, now)) return true;
  if (listed(Kind::User, user_of(bearer.account), realm, now)) return true;
  if (bearer.policy == nullptr) return false;
  return listed(Kind::Room, bearer.policy->room, realm, now) ||
         listed(Kind::Member, bearer.policy->member, realm, now);
}

}  // namespace ts::turn
