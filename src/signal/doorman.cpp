// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include <turnstone/base/hash.hpp>
#include <turnstone/signal/doorman.hpp>

namespace ts::signal {
namespace {

constexpr std::string_view kNotLetIn = "not let in";

constexpr std::size_t kPrefixBytes = 8;

/// An IPv4 address, or the /64 of an IPv6 one.
std::string key_of(const IpAddress& client) {
  const IpAddress address = client.unmapped();
  const ByteView bytes = address.bytes();
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), kPrefixBytes))};
}

}  // namespace

std::optional<QuestionId> Doorman::ask(HelloQuestion question, Done done) {
  std::string address = key_of(question.client);
  const auto of_one = of_address_.find(address);
  const bool too_many = of_one != of_address_.end() && of_one->second >= kMaxWaitingOfOne;
  if (!ask_ || too_many || waiting_.size() >= kMaxWaiting) {
    ++counters_.results[index(HookResult::Busy)];
    return std::nullopt;
  }
  ++of_address_[address];
  const QuestionId id = ++last_;
  std::string digest = base64url(sha256({as_bytes(question.token)}));
  waiting_.emplace(id, Waiting{std::move(address), std::move(digest), std::move(done)});
  counters_.waiting = waiting_.size();
  ask_(id, question);
  return id;
}

std::optional<Doorman::Waiting> Doorman::take(QuestionId id) {
  const auto at = waiting_.find(id);
  if (at == waiting_.end()) return std::nullopt;
  Waiting out = std::move(at->second);
  waiting_.erase(at);
  const auto of_one = of_address_.find(out.address);
  if (--of_one->second == 0) of_address_.erase(of_one);
  counters_.waiting = waiting_.size();
  return out;
}

void Doorman::withdraw(QuestionId id) {
  if (take(id)) ++counters_.results[index(HookResult::Withdrawn)];
}

void Doorman::answered(const Now& now, QuestionId id, const HelloAnswer& answer) {
  const auto who = take(id);
  if (!who) return;
  ++counters_.results[index(answer.result)];
  who->done(now, judge(now, *who, answer));
}

void Doorman::abandon(const Now& now) {
  std::vector<QuestionId> all;
  for (const auto& [id, who] : waiting_) all.push_back(id);
  std::sort(all.begin(), all.end());
  for (const QuestionId id : all) answered(now, id, HelloAnswer{});
}

Verdict Doorman::judge(const Now& now, const Waiting& who, const HelloAnswer& answer) const {
  if (answer.result == HookResult::Refused) {
    return {nullptr,
            {ErrorCode::Unauthorized, answer.reason.empty() ? kNotLetIn : std::string_view(answer.reason)}};
  }
  if (answer.result != HookResult::Allowed)
    return {nullptr, {ErrorCode::Unavailable, "the token cannot be checked just now", kRetry}};
  if (answer.expires <= now.wall) return {nullptr, {ErrorCode::TokenExpired, "the token has expired"}};
  auto out = std::make_shared<Identity>();
  out->subject = answer.subject;
  // Of a kind of their own: no token of another source is the equal of one that the application knows.
  out->credential = answer.subject.empty() ? "hook-token:" + who.token_digest : "hook:" + answer.subject;
  out->peer = answer.peer;
  out->meta = answer.meta;
  out->can = most_.common_with(answer.can.value_or(usual_));
  if (answer.rooms) {
    out->all_rooms = false;
    out->rooms = *answer.rooms;
  }
  out->limits = answer.limits;
  out->expires = answer.expires;
  return {std::move(out), {}};
}

}  // namespace ts::signal
