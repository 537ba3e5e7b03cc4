// SPDX-License-Identifier: Apache-2.0
// StreamDoor: a shard's TCP listeners, and their streams until each has shown what it speaks: PROXY header,
// first byte, TLS handshake, first byte inside. What is silent, wrong or too much is closed here. One thread.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include <turnstone/net/listen.hpp>
#include <turnstone/net/shard.hpp>

namespace ts::net {

class StreamDoor {
 public:
  /// `admit` takes each stream that has shown its kind.
  StreamDoor(asio::io_context& context, std::vector<BoundSocket> listeners,
             const ShardSurroundings& surroundings, Counters& counters,
             std::function<void(Stream, StreamKind)> admit);
  ~StreamDoor();

  void start();
  void stop();

 private:
  enum class Stage : std::uint8_t { ProxyHeader, FirstByte, Handshake, FirstByteInside };

  struct Listener {
    Listener(asio::io_context& context, BoundSocket socket);
    Endpoint local;
    tcp::acceptor acceptor;
    asio::steady_timer pause;
    int refused_in_a_row = 0;
  };

  /// A stream that has not shown yet what it speaks: some hundred bytes, and no coroutine.
  struct Newcomer {
    Newcomer(Stream s, TimePoint d, std::uint64_t i) : stream(std::move(s)), deadline(d), id(i) {}
    Stream stream;
    TimePoint deadline;
    std::uint64_t id;
    Stage stage = Stage::FirstByte;
    bool may_shake_hands = false;
    bool gone = false;
    std::vector<std::uint8_t> header;  // the front of a PROXY header whose rest has not come
    std::optional<StreamKind> kind;
    std::optional<StreamRefusal> refusal;
  };
  using Shared = std::shared_ptr<Newcomer>;

  void wait(Listener& listener);
  void pause(Listener& listener, std::chrono::milliseconds time);
  void accept_waiting(Listener& listener);
  void accept_failed(Listener& listener, int error);
  /// Accepted while all places were taken: it waits until other shards have been asked for one.
  struct Waiting {
    Listener* listener;
    Descriptor descriptor;
    Endpoint remote;
  };
  /// False: refused and closed.
  bool take_in(Listener& listener, Descriptor descriptor, const Endpoint& remote, bool may_wait = true);
  bool wait_for_room(Listener& listener, Descriptor& descriptor, const Endpoint& remote);
  Result<StreamTicket, StreamRefusal> make_room(const std::optional<IpAddress>& client);
  /// Closes who has been silent longest, and for long enough; false: there is nobody.
  bool give_way();
  bool is_balancer(const IpAddress& address) const noexcept;

  void proceed(const Shared& newcomer);
  /// One step. Done: the next one may follow; Closed: it is over.
  Stream::Status step(Newcomer& newcomer);
  Stream::Status read_header(Newcomer& newcomer);
  Stream::Status look(Newcomer& newcomer);
  Stream::Status take_kind(Newcomer& newcomer, std::uint8_t first);
  void queue_handshake(const Shared& newcomer);
  void next_handshake();
  /// The caller holds the newcomer, whom this takes off the list.
  void finish(Newcomer& newcomer);
  void arm_deadline();
  void refuse(StreamRefusal why) noexcept { ++counters_.streams_refused[static_cast<std::size_t>(why)]; }

  asio::io_context& context_;
  const ShardSurroundings& surroundings_;
  Counters& counters_;
  std::function<void(Stream, StreamKind)> admit_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<std::uint64_t, Shared> newcomers_;  // in the order of their deadlines
  std::deque<Shared> handshakes_;
  std::vector<Waiting> waiting_;  // few, for a moment
  asio::steady_timer waiting_timer_;
  std::atomic<bool> asked_ = false;  // by another thread, to give way
  /// Given up for a moment when there is no other descriptor, so that who waits can be told: closed.
  Descriptor spare_;
  asio::steady_timer deadline_timer_;
  bool deadline_armed_ = false;
  bool handshake_posted_ = false;
  bool stopped_ = false;
  std::uint64_t next_id_ = 0;
};

}  // namespace ts::net
