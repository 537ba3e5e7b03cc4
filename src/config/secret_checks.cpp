// SPDX-License-Identifier: Apache-2.0
// Secrets that must not serve two purposes.
#include <algorithm>

#include "checks.hpp"

namespace ts::config {
namespace {

bool have_common(const std::vector<std::string>& a, const std::vector<std::string>& b) noexcept {
  return std::any_of(a.begin(), a.end(),
                     [&](const std::string& one) { return std::find(b.begin(), b.end(), one) != b.end(); });
}

/// A token that a client has for one of the two is a token for the other, unless each is for an audience of
/// its own.
void check_jwt_secrets(Loading& loading, const std::string& prefix, const std::vector<std::string>& secrets,
                       const std::string& audience) {
  const signal::Options& signal = loading.config.signal;
  const std::string key = prefix + "jwt_secrets";
  for (const std::string& one : {key, key + "_file", std::string("signaling.jwt_secrets")}) {
    if (loading.failed.contains(one)) return;
  }
  const bool apart = !audience.empty() && !signal.jwt_audience.empty() && audience != signal.jwt_audience;
  if (apart || !have_common(signal.jwt_secrets, secrets)) return;
  Problem out;
  out.key = "signaling.jwt_secrets, " + key;
  const auto origin = loading.origins.find("signaling.jwt_secrets");
  if (origin != loading.origins.end()) {
    out.source = origin->second.source;
    out.line = origin->second.line;
  }
  out.expected = "secrets of their own";
  out.found = "a secret that both have (it is not shown), so that a token for one serves as the other";
  out.remedy = "Make another one with: openssl rand -hex 32; or write two different names into " + prefix +
               "jwt_audience and signaling.jwt_audience, and into the tokens' aud.";
  loading.problems.push_back(std::move(out));
}

}  // namespace

void check_shared_secrets(Loading& loading) {
  const auth::Options& auth = loading.config.auth;
  check_jwt_secrets(loading, "auth.", auth.jwt_secrets, auth.jwt_audience);
  for (std::size_t i = 0; i < auth.realms.size(); ++i) {
    check_jwt_secrets(loading, "auth.realms[" + std::to_string(i) + "].", auth.realms[i].jwt_secrets,
                      auth.realms[i].jwt_audience);
  }
}

}  // namespace ts::config
