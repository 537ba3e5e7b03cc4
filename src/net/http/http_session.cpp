// SPDX-License-Identifier: Apache-2.0
#include "http_session.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <turnstone/base/hash.hpp>
#include <turnstone/net/clock.hpp>

#include "../forward/forwarder_impl.hpp"
#include "../forward/tunnel.hpp"
#include "cork.hpp"
#include "engine_endpoint.hpp"
#include "engine_socket.hpp"
#include "event_streams.hpp"
#include "http_text.hpp"
#include "websocket_session.hpp"

namespace ts::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using Parser = http::request_parser<http::string_body>;
using SteadyClock = asio::steady_timer::clock_type;

/// Handlers bound their work themselves, and answer 503 when it is too much: this is for one that has hung.
/// What was left of the time for reading is not theirs.
constexpr std::chrono::seconds kAnswerTime{60};
/// Of a request to another node and its answer, beyond the time that the node takes.
constexpr std::chrono::seconds kWayTime{5};

class HttpSession final : public Connection, public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(std::shared_ptr<HttpServer::Impl> server, Stream stream)
      : server_(std::move(server)),
        stream_(std::move(stream)),
        tls_(stream_.is_tls()),
        timer_(server_->context),
        buffer_(server_->options.max_header_bytes + server_->options.max_body_bytes) {
    server_->add(*this, tls_);
  }
  ~HttpSession() override { server_->remove(*this, tls_); }

  asio::awaitable<void> run();
  void cut() noexcept override {
    stream_.close();
    if (asking_) asking_->cancel();  // nobody but this session knows of it
  }
  void retire() noexcept override {
    if (idle_) stream_.close();
  }

 private:
  /// The stream is closed at that time, unless this is called again.
  void limit(std::chrono::milliseconds time);
  void watch();

  asio::awaitable<bool> wait_for_request();
  /// Reads a request; false: the connection is of no more use (an error has been answered).
  asio::awaitable<bool> read_request();
  asio::awaitable<bool> refuse(error_code why);
  void take_head();
  bool wants_websocket() const;
  /// Engine.IO, whose answer may take its time.
  asio::awaitable<void> serve_engine();
  asio::awaitable<void> wait_for_answer(const std::shared_ptr<EngineExchange>& exchange);
  /// Finds out whether another node has passed this request on, or must have it. Nothing: go on.
  std::optional<HttpResponse> look_elsewhere();
  std::size_t max_body_bytes() const;
  asio::awaitable<void> serve_elsewhere();
  asio::awaitable<void> ask_elsewhere(std::shared_ptr<EngineExchange> exchange, ForwardCallPtr call);
  asio::awaitable<bool> upgrade_elsewhere();
  void watch_for_end(const std::shared_ptr<EngineExchange>& exchange);
  /// True: the stream is gone to the WebSocket.
  asio::awaitable<bool> upgrade();
  /// True: the stream is gone to be one of events.
  asio::awaitable<bool> begin_events();
  asio::awaitable<void> write(HttpResponse response);
  asio::awaitable<bool> send(std::string_view bytes);

  std::shared_ptr<HttpServer::Impl> server_;
  Stream stream_;
  const bool tls_;
  asio::steady_timer timer_;
  SteadyClock::time_point due_{};
  bool watching_ = false;
  bool idle_ = false;
  bool keep_alive_ = true;
  bool http_1_0_ = false;
  bool unread_ = false;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  HttpRequest request_;
  /// The machine that this request is for, and its place there; null: it is none.
  EngineEndpoint* engine_ = nullptr;
  std::shared_ptr<EngineExchange> exchange_;
  /// It belongs to another node.
  ForwardCallPtr elsewhere_;
  /// The same, while that node is asked.
  ForwardCallPtr asking_;
  /// The answer is that node's own.
  bool theirs_ = false;
  /// Another node has passed it on, and says that this is the body.
  std::optional<Sha256Digest> promised_body_;
};

void HttpSession::limit(std::chrono::milliseconds time) {
  due_ = SteadyClock::now() + time;
  // A timer that is due later than before is only moved when it fires.
  if (!watching_ || timer_.expiry() > due_) watch();
}

void HttpSession::watch() {
  watching_ = true;
  timer_.expires_at(due_);
  timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!self || error) return;
    if (SteadyClock::now() < self->due_) return self->watch();
    self->watching_ = false;
    self->stream_.close();
  });
}

asio::awaitable<void> HttpSession::run() {
  const auto self = shared_from_this();
  error_code ignored;
  stream_.socket().set_option(tcp::no_delay(true), ignored);
  while (keep_alive_ && !server_->closing) {
    if (!co_await wait_for_request()) break;
    if (!co_await read_request()) break;
    const bool signals = engine_ != nullptr || server_->spoken_at(request_.path);
    if (signals && wants_websocket()) {
      bool gone = false;
      if (elsewhere_) {
        gone = co_await upgrade_elsewhere();
      } else {
        gone = co_await upgrade();
      }
      if (gone) co_return;
      continue;
    }
    if (elsewhere_) {
      co_await serve_elsewhere();
      continue;
    }
    if (engine_ != nullptr) {
      co_await serve_engine();
      continue;
    }
    if (server_->is_events(request_) && request_.method == "GET") {
      if (co_await begin_events()) co_return;
      continue;
    }
    limit(kAnswerTime);
    HttpResponse response = co_await server_->respond(request_);
    co_await write(std::move(response));
  }
  if (unread_ && stream_.socket().is_open()) {
    // Closing with bytes unread would take the answer back (RFC 9112 §9.6).
    limit(server_->options.close_timeout);
    stream_.shutdown_send();
    co_await discard(stream_);
  }
  stream_.close();
}

asio::awaitable<bool> HttpSession::wait_for_request() {
  if (buffer_.size() != 0) co_return true;
  constexpr std::size_t kFirstBytes = 1024;
  // Idle, it keeps nothing of the last request and has no room for the next.
  parser_.reset();
  request_ = HttpRequest{};
  exchange_ = nullptr;
  idle_ = true;
  limit(server_->options.idle_timeout);
  Stream::Step step;
  for (;;) {
    const auto room = buffer_.prepare(kFirstBytes);
    step = stream_.read({static_cast<std::uint8_t*>(room.data()), room.size()});
    if (step.status == Stream::Status::Done || step.status == Stream::Status::Closed) break;
    buffer_.shrink_to_fit();
    const auto wanted = Stream::wait_type(step.status);
    const auto [error] = co_await stream_.socket().async_wait(wanted, kTuple);
    if (error) break;
  }
  idle_ = false;
  if (step.status != Stream::Status::Done) co_return false;
  buffer_.commit(step.bytes);
  co_return true;
}

asio::awaitable<bool> HttpSession::read_request() {
  const HttpOptions& options = server_->options;
  request_ = HttpRequest{};
  engine_ = nullptr;
  exchange_ = nullptr;
  elsewhere_ = nullptr;
  promised_body_.reset();
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(options.max_header_bytes));
  parser_->body_limit(boost::none);  // which depends on the path
  limit(options.header_timeout);
  const auto [head_error, head_bytes] = co_await http::async_read_header(stream_, buffer_, *parser_, kTuple);
  if (head_error) co_return co_await refuse(head_error);
  take_head();
  engine_ = server_->engine_at(request_.path);
  if (auto refusal = look_elsewhere()) {
    keep_alive_ = false;
    unread_ = true;
    co_await write(std::move(*refusal));
    co_return false;
  }
  if (engine_ != nullptr && !elsewhere_ && !wants_websocket()) exchange_ = engine_->begin(request_);
  if (!parser_->is_done()) {
    const std::size_t most = max_body_bytes();
    if (parser_->content_length().value_or(0) > most) co_return co_await refuse(http::error::body_limit);
    parser_->body_limit(most);
    limit(options.body_timeout);
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
      if (!co_await send("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
    }
    const auto [body_error, body_bytes] = co_await http::async_read(stream_, buffer_, *parser_, kTuple);
    if (body_error) co_return co_await refuse(body_error);
  }
  // RFC 9112 §3.2: a request without Host, or with two, is no request.
  auto& message = parser_->get();
  request_.body = std::move(message.body());
  const std::size_t hosts = message.count(http::field::host);
  // RFC 9112 §6.3: a last coding that is not chunked leaves the length of the body unknown.
  const bool unframed = message.find(http::field::transfer_encoding) != message.end() && !message.chunked();
  if (unframed || hosts > 1 || (message.version() >= 11 && hosts == 0) || !request_.path.starts_with('/') ||
      message.version() / 10 != 1) {
    error_code bad = http::error::bad_target;
    co_return co_await refuse(bad);
  }
  if (promised_body_ && sha256({as_bytes(request_.body)}) != *promised_body_) {
    error_code bad = http::error::bad_value;
    co_return co_await refuse(bad);
  }
  co_return true;
}

asio::awaitable<bool> HttpSession::refuse(error_code why) {
  const bool about_http = why.category() == make_error_code(http::error::bad_target).category();
  keep_alive_ = false;
  const bool too_large = why == http::error::body_limit;
  if (too_large && exchange_ && exchange_->response) {
    // Refused by its head: nobody waits for the rest.
    unread_ = true;
    HttpResponse response = std::move(*std::exchange(exchange_, nullptr)->response);
    co_await write(std::move(response));
    co_return false;
  }
  if (exchange_) engine_->abandon(*std::exchange(exchange_, nullptr), too_large);
  request_.method.clear();
  // Ended or cut off in the middle: nobody is there to be told.
  if (!about_http || why == http::error::end_of_stream || why == http::error::partial_message)
    co_return false;
  unread_ = true;
  HttpResponse response = http_text::error(400, "bad_request", "this is not an HTTP request");
  if (why == http::error::header_limit || why == http::error::buffer_overflow) {
    response = http_text::error(431, "header_too_large", "the header is too large");
  } else if (too_large) {
    response = http_text::error(413, "too_large", "the body is too large");
  }
  co_await write(std::move(response));
  co_return false;
}

void HttpSession::take_head() {
  const auto& message = parser_->get();
  request_.method = std::string(message.method_string());
  std::string_view target(message.target().data(), message.target().size());
  // Absolute form, RFC 9112 §3.2.2: its authority counts, whatever Host says.
  std::optional<std::string> authority;
  for (const std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t end = std::min(target.find_first_of("/?#", scheme.size()), target.size());
    authority = target.substr(scheme.size(), end - scheme.size());
    target.remove_prefix(end);
  }
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  request_.path = target.substr(0, question);
  if (authority && request_.path.empty()) request_.path = "/";
  if (question != std::string_view::npos) request_.query = target.substr(question + 1);
  for (const auto& field : message) {
    const bool replaced = authority && field.name() == http::field::host;
    request_.fields.emplace_back(std::string(field.name_string()),
                                 replaced ? *authority : std::string(field.value()));
  }
  request_.remote = stream_.remote();
  request_.local = stream_.local();
  request_.tls = tls_;
  keep_alive_ = message.keep_alive();
  http_1_0_ = message.version() == 10;
}

std::size_t HttpSession::max_body_bytes() const {
  // Where a body means nothing it need not be taken in; it would not be counted as under way.
  constexpr std::size_t kMeaninglessBytes = 4096;
  if (elsewhere_ && request_.method != "POST") return kMeaninglessBytes;
  if (elsewhere_) return engine_->max_payload_bytes();
  return exchange_ ? engine_->max_body_bytes(*exchange_) : server_->max_body_bytes(request_);
}

std::optional<HttpResponse> HttpSession::look_elsewhere() {
  if (engine_ == nullptr || !server_->forwarder) return std::nullopt;
  Forwarder::Impl& forwarder = *server_->forwarder;
  // Once is enough: what was passed on is this node's, or nobody's.
  if (const std::string_view pass = request_.header(kPassField); !pass.empty()) {
    const auto accepted = forwarder.accept(pass, request_);
    if (!accepted) return http_text::error(403, "forbidden", "this request was not passed on by a node");
    request_.remote = accepted->client;
    promised_body_ = accepted->body;
    return std::nullopt;
  }
  if (request_.method != "GET" && request_.method != "POST") return std::nullopt;
  const auto node = forwarder.whose(request_.parameter("sid").value_or(""));
  if (!node) return std::nullopt;
  const bool post = request_.method == "POST";
  const std::size_t most = engine_->max_payload_bytes();
  ForwardHead head;
  head.client = request_.remote.address;
  if (post)
    head.body_bytes =
        static_cast<std::size_t>(std::min<std::uint64_t>(parser_->content_length().value_or(most), most));
  head.websocket = wants_websocket();
  head.polls = !post && !head.websocket;
  elsewhere_ = forwarder.begin(*node, head);
  if (elsewhere_) return std::nullopt;
  return http_text::error(503, "busy", "too much is being passed on to other nodes");
}

bool HttpSession::wants_websocket() const { return beast::websocket::is_upgrade(parser_->get()); }

asio::awaitable<bool> HttpSession::upgrade() {
  std::optional<HttpResponse> refusal =
      engine_ != nullptr ? engine_->refuse_upgrade(request_)
                         : server_->refuse_websocket(request_, *server_->spoken_at(request_.path));
  // Nothing may follow before our answer: it would be read past the WebSocket.
  if (!refusal && engine_ == nullptr && buffer_.size() != 0) {
    refusal = http_text::error(400, "bad_request", "too early");
  }
  // Whose head had begun when the others were told to go.
  if (!refusal && server_->closing)
    refusal = http_text::error(503, "draining", "this server is about to end");
  if (refusal) {
    keep_alive_ = false;
    unread_ = true;
    co_await write(std::move(*refusal));
    co_return false;
  }
  timer_.cancel();
  if (engine_ != nullptr) {
    const auto data = buffer_.cdata();
    std::string early(static_cast<const char*>(data.data()), data.size());
    const auto socket = std::make_shared<EngineSocket>(server_, *engine_, std::move(stream_));
    socket->start(request_, std::move(early));
    co_return true;
  }
  const Spoken spoken = *server_->spoken_at(request_.path);
  dialect::PeerJsQuery query;
  if (spoken == Spoken::PeerJs) {
    query = {request_.parameter("key").value_or(""), request_.parameter("id").value_or(""),
             request_.parameter("token").value_or(""), std::string(request_.header("Origin"))};
  }
  start_websocket(server_, std::move(stream_), request_, spoken, query);
  co_return true;
}

asio::awaitable<bool> HttpSession::begin_events() {
  std::optional<HttpResponse> refusal = server_->events().refuse(request_);
  if (!refusal && buffer_.size() != 0)
    refusal = http_text::error(400, "bad_request", "nothing may follow on this connection");
  if (refusal) {
    keep_alive_ = false;
    unread_ = true;
    co_await write(std::move(*refusal));
    co_return false;
  }
  timer_.cancel();
  server_->events().start(server_, std::move(stream_), request_, http_1_0_);
  co_return true;
}

/// Ends the exchange when the client goes away before its answer. What else comes is left where it is.
void HttpSession::watch_for_end(const std::shared_ptr<EngineExchange>& exchange) {
  auto look = [self = shared_from_this(), exchange](error_code error) {
    if (exchange->response) return;
    std::uint8_t first = 0;
    const Stream::Step step = error ? Stream::Step{} : self->stream_.peek(first);
    if (step.status == Stream::Status::Done) return;
    if (step.status != Stream::Status::Closed) return self->watch_for_end(exchange);
    exchange->gone = true;
    exchange->wake.cancel();
  };
  stream_.socket().async_wait(tcp::socket::wait_read, std::move(look));
}

asio::awaitable<void> HttpSession::serve_engine() {
  const auto exchange = std::exchange(exchange_, nullptr);
  engine_->finish(request_, *exchange);
  if (!exchange->response) {
    // It may be parked for as long as a heartbeat takes.
    parser_.reset();
    buffer_.shrink_to_fit();
    limit(engine_->longest_wait());
    co_await wait_for_answer(exchange);
  }
  if (!exchange->response) {
    engine_->abandon(*exchange, false);
    keep_alive_ = false;
    stream_.close();
    co_return;
  }
  HttpResponse response = std::move(*exchange->response);
  exchange->response.emplace();  // it stays answered
  co_await write(std::move(response));
}

/// Until the answer is there, or the client is gone.
asio::awaitable<void> HttpSession::wait_for_answer(const std::shared_ptr<EngineExchange>& exchange) {
  if (buffer_.size() == 0) watch_for_end(exchange);
  while (!exchange->response && !exchange->gone) {
    co_await exchange->wake.async_wait(kTuple);
    if (!stream_.socket().is_open()) exchange->gone = true;
  }
}

/// As long as serve_engine() would hold it, the other node does, and a moment for the way.
asio::awaitable<void> HttpSession::serve_elsewhere() {
  const auto exchange = std::make_shared<EngineExchange>(server_->context);
  const ForwardCallPtr call = std::exchange(elsewhere_, nullptr);
  parser_.reset();
  buffer_.shrink_to_fit();
  limit(engine_->longest_wait() + 2 * kWayTime);
  auto run = [self = shared_from_this(), exchange, call] { return self->ask_elsewhere(exchange, call); };
  asio::co_spawn(server_->context, std::move(run), asio::detached);
  co_await wait_for_answer(exchange);
  if (!exchange->response) {
    call->cancel();
    keep_alive_ = false;
    stream_.close();
    // The request is still being read.
    while (!exchange->response) co_await exchange->wake.async_wait(kTuple);
    co_return;
  }
  HttpResponse response = std::move(*exchange->response);
  exchange->response.emplace();  // it stays answered
  // What another node has answered has its fields for pages; a word of our own needs ours.
  if (theirs_) engine_ = nullptr;
  co_await write(std::move(response));
}

asio::awaitable<void> HttpSession::ask_elsewhere(std::shared_ptr<EngineExchange> exchange,
                                                 ForwardCallPtr call) {
  HttpResponse response;
  asking_ = call;
  theirs_ = co_await server_->forwarder->ask(call, request_, engine_->longest_wait() + kWayTime, response);
  asking_ = nullptr;
  exchange->response = std::move(response);
  exchange->wake.cancel();
}

asio::awaitable<bool> HttpSession::upgrade_elsewhere() {
  const ForwardCallPtr call = std::exchange(elsewhere_, nullptr);
  const auto data = buffer_.cdata();
  std::string early(static_cast<const char*>(data.data()), data.size());
  limit(kAnswerTime);
  ForwardedUpgrade answer;
  asking_ = call;
  co_await server_->forwarder->upgrade(call, request_, std::move(early), answer);
  asking_ = nullptr;
  if (answer.agreed.empty() || server_->closing || !stream_.socket().is_open()) {
    keep_alive_ = false;
    if (!answer.agreed.empty()) {
      call->cancel();
      stream_.close();
      co_return false;
    }
    unread_ = true;
    engine_ = nullptr;
    co_await write(std::move(answer.refusal));
    co_return false;
  }
  timer_.cancel();
  server_->count(101);
  start_tunnel(server_, std::move(stream_), call, std::move(answer.agreed));
  co_return true;
}

asio::awaitable<void> HttpSession::write(HttpResponse response) {
  constexpr std::size_t kJoinBytes = 16'384;
  if (engine_ != nullptr) engine_->decorate(request_, response);
  if (server_->is_events(request_)) server_->events().decorate(request_, response);
  server_->count(response.status);
  if (response.status < 400 && !response.for_strangers) welcome = true;
  keep_alive_ = keep_alive_ && !server_->draining;
  http_text::Head head;
  head.http_1_0 = http_1_0_;
  head.close = !keep_alive_;
  head.date = now().wall;
  const bool bare = request_.method == "HEAD" || response.status == 204 || response.status == 304;
  const std::string_view body = bare ? std::string_view() : http_text::body_of(response);
  std::string text = http_text::response_head(response, head);
  limit(server_->options.write_timeout);
  if (body.size() <= kJoinBytes) {
    text += body;
    if (!co_await send(text)) keep_alive_ = false;
    co_return;
  }
  if (!co_await send(text) || !co_await send(body)) keep_alive_ = false;
}

asio::awaitable<bool> HttpSession::send(std::string_view bytes) {
  const asio::const_buffer buffer(bytes.data(), bytes.size());
  const auto [error, sent] = co_await asio::async_write(stream_, buffer, kTuple);
  co_return !error;
}

}  // namespace

void start_http(const std::shared_ptr<HttpServer::Impl>& server, Stream stream) {
  const auto session = std::make_shared<HttpSession>(server, std::move(stream));
  auto run = [session] { return session->run(); };
  asio::co_spawn(server->context, std::move(run), asio::detached);
}

}  // namespace ts::net
