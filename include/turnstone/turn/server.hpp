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
#include <turnstone/turn/inspect.hpp>
#include <turnstone/turn/ledger.hpp>
#include <turnstone/turn/member_index.hpp>
#include <turnstone/turn/mobility.hpp>
#include <turnstone/turn/options.hpp>
#include <turnstone/turn/outbox.hpp>
#include <turnstone/turn/peer_policy.hpp>
#include <turnstone/turn/reach.hpp>
#include <turnstone/turn/revocation.hpp>
#include <turnstone/turn/source_limiter.hpp>

namespace ts::auth {
class AccessTokens;
struct HookAnswer;
}  // namespace ts::auth

namespace ts::turn {

struct Allocation;
struct MobilePath;
struct PeerConnection;
struct Request;
class Shares;
class Waiting;

/// What a Server needs from its surroundings; all of it outlives the Server.
struct Surroundings {
  const Options& options;
  const auth::Credentials& credentials;
  const auth::NonceMaker& nonces;
  Ledger& ledger;
  RandomSource& random;
  /// Which shard of how many this is: CONNECTION-ID (RFC 6062) tells it.
  std::uint8_t shard = 0;
  std::uint8_t shard_count = 1;
  /// Seals mobility tickets, for all shards alike. Null: a key of this Server's own.
  const SivKey* tickets = nullptr;
  /// Third-party authorization (RFC 7635). Null: off.
  const auth::AccessTokens* access_tokens = nullptr;
  /// The external source of credentials. Null: off.
  const auth::HookOptions* hook = nullptr;
};

/// Why a connection to a peer did not come about.
enum class ConnectError : std::uint8_t {
  Refused,      ///< the peer or the network said no: 447
  NoResources,  ///< descriptors, memory: 508
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
  /// `tos`: the datagram's TOS or traffic class byte.
  void from_peer(Now now, const RelayId& relay, const Endpoint& peer, MutableBytes payload, Outbox& out,
                 std::uint8_t tos = 0);

  /// An ICMP error came back for a datagram that the relay sent to `peer` (RFC 8656 §11.5): a Data indication
  /// with an ICMP attribute, if the type is one of those that the section names and a permission covers it.
  void from_peer_error(Now now, const RelayId& relay, const Endpoint& peer, const IcmpError& error,
                       Outbox& out);

  /// The outcome of an OpenRelay.
  void relay_opened(Now now, const RelayId& relay, Outbox& out);
  /// An OpenRelay failed, or an open relay socket broke.
  void relay_failed(Now now, const RelayId& relay, RelayError error, Outbox& out);

  /// The outcome of a ConnectPeer (RFC 6062 §5.2): the client is answered.
  void peer_connected(Now now, ConnectionId connection, Outbox& out);
  void peer_connect_failed(Now now, ConnectionId connection, ConnectError error, Outbox& out);
  /// A peer's connection was accepted at a relayed transport address (RFC 6062 §5.3). Its name; nothing:
  /// close it at once.
  std::optional<ConnectionId> peer_accepted(Now now, const RelayId& relay, const Endpoint& peer, Outbox& out);
  /// A data connection is over at both its ends; nothing may be left of it when this is called.
  void connection_closed(ConnectionId connection);
  /// Bytes of a bound data connection were read: from the client for the peer, or the other way. Charges the
  /// rates that limit its allocation, and says when and how this direction may be read again. `size` 0:
  /// nothing was read yet.
  Pace data_relayed(Now now, ConnectionId connection, bool to_peer, std::size_t size);

  /// The outcome of an AskCredential: kept for a while, and the requests that waited for it run as though
  /// they had come just now.
  void credential_answered(Now now, std::uint64_t question, const auth::HookAnswer& answer, Outbox& out);

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

  /// From now on these let clients in; they outlive the Server, or the next call. Live allocations keep the
  /// keys that they began with.
  void use_credentials(const auth::Credentials& credentials) noexcept { credentials_ = &credentials; }

  /// Ends the live allocations that the revocation means; their credentials are answered with 403 until it
  /// lapses.
  void revoke(Now now, const Revocation& revocation, Outbox& out);

  /// Whom closed relays may reach has changed: what they may reach no longer ends at once, with its
  /// permissions, channels and connections.
  void reach(Now now, const ReachChange& change, Outbox& out);

  /// True: from now on new allocations are refused, with 300 where Options has a server for the client, else
  /// with 508; what is there goes on. False: they are welcome again.
  void drain(bool on) noexcept { draining_ = on; }

  /// The options have changed where they may while this runs: limits, lifetimes, who may be a peer, other
  /// servers. Live allocations keep the limits and permissions that they have.
  void options_changed();

  // For operators; see inspect.hpp. At most `looked` places of allocations are looked at, from `from` on, and
  // at most `most` are returned.
  AllocationPage list(const AllocationFilter& filter, std::uint32_t from, std::uint32_t looked,
                      std::size_t most, TimePoint now) const;
  /// The same for all allocations, and cheap: no text is copied.
  LoadPage loads(std::uint32_t from, std::uint32_t looked, TimePoint now) const;
  std::optional<AllocationDetail> detail(SlotHandle allocation, TimePoint now) const;
  /// Ends one; false: it is gone.
  bool end_allocation(Now now, SlotHandle allocation, Outbox& out);

  /// A flow of the Outbox is over, and its sink has said what it relayed: that is the allocation's, or goes
  /// into the event of its end or with it to another shard, which are in the same Outbox.
  void flow_ended(const Flow& flow, Outbox& out) noexcept;

  /// Ends every allocation.
  void shut_down(Now now, Outbox& out);

  bool has_allocation(const FiveTuple& tuple) const noexcept {
    return by_tuple_.contains(tuple) || visitors_.contains(tuple);
  }
  std::size_t allocation_count() const noexcept { return allocations_.size(); }
  /// Members of credentials that have an allocation: only these are looked up when a membership ends.
  std::size_t member_count() const noexcept { return members_.size(); }
  /// Peer data connections, those under way among them.
  std::size_t connection_count() const noexcept { return connections_.size(); }
  const Counters& counters() const noexcept { return counters_; }

 private:
  // server.cpp: dispatch and answers
  void message(Now now, const Inbound& in, Outbox& out);
  void request(Request& r);
  /// The authenticated credential may be used from here and has not been revoked. False: answered with 403.
  bool usable(Request& r);
  bool allocation_of_user(Request& r);
  bool understood(Request& r);
  void respond_error(Request& r, stun::ErrorCode code, std::string_view reason = {});
  void deny(Request& r, stun::ErrorCode code, Denial why);
  void send_answer(Request& r, class ResponseWriter& response, Outcome outcome);
  void drop(Drop why) noexcept { ++counters_.drops[index(why)]; }

  // realms.cpp
  /// Finds the realm that the request meets, and its credentials.
  void meet_realm(Request& r) const;
  /// Empty for a realm that there is not.
  std::string realm_name(auth::RealmId realm) const;

  // authentication.cpp
  /// RFC 8489 §9.2.4. False: answered with an error, or dropped.
  bool authenticate(Request& r);
  bool is_valid_nonce(const Request& r, std::string_view nonce);
  /// Finds out who sent the request; why not, if nobody whom we know.
  std::optional<AuthFailure> identify(Request& r, const auth::Claim& claim, auth::Mac mac);
  /// RFC 7635: opens ACCESS-TOKEN and checks the integrity with its key; why not, if it does not hold.
  std::optional<AuthFailure> take_token(Request& r, ByteView token, auth::Mac mac);
  /// A new token takes the place of the one that an allocation began with.
  void renew_token(const Request& r, Allocation& allocation);

  // waiting.cpp: the external source of credentials
  /// Nobody else knows the claimed user. True: the request is dealt with, it waits for an answer as a rule.
  /// False: `why` says what it is, and nothing when an earlier answer has authenticated it.
  bool consult(Request& r, const auth::Claim& claim, std::string_view realm, std::string_view nonce,
               std::optional<AuthFailure>& why);
  /// True when the request waits, or has been refused because it cannot.
  bool wait_for_answer(Request& r, const auth::Claim& claim, const Sha256Digest& name, bool known);
  /// Answers with 500, as often as a stranger may be answered.
  void refuse_busy(Request& r);
  /// Nothing of this five-tuple waits any longer.
  void stop_waiting(const FiveTuple& tuple);
  void forget_waiting();
  void count_waiting();

  /// False: the source had too many unauthenticated answers of late, and this one is dropped.
  bool admits_stranger(const Request& r);
  /// Answers with REALM, NONCE and PASSWORD-ALGORITHMS.
  void challenge(Request& r, stun::ErrorCode code, AuthFailure why);

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
  void handle_connect(Request& r);
  void handle_connection_bind(Request& r);

  // connections.cpp: life of peer data connections (RFC 6062)
  /// The connection that a ConnectionBind names, if we have it.
  PeerConnection* connection_named_in(const stun::MessageView& message) noexcept;
  /// The allocation whose user the request claims to be: that of the five-tuple or, for ConnectionBind, of
  /// the connection: its credentials, and its nonce, are those of the control connection.
  Allocation* claimed_allocation(const Request& r) noexcept;
  /// True when a ConnectionBind is for another shard, which gets the stream.
  bool handed_over(const Request& r);
  bool has_connection_to(const Allocation& allocation, const Endpoint& peer) noexcept;
  PeerConnection& add_connection(SlotHandle handle, Allocation& allocation, const Endpoint& peer);
  void answer_connect(const PeerConnection& connection, std::optional<stun::ErrorCode> error, Outbox& out);
  /// Forgets one; the shell is told to close it.
  void drop_connection(ConnectionId id, Outbox& out);
  void drop_connections(Allocation& allocation, Outbox& out);
  /// Ends what took too long; the earliest time at which there is more to do.
  TimePoint sweep_connections(Allocation& allocation, TimePoint now, Outbox& out);

  // allocation.cpp: life of allocations
  Allocation* find(const FiveTuple& tuple) noexcept;
  void answer_allocate(Request& r, const Allocation& allocation);
  /// Answers the Allocate that made the allocation, long after the request's bytes are gone.
  void answer_opened(const Allocation& allocation, stun::MessageClass message_class, Outbox& out);
  void end(SlotHandle handle, EndReason reason, Now now, Outbox& out);
  /// EVEN-PORT with R: keeps the next port for whoever shows the token.
  void reserve_next(Allocation& allocation, TimePoint now);
  void cancel_reservation(Allocation& allocation, TimePoint now);
  /// RFC 8656 §7.2, check 11: answers with 300; false when no other server fits the client.
  bool send_elsewhere(Request& r, const std::vector<Endpoint>& servers);
  /// Answers an Allocate while the server drains.
  void refuse_draining(Request& r, bool reserved);
  AllocationView view_of(SlotHandle handle, const Allocation& allocation, TimePoint now) const;
  void look_again_at(SlotHandle handle, Allocation& allocation, TimePoint when);
  void sweep(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out);

  // relay_legs.cpp: the one or two relayed transport addresses of an allocation
  /// Takes another port for a family whose port is in use elsewhere; false when there is none.
  bool try_another_port(Allocation& allocation, IpFamily family, TimePoint now);
  /// Answers the Allocate once it is known of each relay socket whether it opens.
  void finish_opening(SlotHandle handle, Allocation& allocation, Now now, Outbox& out);
  void announce(const Allocation& allocation, Now now, Outbox& out);
  void give_up_opening(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out);
  /// Takes one of two relayed transport addresses away, with its permissions and channels. Its socket closes.
  void drop_leg(SlotHandle handle, Allocation& allocation, IpFamily family, Outbox& out);
  void drop_expired_legs(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out);
  void close_legs(SlotHandle handle, const Allocation& allocation, Outbox& out);
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
  /// Gives the allocation, or one of its two relayed addresses, the life that the move has asked for.
  void prolong(SlotHandle handle, Allocation& allocation, std::optional<IpFamily> only, Letter& reply,
               Now now);
  /// The live allocation of this shard that the tickets with the id are for.
  Allocation* find_mobile(std::uint64_t id, TimePoint now, SlotHandle& handle) noexcept;
  Letter move(Now now, const Letter& query, Outbox& out);
  void set_next(SlotHandle handle, Allocation& allocation, const Letter& query, Now now);
  /// Data came on a five-tuple of a mobile allocation: if it is the new one, the old one is left behind.
  void data_came(SlotHandle handle, Allocation& allocation, const FiveTuple& tuple, TimePoint now,
                 Outbox& out);
  void settle(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out);
  /// The client has moved away from the five-tuple.
  bool is_left(const Allocation& allocation, const FiveTuple& tuple) const noexcept;
  /// True when a mobile allocation outlives the stream that ended.
  bool survives_close(SlotHandle handle, const FiveTuple& tuple, Now now, Outbox& out);
  void hand_over(SlotHandle handle, const MobilePath& to, std::uint64_t id, Outbox& out);
  void move_answered(Now now, const Letter& reply, Outbox& out);
  /// True when the message waits for its allocation, which another shard still has.
  bool visit(Now now, const Inbound& in, Outbox& out);
  std::optional<SlotHandle> arrive(Now now, Letter& letter, Outbox& out);

  // flows.cpp
  /// Something has changed: says what of it the shell does not know yet.
  void tell_flows(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out);
  /// The flows that were told, of one family's peers or all, are over.
  void end_flows(SlotHandle handle, Allocation& allocation, std::optional<IpFamily> only, Outbox& out);

  // admission.cpp: quotas and what credentials allow
  /// Counts a new allocation, or says which quota it would break.
  std::optional<Denial> admit(const Request& r);
  void leave(std::string_view account, std::string_view username, const auth::Policy* policy,
             auth::RealmId realm);
  /// Gives the allocation what limits it.
  void limit(Allocation& allocation, Request& r);
  /// Gives back what admit() and limit() took.
  void unlimit(Allocation& allocation);
  /// The allocation, which a credential for a member made, is here from now on, or no longer.
  void come_to_member(SlotHandle handle, const Allocation& allocation);
  void leave_member(SlotHandle handle, const Allocation& allocation);
  /// The allocation's shares of this shard go back, or are this shard's from now on. What it has spent of its
  /// own rates stays spent.
  void leave_shares(Allocation& allocation);
  void join_shares(Allocation& allocation, TimePoint now);
  /// The credential does not allow this peer.
  std::optional<Denial> denied_by_credential(const Allocation& allocation, const IpAddress& peer) const;
  /// A credential for a closed relay keeps to what the member may reach now.
  void confine(SlotHandle handle, Allocation& allocation, TimePoint now, Outbox& out);
  /// Too many new peers in a short time; when not, they are counted.
  bool names_too_many(Allocation& allocation, std::size_t added, TimePoint now) const noexcept;
  /// False: dropped and counted.
  bool within_limits(Allocation& allocation, std::size_t bytes, TimePoint now);

  // relay.cpp: the data path
  void channel_data(Now now, const Inbound& in, Outbox& out);

  struct TupleHash {
    std::uint64_t seed;
    std::size_t operator()(const FiveTuple& t) const noexcept {
      return t.client.hash(t.server.hash(seed + static_cast<std::uint64_t>(t.transport)));
    }
  };

  const Options& options_;
  const auth::Credentials* credentials_;
  const auth::NonceMaker& nonces_;
  Ledger& ledger_;
  RandomSource& random_;
  PeerPolicy policy_;
  Counters counters_;
  RevocationList revocations_;
  MemberIndex members_;
  ReachTable reach_;
  std::unique_ptr<Shares> shares_;
  SlotMap<Allocation> allocations_;
  boost::unordered_flat_map<FiveTuple, SlotHandle, TupleHash> by_tuple_;
  DeadlineQueue<SlotHandle> deadlines_;
  SourceLimiter bindings_;
  SourceLimiter challenges_;
  std::uint8_t shard_;
  std::uint8_t shard_count_;
  boost::unordered_flat_map<ConnectionId, std::unique_ptr<PeerConnection>> connections_;
  std::optional<SivKey> own_tickets_;
  const SivKey* tickets_;
  const auth::AccessTokens* access_tokens_;
  boost::unordered_flat_map<FiveTuple, Visitor, TupleHash> visitors_;
  std::unique_ptr<Waiting> waiting_;  // null: no external source
  bool draining_ = false;
};

}  // namespace ts::turn
