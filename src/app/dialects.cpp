// SPDX-License-Identifier: Apache-2.0
#include "dialects.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <turnstone/net/clock.hpp>

namespace ts::app {
namespace {

/// The Router's numbers for connections that speak Socket.IO and PeerJS; the native protocol's is 0.
constexpr signal::DialectId kSocketIoDialect = 1;
constexpr signal::DialectId kPeerJsDialect = 2;

dialect::SocketIoOptions socketio_options(const config::Config& config) {
  dialect::SocketIoOptions out = config.socketio;
  out.max_sessions = config.signal.max_connections;
  return out;
}

}  // namespace

std::string_view dialect_name(signal::DialectId id) noexcept {
  return id == kSocketIoDialect ? "socketio" : id == kPeerJsDialect ? "peerjs" : "native";
}

signal::Options router_options(const config::Config& config) {
  signal::Options out = config.signal;
  if (!config.signaling_enabled) return out;
  if (config.peerjs.enabled) out.common_rooms.push_back({config.peerjs.room, config.peerjs.max_members});
  if (config.socketio.enabled)
    out.common_rooms.push_back({config.socketio.default_room, config.socketio.max_default_room_members});
  return out;
}

Dialects::Dialects(const config::Config& config, signal::Router& router, RandomSource& random)
    : config_(config),
      native_(router),
      socketio_(socketio_options(config), random),
      app_(socketio_options(config), router, socketio_, kSocketIoDialect),
      peerjs_(config.peerjs, router, random, kPeerJsDialect) {}

void Dialects::mount(net::HttpServer& http) {
  if (!config_.signaling_enabled) return;
  http_ = &http;
  introduce(http);
  if (serves_socketio()) http.mount(engine_mount());
  if (serves_peerjs()) http.mount(net::PeerJsMount{config_.peerjs.path, &peerjs_});
}

/// Members of all dialects meet in the Router's rooms: what a call of one says to others is theirs to say.
void Dialects::introduce(net::HttpServer& http) {
  // SioApp may call the Router, which ends the life of what `said` shows: it comes last.
  native_.set_others([this](const signal::Outbox& said) {
    tell_elsewhere(said);
    peerjs_.deliver(net::now(), said);
    app_.deliver(net::now(), said);
  });
  app_.set_others([this, &http](const Now& now, const signal::Outbox& said) {
    tell_elsewhere(said);
    http.deliver(said);
    peerjs_.deliver(now, said);
  });
  peerjs_.set_others([this, &http](const Now& now, const signal::Outbox& said) {
    tell_elsewhere(said);
    http.deliver(said);
    app_.deliver(now, said);
  });
}

net::EngineMount Dialects::engine_mount() {
  net::EngineMount out;
  out.path = config_.socketio.path;
  out.engine = &socketio_.engine();
  out.allowed_origins = config_.signal.allowed_origins;
  out.any_origin = config_.signal.open;
  out.credentials = config_.socketio.credentials;
  out.next_deadline = [this]() -> std::optional<TimePoint> {
    const auto machine = socketio_.next_deadline();
    const auto app = app_.next_deadline();
    return machine && app ? std::min(*machine, *app) : machine ? machine : app;
  };
  out.tick = [this](const Now& now) {
    socketio_.tick(now);
    app_.tick(now);
  };
  return out;
}

void Dialects::tell(const signal::Outbox& said) {
  tell_elsewhere(said);
  tell_here(net::now(), said);
  flush();
}

void Dialects::tell_here(const Now& now, const signal::Outbox& said) {
  if (http_ == nullptr) return;
  http_->deliver(said);
  peerjs_.deliver(now, said);
  app_.deliver(now, said);  // last, as above
}

void Dialects::flush() {
  if (http_ != nullptr) http_->flush();
}

std::uint64_t Dialects::socketio_sessions() const {
  std::uint64_t out = 0;
  for (const std::uint64_t open : socketio_.counters().engine.sessions) out += open;
  return out;
}

void Dialects::count(metrics::Snapshot& to) const {
  to.socketio = socketio_.counters();
  to.peerjs = peerjs_.counters();
}

}  // namespace ts::app
