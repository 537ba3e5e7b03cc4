// SPDX-License-Identifier: Apache-2.0
#include "signal_hook.hpp"

#include <utility>

#include <turnstone/app/logging.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/webhook_signature.hpp>
#include <turnstone/dialect/hello_hook.hpp>
#include <turnstone/net/clock.hpp>

namespace ts::app {
namespace {

using signal::HookResult;

/// At most one line in the log.
constexpr std::chrono::seconds kReportPause{10};

bool same(const signal::HookOptions& a, const signal::HookOptions& b) {
  return a.url == b.url && a.secret == b.secret && a.ca_file == b.ca_file && a.timeout == b.timeout &&
         a.max_in_flight == b.max_in_flight;
}

}  // namespace

std::string SignalHook::use(const signal::HookOptions& options) {
  if (caller_ && same(options_, options)) return {};
  std::unique_ptr<net::HttpCaller> made;
  if (auto url = HttpUrl::parse(options.url)) {
    net::HttpCallOptions call;
    call.url = std::move(*url);
    call.ca_file = options.ca_file;
    call.timeout = options.timeout;
    call.max_in_flight = options.max_in_flight;
    call.max_answer_bytes = dialect::kMaxHelloAnswerBytes;
    auto result = net::HttpCaller::make(context_, std::move(call));
    if (!result) return "signaling.hook_ca_file: " + result.error();
    made = std::move(*result);
  }
  if (caller_) caller_->stop();
  caller_ = std::move(made);
  options_ = options;
  key_ = webhook_key(options.secret).value_or("");
  if (caller_) {
    router_.doorman().set_ask(
        [this](signal::QuestionId id, const signal::HelloQuestion& question) { ask(id, question); });
  } else {
    router_.doorman().set_ask(nullptr);
  }
  router_.doorman().abandon(net::now());
  dialects_.flush();
  return {};
}

void SignalHook::stop() {
  router_.doorman().set_ask(nullptr);
  if (caller_) caller_->stop();
}

void SignalHook::ask(signal::QuestionId id, const signal::HelloQuestion& question) {
  const std::string name = "hello_" + base64url(random_.bytes<18>());
  std::string body = dialect::hello_question(name, question);
  const WallTime time = net::now().wall;
  net::HttpCaller::Fields fields{{"webhook-id", name},
                                 {"webhook-timestamp", std::to_string(time.time_since_epoch().count())}};
  if (!key_.empty()) fields.emplace_back("webhook-signature", webhook_signature(key_, name, time, body));
  caller_->post(std::move(body), std::move(fields), [this, id](const net::HttpReply& reply) {
    const signal::HelloAnswer answer = answer_of(reply);
    router_.doorman().answered(net::now(), id, answer);
    dialects_.flush();
  });
}

signal::HelloAnswer SignalHook::answer_of(const net::HttpReply& reply) {
  signal::HelloAnswer out;
  const auto fail = [&](HookResult result, const std::string& trouble) {
    out.result = result;
    report(trouble);
    return out;
  };
  switch (reply.kind) {
    case net::HttpReply::Kind::Answered: break;
    case net::HttpReply::Kind::BadAnswer: return fail(HookResult::BadAnswer, reply.trouble);
    case net::HttpReply::Kind::TimedOut: return fail(HookResult::TimedOut, reply.trouble);
    case net::HttpReply::Kind::Unreachable: return fail(HookResult::Unreachable, reply.trouble);
  }
  if (reply.status == 200) {
    if (auto decoded = dialect::decode_hello_answer(reply.body)) return std::move(*decoded);
    return fail(HookResult::BadAnswer, "the answer is not one that docs/signaling.md describes");
  }
  if (reply.status == 401 || reply.status == 403) {
    out.result = HookResult::Refused;
    out.reason = dialect::decode_refusal(reply.body);
    return out;
  }
  const bool busy = reply.status == 429 || (reply.status >= 502 && reply.status <= 504);
  return fail(busy ? HookResult::Unreachable : HookResult::BadAnswer,
              "status " + std::to_string(reply.status));
}

void SignalHook::report(const std::string& trouble) {
  const TimePoint now = net::now().mono;
  if (reported_ && now - *reported_ < kReportPause) return;
  reported_ = now;
  log::warn("the signaling hook gives no answer", {{"reason", trouble}});
}

}  // namespace ts::app
