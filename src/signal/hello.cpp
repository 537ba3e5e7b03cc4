// SPDX-License-Identifier: Apache-2.0
// Hello: who it is, which peer id it gets, a new session or an old one, and ICE servers for it.
#include <algorithm>
#include <utility>

#include <turnstone/signal/router.hpp>

namespace ts::signal {
namespace {

/// Renewal is not planned further ahead than this.
constexpr std::chrono::hours kMaxIceLife{24 * 365};

}  // namespace

std::string Router::new_peer_name() {
  for (;;) {
    std::string name = base64url(random_.bytes<12>());
    if (!peers_.contains(name)) return name;
  }
}

Result<void, Failure> Router::check_names(const Identity& identity, const Hello& hello) const {
  // "*" is how a send names everyone.
  if (!hello.peer.empty() && (hello.peer == "*" || !valid_name(hello.peer, kMaxPeerNameBytes))) {
    return Failure{ErrorCode::BadRequest, "not a valid peer id"};
  }
  if (!identity.peer.empty() && !hello.peer.empty() && hello.peer != identity.peer) {
    return Failure{ErrorCode::Forbidden, "the token is for another peer id"};
  }
  if (hello.meta.size() > kMaxMetaBytes) return Failure{ErrorCode::TooLarge, "meta is too large"};
  return {};
}

bool Router::must_ask(const Now& now, std::string_view token) const {
  if (!doorman_.is_on() || options_.open || token.empty() || token.size() > kMaxHookTokenBytes) return false;
  const auto known = authenticate(now, token);
  return !known && !known.error().final;
}

bool Router::must_ask(const Now& now, ConnectionId id, const Hello& hello) const {
  const Connection* c = connections_.find(handle(id));
  if (c == nullptr || c->member || draining_ || hello.identity != nullptr) return false;
  const Connection* old = hello.resume ? connections_.find(session_of(*hello.resume)) : nullptr;
  return (old == nullptr || old->identity->expires <= now.wall) && must_ask(now, hello.token);
}

IpAddress Router::address_of(ConnectionId id) const noexcept {
  const Connection* c = connections_.find(handle(id));
  return c == nullptr ? IpAddress() : c->client.address;
}

Result<Welcome, Failure> Router::hello(const Now& now, ConnectionId id, const Hello& hello, Outbox& out) {
  const SlotHandle at = handle(id);
  const Connection* c = connections_.find(at);
  if (c == nullptr) return Failure{ErrorCode::Internal, "the connection is closed"};
  if (c->member) return Failure{ErrorCode::BadRequest, "hello was said already"};
  if (draining_) return refuse_hello(at, ErrorCode::ServerDraining, "the server is about to stop", out);
  const SlotHandle was = hello.resume ? session_of(*hello.resume) : SlotHandle{};
  Connection* old = connections_.find(was);
  // The key of a session proves more than a shared token does; only a token that has run out must be
  // replaced.
  const bool proven = old != nullptr && old->identity->expires > now.wall;
  std::shared_ptr<const Identity> identity;
  if (proven) {
    identity = newer_identity(now, hello, *old);
  } else if (hello.identity != nullptr) {
    identity = hello.identity;
    if (identity->expires <= now.wall)
      return refuse_hello(at, ErrorCode::TokenExpired, "the token has expired", out);
  } else {
    auto known = authenticate(now, hello.token);
    if (!known) return refuse_hello(at, known.error().code, known.error().message, out);
    identity = std::move(*known);
  }
  const bool same = old != nullptr && old->identity->credential == identity->credential;
  // The token is for somebody else now.
  const bool renamed = same && !identity->peer.empty() && identity->peer != old->peer;
  if (same && !renamed && old->session->replay.covers(hello.resume->seq)) {
    ++counters_.resumes[index(ResumeOutcome::Resumed)];
    old->identity = std::move(identity);
    return take_over(now, at, was, hello.resume->seq, out);
  }
  // Its client is the session's, if not its heir: it keeps the peer id.
  const std::string former = same ? old->peer : std::string();
  Hello wanted = hello;
  if (wanted.peer.empty())
    wanted.peer = same && !renamed ? std::string_view(former) : std::string_view(identity->peer);
  if (const auto named = check_names(*identity, wanted); !named) {
    return refuse_hello(at, named.error().code, named.error().message, out);
  }
  std::optional<ResumeOutcome> outcome;
  if (hello.resume) {
    outcome = renamed ? ResumeOutcome::Denied : same ? ResumeOutcome::Gap : ResumeOutcome::Unknown;
    ++counters_.resumes[index(*outcome)];
  }
  const auto taken = peers_.find(wanted.peer);
  if (taken != peers_.end() && !(same && taken->second == was) &&
      !make_way(now, taken->second, *identity, hello.resume, out)) {
    return refuse_hello(at, ErrorCode::PeerTaken, "another connection has this peer id", out);
  }
  // Its client has given it up with this.
  if (same) end_session(was, out);
  Welcome welcome = admit_member(now, at, identity, wanted);
  welcome.outcome = outcome;
  return welcome;
}

/// Who a session's client is: a token that it shows beside the key, if it is the same one's, takes the place
/// of the one that the session began with.
std::shared_ptr<const Identity> Router::newer_identity(const Now& now, const Hello& hello,
                                                       const Connection& old) const {
  std::shared_ptr<const Identity> shown = hello.identity;
  if (shown == nullptr && !hello.token.empty()) {
    if (auto known = authenticate(now, hello.token)) shown = std::move(*known);
  }
  const bool newer =
      shown != nullptr && shown->expires > now.wall && shown->credential == old.identity->credential;
  return newer ? shown : old.identity;
}

/// Whoever has the peer id must be gone, as far as one can tell, and the newcomer its equal.
bool Router::make_way(const Now& now, SlotHandle old, const Identity& identity,
                      const std::optional<Resume>& resume, Outbox& out) {
  const Connection& c = *connections_.find(old);
  if (c.remote) {
    if (!may_supersede(c, identity, resume)) return false;
    end_session(old, out);
    return true;
  }
  // Clients ping once a heartbeat, and so does the server.
  const bool overdue =
      !c.watched && options_.heartbeat.count() > 0 && c.seen + options_.heartbeat * 5 / 4 < now.mono;
  if (!c.lost && !overdue) return false;
  if (c.identity->credential != identity.credential) return false;
  end_session(old, out);
  return true;
}

/// Ends a member for the sake of a newer connection of its client.
void Router::end_session(SlotHandle at, Outbox& out) {
  const Connection& c = *connections_.find(at);
  if (!c.lost) out.post(c.receiver(), Close{CloseCode::Superseded, "superseded"});
  shut(at, CloseReason::Superseded, out);
}

Welcome Router::admit_member(const Now& now, SlotHandle at, std::shared_ptr<const Identity> identity,
                             const Hello& hello) {
  Connection& c = *connections_.find(at);
  c.member = true;
  c.wants_ice = hello.wants_ice;
  c.watched = hello.watched;
  c.peer = hello.peer.empty() ? new_peer_name() : std::string(hello.peer);
  c.meta = identity->meta.empty() ? hello.meta : std::string_view(identity->meta);
  c.identity = std::move(identity);
  peers_.emplace(c.peer, at);
  ++counters_.members;
  Welcome welcome;
  welcome.sid = base64url(random_.bytes<16>());
  welcome.key = base64url(random_.bytes<32>());
  welcome.peer = c.peer;
  if (hello.resumable && options_.resume_time.count() > 0) {
    c.session = std::make_unique<Session>();
    c.session->sid = welcome.sid;
    c.session->key = welcome.key;
    c.session->share.who = at;
    sessions_.emplace(welcome.sid, at);
  }
  welcome.ice = fresh_ice(now, c);
  arm(at, c, false);
  if (watcher_ != nullptr) {
    const std::string credential = fingerprint(c.identity->credential);
    const std::string session =
        c.session ? session_fingerprint(c.session->sid, c.session->key) : std::string();
    watcher_->entered({c.peer, credential, session, nullptr});
  }
  return welcome;
}

IceServers Router::fresh_ice(const Now& now, Connection& c) {
  c.ice_due = kNever;
  return ice_of(now, c, {});
}

/// What the provider gives for a room (or, without one, for all), if the member may have it. Its end is
/// noted.
IceServers Router::ice_of(const Now& now, Connection& c, std::string_view room) {
  if (!c.wants_ice || !c.identity->can.has(Right::Ice)) return {};
  IceServers servers = ice_.servers(now, room, c.peer);
  const Duration life = std::min<Duration>(servers.ttl, kMaxIceLife);
  if (life > Duration::zero()) c.ice_due = std::min(c.ice_due, now.mono + life / 4 * 3);
  return servers;
}

void Router::renew_ice(const Now& now, Connection& c, Outbox& out) {
  IceServers servers = fresh_ice(now, c);
  if (!servers.servers.empty()) out.post(c.receiver(), IceRenewed{std::move(servers)});
  renew_room_ice(now, c, out);
}

void Router::renew_room_ice(const Now& now, Connection& c, Outbox& out) {
  for (const Membership& m : c.rooms) {
    const std::string& room = rooms_.find(m.room)->name;
    IceServers servers = ice_of(now, c, room);
    if (!servers.servers.empty()) out.post(c.receiver(), IceRenewed{std::move(servers), room});
  }
}

Result<IceServers, Failure> Router::ice(const Now& now, ConnectionId id, Outbox& out) {
  const auto at = member(id, out);
  if (!at) return at.error();
  Connection& c = *connections_.find(*at);
  IceServers servers = fresh_ice(now, c);
  renew_room_ice(now, c, out);
  arm(*at, c, false);
  return servers;
}

Result<IceServers, Failure> Router::session_ice(const Now& now, const Resume& session,
                                                const Identity& identity) {
  Connection* c = connections_.find(session_of(session));
  if (c == nullptr || c->identity->credential != identity.credential)
    return Failure{ErrorCode::Forbidden, "there is no such session, or it is another's"};
  if (!c->identity->can.has(Right::Ice) || !c->wants_ice)
    return Failure{ErrorCode::Forbidden, "the session may not have ICE servers"};
  return ice_.servers(now, {}, c->peer);
}

}  // namespace ts::signal
