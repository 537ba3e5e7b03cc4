// SPDX-License-Identifier: Apache-2.0
#include "turn_stream.hpp"

#include <algorithm>

#include <netinet/tcp.h>

#include <turnstone/net/clock.hpp>
#include <turnstone/stun/framer.hpp>

namespace ts::net {
namespace {

/// Reads of one callback at most, so that one fast stream does not hold up the shard.
constexpr int kMaxReads = 4;
/// Bytes of one read: a frame may be four bytes, and each may become a datagram. As much as a TLS record.
constexpr std::size_t kReadBytes = 16'384;
/// Answers that may wait for a client to whom nothing was relayed: one that reads has few waiting.
constexpr std::size_t kAnswersBytes = 32'768;
/// What may wait of a frame for its rest while there is no allocation: no request of a stranger is larger.
constexpr std::size_t kStrangersFrameBytes = 2048;

turn::FiveTuple tuple_of(const Stream& stream) noexcept {
  return {stream.remote(), stream.local(), stream.is_tls() ? turn::Transport::Tls : turn::Transport::Tcp};
}

}  // namespace

TurnStream::TurnStream(Stream stream, turn::Route route, std::size_t queue_limit_bytes,
                       TurnStreamOwner& owner)
    : stream_(std::move(stream)),
      tuple_(tuple_of(stream_)),
      route_(route),
      queue_limit_bytes_(queue_limit_bytes),
      owner_(owner) {
  error_code ignored;
  stream_.socket().set_option(tcp::no_delay(true), ignored);
}

void TurnStream::start() {
  if (!queue_.empty()) write_queued();
  if (!partial_.empty()) {
    const MutableBytes buffer = owner_.read_buffer();
    std::copy(partial_.begin(), partial_.end(), buffer.begin());
    if (!take_frames(buffer.first(partial_.size()))) return close();
  }
  if (!closed_) on_readable();
}

void TurnStream::resume(std::vector<std::uint8_t> received, std::vector<std::uint8_t> unsent) {
  partial_ = std::move(received);
  partial_since_ = now().mono;
  queue_ = std::move(unsent);
}

MovedStream TurnStream::release() {
  closed_ = true;
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(written_));
  written_ = 0;
  return {stream_.detach(), std::move(partial_), std::move(queue_)};
}

void TurnStream::wait_readable(tcp::socket::wait_type what) {
  stream_.socket().async_wait(what, [self = shared_from_this()](const error_code& error) {
    if (error || self->closed_) return self->close();
    self->on_readable();
  });
}

void TurnStream::on_readable() {
  for (int reads = 0; reads < kMaxReads && !closed_; ++reads) {
    const MutableBytes buffer = owner_.read_buffer();
    std::copy(partial_.begin(), partial_.end(), buffer.begin());
    const std::size_t carried = partial_.size();
    const Stream::Step step = stream_.read(buffer.subspan(carried, kReadBytes));
    if (step.status == Stream::Status::Closed) {
      owner_.end_turn();  // answers to what it said before it ended
      return close();
    }
    if (step.status != Stream::Status::Done) return wait_readable(Stream::wait_type(step.status));
    if (!take_frames(buffer.first(carried + step.bytes))) return close();
    // A read that was not filled has emptied the socket; of TLS it has emptied a record.
    const bool emptied = !stream_.is_tls() && step.bytes < kReadBytes;
    if (emptied && !closed_) return wait_readable(tcp::socket::wait_read);
  }
  // More may wait inside TLS, of which the socket knows nothing: look again, after the others had their turn.
  if (!closed_) {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      if (!self->closed_) self->on_readable();
    });
  }
}

bool TurnStream::take_frames(MutableBytes bytes) {
  owner_.take(*this, bytes.size());
  ByteView rest = bytes;
  bool well_formed = true;
  const bool carried_on = !partial_.empty();
  while (well_formed && !rest.empty() && framing_ == Framing::On) {
    const auto frame = stun::next_frame(rest);
    well_formed = frame.has_value();
    if (!well_formed || !frame->has_value()) break;
    owner_.frame(*this, (*frame)->message);
    if (framing_ == Framing::OverWithFrame) break;
    rest = rest.subspan((*frame)->consumed_bytes);
  }
  const bool begins = !carried_on || rest.size() < bytes.size();
  if (!rest.empty() && begins) partial_since_ = now().mono;
  // What came before a malformed frame is done first.
  partial_.assign(rest.begin(), rest.end());
  if (partial_.empty()) std::vector<std::uint8_t>().swap(partial_);
  const bool too_long = partial_.size() > kStrangersFrameBytes && !owner_.has_allocation(*this);
  owner_.end_turn_soon();
  if (well_formed && !too_long && framing_ == Framing::On) return true;
  owner_.end_turn();  // in which there may come an allocation, or the stream may be released
  if (framing_ != Framing::On || closed_) return well_formed;
  return well_formed && (!too_long || owner_.has_allocation(*this));
}

void TurnStream::send(ByteView bytes, bool droppable) {
  if (closed_) return;
  relayed_ = relayed_ || droppable;
  const std::size_t limit = relayed_ ? queue_limit_bytes_ : std::min(queue_limit_bytes_, kAnswersBytes);
  if (queued_bytes() + bytes.size() > limit) {
    if (droppable) return owner_.dropped_datagram();
    overrun_ = true;
    return;
  }
  // Grown by hand, so that its memory keeps to the limit too.
  const std::size_t needed = queue_.size() + bytes.size();
  if (needed > queue_.capacity()) queue_.reserve(std::max(needed, std::min(2 * queue_.capacity(), limit)));
  queue_.insert(queue_.end(), bytes.begin(), bytes.end());
}

void TurnStream::write_queued() {
  if (closed_) return;
  if (overrun_) return close();  // also while the socket takes nothing, which may be for ever
  if (waiting_for_write_) return;
  while (written_ < queue_.size()) {
    const Stream::Step step = stream_.write(ByteView(queue_).subspan(written_));
    if (step.status == Stream::Status::Closed) return close();
    if (step.status != Stream::Status::Done) {
      // What was written makes room; the copy is bounded by the queue's limit.
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(written_));
      written_ = 0;
      waiting_for_write_ = true;
      stream_.socket().async_wait(Stream::wait_type(step.status),
                                  [self = shared_from_this()](const error_code& error) {
                                    self->waiting_for_write_ = false;
                                    if (error) return self->close();
                                    self->write_queued();
                                  });
      return;
    }
    written_ += step.bytes;
  }
  constexpr std::size_t kKeptBytes = 4096;
  written_ = 0;
  queue_.clear();
  if (queue_.capacity() > kKeptBytes) std::vector<std::uint8_t>().swap(queue_);
}

void TurnStream::close() {
  if (closed_) return;
  closed_ = true;
  stream_.close();
  owner_.ended(*this);
}

}  // namespace ts::net
