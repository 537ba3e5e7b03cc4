// SPDX-License-Identifier: Apache-2.0
// What an operator may set about credentials. A leaf: data only.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace ts::auth {

/// A long-term user (RFC 8489 §9.2). The password is a secret.
struct StaticUser {
  std::string name;
  std::string password;
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
  /// Third-party authorization (RFC 7635): keys shared with authorization servers,
  /// `kid:base64-key[:seconds]`. Empty: off.
  std::vector<std::string> oauth_keys;
  /// The name that tokens are made for; empty: the realm.
  std::string oauth_server_name;
  /// Life of a credential that we mint.
  std::chrono::seconds credential_ttl{3600};
  /// How long a nonce is good for (RFC 8489 §9.2: the server may expire it at any time).
  std::chrono::seconds nonce_lifetime{3600};

  /// True when at least one source of credentials is configured.
  bool any_source() const noexcept {
    return !users.empty() || !secrets.empty() || !jwt_secrets.empty() || !oauth_keys.empty();
  }
};

}  // namespace ts::auth
