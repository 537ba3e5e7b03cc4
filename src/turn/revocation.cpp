// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

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

std::size_t RevocationList::add(const Revocation& revocation, WallTime now) {
  Part& part = parts_[index(revocation.cause)];
  while (!part.by_end.empty() && part.by_end.begin()->first.first <= now) part.forget_first();
  if (revocation.name.empty() || revocation.until <= now) return 0;
  std::string key = key_of(revocation.kind, revocation.name, revocation.realm);
  End end{revocation.until, ++added_};
  std::size_t forgotten = 0;
  if (const auto found = part.until.find(key); found != part.until.end()) {
    end.first = std::max(end.first, found->second.first);
    part.by_end.erase(found->second);
    found->second = end;
  } else {
    if (part.until.size() >= kMax) {
      part.forget_first();
      forgotten = 1;
    }
    part.until.emplace(key, end);
  }
  part.by_end.emplace(end, std::move(key));
  return forgotten;
}

void RevocationList::Part::forget_first() {
  until.erase(by_end.begin()->second);
  by_end.erase(by_end.begin());
}

bool RevocationList::empty() const noexcept { return size() == 0; }

std::size_t RevocationList::size() const noexcept {
  std::size_t out = 0;
  for (const Part& part : parts_) out += part.until.size();
  return out;
}

bool RevocationList::listed(Kind kind, std::string_view name, auth::RealmId realm, WallTime now) const {
  if (name.empty()) return false;
  const auto holds = [&](const std::string& key) {
    return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
      const auto found = part.until.find(key);
      return found != part.until.end() && now < found->second.first;
    });
  };
  return holds(key_of(kind, name, std::nullopt)) || holds(key_of(kind, name, realm));
}

bool RevocationList::matches(const Bearer& bearer, WallTime now) const {
  if (empty()) return false;
  const auth::RealmId realm = auth::split_account(bearer.account).realm;
  if (listed(Kind::Credential, bearer.username, realm, now)) return true;
  if (listed(Kind::User, user_of(bearer.account), realm, now)) return true;
  if (bearer.policy == nullptr) return false;
  return listed(Kind::Room, bearer.policy->room, realm, now) ||
         listed(Kind::Member, bearer.policy->member, realm, now);
}

}  // namespace ts::turn
