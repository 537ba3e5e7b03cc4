// SPDX-License-Identifier: Apache-2.0
// Which path answers what. Knows no socket.
#include <algorithm>

#include <turnstone/base/hash.hpp>
#include <turnstone/net/assets.hpp>

#include "event_streams.hpp"
#include "http_text.hpp"
#include "server_impl.hpp"

namespace ts::net {
namespace {

constexpr std::size_t kMaxTurnUserBytes = 128;
constexpr std::string_view kRead = "GET, HEAD";
constexpr std::string_view kReadOrAsk = "GET, HEAD, OPTIONS";
constexpr std::string_view kTurnMethods = "GET, HEAD, POST, OPTIONS";

bool is_read(const HttpRequest& request) noexcept {
  return request.method == "GET" || request.method == "HEAD";
}

HttpResponse not_found() { return http_text::error(404, "not_found", "there is nothing here"); }

HttpResponse not_allowed(std::string_view allow) {
  HttpResponse out = http_text::error(405, "method_not_allowed", "this path knows other methods");
  out.fields.emplace_back("Allow", allow);
  return out;
}

void allow_any_origin(HttpResponse& response) {
  response.fields.emplace_back("Access-Control-Allow-Origin", "*");
}

/// A browser asks before it sends Authorization from another origin's page (CORS preflight).
HttpResponse preflight(std::string_view methods) {
  HttpResponse out(204, {}, {});
  allow_any_origin(out);
  out.fields.emplace_back("Access-Control-Allow-Methods", methods);
  out.fields.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type");
  out.fields.emplace_back("Access-Control-Max-Age", "86400");
  return out;
}

std::string to_json(const TurnCredential& credential) {
  std::string out = "{\"username\":" + http_text::json_string(credential.username) +
                    ",\"password\":" + http_text::json_string(credential.password) +
                    ",\"ttl\":" + std::to_string(credential.ttl.count()) + ",\"uris\":[";
  for (std::size_t i = 0; i < credential.uris.size(); ++i) {
    if (i != 0) out += ',';
    out += http_text::json_string(credential.uris[i]);
  }
  return out += "]}\n";
}

}  // namespace

HttpResponse asset_response(const Asset& asset, const HttpRequest& request) {
  const bool shared = asset.path.starts_with("/client/");
  if (shared && request.method == "OPTIONS") return preflight(kReadOrAsk);
  if (!is_read(request)) return not_allowed(shared ? kReadOrAsk : kRead);
  HttpResponse out;
  const bool packed = asset.gzip.size() < asset.body.size() &&
                      http_text::has_token(request.header("Accept-Encoding"), "gzip");
  std::string etag(asset.etag);
  if (packed) etag.insert(etag.size() - 1, "-gzip");  // RFC 9110 §8.8.3.3: another representation
  if (http_text::matches_etag(request.header("If-None-Match"), etag)) {
    out.status = 304;
  } else {
    out.content_type = asset.mime;
    out.static_body = packed ? asset.gzip : asset.body;
    if (packed) out.fields.emplace_back("Content-Encoding", "gzip");
  }
  out.fields.emplace_back("ETag", std::move(etag));
  out.fields.emplace_back("Vary", "Accept-Encoding");
  out.fields.emplace_back("Cache-Control", "no-cache");
  if (shared) allow_any_origin(out);
  return out;
}

asio::awaitable<HttpResponse> HttpServer::Impl::respond(const HttpRequest& request) {
  if (handlers.any) co_return co_await handle(handlers.any, request);
  const HttpHandler* handler = nullptr;
  bool hidden = false;
  if (request.path == "/metrics") {
    handler = &handlers.metrics;
    const IpAddress from = request.remote.address.unmapped();
    hidden = std::none_of(options.metrics_allow_from.begin(), options.metrics_allow_from.end(),
                          [&from](const IpNetwork& network) { return network.contains(from); });
  } else if (request.path == "/healthz") {
    handler = &handlers.health;
  } else if (request.path == "/readyz") {
    handler = &handlers.ready;
  }
  if (handler != nullptr && *handler) {
    if (hidden) co_return http_text::error(403, "forbidden", "metrics are not for this address");
    if (!is_read(request)) co_return not_allowed(kRead);
    co_return co_await handle(*handler, request);
  }
  if (request.path == "/connections" && handlers.connections) co_return connections(request);
  if (request.path == "/turn" && handlers.mint) co_return turn(request);
  if (request.path == "/v1/ws" && native_ != nullptr) {
    if (request.method != "GET") co_return not_allowed("GET");
    HttpResponse out = http_text::error(426, "upgrade_required", "this path speaks WebSocket only");
    out.fields.emplace_back("Upgrade", "websocket");
    co_return out;
  }
  if (is_events(request)) co_return events_->respond(request);
  const bool ours = options.assets && !request.path.starts_with(kConsolePath);
  const Asset* asset = ours ? find_asset(request.path) : nullptr;
  if (asset != nullptr) co_return asset_response(*asset, request);
  if (auto answer = peerjs(request)) co_return std::move(*answer);
  co_return not_found();
}

bool HttpServer::Impl::is_events(const HttpRequest& request) const noexcept {
  return events_ != nullptr && native_ != nullptr && !handlers.any && request.path == kEventsPath;
}

std::size_t HttpServer::Impl::max_body_bytes(const HttpRequest& request) const noexcept {
  return is_events(request) ? events_->max_body_bytes() : options.max_body_bytes;
}

asio::awaitable<HttpResponse> HttpServer::Impl::handle(const HttpHandler& handler,
                                                       const HttpRequest& request) {
  try {
    HttpResponse out = co_await handler(request);
    if (!http_text::has_field(out, "Cache-Control")) out.fields.emplace_back("Cache-Control", "no-store");
    co_return out;
  } catch (const std::exception&) {
  }
  co_return http_text::error(500, "internal", "internal error");
}

bool origin_is_allowed(const HttpRequest& request, const std::vector<std::string>& allowed) {
  const std::string_view origin = request.header("Origin");
  const auto is_origin = [&origin](const std::string& one) {
    return one == "*" || http_text::equal_ignoring_case(one, origin);
  };
  return origin.empty() || http_text::same_host(origin, request.header("Host")) ||
         std::any_of(allowed.begin(), allowed.end(), is_origin);
}

HttpResponse HttpServer::Impl::connections(const HttpRequest& request) const {
  if (!is_read(request)) return not_allowed(kRead);
  if (!options.public_connections) return http_text::error(403, "forbidden", "this list is not public");
  HttpResponse out(200, "application/json", handlers.connections(request.parameter("room").value_or("")));
  allow_any_origin(out);
  out.fields.emplace_back("Cache-Control", "no-store");
  return out;
}

std::optional<HttpResponse> HttpServer::Impl::refuse_websocket(const HttpRequest& request,
                                                               Spoken spoken) const {
  const signal::Options& rules = router_->options();
  if (!rules.open && !origin_is_allowed(request, rules.allowed_origins)) {
    return http_text::error(403, "forbidden", "pages of this origin may not use this server");
  }
  // RFC 6455 §4.4.
  if (request.header("Sec-WebSocket-Version") != "13") {
    HttpResponse out = http_text::error(426, "bad_request", "version 13 of WebSocket is spoken here");
    out.fields.emplace_back("Sec-WebSocket-Version", "13");
    return out;
  }
  // RFC 6455 §4.2.1: 16 bytes in base64.
  const auto key = base64_decode(request.header("Sec-WebSocket-Key"));
  if (!key || key->size() != 16)
    return http_text::error(400, "bad_request", "Sec-WebSocket-Key is not valid");
  if (spoken == Spoken::PeerJs) return std::nullopt;
  bool offered = false;
  for (const auto& [name, value] : request.fields) {
    if (!http_text::equal_ignoring_case(name, "Sec-WebSocket-Protocol")) continue;
    offered = true;
    if (http_text::has_token(value, dialect::kNativeSubprotocol)) return std::nullopt;
  }
  if (offered) return http_text::error(400, "bad_request", "subprotocol signal.v1+json is spoken here");
  return std::nullopt;
}

HttpResponse HttpServer::Impl::turn(const HttpRequest& request) {
  if (request.method == "OPTIONS") return preflight(kTurnMethods);
  const bool post = request.method == "POST";
  if (!post && !is_read(request)) return not_allowed(kTurnMethods);
  const bool form = post && http_text::equal_ignoring_case(request.header("Content-Type").substr(0, 33),
                                                           "application/x-www-form-urlencoded");
  const auto parameter = [&](std::string_view name) {
    auto value = request.parameter(name);
    if (!value && form) value = http_text::query_parameter(request.body, name);
    return value;
  };
  const auto answer = [&]() -> HttpResponse {
    if (parameter("service").value_or("turn") != "turn") {
      return http_text::error(400, "bad_request", "service: only turn is there");
    }
    const std::string user = parameter("username").value_or("");
    if (!user.empty() && !signal::valid_name(user, kMaxTurnUserBytes)) {
      return http_text::error(400, "bad_request", "username: not a valid name");
    }
    const std::string key = parameter("key").value_or("");
    const std::string sid = parameter("sid").value_or("");
    const std::string session_key = parameter("session_key").value_or("");
    constexpr std::string_view kScheme = "Bearer ";
    const std::string_view field = request.header("Authorization");
    const bool bearer = http_text::equal_ignoring_case(field.substr(0, kScheme.size()), kScheme);
    const std::string_view token = bearer ? field.substr(kScheme.size()) : std::string_view(key);
    const auto credential = handlers.mint(TurnQuestion{token, user, sid, session_key});
    if (credential) return HttpResponse(200, "application/json", to_json(*credential));
    const TurnRefusal& why = credential.error();
    HttpResponse out = http_text::error(why.status, why.code, why.message);
    if (why.status == 401) out.fields.emplace_back("WWW-Authenticate", "Bearer");
    return out;
  };
  HttpResponse out = answer();
  allow_any_origin(out);
  out.fields.emplace_back("Cache-Control", "no-store");
  return out;
}

}  // namespace ts::net
