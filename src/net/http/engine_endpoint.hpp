// SPDX-License-Identifier: Apache-2.0
// EngineEndpoint: what an Engine.IO machine wants, carried out on HTTP requests and WebSockets; and what
// belongs to HTTP alone: query, CORS, origins. On the server's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/dialect/engine_io.hpp>
#include <turnstone/net/http_server.hpp>

namespace ts::net {

class EngineSocket;

/// A request that waits for its answer.
struct EngineExchange {
  explicit EngineExchange(asio::io_context& context) : wake(context, asio::steady_timer::time_point::max()) {}
  dialect::EngineRequestId id = 0;
  bool gone = false;
  std::optional<HttpResponse> response;
  asio::steady_timer wake;
};

class EngineEndpoint {
 public:
  EngineEndpoint(HttpServer::Impl& server, EngineMount mount);

  bool serves(std::string_view path) const noexcept;
  /// Of a request whose response is there already no body is read, or hardly any.
  std::size_t max_body_bytes(const EngineExchange& exchange) const noexcept;
  /// Of what this WebSocket may send now.
  std::size_t max_message_bytes(dialect::EngineSocketId id) const noexcept {
    return mount_.engine->max_message_bytes(id);
  }
  /// Of what any WebSocket may send ever.
  std::size_t max_payload_bytes() const noexcept { return mount_.engine->options().max_payload; }
  /// What may wait for one WebSocket.
  std::size_t max_queue_bytes() const noexcept { return mount_.engine->options().max_send_queue_bytes; }
  /// An answer comes by then: a heartbeat, or the end.
  std::chrono::milliseconds longest_wait() const noexcept {
    return 2 * (mount_.engine->options().ping_interval + mount_.engine->options().ping_timeout);
  }

  // Requests.

  /// Pages of this origin, or no page at all.
  bool allows_origin(const HttpRequest& request) const;
  /// The head of a request is there. A POST that is refused here already has its response.
  std::shared_ptr<EngineExchange> begin(const HttpRequest& request);
  /// The request is whole. Its response is there now, or wakes the exchange later.
  void finish(const HttpRequest& request, EngineExchange& exchange);
  /// The client is gone, or its body was too large (then the shell has answered).
  void abandon(EngineExchange& exchange, bool too_large);
  /// Adds the CORS fields.
  void decorate(const HttpRequest& request, HttpResponse& response) const;
  /// Why a request must not become a WebSocket.
  std::optional<HttpResponse> refuse_upgrade(const HttpRequest& request);

  // WebSockets.

  dialect::EngineSocketId socket_opened(const std::shared_ptr<EngineSocket>& socket,
                                        const HttpRequest& request);
  void socket_message(dialect::EngineSocketId id, bool binary, std::string_view data);
  void socket_closed(dialect::EngineSocketId id, dialect::EngineEnd why);

  // The server.

  /// Does what the machine wants by now; true when there was something.
  bool carry_out(const Now& now);
  std::optional<TimePoint> next_deadline() const { return mount_.next_deadline(); }
  void tick(const Now& now) { mount_.tick(now); }
  void drain() { mount_.engine->drain(); }
  void undrain() { mount_.engine->undrain(); }
  void allow_origins(const std::vector<std::string>& origins) { mount_.allowed_origins = origins; }
  void close_all(const Now& now) { mount_.engine->close_all(now); }
  HttpServer::Impl& server() noexcept { return server_; }

 private:
  static dialect::EngineQuery query_of(const HttpRequest& request);
  HttpResponse preflight(const HttpRequest& request) const;
  void respond(dialect::EngineRequestId id, HttpResponse response);
  void perform(const dialect::EngineAnswer& action);
  void perform(const dialect::EngineReject& action);
  void perform(const dialect::EngineFrame& action);
  void perform(const dialect::EngineCloseSocket& action);

  HttpServer::Impl& server_;
  EngineMount mount_;
  std::uint64_t last_id_ = 0;
  boost::unordered_flat_map<dialect::EngineRequestId, EngineExchange*> exchanges_;
  boost::unordered_flat_map<dialect::EngineSocketId, std::weak_ptr<EngineSocket>> sockets_;
  std::vector<dialect::EngineSocketId> slow_;
};

}  // namespace ts::net
