// SPDX-License-Identifier: Apache-2.0
#include <deque>
#include <optional>
#include <set>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
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

#include <turnstone/net/http_caller.hpp>

#include "../name_finder.hpp"

namespace ts::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Kind = HttpReply::Kind;
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

/// A connection to the server.
struct Link {
  Link(asio::io_context& context, std::size_t body_bytes)
      : socket(context), buffer(kMaxHeaderBytes + body_bytes) {}
  void close() noexcept {
    error_code ignored;
    socket.close(ignored);
  }
  tcp::socket socket;
  std::optional<asio::ssl::stream<tcp::socket&>> tls;
  beast::flat_buffer buffer;
  SteadyClock::time_point idle_since;
};

/// A post on its way, and who waits for what comes of it.
struct Task {
  Task(asio::io_context& context, std::string text, HttpCaller::Fields more, HttpCaller::Done then)
      : body(std::move(text)),
        fields(std::move(more)),
        done(std::move(then)),
        timer(context),
        name(context) {}
  std::string body;
  HttpCaller::Fields fields;
  HttpCaller::Done done;
  asio::steady_timer timer;
  NameWait name;
  std::shared_ptr<Link> link;
  bool answered = false;
};
using TaskPtr = std::shared_ptr<Task>;

/// How an exchange ended.
struct Outcome {
  Outcome() = default;
  HttpReply reply;
  /// The connection ended before a byte of the answer came: it may have been closed while it was idle.
  bool nothing_came = false;

  void fail(Kind kind, std::string why) {
    reply.kind = kind;
    reply.trouble = std::move(why);
  }
};

bool means_no_answer(const error_code& error) noexcept {
  return error == http::error::end_of_stream || error == http::error::partial_message ||
         error.category() != http::make_error_code(http::error::end_of_stream).category();
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

class HttpCaller::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& context, HttpCallOptions options)
      : context_(context), options_(std::move(options)), url_(options_.url), names_(context) {}

  /// What is wrong with the certificates; empty: nothing.
  std::string trust();
  void post(std::string body, Fields fields, Done done);
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
  void finish(const TaskPtr& task, const HttpReply& reply);

  asio::io_context& context_;
  const HttpCallOptions options_;
  const HttpUrl& url_;
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  std::set<TaskPtr> tasks_;
  std::deque<TaskPtr> queue_;
  std::vector<std::shared_ptr<Link>> idle_;
  std::size_t running_ = 0;
  NameFinder names_;
  std::vector<tcp::endpoint> endpoints_;
  SteadyClock::time_point looked_up_;
  bool stopped_ = false;
};

std::string HttpCaller::Impl::trust() {
  error_code error;
  SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_2_VERSION);
  tls_.set_verify_mode(asio::ssl::verify_peer, error);
  if (!error && options_.ca_file.empty()) tls_.set_default_verify_paths(error);
  if (!error && !options_.ca_file.empty()) tls_.load_verify_file(options_.ca_file, error);
  return error ? error.message() : std::string();
}

void HttpCaller::Impl::post(std::string body, Fields fields, Done done) {
  if (stopped_) return;
  const auto task = std::make_shared<Task>(context_, std::move(body), std::move(fields), std::move(done));
  tasks_.insert(task);
  queue_.push_back(task);
  limit(task);
  // Not before this returns: what cannot begin fails at once.
  asio::post(context_, [self = shared_from_this()] { self->pump(); });
}

void HttpCaller::Impl::limit(const TaskPtr& task) {
  task->timer.expires_after(options_.timeout);
  task->timer.async_wait([self = shared_from_this(), task](const error_code& error) {
    if (error || task->answered) return;
    HttpReply late;
    late.kind = Kind::TimedOut;
    late.trouble = "no answer in time";
    self->finish(task, late);
    task->name.cancel();
    if (task->link) task->link->close();
  });
}

void HttpCaller::Impl::pump() {
  while (!stopped_ && !queue_.empty() && running_ < options_.max_in_flight) {
    const TaskPtr task = queue_.front();
    queue_.pop_front();
    if (task->answered) continue;
    ++running_;
    asio::co_spawn(context_, run(task), asio::detached);
  }
}

asio::awaitable<void> HttpCaller::Impl::run(TaskPtr task) {
  const auto self = shared_from_this();
  Outcome outcome;
  co_await exchange(task, outcome);
  --running_;
  finish(task, outcome.reply);
  pump();
}

asio::awaitable<void> HttpCaller::Impl::exchange(TaskPtr task, Outcome& out) {
  task->link = take_idle();
  if (task->link) {
    co_await talk(task, out);
    if (!out.nothing_came || task->answered) co_return;
    out = Outcome();
  }
  co_await connect(task, out);
  if (out.reply.trouble.empty() && !task->answered) co_await talk(task, out);
}

std::shared_ptr<Link> HttpCaller::Impl::take_idle() {
  const auto oldest = SteadyClock::now() - kIdleLife;
  std::erase_if(idle_, [&](const std::shared_ptr<Link>& link) { return link->idle_since < oldest; });
  if (idle_.empty()) return nullptr;
  std::shared_ptr<Link> out = std::move(idle_.back());
  idle_.pop_back();
  return out;
}

HttpRequestMessage HttpCaller::Impl::request_of(const Task& task) const {
  HttpRequestMessage out{http::verb::post, url_.target, 11};
  out.set(http::field::host, url_.authority());
  out.set(http::field::content_type, "application/json");
  out.set(http::field::accept, "application/json");
  for (const auto& [name, value] : task.fields) out.set(name, value);
  out.body() = task.body;
  out.prepare_payload();
  return out;
}

asio::awaitable<void> HttpCaller::Impl::talk(TaskPtr task, Outcome& out) {
  const std::shared_ptr<Link> link = task->link;
  const HttpRequestMessage request = request_of(*task);
  Parser parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.body_limit(options_.max_answer_bytes);
  error_code error;
  if (link->tls) {
    co_await talk_over(*link->tls, *link, request, parser, error);
  } else {
    co_await talk_over(link->socket, *link, request, parser, error);
  }
  task->link.reset();
  const bool enough = options_.only_status && error == http::error::body_limit;
  if (enough) {
    out.reply.kind = Kind::Answered;
    out.reply.status = parser.get().result_int();
    co_return link->close();
  }
  if (error) {
    out.nothing_came = !parser.got_some() && means_no_answer(error);
    out.fail(means_no_answer(error) ? Kind::Unreachable : Kind::BadAnswer, error.message());
    link->close();
    co_return;
  }
  out.reply.kind = Kind::Answered;
  out.reply.status = parser.get().result_int();
  out.reply.body = std::move(parser.get().body());
  // Bytes behind the answer belong to nothing that we asked.
  const bool good = parser.get().keep_alive() && link->buffer.size() == 0 && !task->answered && !stopped_;
  if (!good || idle_.size() >= kMaxIdle) co_return link->close();
  link->idle_since = SteadyClock::now();
  idle_.push_back(link);
}

asio::awaitable<void> HttpCaller::Impl::look_up(TaskPtr task, error_code& error) {
  if (!endpoints_.empty() && SteadyClock::now() - looked_up_ < kNameLife) co_return;
  std::vector<tcp::endpoint> found;
  error = co_await names_.find(url_.host, url_.port, task->name, found);
  if (error) co_return;
  endpoints_ = std::move(found);
  looked_up_ = SteadyClock::now();
}

asio::awaitable<void> HttpCaller::Impl::connect(TaskPtr task, Outcome& out) {
  error_code error;
  co_await look_up(task, error);
  if (error) co_return out.fail(Kind::Unreachable, "the name cannot be resolved: " + error.message());
  if (task->answered) co_return;
  const auto link = std::make_shared<Link>(context_, options_.max_answer_bytes);
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

void HttpCaller::Impl::finish(const TaskPtr& task, const HttpReply& reply) {
  if (std::exchange(task->answered, true)) return;
  task->timer.cancel();
  tasks_.erase(task);
  const Done done = std::exchange(task->done, nullptr);
  if (done && !stopped_) done(reply);
}

void HttpCaller::Impl::stop() {
  stopped_ = true;
  names_.stop();
  for (const TaskPtr& task : std::exchange(tasks_, {})) {
    task->answered = true;
    task->done = nullptr;
    task->timer.cancel();
    task->name.cancel();
    if (task->link) task->link->close();
  }
  queue_.clear();
  idle_.clear();
}

HttpCaller::HttpCaller(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpCaller::~HttpCaller() { stop(); }

Result<std::unique_ptr<HttpCaller>, std::string> HttpCaller::make(asio::io_context& context,
                                                                  HttpCallOptions options) {
  auto impl = std::make_shared<Impl>(context, std::move(options));
  if (std::string problem = impl->trust(); !problem.empty()) return problem;
  return std::unique_ptr<HttpCaller>(new HttpCaller(std::move(impl)));
}

void HttpCaller::post(std::string body, Fields fields, Done done) {
  impl_->post(std::move(body), std::move(fields), std::move(done));
}
void HttpCaller::stop() { impl_->stop(); }

}  // namespace ts::net
