// SPDX-License-Identifier: Apache-2.0
// What an external source has said about usernames, kept for a while. Bounded; keys only, never passwords.
// One thread.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/auth/message_key.hpp>
#include <turnstone/auth/options.hpp>
#include <turnstone/auth/policy.hpp>
#include <turnstone/base/time.hpp>

namespace ts::auth {

/// The answer to a question about a username.
struct HookAnswer {
  enum class Kind : std::uint8_t {
    Found,
    NoSuchUser,
    BadAnswer,  ///< one that cannot be understood
    TimedOut,
    Unreachable,  ///< no connection, or a server that says that it cannot serve
  };
  Kind kind = Kind::Unreachable;
  /// A secret; or else one of the keys, or both (RFC 8489 §9.2.2).
  std::string password{};
  std::optional<Md5Digest> md5_key{};
  std::optional<Sha256Digest> sha256_key{};
  /// When the credential ends.
  std::optional<WallTime> expires{};
  /// How long the answer is good for, if that is less than what is configured.
  std::optional<std::chrono::seconds> ttl{};
  Policy policy{};
};

/// A username in a realm. Keyed with a secret, so that nobody chooses names that collide.
using HookName = Sha256Digest;

class HookCache {
 public:
  /// Of users, and as many of those whom there are not; of either the oldest one goes.
  static constexpr std::size_t kMaxEntries = 10'000;
  /// A question that failed is not asked again before; nor is one about a user whose password was wrong.
  static constexpr std::chrono::seconds kPause{1};

  /// `seed` is secret. The options outlive the cache.
  HookCache(const HookOptions& options, ByteView seed) : options_(options), seed_(seed) {}

  HookName name(std::string_view realm, std::string_view username) const noexcept;

  /// Keeps the answer: a user's key for at least a second, that there is none, or that asking is in vain.
  void add(const HookName& name, std::string_view realm, std::string_view username, const HookAnswer& answer,
           Now now);

  /// The user as known from an earlier answer: whether the message is theirs. Nothing: not known.
  /// The Principal's names are views into the claim.
  std::optional<Result<Principal, Failure>> authenticate(const HookName& name,
                                                         const stun::MessageView& message, const Claim& claim,
                                                         Now now);
  /// True when the answer about a known user is not so new that asking again makes no sense.
  bool may_doubt(const HookName& name, TimePoint now);
  /// What asking has led to a short while ago, if it was not a user.
  std::optional<HookAnswer::Kind> refused(const HookName& name, TimePoint now);

  std::size_t size() const noexcept { return users_.size() + refused_.size(); }

 private:
  /// Values by name, each until its time; when there are too many, the oldest one goes.
  template <class T>
  class Table {
   public:
    T* find(const HookName& name, TimePoint now);
    void put(const HookName& name, TimePoint until, T value);
    void erase(const HookName& name);
    std::size_t size() const noexcept { return by_name_.size(); }

   private:
    struct Entry {
      HookName name;
      TimePoint until;
      T value;
    };
    struct Hash {
      std::size_t operator()(const HookName& name) const noexcept { return load_be64(name.data()); }
    };
    std::list<Entry> by_age_;
    boost::unordered_flat_map<HookName, typename std::list<Entry>::iterator, Hash> by_name_;
  };

  struct User {
    TimePoint answered;
    std::optional<WallTime> expires;
    bool has_md5 = true;
    bool has_sha256 = true;
    /// Of each form of the password that clients may hash.
    std::vector<LongTermKeys> keys;
    std::optional<Policy> policy;
  };

  const HookOptions& options_;
  HmacSha256Key seed_;
  Table<User> users_;
  Table<HookAnswer::Kind> refused_;
};

}  // namespace ts::auth
