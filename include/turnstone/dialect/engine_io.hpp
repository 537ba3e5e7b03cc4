// SPDX-License-Identifier: Apache-2.0
// Engine.IO v4: packets, and the machine behind all sessions of one endpoint. Requests and WebSockets of a
// shell in; answers, frames and closes for it out, as values. Pure: no clock, no socket, one thread.
// Source: github.com/socketio/engine.io-protocol, and what its clients rely on.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/address.hpp>
#include <turnstone/base/deadline_queue.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/base/slot_map.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/dialect/counters.hpp>
#include <turnstone/dialect/options.hpp>

namespace ts::dialect {

/// The largest message and POST of a session that is a stranger yet.
inline constexpr std::uint32_t kMaxStrangerBytes = 65'536;

enum class EngineType : std::uint8_t { Open, Close, Ping, Pong, Message, Upgrade, Noop };

/// One packet; `data` is a view into what it was read from. Binary ones are messages.
struct EnginePacket {
  EngineType type = EngineType::Noop;
  bool binary = false;
  std::string_view data;
};

/// A packet as it goes onto a WebSocket: text with its type in front, or the raw bytes of a binary message.
/// Shared by all receivers of a broadcast.
struct EngineWire {
  std::shared_ptr<const std::string> bytes;
  bool binary = false;
};

/// A text packet that is no base64; nothing when its type is unknown or it is empty.
std::optional<EnginePacket> parse_engine_packet(std::string_view text) noexcept;

/// Takes the packets of a polling payload one after another.
class EnginePayload {
 public:
  explicit EnginePayload(std::string_view payload) noexcept : rest_(payload) {}
  bool done() const noexcept { return ended_; }
  /// The next packet, valid until the next call; nothing: what is there is no packet.
  std::optional<EnginePacket> next();

 private:
  std::string_view rest_;
  bool ended_ = false;
  std::string binary_;
};

/// Appends a packet to a polling payload.
void append_engine_packet(std::string& payload, const EngineWire& packet);

/// Names of the shell for a request that waits for its answer, and for a WebSocket. Never used twice, never
/// 0.
using EngineRequestId = std::uint64_t;
using EngineSocketId = std::uint64_t;

/// What the query said; empty when it is absent.
struct EngineQuery {
  std::string eio;
  std::string transport;
  std::string sid;
};

/// Why there is no session for a request.
struct EngineRefusal {
  EngineError error = EngineError::BadRequest;
  /// HTTP: 400, 403, 413 or 503.
  unsigned status() const noexcept;
  /// For people, and the body of a refused WebSocket. Static.
  std::string_view message() const noexcept;
  /// `{"code":…,"message":…}`.
  std::string json() const;
};

/// Answers a request with packets (GET), or with "ok" (POST).
struct EngineAnswer {
  EngineRequestId request = 0;
  bool post = false;
  std::string payload;
};
struct EngineReject {
  EngineRequestId request = 0;
  EngineRefusal refusal;
};
struct EngineFrame {
  EngineSocketId socket = 0;
  EngineWire wire;
};
/// Sends what was queued, then closes the WebSocket.
struct EngineCloseSocket {
  EngineSocketId socket = 0;
};
using EngineAction = std::variant<EngineAnswer, EngineReject, EngineFrame, EngineCloseSocket>;
/// In the order in which they must reach each socket.
using EngineActions = std::vector<EngineAction>;

/// Names a session; never valid again after it ended.
using EngineSession = SlotHandle;

class EngineIo {
 public:
  /// What runs on top. Calls may send and close as they like, but not give the machine input.
  class Upper {
   public:
    Upper() = default;
    Upper(const Upper&) = delete;
    Upper& operator=(const Upper&) = delete;
    virtual ~Upper() = default;
    virtual void engine_opened(const Now& now, EngineSession session) = 0;
    /// `data` is valid during the call.
    virtual void engine_message(const Now& now, EngineSession session, bool binary,
                                std::string_view data) = 0;
    /// A heartbeat came.
    virtual void engine_alive(const Now& now, EngineSession session) = 0;
    /// Nothing can be sent any more.
    virtual void engine_closed(const Now& now, EngineSession session, EngineEnd why) = 0;
  };

  /// Copies the options; the others must outlive this object.
  EngineIo(const SocketIoOptions& options, RandomSource& random, Upper& upper);
  EngineIo(const EngineIo&) = delete;
  EngineIo& operator=(const EngineIo&) = delete;

  /// Before the first session: what their ids begin with, so that other nodes know whose they are.
  void set_mark(std::string mark) { mark_ = std::move(mark); }

  // Polling. Every request is answered by an action, at once or later, unless it is said to be gone.

  void get(const Now& now, EngineRequestId request, const EngineQuery& query, const IpAddress& source);
  /// The head of a POST is there. With a refusal its body need not be read, and the request is forgotten.
  std::optional<EngineRefusal> post_begins(const Now& now, EngineRequestId request, const EngineQuery& query);
  /// Its body, at most max_payload bytes.
  void post(const Now& now, EngineRequestId request, std::string_view body);
  /// Its body was larger than max_payload, or of a wrong kind: the shell has refused it.
  void post_refused(EngineRequestId request, EngineError why) noexcept;
  /// The client is gone before the answer.
  void request_gone(const Now& now, EngineRequestId request);
  /// What the body of this POST, which has begun, may be at most.
  std::size_t max_body_bytes(EngineRequestId request) const noexcept;
  /// Counts a refusal of the shell's own making, or of a method that is not GET or POST.
  EngineRefusal refuse(EngineError why) noexcept;

  // WebSockets.

  /// May this upgrade be accepted? With a session id that is in use already: yes, and it will be closed.
  std::optional<EngineRefusal> check_upgrade(const Now& now, const EngineQuery& query);
  void socket_opened(const Now& now, EngineSocketId socket, const EngineQuery& query,
                     const IpAddress& source);
  /// A message, whole. Text must be UTF-8.
  void socket_message(const Now& now, EngineSocketId socket, bool binary, std::string_view data);
  /// The largest message that this WebSocket may bring: kMaxStrangerBytes at first, perhaps.
  std::size_t max_message_bytes(EngineSocketId socket) const noexcept;
  /// It is gone, or the shell is closing it.
  void socket_closed(const Now& now, EngineSocketId socket, EngineEnd why);

  // For what runs on top.

  /// Queues a message (`text` begins with '4'). Of an ended session: dropped.
  void send(EngineSession session, const EngineWire& message);
  /// Ends the session when what was sent is on its way. The upper side is told before this returns.
  void close(const Now& now, EngineSession session, EngineEnd why);
  /// A ping out of turn: engine_alive() follows soon if the client is there.
  void probe(const Now& now, EngineSession session);
  /// The session's client has shown nothing yet (said in engine_opened()), or has now. Strangers may send no
  /// more than kMaxStrangerBytes at once, and take half of all sessions together at most.
  void set_stranger(EngineSession session, bool stranger) noexcept;
  /// A number of the upper side's own; 0 at first.
  std::uint64_t* user(EngineSession session) noexcept;
  /// Where its client came from; unspecified when it is gone.
  IpAddress address(EngineSession session) const noexcept;

  // Time and the end.

  std::optional<TimePoint> next_deadline() const noexcept { return deadlines_.next(); }
  void tick(const Now& now);
  /// No new sessions from now on.
  void drain() noexcept { draining_ = true; }
  void undrain() noexcept { draining_ = false; }
  /// Ends all sessions.
  void close_all(const Now& now);

  /// Carries out what was put off while inputs were dealt with, and hands over what the shell is to do. After
  /// every input, and after the upper side sent something on its own account.
  EngineActions take_actions(const Now& now);

  const SocketIoOptions& options() const noexcept { return options_; }
  const EngineCounters& counters() const noexcept { return counters_; }
  std::size_t session_count() const noexcept { return sessions_.size(); }

 private:
  static constexpr std::size_t kSidBytes = 15;

  struct Session {
    std::array<std::uint8_t, kSidBytes> key{};
    EngineTransport transport = EngineTransport::Polling;
    /// Closed by us; only a polling client's last packets are left.
    bool closing = false;
    bool ended = false;
    bool awaiting_pong = false;
    bool probed = false;
    bool dirty = false;
    bool stranger = false;
    IpAddress address;
    std::uint64_t source = 0;
    std::uint64_t user = 0;
    EngineRequestId get = 0;
    EngineRequestId post = 0;
    EngineSocketId socket = 0;
    EngineSocketId probe = 0;
    /// Of the next ping, the pong, or the end of closing.
    TimePoint due{};
    TimePoint upgrade_due{};
    TimePoint armed{};
    std::size_t queued_bytes = 0;
    std::vector<EngineWire> queue;
  };
  struct Hash {
    using is_avalanching = void;
    std::uint64_t seed = 0;
    std::size_t operator()(std::uint64_t number) const noexcept { return mix64(number, seed); }
  };
  template <class Value>
  using Table = boost::unordered_flat_map<std::uint64_t, Value, Hash>;

  EngineSession find(const Now& now, std::string_view sid);
  EngineSession of(const Table<EngineSession>& table, std::uint64_t id) const noexcept;
  std::optional<EngineError> check(const Now& now, const EngineQuery& query, bool get, bool upgrade);
  std::optional<EngineError> admit(EngineTransport transport, std::uint64_t source) noexcept;
  EngineSession open(const Now& now, EngineTransport transport, const IpAddress& from);
  void greet(const Now& now, EngineSession at);
  void reject(EngineRequestId request, EngineError why);
  void answer(EngineRequestId& request, std::string payload);
  void packet(const Now& now, EngineSession at, const EnginePacket& packet);
  void probe_message(EngineSession at, bool binary, std::string_view data);
  void switch_over(EngineSession at, Session& s);
  void flush(const Now& now, EngineSession at);
  void end(const Now& now, EngineSession at, EngineEnd why, char last);
  void tell_end(const Now& now, EngineSession at, EngineEnd why);
  void erase(EngineSession at);
  void close_socket(EngineSocketId& socket);
  void leave_source(Session& s) noexcept;
  std::size_t most_of(const Session* s) const noexcept;
  std::string open_packet(const Session& s) const;
  void arm(EngineSession at, Session& s, bool popped);
  void look(const Now& now, EngineSession at);
  void mark(EngineSession at, Session& s);

  const SocketIoOptions options_;
  RandomSource& random_;
  Upper& upper_;
  EngineCounters counters_;
  std::string mark_;
  bool draining_ = false;
  std::size_t strangers_ = 0;
  Hash hash_;
  SlotMap<Session> sessions_;
  Table<EngineSession> by_key_;
  Table<EngineSession> requests_;
  Table<EngineSession> sockets_;
  Table<std::uint32_t> sources_;
  DeadlineQueue<EngineSession> deadlines_;
  std::vector<EngineSession> dirty_;
  EngineActions actions_;
  EngineWire ping_;
};

}  // namespace ts::dialect
