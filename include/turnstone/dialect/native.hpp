// SPDX-License-Identifier: Apache-2.0
// The native protocol (subprotocol signal.v1+json, docs/signaling.md): text frames in, text frames and closes
// out. Pure: no clock, no socket, one thread. What the WebSocket shell talks to.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/address.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/signal/outbox.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::dialect {

/// The WebSocket subprotocol of this dialect.
inline constexpr std::string_view kNativeSubprotocol = "signal.v1+json";

/// One thing for the shell to do on a connection: send a text message, or close.
struct Frame {
  signal::ConnectionId connection = 0;
  /// 0: send `text`. Else: send what is queued, then close with this code and `text` as its reason (123 bytes
  /// at most).
  std::uint16_t close_code = 0;
  /// May be shared with other frames; never null.
  std::shared_ptr<const std::string> text;
  /// Of a message that has a number in its session, which is in the text, too; else 0.
  std::uint64_t number = 0;
};

/// In the order in which they must reach each connection. The shell empties it after each call.
using Frames = std::vector<Frame>;

/// The native dialect over a Router. Calls append to `out`; nothing throws but std::bad_alloc.
class Native {
 public:
  /// The Router must outlive this object. `id` marks the Router's connections that speak this dialect.
  explicit Native(signal::Router& router, signal::DialectId id = 0) noexcept : router_(router), id_(id) {}

  /// A WebSocket is open. `connection` must be new; ids are never used twice. May close it at once (draining,
  /// limit).
  /// `origin`: of the web page, or empty.
  void opened(const Now& now, signal::ConnectionId connection, const Endpoint& remote, Frames& out,
              std::string_view origin = {});
  /// A text message, whole and unmasked; its encoding is checked here. Of a connection that was closed:
  /// ignored.
  void text(const Now& now, signal::ConnectionId connection, std::string_view message, Frames& out);
  /// A sign of life that is not a message (a WebSocket pong).
  void alive(const Now& now, signal::ConnectionId connection) noexcept;
  /// The connection is gone, or the shell is closing it: Bye for a client's close code 1000 or none,
  /// GoingAway for 1001, TooLarge, else Lost, after which the client may resume. Idempotent, and harmless
  /// after a close that we asked for.
  void closed(const Now& now, signal::ConnectionId connection, signal::CloseReason reason, Frames& out);
  /// More than Options::max_send_queue_bytes wait for this connection: closes it (4008); what waits may be
  /// dropped.
  void slow_consumer(const Now& now, signal::ConnectionId connection, Frames& out);

  /// What a call that another dialect made on the Router says to members here.
  void deliver(const signal::Outbox& outbox, Frames& out);
  /// Takes what a call of ours says to members who speak another dialect. It may call the Router.
  void set_others(std::function<void(const signal::Outbox&)> others) { others_ = std::move(others); }

  /// What answers to hellos that waited have brought about, since they come in their own time.
  Frames take_frames() { return std::exchange(late_, {}); }

  /// Does what is due; call at next_deadline() or later.
  void tick(const Now& now, Frames& out);
  /// When tick() has something to do; nothing: never.
  std::optional<TimePoint> next_deadline() const noexcept { return router_.next_deadline(); }

  /// Sends everyone away, of all dialects, and refuses new connections from now on.
  void drain(const Now& now, const signal::Farewell& how, Frames& out);
  void undrain() { router_.undrain(); }
  /// Closes all connections (Drain: 1001 or Restart: 1012), without a word to the room-mates.
  void close_all(const Now& now, signal::CloseCode code, Frames& out);

 private:
  struct Call;
  /// A hello that waits for the application's answer, and what its client has sent meanwhile.
  struct Parked {
    signal::QuestionId question = 0;
    std::string hello;
    std::vector<std::string> held;
    std::size_t bytes = 0;
  };

  void handle(const Call& call);
  void handle_hello(const Call& call, const std::shared_ptr<const signal::Identity>& identity = nullptr);
  bool wait_for_answer(const Call& call, const signal::Hello& hello);
  void hold(const Call& call, std::string_view message);
  void answered(const Now& now, signal::ConnectionId connection, const signal::Verdict& verdict);
  void withdraw(signal::ConnectionId connection);
  void handle_join(const Call& call);
  void handle_leave(const Call& call);
  void handle_send(const Call& call);
  void handle_update(const Call& call);
  void handle_list(const Call& call);
  void handle_ice(const Call& call);
  void handle_ack(const Call& call);
  void handle_room(const Call& call);
  void handle_kick(const Call& call);
  void handle_ban(const Call& call);
  void answer(const Call& call, std::string text);
  void reply(const Call& call, std::string text);
  void ok(const Call& call);
  void refuse(const Call& call, const signal::Failure& failure);
  void bad_request(const Call& call, std::string_view message);
  void count(const Call& call, signal::ErrorCode code) noexcept;
  void push(signal::ConnectionId connection, std::shared_ptr<const std::string> text, Frames& out,
            std::uint64_t number = 0);
  void push_numbered(signal::ConnectionId connection, const signal::Replay::Text& text, Frames& out);
  void deliver(Frames& out);

  signal::Router& router_;
  signal::DialectId id_;
  signal::Outbox outbox_;
  std::function<void(const signal::Outbox&)> others_;
  boost::unordered_flat_map<signal::ConnectionId, Parked> parked_;
  /// Of connections without a hello, while somebody wants to know.
  boost::unordered_flat_map<signal::ConnectionId, std::string> origins_;
  Frames late_;
};

}  // namespace ts::dialect
