// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <openssl/ssl.h>

#include <turnstone/base/http_url.hpp>
#include <turnstone/net/credential_hook.hpp>

#include "answer.hpp"

namespace ts::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Kind = auth::HookAnswer::Kind;
using SteadyClock = std::chrono::steady_clock;
using HttpRequestMessage = http::request<http::string_body>;
using Parser = http::response_parser<http::string_body>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t kMaxHeaderBytes = 8192;
/// Connections that are kept for the next question, and how long.
constexpr std::size_t kMaxIdle = 8;
constexpr std::chrono::seconds kIdleLife{15};
/// What a name stands for is looked up anew after this.
constexpr std::chrono::seconds kNameLife{30};
constexpr std::chrono::seconds kReportPause{10};

/// A connection to the server.
struct Link {
  explicit Link(asio::io_context& context) : socket(context), buffer(kMaxHeaderBytes + kMaxHookAnswerBytes) {}
  void close() noexcept {
    error_code ignored;
    socket.close(ignored);
  }
  tcp::socket socket;
  std::optional<asio::ssl::stream<tcp::socket&>> tls;
  beast::flat_buffer buffer;
  SteadyClock::time_point idle_since;
};

/// A question on its way, and who waits for the answer.
struct Task {
  Task(asio::io_context& context, std::string k, std::string b)
      : key(std::move(k)), body(std::move(b)), timer(context), resolver(context) {}
  std::string key;
  std::string body;
  std::vector<CredentialHook::Done> waiting;
  asio::steady_timer timer;
  tcp::resolver resolver;
  std::shared_ptr<Link> link;
  bool answered = false;
};
using TaskPtr = std::shared_ptr<Task>;

/// How an exchange ended.
struct Outcome {
  Outcome() = default;
  auth::HookAnswer answer;
  /// Why it failed; empty: it did not.
  std::string trouble;
  /// The connection ended before a byte of the answer came: it may have been closed while it was idle.
  bool nothing_came = false;

  void fail(Kind kind, std::string why) {
    answer.kind = kind;
    trouble = std::move(why);
  }
};

bool means_no_answer(const error_code& error) noexcept {
  return error == http::error::end_of_stream || error == http::error::partial_message ||
         error.category() != http::make_error_code(http::error::end_of_stream).category();
}

/// What the answer says.
void read_answer(const Parser::value_type& response, Outcome& out) {
  const unsigned status = response.result_int();
  switch (status) {
    case 200:
      if (auto decoded = decode_hook_answer(response.body())) {
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
    case 504: return out.fail(Kind::Unreachable, "status " + std::to_string(status));
    default: return out.fail(Kind::BadAnswer, "status " + std::to_string(status));
  }
}

/// SSL_set_tlsext_host_name() with our kind of casts.
void send_host_name(SSL* session, std::string host) noexcept {
  SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host.data());
}

template <class Stream>
asio::awaitable<void> talk_over(Stream& stream, Link& link, const HttpRequestMessage& request, Parser& parser,
                                error_code& error) {
  const auto [write_error, sent] = co_await http::async_write(stream, request, kTuple);
  error = write_error;
  if (error) co_return;
  const auto [read_error, received] = co_await http::async_read(stream, link.buffer, parser, kTuple);
  error = read_error;
}

}  // namespace

class CredentialHook::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& context, const auth::HookOptions& options, HttpUrl url, Report report)
      : context_(context), options_(options), url_(std::move(url)), report_(std::move(report)) {}

  /// What is wrong with the certificates; empty: nothing.
  std::string trust();
  void ask(const HookQuestion& question, Done done);
  void stop();

 private:
  void limit(const TaskPtr& task);
  /// Starts what may start.
  void pump();
  asio::awaitable<void> run(TaskPtr task);
  asio::awaitable<void> exchange(TaskPtr task, Outcome& out);
  asio::awaitable<void> talk(TaskPtr task, Outcome& out);
  /// Puts a new connection into the task.
  asio::awaitable<void> connect(TaskPtr task, Outcome& out);
  asio::awaitable<void> look_up(TaskPtr task, error_code& error);
  std::shared_ptr<Link> take_idle();
  HttpRequestMessage request_of(const Task& task) const;
  void finish(const TaskPtr& task, const auth::HookAnswer& answer);
  void report(const std::string& trouble);

  asio::io_context& context_;
  const auth::HookOptions& options_;
  const HttpUrl url_;
  Report report_;
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  std::map<std::string, TaskPtr> tasks_;
  std::deque<TaskPtr> queue_;
  std::vector<std::shared_ptr<Link>> idle_;
  std::size_t running_ = 0;
  std::vector<tcp::endpoint> endpoints_;
  SteadyClock::time_point looked_up_;
  std::optional<SteadyClock::time_point> reported_;
  bool stopped_ = false;
};

std::string CredentialHook::Impl::trust() {
  error_code error;
  SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_2_VERSION);
  tls_.set_verify_mode(asio::ssl::verify_peer, error);
  if (!error && options_.ca_file.empty()) tls_.set_default_verify_paths(error);
  if (!error && !options_.ca_file.empty()) tls_.load_verify_file(options_.ca_file, error);
  return error ? "auth.hook_ca_file: " + error.message() : std::string();
}

void CredentialHook::Impl::ask(const HookQuestion& question, Done done) {
  if (stopped_) return;
  std::string key = question.realm + '\0' + question.username;
  const auto known = tasks_.find(key);
  if (known != tasks_.end()) return known->second->waiting.push_back(std::move(done));
  const auto task = std::make_shared<Task>(context_, key, hook_question(question));
  task->waiting.push_back(std::move(done));
  tasks_.emplace(std::move(key), task);
  queue_.push_back(task);
  limit(task);
  pump();
}

void CredentialHook::Impl::limit(const TaskPtr& task) {
  task->timer.expires_after(options_.timeout);
  task->timer.async_wait([self = shared_from_this(), task](const error_code& error) {
    if (error || task->answered) return;
    auth::HookAnswer late;
    late.kind = Kind::TimedOut;
    self->report("no answer in time");
    self->finish(task, late);
    task->resolver.cancel();
    if (task->link) task->link->close();
  });
}

void CredentialHook::Impl::pump() {
  while (!queue_.empty() && running_ < options_.max_in_flight) {
    const TaskPtr task = queue_.front();
    queue_.pop_front();
    if (task->answered) continue;
    ++running_;
    asio::co_spawn(context_, run(task), asio::detached);
  }
}

asio::awaitable<void> CredentialHook::Impl::run(TaskPtr task) {
  const auto self = shared_from_this();
  Outcome outcome;
  co_await exchange(task, outcome);
  --running_;
  if (!outcome.trouble.empty() && !task->answered && !stopped_) report(outcome.trouble);
  finish(task, outcome.answer);
  if (!stopped_) pump();
}

asio::awaitable<void> CredentialHook::Impl::exchange(TaskPtr task, Outcome& out) {
  task->link = take_idle();
  if (task->link) {
    co_await talk(task, out);
    if (!out.nothing_came || task->answered) co_return;
    out = Outcome();
  }
  co_await connect(task, out);
  if (out.trouble.empty() && !task->answered) co_await talk(task, out);
}

std::shared_ptr<Link> CredentialHook::Impl::take_idle() {
  const auto oldest = SteadyClock::now() - kIdleLife;
  std::erase_if(idle_, [&](const std::shared_ptr<Link>& link) { return link->idle_since < oldest; });
  if (idle_.empty()) return nullptr;
  std::shared_ptr<Link> out = std::move(idle_.back());
  idle_.pop_back();
  return out;
}

HttpRequestMessage CredentialHook::Impl::request_of(const Task& task) const {
  HttpRequestMessage out{http::verb::post, url_.target, 11};
  out.set(http::field::host, url_.authority());
  out.set(http::field::content_type, "application/json");
  out.set(http::field::accept, "application/json");
  if (!options_.token.empty()) out.set(http::field::authorization, "Bearer " + options_.token);
  out.body() = task.body;
  out.prepare_payload();
  return out;
}

asio::awaitable<void> CredentialHook::Impl::talk(TaskPtr task, Outcome& out) {
  const std::shared_ptr<Link> link = task->link;
  const HttpRequestMessage request = request_of(*task);
  Parser parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.body_limit(kMaxHookAnswerBytes);
  error_code error;
  if (link->tls) {
    co_await talk_over(*link->tls, *link, request, parser, error);
  } else {
    co_await talk_over(link->socket, *link, request, parser, error);
  }
  task->link.reset();
  if (error) {
    out.nothing_came = !parser.got_some() && means_no_answer(error);
    out.fail(means_no_answer(error) ? Kind::Unreachable : Kind::BadAnswer, error.message());
    link->close();
    co_return;
  }
  read_answer(parser.get(), out);
  // Bytes behind the answer belong to nothing that we asked.
  const bool good = parser.get().keep_alive() && link->buffer.size() == 0 && !task->answered && !stopped_;
  if (!good || idle_.size() >= kMaxIdle) co_return link->close();
  link->idle_since = SteadyClock::now();
  idle_.push_back(link);
}

asio::awaitable<void> CredentialHook::Impl::look_up(TaskPtr task, error_code& error) {
  if (!endpoints_.empty() && SteadyClock::now() - looked_up_ < kNameLife) co_return;
  error_code not_a_number;
  const auto address = asio::ip::make_address(url_.host, not_a_number);
  if (!not_a_number) {
    endpoints_.assign(1, tcp::endpoint(address, url_.port));
  } else {
    const std::string service = std::to_string(url_.port);
    const auto [failed, results] = co_await task->resolver.async_resolve(url_.host, service, kTuple);
    error = failed;
    if (failed) co_return;
    endpoints_.assign(results.begin(), results.end());
  }
  looked_up_ = SteadyClock::now();
}

asio::awaitable<void> CredentialHook::Impl::connect(TaskPtr task, Outcome& out) {
  error_code error;
  co_await look_up(task, error);
  if (error) co_return out.fail(Kind::Unreachable, "the name cannot be resolved: " + error.message());
  if (task->answered) co_return;
  const auto link = std::make_shared<Link>(context_);
  task->link = link;
  const std::vector<tcp::endpoint> endpoints = endpoints_;
  const auto [failed, connected] = co_await asio::async_connect(link->socket, endpoints, kTuple);
  if (failed) {
    endpoints_.clear();
    co_return out.fail(Kind::Unreachable, "cannot connect: " + failed.message());
  }
  link->socket.set_option(tcp::no_delay(true), error);
  if (!url_.tls) co_return;
  link->tls.emplace(link->socket, tls_);
  error_code is_name;
  asio::ip::make_address(url_.host, is_name);
  if (is_name) send_host_name(link->tls->native_handle(), url_.host);
  link->tls->set_verify_callback(asio::ssl::host_name_verification(url_.host), error);
  const auto [refused] = co_await link->tls->async_handshake(asio::ssl::stream_base::client, kTuple);
  if (refused) out.fail(Kind::Unreachable, "TLS: " + refused.message());
}

void CredentialHook::Impl::finish(const TaskPtr& task, const auth::HookAnswer& answer) {
  if (std::exchange(task->answered, true)) return;
  task->timer.cancel();
  tasks_.erase(task->key);
  const auto waiting = std::exchange(task->waiting, {});
  for (const Done& done : waiting) done(answer);
}

void CredentialHook::Impl::report(const std::string& trouble) {
  const auto now = SteadyClock::now();
  if (reported_ && now - *reported_ < kReportPause) return;
  reported_ = now;
  if (report_) report_(trouble);
}

void CredentialHook::Impl::stop() {
  stopped_ = true;
  const auto tasks = std::exchange(tasks_, {});
  for (const auto& [key, task] : tasks) {
    task->answered = true;
    task->waiting.clear();
    task->timer.cancel();
    task->resolver.cancel();
    if (task->link) task->link->close();
  }
  queue_.clear();
  idle_.clear();
}

CredentialHook::CredentialHook(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
CredentialHook::~CredentialHook() { stop(); }

Result<std::unique_ptr<CredentialHook>, std::string> CredentialHook::make(asio::io_context& context,
                                                                          const auth::HookOptions& options,
                                                                          Report report) {
  auto url = HttpUrl::parse(options.url);
  if (!url) return std::string("auth.hook_url: not an http or https URL");
  auto impl = std::make_shared<Impl>(context, options, std::move(*url), std::move(report));
  if (std::string problem = impl->trust(); !problem.empty()) return problem;
  return std::unique_ptr<CredentialHook>(new CredentialHook(std::move(impl)));
}

void CredentialHook::ask(const HookQuestion& question, Done done) { impl_->ask(question, std::move(done)); }
void CredentialHook::stop() { impl_->stop(); }

}  // namespace ts::net
