// SPDX-License-Identifier: Apache-2.0
// What clients of signaling speak: the native protocol, Socket.IO and PeerJS over one Router, and their
// places on the HTTP server. HTTP thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

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
  /// Before the first stream: what the names of sessions begin with that are reached by HTTP requests.
  void mark_sessions(const std::string& mark) { socketio_.engine().set_mark(mark); }
  /// Before the first stream. The server outlives every call that comes through it.
  void mount(net::HttpServer& http);

  /// Takes what any call on the Router says, for members at other nodes; before all others.
  void set_elsewhere(std::function<void(const signal::Outbox&)> elsewhere) {
    elsewhere_ = std::move(elsewhere);
  }
  /// Says to members of all dialects, here and elsewhere, what a call that somebody else made on the Router
  /// has brought about.
  void tell(const signal::Outbox& said);
  /// The same to members here alone, who hear of it at the next flush().
  void tell_here(const Now& now, const signal::Outbox& said);
  void flush();

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
  void tell_elsewhere(const signal::Outbox& said) const {
    if (elsewhere_) elsewhere_(said);
  }

  const config::Config& config_;
  dialect::Native native_;
  dialect::SocketIo socketio_;
  dialect::SioApp app_;
  dialect::PeerJs peerjs_;
  net::HttpServer* http_ = nullptr;
  std::function<void(const signal::Outbox&)> elsewhere_;
};

}  // namespace ts::app
