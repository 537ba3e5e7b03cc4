// SPDX-License-Identifier: Apache-2.0
// Identities of JSON Web Tokens, beside the shared token.
#pragma once

#include <memory>

#include <turnstone/auth/jwt_keys.hpp>
#include <turnstone/signal/identity.hpp>

namespace ts::signal {

/// Knows tokens that one of the keys has signed, and what TokenAuthenticator knows. One thread.
class JwtAuthenticator final : public Authenticator {
 public:
  JwtAuthenticator(const Options& options, std::shared_ptr<const auth::JwtKeys> keys);

  /// From now on, tokens are judged by these. Members stay.
  void use(std::shared_ptr<const auth::JwtKeys> keys) { keys_ = std::move(keys); }
  /// The same with another shared token, other rules and rights.
  void use(const Options& options, std::shared_ptr<const auth::JwtKeys> keys);
  Result<std::shared_ptr<const Identity>, Failure> authenticate(const Now& now,
                                                                std::string_view token) override;

 private:
  TokenAuthenticator shared_token_;
  auth::TokenRules rules_;
  Rights default_rights_;
  bool open_;
  std::shared_ptr<const auth::JwtKeys> keys_;
};

}  // namespace ts::signal
