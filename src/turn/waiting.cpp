// SPDX-License-Identifier: Apache-2.0
// The external source of credentials: it is asked about a username that nobody else knows, on behalf of a
// client that has returned a nonce, so that nobody makes us ask who has forged an address.
#include "waiting.hpp"

#include <algorithm>
#include <utility>

#include <turnstone/base/precis.hpp>

#include "request.hpp"

namespace ts::turn {
namespace {

using stun::ErrorCode;

/// RFC 8489 §14.3.
constexpr std::size_t kMaxUsernameBytes = 508;

/// A name that somebody may have. Accounts that begin with a colon are those of ephemeral credentials.
bool is_askable(std::string_view username) noexcept {
  if (username.empty() || username.size() > kMaxUsernameBytes || username.front() == ':') return false;
  const bool controls = std::any_of(username.begin(), username.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  return !controls && is_utf8(username);
}

/// IPv6 users have a /64 each.
std::uint64_t holder(const IpAddress& source) noexcept {
  const IpAddress address = source.unmapped();
  return address.is_v4() ? load_be32(address.bytes().data()) : load_be64(address.bytes().data());
}

constexpr HookResult result_of(auth::HookAnswer::Kind kind) noexcept {
  switch (kind) {
    case auth::HookAnswer::Kind::Found: return HookResult::Found;
    case auth::HookAnswer::Kind::NoSuchUser: return HookResult::NoSuchUser;
    case auth::HookAnswer::Kind::BadAnswer: return HookResult::BadAnswer;
    case auth::HookAnswer::Kind::TimedOut: return HookResult::TimedOut;
    case auth::HookAnswer::Kind::Unreachable: return HookResult::Unreachable;
  }
  return HookResult::BadAnswer;
}

}  // namespace

Waiting::Waiting(const auth::HookOptions& options, RandomSource& random)
    : cache(options, random.bytes<32>()),
      sources_(options.max_per_source, load_be64(random.bytes<8>().data())),
      by_tuple_(0, TupleHash{load_be64(random.bytes<8>().data())}) {}

std::size_t Waiting::parked_of(const IpAddress& source) const noexcept {
  const std::uint64_t whose = holder(source);
  return static_cast<std::size_t>(std::count_if(by_tuple_.begin(), by_tuple_.end(), [&](const auto& parked) {
    const IpAddress& address = parked.first.client.address;
    return address.family() == source.family() && holder(address) == whose;
  }));
}

bool Waiting::may_ask(const IpAddress& source, TimePoint now) noexcept {
  if (now < paused_until_ || (in_vain_ >= kMaxInVain && !questions_.empty())) return false;
  return sources_.admit(source, now);
}

bool Waiting::has_room_for(const Inbound& in, const auth::HookName& name, TimePoint now) {
  const IpAddress& source = in.tuple.client.address;
  if (in.bytes.size() > kMaxRequestBytes || by_tuple_.size() >= kMaxParked) return false;
  if (parked_of(source) >= kMaxParkedPerSource) return false;
  return by_name_.contains(name) || may_ask(source, now);
}

std::optional<std::uint64_t> Waiting::park(const Inbound& in, const stun::TransactionId& transaction,
                                           const auth::HookName& name, std::string_view username,
                                           std::string_view realm, TimePoint now) {
  const auto [known, is_new] = by_name_.try_emplace(name, next_);
  const std::uint64_t number = known->second;
  if (is_new) {
    ++next_;
    questions_.emplace(number, Question{name, std::string(username), std::string(realm), now, {}});
  }
  by_tuple_.insert_or_assign(in.tuple, Place{number, transaction});
  questions_[number].parked.push_back(
      Parked{in.tuple, in.route, in.tos, transaction, {in.bytes.begin(), in.bytes.end()}});
  return is_new ? std::optional(number) : std::nullopt;
}

const stun::TransactionId* Waiting::parked_on(const FiveTuple& tuple) const noexcept {
  const auto found = by_tuple_.find(tuple);
  return found != by_tuple_.end() ? &found->second.transaction : nullptr;
}

void Waiting::forget(const FiveTuple& tuple) {
  const auto found = by_tuple_.find(tuple);
  if (found == by_tuple_.end()) return;
  // The question goes on: its answer is of use to the next who comes with that name.
  std::erase_if(questions_[found->second.question].parked,
                [&](const Parked& parked) { return parked.tuple == tuple; });
  by_tuple_.erase(found);
}

void Waiting::clear() {
  questions_.clear();
  by_name_.clear();
  by_tuple_.clear();
}

std::optional<Question> Waiting::take(std::uint64_t number) {
  const auto found = questions_.find(number);
  if (found == questions_.end()) return std::nullopt;
  Question out = std::move(found->second);
  questions_.erase(found);
  by_name_.erase(out.name);
  for (const Parked& parked : out.parked) by_tuple_.erase(parked.tuple);
  return out;
}

void Waiting::note(auth::HookAnswer::Kind kind, TimePoint now) noexcept {
  const bool in_vain =
      kind == auth::HookAnswer::Kind::TimedOut || kind == auth::HookAnswer::Kind::Unreachable;
  in_vain_ = in_vain ? std::min(in_vain_ + 1, kMaxInVain) : 0;
  if (in_vain_ == kMaxInVain) paused_until_ = now + auth::HookCache::kPause;
}

bool Server::consult(Request& r, const auth::Claim& claim, std::string_view realm, std::string_view nonce,
                     std::optional<AuthFailure>& why) {
  if (!is_askable(claim.username) || realm != r.credentials->realm()) return false;
  if (!claim.userhash.empty() && !equal_constant_time(claim.userhash, auth::userhash(claim.username, realm)))
    return false;
  auth::HookCache& cache = waiting_->cache;
  const auth::HookName name = cache.name(realm, claim.username);
  auto known = cache.authenticate(name, r.message, claim, r.now);
  const auto refused = cache.refused(name, r.now.mono);
  if (known || refused == auth::HookAnswer::Kind::NoSuchUser) ++counters_.hook_cache_hits;
  if (known && *known) {
    r.sent_by(**std::move(known));
    why.reset();
    return false;
  }
  if (known) {
    const bool wrong = known->error() == auth::Failure::WrongPassword;
    why = wrong ? AuthFailure::WrongPassword : AuthFailure::Expired;
    // The password may have changed since.
    if (!wrong || refused || !cache.may_doubt(name, r.now.mono)) return false;
  }
  if (refused == auth::HookAnswer::Kind::NoSuchUser) return false;
  // The key of its allocation would have authenticated it: RFC 6062 wants the same credentials.
  if (r.kind == RequestKind::ConnectionBind) return false;
  if (!nonces_.is_fresh(nonce, r.now.mono, r.in.tuple.client)) {
    if (known) return false;  // 401 has a fresh one too
    challenge(r, ErrorCode::StaleNonce, AuthFailure::StaleNonce);
    return true;
  }
  if (refused) {
    refuse_busy(r);
    return true;
  }
  return wait_for_answer(r, claim, name, known.has_value());
}

bool Server::wait_for_answer(Request& r, const auth::Claim& claim, const Sha256Digest& name, bool known) {
  const stun::TransactionId transaction = r.message.transaction_id();
  if (const stun::TransactionId* parked = waiting_->parked_on(r.in.tuple)) {
    // The answer to a retransmission is on its way; and what comes as datagrams will come again.
    if (*parked != transaction && is_stream(r.in.tuple.transport)) refuse_busy(r);
    return true;
  }
  if (!waiting_->has_room_for(r.in, name, r.now.mono)) {
    if (known) return false;
    refuse_busy(r);
    return true;
  }
  const std::string& realm = r.credentials->realm();
  const auto number = waiting_->park(r.in, transaction, name, claim.username, realm, r.now.mono);
  if (number) {
    r.out.asks.push_back(
        AskCredential{*number, std::string(claim.username), realm, r.in.tuple.client.address});
  }
  count_waiting();
  return true;
}

void Server::refuse_busy(Request& r) {
  ++counters_.auth_failures[index(AuthFailure::SourceBusy)];
  if (admits_stranger(r)) respond_error(r, ErrorCode::ServerError);
}

void Server::credential_answered(Now now, std::uint64_t question, const auth::HookAnswer& answer,
                                 Outbox& out) {
  if (waiting_ == nullptr) return;
  const auto asked = waiting_->take(question);
  if (!asked) return;
  ++counters_.hook_results[index(result_of(answer.kind))];
  counters_.hook_nanoseconds += static_cast<std::uint64_t>((now.mono - asked->asked).count());
  waiting_->note(answer.kind, now.mono);
  waiting_->cache.add(asked->name, asked->realm, asked->username, answer, now);
  for (const Parked& parked : asked->parked)
    from_client(now, Inbound{parked.tuple, parked.route, parked.bytes, parked.tos}, out);
  count_waiting();
}

void Server::stop_waiting(const FiveTuple& tuple) {
  if (waiting_ == nullptr) return;
  waiting_->forget(tuple);
  count_waiting();
}

void Server::forget_waiting() {
  if (waiting_ == nullptr) return;
  waiting_->clear();
  count_waiting();
}

void Server::count_waiting() {
  counters_.hook_waiting = waiting_->parked_count();
  counters_.hook_cache_entries = waiting_->cache.size();
}

}  // namespace ts::turn
