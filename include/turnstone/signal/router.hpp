// SPDX-License-Identifier: Apache-2.0
// signal::Router: connections, members, rooms, sends, presence, ICE answers. A pure core: input + now in, an
// answer for the one who asked and an Outbox for the others out. One thread. Texts come from and go to the
// dialects.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/address.hpp>
#include <turnstone/base/deadline_queue.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/base/slot_map.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/signal/candidates.hpp>
#include <turnstone/signal/counters.hpp>
#include <turnstone/signal/doorman.hpp>
#include <turnstone/signal/failure.hpp>
#include <turnstone/signal/ice.hpp>
#include <turnstone/signal/identity.hpp>
#include <turnstone/signal/inspect.hpp>
#include <turnstone/signal/observer.hpp>
#include <turnstone/signal/options.hpp>
#include <turnstone/signal/outbox.hpp>
#include <turnstone/signal/rate_limiter.hpp>
#include <turnstone/signal/remote.hpp>
#include <turnstone/signal/replay.hpp>
#include <turnstone/signal/replay_shares.hpp>

namespace ts::signal {

inline constexpr std::size_t kMaxRoomNameBytes = 128;
inline constexpr std::size_t kMaxPeerNameBytes = 64;
/// Of a member's meta, as JSON text.
inline constexpr std::size_t kMaxMetaBytes = 4096;
/// Names in one send.
inline constexpr std::size_t kMaxTargets = 64;
/// Of the reason of a kick.
inline constexpr std::size_t kMaxReasonBytes = 256;

/// Longer bans are cut.
inline constexpr std::chrono::hours kMaxBanTime{24 * 7};
/// Of one room.
inline constexpr std::size_t kMaxBans = 1024;
/// The same, by whoever is in a room longest, without the right to ban anywhere: rooms are anybody's to make.
inline constexpr std::size_t kMaxBansOfSeniors = 64;

/// True for 1 to `max_bytes` bytes of valid UTF-8 without control characters (U+0000-001F, U+007F-009F).
bool valid_name(std::string_view name, std::size_t max_bytes) noexcept;

/// Views in requests need to live as long as the Outbox that the call fills. Opaque texts may be empty: none
/// was sent.
/// A session that a client wants to go on with.
struct Resume {
  std::string_view sid;
  std::string_view key;
  /// The number of the last message that it has; 0: none.
  std::uint64_t seq = 0;
};

struct Hello {
  std::string_view token{};
  /// Wanted peer id; empty: any.
  std::string_view peer{};
  std::string_view meta{};
  /// The dialect numbers messages, and the client may resume.
  bool resumable = false;
  std::optional<Resume> resume{};
  /// Who it is, where the dialect has asked authenticate() before; then the token is not looked at.
  std::shared_ptr<const Identity> identity{};
  /// The dialect gives ICE servers to its clients; without, none are made for them.
  bool wants_ice = true;
  /// The dialect finds out by itself that its client is gone, in its own time: silence means nothing here.
  bool watched = false;
};

struct Welcome {
  std::string sid;
  std::string key;
  std::string_view peer;
  IceServers ice;
  /// What became of the resume, if one was asked for. If not Resumed, this is a new session.
  std::optional<ResumeOutcome> outcome{};
  /// What the client has missed, to be sent after the welcome.
  std::vector<Replay::Kept> missed{};
};

/// A room-mate as one member sees it.
struct PeerView {
  std::string_view peer;
  std::string_view meta;
  /// What the one who asked is towards this peer.
  bool polite = false;
  /// Its connection was lost, and it may resume.
  bool lost = false;
};

/// Options of a room. Only what is there is changed.
struct RoomChange {
  /// Members at a time; 0: as many as the server allows.
  std::optional<std::uint32_t> size{};
  /// Nobody may join who is not in it.
  std::optional<bool> locked{};
  /// Opaque JSON; empty: none was sent.
  std::string_view meta{};

  bool empty() const noexcept { return !size && !locked && meta.empty(); }
};

struct RoomView {
  std::uint32_t size = 0;
  bool locked = false;
  std::string_view meta;

  bool is_plain() const noexcept { return size == 0 && !locked && meta.empty(); }
};

struct Joined {
  std::vector<PeerView> peers;
  /// What the room adds; often nothing.
  IceServers ice;
  RoomView room{};
};

struct KickRequest {
  std::string_view room;
  std::string_view peer;
  /// For people; at most kMaxReasonBytes.
  std::string_view reason{};
};

struct BanRequest {
  std::string_view room;
  std::string_view peer;
  /// At most kMaxBanTime; 0: the ban ends.
  std::chrono::seconds time{0};
  /// For people; at most kMaxReasonBytes.
  std::string_view reason{};
};

struct SendRequest {
  /// Empty: any common room.
  std::string_view room;
  /// Targets; ignored when `everyone`.
  std::span<const std::string_view> to;
  bool everyone = false;
  Kind kind = Kind::Custom;
  std::string_view data;
  /// How long the message may wait for targets that are not there; cut to Options::max_queue_time. 0: not at
  /// all.
  std::chrono::milliseconds queue{0};
};

struct Sent {
  std::uint32_t delivered = 0;
  /// Targets that are not there, or whose connection is lost.
  std::uint32_t queued = 0;
};

/// The engine behind all dialects. Answers and events hold views into it that are valid until the next call.
class Router {
 public:
  /// `random` makes session and peer ids, and seeds the tables; it, `ice` and `authenticator` must outlive
  /// the Router. Without an authenticator, tokens are those of the options.
  Router(Options options, RandomSource& random, IceProvider& ice, Authenticator* authenticator = nullptr);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Connections.

  /// A new connection. Refused and closed when draining (server_draining) or at the limit (rate_limited).
  Result<void, Failure> opened(const Now& now, ConnectionId id, const Endpoint& remote, DialectId dialect,
                               Outbox& out);
  /// To be called for each message of so many bytes before it is looked at: the rate limits, and a sign of
  /// life. Fails with rate_limited, and closes when that happens too often.
  Result<void, Failure> admit(const Now& now, ConnectionId id, Outbox& out, std::size_t bytes = 0);
  /// For dialects that have more to limit than connections of this object.
  RateLimiter& rates() noexcept { return rate_limiter_; }
  /// A sign of life that is not a message.
  void alive(const Now& now, ConnectionId id) noexcept;
  /// The dialect could not make sense of a message: a connection that has not said hello is closed.
  void rejected(ConnectionId id, ErrorCode code, Outbox& out);
  /// The connection is gone, or is being closed by the shell, and its member with it. Unknown ids are
  /// ignored.
  void closed(ConnectionId id, CloseReason reason, Outbox& out);
  /// The same, but a member that may resume (Hello::resumable) stays for Options::resume_time when the reason
  /// is Lost or Silent.
  void closed(const Now& now, ConnectionId id, CloseReason reason, Outbox& out);
  /// Closes a connection with a code and a static text; its room-mates are told "lost".
  void close(ConnectionId id, CloseReason reason, CloseCode code, std::string_view why, Outbox& out);
  /// Tells a member why (a static text), and closes it with 4003.
  void kick(ConnectionId id, ErrorCode code, std::string_view reason, Outbox& out);

  /// Who has this token, as hello() finds it. unauthorized or token_expired.
  Result<std::shared_ptr<const Identity>, Failure> authenticate(const Now& now,
                                                                std::string_view token) const {
    return authenticator_.authenticate(now, token);
  }

  /// True when nobody here can judge this token, and the application is asked about such.
  bool must_ask(const Now& now, std::string_view token) const;
  /// The same about a hello, as things are now: it may name a session whose key says enough. Whoever has the
  /// answer says hello again, with the identity.
  bool must_ask(const Now& now, ConnectionId id, const Hello& hello) const;
  Doorman& doorman() noexcept { return doorman_; }
  const Doorman& doorman() const noexcept { return doorman_; }

  /// Whether somebody of this identity could join the room now, if there is one: forbidden, room_locked or
  /// room_full. For dialects in which one hears a room before one is a member.
  Result<void, Failure> may_enter(const Now& now, const Identity& identity, std::string_view room) const;

  // Requests. Before hello, all but hello fail with unauthorized, and close.

  /// unauthorized, token_expired, forbidden (another peer id than the token's), peer_taken or bad_request;
  /// all of them close the connection. Takes over the session that is to be resumed, and closes the
  /// connection that it had (4009); a session with the same peer id and credential whose connection was lost,
  /// ends.
  Result<Welcome, Failure> hello(const Now& now, ConnectionId id, const Hello& hello, Outbox& out);
  /// Joins a room, or refreshes the membership (then an absent meta changes nothing). room_full, room_locked,
  /// forbidden (too many rooms, or not allowed), bad_request, too_large, rate_limited (and closes when that
  /// happens too often). Delivers what was queued.
  Result<Joined, Failure> join(const Now& now, ConnectionId id, std::string_view room, std::string_view meta,
                               Outbox& out) {
    return join(now, id, room, meta, RoomChange{}, out);
  }
  /// The same; the options are those of the room if this makes it, and else are ignored.
  Result<Joined, Failure> join(const Now& now, ConnectionId id, std::string_view room, std::string_view meta,
                               const RoomChange& options, Outbox& out);
  /// not_joined. Of one who is in no room any more, what the ICE provider ended is renewed at once.
  Result<void, Failure> leave(const Now& now, ConnectionId id, std::string_view room, Outbox& out);
  /// The same, for those who have no ICE servers of us.
  Result<void, Failure> leave(ConnectionId id, std::string_view room, Outbox& out);
  /// Sends to room-mates. not_joined; unknown_target or queue_full when no target was reached; bad_request.
  Result<Sent, Failure> send(const Now& now, ConnectionId id, const SendRequest& request, Outbox& out);
  /// Sets the meta in one room, or (empty `room`) everywhere. not_joined, too_large.
  Result<void, Failure> update(ConnectionId id, std::string_view room, std::string_view meta, Outbox& out);
  /// The room-mates in the order in which they joined. not_joined.
  Result<std::vector<PeerView>, Failure> list(ConnectionId id, std::string_view room, Outbox& out);
  /// Fresh ICE servers.
  Result<IceServers, Failure> ice(const Now& now, ConnectionId id, Outbox& out);
  /// Fresh ICE servers for whoever names a session and its key from elsewhere, and has the credential that
  /// the session has. forbidden.
  Result<IceServers, Failure> session_ice(const Now& now, const Resume& session, const Identity& identity);
  /// Changes the options of a room; whoever is in it longest may, and whoever has Right::Room. not_joined,
  /// forbidden, bad_request, too_large.
  Result<void, Failure> configure(ConnectionId id, std::string_view room, const RoomChange& change,
                                  Outbox& out);
  /// Removes a room-mate from a room; whoever is in it longest may, and whoever has Right::Kick. not_joined,
  /// forbidden, unknown_target, bad_request (oneself).
  Result<void, Failure> kick(const Now& now, ConnectionId id, const KickRequest& request, Outbox& out);
  /// Keeps a peer, there or not, out of a room for a time, or as long as there is the room: who has that peer
  /// id, and who has the credential of the one who has it now, unless that is the shared token. Those who are
  /// in the room are kicked. Whoever is in it longest may, and whoever has Right::Ban. not_joined, forbidden
  /// (too many bans as well), bad_request (oneself), too_large.
  Result<void, Failure> ban(const Now& now, ConnectionId id, const BanRequest& request, Outbox& out);
  /// Ends all memberships of a room, as a kick does, but for those of members whose nodes are out of reach:
  /// how many that are. Nothing: there is no such room.
  std::optional<std::size_t> close_room(const Now& now, std::string_view room, std::string_view reason,
                                        Outbox& out);

  // For operators; see inspect.hpp.

  /// Rooms whose names begin so, of at most `looked` places from `from` on; at most `most` of them.
  RoomPage rooms(std::string_view prefix, std::uint32_t from, std::uint32_t looked, std::size_t most) const;
  /// Members of a room in the order of their coming, from the first one on (0), or from where a page says.
  /// Nothing: there is no such room.
  std::optional<MemberPage> members(std::string_view room, std::uint64_t from, std::size_t most) const;
  /// Removes a member from a room, as a kick does. unknown_target: it is not there, or (with a time after
  /// which to try again) its node is out of reach.
  Result<void, Failure> remove(const Now& now, std::string_view room, std::string_view peer,
                               std::string_view reason, Outbox& out);

  // Messages that are numbered, for a resume.

  /// Numbers a message to a member and keeps it until it is acknowledged. 0: the receiver's messages are not
  /// numbered, or it is not known (any more).
  std::uint64_t number(ConnectionId id, const Replay::Text& text);
  /// True when the member's connection is gone, so that messages only wait for a resume.
  bool is_lost(ConnectionId id) const noexcept;
  /// The client has all messages up to this number.
  void acknowledge(ConnectionId id, std::uint64_t seq) noexcept;

  // Time and the end.

  /// When tick() has something to do; nothing: never.
  std::optional<TimePoint> next_deadline() const noexcept;
  /// Hello time-outs, silent connections, expired sends, renewal of ICE servers.
  void tick(const Now& now, Outbox& out);
  /// Sends goaway to all members, and refuses new connections from now on. Each is told a time of its own,
  /// so that they do not come back all at once, and closed (1012) some time after that, of which its
  /// room-mates are not told. Who goes meanwhile, and is not kicked, keeps what the ICE provider gave it.
  void drain(const Now& now, const Farewell& how, Outbox& out);
  /// Welcomes connections again. Who went meanwhile and is not back, announces nothing any more.
  void undrain();
  bool is_draining() const noexcept { return draining_; }
  /// From now on these hold. Not heartbeat nor the options of resume, which clients and sessions have been
  /// told. Tokens are the authenticator's.
  void use(const Options& options);
  /// Closes all connections without telling the room-mates here; what the ICE provider gave them stays good.
  /// Members at other nodes stay, and their nodes are told.
  void close_all(CloseCode code, std::string_view why, Outbox& out);

  /// Tells `listener`, which must outlive this object, what members announce, from the moment on that
  /// Options::closed_relay is set.
  void set_candidate_listener(CandidateListener* listener);

  /// Tells `observer`, which must outlive this object, what members here do; null: nobody.
  void set_observer(Observer* observer) noexcept { observer_ = observer; }

  // Members at other nodes: signal::Cluster calls these, and nothing does without it.

  /// Tells `watcher`, which must outlive this object, what members here do.
  void set_watcher(Watcher* watcher) noexcept { watcher_ = watcher; }
  /// Who has a peer id.
  struct Holder {
    ConnectionId connection = 0;
    bool remote = false;
  };
  std::optional<Holder> holder(std::string_view peer) const noexcept;
  bool has_room(std::string_view name) const noexcept { return room_names_.contains(name); }
  /// Nothing in it: there is no such member.
  RemoteRecord remote_record(ConnectionId id) const;
  /// A new member, in no room yet. The peer id must be free, and the id, from kFirstRemoteConnection on, new.
  void remote_enter(ConnectionId id, const RemoteMember& member);
  /// Puts it into a room, in the order that it has there; if it is in it, sets its meta, or, where the order
  /// is another one, has it leave and come again. Delivers what was queued.
  void remote_join(const Now& now, ConnectionId id, std::string_view room, std::uint64_t order,
                   std::string_view meta, Outbox& out);
  /// Sets its meta, if it is in the room.
  void remote_update(ConnectionId id, std::string_view room, std::string_view meta, Outbox& out);
  void remote_leave(ConnectionId id, std::string_view room, LeaveReason why, Outbox& out);
  /// It leaves the rooms that are not among these.
  void remote_keep(ConnectionId id, const std::vector<std::string>& rooms, Outbox& out);
  void remote_gone(ConnectionId id, LeaveReason why, Outbox& out);
  /// Its connection is lost, or it is back.
  void remote_lost(ConnectionId id, bool is_lost, Outbox& out);
  /// What it says to members here; the names that are not here, or in no room with it.
  std::vector<std::string_view> remote_message(ConnectionId from, const RemoteMessage& message, Outbox& out);
  void remote_room(const RemoteRoom& room, Outbox& out);
  /// Those whom it means, and who are here, are removed. Nothing: a later one is known, or the room is
  /// younger.
  void remote_ban(const Now& now, const RemoteBan& ban, Outbox& out);
  /// A moderator elsewhere removes a member here from a room, which it came to in that order (0: in any);
  /// without a room, from everything.
  void remote_kick(const Now& now, std::string_view peer, std::string_view room, std::uint64_t order,
                   std::string_view reason, Outbox& out);
  /// The peer id is another node's member's: whoever has it here is closed (4009).
  void yield(std::string_view peer, Outbox& out);
  /// What a member here has sent to one at another node may not have arrived.
  void undelivered(std::string_view sender, std::string_view room, std::string_view to, Outbox& out);
  /// Tells a watcher of everything that is here, as though it happened now.
  void recount(const Now& now, Watcher& to);

  // Views.

  /// True for an open connection.
  bool knows(ConnectionId id) const noexcept { return connections_.find(handle(id)) != nullptr; }
  /// True when its hello was accepted.
  bool is_member(ConnectionId id) const noexcept;
  /// Where an open connection comes from.
  IpAddress address_of(ConnectionId id) const noexcept;
  const Options& options() const noexcept { return options_; }
  const Counters& counters() const noexcept { return counters_; }
  /// For the dialects, which count messages and frames.
  Counters& counters() noexcept { return counters_; }

 private:
  struct Membership {
    SlotHandle room;
    std::uint64_t order = 0;
    std::string meta;
    /// With a CandidateListener; at most kMaxAnnounced.
    std::vector<IpAddress> announced{};
  };
  /// What a resume needs.
  struct Session {
    std::string sid;
    std::string key;
    Replay replay;
    ReplayShares::Holder share;
    TimePoint lost_due;
    /// The newest message when the connection was lost.
    std::uint64_t lost_seq = 0;
  };
  /// What is known of a member at another node. It has a Connection like all members, without time limits,
  /// whose Receiver signal::Cluster takes.
  struct Remote {
    const RemoteNode* node = nullptr;
    std::string session;
    bool lost = false;
  };
  struct Connection {
    ConnectionId id = 0;  // of the last one, when it is lost
    DialectId dialect = 0;
    bool member = false;
    bool lost = false;
    bool wants_ice = true;
    bool watched = false;
    ConnectionRates rates;
    Endpoint client;
    std::string peer;
    std::string meta;
    std::vector<Membership> rooms;
    std::vector<SlotHandle> waiting;
    std::size_t waiting_bytes = 0;
    std::uint64_t mark = 0;
    std::shared_ptr<const Identity> identity;  // of a member
    std::unique_ptr<Session> session;          // of one that may resume
    std::unique_ptr<Remote> remote;            // of one at another node
    TimePoint seen;
    TimePoint hello_due;
    TimePoint ice_due;
    /// While draining.
    TimePoint leave_due = TimePoint::max();
    TimePoint armed;
    Receiver receiver() const noexcept { return {id, dialect, lost}; }
    /// What is sent to it waits.
    bool away() const noexcept { return lost || (remote && remote->lost); }
    Membership* in(SlotHandle room) noexcept;
  };
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    std::uint64_t seed = 0;
    std::size_t operator()(std::string_view text) const noexcept;
    std::size_t operator()(std::uint64_t number) const noexcept { return mix64(number, seed); }
  };
  template <class Key, class Value>
  using Table = boost::unordered_flat_map<Key, Value, Hash, std::equal_to<>>;
  struct Ban {
    std::string peer;
    std::string credential;  // empty: not known, or the shared token's
    TimePoint until;
    std::string mark;  // fingerprint of the credential, where only that is known
    std::uint64_t stamp = 0;
    bool means(std::string_view peer_id, const Identity& who) const {
      return peer == peer_id || (!credential.empty() && credential == who.credential) ||
             (!mark.empty() && mark == fingerprint(who.credential));
    }
  };
  struct Room {
    Room(std::string room_name, const Hash& hash) : name(std::move(room_name)), waiting(0, hash) {}
    std::string name;
    std::string meta;
    std::uint32_t size = 0;
    bool locked = false;
    std::uint64_t changed = 0;        // when the options were set, among joins
    std::vector<SlotHandle> members;  // in the order in which they came
    Table<std::string, std::vector<SlotHandle>> waiting;
    std::vector<Ban> bans;
  };
  struct Pending {
    SlotHandle sender;
    SlotHandle room;
    std::string target;
    std::string data;
    TimePoint expires;
    Kind kind = Kind::Custom;
    bool room_named = false;
  };

  SlotHandle handle(ConnectionId id) const noexcept;
  SlotHandle handle_of_any(ConnectionId id) const noexcept;
  Connection* peer(std::string_view name) noexcept;
  SlotHandle room_handle(std::string_view name) const noexcept;
  Result<SlotHandle, Failure> member(ConnectionId id, Outbox& out);
  Failure refuse_rate(ConnectionId id, const RateLimiter::Refusal& refusal, Outbox& out);

  TimePoint next_due(const Connection& c) const noexcept;
  void arm(SlotHandle at, Connection& c, bool popped);
  void look(const Now& now, SlotHandle at, Outbox& out);
  void shut(SlotHandle at, CloseReason reason, Outbox& out);
  Failure refuse_hello(SlotHandle at, ErrorCode code, std::string_view message, Outbox& out);
  std::string new_peer_name();
  Result<void, Failure> check_names(const Identity& identity, const Hello& hello) const;
  bool make_way(const Now& now, SlotHandle old, const Identity& identity, const std::optional<Resume>& resume,
                Outbox& out);
  Welcome admit_member(const Now& now, SlotHandle at, std::shared_ptr<const Identity> identity,
                       const Hello& hello);
  void renew_ice(const Now& now, Connection& c, Outbox& out);
  IceServers fresh_ice(const Now& now, Connection& c);
  IceServers ice_of(const Now& now, Connection& c, std::string_view room);
  void renew_room_ice(const Now& now, Connection& c, Outbox& out);

  void lose(const Now& now, SlotHandle at, CloseReason reason, Outbox& out);
  SlotHandle session_of(const Resume& resume) const noexcept;
  Welcome take_over(const Now& now, SlotHandle at, SlotHandle was, std::uint64_t seq, Outbox& out);
  void end_session(SlotHandle at, Outbox& out);
  void forget_session(Connection& c);
  void set_share(Session& session, std::size_t former_bytes);
  void end_if_gap(SlotHandle at, Connection& c);
  void make_replay_room();
  void obey(const Now& now, SlotHandle at, Connection& c, Outbox& out);
  std::shared_ptr<const Identity> newer_identity(const Now& now, const Hello& hello,
                                                 const Connection& old) const;

  // candidates.cpp
  void follow_candidates();
  void tell_entered(const Connection& c, SlotHandle room) const;
  void tell_left(const Connection& c, SlotHandle room) const;
  void hear_candidates(Connection& c, SlotHandle named, bool everyone, std::span<const std::string_view> to,
                       std::string_view data);

  SlotHandle open_room(std::string_view name);
  void leave_room(SlotHandle at, Connection& c, SlotHandle room, LeaveReason why, Outbox& out,
                  bool keeps_ice = false);
  void shut_remote(SlotHandle at, Connection& c, LeaveReason why, Outbox& out);
  static bool out_of_reach(const Connection& c) noexcept { return c.remote && !c.remote->node->reachable; }
  void take_place(SlotHandle at, Room& room, std::uint64_t order, std::string_view peer);
  bool is_senior(std::uint64_t order, std::string_view peer, SlotHandle other, SlotHandle room) noexcept;
  bool may_supersede(const Connection& c, const Identity& identity,
                     const std::optional<Resume>& resume) const;
  void tell_options(const Room& room) const;
  bool end_ice(const Connection& c, std::string_view room, LeaveReason why, bool keeps_ice = false);
  void end_common_ice(const Now& now, SlotHandle at, Connection& c, LeaveReason why, Outbox& out);
  std::chrono::milliseconds retry_time() noexcept;
  void throw_out(const Now& now, SlotHandle at, SlotHandle room, std::string_view reason, Outbox& out);
  Result<void, Failure> may_join(const Now& now, const Connection& c, std::string_view name,
                                 const RoomChange& options) const;
  Result<void, Failure> has_place(const Now& now, std::string_view peer_id, const Identity& identity,
                                  const Room& room) const;
  void apply(Room& room, const RoomChange& change);
  const CommonRoom* common_room(std::string_view name) const noexcept;
  bool moderates(SlotHandle at, const Connection& c, const Room& room, Right right) const noexcept;
  std::vector<PeerView> mates(SlotHandle at, Connection& c, SlotHandle room);
  void set_meta(SlotHandle at, Connection& c, Membership& m, std::string_view meta, Outbox& out);

  struct Sending;
  void broadcast(Sending& s);
  void target(Sending& s, std::size_t number);
  void enqueue(Sending& s, std::string_view name);
  void deliver_waiting(const Now& now, Connection& c, SlotHandle room, Outbox& out);
  void expire(SlotHandle pending, Outbox& out);
  void drop_waiting(Connection& c, SlotHandle room);
  void unlink(SlotHandle pending);

  Options options_;
  RandomSource& random_;
  IceProvider& ice_;
  TokenAuthenticator shared_token_;
  Authenticator& authenticator_;
  Doorman doorman_;
  Counters counters_;
  Observer* observer_ = nullptr;
  Watcher* watcher_ = nullptr;  // null: this is the only node
  CandidateListener* candidate_listener_ = nullptr;
  bool listening_ = false;
  /// Rooms and peers that went while draining: the listener believes them there.
  std::vector<std::pair<std::string, std::string>> kept_;
  bool draining_ = false;
  Farewell farewell_;
  std::uint64_t joins_ = 0;
  std::uint64_t marks_ = 0;

  Hash hash_;
  RateLimiter rate_limiter_;
  SlotMap<Connection> connections_;
  SlotMap<Room> rooms_;
  SlotMap<Pending> pending_;
  Table<ConnectionId, SlotHandle> by_id_;
  Table<std::string, SlotHandle> peers_;
  Table<std::string, SlotHandle> sessions_;
  Table<std::string, SlotHandle> room_names_;
  ReplayShares replay_shares_;
  DeadlineQueue<SlotHandle> connection_deadlines_;
  DeadlineQueue<SlotHandle> pending_deadlines_;
};

}  // namespace ts::signal
