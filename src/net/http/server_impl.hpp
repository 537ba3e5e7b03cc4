// SPDX-License-Identifier: Apache-2.0
// What the connections of an HttpServer share: options, routes, the dialect and who is there. One thread.
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/dialect/native.hpp>
#include <turnstone/dialect/peerjs.hpp>
#include <turnstone/net/forwarder.hpp>
#include <turnstone/net/http_server.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::net {

inline constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

class Cork;
class EngineEndpoint;
class EventStreams;
class SilenceWatch;

/// A page of this request's own host, one of `allowed` ("*": any), or no page at all.
bool origin_is_allowed(const HttpRequest& request, const std::vector<std::string>& allowed);

/// A connection as the server sees it.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;
  /// Closes the socket at once.
  virtual void cut() noexcept = 0;
  /// The server closes: end when idle. WebSockets are told by the dialect instead.
  virtual void retire() noexcept = 0;

  /// In the order of their coming.
  std::uint64_t number = 0;
  /// It was answered with more than a refusal.
  bool welcome = false;
  /// It was closed to make room.
  bool gave_way = false;
};

/// What is spoken over a WebSocket that knows only texts.
enum class Spoken : std::uint8_t { Native, PeerJs };

/// An open WebSocket, or what takes its place.
class Socket : public Connection {
 public:
  explicit Socket(Spoken language) noexcept : spoken(language) {}
  const Spoken spoken;
  /// Queues a text message, whose number in its session is `number` (0: it has none); what waits to be sent
  /// by then, in bytes.
  virtual std::size_t send(std::string_view text, std::uint64_t number) = 0;
  /// Sends what is queued and begins the closing handshake. Idempotent.
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
};

class HttpServer::Impl : public std::enable_shared_from_this<HttpServer::Impl> {
 public:
  Impl(asio::io_context& io, HttpOptions http, HttpHandlers provided, dialect::Native* dialect,
       signal::Router* core);
  ~Impl();

  /// Any request but a WebSocket's. The request must live until the coroutine has ended.
  asio::awaitable<HttpResponse> respond(const HttpRequest& request);
  /// Why a request must not become a WebSocket; nothing when it may.
  std::optional<HttpResponse> refuse_websocket(const HttpRequest& request, Spoken spoken) const;

  void mount(EngineMount mount);
  void mount(PeerJsMount mount);
  /// What WebSockets speak at this path; nothing: there is none.
  std::optional<Spoken> spoken_at(std::string_view path) const noexcept;
  /// The machine at this path; null: there is none.
  EngineEndpoint* engine_at(std::string_view path) noexcept;
  /// Native sessions without WebSockets. Only with signaling.
  EventStreams& events() noexcept { return *events_; }
  bool is_events(const HttpRequest& request) const noexcept;
  /// Of what is posted to this path.
  std::size_t max_body_bytes(const HttpRequest& request) const noexcept;
  /// Hands the native dialect what somebody else's call on the Router says to its members.
  void deliver(const signal::Outbox& outbox);
  /// Hands what is to be said to the sockets and plans the next tick.
  void deliver(const Now& now);
  /// Room that a reader may use until it returns to the loop.
  MutableBytes scratch();
  /// A buffer for what waits to be written, and back when nothing does: busy ones are warm, idle ones have
  /// none.
  std::string take_buffer() noexcept;
  void give_buffer(std::string&& buffer) noexcept;
  /// Who is pinged when nothing comes.
  SilenceWatch& silence() noexcept { return *silence_; }
  /// Of what signaling speaks: pings after this much silence; 0: never.
  std::chrono::milliseconds beat() const noexcept;

  /// Whether there is room for one more connection, or somebody has made it.
  bool has_room() noexcept;
  void add(Connection& connection, bool tls);
  void remove(Connection& connection, bool tls) noexcept;
  void count(unsigned status) noexcept { ++counters.responses[status / 100 < 6 ? status / 100 : 0]; }

  // Signaling. Ids are never used twice.
  signal::ConnectionId socket_opened(Socket& socket, const Endpoint& remote,
                                     const dialect::PeerJsQuery& query, std::string_view origin);
  void socket_text(signal::ConnectionId id, const Socket& socket, std::string_view text);
  void socket_alive(signal::ConnectionId id, const Socket& socket) noexcept;
  void socket_closed(signal::ConnectionId id, const Socket& socket, signal::CloseReason reason);
  /// For a session that ends in an exception: its socket is not used again. The dialect notices the silence.
  void forget(signal::ConnectionId id) noexcept {
    if (sockets_.erase(id) != 0) --counters.websockets_open;
  }

  /// Has it written before long, together with what else this turn brings.
  void flush_soon(std::shared_ptr<Cork> cork);

  /// Only with signaling.
  const signal::Options& signal_options() const noexcept { return router_->options(); }

  void drain(const signal::Farewell& how);
  void undrain();
  void close_sessions(signal::CloseCode code);
  void set_access(std::vector<IpNetwork> metrics_allow_from, const std::vector<std::string>& allowed_origins);
  void close_all(signal::CloseCode code, std::chrono::milliseconds grace, std::function<void()> done);
  void stop() noexcept;
  /// stop(), and nobody waits for the end.
  void abandon() noexcept;

  asio::io_context& context;
  HttpOptions options;
  const HttpHandlers handlers;
  HttpCounters counters;
  /// Null: there are no other nodes, or nothing is passed on to them.
  std::shared_ptr<Forwarder::Impl> forwarder;
  bool draining = false;
  bool closing = false;
  bool stopped = false;

  std::size_t connection_count() const noexcept { return connections_.size(); }

 private:
  asio::awaitable<HttpResponse> handle(const HttpHandler& handler, const HttpRequest& request);
  HttpResponse turn(const HttpRequest& request);
  HttpResponse connections(const HttpRequest& request) const;
  /// Nothing: the path is not PeerJS's.
  std::optional<HttpResponse> peerjs(const HttpRequest& request) const;
  void deliver_frames(const Now& now);
  std::optional<TimePoint> next_deadline() const;
  void tick(const Now& now);
  void plan_tick(const Now& now);
  void flush_turn();
  void finish_if_empty() noexcept;

  dialect::Native* native_;
  signal::Router* router_;
  dialect::Frames frames_;
  std::vector<std::unique_ptr<EngineEndpoint>> engines_;
  PeerJsMount peerjs_;
  std::unique_ptr<EventStreams> events_;
  bool delivering_ = false;
  std::vector<std::uint8_t> scratch_;
  std::vector<std::string> buffers_;
  std::shared_ptr<SilenceWatch> silence_;
  signal::ConnectionId last_id_ = 0;
  boost::unordered_flat_map<signal::ConnectionId, Socket*> sockets_;
  std::unordered_set<Connection*> connections_;
  std::uint64_t last_connection_ = 0;

  asio::steady_timer tick_timer_;
  std::optional<TimePoint> planned_;

  std::vector<std::shared_ptr<Cork>> corks_;
  bool flush_planned_ = false;
  std::uint64_t produced_ = 0;
  std::uint64_t produced_before_ = 0;
  int hops_ = 0;
  int quiet_hops_ = 0;

  asio::steady_timer grace_timer_;
  std::function<void()> done_;
};

}  // namespace ts::net
