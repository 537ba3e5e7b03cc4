// SPDX-License-Identifier: Apache-2.0
#include "stream_set.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <turnstone/net/clock.hpp>
#include <turnstone/stun/demux.hpp>
#include <turnstone/stun/framer.hpp>

#include "socket_address.hpp"

namespace ts::net {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
/// Without descriptors an accept fails at once, again and again: wait instead.
constexpr std::chrono::milliseconds kAcceptBackOff{200};
constexpr std::chrono::seconds kSweepPeriod{1};

std::size_t index(StreamKind kind) noexcept { return static_cast<std::size_t>(kind); }
StreamKind kind_of(const TurnStream& stream) noexcept {
  return stream.tuple().transport == turn::Transport::Tls ? StreamKind::TurnTls : StreamKind::TurnTcp;
}

}  // namespace

StreamSet::StreamSet(asio::io_context& context, std::vector<BoundSocket> listeners,
                     const ShardSurroundings& surroundings, turn::Server& server, turn::Outbox& outbox,
                     Counters& counters, std::function<void()> flush)
    : context_(context),
      surroundings_(surroundings),
      server_(server),
      outbox_(outbox),
      counters_(counters),
      flush_(std::move(flush)),
      read_buffer_(std::make_unique<std::uint8_t[]>(kReadBufferBytes)),
      sweep_timer_(context) {
  static_assert(kReadBufferBytes > 2 * stun::kMaxFrameBytes, "a partial frame and one more read must fit");
  for (BoundSocket& listener : listeners) {
    const auto protocol = listener.local.address.is_v4() ? tcp::v4() : tcp::v6();
    acceptors_.push_back(std::make_unique<tcp::acceptor>(context, protocol, listener.descriptor.release()));
  }
}

StreamSet::~StreamSet() = default;

void StreamSet::start() {
  for (const auto& acceptor : acceptors_) asio::co_spawn(context_, accept_loop(*acceptor), asio::detached);
  schedule_sweep();
}

void StreamSet::stop() {
  stopped_ = true;
  error_code ignored;
  for (const auto& acceptor : acceptors_) acceptor->close(ignored);
  sweep_timer_.cancel();
  for (const auto& [id, newcomer] : newcomers_) newcomer->stream.close();
  const auto streams = std::exchange(streams_, {});
  for (const auto& [route, stream] : streams) stream->close();
}

asio::awaitable<void> StreamSet::accept_loop(tcp::acceptor& acceptor) {
  asio::steady_timer pause(context_);
  while (!stopped_) {
    tcp::endpoint remote;
    auto [error, socket] = co_await acceptor.async_accept(remote, kAwait);
    if (stopped_ || error == asio::error::operation_aborted) co_return;
    if (error) {
      refuse(StreamRefusal::AcceptFailed);
      pause.expires_after(kAcceptBackOff);
      co_await pause.async_wait(kAwait);
      continue;
    }
    const std::uint32_t most = surroundings_.max_streams;
    if (most != 0 && open_count() >= most) {
      refuse(StreamRefusal::Limit);
      continue;
    }
    error_code nowhere;
    const Endpoint local = from_asio(socket.local_endpoint(nowhere));
    Stream stream(std::move(socket), local, from_asio(remote));
    const auto newcomer =
        std::make_shared<Newcomer>(std::move(stream), now().mono + surroundings_.options.handshake_timeout);
    const std::uint64_t id = next_id_++;
    newcomers_.emplace(id, newcomer);
    asio::co_spawn(context_, take_in(newcomer, id), asio::detached);
  }
}

asio::awaitable<void> StreamSet::take_in(std::shared_ptr<Newcomer> newcomer, std::uint64_t id) {
  Stream& stream = newcomer->stream;
  enum class Stage { Sniff, Handshake, SniffInside } stage = Stage::Sniff;
  std::optional<StreamRefusal> refusal;
  std::optional<StreamKind> kind;
  while (!refusal && !kind) {
    std::uint8_t first = 0;
    const Stream::Step step = stage == Stage::Handshake ? stream.handshake() : stream.peek(first);
    if (step.status == Stream::Status::WantRead || step.status == Stream::Status::WantWrite) {
      const auto [error] = co_await stream.socket().async_wait(Stream::wait_type(step.status), kAwait);
      if (error || stopped_) break;
      continue;
    }
    if (step.status == Stream::Status::Closed) {
      if (stage == Stage::Handshake) refusal = StreamRefusal::TlsFailed;
      break;
    }
    if (stage == Stage::Handshake) {
      stage = Stage::SniffInside;
      continue;
    }
    const bool inside = stage == Stage::SniffInside;
    switch (stun::classify_stream(first)) {
      case stun::Stream::Turn: kind = inside ? StreamKind::TurnTls : StreamKind::TurnTcp; break;
      case stun::Stream::Http: kind = inside ? StreamKind::Https : StreamKind::Http; break;
      case stun::Stream::Tls:
        if (inside || !surroundings_.tls || !stream.begin_tls(*surroundings_.tls)) {
          refusal = StreamRefusal::UnknownProtocol;
        }
        stage = Stage::Handshake;
        break;
      case stun::Stream::Unknown: refusal = StreamRefusal::UnknownProtocol; break;
    }
  }
  if (stopped_) co_return;
  newcomers_.erase(id);
  if (refusal) refuse(*refusal);
  if (kind) admit(*newcomer, *kind);
}

void StreamSet::admit(Newcomer& newcomer, StreamKind kind) {
  ++counters_.streams_accepted[index(kind)];
  if (kind == StreamKind::Http || kind == StreamKind::Https) {
    DetachedStream detached = newcomer.stream.detach();
    if (detached.descriptor >= 0 && surroundings_.to_http) surroundings_.to_http(std::move(detached));
    return;
  }
  run(std::move(newcomer.stream), kind, nullptr);
}

void StreamSet::run(Stream stream, StreamKind kind, MovedStream* moved) {
  const turn::Route route = kStreamRoute | next_id_++;
  const auto started = std::make_shared<TurnStream>(std::move(stream), route,
                                                    surroundings_.options.stream_send_queue_bytes, *this);
  started->touch(now().mono);
  if (moved != nullptr) started->resume(std::move(moved->received), std::move(moved->unsent));
  streams_.emplace(route, started);
  ++counters_.streams_open[index(kind)];
  started->start();
}

std::optional<MovedStream> StreamSet::release(turn::Route route) {
  const auto found = streams_.find(route);
  if (found == streams_.end()) return std::nullopt;
  const std::shared_ptr<TurnStream> stream = found->second;
  streams_.erase(found);
  --counters_.streams_open[index(kind_of(*stream))];
  return stream->release();
}

void StreamSet::adopt(MovedStream moved) {
  if (stopped_) return;
  const std::uint32_t most = surroundings_.max_streams;
  if (most != 0 && open_count() >= most) return refuse(StreamRefusal::Limit);
  const StreamKind kind = moved.stream.tls ? StreamKind::TurnTls : StreamKind::TurnTcp;
  run(Stream(context_, std::move(moved.stream)), kind, &moved);
}

void StreamSet::frame(TurnStream& stream, ByteView bytes) {
  const Now moment = now();
  stream.touch(moment.mono);
  const std::size_t binds = outbox_.bind_data.size();
  const std::size_t hand_overs = outbox_.hand_overs.size();
  server_.from_client(moment, turn::Inbound{stream.tuple(), stream.route(), bytes}, outbox_);
  if (outbox_.bind_data.size() != binds) stream.stop_framing(false);
  if (outbox_.hand_overs.size() != hand_overs) stream.stop_framing(true);
}

void StreamSet::ended(TurnStream& stream) {
  --counters_.streams_open[index(kind_of(stream))];
  if (stopped_) return;
  server_.client_closed(now(), stream.tuple(), outbox_);
  streams_.erase(stream.route());
  // Not flushed here: the end may come in the middle of a flush.
  asio::post(context_, [this] { flush_(); });
}

void StreamSet::queue(const turn::ToClient& transmit) {
  const auto found = streams_.find(transmit.route);
  if (found == streams_.end()) return;
  TurnStream& stream = *found->second;
  const bool waits = stream.has_queued();
  stream.send(transmit.bytes, transmit.droppable);
  if (!waits || stream.is_overrun()) to_write_.push_back(found->second);
}

void StreamSet::write_queued() {
  const auto streams = std::exchange(to_write_, {});
  for (const auto& stream : streams) stream->write_queued();
}

void StreamSet::schedule_sweep() {
  sweep_timer_.expires_after(kSweepPeriod);
  sweep_timer_.async_wait([this](const error_code& error) {
    if (error || stopped_) return;
    sweep();
    schedule_sweep();
  });
}

void StreamSet::sweep() {
  const TimePoint moment = now().mono;
  for (const auto& [id, newcomer] : newcomers_) {
    if (moment < newcomer->deadline || !newcomer->stream.socket().is_open()) continue;
    refuse(StreamRefusal::HandshakeTimeout);
    newcomer->stream.close();  // wakes take_in()
  }
  std::vector<std::shared_ptr<TurnStream>> late;
  for (const auto& [route, stream] : streams_) {
    const bool idle = moment - stream->last_message() > surroundings_.options.stream_idle_timeout;
    if (idle && !server_.has_allocation(stream->tuple())) late.push_back(stream);
  }
  for (const auto& stream : late) stream->close();
}

}  // namespace ts::net
