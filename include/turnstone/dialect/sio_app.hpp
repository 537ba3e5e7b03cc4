// SPDX-License-Identifier: Apache-2.0
// The simple signal server that people run today, as an application on a Socket.IO namespace: ready, message,
// messageOne; in rooms of a signal::Router, where members who speak other dialects are met. Pure. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/dialect/socket_io.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::dialect {

namespace sio {
struct Auth;
}

/// Names connections of the Router that are Socket.IO's: the shell numbers its own from 1.
inline constexpr signal::ConnectionId kFirstSioConnection = signal::ConnectionId{1} << 62;

class SioApp final : public SocketIo::Application {
 public:
  /// Takes what a call on the Router says to members who speak another dialect.
  using Others = std::function<void(const Now&, const signal::Outbox&)>;

  /// The Router and the SocketIo must outlive this object; it adds itself as namespace "/". `id` marks the
  /// Router's connections that speak this dialect.
  SioApp(const SocketIoOptions& options, signal::Router& router, SocketIo& sio, signal::DialectId id);

  void set_others(Others others) { others_ = std::move(others); }
  /// What a call that somebody else made on the Router says to members here.
  void deliver(const Now& now, const signal::Outbox& outbox);

  /// GET /connections: who is ready in a room (empty: the default one), in the order of their coming.
  std::string connections(std::string_view room) const;

  std::optional<TimePoint> next_deadline() const noexcept { return contests_due_.next(); }
  void tick(const Now& now);

  // SocketIo::Application.
  bool must_wait(const Now& now, SioTicket ticket, std::string_view auth, const IpAddress& client) override;
  void gave_up(SioTicket ticket) override;
  std::optional<std::string> refuses(const Now& now, std::string_view auth) override;
  void connected(const Now& now, SioSocket socket, std::string_view auth) override;
  void event(const Now& now, SioSocket socket, const SioEvent& event) override;
  void alive(const Now& now, SioSocket socket) override;
  void disconnected(const Now& now, SioSocket socket, bool may_recover) override;
  bool may_recover(const Now& now, SioSocket socket) override;
  void recovered(const Now& now, SioSocket socket) override;
  void forgotten(SioSocket socket) override;

 private:
  static constexpr std::uint32_t kNowhere = 0xFFFFFFFFU;
  static constexpr std::size_t kMaxRivals = 8;

  /// What a newcomer waits for: the name of somebody who may be a ghost.
  struct Contest {
    SlotHandle holder;
    std::string name;
    std::string type;
  };
  struct Peer {
    Peer(SioSocket s, std::shared_ptr<const signal::Identity> who) noexcept
        : socket(s), identity(std::move(who)) {}
    SioSocket socket;
    SlotHandle room;
    /// Member of the Router, as `name`. Without: a bystander, who hears what everybody hears as long as it
    /// could join.
    bool member = false;
    /// Among the room's bystanders.
    std::uint32_t place = kNowhere;
    std::shared_ptr<const signal::Identity> identity;
    std::string name;
    /// Raw JSON; empty: none was told.
    std::string type;
    std::unique_ptr<Contest> wants;
    /// Who wants this name, and waits for a sign of life until `contest_due`; kMaxRivals at most.
    std::vector<SlotHandle> rivals;
    TimePoint contest_due{};
  };
  /// Whom refuses() has let in, until the call that follows it.
  struct Admitted {
    std::shared_ptr<const signal::Identity> who;
    std::string room;
    /// The client named the room.
    bool named = false;
  };
  struct Room {
    std::string name;
    /// In the order of their coming.
    std::vector<SlotHandle> members;
    /// In no order: many come and go at once.
    std::vector<SlotHandle> bystanders;
  };
  /// What the Router's events are to look like that this call brings about.
  struct Made {
    SioMessage* joined = nullptr;
    SioMessage* left = nullptr;
    SioMessage* message = nullptr;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept;
    std::uint64_t seed = 0;
  };
  template <class Value>
  using Names = boost::unordered_flat_map<std::string, Value, Hash, std::equal_to<>>;

  Peer* peer_of(SioSocket socket, SlotHandle& at) noexcept;
  static signal::ConnectionId connection_of(SlotHandle at) noexcept;
  Peer* peer_of(signal::ConnectionId id, SlotHandle& at) noexcept;

  Result<std::shared_ptr<const signal::Identity>, signal::Failure> who_is(const Now& now,
                                                                          std::string_view token) const;
  /// The room that a client means: the one that it names, else its token's, else the default one.
  std::string_view room_of(const sio::Auth& wanted, const signal::Identity& who) const noexcept;
  void ready(const Now& now, SlotHandle at, const SioEvent& event);
  void contend(const Now& now, SlotHandle at, SlotHandle holder, std::string name, std::string type);
  void drop_contest(SlotHandle newcomer);
  void decide(const Now& now, SlotHandle holder, bool lives);
  void enter(const Now& now, SlotHandle at, const std::string& name, const std::string& type);
  void leave(const Now& now, SlotHandle at, bool stays);
  void stand_by(SlotHandle at);
  void stand_by_no_more(SlotHandle at);
  void welcome(const Now& now, Peer& peer);
  void turn_away(const Now& now, SlotHandle at, std::string_view name);
  void message(const Now& now, SlotHandle at, const SioEvent& event);
  void message_one(const Now& now, SlotHandle at, const SioEvent& event);
  bool admit(const Now& now, SlotHandle at, const SioEvent& event);
  bool may_join(const Now& now, const Peer& peer);
  bool refuse_rate(const Now& now, const Peer& peer, const signal::RateLimiter::Refusal& refusal);
  /// Else it is told why not.
  bool may_send(const Now& now, const Peer& peer);
  void error(const Now& now, const Peer& peer, std::string_view code, std::string_view more = {});
  std::string foreign(const signal::Message& message) const;
  void settle(const Now& now, const Made& made);
  void deliver(const Now& now, const signal::Outbox& outbox, const Made& made);
  void to_bystanders(const Now& now, const Room& room, SlotHandle but, SioMessage& message);
  std::string entry(std::string_view name) const;

  const SocketIoOptions options_;
  signal::Router& router_;
  SocketIo& sio_;
  const signal::DialectId id_;
  Others others_;
  signal::Outbox outbox_;
  std::uint64_t seed_;
  SlotMap<Peer> peers_;
  SlotMap<Room> rooms_;
  Names<SlotHandle> room_names_;
  Names<SlotHandle> names_;
  DeadlineQueue<SlotHandle> contests_due_;
  Admitted admitted_;
  /// Whom the application is asked about.
  boost::unordered_flat_map<SioTicket, signal::QuestionId> asked_;
  /// What it has said about the one who is judged now.
  const signal::Verdict* verdict_ = nullptr;
};

}  // namespace ts::dialect
