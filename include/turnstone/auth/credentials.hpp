// SPDX-License-Identifier: Apache-2.0
// Where keys come from: static users and ephemeral credentials of shared secrets
// (draft-uberti-behave-turn-rest). Immutable once made; shards share one object.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/options.hpp>
#include <turnstone/auth/policy.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/stun/message.hpp>

namespace ts::auth {

/// RFC 8489 §9.2.2: the MD5 key of a user, as prepared HMAC-SHA1 states.
HmacSha1Key long_term_key(std::string_view username, std::string_view realm,
                          std::string_view password) noexcept;

/// Why a message's credentials do not hold.
enum class Failure : std::uint8_t {
  UnknownUser,
  WrongPassword,
  Expired,
  BadPolicy,  ///< right, but what it allows cannot be read
};

/// Who sent an authenticated message.
struct Principal {
  HmacSha1Key key;
  /// What quotas count by: the user behind an ephemeral username, else the username. A view into the
  /// username.
  std::string_view account;
  /// What the credential allows; null: all that the server does.
  std::unique_ptr<const Policy> policy{};
};

/// A username and password for a client.
struct Minted {
  std::string username;
  std::string password;
};

class Credentials {
 public:
  explicit Credentials(const Options& options);

  /// Finds the user's key and checks the message's MESSAGE-INTEGRITY with it.
  /// `username` must outlive the returned Principal.
  Result<Principal, Failure> authenticate(const stun::MessageView& message, std::string_view username,
                                          WallTime now) const;

  const std::string& realm() const noexcept { return realm_; }

 private:
  Result<Principal, Failure> authenticate_ephemeral(const stun::MessageView& message,
                                                    std::string_view username, WallTime now) const;

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };

  std::string realm_;
  boost::unordered_flat_map<std::string, HmacSha1Key, TextHash, std::equal_to<>> users_;
  std::vector<HmacSha1Key> secrets_;
};

/// When an ephemeral credential of this username expires; nothing when it is not one's.
std::optional<WallTime> expiry_of(std::string_view username) noexcept;

/// Mints an ephemeral credential: username `<expiry>:<user>` (or only `<expiry>`), password
/// base64(HMAC-SHA1(secret, username)).
Minted mint(std::string_view secret, std::string_view user, WallTime expiry);
/// The same with a policy in the username. Nothing when that would be longer than kMaxPolicyUsernameBytes, or
/// when the policy has a value that parse_policy() would refuse.
std::optional<Minted> mint(std::string_view secret, std::string_view user, const Policy& policy,
                           WallTime expiry);

}  // namespace ts::auth
