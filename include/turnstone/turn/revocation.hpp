// SPDX-License-Identifier: Apache-2.0
// Who is let in no more: credentials, users, rooms and members, each until a time.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/options.hpp>
#include <turnstone/auth/policy.hpp>
#include <turnstone/base/time.hpp>

namespace ts::turn {

/// Ends what was granted: requests fail from now on, live allocations end at once.
struct Revocation {
  enum class Kind : std::uint8_t {
    Credential,  ///< the very username
    User,        ///< a static user, or the user of ephemeral credentials
    Room,        ///< the room of the policy
    Member       ///< the member of the policy
  };
  Kind kind = Kind::Credential;
  std::string name;
  /// When it may be forgotten: no credential that it means is good any longer. WallTime::max(): nobody said.
  WallTime until = WallTime::max();
  /// Nothing: in every realm.
  std::optional<auth::RealmId> realm = std::nullopt;
};

/// Credentials that live longer than this (or longer than auth::Options::credential_ttl, if that is more)
/// need an `until` of their own.
inline constexpr std::chrono::hours kRevocationLife{24};

/// The revocation with an end, where nobody said one: a credential's is its expiry, a static user's none, and
/// every other kRevocationLife from now.
Revocation with_end(Revocation revocation, const auth::Options& options, WallTime now);

/// Who sent a request or has an allocation.
struct Bearer {
  std::string_view username;
  /// With its realm (auth::account_in).
  std::string_view account;
  const auth::Policy* policy = nullptr;
};

/// True when the revocation means this bearer.
bool revokes(const Revocation& revocation, const Bearer& bearer) noexcept;

/// The revocations that still count. When there are too many, the oldest one goes.
class RevocationList {
 public:
  static constexpr std::size_t kMax = 8192;

  void add(const Revocation& revocation, WallTime now);
  bool empty() const noexcept { return until_.empty(); }
  std::size_t size() const noexcept { return until_.size(); }
  bool matches(const Bearer& bearer, WallTime now) const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  void forget_lapsed(WallTime now);
  bool listed(Revocation::Kind kind, std::string_view name, auth::RealmId realm, WallTime now) const;

  WallTime first_lapse_ = WallTime::max();
  std::deque<std::string> by_age_;  // keys: kind, realm, name
  boost::unordered_flat_map<std::string, WallTime, TextHash, std::equal_to<>> until_;
};

}  // namespace ts::turn
