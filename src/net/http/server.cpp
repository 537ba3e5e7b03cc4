// SPDX-License-Identifier: Apache-2.0
// HttpServer: connections, frames of the dialect, the turn's writes, time and the end.
#include <algorithm>
#include <iterator>

#include <turnstone/net/clock.hpp>
#include <turnstone/net/http_server.hpp>

#include "cork.hpp"
#include "engine_endpoint.hpp"
#include "event_streams.hpp"
#include "http_session.hpp"
#include "server_impl.hpp"
#include "silence_watch.hpp"

namespace ts::net {
namespace {

// Buffers for writing that are kept for the next one who has something to write.
constexpr std::size_t kKeptBuffers = 64;
constexpr std::size_t kKeptBufferBytes = 65'536;

}  // namespace

HttpServer::Impl::Impl(asio::io_context& io, HttpOptions http, HttpHandlers provided,
                       dialect::Native* dialect, signal::Router* core)
    : context(io),
      options(std::move(http)),
      handlers(std::move(provided)),
      native_(core != nullptr ? dialect : nullptr),
      router_(core),
      events_(native_ != nullptr ? std::make_unique<EventStreams>(*this) : nullptr),
      silence_(std::make_shared<SilenceWatch>(io)),
      tick_timer_(io),
      grace_timer_(io) {
  buffers_.reserve(kKeptBuffers);
}

HttpServer::Impl::~Impl() = default;

bool HttpServer::Impl::has_room() noexcept {
  const std::size_t most = options.max_connections;
  if (most == 0 || connections_.size() < most) return true;
  if (!options.strangers_give_way) return false;
  Connection* oldest = nullptr;
  for (Connection* connection : connections_) {
    if (connection->welcome || connection->gave_way) continue;
    if (oldest == nullptr || connection->number < oldest->number) oldest = connection;
  }
  if (oldest == nullptr) return false;
  oldest->gave_way = true;
  oldest->cut();
  return true;
}

void HttpServer::Impl::add(Connection& connection, bool tls) {
  connections_.insert(&connection);
  connection.number = ++last_connection_;
  ++counters.streams_accepted[tls ? 1 : 0], ++counters.streams_open[tls ? 1 : 0];
}

void HttpServer::Impl::remove(Connection& connection, bool tls) noexcept {
  connections_.erase(&connection);
  --counters.streams_open[tls ? 1 : 0];
  finish_if_empty();
}

void HttpServer::Impl::finish_if_empty() noexcept {
  if (!done_ || !connections_.empty()) return;
  grace_timer_.cancel();
  tick_timer_.cancel();  // else it alone would keep the io_context running
  asio::post(context, std::exchange(done_, nullptr));
}

signal::ConnectionId HttpServer::Impl::socket_opened(Socket& socket, const Endpoint& remote,
                                                     const dialect::PeerJsQuery& query,
                                                     std::string_view origin) {
  const signal::ConnectionId id = ++last_id_;
  sockets_.emplace(id, &socket);
  ++counters.websockets_open;
  if (native_ == nullptr) {
    socket.close(static_cast<std::uint16_t>(signal::CloseCode::Drain), "drain");
    return id;
  }
  const Now at = now();
  if (socket.spoken == Spoken::PeerJs) {
    peerjs_.dialect->opened(at, id, remote, query);
  } else {
    native_->opened(at, id, remote, frames_, origin);
  }
  deliver(at);
  return id;
}

void HttpServer::Impl::socket_text(signal::ConnectionId id, const Socket& socket, std::string_view text) {
  if (native_ == nullptr) return;
  const Now at = now();
  if (socket.spoken == Spoken::PeerJs) {
    peerjs_.dialect->text(at, id, text);
  } else {
    native_->text(at, id, text, frames_);
  }
  deliver(at);
}

/// The Router counts signs of life alike for all who speak by texts.
void HttpServer::Impl::socket_alive(signal::ConnectionId id, const Socket& socket) noexcept {
  if (native_ == nullptr) return;
  if (socket.spoken == Spoken::PeerJs) return peerjs_.dialect->alive(now(), id);
  native_->alive(now(), id);
}

void HttpServer::Impl::socket_closed(signal::ConnectionId id, const Socket& socket,
                                     signal::CloseReason reason) {
  if (sockets_.erase(id) == 0) return;
  --counters.websockets_open;
  if (native_ == nullptr) return;
  const Now at = now();
  if (socket.spoken == Spoken::PeerJs) {
    peerjs_.dialect->closed(at, id, reason);
  } else {
    native_->closed(at, id, reason, frames_);
  }
  deliver(at);
}

MutableBytes HttpServer::Impl::scratch() {
  constexpr std::size_t kScratchBytes = 65'536;
  scratch_.resize(kScratchBytes);
  return scratch_;
}

std::string HttpServer::Impl::take_buffer() noexcept {
  if (buffers_.empty()) return {};
  std::string out = std::move(buffers_.back());
  buffers_.pop_back();
  return out;
}

void HttpServer::Impl::give_buffer(std::string&& buffer) noexcept {
  static const std::size_t own_bytes = std::string().capacity();
  const std::size_t bytes = buffer.capacity();
  if (bytes <= own_bytes || bytes > kKeptBufferBytes || buffers_.size() == kKeptBuffers) return;
  buffer.clear();
  buffers_.push_back(std::move(buffer));
}

std::chrono::milliseconds HttpServer::Impl::beat() const noexcept {
  return options.ping_interval.count() > 0 ? options.ping_interval : signal_options().heartbeat;
}

void HttpServer::Impl::mount(EngineMount mount) {
  engines_.push_back(std::make_unique<EngineEndpoint>(*this, std::move(mount)));
}

EngineEndpoint* HttpServer::Impl::engine_at(std::string_view path) noexcept {
  for (const auto& engine : engines_) {
    if (engine->serves(path)) return engine.get();
  }
  return nullptr;
}

void HttpServer::Impl::deliver(const signal::Outbox& outbox) {
  if (native_ == nullptr) return;
  std::ranges::move(native_->take_frames(), std::back_inserter(frames_));  // they are older
  native_->deliver(outbox, frames_);
}

void HttpServer::Impl::deliver_frames(const Now& at) {
  // By index: a slow consumer's end appends.
  std::size_t next = 0;
  while (next < frames_.size()) {
    const dialect::Frame frame = std::move(frames_[next++]);
    const auto found = sockets_.find(frame.connection);
    if (found == sockets_.end()) continue;
    if (frame.close_code != 0) {
      found->second->close(frame.close_code, *frame.text);
    } else if (found->second->send(*frame.text, frame.number) > router_->options().max_send_queue_bytes) {
      if (found->second->spoken == Spoken::PeerJs) {
        peerjs_.dialect->slow_consumer(at, frame.connection);
      } else {
        native_->slow_consumer(at, frame.connection, frames_);
      }
    }
  }
  frames_.clear();
}

void HttpServer::Impl::deliver(const Now& at) {
  if (std::exchange(delivering_, true)) return;  // the loop below goes on
  bool more = true;
  while (more) {
    deliver_frames(at);
    more = false;
    if (native_ != nullptr) std::ranges::move(native_->take_frames(), std::back_inserter(frames_));
    for (const auto& engine : engines_) more = engine->carry_out(at) || more;
    if (native_ != nullptr && peerjs_.dialect != nullptr)
      std::ranges::move(peerjs_.dialect->take_frames(), std::back_inserter(frames_));
    more = more || !frames_.empty();
  }
  delivering_ = false;
  plan_tick(at);
}

std::optional<TimePoint> HttpServer::Impl::next_deadline() const {
  std::optional<TimePoint> out;
  if (native_ != nullptr) out = native_->next_deadline();
  for (const auto& engine : engines_) {
    const auto due = engine->next_deadline();
    if (due && (!out || *due < *out)) out = due;
  }
  return out;
}

void HttpServer::Impl::tick(const Now& at) {
  if (native_ != nullptr) native_->tick(at, frames_);
  for (const auto& engine : engines_) engine->tick(at);
  deliver(at);
}

void HttpServer::Impl::plan_tick(const Now& at) {
  if (closing && connections_.empty()) return;  // a tick that was due already when the last one left
  const auto due = next_deadline();
  if (!due || (planned_ && *planned_ <= *due)) return;
  planned_ = due;
  tick_timer_.expires_after(std::max(*due - at.mono, Duration::zero()));
  tick_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped) return;
    self->planned_.reset();
    self->tick(now());
  });
}

void HttpServer::Impl::flush_soon(std::shared_ptr<Cork> cork) {
  corks_.push_back(std::move(cork));
  ++produced_;
  if (std::exchange(flush_planned_, true)) return;
  hops_ = quiet_hops_ = 0;
  produced_before_ = produced_;
  asio::post(context, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->flush_turn();
  });
}

/// Goes round the loop while that brings more to write, since one write with many frames is far cheaper than
/// many writes; a few times at most, since each round is a delay.
void HttpServer::Impl::flush_turn() {
  constexpr int kMaxHops = 16;
  constexpr int kMaxQuietHops = 2;
  quiet_hops_ = produced_ == produced_before_ ? quiet_hops_ + 1 : 0;
  produced_before_ = produced_;
  if (++hops_ < kMaxHops && quiet_hops_ < kMaxQuietHops) {
    return asio::post(context, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->flush_turn();
    });
  }
  flush_planned_ = false;
  for (const auto& cork : std::exchange(corks_, {})) cork->flush();
}

void HttpServer::Impl::drain(const signal::Farewell& how) {
  draining = true;
  const Now at = now();
  for (const auto& engine : engines_) engine->drain();
  if (native_ != nullptr) native_->drain(at, how, frames_);
  deliver(at);
}

void HttpServer::Impl::undrain() {
  draining = closing;
  if (closing) return;
  for (const auto& engine : engines_) engine->undrain();
  if (native_ != nullptr) native_->undrain();
}

void HttpServer::Impl::close_sessions(signal::CloseCode code) {
  const Now at = now();
  if (native_ != nullptr) native_->close_all(at, code, frames_);
  for (const auto& engine : engines_) engine->close_all(at);
  deliver(at);
}

void HttpServer::Impl::set_access(std::vector<IpNetwork> metrics_allow_from,
                                  const std::vector<std::string>& allowed_origins) {
  options.metrics_allow_from = std::move(metrics_allow_from);
  for (const auto& engine : engines_) engine->allow_origins(allowed_origins);
}

void HttpServer::Impl::close_all(signal::CloseCode code, std::chrono::milliseconds grace,
                                 std::function<void()> done) {
  draining = closing = true;
  done_ = std::move(done);
  close_sessions(code);
  const std::vector<Connection*> present(connections_.begin(), connections_.end());
  for (Connection* connection : present) connection->retire();
  grace_timer_.expires_after(grace);
  grace_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (self && !error) self->stop();
  });
  finish_if_empty();
}

void HttpServer::Impl::stop() noexcept {
  draining = closing = stopped = true;
  native_ = nullptr;
  tick_timer_.cancel();
  grace_timer_.cancel();
  const std::vector<Connection*> present(connections_.begin(), connections_.end());
  for (Connection* connection : present) connection->cut();
  corks_.clear();
}

void HttpServer::Impl::abandon() noexcept {
  done_ = nullptr;
  stop();
}

HttpServer::HttpServer(asio::io_context& context, HttpOptions options, HttpHandlers handlers,
                       dialect::Native* native, signal::Router* router)
    : impl_(std::make_shared<Impl>(context, std::move(options), std::move(handlers), native, router)) {}

HttpServer::~HttpServer() { impl_->abandon(); }

void HttpServer::mount(EngineMount mount) { impl_->mount(std::move(mount)); }

void HttpServer::mount(PeerJsMount mount) { impl_->mount(std::move(mount)); }

void HttpServer::pass_on(const Forwarder& forwarder) { impl_->forwarder = forwarder.impl(); }

void HttpServer::deliver(const signal::Outbox& outbox) { impl_->deliver(outbox); }

void HttpServer::serve(DetachedStream stream) {
  if (impl_->closing || stream.descriptor < 0 || !impl_->has_room()) return;
  start_http(impl_, Stream(impl_->context, std::move(stream)));
}

void HttpServer::drain(const signal::Farewell& how) { impl_->drain(how); }

void HttpServer::undrain() { impl_->undrain(); }

void HttpServer::close_sessions(signal::CloseCode code) { impl_->close_sessions(code); }

void HttpServer::flush() { impl_->deliver(now()); }

void HttpServer::set_access(std::vector<IpNetwork> metrics_allow_from,
                            const std::vector<std::string>& allowed_origins) {
  impl_->set_access(std::move(metrics_allow_from), allowed_origins);
}

void HttpServer::close_all(signal::CloseCode code, std::chrono::milliseconds grace,
                           std::function<void()> done) {
  impl_->close_all(code, grace, std::move(done));
}

void HttpServer::stop() noexcept { impl_->stop(); }

HttpCounters HttpServer::counters() const noexcept { return impl_->counters; }

std::size_t HttpServer::connection_count() const noexcept { return impl_->connection_count(); }

}  // namespace ts::net
