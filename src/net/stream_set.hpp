// SPDX-License-Identifier: Apache-2.0
// StreamSet: a shard's TCP listeners and what comes in through them. First bytes tell TLS, TURN and HTTP
// apart, so that one port serves all; HTTP is handed on. One thread.
#pragma once

#include <memory>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/net/listen.hpp>
#include <turnstone/net/shard.hpp>

#include "turn_stream.hpp"

namespace ts::net {

class StreamSet final : public TurnStreamOwner {
 public:
  /// `flush` is called at the end of each turn.
  StreamSet(asio::io_context& context, std::vector<BoundSocket> listeners,
            const ShardSurroundings& surroundings, turn::Server& server, turn::Outbox& outbox,
            Counters& counters, std::function<void()> flush);
  ~StreamSet();

  void start();
  void stop();

  /// Queues bytes for a stream; write_queued() writes them.
  void queue(const turn::ToClient& transmit);
  void write_queued();

  /// Gives a stream away whose framing is over; nothing: it has ended meanwhile.
  std::optional<MovedStream> release(turn::Route route);
  /// Takes a stream over from another shard.
  void adopt(MovedStream moved);
  /// What stays open of a stream that was given away counts here all the same.
  void count_with(const std::size_t& others) noexcept { others_ = &others; }

  /// Relayed datagrams that slow stream clients did not get.
  std::uint64_t dropped_datagrams() const noexcept { return dropped_; }

  static bool is_stream(turn::Route route) noexcept { return (route & kStreamRoute) != 0; }

 private:
  static constexpr turn::Route kStreamRoute = turn::Route{1} << 63;

  /// A stream that has not shown yet what it speaks.
  struct Newcomer {
    Newcomer(Stream s, TimePoint d) : stream(std::move(s)), deadline(d) {}
    Stream stream;
    TimePoint deadline;
  };

  asio::awaitable<void> accept_loop(tcp::acceptor& acceptor);
  asio::awaitable<void> take_in(std::shared_ptr<Newcomer> newcomer, std::uint64_t id);
  void admit(Newcomer& newcomer, StreamKind kind);
  void refuse(StreamRefusal why) noexcept { ++counters_.streams_refused[static_cast<std::size_t>(why)]; }
  /// Closes what is late; once a second.
  void sweep();
  void schedule_sweep();
  std::size_t open_count() const noexcept {
    return newcomers_.size() + streams_.size() + (others_ != nullptr ? *others_ : 0);
  }
  void run(Stream stream, StreamKind kind, MovedStream* moved);

  void frame(TurnStream& stream, ByteView bytes) override;
  void end_of_turn() override { flush_(); }
  void ended(TurnStream& stream) override;
  MutableBytes read_buffer() override { return {read_buffer_.get(), kReadBufferBytes}; }
  void dropped_datagram() override { ++dropped_; }

  static constexpr std::size_t kReadBufferBytes = 256 * 1024;

  asio::io_context& context_;
  std::vector<std::unique_ptr<tcp::acceptor>> acceptors_;
  const ShardSurroundings& surroundings_;
  turn::Server& server_;
  turn::Outbox& outbox_;
  Counters& counters_;
  std::function<void()> flush_;
  std::unique_ptr<std::uint8_t[]> read_buffer_;
  asio::steady_timer sweep_timer_;
  std::uint64_t next_id_ = 0;
  std::uint64_t dropped_ = 0;
  const std::size_t* others_ = nullptr;
  bool stopped_ = false;
  boost::unordered_flat_map<std::uint64_t, std::shared_ptr<Newcomer>> newcomers_;
  boost::unordered_flat_map<turn::Route, std::shared_ptr<TurnStream>> streams_;
  std::vector<std::shared_ptr<TurnStream>> to_write_;
};

}  // namespace ts::net
