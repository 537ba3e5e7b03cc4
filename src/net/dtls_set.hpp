// SPDX-License-Identifier: Apache-2.0
// DtlsSet: a shard's DTLS associations (RFC 7350 §3, RFC 8656 §2.1), told from other datagrams by their first
// byte (RFC 7983). Nothing is kept for a client before it has returned a cookie. One thread.
#pragma once

#include <memory>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/deadline_queue.hpp>
#include <turnstone/net/shard.hpp>

#include "dtls_session.hpp"

namespace ts::net {

/// Queues a datagram of ours; the bytes live until DtlsSet::sent().
class DatagramSink {
 public:
  virtual void send_datagram(std::size_t listener, const turn::FiveTuple& tuple, ByteView bytes,
                             std::uint8_t tos) = 0;

 protected:
  ~DatagramSink() = default;
};

/// Bytes that live until all of them are forgotten; keeps its memory.
class DatagramArena {
 public:
  ByteView keep(ByteView bytes);
  void clear() noexcept { chunk_ = used_ = 0; }

 private:
  static constexpr std::size_t kChunkBytes = 65'536;
  std::vector<std::unique_ptr<std::uint8_t[]>> chunks_;
  std::size_t chunk_ = 0;
  std::size_t used_ = 0;
};

class DtlsSet final : DtlsWriter {
 public:
  /// `surroundings.tls` is there.
  DtlsSet(const ShardSurroundings& surroundings, DatagramSink& sink, turn::Server& server,
          turn::Outbox& outbox, Counters& counters);
  ~DtlsSet();

  /// A datagram whose first byte is DTLS's. What it carries is decrypted into its own room, which has
  /// kRoomBytes and lives until the Outbox is flushed. False: it is of no association, and begins none.
  bool received(Now now, std::size_t listener, const turn::FiveTuple& tuple, MutableBytes datagram);
  static constexpr std::size_t kRoomBytes = 65'536;

  /// Encrypts and sends an answer or relayed data.
  void send(TimePoint now, const turn::ToClient& transmit);
  /// What was given to the sink has left.
  void sent() noexcept { arena_.clear(); }

  /// Retransmits, and ends what is late or idle.
  void tick(Now now);
  std::optional<TimePoint> next_deadline() const noexcept { return deadlines_.next(); }
  /// Says close_notify to everybody. The server's allocations have ended before.
  void stop();

  std::size_t session_count() const noexcept { return sessions_.size(); }

  static bool is_dtls(turn::Route route) noexcept { return (route >> 62) == 1; }

 private:
  /// A client that lost its association begins another one on the same five-tuple; until that has proved
  /// itself both are there (RFC 6347 §4.2.8).
  struct Pair {
    SlotHandle live;
    SlotHandle next;
  };
  /// Of one IPv4 address or IPv6 /64.
  struct Held {
    std::uint32_t sessions = 0;
    std::uint32_t half_open = 0;
  };
  template <class T>
  struct Hash {
    std::uint64_t seed;
    std::size_t operator()(const T& key) const noexcept {
      if constexpr (std::is_same_v<T, IpAddress>) {
        return key.hash(seed);
      } else {
        return key.client.hash(key.server.hash(seed));
      }
    }
  };

  void hello(Now now, std::size_t listener, const turn::FiveTuple& tuple, const stun::DtlsClientHello& hello,
             ByteView record);
  /// Starts the handshake with a ClientHello whose cookie is right.
  void begin(Now now, const DtlsSession::Origin& origin, ByteView hello);
  /// The session of the pair that a record is for.
  SlotHandle choose(const Pair& pair, const stun::DtlsRecord& record) noexcept;
  void feed(Now now, SlotHandle handle, MutableBytes datagram);
  void read_all(Now now, SlotHandle handle, DtlsSession& session, MutableBytes room);
  void establish(Now now, SlotHandle handle, DtlsSession& session);
  void look(Now now, SlotHandle handle, DtlsSession& session);
  void end(Now now, SlotHandle handle);
  std::optional<StreamRefusal> no_room_for(const IpAddress& client) const noexcept;
  void refuse(StreamRefusal why) noexcept { ++counters_.streams_refused[static_cast<std::size_t>(why)]; }
  void look_at(SlotHandle handle, DtlsSession& session, TimePoint when);
  void await_retransmission(TimePoint now, SlotHandle handle, DtlsSession& session);
  void write_datagram(const DtlsSession& session, ByteView bytes) override;

  const ShardSurroundings& surroundings_;
  DatagramSink& sink_;
  turn::Server& server_;
  turn::Outbox& outbox_;
  Counters& counters_;
  DtlsCookies cookies_;
  DtlsWire wire_;
  DatagramArena arena_;
  SlotMap<DtlsSession> sessions_;
  boost::unordered_flat_map<turn::FiveTuple, Pair, Hash<turn::FiveTuple>> by_tuple_;
  boost::unordered_flat_map<IpAddress, Held, Hash<IpAddress>> held_;
  DeadlineQueue<SlotHandle> deadlines_;
};

}  // namespace ts::net
