// SPDX-License-Identifier: Apache-2.0
// Hellos of the native dialect that wait for the application's answer (signal::Doorman), and what their
// clients send meanwhile: bounded, in order, done when the answer is there.
#include <utility>

#include <turnstone/dialect/native.hpp>

#include "native_call.hpp"
#include "native_request.hpp"

namespace ts::dialect {

using native::Request;
using signal::ConnectionId;
using signal::ErrorCode;
using signal::Failure;

namespace {

/// Of one client, its hello among them.
constexpr std::size_t kMaxHeldMessages = 32;
constexpr std::size_t kMaxHeldBytes = 16'384;

}  // namespace

/// True when the hello has been dealt with: it waits, or too many do.
bool Native::wait_for_answer(const Call& call, const signal::Hello& hello) {
  if (!router_.must_ask(call.now, call.connection, hello)) return false;
  std::optional<signal::QuestionId> question;
  if (call.text.size() <= kMaxHeldBytes) {
    signal::HelloQuestion asked;
    asked.token = hello.token;
    asked.peer = hello.peer;
    asked.dialect = "native";
    asked.client = router_.address_of(call.connection);
    const auto origin = origins_.find(call.connection);
    if (origin != origins_.end()) asked.origin = origin->second;
    question = router_.doorman().ask(std::move(asked), [this, connection = call.connection](
                                                           const Now& now, const signal::Verdict& verdict) {
      answered(now, connection, verdict);
    });
  }
  if (!question) {
    refuse(call, Failure{ErrorCode::Unavailable, "too many hellos wait", signal::Doorman::kRetry});
    router_.rejected(call.connection, ErrorCode::Unavailable, outbox_);
    return true;
  }
  parked_.emplace(call.connection, Parked{*question, std::string(call.text), {}, call.text.size()});
  return true;
}

void Native::hold(const Call& call, std::string_view message) {
  Parked& parked = parked_.find(call.connection)->second;
  if (parked.held.size() < kMaxHeldMessages && parked.bytes + message.size() <= kMaxHeldBytes) {
    parked.bytes += message.size();
    parked.held.emplace_back(message);
    return;
  }
  refuse(call, Failure{ErrorCode::RateLimited, "too many messages before the welcome"});
  router_.rejected(call.connection, ErrorCode::RateLimited, outbox_);
  withdraw(call.connection);
}

void Native::withdraw(ConnectionId connection) {
  origins_.erase(connection);
  const auto at = parked_.find(connection);
  if (at == parked_.end()) return;
  const signal::QuestionId question = at->second.question;
  parked_.erase(at);
  router_.doorman().withdraw(question);
}

void Native::answered(const Now& now, ConnectionId connection, const signal::Verdict& verdict) {
  const auto at = parked_.find(connection);
  if (at == parked_.end()) return;
  const Parked parked = std::move(at->second);
  parked_.erase(at);
  // The Router may have closed it, and its end not come yet.
  if (!router_.knows(connection)) return;
  {
    Request request;
    native::parse(parked.hello, request);  // as it did when it came
    const Call call{now, connection, request, parked.hello, late_};
    if (verdict.identity != nullptr) {
      handle_hello(call, verdict.identity);
    } else {
      refuse(call, verdict.failure);
      router_.rejected(connection, verdict.failure.code, outbox_);
    }
    deliver(late_);
  }
  for (const std::string& message : parked.held) {
    if (!router_.knows(connection)) return;
    Request request;
    native::parse(message, request);
    handle(Call{now, connection, request, message, late_});
    deliver(late_);
  }
}

}  // namespace ts::dialect
