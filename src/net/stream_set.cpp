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
      sweep_timer_(context),
      door_(context, std::move(listeners), surroundings, counters,
            [this](Stream stream, StreamKind kind) { admit(std::move(stream), kind); }) {
  static_assert(kReadBufferBytes > 2 * stun::kMaxFrameBytes, "a partial frame and one more read must fit");
}

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
  const bool proxied = incoming.is_proxied();
  const turn::Route route = kStreamRoute | next_id_++;
  const auto stream = std::make_shared<TurnStream>(std::move(incoming), route,
                                                   surroundings_.options.stream_send_queue_bytes, *this);
  if (proxied && !proxied_.insert(stream->tuple()).second) return refuse(StreamRefusal::BadProxyHeader);
  stream->touch(now().mono);
  streams_.emplace(route, stream);
  ++counters_.streams_open[index(kind)];
  stream->start();
}

void StreamSet::frame(TurnStream& stream, ByteView bytes) {
  const Now moment = now();
  stream.touch(moment.mono);
  server_.from_client(moment, turn::Inbound{stream.tuple(), stream.route(), bytes}, outbox_);
}

void StreamSet::ended(TurnStream& stream) {
  const bool tls = stream.tuple().transport == turn::Transport::Tls;
  --counters_.streams_open[index(tls ? StreamKind::TurnTls : StreamKind::TurnTcp)];
  if (stopped_) return;
  if (stream.is_proxied()) proxied_.erase(stream.tuple());
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
