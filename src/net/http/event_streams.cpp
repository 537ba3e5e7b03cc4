// SPDX-License-Identifier: Apache-2.0
#include "event_streams.hpp"

#include <algorithm>
#include <utility>

#include <turnstone/base/hash.hpp>

#include "event_stream.hpp"
#include "event_text.hpp"
#include "http_text.hpp"
#include "server_impl.hpp"
#include "silence_watch.hpp"

namespace ts::net {
namespace {

constexpr std::chrono::milliseconds kKeepAliveTime{15'000};
/// 144 bits.
constexpr std::size_t kIdBytes = 18;
/// A body holds a message of the greatest length and a line's end, or at least this.
constexpr std::size_t kBodyBytes = 65'536;
constexpr std::string_view kMethods = "GET, POST, OPTIONS";

HttpResponse no_stream() {
  return http_text::error(404, "not_found", "there is no stream of this id (any more)");
}

}  // namespace

EventStreams::EventStreams(HttpServer::Impl& server)
    : server_(server), keep_alive_(std::make_shared<SilenceWatch>(server.context)) {}

std::string EventStreams::new_id() { return base64url(random_.bytes<kIdBytes>()); }

std::string EventStreams::add(EventStream& stream) {
  std::string id = new_id();
  streams_.emplace(id, &stream);
  return id;
}

void EventStreams::remove(std::string_view id) noexcept {
  const auto found = streams_.find(id);
  if (found != streams_.end()) streams_.erase(found);
}

std::chrono::milliseconds EventStreams::keep_alive_time() const noexcept {
  const std::chrono::milliseconds beat = server_.beat();
  return beat.count() > 0 ? std::min(beat, kKeepAliveTime) : kKeepAliveTime;
}

std::size_t EventStreams::max_body_bytes() const noexcept {
  return std::max(kBodyBytes, std::size_t{server_.signal_options().max_message_bytes}) + 2;
}

bool EventStreams::allows(const HttpRequest& request) const {
  const signal::Options& rules = server_.signal_options();
  return rules.open || origin_is_allowed(request, rules.allowed_origins);
}

void EventStreams::decorate(const HttpRequest& request, HttpResponse& response) const {
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || !allows(request)) return;
  response.fields.emplace_back("Access-Control-Allow-Origin", origin);
  response.fields.emplace_back("Vary", "Origin");
}

std::optional<HttpResponse> EventStreams::refuse(const HttpRequest& request) const {
  if (!allows(request))
    return http_text::error(403, "forbidden", "pages of this origin may not use this server");
  if (server_.closing) return http_text::error(503, "draining", "this server is about to end");
  return std::nullopt;
}

void EventStreams::start(const std::shared_ptr<HttpServer::Impl>& server, Stream stream,
                         const HttpRequest& request, bool http_1_0) {
  std::make_shared<EventStream>(server, std::move(stream), http_1_0)->start(request);
}

HttpResponse EventStreams::respond(const HttpRequest& request) {
  HttpResponse out;
  if (request.method == "OPTIONS") {
    out.status = 204;
    out.fields.emplace_back("Access-Control-Allow-Methods", kMethods);
    out.fields.emplace_back("Access-Control-Allow-Headers", "Content-Type, Last-Event-ID");
    out.fields.emplace_back("Access-Control-Max-Age", "86400");
    out.for_strangers = true;
  } else if (!allows(request)) {
    out = http_text::error(403, "forbidden", "pages of this origin may not use this server");
  } else if (request.method == "POST") {
    out = post(request);
  } else {
    out = http_text::error(405, "method_not_allowed", "this path knows other methods");
    out.fields.emplace_back("Allow", kMethods);
  }
  out.fields.emplace_back("Cache-Control", "no-store");
  return out;
}

HttpResponse EventStreams::post(const HttpRequest& request) {
  const auto id = request.parameter("c");
  if (!id) return http_text::error(400, "bad_request", "c: the stream's id is needed");
  const auto told = request.parameter("n");
  const auto number = told ? event_text::post_number(*told) : std::uint64_t{0};
  if (!number) return http_text::error(400, "bad_request", "n: a number above 0, one more than the last");
  const auto found = streams_.find(std::string_view(*id));
  if (found == streams_.end()) return no_stream();
  EventStream& stream = *found->second;
  if (!stream.is_of(request))
    return http_text::error(403, "forbidden", "the stream belongs to a page of another origin");
  switch (stream.take(*number, request.body)) {
    case EventStream::Taken::All: break;
    case EventStream::Taken::Ended: return no_stream();
    case EventStream::Taken::OutOfOrder:
      return http_text::error(409, "conflict", "n: one more than the last is needed");
  }
  return HttpResponse(204, {}, {});
}

}  // namespace ts::net
