// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <turnstone/base/http_url.hpp>
#include <turnstone/net/credential_hook.hpp>
#include <turnstone/net/http_caller.hpp>

#include "answer.hpp"

namespace ts::net {
namespace {

namespace asio = boost::asio;
using Kind = auth::HookAnswer::Kind;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kReportPause{10};

/// What came of a question, and what is wrong with it.
struct Outcome {
  auth::HookAnswer answer;
  std::string trouble;

  void fail(Kind kind, std::string why) {
    answer.kind = kind;
    trouble = std::move(why);
  }
};

/// What the answer says.
void read_status(const HttpReply& reply, Outcome& out) {
  switch (reply.status) {
    case 200:
      if (auto decoded = decode_hook_answer(reply.body)) {
        out.answer = std::move(*decoded);
      } else {
        out.fail(Kind::BadAnswer, "the answer is not one that docs/credentials.md describes");
      }
      return;
    case 401:
    case 403:
    case 404: out.answer.kind = Kind::NoSuchUser; return;
    case 429:
    case 502:
    case 503:
    case 504: return out.fail(Kind::Unreachable, "status " + std::to_string(reply.status));
    default: return out.fail(Kind::BadAnswer, "status " + std::to_string(reply.status));
  }
}

Outcome outcome_of(const HttpReply& reply) {
  Outcome out;
  switch (reply.kind) {
    case HttpReply::Kind::Answered: read_status(reply, out); break;
    case HttpReply::Kind::BadAnswer: out.fail(Kind::BadAnswer, reply.trouble); break;
    case HttpReply::Kind::TimedOut: out.fail(Kind::TimedOut, reply.trouble); break;
    case HttpReply::Kind::Unreachable: out.fail(Kind::Unreachable, reply.trouble); break;
  }
  return out;
}

}  // namespace

class CredentialHook::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const auth::HookOptions& options, std::unique_ptr<HttpCaller> caller, Report report)
      : options_(options), caller_(std::move(caller)), report_(std::move(report)) {}

  void ask(const HookQuestion& question, Done done);
  void stop() {
    stopped_ = true;
    waiting_.clear();
    caller_->stop();
  }

 private:
  void answered(const std::string& key, const HttpReply& reply);
  void report(const std::string& trouble);

  const auth::HookOptions& options_;
  std::unique_ptr<HttpCaller> caller_;
  Report report_;
  std::map<std::string, std::vector<Done>> waiting_;
  std::optional<SteadyClock::time_point> reported_;
  bool stopped_ = false;
};

void CredentialHook::Impl::ask(const HookQuestion& question, Done done) {
  if (stopped_) return;
  const std::string key = question.realm + '\0' + question.username;
  const auto known = waiting_.find(key);
  if (known != waiting_.end()) return known->second.push_back(std::move(done));
  waiting_[key].push_back(std::move(done));
  HttpCaller::Fields fields;
  if (!options_.token.empty()) fields.emplace_back("Authorization", "Bearer " + options_.token);
  caller_->post(hook_question(question), std::move(fields),
                [weak = weak_from_this(), key](const HttpReply& reply) {
                  if (const auto self = weak.lock()) self->answered(key, reply);
                });
}

void CredentialHook::Impl::answered(const std::string& key, const HttpReply& reply) {
  const auto known = waiting_.find(key);
  if (known == waiting_.end()) return;
  const std::vector<Done> waiting = std::move(known->second);
  waiting_.erase(known);
  const Outcome outcome = outcome_of(reply);
  if (!outcome.trouble.empty()) report(outcome.trouble);
  for (const Done& done : waiting) done(outcome.answer);
}

void CredentialHook::Impl::report(const std::string& trouble) {
  const auto now = SteadyClock::now();
  if (reported_ && now - *reported_ < kReportPause) return;
  reported_ = now;
  if (report_) report_(trouble);
}

CredentialHook::CredentialHook(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
CredentialHook::~CredentialHook() { stop(); }

Result<std::unique_ptr<CredentialHook>, std::string> CredentialHook::make(asio::io_context& context,
                                                                          const auth::HookOptions& options,
                                                                          Report report) {
  auto url = HttpUrl::parse(options.url);
  if (!url) return std::string("auth.hook_url: not an http or https URL");
  HttpCallOptions call;
  call.url = std::move(*url);
  call.ca_file = options.ca_file;
  call.timeout = options.timeout;
  call.max_in_flight = options.max_in_flight;
  call.max_answer_bytes = kMaxHookAnswerBytes;
  auto caller = HttpCaller::make(context, std::move(call));
  if (!caller) return "auth.hook_ca_file: " + caller.error();
  auto impl = std::make_shared<Impl>(options, std::move(*caller), std::move(report));
  return std::unique_ptr<CredentialHook>(new CredentialHook(std::move(impl)));
}

void CredentialHook::ask(const HookQuestion& question, Done done) { impl_->ask(question, std::move(done)); }
void CredentialHook::stop() { impl_->stop(); }

}  // namespace ts::net
