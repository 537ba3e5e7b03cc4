// SPDX-License-Identifier: Apache-2.0
// StreamSet: a shard's TURN streams. What comes in through its StreamDoor and speaks TURN stays here; HTTP is
// handed on. One thread.
#pragma once

#include <memory>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <turnstone/net/listen.hpp>
#include <turnstone/net/shard.hpp>

#include "coalescer.hpp"
#include "stream_door.hpp"
#include "turn_stream.hpp"

namespace ts::net {

class StreamSet final : public TurnStreamOwner {
 public:
  /// `coalescer` is told of all reads. `flush` is called at the end of each turn.
  StreamSet(asio::io_context& context, std::vector<BoundSocket> listeners,
            const ShardSurroundings& surroundings, turn::Server& server, turn::Outbox& outbox,
            Counters& counters, Coalescer& coalescer, std::function<void()> flush);
  ~StreamSet();

  void start();
  void stop();

  /// To be called when all that was ready has been done: does what the streams' frames asked for.
  void end_turn() override;
  bool is_turn_open() const noexcept { return turn_open_; }
  /// The Outbox was flushed: bytes of streams are not needed any more.
  void turn_ended() noexcept { taken_bytes_ = 0, turn_open_ = false; }
  /// Reads since it was last asked.
  std::size_t take_reads() noexcept { return std::exchange(reads_, 0); }

  /// Queues bytes for a stream; write_queued() writes them.
  void queue(const turn::ToClient& transmit);
  void write_queued();

  /// Gives a stream away whose framing is over; nothing: it has ended meanwhile.
  std::optional<MovedStream> release(turn::Route route);
  /// Takes a stream over from another shard.
  void adopt(MovedStream moved);

  /// Relayed datagrams that slow stream clients did not get.
  std::uint64_t dropped_datagrams() const noexcept { return dropped_; }

  static bool is_stream(turn::Route route) noexcept { return (route & kStreamRoute) != 0; }

 private:
  static constexpr turn::Route kStreamRoute = turn::Route{1} << 63;

  struct TupleHash {
    std::size_t operator()(const turn::FiveTuple& t) const noexcept {
      return t.client.hash(t.server.hash(static_cast<std::uint64_t>(t.transport)));
    }
  };

  void admit(Stream stream, StreamKind kind);
  void refuse(StreamRefusal why) noexcept { ++counters_.streams_refused[static_cast<std::size_t>(why)]; }
  /// Closes what is late; once a second.
  void sweep();
  void schedule_sweep();
  void run(Stream stream, StreamKind kind, MovedStream* moved);

  MutableBytes read_buffer() override;
  void take(TurnStream& stream, std::size_t bytes) override;
  void frame(TurnStream& stream, ByteView bytes) override;
  void end_turn_soon() override { turn_open_ = true; }
  void ended(TurnStream& stream) override;
  void dropped_datagram() override { ++dropped_; }
  bool has_allocation(const TurnStream& stream) const override {
    return server_.has_allocation(stream.tuple());
  }

  static constexpr std::size_t kReadBufferBytes = 256 * 1024;

  asio::io_context& context_;
  const ShardSurroundings& surroundings_;
  turn::Server& server_;
  turn::Outbox& outbox_;
  Counters& counters_;
  Coalescer& coalescer_;
  std::function<void()> flush_;
  /// What the streams that were ready together have read, one after the other.
  std::unique_ptr<std::uint8_t[]> read_buffer_;
  std::size_t taken_bytes_ = 0;
  bool turn_open_ = false;
  std::size_t reads_ = 0;
  asio::steady_timer sweep_timer_;
  std::uint64_t next_id_ = 0;
  std::uint64_t dropped_ = 0;
  bool stopped_ = false;
  boost::unordered_flat_map<turn::Route, std::shared_ptr<TurnStream>> streams_;
  std::vector<std::shared_ptr<TurnStream>> to_write_;
  /// Five-tuples that a balancer told: the kernel does not see to it that there is one of each.
  boost::unordered_flat_set<turn::FiveTuple, TupleHash> proxied_;
  StreamDoor door_;
};

}  // namespace ts::net
