// SPDX-License-Identifier: Apache-2.0
// What clients of signaling speak: the native protocol, Socket.IO and PeerJS over one Router, and their
// places on the HTTP server. HTTP thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <turnstone/base/random.hpp>
#include <turnstone/config/config.hpp>
#include <turnstone/dialect/native.hpp>
#include <turnstone/dialect/peerjs.hpp>
#include <turnstone/dialect/sio_app.hpp>
#include <turnstone/metrics/snapshot.hpp>
#include <turnstone/net/http_server.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::app {

/// "native", "socketio" or "peerjs".
std::string_view dialect_name(signal::DialectId id) noexcept;

/// signaling's, with the rooms that dialects have in common.
signal::Options router_options(const config::Config& config);

class Dialects {
 public:
  /// All of it outlives this object; `config` is the one that the server began with.
  Dialects(const config::Config& config, signal::Router& router, RandomSource& random);

  /// For the HTTP server; null: there is no signaling.
  dialect::Native* native() noexcept { return config_.signaling_enabled ? &native_ : nullptr; }
  /// Before the first stream. The server outlives every call that comes through it.
  void mount(net::HttpServer& http);

  /// Says to members of all dialects what a call that somebody else made on the Router has brought about.
  void tell(const signal::Outbox& said);

  /// Socket.IO clients of a room, as JSON; an empty one is the default room.
  std::string connections(std::string_view room) const { return app_.connections(room); }
  bool serves_socketio() const noexcept { return config_.signaling_enabled && config_.socketio.enabled; }
  /// Sessions of Socket.IO, members or not.
  std::uint64_t socketio_sessions() const;
  void count(metrics::Snapshot& to) const;

 private:
  bool serves_peerjs() const noexcept { return config_.signaling_enabled && config_.peerjs.enabled; }
  net::EngineMount engine_mount();
  void introduce(net::HttpServer& http);

  const config::Config& config_;
  dialect::Native native_;
  dialect::SocketIo socketio_;
  dialect::SioApp app_;
  dialect::PeerJs peerjs_;
  net::HttpServer* http_ = nullptr;
};

}  // namespace ts::app
