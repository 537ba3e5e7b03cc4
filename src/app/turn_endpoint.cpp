// SPDX-License-Identifier: Apache-2.0
#include "turn_endpoint.hpp"

#include <utility>

namespace ts::app {
namespace {

net::TurnRefusal forbidden(std::string_view why) { return {403, "forbidden", why}; }

}  // namespace

Result<net::TurnCredential, net::TurnRefusal> TurnEndpoint::answer(
    const Now& now, const net::TurnQuestion& question, const signal::MintIceCredential& mint) const {
  const auto known = router_.authenticate(now, question.token);
  if (!known) return net::TurnRefusal{401, "unauthorized", known.error().message};
  const signal::Identity& identity = **known;
  if (!identity.can.has(signal::Right::Ice))
    return forbidden("whoever has this token may not have ICE servers");
  if (!question.sid.empty()) return of_session(now, identity, question);
  // The shared token is nobody's in particular, and its session would be as good as any other that it begins.
  // Where relays are closed, one that is nobody's could reach nothing, or anything.
  if (bound_ && (!identity.credential.empty() || options_.closed_relay))
    return forbidden("credentials are bound to a session here: name sid and session_key of the welcome");
  if (!mint) return net::TurnRefusal{404, "not_found", "there is nothing here"};
  if (!identity.peer.empty() && !question.user.empty() && question.user != identity.peer)
    return forbidden("this token is another user's");
  signal::IceCredential made = mint(now, identity.peer.empty() ? question.user : identity.peer);
  net::TurnCredential out{std::move(made.username), std::move(made.password), made.ttl, {}};
  for (const std::string& url : options_.ice_urls) {
    if (url.starts_with("turn")) out.uris.push_back(url);
  }
  return out;
}

Result<net::TurnCredential, net::TurnRefusal> TurnEndpoint::of_session(
    const Now& now, const signal::Identity& identity, const net::TurnQuestion& question) const {
  const auto ice = router_.session_ice(now, signal::Resume{question.sid, question.session_key, 0}, identity);
  if (!ice) return forbidden(ice.error().message);
  for (const signal::IceServer& server : ice->servers) {
    if (server.credential.empty()) continue;
    return net::TurnCredential{server.username, server.credential, ice->ttl, server.urls};
  }
  return net::TurnRefusal{404, "not_found", "there is nothing here"};
}

}  // namespace ts::app
