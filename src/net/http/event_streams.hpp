// SPDX-License-Identifier: Apache-2.0
// EventStreams: the native protocol where WebSockets do not get through: a stream of events down, POSTs up
// (docs/signaling.md). Knows the open streams by their ids. On the server's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/net/clock.hpp>
#include <turnstone/net/http_server.hpp>
#include <turnstone/net/stream.hpp>

namespace ts::net {

class EventStream;
class SilenceWatch;

/// Where events are read and messages are posted.
inline constexpr std::string_view kEventsPath = "/v1/events";

class EventStreams {
 public:
  explicit EventStreams(HttpServer::Impl& server);
  EventStreams(const EventStreams&) = delete;
  EventStreams& operator=(const EventStreams&) = delete;

  /// Of what may be posted at once: a message of the greatest length fits.
  std::size_t max_body_bytes() const noexcept;
  /// Why this GET does not become a stream; nothing when it may.
  std::optional<HttpResponse> refuse(const HttpRequest& request) const;
  /// Takes a stream over whose GET was not refused.
  void start(const std::shared_ptr<HttpServer::Impl>& server, Stream stream, const HttpRequest& request,
             bool http_1_0);
  /// Any other request of this path.
  HttpResponse respond(const HttpRequest& request);
  /// Adds the CORS fields.
  void decorate(const HttpRequest& request, HttpResponse& response) const;

  // Streams.

  /// Names it, for as long as it takes messages.
  std::string add(EventStream& stream);
  void remove(std::string_view id) noexcept;
  /// Who is due for a comment.
  SilenceWatch& keep_alive() noexcept { return *keep_alive_; }
  /// A comment goes out so often.
  std::chrono::milliseconds keep_alive_time() const noexcept;

 private:
  /// Cannot be guessed, and is never logged: who has it speaks for the client. Several nodes: what names this
  /// one goes in front.
  std::string new_id();
  bool allows(const HttpRequest& request) const;
  HttpResponse post(const HttpRequest& request);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return boost::hash<std::string_view>()(text);
    }
  };

  HttpServer::Impl& server_;
  SystemRandom random_;
  std::shared_ptr<SilenceWatch> keep_alive_;
  boost::unordered_flat_map<std::string, EventStream*, Hash, std::equal_to<>> streams_;
};

}  // namespace ts::net
