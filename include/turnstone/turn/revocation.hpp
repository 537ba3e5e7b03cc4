// SPDX-License-Identifier: Apache-2.0
// Who is let in no more: credentials, users, rooms and members, each until a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/options.hpp>
#include <turnstone/auth/policy.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/turn/counters.hpp>

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
  RevocationCause cause = RevocationCause::Order;
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

/// The revocations that still count, those of each cause for themselves. When there are too many of one, the
/// one of them that would lapse first goes, of several the oldest: its credential is good again until it
/// expires.
class RevocationList {
 public:
  /// Of each cause.
  static constexpr std::size_t kMax = 65'536;

  /// How many had to be forgotten for it before they lapsed.
  std::size_t add(const Revocation& revocation, WallTime now);
  bool empty() const noexcept;
  std::size_t size() const noexcept;
  std::size_t size(RevocationCause cause) const noexcept { return parts_[index(cause)].until.size(); }
  bool matches(const Bearer& bearer, WallTime now) const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  /// When it lapses, and its number.
  using End = std::pair<WallTime, std::uint64_t>;
  struct Part {
    std::map<End, std::string> by_end;  // keys: kind, realm, name
    boost::unordered_flat_map<std::string, End, TextHash, std::equal_to<>> until;
    void forget_first();
  };
  bool listed(Revocation::Kind kind, std::string_view name, auth::RealmId realm, WallTime now) const;

  std::uint64_t added_ = 0;
  std::array<Part, kRevocationCauseCount> parts_;
};

}  // namespace ts::turn
