// SPDX-License-Identifier: Apache-2.0
// turn::Server: STUN Binding (RFC 8489) and the TURN server (RFC 8656) of one shard, as a function of input
// and time. It touches no clock, socket or lock of its own; what it wants done stands in the Outbox.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/auth/nonce.hpp>
#include <turnstone/base/aead.hpp>
#include <turnstone/base/deadline_queue.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/base/slot_map.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/message.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/ledger.hpp>
#include <turnstone/turn/mobility.hpp>
#include <turnstone/turn/options.hpp>
#include <turnstone/turn/outbox.hpp>
#include <turnstone/turn/peer_policy.hpp>

namespace ts::auth {
class AccessTokens;
}

namespace ts::turn {

struct Allocation;
struct MobilePath;
struct Request;

/// What a Server needs from its surroundings; all of it outlives the Server.
struct Surroundings {
  const Options& options;
  const auth::Credentials& credentials;
  const auth::NonceMaker& nonces;
  Ledger& ledger;
  RandomSource& random;
  /// Which of the process's shards this is.
  std::uint8_t shard = 0;
  /// Seals mobility tickets, for all shards alike. Null: a key of this Server's own.
  const SivKey* tickets = nullptr;
  /// Third-party authorization (RFC 7635). Null: off.
  const auth::AccessTokens* access_tokens = nullptr;
};

/// Why a relay socket is not there (any more).
enum class RelayError : std::uint8_t {
  AddressInUse,  ///< another program has the port: another one is tried
  NoResources,   ///< descriptors or memory: 508
  Broken,        ///< an open socket failed for good: the allocation ends
};

class Server {
 public:
  explicit Server(const Surroundings& surroundings);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// A message from a client. `in.bytes` must live until the Outbox is flushed: relayed payload is not
  /// copied.
  void from_client(Now now, const Inbound& in, Outbox& out);

  /// A datagram that arrived at a relay socket. `payload` has kHeadroomBytes in front and kTailroomBytes
  /// behind it that may be written, and lives until the Outbox is flushed.
  void from_peer(Now now, const RelayId& relay, const Endpoint& peer, MutableBytes payload, Outbox& out);

  /// The outcome of an OpenRelay.
  void relay_opened(Now now, const RelayId& relay, Outbox& out);
  /// An OpenRelay failed, or an open relay socket broke.
  void relay_failed(Now now, const RelayId& relay, RelayError error, Outbox& out);

  /// A stream ended: its allocation, if any, ends with it.
  void client_closed(Now now, const FiveTuple& tuple, Outbox& out);

  /// A letter from another shard. Returns the allocation that came with it: the shell gives the relay sockets
  /// of `letter.departed` at the sender to it, before it flushes the Outbox. The letter must live until then.
  std::optional<SlotHandle> receive(Now now, Letter& letter, Outbox& out);

  /// Ends what has expired. Nothing is relayed late if this is called late: the data path looks at the time
  /// too.
  void tick(Now now, Outbox& out);
  /// When tick() has something to do.
  std::optional<TimePoint> next_deadline() const noexcept { return deadlines_.next(); }
  /// Entries of the deadline queue, stale ones too: bounded by the most allocations there were at once.
  std::size_t deadline_count() const noexcept { return deadlines_.size(); }

  /// Ends every allocation.
  void shut_down(Now now, Outbox& out);

  bool has_allocation(const FiveTuple& tuple) const noexcept {
    return by_tuple_.contains(tuple) || visitors_.contains(tuple);
  }
  std::size_t allocation_count() const noexcept { return allocations_.size(); }
  const Counters& counters() const noexcept { return counters_; }

 private:
  // server.cpp: dispatch, authentication, answers
  void message(Now now, const Inbound& in, Outbox& out);
  void request(Request& r);
  /// RFC 8489 §9.2.4. False: answered with an error.
  bool authenticate(Request& r);
  /// RFC 7635: opens ACCESS-TOKEN and checks the integrity with its key. False: answered with an error.
  bool take_token(Request& r, ByteView token);
  /// A new token takes the place of the one that an allocation began with.
  void renew_token(const Request& r, Allocation& allocation);
  bool allocation_of_user(Request& r);
  bool understood(Request& r);
  void challenge(Request& r, stun::ErrorCode code, AuthFailure why);
  void respond_error(Request& r, stun::ErrorCode code, std::string_view reason = {});
  void deny(Request& r, stun::ErrorCode code, Denial why);
  void send_answer(Request& r, class ResponseWriter& response, Outcome outcome);
  void drop(Drop why) noexcept { ++counters_.drops[index(why)]; }

  // handlers/*.cpp, one a method
  void handle_binding(Request& r);
  /// Binding with the attributes of RFC 5780; `other` has the other address and the other port.
  void handle_discovery(Request& r, const Endpoint& other);
  void handle_allocate(Request& r);
  void handle_refresh(Request& r);
  /// The life in seconds that a Refresh gets, 0: it ends the allocation; nothing: LIFETIME is malformed.
  std::optional<std::uint32_t> granted_refresh(const Request& r) const;
  void handle_create_permission(Request& r);
  void handle_channel_bind(Request& r);
  void handle_send(Request& r);

  // allocation.cpp: life of allocations
  Allocation* find(const FiveTuple& tuple) noexcept;
  void answer_allocate(Request& r, const Allocation& allocation);
  /// Answers the Allocate that made the allocation, long after the request's bytes are gone.
  void answer_opened(const Allocation& allocation, stun::MessageClass message_class, Outbox& out);
  void end(SlotHandle handle, EndReason reason, Now now, Outbox& out);
  /// EVEN-PORT with R: keeps the next port for whoever shows the token.
  void reserve_next(Allocation& allocation, TimePoint now);
  void cancel_reservation(Allocation& allocation, TimePoint now);
  /// Takes another port for an allocation whose port is in use elsewhere; false when there is none.
  bool try_another_port(Allocation& allocation, TimePoint now);
  void look_again_at(SlotHandle handle, Allocation& allocation, TimePoint when);
  void sweep(Allocation& allocation, TimePoint now);
  /// Gives back all that the allocation holds; says nothing to anybody.
  void forget(SlotHandle handle, Allocation& allocation);
  /// Forgets deadlines of allocations that ended, once they are many.
  void tidy_deadlines();
  /// True when so many new permissions fit; expired ones have been swept.
  bool has_room_for(const Allocation& allocation, std::size_t added) const noexcept;
  /// Installs or refreshes a permission.
  void permit(SlotHandle handle, Allocation& allocation, const IpAddress& peer, TimePoint now);

  std::uint16_t max_channel() const noexcept {
    return options_.rfc5766_channels ? stun::kMaxRfc5766Channel : stun::kMaxChannel;
  }

  // mobility.cpp, moves.cpp: RFC 8016
  void make_mobile(SlotHandle handle, Allocation& allocation);
  void next_ticket(Allocation& allocation);
  /// A five-tuple leads to the allocation no more, if it did.
  void unlink(const FiveTuple& tuple, SlotHandle handle);
  void forget_paths(SlotHandle handle, Allocation& allocation);
  /// Refresh with a MOBILITY-TICKET (§3.2.2).
  void handle_move(Request& r);
  void answer_move(Request& r, const Letter& reply);
  /// The live allocation of this shard that the tickets with the id are for.
  Allocation* find_mobile(std::uint64_t id, TimePoint now, SlotHandle& handle) noexcept;
  Letter move(Now now, const Letter& query, Outbox& out);
  void set_next(SlotHandle handle, Allocation& allocation, const Letter& query, Now now);
  /// Data came on a five-tuple of a mobile allocation: if it is the new one, the old one is left behind.
  void data_came(SlotHandle handle, Allocation& allocation, const FiveTuple& tuple);
  void settle(SlotHandle handle, Allocation& allocation);
  /// The client has moved away from the five-tuple.
  bool is_left(const Allocation& allocation, const FiveTuple& tuple) const noexcept;
  /// True when a mobile allocation outlives the stream that ended.
  bool survives_close(SlotHandle handle, const FiveTuple& tuple, Now now, Outbox& out);
  void hand_over(SlotHandle handle, const MobilePath& to, std::uint64_t id, Outbox& out);
  void move_answered(Now now, const Letter& reply, Outbox& out);
  /// True when the message waits for its allocation, which another shard still has.
  bool visit(Now now, const Inbound& in, Outbox& out);
  std::optional<SlotHandle> arrive(Now now, Letter& letter, Outbox& out);

  // relay.cpp: the data path
  void channel_data(Now now, const Inbound& in, Outbox& out);

  struct TupleHash {
    std::uint64_t seed;
    std::size_t operator()(const FiveTuple& t) const noexcept {
      return t.client.hash(t.server.hash(seed + static_cast<std::uint64_t>(t.transport)));
    }
  };

  const Options& options_;
  const auth::Credentials& credentials_;
  const auth::NonceMaker& nonces_;
  Ledger& ledger_;
  RandomSource& random_;
  PeerPolicy policy_;
  Counters counters_;
  SlotMap<Allocation> allocations_;
  boost::unordered_flat_map<FiveTuple, SlotHandle, TupleHash> by_tuple_;
  DeadlineQueue<SlotHandle> deadlines_;
  std::uint8_t shard_;
  std::optional<SivKey> own_tickets_;
  const SivKey* tickets_;
  const auth::AccessTokens* access_tokens_;
  boost::unordered_flat_map<FiveTuple, Visitor, TupleHash> visitors_;
};

}  // namespace ts::turn
