// SPDX-License-Identifier: Apache-2.0
// What an operator may set about credentials. A leaf: data only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>

namespace ts::auth {

/// A long-term user (RFC 8489 §9.2). The password is a secret.
struct StaticUser {
  std::string name;
  std::string password;
};

/// RFC 7518 §3.2: "A key of the same size as the hash output … or larger MUST be used".
inline constexpr std::size_t kMinJwtSecretBytes = 32;

/// Names a realm: 0 is the default one, the others are numbered as in Options::realms.
using RealmId = std::uint16_t;
inline constexpr RealmId kDefaultRealm = 0;

/// A listener of ours by its port, and by its address unless that does not matter.
struct RealmListener {
  std::optional<IpAddress> address;
  std::uint16_t port = 0;
  friend bool operator==(const RealmListener&, const RealmListener&) = default;
};

/// A realm beside the default one.
struct RealmOptions {
  std::string name;
  /// Who is met here: whoever sends one of these in ORIGIN (draft-ietf-tram-stun-origin), and whoever comes
  /// to one of these listeners.
  std::vector<std::string> origins;
  std::vector<RealmListener> listeners;
  // As in Options.
  std::vector<StaticUser> users;
  std::vector<std::string> secrets;
  std::vector<std::string> jwt_secrets;
  std::string jwt_audience;
};

/// An external source of credentials that is asked over HTTP about usernames that nobody else knows.
struct HookOptions {
  /// What questions are posted to; empty: off.
  std::string url;
  /// Shown as `Authorization: Bearer`; a secret. Empty: none.
  std::string token;
  /// PEM certificates that an https server is trusted by; empty: the system's.
  std::string ca_file;
  /// No answer by then is a failure. It includes name resolution, connecting and waiting for a connection.
  std::chrono::milliseconds timeout{2000};
  /// How long an answer is good for, if it does not say less; and one that says that there is no such user.
  std::chrono::seconds cache{60};
  std::chrono::seconds negative_cache{5};
  /// Questions on their way at a time; others wait.
  std::uint32_t max_in_flight = 32;
  /// New questions a second that one source (IPv4 address, IPv6 /64) may cause; loopback is exempt. 0 is no
  /// limit.
  std::uint32_t max_per_source = 50;

  bool is_enabled() const noexcept { return !url.empty(); }
};

struct Options {
  /// Sent in every challenge and mixed into every key. From 37 bytes on, small challenges are compact.
  std::string realm = "turnstone";
  std::vector<StaticUser> users;
  /// Shared secrets of ephemeral credentials. Each one verifies; the first one mints.
  std::vector<std::string> secrets;
  /// Shared secrets of credentials that are JSON Web Tokens (auth/jwt.hpp). Each one verifies.
  std::vector<std::string> jwt_secrets;
  /// What the `aud` of a token must name; empty: it is not looked at.
  std::string jwt_audience;
  /// Further realms; all that stands above is the default one's.
  std::vector<RealmOptions> realms;
  /// Third-party authorization (RFC 7635): keys shared with authorization servers,
  /// `kid:base64-key[:seconds]`. Empty: off.
  std::vector<std::string> oauth_keys;
  /// The name that tokens are made for; empty: the realm.
  std::string oauth_server_name;
  HookOptions hook;
  /// Life of a credential that we mint.
  std::chrono::seconds credential_ttl{3600};
  /// How long a nonce is good for (RFC 8489 §9.2: the server may expire it at any time).
  std::chrono::seconds nonce_lifetime{3600};

  /// True when at least one source of credentials is configured.
  bool any_source() const noexcept {
    return !users.empty() || !secrets.empty() || !jwt_secrets.empty() || !realms.empty() ||
           !oauth_keys.empty() || hook.is_enabled();
  }
};

}  // namespace ts::auth
