// SPDX-License-Identifier: Apache-2.0
#include "stream_set.hpp"

#include <turnstone/net/clock.hpp>
#include <turnstone/stun/framer.hpp>

namespace ts::net {
namespace {

constexpr std::chrono::seconds kSweepPeriod{1};
/// A stream that has been quiet for so long keeps no buffers.
constexpr std::chrono::seconds kTrimAge{1};

std::size_t index(StreamKind kind) noexcept { return static_cast<std::size_t>(kind); }
StreamKind kind_of(const TurnStream& stream) noexcept {
  return stream.tuple().transport == turn::Transport::Tls ? StreamKind::TurnTls : StreamKind::TurnTcp;
}

}  // namespace

StreamSet::StreamSet(asio::io_context& context, std::vector<BoundSocket> listeners,
                     const ShardSurroundings& surroundings, turn::Server& server, turn::Outbox& outbox,
                     Counters& counters, Coalescer& coalescer, std::function<void()> flush)
    : context_(context),
      surroundings_(surroundings),
      server_(server),
      outbox_(outbox),
      counters_(counters),
      coalescer_(coalescer),
      flush_(std::move(flush)),
      read_buffer_(std::make_unique<std::uint8_t[]>(kReadBufferBytes)),
      sweep_timer_(context),
      door_(context, std::move(listeners), surroundings, counters,
            [this](Stream stream, StreamKind kind) { admit(std::move(stream), kind); }) {}

StreamSet::~StreamSet() = default;

void StreamSet::start() {
  door_.start();
  schedule_sweep();
}

void StreamSet::stop() {
  stopped_ = true;
  door_.stop();
  sweep_timer_.cancel();
  const auto streams = std::exchange(streams_, {});
  for (const auto& [route, stream] : streams) stream->close();
}

void StreamSet::admit(Stream incoming, StreamKind kind) {
  ++counters_.streams_accepted[index(kind)];
  if (kind == StreamKind::Http || kind == StreamKind::Https) {
    DetachedStream detached = incoming.detach();
    if (detached.descriptor >= 0 && surroundings_.to_http) surroundings_.to_http(std::move(detached));
    return;
  }
  run(std::move(incoming), kind, nullptr);
}

void StreamSet::run(Stream stream, StreamKind kind, MovedStream* moved) {
  const bool proxied = stream.is_proxied();
  const turn::Route route = kStreamRoute | next_id_++;
  const auto started = std::make_shared<TurnStream>(std::move(stream), route,
                                                    surroundings_.options.stream_send_queue_bytes, *this);
  if (proxied && !proxied_.insert(started->tuple()).second) return refuse(StreamRefusal::BadProxyHeader);
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
  if (stream->is_proxied()) proxied_.erase(stream->tuple());
  --counters_.streams_open[index(kind_of(*stream))];
  return stream->release();
}

void StreamSet::adopt(MovedStream moved) {
  if (stopped_) return;
  const StreamKind kind = moved.stream.tls ? StreamKind::TurnTls : StreamKind::TurnTcp;
  run(Stream(context_, std::move(moved.stream)), kind, &moved);
}

MutableBytes StreamSet::read_buffer() {
  // As frames of four bytes it is still no large Outbox.
  constexpr std::size_t kMostOfATurn = 65'536;
  static_assert(kReadBufferBytes > kMostOfATurn + 2 * stun::kMaxFrameBytes,
                "a partial frame and one more read must fit");
  if (taken_bytes_ >= kMostOfATurn) flush_();
  return MutableBytes(read_buffer_.get(), kReadBufferBytes).subspan(taken_bytes_);
}

void StreamSet::take(TurnStream& stream, std::size_t bytes) {
  taken_bytes_ += bytes;
  coalescer_.saw(1, stream.route());
  ++reads_;
}

void StreamSet::end_turn() {
  if (std::exchange(turn_open_, false)) flush_();
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
  if (stream.is_proxied()) proxied_.erase(stream.tuple());
  server_.client_closed(now(), stream.tuple(), outbox_);
  streams_.erase(stream.route());
  end_turn_soon();  // not now: it may come in the middle of a flush
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
  const auto& options = surroundings_.options;
  // Looked at once a second: early rather than late.
  const Duration limit =
      std::max<Duration>(options.handshake_timeout - kSweepPeriod, options.handshake_timeout / 2);
  std::vector<std::shared_ptr<TurnStream>> late;
  for (const auto& [route, stream] : streams_) {
    const Duration quiet = moment - stream->last_message();
    if (quiet > kTrimAge) stream->trim();
    const bool idle = quiet > options.stream_idle_timeout;
    const auto begun = stream->unfinished_since();
    const bool drips = begun && moment - *begun > limit;
    if (!idle && !drips) continue;
    if (server_.has_allocation(stream->tuple())) continue;
    if (drips) refuse(StreamRefusal::HandshakeTimeout);
    late.push_back(stream);
  }
  for (const auto& stream : late) stream->close();
}

}  // namespace ts::net
