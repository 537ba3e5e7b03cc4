// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/config/reload.hpp>

#include "schema_table.hpp"

namespace ts::config {
namespace {

/// Realms are numbered, and met by listener and origin: only what they hold may change.
bool same_places(const Config& a, const Config& b) {
  return std::equal(a.auth.realms.begin(), a.auth.realms.end(), b.auth.realms.begin(), b.auth.realms.end(),
                    [](const auth::RealmOptions& x, const auth::RealmOptions& y) {
                      return x.name == y.name && x.origins == y.origins && x.listeners == y.listeners;
                    });
}

/// A listener for TLS is there from the start, or not at all.
bool has_certificate(const Config& config) {
  return !config.net.tls_cert_file.empty() && !config.net.tls_key_file.empty();
}

bool takes_effect(const Key& key, const Config& before, const Config& after) {
  if (!key.info.live) return false;
  if (key.info.path == kRealmsPath) return same_places(before, after);
  if (key.info.path.starts_with("listen.tls_")) return has_certificate(before) && has_certificate(after);
  return true;
}

}  // namespace

std::vector<Change> changes(const Config& before, const Config& after) {
  std::vector<Change> out;
  for (const Key& key : key_table()) {
    if (key.same(before, after)) continue;
    out.push_back(Change{key.info.path, takes_effect(key, before, after)});
  }
  return out;
}

void adopt(Config& to, const Config& from, std::span<const Change> changes) {
  for (const Change& change : changes) {
    if (change.live) find_key(change.key)->copy(to, from);
  }
  // How many of the credentials are not from files goes with them.
  const auto count = [](CredentialFiles& a, const CredentialFiles& b) {
    a.inline_users = b.inline_users;
    a.inline_secrets = b.inline_secrets;
    a.inline_jwt_secrets = b.inline_jwt_secrets;
  };
  count(to.secret_files, from.secret_files);
}

}  // namespace ts::config
