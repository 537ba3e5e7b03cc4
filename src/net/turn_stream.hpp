// SPDX-License-Identifier: Apache-2.0
// TurnStream: a TURN client on TCP or TLS. Frames in, bytes out through a bounded queue that is written once
// a turn. Lives on its shard's thread; callbacks only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <turnstone/base/time.hpp>
#include <turnstone/net/stream.hpp>
#include <turnstone/turn/client.hpp>

namespace ts::net {

class TurnStream;

/// What a TurnStream needs of its shard.
class TurnStreamOwner {
 public:
  /// Room for what is carried over and one read: the front of it that take() is told of stays untouched until
  /// the turn's end, the rest is offered again.
  virtual MutableBytes read_buffer() = 0;
  /// The first so many bytes of read_buffer() are used.
  virtual void take(TurnStream& stream, std::size_t bytes) = 0;
  /// A frame in bytes that were taken.
  virtual void frame(TurnStream& stream, ByteView bytes) = 0;
  /// What the frames ask for is to be done before long, together with what else is ready.
  virtual void end_turn_soon() = 0;
  /// What end_turn_soon() puts off.
  virtual void end_turn() = 0;
  /// The stream is over: it is not used again once this returns.
  virtual void ended(TurnStream& stream) = 0;
  virtual void dropped_datagram() = 0;
  virtual bool has_allocation(const TurnStream& stream) const = 0;

 protected:
  ~TurnStreamOwner() = default;
};

class TurnStream : public std::enable_shared_from_this<TurnStream> {
 public:
  TurnStream(Stream stream, turn::Route route, std::size_t queue_limit_bytes, TurnStreamOwner& owner);

  void start();
  /// Goes on with a stream that another shard has had; before start().
  void resume(std::vector<std::uint8_t> received, std::vector<std::uint8_t> unsent);
  /// Called from TurnStreamOwner::frame(): what follows this frame (`with_frame`: from this frame on) is not
  /// for this stream any more, which is about to be released.
  void stop_framing(bool with_frame) noexcept {
    framing_ = with_frame ? Framing::OverWithFrame : Framing::Over;
  }
  /// Gives the stream away, with what was read past the framing's end and what is still to be written. The
  /// owner is not told of an end.
  MovedStream release();
  /// Queues bytes. Past the limit relayed payload (`droppable`) is dropped whole, and a client that does not
  /// even read answers is closed at the next turn.
  void send(ByteView bytes, bool droppable);
  /// Writes what is queued, as far as the socket takes it.
  void write_queued();
  /// Closes; the owner is told once, on this call or the next callback.
  void close();

  turn::Route route() const noexcept { return route_; }
  const turn::FiveTuple& tuple() const noexcept { return tuple_; }
  TimePoint last_message() const noexcept { return last_message_; }
  void touch(TimePoint now) noexcept { last_message_ = now; }
  /// When a frame began whose rest has not come.
  std::optional<TimePoint> unfinished_since() const noexcept {
    return partial_.empty() ? std::nullopt : std::optional(partial_since_);
  }
  bool is_proxied() const noexcept { return stream_.is_proxied(); }
  /// Gives back the memory of an empty queue.
  void trim() noexcept {
    if (queue_.empty() && queue_.capacity() != 0) std::vector<std::uint8_t>().swap(queue_);
  }
  bool has_queued() const noexcept { return !queue_.empty(); }
  /// An answer found no room: write_queued() will close the stream.
  bool is_overrun() const noexcept { return overrun_; }

 private:
  enum class Framing : std::uint8_t { On, Over, OverWithFrame };

  void wait_readable(tcp::socket::wait_type what);
  void on_readable();
  bool take_frames(MutableBytes bytes);
  std::size_t queued_bytes() const noexcept { return queue_.size() - written_; }

  Stream stream_;
  turn::FiveTuple tuple_;
  turn::Route route_;
  std::size_t queue_limit_bytes_;
  TurnStreamOwner& owner_;
  std::vector<std::uint8_t> partial_;  // the front of a frame whose rest has not come; no memory while idle
  TimePoint partial_since_{};
  std::vector<std::uint8_t> queue_;
  std::size_t written_ = 0;
  bool waiting_for_write_ = false;
  bool overrun_ = false;
  bool relayed_ = false;
  bool closed_ = false;
  Framing framing_ = Framing::On;
  TimePoint last_message_{};
};

}  // namespace ts::net
