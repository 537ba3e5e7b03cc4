// SPDX-License-Identifier: Apache-2.0
// HttpServer: HTTP/1.1 and WebSocket signaling on streams that others accepted. Owns their sockets from
// serve() on. Everything on one thread: the one that runs its io_context. RFC 9110, 9112, 6455.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <turnstone/base/address.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/net/stream.hpp>
#include <turnstone/signal/outbox.hpp>

namespace ts::dialect {
class EngineIo;
class Native;
class PeerJs;
}  // namespace ts::dialect
namespace ts::signal {
class Router;
}

namespace ts::net {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  /// Of the target, not decoded; always begins with '/'.
  std::string path;
  /// Of the target, not decoded, without '?'; may be empty.
  std::string query;
  HttpFields fields;
  std::string body;
  Endpoint remote;
  Endpoint local;
  bool tls = false;

  /// The first field of that name (any case); empty when there is none. Valid as long as this object.
  std::string_view header(std::string_view name) const noexcept;
  /// A query parameter, percent-decoded; nothing when it is absent or not well-formed.
  std::optional<std::string> parameter(std::string_view name) const;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  /// When not empty, sent in place of `body`; must live as long as the program.
  std::string_view static_body;
  /// Added to the ones that every response has, or taken in their place (Content-Security-Policy,
  /// Cache-Control).
  HttpFields fields;
  /// Strangers get it too: it makes nobody welcome (HttpOptions::strangers_give_way).
  bool for_strangers = false;

  // Constructors, since g++ 12 must not see an aggregate temporary in a co_await expression.
  HttpResponse() = default;
  HttpResponse(unsigned s, std::string type, std::string text)
      : status(s), content_type(std::move(type)), body(std::move(text)) {}
};

struct Asset;
/// An embedded file as the answer to this request: GET and HEAD, entity tags, compressed where that is taken.
HttpResponse asset_response(const Asset& asset, const HttpRequest& request);

/// Makes the response to a GET (HEAD is answered from it). The request lives until the coroutine ends. May
/// suspend for as long as it likes; must resume on the server's thread. An exception becomes a 500.
using HttpHandler = std::function<boost::asio::awaitable<HttpResponse>(const HttpRequest&)>;

/// What GET /turn hands out (draft-uberti-behave-turn-rest-00 §2.2).
struct TurnCredential {
  std::string username;
  std::string password;
  std::chrono::seconds ttl{0};
  std::vector<std::string> uris;
};

/// Who asks /turn for one. Views live as long as the call.
struct TurnQuestion {
  /// Of `Authorization: Bearer` or `key`; may be empty.
  std::string_view token;
  /// `username`; may be empty.
  std::string_view user;
  /// The session of signaling that it is for, and what proves it; may be empty.
  std::string_view sid;
  std::string_view session_key;
};

/// Why there is none; static texts.
struct TurnRefusal {
  unsigned status = 0;
  std::string_view code;
  std::string_view message;
};

/// What the composition provides. An empty one: 404.
struct HttpHandlers {
  HttpHandler metrics;
  HttpHandler health;
  HttpHandler ready;
  /// For /turn. It decides who gets what.
  std::function<Result<TurnCredential, TurnRefusal>(const TurnQuestion& question)> mint;
  /// For /connections?room=: JSON. An empty room is the default one.
  std::function<std::string(std::string_view room)> connections;
  /// Takes every request, whatever its method and path; then nothing else of this is looked at.
  HttpHandler any;
};

/// Where an Engine.IO machine is reached, and by whom. It must outlive the server.
struct EngineMount {
  /// Begins and ends with '/'; the last one may be missing in requests.
  std::string path;
  dialect::EngineIo* engine = nullptr;
  /// Origins of web pages that may use it, besides pages of this host; "*" is any.
  std::vector<std::string> allowed_origins;
  bool any_origin = false;
  /// CORS: pages may send cookies.
  bool credentials = false;
  /// Of the machine and what runs on top of it.
  std::function<std::optional<TimePoint>()> next_deadline;
  std::function<void(const Now&)> tick;
};

/// Where PeerJS clients find their server. It must outlive the HTTP server.
struct PeerJsMount {
  /// Begins and ends with '/'.
  std::string path;
  dialect::PeerJs* dialect = nullptr;
};

class Forwarder;

struct HttpOptions {
  /// Serves src/web: demo and client. The console is the admin listener's alone.
  bool assets = true;
  /// Who may read /metrics, compared with the unmapped source address; others get 403.
  std::vector<IpNetwork> metrics_allow_from;
  /// Lets everybody read /connections.
  bool public_connections = false;

  /// Connections at once; what comes beyond is closed. 0 is no limit.
  std::size_t max_connections = 0;
  /// Then the oldest one that has got nothing but refusals is closed in place of the newcomer.
  bool strangers_give_way = false;
  std::size_t max_header_bytes = 16'384;
  std::size_t max_body_bytes = 65'536;
  /// Time for a request's header from its first byte on; for its body; for the next request to begin; for a
  /// client to take a response; and for a closing handshake.
  std::chrono::milliseconds header_timeout{15'000};
  std::chrono::milliseconds body_timeout{30'000};
  std::chrono::milliseconds idle_timeout{60'000};
  std::chrono::milliseconds write_timeout{60'000};
  std::chrono::milliseconds close_timeout{5'000};
  /// Replaces signal::Options::heartbeat for WebSocket pings when not zero (tests).
  std::chrono::milliseconds ping_interval{0};
};

/// Plain integers of the server's thread.
struct HttpCounters {
  // By [plain, TLS]. The second is a gauge; WebSockets are among them.
  std::array<std::uint64_t, 2> streams_accepted{};
  std::array<std::uint64_t, 2> streams_open{};
  /// Gauge.
  std::uint64_t websockets_open = 0;
  /// Responses by status / 100; 101 Switching Protocols is [1], and [0] is never used.
  std::array<std::uint64_t, 6> responses{};
};

/// Serves streams; see the head of the file. All functions on the thread of its io_context, except that it
/// may be made and destroyed by anyone while no thread runs it.
class HttpServer {
 public:
  /// `native` and `router` may both be null: no signaling (then /v1/ws is 404). They, and what the handlers
  /// refer to, must outlive this object; handlers under way also need their world until the io_context is
  /// destroyed.
  HttpServer(boost::asio::io_context& context, HttpOptions options, HttpHandlers handlers,
             dialect::Native* native, signal::Router* router);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  /// stop(); what is left of the connections goes with the io_context.
  ~HttpServer();

  /// Before the first stream.
  void mount(EngineMount mount);
  void mount(PeerJsMount mount);
  /// Before the first stream: what belongs to other nodes goes through it, and comes through theirs. It must
  /// outlive the run of the io_context.
  void pass_on(const Forwarder& forwarder);
  /// What a call on the Router, made on top of a mounted machine, says to members of the native dialect.
  void deliver(const signal::Outbox& outbox);

  /// Serves a connected stream (TLS handshake done) until it ends. After close_all() or stop(): closes it.
  void serve(DetachedStream stream);

  /// Sends signaling members away, of all dialects; refuses new ones, and ends HTTP connections with their
  /// next response.
  void drain(const signal::Farewell& how);
  /// All are welcome again.
  void undrain();
  /// Closes what is left of signaling, of all dialects, with the code. HTTP goes on.
  void close_sessions(signal::CloseCode code);
  /// Sends what deliver() and mounted machines have to say, where no request of a client brought it about.
  void flush();
  /// From now on these hold (HttpOptions, signal::Options).
  void set_access(std::vector<IpNetwork> metrics_allow_from, const std::vector<std::string>& allowed_origins);
  /// Closes all connections in good manner: WebSockets with the code (Drain 1001 or Restart 1012), idle HTTP
  /// connections at once. Calls `done` on the server's thread when none is left, at the latest after `grace`
  /// (then the rest has been cut off). New streams are closed.
  void close_all(signal::CloseCode code, std::chrono::milliseconds grace, std::function<void()> done);
  /// Cuts all connections off, now. Idempotent.
  void stop() noexcept;

  HttpCounters counters() const noexcept;
  /// Connections that are not yet gone.
  std::size_t connection_count() const noexcept;

  class Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace ts::net
