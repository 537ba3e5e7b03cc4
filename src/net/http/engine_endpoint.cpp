// SPDX-License-Identifier: Apache-2.0
#include "engine_endpoint.hpp"

#include <algorithm>
#include <utility>

#include <turnstone/base/hash.hpp>
#include <turnstone/net/clock.hpp>

#include "engine_socket.hpp"
#include "http_text.hpp"
#include "server_impl.hpp"

namespace ts::net {

using dialect::EngineEnd;
using dialect::EngineError;
using dialect::EngineRefusal;

namespace {

HttpResponse refused(const EngineRefusal& refusal) {
  return HttpResponse(refusal.status(), "application/json", refusal.json());
}

/// As the reference does it: text, and the connection ends.
HttpResponse refused_upgrade(const EngineRefusal& refusal) {
  return HttpResponse(refusal.status(), "text/html", std::string(refusal.message()));
}

}  // namespace

std::size_t EngineEndpoint::max_body_bytes(const EngineExchange& exchange) const noexcept {
  constexpr std::size_t kRefusedBytes = 4096;
  return exchange.response ? kRefusedBytes : mount_.engine->max_body_bytes(exchange.id);
}

EngineEndpoint::EngineEndpoint(HttpServer::Impl& server, EngineMount mount)
    : server_(server), mount_(std::move(mount)) {}

bool EngineEndpoint::serves(std::string_view path) const noexcept {
  const std::string_view own = mount_.path;
  return path == own || path == own.substr(0, own.size() - 1);
}

dialect::EngineQuery EngineEndpoint::query_of(const HttpRequest& request) {
  return {request.parameter("EIO").value_or(""), request.parameter("transport").value_or(""),
          request.parameter("sid").value_or("")};
}

bool EngineEndpoint::allows_origin(const HttpRequest& request) const {
  return mount_.any_origin || origin_is_allowed(request, mount_.allowed_origins);
}

void EngineEndpoint::decorate(const HttpRequest& request, HttpResponse& response) const {
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || !allows_origin(request)) return;
  const bool any =
      mount_.any_origin || std::find(mount_.allowed_origins.begin(), mount_.allowed_origins.end(), "*") !=
                               mount_.allowed_origins.end();
  if (any && !mount_.credentials) {
    response.fields.emplace_back("Access-Control-Allow-Origin", "*");
    return;
  }
  response.fields.emplace_back("Access-Control-Allow-Origin", origin);
  response.fields.emplace_back("Vary", "Origin");
  if (mount_.credentials) response.fields.emplace_back("Access-Control-Allow-Credentials", "true");
}

HttpResponse EngineEndpoint::preflight(const HttpRequest& request) const {
  HttpResponse out(204, {}, {});
  out.fields.emplace_back("Access-Control-Allow-Methods", "GET,POST");
  const std::string_view asked = request.header("Access-Control-Request-Headers");
  if (!asked.empty()) {
    out.fields.emplace_back("Access-Control-Allow-Headers", asked);
    out.fields.emplace_back("Vary", "Access-Control-Request-Headers");
  }
  out.fields.emplace_back("Access-Control-Max-Age", "7200");
  return out;
}

// Requests.

std::shared_ptr<EngineExchange> EngineEndpoint::begin(const HttpRequest& request) {
  auto exchange = std::make_shared<EngineExchange>(server_.context);
  const Now at = now();
  dialect::EngineIo& engine = *mount_.engine;
  exchange->id = ++last_id_;
  if (request.method == "OPTIONS") {
    exchange->response = preflight(request);
  } else if (!allows_origin(request)) {
    exchange->response = refused(engine.refuse(EngineError::Forbidden));
  } else if (request.method == "POST") {
    const auto refusal = engine.post_begins(at, exchange->id, query_of(request));
    if (refusal) {
      exchange->response = refused(*refusal);
    } else if (http_text::equal_ignoring_case(request.header("Content-Type").substr(0, 24),
                                              "application/octet-stream")) {
      engine.post_refused(exchange->id, EngineError::BadRequest);
      exchange->response = refused(EngineRefusal{EngineError::BadRequest});
    }
  } else if (request.method != "GET") {
    const bool opens = query_of(request).sid.empty();
    exchange->response =
        refused(engine.refuse(opens ? EngineError::BadHandshakeMethod : EngineError::BadRequest));
  }
  if (!exchange->response) exchanges_.emplace(exchange->id, exchange.get());
  server_.deliver(at);
  return exchange;
}

void EngineEndpoint::finish(const HttpRequest& request, EngineExchange& exchange) {
  if (exchange.response) return;
  const Now at = now();
  if (request.method == "POST") {
    mount_.engine->post(at, exchange.id, request.body);
  } else {
    mount_.engine->get(at, exchange.id, query_of(request), request.remote.address);
  }
  server_.deliver(at);
}

void EngineEndpoint::abandon(EngineExchange& exchange, bool too_large) {
  if (exchanges_.erase(exchange.id) == 0) return;
  const Now at = now();
  if (too_large) {
    mount_.engine->post_refused(exchange.id, EngineError::TooLarge);
  } else {
    mount_.engine->request_gone(at, exchange.id);
  }
  server_.deliver(at);
}

std::optional<HttpResponse> EngineEndpoint::refuse_upgrade(const HttpRequest& request) {
  dialect::EngineIo& engine = *mount_.engine;
  if (!allows_origin(request)) return refused_upgrade(engine.refuse(EngineError::Forbidden));
  const auto key = base64_decode(request.header("Sec-WebSocket-Key"));
  if (request.method != "GET" || !key || key->size() != 16 ||
      request.header("Sec-WebSocket-Version") != "13") {
    HttpResponse out = refused_upgrade(engine.refuse(EngineError::BadRequest));
    out.fields.emplace_back("Sec-WebSocket-Version", "13");
    return out;
  }
  const auto refusal = engine.check_upgrade(now(), query_of(request));
  if (refusal) return refused_upgrade(*refusal);
  return std::nullopt;
}

// WebSockets.

dialect::EngineSocketId EngineEndpoint::socket_opened(const std::shared_ptr<EngineSocket>& socket,
                                                      const HttpRequest& request) {
  const Now at = now();
  const dialect::EngineSocketId id = ++last_id_;
  sockets_.emplace(id, socket);
  mount_.engine->socket_opened(at, id, query_of(request), request.remote.address);
  server_.deliver(at);
  return id;
}

void EngineEndpoint::socket_message(dialect::EngineSocketId id, bool binary, std::string_view data) {
  const Now at = now();
  mount_.engine->socket_message(at, id, binary, data);
  server_.deliver(at);
}

void EngineEndpoint::socket_closed(dialect::EngineSocketId id, EngineEnd why) {
  if (sockets_.erase(id) == 0) return;
  const Now at = now();
  mount_.engine->socket_closed(at, id, why);
  server_.deliver(at);
}

// What the machine wants.

bool EngineEndpoint::carry_out(const Now& at) {
  const dialect::EngineActions actions = mount_.engine->take_actions(at);
  for (const dialect::EngineAction& action : actions) {
    std::visit([this](const auto& a) { perform(a); }, action);
  }
  const bool any = !actions.empty() || !slow_.empty();
  for (const dialect::EngineSocketId id : std::exchange(slow_, {})) {
    const auto found = sockets_.find(id);
    if (found == sockets_.end()) continue;
    if (const auto socket = found->second.lock()) socket->cut();
    sockets_.erase(id);
    mount_.engine->socket_closed(at, id, EngineEnd::SlowConsumer);
  }
  return any;
}

void EngineEndpoint::respond(dialect::EngineRequestId id, HttpResponse response) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  EngineExchange& exchange = *found->second;
  exchanges_.erase(found);
  exchange.response = std::move(response);
  exchange.wake.cancel();
}

void EngineEndpoint::perform(const dialect::EngineAnswer& action) {
  HttpResponse out(200, action.post ? "text/html" : "text/plain; charset=UTF-8", action.payload);
  out.fields.emplace_back("Cache-Control", "no-store");
  respond(action.request, std::move(out));
}

void EngineEndpoint::perform(const dialect::EngineReject& action) {
  respond(action.request, refused(action.refusal));
}

void EngineEndpoint::perform(const dialect::EngineFrame& action) {
  const auto found = sockets_.find(action.socket);
  if (found == sockets_.end()) return;
  const auto socket = found->second.lock();
  if (socket && !socket->send(action.wire.binary, *action.wire.bytes)) slow_.push_back(action.socket);
}

void EngineEndpoint::perform(const dialect::EngineCloseSocket& action) {
  const auto found = sockets_.find(action.socket);
  if (found == sockets_.end()) return;
  const auto socket = found->second.lock();
  sockets_.erase(found);
  if (socket) socket->close();
}

}  // namespace ts::net
