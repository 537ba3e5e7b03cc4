// SPDX-License-Identifier: Apache-2.0
// Forwarder: the places of calls, what they send and what they make of the answer. Connections are in
// forward_links.cpp.
#include <algorithm>
#include <initializer_list>

#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <openssl/ssl.h>

#include <turnstone/net/clock.hpp>

#include "../http/http_text.hpp"
#include "../http/server_impl.hpp"
#include "../source.hpp"
#include "forwarder_impl.hpp"

namespace ts::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using Parser = http::response_parser<http::string_body>;
using SteadyClock = asio::steady_timer::clock_type;

constexpr std::uint32_t kMaxHeadBytes = 16'384;
constexpr std::chrono::seconds kReportPause{10};
/// Bodies up to this are not counted: any request may have one.
constexpr std::size_t kSmallBodyBytes = 65'536;

HttpResponse busy() { return http_text::error(503, "busy", "too much is being passed on to other nodes"); }

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [name](std::string_view one) { return http_text::equal_ignoring_case(one, name); });
}

/// RFC 9110 §7.6.1: what is between two ends of one connection.
bool is_of_connection(std::string_view name) {
  return is_one_of(name, {"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer",
                          "Transfer-Encoding", "Upgrade", "Content-Length", "Expect"});
}

/// Of an answer, what our own writer puts there.
bool is_written_anyway(std::string_view name) {
  return is_one_of(name, {"Date", "Content-Type", "X-Content-Type-Options", "Referrer-Policy"});
}

std::string target_of(const HttpRequest& request) {
  return request.query.empty() ? request.path : request.path + '?' + request.query;
}

/// What a GET brings along means nothing, and must not be taken for the next request.
std::string_view body_of(const HttpRequest& request) noexcept {
  return request.method == "POST" ? std::string_view(request.body) : std::string_view();
}

HttpResponse response_of(Parser::value_type& message) {
  HttpResponse out(message.result_int(), std::string(message[http::field::content_type]),
                   std::move(message.body()));
  for (const auto& field : message) {
    const std::string_view name(field.name_string().data(), field.name_string().size());
    if (is_of_connection(name) || is_written_anyway(name)) continue;
    out.fields.emplace_back(std::string(name), std::string(field.value()));
  }
  return out;
}

/// The head of a 101, for the client.
std::string head_text(const Parser::value_type& message) {
  std::string out = "HTTP/1.1 101 Switching Protocols\r\n";
  for (const auto& field : message) {
    out.append(field.name_string().data(), field.name_string().size()).append(": ");
    out.append(field.value().data(), field.value().size()).append("\r\n");
  }
  return out.append("\r\n");
}

}  // namespace

// Calls.

ForwardCall::ForwardCall(std::shared_ptr<Forwarder::Impl> owner, std::shared_ptr<ForwardNode> node,
                         std::string mark, const ForwardHead& head)
    : owner_(std::move(owner)),
      node_(std::move(node)),
      mark_(std::move(mark)),
      source_(source_of(head.client)),
      body_bytes_(head.body_bytes),
      websocket_(head.websocket),
      polls_(head.polls),
      timer_(owner_->context),
      name_(owner_->context) {
  owner_->calls_.push_back(this);
  if (body_bytes_ == 0) return;
  owner_->body_bytes_ += body_bytes_;
  owner_->body_bytes_of_[source_] += body_bytes_;
}

ForwardCall::~ForwardCall() {
  std::erase(owner_->calls_, this);
  if (body_bytes_ != 0) {
    owner_->body_bytes_ -= body_bytes_;
    const auto of_one = owner_->body_bytes_of_.find(source_);
    of_one->second -= body_bytes_;
    if (of_one->second == 0) owner_->body_bytes_of_.erase(of_one);
  }
  if (!entered_) return;
  --owner_->counters.under_way;
  owner_->counters.websockets -= websocket_ ? 1U : 0U;
}

void ForwardCall::cancel() noexcept {
  cancelled_ = true;
  timer_.cancel();
  cut();
}

void ForwardCall::cut() noexcept {
  error_code ignored;
  name_.cancel();
  if (socket_) socket_->close(ignored);
  if (link_) link_->stream.close();
}

void ForwardCall::limit(std::chrono::milliseconds time) {
  timer_.expires_after(time);
  timer_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (!self || error) return;
    self->late_ = true;
    self->cut();
  });
}

// The Forwarder.

Forwarder::Impl::Impl(asio::io_context& io, ForwarderOptions wanted, const signal::ClusterKey& key,
                      Whose whose, Report report)
    : context(io),
      options(std::move(wanted)),
      whose_(std::move(whose)),
      report_(std::move(report)),
      maker_(key, options.mark),
      checker_(key, options.mark),
      names_(io),
      sweep_timer_(io) {
  error_code ignored;  // without authorities no certificate is trusted, which is told when one comes
  tls_.set_default_verify_paths(ignored);
  SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_2_VERSION);
}

std::optional<signal::AcceptedPass> Forwarder::Impl::accept(std::string_view pass,
                                                            const HttpRequest& request) {
  const auto accepted = checker_.accept(now().wall, pass, request.method, target_of(request));
  if (accepted) return *accepted;
  count(Forwarded::Refused);
  report("a request that was passed on is refused: " + std::string(signal::to_string(accepted.error())));
  return std::nullopt;
}

std::optional<OtherNode> Forwarder::Impl::whose(std::string_view sid) const {
  return stopped_ ? std::nullopt : whose_(sid);
}

bool Forwarder::Impl::has_room(const ForwardHead& counted) const {
  if (counted.body_bytes == 0) return true;
  const auto of_one = body_bytes_of_.find(source_of(counted.client));
  // A first body may be as large as bodies may be.
  const bool fair =
      of_one == body_bytes_of_.end() || of_one->second + counted.body_bytes <= options.max_body_bytes_of_one;
  return fair && body_bytes_ + counted.body_bytes <= options.max_body_bytes;
}

ForwardCallPtr Forwarder::Impl::begin(const OtherNode& other, const ForwardHead& head) {
  ForwardHead counted = head;
  if (counted.body_bytes <= kSmallBodyBytes) counted.body_bytes = 0;
  const auto node = stopped_ || !has_room(counted) ? nullptr : node_at(other.url);
  if (!node) {
    count(Forwarded::Busy);
    return nullptr;
  }
  return std::make_shared<ForwardCall>(shared_from_this(), node, other.mark, counted);
}

bool Forwarder::Impl::enter(ForwardCall& call) {
  if (stopped_ || counters.under_way >= options.max_under_way ||
      (call.websocket_ && counters.websockets >= options.max_under_way / 2)) {
    count(Forwarded::Busy);
    return false;
  }
  call.entered_ = true;
  ++counters.under_way;
  counters.websockets += call.websocket_ ? 1U : 0U;
  return true;
}

/// A node that has come back has another mark, and may be at the same place.
std::shared_ptr<ForwardNode> Forwarder::Impl::node_at(const std::string& url) {
  const auto known = nodes_.find(url);
  if (known != nodes_.end()) return known->second;
  auto parsed = HttpUrl::parse(url);
  if (!parsed) return nullptr;
  if (nodes_.size() >= signal::kMaxPassSenders) nodes_.clear();  // places of nodes that came and went
  auto made = std::make_shared<ForwardNode>();
  made->url = std::move(*parsed);
  nodes_.emplace(url, made);
  return made;
}

std::string Forwarder::Impl::head_of(const ForwardCall& call, const HttpRequest& request) {
  const std::string target = target_of(request);
  std::string out = request.method + ' ' + target + " HTTP/1.1\r\n";
  const auto field = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  const std::string_view named = request.header("Connection");
  if (request.header("Host").empty()) field("Host", call.node_->url.authority());
  for (const auto& [name, value] : request.fields) {
    if (is_of_connection(name) || http_text::has_token(named, name) ||
        http_text::equal_ignoring_case(name, kPassField))
      continue;
    field(name, value);
  }
  if (call.websocket_) field("Connection", "Upgrade"), field("Upgrade", "websocket");
  const std::string_view body = body_of(request);
  if (request.method == "POST") field("Content-Length", std::to_string(body.size()));
  signal::PassedRequest passed;
  passed.method = request.method;
  passed.target = target;
  passed.client = request.remote;
  passed.body = sha256({as_bytes(body)});
  field(kPassField, maker_.make(now().wall, call.mark_, passed));
  return out.append("\r\n");
}

asio::awaitable<bool> Forwarder::Impl::ask(ForwardCallPtr call, const HttpRequest& request,
                                           std::chrono::milliseconds time, HttpResponse& out) {
  const auto self = shared_from_this();
  if (!enter(*call)) {
    out = busy();
    co_return false;
  }
  std::string trouble;
  call->link_ = take_idle(*call->node_);
  bool anew = true;
  if (call->link_) {
    call->limit(time);
    const bool nothing_came = co_await talk(*call, request, out, trouble);
    // It may have been closed while nothing was asked. What a POST says must not be said twice.
    anew = nothing_came && request.method != "POST";
  }
  if (anew && !call->is_over()) {
    trouble = co_await connect(*call);
    if (trouble.empty() && !call->is_over()) {
      call->limit(time);
      co_await talk(*call, request, out, trouble);
    }
  }
  call->timer_.cancel();
  if (!trouble.empty() || call->is_over()) {
    out = failed(*call, trouble);
    co_return false;
  }
  count(Forwarded::Answered);
  if (call->link_) keep(*call->node_, std::exchange(call->link_, nullptr));
  co_return true;
}

/// Leaves the connection with the call where it may be used again. True: it ended before anything came.
asio::awaitable<bool> Forwarder::Impl::talk(ForwardCall& call, const HttpRequest& request, HttpResponse& out,
                                            std::string& trouble) {
  const std::shared_ptr<ForwardLink> link = call.link_;
  const std::string text = head_of(call, request).append(body_of(request));
  const asio::const_buffer bytes(text.data(), text.size());
  Parser parser;
  parser.header_limit(kMaxHeadBytes);
  parser.body_limit(options.max_answer_bytes);
  const auto [write_error, sent] = co_await asio::async_write(link->stream, bytes, kTuple);
  error_code error = write_error;
  if (!error) {
    const auto [read_error, received] = co_await http::async_read(link->stream, link->buffer, parser, kTuple);
    error = read_error;
  }
  trouble = error ? error.message() : std::string();
  const bool good = !error && parser.get().keep_alive() && link->buffer.size() == 0;
  if (!good) call.link_ = nullptr, link->stream.close();
  if (!error) out = response_of(parser.get());
  co_return error && !parser.got_some();
}

asio::awaitable<void> Forwarder::Impl::upgrade(ForwardCallPtr call, const HttpRequest& request,
                                               std::string early, ForwardedUpgrade& out) {
  const auto self = shared_from_this();
  if (!enter(*call)) {
    out.refusal = busy();
    co_return;
  }
  std::string trouble = co_await connect(*call);
  if (trouble.empty() && !call->is_over()) {
    call->limit(options.upgrade_timeout);
    const std::shared_ptr<ForwardLink> link = call->link_;
    const std::string text = head_of(*call, request) + early;
    const asio::const_buffer bytes(text.data(), text.size());
    Parser parser;
    parser.header_limit(kMaxHeadBytes);
    parser.body_limit(kMaxHeadBytes);
    const auto [write_error, sent] = co_await asio::async_write(link->stream, bytes, kTuple);
    error_code error = write_error;
    if (!error) {
      const auto [read_error, got] = co_await http::async_read(link->stream, link->buffer, parser, kTuple);
      error = read_error;
    }
    trouble = error ? error.message() : std::string();
    if (!error && parser.get().result() == http::status::switching_protocols) {
      const auto rest = link->buffer.cdata();
      out.agreed = head_text(parser.get());
      out.agreed.append(static_cast<const char*>(rest.data()), rest.size());
      link->buffer = beast::flat_buffer();
    } else if (!error) {
      out.refusal = response_of(parser.get());
      call->cut();
    }
  }
  call->timer_.cancel();
  if (!trouble.empty() || call->is_over()) {
    out.agreed.clear();
    out.refusal = failed(*call, trouble);
    call->cut();
    co_return;
  }
  count(out.agreed.empty() ? Forwarded::Answered : Forwarded::Upgraded);
}

HttpResponse Forwarder::Impl::failed(const ForwardCall& call, const std::string& trouble) {
  if (call.cancelled_) {
    count(Forwarded::Gone);
  } else {
    count(call.late_ ? Forwarded::TimedOut : Forwarded::Unreachable);
    report(call.node_->url.authority() + ": " + (call.late_ ? std::string("no answer in time") : trouble));
  }
  return http_text::error(503, "unavailable", "the node that has this session cannot be reached");
}

void Forwarder::Impl::report(const std::string& trouble) {
  const auto at = SteadyClock::now();
  if (reported_ && at - *reported_ < kReportPause) return;
  reported_ = at;
  if (report_) report_(trouble);
}

void Forwarder::Impl::stop() noexcept {
  stopped_ = true;
  sweep_timer_.cancel();
  names_.stop();
  nodes_.clear();
  const std::vector<ForwardCall*> calls = calls_;
  for (ForwardCall* call : calls) {
    if (call->polls_) call->cancel();
  }
}

Forwarder::Forwarder(asio::io_context& context, ForwarderOptions options, const signal::ClusterKey& key,
                     Whose whose, Report report)
    : impl_(std::make_shared<Impl>(context, std::move(options), key, std::move(whose), std::move(report))) {}

Forwarder::~Forwarder() { stop(); }

std::size_t Forwarder::cap(std::size_t most) noexcept {
  impl_->options.max_under_way = std::min(impl_->options.max_under_way, most);
  return impl_->options.max_under_way;
}

void Forwarder::stop() noexcept { impl_->stop(); }

const ForwardCounters& Forwarder::counters() const noexcept { return impl_->counters; }

}  // namespace ts::net
