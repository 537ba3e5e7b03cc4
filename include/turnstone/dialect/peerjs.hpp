// SPDX-License-Identifier: Apache-2.0
// PeerJS: the JSON messages of its WebSocket, and what its HTTP paths answer, over a signal::Router. Pure: no
// clock, no socket, one thread. Source: what the client `peerjs` 1.x sends and PeerServer 1.x answers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/random.hpp>
#include <turnstone/dialect/counters.hpp>
#include <turnstone/dialect/native.hpp>
#include <turnstone/dialect/options.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::dialect {

/// The query of a WebSocket's request; empty: absent.
struct PeerJsQuery {
  std::string key;
  std::string id;
  std::string token;
  /// Of the web page; empty: none was sent.
  std::string origin{};
};

/// One message of a client. Views into its text, but for what had escapes.
struct PeerJsMessage {
  PeerJsType type = PeerJsType::Unknown;
  /// Decoded; empty: absent, or no string.
  std::string dst;
  /// Raw JSON; empty: absent.
  std::string_view payload;
};

/// Nothing: it is not one JSON object.
std::optional<PeerJsMessage> parse_peerjs(std::string_view text);

/// What is to be sent and closed is taken as frames after each call, as in Native.
class PeerJs {
 public:
  /// The Router and `random` must outlive this object. `id` marks the Router's connections that speak this
  /// dialect.
  PeerJs(PeerJsOptions options, signal::Router& router, RandomSource& random, signal::DialectId id);

  // HTTP.

  /// The key in a path is the configured one, or a token that would be let in.
  bool knows_key(const Now& now, std::string_view key) const;
  /// A UUID (RFC 9562 §5.4).
  std::string new_id();
  /// A JSON array of the ids in the room of who has this credential; nothing: that is not told, or not to
  /// them.
  std::optional<std::string> peers(const Now& now, std::string_view key) const;
  const PeerJsOptions& options() const noexcept { return options_; }

  // WebSockets. Ids are never used twice, and by no other dialect.

  /// Answers OPEN, or ID-TAKEN or ERROR and closes. A connection with the same id, token and credential is
  /// replaced.
  void opened(const Now& now, signal::ConnectionId connection, const Endpoint& remote,
              const PeerJsQuery& query);
  /// A text message, whole and unmasked; its encoding is checked here.
  void text(const Now& now, signal::ConnectionId connection, std::string_view message);
  void alive(const Now& now, signal::ConnectionId connection) noexcept { router_.alive(now, connection); }
  void closed(const Now& now, signal::ConnectionId connection, signal::CloseReason reason);
  /// Too much waits for this connection: closes it.
  void slow_consumer(const Now& now, signal::ConnectionId connection);

  /// What a call that another dialect made on the Router says to members here.
  void deliver(const Now& now, const signal::Outbox& outbox);
  /// Takes what a call of ours says to members who speak another dialect.
  void set_others(std::function<void(const Now&, const signal::Outbox&)> others) {
    others_ = std::move(others);
  }

  /// In the order in which they must reach each connection.
  Frames take_frames() { return std::exchange(frames_, {}); }

  const PeerJsCounters& counters() const noexcept { return counters_; }

 private:
  /// Somebody who was told that a peer is not there, and need not hear it again before that time.
  struct Told {
    std::string peer;
    TimePoint until{};
  };
  struct Peer {
    std::string name;
    std::string token;
    std::string room;
    std::shared_ptr<const signal::Identity> identity;
    std::vector<Told> told;
  };

  /// Somebody who waits for the application's answer, and what it has sent meanwhile.
  struct Parked {
    signal::QuestionId question = 0;
    Endpoint remote;
    PeerJsQuery query;
    std::vector<std::string> held;
    std::size_t bytes = 0;
  };

  std::string_view credential_of(const PeerJsQuery& query) const noexcept;
  bool wait_for_answer(const Now& now, signal::ConnectionId connection, const Endpoint& remote,
                       const PeerJsQuery& query);
  void answered(const Now& now, signal::ConnectionId connection, const signal::Verdict& verdict);
  void settle_opening(const Now& now, signal::ConnectionId connection, PeerJsOpen how);
  std::shared_ptr<const signal::Identity> authenticate(const Now& now, const PeerJsQuery& query,
                                                       PeerJsOpen& why) const;
  PeerJsOpen admit(const Now& now, signal::ConnectionId connection, const Endpoint& remote,
                   const PeerJsQuery& query, const std::shared_ptr<const signal::Identity>& known);
  void replace(signal::ConnectionId old);
  void refuse(signal::ConnectionId connection, PeerJsOpen why);
  void relay(const Now& now, signal::ConnectionId connection, const PeerJsMessage& message);
  void expire(const Now& now, signal::ConnectionId connection, std::string_view target);
  void forget(signal::ConnectionId connection);
  void settle(const Now& now);
  void push(signal::ConnectionId connection, std::string text);

  const PeerJsOptions options_;
  signal::Router& router_;
  RandomSource& random_;
  const signal::DialectId id_;
  signal::Outbox outbox_;
  std::function<void(const Now&, const signal::Outbox&)> others_;
  Frames frames_;
  boost::unordered_flat_map<signal::ConnectionId, Peer> peers_;
  boost::unordered_flat_map<signal::ConnectionId, Parked> parked_;
  /// Ordered: strangers choose the names.
  std::map<std::string, signal::ConnectionId, std::less<>> names_;
  PeerJsCounters counters_;
};

}  // namespace ts::dialect
