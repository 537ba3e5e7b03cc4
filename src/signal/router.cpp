// SPDX-License-Identifier: Apache-2.0
// Connections of the Router: opening, the rate limit, closing, and everything that time does to them.
#include <algorithm>
#include <cstring>
#include <utility>

#include <turnstone/base/check.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::signal {
namespace {

/// What a client turned away for want of room is told.
constexpr std::chrono::seconds kRetryWhenFull{10};

/// What the room-mates are told.
constexpr LeaveReason told_as(CloseReason reason) noexcept {
  switch (reason) {
    case CloseReason::Bye:
    case CloseReason::GoingAway: return LeaveReason::Left;
    case CloseReason::Kicked: return LeaveReason::Kicked;
    default: return LeaveReason::Lost;
  }
}

}  // namespace

std::size_t Router::Hash::operator()(std::string_view text) const noexcept {
  std::uint64_t state = mix64(text.size(), seed);
  while (!text.empty()) {
    std::uint64_t word = 0;
    const std::size_t step = std::min(text.size(), sizeof word);
    std::memcpy(&word, text.data(), step);
    state = mix64(state ^ word, seed + step);
    text.remove_prefix(step);
  }
  return state;
}

Router::Router(Options options, RandomSource& random, IceProvider& ice, Authenticator* authenticator)
    : options_(std::move(options)),
      random_(random),
      ice_(ice),
      shared_token_(options_),
      authenticator_(authenticator != nullptr ? *authenticator : shared_token_),
      hash_{random.number()},
      rate_limiter_(options_, counters_, mix64(hash_.seed, 1)),
      by_id_(0, hash_),
      peers_(0, hash_),
      sessions_(0, hash_),
      room_names_(0, hash_) {
  doorman_.use(Rights::of(options_.hook.can), Rights::of(options_.token_can));
}

SlotHandle Router::handle_of_any(ConnectionId id) const noexcept {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? SlotHandle{} : at->second;
}

/// Of an open connection: the id of a lost one names nothing to those who use it.
SlotHandle Router::handle(ConnectionId id) const noexcept {
  const SlotHandle at = handle_of_any(id);
  const Connection* c = connections_.find(at);
  return c == nullptr || c->lost ? SlotHandle{} : at;
}

Router::Connection* Router::peer(std::string_view name) noexcept {
  const auto at = peers_.find(name);
  return at == peers_.end() ? nullptr : connections_.find(at->second);
}

bool Router::is_member(ConnectionId id) const noexcept {
  const Connection* c = connections_.find(handle(id));
  return c != nullptr && c->member;
}

Result<SlotHandle, Failure> Router::member(ConnectionId id, Outbox& out) {
  const SlotHandle at = handle(id);
  const Connection* c = connections_.find(at);
  if (c == nullptr) return Failure{ErrorCode::Internal, "the connection is closed"};
  if (!c->member) return refuse_hello(at, ErrorCode::Unauthorized, "say hello first", out);
  return at;
}

Result<void, Failure> Router::opened(const Now& now, ConnectionId id, const Endpoint& remote,
                                     DialectId dialect, Outbox& out) {
  if (by_id_.contains(id)) {
    TS_BUG("a connection id was used twice");
    return Failure{ErrorCode::Internal, "internal error"};
  }
  const Receiver receiver{id, dialect};
  if (draining_) {
    ++counters_.closed[index(CloseReason::Drain)];
    out.post(receiver, Close{CloseCode::Restart, "draining"});
    return Failure{ErrorCode::ServerDraining, "the server is about to stop", retry_time()};
  }
  if (counters_.connections >= options_.max_connections) {
    ++counters_.closed[index(CloseReason::Limit)];
    out.post(receiver, Close{CloseCode::Limit, "too many connections"});
    return Failure{ErrorCode::RateLimited, "too many connections", kRetryWhenFull};
  }
  const auto [at, c] = connections_.emplace();
  c.id = id;
  c.dialect = dialect;
  c.client = remote;
  c.rates.place = rate_limiter_.place(remote.address);
  c.seen = now.mono;
  c.hello_due = now.mono + options_.hello_timeout;
  c.ice_due = c.armed = kNever;
  by_id_.emplace(id, at);
  arm(at, c, false);
  ++counters_.connections, ++counters_.connections_opened;
  return {};
}

Result<void, Failure> Router::admit(const Now& now, ConnectionId id, Outbox& out, std::size_t bytes) {
  const SlotHandle at = handle(id);
  Connection* c = connections_.find(at);
  if (c == nullptr) return Failure{ErrorCode::Internal, "the connection is closed"};
  c->seen = now.mono;
  const std::uint32_t own = c->identity ? c->identity->limits.messages_per_second : 0;
  const auto refusal = rate_limiter_.message(now.mono, c->rates, own, bytes);
  if (refusal) return refuse_rate(id, *refusal, out);
  return {};
}

Failure Router::refuse_rate(ConnectionId id, const RateLimiter::Refusal& refusal, Outbox& out) {
  if (refusal.persists) close(id, CloseReason::RateLimited, CloseCode::RateLimited, refusal.why, out);
  return Failure{ErrorCode::RateLimited, refusal.why,
                 std::chrono::ceil<std::chrono::milliseconds>(refusal.retry_after)};
}

void Router::alive(const Now& now, ConnectionId id) noexcept {
  if (Connection* c = connections_.find(handle(id))) c->seen = now.mono;
}

void Router::rejected(ConnectionId id, ErrorCode code, Outbox& out) {
  const SlotHandle at = handle(id);
  const Connection* c = connections_.find(at);
  if (c != nullptr && !c->member) refuse_hello(at, code, {}, out);
}

Failure Router::refuse_hello(SlotHandle at, ErrorCode code, std::string_view message, Outbox& out) {
  CloseReason reason = CloseReason::BadHello;
  CloseCode close_code = CloseCode::Forbidden;
  switch (code) {
    case ErrorCode::Unauthorized:
    case ErrorCode::TokenExpired:
      reason = CloseReason::Unauthorized, close_code = CloseCode::Unauthorized;
      break;
    // Not for good: the former owner may be a ghost that is about to time out.
    case ErrorCode::PeerTaken: reason = CloseReason::PeerTaken, close_code = CloseCode::Limit; break;
    case ErrorCode::Unavailable: reason = CloseReason::Limit, close_code = CloseCode::Limit; break;
    case ErrorCode::ServerDraining: reason = CloseReason::Drain, close_code = CloseCode::Restart; break;
    default: break;
  }
  out.post(connections_.find(at)->receiver(), Close{close_code, label(code)});
  shut(at, reason, out);
  return Failure{code, message,
                 code == ErrorCode::ServerDraining ? retry_time() : std::chrono::milliseconds{0}};
}

void Router::shut(SlotHandle at, CloseReason reason, Outbox& out) {
  Connection& c = *connections_.find(at);
  if (c.remote) {
    if (watcher_ != nullptr) watcher_->superseded(c.id);
    return shut_remote(at, c, told_as(reason), out);
  }
  // Whoever is sent away goes on with its calls here, as long as there is a relay.
  const bool keeps_ice = reason == CloseReason::Drain || (draining_ && reason != CloseReason::Kicked);
  while (!c.rooms.empty()) leave_room(at, c, c.rooms.back().room, told_as(reason), out, keeps_ice);
  if (c.member) {
    end_ice(c, {}, told_as(reason), keeps_ice);
    if (watcher_ != nullptr) watcher_->gone(c.peer, told_as(reason));
    peers_.erase(c.peer);
    --(c.lost ? counters_.lost : counters_.members);
  }
  forget_session(c);
  by_id_.erase(c.id);
  if (!c.lost) {
    --counters_.connections;
    ++counters_.closed[index(reason)];
  }
  connections_.erase(at);
}

void Router::closed(ConnectionId id, CloseReason reason, Outbox& out) {
  const SlotHandle at = handle(id);
  if (connections_.find(at) != nullptr) shut(at, reason, out);
}

void Router::closed(const Now& now, ConnectionId id, CloseReason reason, Outbox& out) {
  const SlotHandle at = handle(id);
  if (connections_.find(at) != nullptr) lose(now, at, reason, out);
}

void Router::close(ConnectionId id, CloseReason reason, CloseCode code, std::string_view why, Outbox& out) {
  const SlotHandle at = handle(id);
  const Connection* c = connections_.find(at);
  if (c == nullptr) return;
  out.post(c->receiver(), Close{code, why});
  shut(at, reason, out);
}

void Router::kick(ConnectionId id, ErrorCode code, std::string_view reason, Outbox& out) {
  const Connection* c = connections_.find(handle_of_any(id));
  if (c == nullptr) return;
  // Its own node closes it, and tells.
  if (c->remote) return out.post(c->receiver(), Kicked{code, reason});
  if (c->lost) return shut(handle_of_any(id), CloseReason::Kicked, out);
  out.post(c->receiver(), Kicked{code, reason});
  close(id, CloseReason::Kicked, CloseCode::Forbidden, label(code), out);
}

TimePoint Router::next_due(const Connection& c) const noexcept {
  if (c.lost) return c.session->lost_due;
  if (!c.member) return c.hello_due;
  const bool beats = options_.heartbeat > std::chrono::seconds(0) && !c.watched;
  const TimePoint silent = beats ? c.seen + 2 * options_.heartbeat : kNever;
  return std::min({c.ice_due, silent, draining_ ? c.leave_due : kNever});
}

/// Keeps one entry of the queue that counts for the connection: the one at `armed`. Others pop and mean
/// nothing.
void Router::arm(SlotHandle at, Connection& c, bool popped) {
  const TimePoint due = next_due(c);
  if (!popped && due >= c.armed) return;
  c.armed = due;
  if (due != kNever) connection_deadlines_.push(due, at);
}

void Router::look(const Now& now, SlotHandle at, Outbox& out) {
  Connection* c = connections_.find(at);
  if (c == nullptr || c->armed > now.mono) return;
  if (c->lost) {
    if (c->session->lost_due > now.mono) return arm(at, *c, true);
    ++counters_.sessions_expired;
    return shut(at, CloseReason::Lost, out);
  }
  if (!c->member && c->hello_due <= now.mono) {
    return close(c->id, CloseReason::HelloTimeout, CloseCode::Limit, "no hello in time", out);
  }
  if (c->member && draining_ && c->leave_due <= now.mono) {
    out.post(c->receiver(), Close{CloseCode::Restart, "restart"});
    Outbox unsaid;  // its room-mates would end their calls with it, and are about to go, too
    return shut(at, CloseReason::Drain, unsaid);
  }
  if (c->member && !c->watched && options_.heartbeat.count() > 0 &&
      c->seen + 2 * options_.heartbeat <= now.mono) {
    out.post(c->receiver(), Close{CloseCode::Limit, "silent for too long"});
    return lose(now, at, CloseReason::Silent, out);
  }
  if (c->member && c->ice_due <= now.mono) renew_ice(now, *c, out);
  arm(at, *c, true);
}

std::optional<TimePoint> Router::next_deadline() const noexcept {
  const auto a = connection_deadlines_.next();
  const auto b = pending_deadlines_.next();
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

void Router::tick(const Now& now, Outbox& out) {
  while (const auto at = pending_deadlines_.pop_due(now.mono)) {
    if (pending_.find(*at) != nullptr) expire(*at, out);
  }
  while (const auto at = connection_deadlines_.pop_due(now.mono)) look(now, *at, out);
}

std::chrono::milliseconds Router::retry_time() noexcept {
  const auto spread = static_cast<std::uint32_t>(farewell_.spread.count());
  return farewell_.retry_after + std::chrono::milliseconds(spread == 0 ? 0 : random_.below(spread));
}

void Router::drain(const Now& now, const Farewell& how, Outbox& out) {
  draining_ = true;
  farewell_ = how;
  const bool one_for_all = how.spread.count() == 0;
  if (one_for_all) out.begin(GoAway{how.retry_after});
  connections_.for_each([&](SlotHandle at, Connection& c) {
    if (!c.member || c.lost || c.remote) return;
    const std::chrono::milliseconds time = retry_time();
    c.leave_due = how.linger ? now.mono + time + *how.linger : kNever;
    arm(at, c, false);
    one_for_all ? out.to(c.receiver()) : out.post(c.receiver(), GoAway{time});
  });
  if (one_for_all) out.end();
}

void Router::undrain() {
  draining_ = false;
  for (const auto& [room, name] : std::exchange(kept_, {})) {
    // It may be back at another node.
    Connection* c = peer(name);
    if (c == nullptr || c->in(room_handle(room)) == nullptr) candidate_listener_->left(room, name);
  }
}

void Router::use(const Options& options) {
  Options fresh = options;
  fresh.heartbeat = options_.heartbeat;
  fresh.resume_time = options_.resume_time;
  fresh.max_resume_messages = options_.max_resume_messages;
  fresh.max_resume_bytes = options_.max_resume_bytes;
  fresh.max_resume_total_bytes = options_.max_resume_total_bytes;
  options_ = std::move(fresh);
  follow_candidates();
  doorman_.use(Rights::of(options_.hook.can), Rights::of(options_.token_can));
}

void Router::close_all(CloseCode code, std::string_view why, Outbox& out) {
  out.begin(Close{code, why});
  connections_.for_each([&](SlotHandle, Connection& c) {
    if (!c.lost && !c.remote) out.to(c.receiver());
  });
  out.end();
  Outbox unsaid;  // what the leaving would tell those who leave as well
  connections_.for_each([&](SlotHandle at, Connection& c) {
    if (c.remote) return;
    shut(at, CloseReason::Drain, unsaid);
    unsaid.clear();
  });
}

}  // namespace ts::signal
