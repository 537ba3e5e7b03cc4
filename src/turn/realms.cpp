// SPDX-License-Identifier: Apache-2.0
// Which realm a request meets: its listener's, its ORIGIN's, the one that it names itself, else the default
// one.
#include <turnstone/auth/realms.hpp>

#include "request.hpp"

namespace ts::turn {
namespace {

/// Some clients send several; more than this are not looked at.
constexpr int kMaxOrigins = 8;

}  // namespace

void Server::meet_realm(Request& r) const {
  r.credentials = credentials_;
  const auth::Realms* realms = credentials_->further();
  if (realms == nullptr) return;
  r.realm = realms->of_listener(r.in.tuple.server);
  if (r.realm == auth::kDefaultRealm) {
    int origins = 0;
    r.message.for_each([&](const stun::Attribute& a) {
      if (a.type != stun::AttributeType::Origin || ++origins > kMaxOrigins) return;
      if (r.realm == auth::kDefaultRealm) r.realm = realms->of_origin(as_text(a.value));
    });
    // Browsers that send ORIGIN do so in their first request alone: an authenticated one may name the realm
    // that it was challenged in. Whether its credentials are of that realm is seen next.
    const auto name =
        origins == 0 && auth::mac_of(r.message) ? r.message.find(stun::AttributeType::Realm) : std::nullopt;
    if (name) r.realm = realms->of_name(auth::without_quotes(as_text(*name)));
  }
  if (const auth::Credentials* found = realms->find(r.realm)) r.credentials = found;
}

std::string Server::realm_name(auth::RealmId realm) const {
  if (realm == auth::kDefaultRealm) return credentials_->realm();
  const auth::Realms* realms = credentials_->further();
  const auth::Credentials* found = realms != nullptr ? realms->find(realm) : nullptr;
  return found != nullptr ? found->realm() : std::string();
}

}  // namespace ts::turn
