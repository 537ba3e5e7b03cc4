// SPDX-License-Identifier: Apache-2.0
// What PeerJS clients ask for over HTTP: an id, who is there, and whether this is a server for them.
#include <turnstone/dialect/peerjs.hpp>
#include <turnstone/net/clock.hpp>

#include "http_text.hpp"
#include "server_impl.hpp"

namespace ts::net {
namespace {

constexpr std::string_view kInfo =
    R"({"name":"Turnstone","description":"A server side element to broker connections between PeerJS clients.",)"
    R"("website":"https://peerjs.com/"})"
    "\n";

/// The path behind the mount, without its first slash; nothing: it is another path.
std::optional<std::string_view> behind(std::string_view path, std::string_view mount) noexcept {
  if (path == mount.substr(0, mount.size() - 1)) return std::string_view();
  if (!path.starts_with(mount)) return std::nullopt;
  return path.substr(mount.size());
}

HttpResponse answer(std::string_view rest, dialect::PeerJs& peerjs) {
  if (rest.empty()) return HttpResponse(200, "application/json", std::string(kInfo));
  const std::size_t slash = rest.rfind('/');
  const std::string_view what = rest.substr(slash == std::string_view::npos ? rest.size() : slash + 1);
  const auto key =
      http_text::percent_decode(rest.substr(0, std::min(slash, rest.size())), http_text::Plus::Itself);
  if (what != "id" && what != "peers")
    return http_text::error(rest == "peerjs" ? 426 : 404, "not_found", "WebSocket, /id and /peers are here");
  if (!key || !peerjs.knows_key(now(), *key))
    return http_text::error(401, "unauthorized", "Invalid key provided");
  if (what == "id") return HttpResponse(200, "text/html; charset=utf-8", peerjs.new_id());
  auto list = peerjs.peers(now(), *key);
  if (!list) return http_text::error(401, "unauthorized", "the list of peers is not told to this key");
  return HttpResponse(200, "application/json", std::move(*list));
}

}  // namespace

void HttpServer::Impl::mount(PeerJsMount mount) { peerjs_ = std::move(mount); }

std::optional<Spoken> HttpServer::Impl::spoken_at(std::string_view path) const noexcept {
  if (native_ == nullptr) return std::nullopt;
  if (path == "/v1/ws") return Spoken::Native;
  const bool here = peerjs_.dialect != nullptr && behind(path, peerjs_.path) == "peerjs";
  return here ? std::optional(Spoken::PeerJs) : std::nullopt;
}

std::optional<HttpResponse> HttpServer::Impl::peerjs(const HttpRequest& request) const {
  const auto rest = peerjs_.dialect != nullptr ? behind(request.path, peerjs_.path) : std::nullopt;
  if (!rest) return std::nullopt;
  HttpResponse out(204, {}, {});
  if (request.method == "OPTIONS") {
    out.fields.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
    out.fields.emplace_back("Access-Control-Allow-Headers", "Content-Type");
    out.fields.emplace_back("Access-Control-Max-Age", "86400");
  } else if (request.method != "GET" && request.method != "HEAD") {
    out = http_text::error(405, "method_not_allowed", "this path knows other methods");
    out.fields.emplace_back("Allow", "GET, HEAD, OPTIONS");
  } else {
    out = answer(*rest, *peerjs_.dialect);
  }
  // An id is nobody's secret, and pages of all origins may ask; who may open a WebSocket is another question.
  out.fields.emplace_back("Access-Control-Allow-Origin", "*");
  out.fields.emplace_back("Cache-Control", "no-store");
  return out;
}

}  // namespace ts::net
