// SPDX-License-Identifier: Apache-2.0
// Sessions of Engine.IO v4: how they open, upgrade, beat and end. References to a session are looked up again
// after each call of the upper side, which may end any of them.
#include <algorithm>
#include <cstring>
#include <utility>

#include <turnstone/dialect/engine_io.hpp>

namespace ts::dialect {
namespace {

/// What counts as one source: an IPv4 address, or the /64 that one IPv6 customer has.
std::uint64_t source_key(const IpAddress& address) noexcept {
  const IpAddress plain = address.unmapped();
  const ByteView bytes = plain.bytes();
  return plain.is_v4() ? load_be32(bytes.data()) : load_be64(bytes.data());
}

EngineWire text_wire(std::string text) {
  return EngineWire{std::make_shared<const std::string>(std::move(text)), false};
}

}  // namespace

EngineIo::EngineIo(const SocketIoOptions& options, RandomSource& random, Upper& upper)
    : options_(options),
      random_(random),
      upper_(upper),
      hash_{random.number()},
      by_key_(0, hash_),
      requests_(0, hash_),
      sockets_(0, hash_),
      sources_(0, hash_),
      ping_(text_wire("2")) {}

EngineSession EngineIo::of(const Table<EngineSession>& table, std::uint64_t id) const noexcept {
  const auto at = table.find(id);
  return at == table.end() ? EngineSession{} : at->second;
}

EngineSession EngineIo::find(const Now& now, std::string_view sid) {
  if (!sid.starts_with(mark_)) return {};
  const auto key = base64_decode(sid.substr(mark_.size()));
  if (!key || key->size() != kSidBytes) return {};
  const ByteView bytes = as_bytes(*key);
  const EngineSession at = of(by_key_, load_be64(bytes.data()));
  const Session* s = sessions_.find(at);
  if (s == nullptr || !equal_constant_time(bytes, s->key)) return {};
  // Its time may be up without a tick having come yet.
  look(now, at);
  return sessions_.find(at) != nullptr ? at : EngineSession{};
}

EngineRefusal EngineIo::refuse(EngineError why) noexcept {
  ++counters_.refused[static_cast<std::size_t>(why)];
  return EngineRefusal{why};
}

void EngineIo::reject(EngineRequestId request, EngineError why) {
  actions_.emplace_back(EngineReject{request, refuse(why)});
}

std::optional<EngineError> EngineIo::check(const Now& now, const EngineQuery& query, bool get, bool upgrade) {
  const bool websocket = query.transport == "websocket";
  if (!websocket && query.transport != "polling") return EngineError::UnknownTransport;
  if (upgrade && !websocket) return EngineError::BadRequest;
  if (!query.sid.empty()) {
    const Session* s = sessions_.find(find(now, query.sid));
    if (s == nullptr) return EngineError::UnknownSession;
    if (!upgrade && (websocket || s->transport != EngineTransport::Polling)) return EngineError::BadRequest;
    return std::nullopt;
  }
  if (!get) return EngineError::BadHandshakeMethod;
  if (websocket && !upgrade) return EngineError::BadRequest;
  if (query.eio != "4") return EngineError::UnsupportedVersion;
  return std::nullopt;
}

std::optional<EngineError> EngineIo::admit(EngineTransport transport, std::uint64_t source) noexcept {
  if (draining_ || sessions_.size() >= options_.max_sessions) return EngineError::Unavailable;
  // Whoever has a token finds room, however many come without one.
  if (strangers_ >= (std::size_t{options_.max_sessions} + 1) / 2) return EngineError::Unavailable;
  const std::uint32_t most = options_.max_polling_sessions_per_source;
  if (transport == EngineTransport::WebSocket || most == 0) return std::nullopt;
  const auto at = sources_.find(source);
  if (at != sources_.end() && at->second >= most) return EngineError::Unavailable;
  return std::nullopt;
}

std::size_t EngineIo::most_of(const Session* s) const noexcept {
  const bool stranger = s != nullptr && s->stranger;
  return stranger ? std::min(options_.max_payload, kMaxStrangerBytes) : options_.max_payload;
}

std::size_t EngineIo::max_body_bytes(EngineRequestId request) const noexcept {
  return most_of(sessions_.find(of(requests_, request)));
}

std::size_t EngineIo::max_message_bytes(EngineSocketId socket) const noexcept {
  return most_of(sessions_.find(of(sockets_, socket)));
}

void EngineIo::set_stranger(EngineSession session, bool stranger) noexcept {
  Session* s = sessions_.find(session);
  if (s == nullptr || s->stranger == stranger) return;
  s->stranger = stranger;
  stranger ? ++strangers_ : --strangers_;
}

EngineSession EngineIo::open(const Now& now, EngineTransport transport, const IpAddress& from) {
  const auto [at, s] = sessions_.emplace();
  do {
    random_.fill(s.key);
  } while (by_key_.contains(load_be64(s.key.data())));
  by_key_.emplace(load_be64(s.key.data()), at);
  s.transport = transport;
  s.address = from;
  s.source = source_key(from);
  if (transport == EngineTransport::Polling) ++sources_[s.source];
  s.due = now.mono + options_.ping_interval;
  s.upgrade_due = s.armed = kNever;
  arm(at, s, false);
  ++counters_.opened, ++counters_.sessions[static_cast<std::size_t>(transport)];
  return at;
}

std::string EngineIo::open_packet(const Session& s) const {
  return "0{\"sid\":\"" + mark_ + base64url(s.key) + "\",\"upgrades\":[" +
         (s.transport == EngineTransport::Polling ? "\"websocket\"" : "") +
         "],\"pingInterval\":" + std::to_string(options_.ping_interval.count()) +
         ",\"pingTimeout\":" + std::to_string(options_.ping_timeout.count()) +
         ",\"maxPayload\":" + std::to_string(options_.max_payload) + "}";
}

void EngineIo::leave_source(Session& s) noexcept {
  if (s.transport != EngineTransport::Polling) return;
  const auto at = sources_.find(s.source);
  if (at != sources_.end() && --at->second == 0) sources_.erase(at);
}

// Polling.

void EngineIo::get(const Now& now, EngineRequestId request, const EngineQuery& query,
                   const IpAddress& source) {
  if (const auto why = check(now, query, true, false)) return reject(request, *why);
  if (query.sid.empty()) {
    const std::uint64_t key = source_key(source);
    if (const auto why = admit(EngineTransport::Polling, key)) return reject(request, *why);
    const EngineSession at = open(now, EngineTransport::Polling, source);
    actions_.emplace_back(EngineAnswer{request, false, open_packet(*sessions_.find(at))});
    return upper_.engine_opened(now, at);
  }
  const EngineSession at = find(now, query.sid);
  Session& s = *sessions_.find(at);
  if (s.get != 0) {
    end(now, at, EngineEnd::TransportError, '1');
    return reject(request, EngineError::BadRequest);
  }
  s.get = request;
  requests_.emplace(request, at);
  mark(at, s);
}

std::optional<EngineRefusal> EngineIo::post_begins(const Now& now, EngineRequestId request,
                                                   const EngineQuery& query) {
  if (const auto why = check(now, query, false, false)) return refuse(*why);
  const EngineSession at = find(now, query.sid);
  Session& s = *sessions_.find(at);
  if (s.post != 0) {
    end(now, at, EngineEnd::TransportError, '1');
    return refuse(EngineError::BadRequest);
  }
  s.post = request;
  requests_.emplace(request, at);
  return std::nullopt;
}

void EngineIo::post(const Now& now, EngineRequestId request, std::string_view body) {
  const EngineSession at = of(requests_, request);
  Session* s = sessions_.find(at);
  if (s == nullptr) return reject(request, EngineError::UnknownSession);
  s->post = 0;
  requests_.erase(request);
  if (s->transport != EngineTransport::Polling) return reject(request, EngineError::BadRequest);
  EnginePayload payload(body);
  while (s != nullptr && !s->ended && !payload.done()) {
    const auto p = payload.next();
    if (!p || p->type == EngineType::Ping) {
      end(now, at, EngineEnd::ParseError, '1');
      return reject(request, EngineError::BadRequest);
    }
    packet(now, at, *p);
    s = sessions_.find(at);
  }
  actions_.emplace_back(EngineAnswer{request, true, "ok"});
}

void EngineIo::post_refused(EngineRequestId request, EngineError why) noexcept {
  refuse(why);
  if (Session* s = sessions_.find(of(requests_, request))) s->post = 0;
  requests_.erase(request);
}

void EngineIo::request_gone(const Now& now, EngineRequestId request) {
  const EngineSession at = of(requests_, request);
  Session* s = sessions_.find(at);
  if (s == nullptr) return;
  requests_.erase(request);
  if (s->get == request) s->get = 0;
  if (s->post == request) s->post = 0;
  // The requests of a client that has changed over mean nothing any more.
  if (s->transport == EngineTransport::Polling) end(now, at, EngineEnd::TransportClose, '6');
}

// WebSockets.

std::optional<EngineRefusal> EngineIo::check_upgrade(const Now& now, const EngineQuery& query) {
  auto why = check(now, query, true, true);
  if (!why && query.sid.empty()) why = admit(EngineTransport::WebSocket, 0);
  return why ? std::optional<EngineRefusal>(refuse(*why)) : std::nullopt;
}

void EngineIo::socket_opened(const Now& now, EngineSocketId socket, const EngineQuery& query,
                             const IpAddress& source) {
  if (query.sid.empty()) {
    if (admit(EngineTransport::WebSocket, 0)) return close_socket(socket);
    const EngineSession at = open(now, EngineTransport::WebSocket, source);
    Session& s = *sessions_.find(at);
    s.socket = socket;
    sockets_.emplace(socket, at);
    actions_.emplace_back(EngineFrame{socket, text_wire(open_packet(s))});
    return upper_.engine_opened(now, at);
  }
  const EngineSession at = find(now, query.sid);
  Session* s = sessions_.find(at);
  if (s == nullptr || s->ended || s->probe != 0 || s->transport != EngineTransport::Polling) {
    return close_socket(socket);
  }
  s->probe = socket;
  s->upgrade_due = now.mono + options_.upgrade_timeout;
  sockets_.emplace(socket, at);
  arm(at, *s, false);
}

void EngineIo::socket_message(const Now& now, EngineSocketId socket, bool binary, std::string_view data) {
  const EngineSession at = of(sockets_, socket);
  Session* s = sessions_.find(at);
  if (s == nullptr) return;
  if (s->probe == socket) return probe_message(at, binary, data);
  if (binary) return packet(now, at, EnginePacket{EngineType::Message, true, data});
  // As in a payload, "b" and base64 would do here too; but no record separator.
  std::optional<EnginePacket> p;
  EnginePayload record(data);
  if (!data.starts_with('b')) {
    p = parse_engine_packet(data);
  } else if ((p = record.next()) && !record.done()) {
    p.reset();
  }
  if (!p || p->type == EngineType::Ping) return end(now, at, EngineEnd::ParseError, '1');
  packet(now, at, *p);
}

void EngineIo::probe_message(EngineSession at, bool binary, std::string_view data) {
  Session& s = *sessions_.find(at);
  const auto p = binary ? std::nullopt : parse_engine_packet(data);
  if (p && p->type == EngineType::Ping && p->data == "probe") {
    actions_.emplace_back(EngineFrame{s.probe, text_wire("3probe")});
    s.probed = true;
    return mark(at, s);  // a request that waits would keep the client from changing over
  }
  if (p && p->type == EngineType::Upgrade) return switch_over(at, s);
  close_socket(s.probe);
  s.probed = false;
}

void EngineIo::switch_over(EngineSession at, Session& s) {
  leave_source(s);
  --counters_.sessions[static_cast<std::size_t>(EngineTransport::Polling)];
  ++counters_.sessions[static_cast<std::size_t>(EngineTransport::WebSocket)];
  ++counters_.upgraded;
  s.transport = EngineTransport::WebSocket;
  s.socket = std::exchange(s.probe, 0);
  s.probed = false;
  s.upgrade_due = kNever;
  if (s.get != 0) answer(s.get, "6");
  for (const EngineWire& wire : std::exchange(s.queue, {})) {
    actions_.emplace_back(EngineFrame{s.socket, wire});
  }
  s.queued_bytes = 0;
  // Closed in the meantime: all is said now.
  if (s.ended) {
    close_socket(s.socket);
    erase(at);
  }
}

void EngineIo::socket_closed(const Now& now, EngineSocketId socket, EngineEnd why) {
  const EngineSession at = of(sockets_, socket);
  Session* s = sessions_.find(at);
  sockets_.erase(socket);
  if (s == nullptr) return;
  if (s->probe == socket) {
    s->probe = 0;
    s->probed = false;
    s->upgrade_due = kNever;
    return;
  }
  s->socket = 0;
  end(now, at, why, '1');
}

void EngineIo::close_socket(EngineSocketId& socket) {
  const EngineSocketId id = std::exchange(socket, 0);
  if (id == 0) return;
  sockets_.erase(id);
  actions_.emplace_back(EngineCloseSocket{id});
}

// Sessions.

void EngineIo::packet(const Now& now, EngineSession at, const EnginePacket& packet) {
  Session& s = *sessions_.find(at);
  if (s.ended) return;
  switch (packet.type) {
    case EngineType::Message: return upper_.engine_message(now, at, packet.binary, packet.data);
    case EngineType::Close: return end(now, at, EngineEnd::ClientClose, '6');
    case EngineType::Pong:
      s.due = now.mono + options_.ping_interval;
      // Only what was asked for says something, and one payload may hold a great many.
      if (std::exchange(s.awaiting_pong, false)) upper_.engine_alive(now, at);
      return;
    case EngineType::Open:
    case EngineType::Ping:
    case EngineType::Upgrade:
    case EngineType::Noop: return;
  }
}

void EngineIo::send(EngineSession session, const EngineWire& message) {
  Session* s = sessions_.find(session);
  if (s == nullptr || s->ended) return;
  if (s->transport == EngineTransport::WebSocket) {
    actions_.emplace_back(EngineFrame{s->socket, message});
    return;
  }
  s->queue.push_back(message);
  // Together with what keeping it costs.
  s->queued_bytes += message.bytes->size() + sizeof(EngineWire);
  mark(session, *s);
}

void EngineIo::mark(EngineSession at, Session& s) {
  if (!std::exchange(s.dirty, true)) dirty_.push_back(at);
}

void EngineIo::answer(EngineRequestId& request, std::string payload) {
  const EngineRequestId id = std::exchange(request, 0);
  requests_.erase(id);
  actions_.emplace_back(EngineAnswer{id, false, std::move(payload)});
}

void EngineIo::flush(const Now& now, EngineSession at) {
  Session* s = sessions_.find(at);
  if (s == nullptr) return;
  s->dirty = false;
  if (s->transport != EngineTransport::Polling) return;
  if (s->queued_bytes > options_.max_send_queue_bytes) return end(now, at, EngineEnd::SlowConsumer, '1');
  if (s->get == 0) return;
  if (s->queue.empty()) {
    if (!s->closing) {
      if (s->probed) answer(s->get, "6");
      return;
    }
    answer(s->get, "1");
    return erase(at);
  }
  std::string payload;
  for (const EngineWire& wire : std::exchange(s->queue, {})) append_engine_packet(payload, wire);
  s->queued_bytes = 0;
  // Of a closed session, the close comes with the next request: in one payload with what was said last,
  // clients would act upon it first and drop the rest.
  answer(s->get, std::move(payload));
}

void EngineIo::tell_end(const Now& now, EngineSession at, EngineEnd why) {
  Session& s = *sessions_.find(at);
  if (std::exchange(s.ended, true)) return;
  ++counters_.ended[static_cast<std::size_t>(why)];
  upper_.engine_closed(now, at, why);
}

void EngineIo::end(const Now& now, EngineSession at, EngineEnd why, char last) {
  tell_end(now, at, why);
  Session* s = sessions_.find(at);
  if (s == nullptr) return;
  if (s->get != 0) answer(s->get, std::string(1, last));
  erase(at);
}

void EngineIo::erase(EngineSession at) {
  Session& s = *sessions_.find(at);
  set_stranger(at, false);
  for (const EngineRequestId request : {s.get, s.post}) requests_.erase(request);
  close_socket(s.socket);
  close_socket(s.probe);
  leave_source(s);
  by_key_.erase(load_be64(s.key.data()));
  --counters_.sessions[static_cast<std::size_t>(s.transport)];
  sessions_.erase(at);
}

void EngineIo::close(const Now& now, EngineSession session, EngineEnd why) {
  Session* s = sessions_.find(session);
  if (s == nullptr || s->ended) return;
  if (s->transport == EngineTransport::WebSocket) return end(now, session, why, '1');
  s->due = now.mono + options_.close_timeout;
  s->closing = true;
  arm(session, *s, false);
  mark(session, *s);
  tell_end(now, session, why);
}

void EngineIo::probe(const Now& now, EngineSession session) {
  Session* s = sessions_.find(session);
  if (s == nullptr || s->ended) return;
  if (!std::exchange(s->awaiting_pong, true)) {
    s->due = now.mono + options_.ping_timeout;
    arm(session, *s, false);
  }
  send(session, ping_);
}

std::uint64_t* EngineIo::user(EngineSession session) noexcept {
  Session* s = sessions_.find(session);
  return s == nullptr ? nullptr : &s->user;
}

IpAddress EngineIo::address(EngineSession session) const noexcept {
  const Session* s = sessions_.find(session);
  return s == nullptr ? IpAddress() : s->address;
}

// Time.

/// Keeps one entry of the queue that counts for the session: the one at `armed`. Others pop and mean nothing.
void EngineIo::arm(EngineSession at, Session& s, bool popped) {
  const TimePoint due = std::min(s.due, s.upgrade_due);
  if (!popped && due >= s.armed) return;
  s.armed = due;
  deadlines_.push(due, at);
}

void EngineIo::look(const Now& now, EngineSession at) {
  Session* s = sessions_.find(at);
  if (s->upgrade_due <= now.mono) {
    close_socket(s->probe);
    s->probed = false;
    s->upgrade_due = kNever;
  }
  while (s->due <= now.mono) {
    if (s->closing) return erase(at);
    if (s->awaiting_pong) return end(now, at, EngineEnd::PingTimeout, '1');
    s->awaiting_pong = true;
    // By plan and not by when we came to it; but a stall of ours is not the client's fault.
    s->due = std::max(s->due + options_.ping_timeout, now.mono + options_.ping_timeout / 2);
    send(at, ping_);
  }
}

void EngineIo::tick(const Now& now) {
  while (const auto at = deadlines_.pop_due(now.mono)) {
    Session* s = sessions_.find(*at);
    if (s == nullptr || s->armed > now.mono) continue;
    look(now, *at);
    s = sessions_.find(*at);
    if (s != nullptr) arm(*at, *s, true);
  }
}

void EngineIo::close_all(const Now& now) {
  draining_ = true;
  sessions_.for_each([&](EngineSession at, Session&) { end(now, at, EngineEnd::Drain, '1'); });
}

EngineActions EngineIo::take_actions(const Now& now) {
  // The end of one may make others speak.
  std::size_t next = 0;
  while (next < dirty_.size()) flush(now, dirty_[next++]);
  dirty_.clear();
  return std::exchange(actions_, {});
}

}  // namespace ts::dialect
