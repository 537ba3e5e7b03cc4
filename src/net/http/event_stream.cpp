// SPDX-License-Identifier: Apache-2.0
#include "event_stream.hpp"

#include <limits>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <turnstone/net/clock.hpp>

#include "event_text.hpp"
#include "http_text.hpp"

namespace ts::net {
namespace {

/// Room in the cork beyond the dialect's limit, for what belongs to events and for the closing.
constexpr std::size_t kSlackBytes = 65'536;
/// Nothing is to come on this connection: whoever goes on sending is cut off.
constexpr std::size_t kMaxUnaskedBytes = 65'536;

/// A browser ends the streams of a page that goes before the page can say so: its bye comes after.
constexpr std::chrono::milliseconds kFarewellTime{1000};

std::size_t queue_bytes(const signal::Options& rules) noexcept {
  return std::size_t{rules.max_send_queue_bytes} + rules.max_message_bytes + kSlackBytes;
}

}  // namespace

EventStream::EventStream(std::shared_ptr<HttpServer::Impl> server, Stream stream, bool http_1_0)
    : Socket(Spoken::Native),
      server_(std::move(server)),
      tls_(stream.is_tls()),
      chunked_(!http_1_0),
      cork_(std::make_shared<Cork>(server_, std::move(stream), queue_bytes(server_->signal_options()))),
      farewell_(server_->context) {
  server_->add(*this, tls_);
  --server_->counters.streams_accepted[tls_ ? 1 : 0];  // the HTTP connection was counted
}

EventStream::~EventStream() {
  withdraw();
  if (connection_ != 0) server_->forget(connection_);
  server_->remove(*this, tls_);
}

void EventStream::start(const HttpRequest& request) {
  EventStreams& streams = server_->events();
  origin_ = request.header("Origin");
  id_ = streams.add(*this);
  HttpResponse response(200, "text/event-stream", {});
  response.fields.emplace_back("Cache-Control", "no-store");
  // nginx and what is made of it would gather what is to go out at once.
  response.fields.emplace_back("X-Accel-Buffering", "no");
  streams.decorate(request, response);
  http_text::Head head;
  head.close = true;
  head.body = chunked_ ? http_text::Body::Chunked : http_text::Body::UntilClose;
  head.date = now().wall;
  server_->count(200);
  cork_->append(http_text::response_head(response, head));
  const std::string time = std::to_string(streams.keep_alive_time().count());
  append(event_text::event("connection", 0, "{\"c\":\"" + id_ + "\",\"keepAliveMs\":" + time + "}"));
  connection_ = server_->socket_opened(*this, request.remote, {}, origin_);
  if (over_) return server_->socket_closed(connection_, *this, signal::CloseReason::Lost);
  if (closing_) return;
  streams.keep_alive().add(*this, streams.keep_alive_time());
  read();
}

bool EventStream::is_of(const HttpRequest& request) const {
  const std::string_view origin = request.header("Origin");
  // A page of this host does not tell where it is from with a GET, but with a POST.
  if (origin_.empty()) return origin.empty() || http_text::same_host(origin, request.header("Host"));
  return http_text::equal_ignoring_case(origin, origin_);
}

EventStream::Taken EventStream::take(std::uint64_t post, std::string_view body) {
  const auto self = shared_from_this();
  if (post != 0) {
    // Sent again by whoever did not hear the answer.
    if (post == last_post_) return Taken::All;
    if (post != last_post_ + 1) return Taken::OutOfOrder;
    last_post_ = post;
  }
  if (body.empty()) server_->socket_alive(connection_, *this);
  while (const auto message = event_text::take_message(body)) {
    if (closing_) return Taken::Ended;
    server_->socket_text(connection_, *this, *message);
  }
  return Taken::All;
}

bool EventStream::append(std::string_view text) {
  if (!chunked_) return cork_->append(text);
  std::string chunk;
  event_text::append_chunk(chunk, text);
  return cork_->append(chunk);
}

std::size_t EventStream::send(std::string_view text, std::uint64_t seq) {
  // After the closing event nothing may follow.
  if (closing_) return 0;
  if (!append(event_text::event({}, seq, text)) && cork_->stream().socket().is_open())
    return std::numeric_limits<std::size_t>::max();
  return cork_->waiting_bytes();
}

void EventStream::probe() {
  if (closing_) return;
  // Who takes nothing at all is given up when there is no room for a comment.
  if (!append(":\n\n")) return lose();
  server_->events().keep_alive().add(*this, server_->events().keep_alive_time());
}

void EventStream::close(std::uint16_t code, std::string_view reason) {
  if (std::exchange(closing_, true)) return;
  farewell_.cancel();
  withdraw();
  append(event_text::event(
      "close", 0,
      "{\"code\":" + std::to_string(code) + ",\"reason\":" + http_text::json_string(reason) + "}"));
  if (chunked_) append({});
  // Not at once: the client's end may be there already, and who has called us tells first why it is over.
  asio::post(server_->context, [self = shared_from_this()] {
    auto run = [self] { return self->finish(); };
    asio::co_spawn(self->server_->context, std::move(run), asio::detached);
  });
}

asio::awaitable<void> EventStream::finish() {
  const auto self = shared_from_this();
  co_await cork_->finish();
  tell();
}

void EventStream::wait(Stream::Status wanted) {
  auto look = [self = shared_from_this()](error_code error) {
    if (self->closing_) return;
    if (error) return self->leave();
    self->read();
  };
  cork_->stream().socket().async_wait(Stream::wait_type(wanted), std::move(look));
}

/// Only the client's end is to come here.
void EventStream::read() {
  for (;;) {
    const Stream::Step step = cork_->stream().read(server_->scratch());
    if (step.status == Stream::Status::Closed) return leave();
    if (step.status != Stream::Status::Done) return wait(step.status);
    unasked_bytes_ += static_cast<std::uint32_t>(step.bytes);
    if (unasked_bytes_ > kMaxUnaskedBytes) return lose();
  }
}

void EventStream::leave() {
  if (closing_ || server_->closing || !cork_->stream().socket().is_open()) return lose();
  cork_->close();
  farewell_.expires_after(kFarewellTime);
  farewell_.async_wait([self = shared_from_this()](error_code) { self->lose(); });
}

void EventStream::lose() {
  closing_ = true;
  cork_->close();
  tell();
}

void EventStream::withdraw() noexcept {
  server_->events().keep_alive().remove(*this);
  if (!id_.empty()) server_->events().remove(id_);
  id_.clear();
}

void EventStream::tell() {
  if (std::exchange(over_, true)) return;
  withdraw();
  if (connection_ != 0) server_->socket_closed(connection_, *this, signal::CloseReason::Lost);
}

}  // namespace ts::net
