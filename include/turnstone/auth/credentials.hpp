// SPDX-License-Identifier: Apache-2.0
// Where keys come from: static users, ephemeral credentials of shared secrets
// (draft-uberti-behave-turn-rest), and JSON Web Tokens (auth/jwt.hpp). Immutable once made; shards share one
// object.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/message_key.hpp>
#include <turnstone/auth/nonce.hpp>
#include <turnstone/auth/options.hpp>
#include <turnstone/auth/policy.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/stun/message.hpp>

namespace ts::auth {

/// Why a message's credentials do not hold.
enum class Failure : std::uint8_t {
  UnknownUser,
  WrongPassword,
  Expired,    ///< or not good yet
  BadPolicy,  ///< right, but what it allows cannot be read
};

/// What a request says about its sender (RFC 8489 §9.2.4), before anything of it is believed.
struct Claim {
  /// USERNAME; empty when there is USERHASH instead. It outlives the Principal.
  std::string_view username;
  /// USERHASH; empty when there is none.
  ByteView userhash;
  /// How the client made its key.
  PasswordAlgorithm algorithm = PasswordAlgorithm::Md5;
  /// The attribute that the answer will carry.
  Mac answer_mac = Mac::Sha1;
};

/// Who sent an authenticated message.
struct Principal {
  /// Signs the answer.
  MessageKey key;
  /// The user's one name, however it was spelled or hashed: a view into the claim or the Credentials.
  std::string_view username;
  /// What quotas count by: the user behind an ephemeral username or a token, else the username. A view into
  /// `username` or into the policy.
  std::string_view account;
  /// What the credential allows; null: all that the server does.
  std::unique_ptr<const Policy> policy{};
};

/// A username and password for a client.
struct Minted {
  std::string username;
  std::string password;
};

class Realms;

class Credentials {
 public:
  /// Those of the default realm, and of the further ones.
  explicit Credentials(const Options& options);
  /// `asks_hook`: others than these may be known to the external source, whatever options.hook says.
  Credentials(const Options& options, bool asks_hook);

  /// The realms beside this one; null: there are none.
  const Realms* further() const noexcept { return further_.get(); }

  /// Finds the user's key and checks the message's MAC with it: MESSAGE-INTEGRITY-SHA256 if it is there, else
  /// MESSAGE-INTEGRITY.
  Result<Principal, Failure> authenticate(const stun::MessageView& message, const Claim& claim,
                                          WallTime now) const;
  /// The same for a client of RFC 5389.
  Result<Principal, Failure> authenticate(const stun::MessageView& message, std::string_view username,
                                          WallTime now) const {
    return authenticate(message, Claim{username, {}, PasswordAlgorithm::Md5, Mac::Sha1}, now);
  }

  /// Prepared with OpaqueString (RFC 8489 §14.9).
  const std::string& realm() const noexcept { return realm_; }

  /// What our nonces promise. Username anonymity only when every user can be found by USERHASH: a client that
  /// is promised it never sends USERNAME, and the name of an ephemeral credential or a token is known to
  /// nobody but its holder.
  SecurityFeatures features() const noexcept {
    return kFeaturePasswordAlgorithms | (finds_all_by_userhash() ? kFeatureUsernameAnonymity : 0);
  }

 private:
  /// One spelling of a static user's name.
  struct User {
    /// The first spelling: OpaqueString's.
    std::string name;
    /// Of each form of the password that clients may hash.
    std::vector<LongTermKeys> keys;
  };
  /// A shared secret, for passwords made with HMAC-SHA1 and with HMAC-SHA256.
  struct Secret {
    HmacSha1Key sha1;
    HmacSha256Key sha256;
  };

  void add(const StaticUser& user);
  /// The static user that the claim names; nullptr: none. What is claimed twice must agree.
  const User* find(const Claim& claim) const noexcept;
  Result<Principal, Failure> authenticate_ephemeral(const stun::MessageView& message, const Claim& claim,
                                                    WallTime now) const;
  Result<Principal, Failure> authenticate_jwt(const stun::MessageView& message, const Claim& claim,
                                              WallTime now) const;
  bool finds_all_by_userhash() const noexcept {
    return secrets_.empty() && jwt_secrets_.empty() && !asks_hook_ && !users_.empty();
  }

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct DigestHash {
    std::size_t operator()(const Sha256Digest& digest) const noexcept { return load_be64(digest.data()); }
  };

  std::string realm_;
  boost::unordered_flat_map<std::string, User, TextHash, std::equal_to<>> users_;
  boost::unordered_flat_map<Sha256Digest, std::string, DigestHash> names_by_userhash_;
  std::vector<Secret> secrets_;
  std::vector<HmacSha256Key> jwt_secrets_;
  std::string jwt_audience_;
  std::shared_ptr<const Realms> further_;
  /// Users of the hook are known by USERNAME alone.
  bool asks_hook_;
};

/// When an ephemeral credential or a token of this username expires; nothing when it is not one's.
std::optional<WallTime> expiry_of(std::string_view username);
/// RFC 8489 §9.2.2: "with any quotes and trailing nulls removed".
std::string_view without_quotes(std::string_view text) noexcept;

/// Mints an ephemeral credential: username `<expiry>:<user>` (or only `<expiry>`), password
/// base64(HMAC-SHA1(secret, username)).
Minted mint(std::string_view secret, std::string_view user, WallTime expiry);
/// The same with a policy in the username. Nothing when that would be longer than kMaxPolicyUsernameBytes, or
/// when the policy has a value that parse_policy() would refuse.
std::optional<Minted> mint(std::string_view secret, std::string_view user, const Policy& policy,
                           WallTime expiry);

}  // namespace ts::auth
