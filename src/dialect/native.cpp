// SPDX-License-Identifier: Apache-2.0
// The native dialect: one message at a time to the Router; the answer first, then what the Router tells the
// others.
#include <utility>

#include <turnstone/dialect/native.hpp>

#include "native_call.hpp"
#include "native_encode.hpp"
#include "native_request.hpp"

namespace ts::dialect {

using native::Request;
using native::Text;
using signal::CloseCode;
using signal::CloseReason;
using signal::ConnectionId;
using signal::ErrorCode;
using signal::Failure;
using signal::MessageType;

namespace {

std::shared_ptr<const std::string> shared(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

/// False for what means the connection and not the session: nobody wants it after a resume.
bool is_numbered(const signal::Event& event) noexcept {
  if (const auto* kicked = std::get_if<signal::Kicked>(&event)) return !kicked->room.empty();
  return !std::holds_alternative<signal::IceRenewed>(event) && !std::holds_alternative<signal::GoAway>(event);
}

}  // namespace

void Native::push(ConnectionId connection, std::shared_ptr<const std::string> text, Frames& out,
                  std::uint64_t number) {
  router_.counters().sent.add(text->size());
  out.push_back(Frame{connection, 0, std::move(text), number});
}

void Native::push_numbered(ConnectionId connection, const signal::Replay::Text& text, Frames& out) {
  const std::uint64_t seq = router_.number(connection, text);
  push(connection, seq == 0 ? text : shared(native::with_number(*text, seq)), out, seq);
}

void Native::deliver(Frames& out) {
  deliver(outbox_, out);
  if (others_ && !outbox_.empty()) others_(outbox_);
  outbox_.clear();
}

void Native::deliver(const signal::Outbox& outbox, Frames& out) {
  for (const signal::Outbox::Item& item : outbox.items()) {
    const auto* close = std::get_if<signal::Close>(&item.event);
    const auto text =
        shared(close != nullptr ? std::string(close->reason) : native::encode_event(item.event));
    const bool numbered = is_numbered(item.event);
    for (const signal::Receiver& receiver : outbox.receivers(item)) {
      if (receiver.dialect != id_) continue;
      if (close != nullptr) {
        out.push_back(Frame{receiver.connection, static_cast<std::uint16_t>(close->code), text});
      } else if (receiver.lost) {
        if (numbered) router_.number(receiver.connection, text);
      } else if (numbered) {
        push_numbered(receiver.connection, text, out);
      } else {
        push(receiver.connection, text, out);
      }
    }
  }
}

void Native::count(const Call& call, ErrorCode code) noexcept {
  ++router_.counters().messages[signal::index(call.request.type)][signal::index(code)];
}

/// Numbered: a client that was cut off from the answer gets it when it resumes.
void Native::answer(const Call& call, std::string text) {
  count(call, ErrorCode::None);
  push_numbered(call.connection, shared(std::move(text)), call.out);
}

/// Not numbered: it means this connection, or is old at once.
void Native::reply(const Call& call, std::string text) {
  count(call, ErrorCode::None);
  push(call.connection, shared(std::move(text)), call.out);
}

void Native::ok(const Call& call) {
  if (!call.id().empty()) return answer(call, native::encode_ok(call.id()));
  count(call, ErrorCode::None);
}

void Native::refuse(const Call& call, const Failure& failure) {
  count(call, failure.code);
  auto text = shared(native::encode_error(call.id(), failure));
  if (call.id().empty()) return push(call.connection, std::move(text), call.out);
  push_numbered(call.connection, text, call.out);
}

void Native::bad_request(const Call& call, std::string_view message) {
  refuse(call, Failure{ErrorCode::BadRequest, message});
  router_.rejected(call.connection, ErrorCode::BadRequest, outbox_);
}

void Native::opened(const Now& now, ConnectionId connection, const Endpoint& remote, Frames& out,
                    std::string_view origin) {
  const auto result = router_.opened(now, connection, remote, id_, outbox_);
  if (result && !origin.empty() && router_.doorman().is_on())
    origins_.emplace(connection, origin.substr(0, signal::kMaxOriginBytes));
  if (!result) push(connection, shared(native::encode_error({}, result.error())), out);
  deliver(out);
}

void Native::text(const Now& now, ConnectionId connection, std::string_view message, Frames& out) {
  if (!router_.knows(connection)) return;
  router_.counters().received.add(message.size());
  Request request;
  const Call call{now, connection, request, message, out};
  const auto admitted = router_.admit(now, connection, outbox_, message.size());
  std::optional<Failure> failure;
  if (message.size() > router_.options().max_message_bytes) {
    failure = Failure{ErrorCode::TooLarge, "the message is too large"};
  } else {
    failure = native::parse(message, request);
  }
  if (!admitted) {
    refuse(call, admitted.error());
  } else if (failure) {
    refuse(call, *failure);
    router_.rejected(connection, failure->code, outbox_);
  } else if (parked_.contains(connection)) {
    hold(call, message);
  } else {
    handle(call);
  }
  deliver(out);
}

void Native::handle(const Call& call) {
  const MessageType type = call.request.type;
  if (type != MessageType::Hello && type != MessageType::Bye && !router_.is_member(call.connection)) {
    refuse(call, Failure{ErrorCode::Unauthorized, "say hello first"});
    return router_.rejected(call.connection, ErrorCode::Unauthorized, outbox_);
  }
  switch (type) {
    case MessageType::Hello: return handle_hello(call);
    case MessageType::Join: return handle_join(call);
    case MessageType::Leave: return handle_leave(call);
    case MessageType::Send: return handle_send(call);
    case MessageType::Update: return handle_update(call);
    case MessageType::List: return handle_list(call);
    case MessageType::Ice: return handle_ice(call);
    case MessageType::Room: return handle_room(call);
    case MessageType::Kick: return handle_kick(call);
    case MessageType::Ban: return handle_ban(call);
    case MessageType::Ping: return reply(call, native::encode_pong(call.id()));
    case MessageType::Ack: return handle_ack(call);
    case MessageType::Bye:
      count(call, ErrorCode::None);
      return router_.close(call.connection, CloseReason::Bye, CloseCode::Normal, "bye", outbox_);
    case MessageType::Unknown:
    case MessageType::Invalid: break;
  }
  refuse(call, Failure{ErrorCode::UnknownType, "no such message type"});
}

void Native::handle_hello(const Call& call, const std::shared_ptr<const signal::Identity>& identity) {
  const Request& r = call.request;
  if (!r.v.is(json::Kind::Number)) return bad_request(call, "v: a number is needed");
  if (json::to_integer(r.v) != 1U) {
    refuse(call, Failure{ErrorCode::UnsupportedVersion, "only version 1 is spoken here"});
    return router_.rejected(call.connection, ErrorCode::UnsupportedVersion, outbox_);
  }
  bool well_formed = true;
  bool token_ok = true;  // an empty token is a wrong one, not a malformed one
  const Text token(r.token, token_ok);
  const Text peer(r.peer, well_formed);
  if (!well_formed) return bad_request(call, "peer: a non-empty string is needed");
  std::optional<native::ResumeRequest> resume;
  if (!native::read_resume(r.resume, resume)) return bad_request(call, "resume: sid, key and seq are needed");
  signal::Hello hello{token.view(), peer.view(), r.meta.raw, true, std::nullopt};
  if (resume) hello.resume = signal::Resume{resume->sid, resume->key, resume->seq};
  hello.identity = identity;
  if (wait_for_answer(call, hello)) return;
  const auto welcome = router_.hello(call.now, call.connection, hello, outbox_);
  if (!welcome) return refuse(call, welcome.error());
  origins_.erase(call.connection);
  reply(call, native::encode_welcome(call.id(), *welcome, router_.options()));
  for (const signal::Replay::Kept& kept : welcome->missed) {
    push(call.connection, shared(native::with_number(*kept.text, kept.seq)), call.out, kept.seq);
  }
}

void Native::handle_ack(const Call& call) {
  const auto seq = json::to_integer(call.request.seq);
  if (!call.request.seq.is(json::Kind::Number) || !seq) return bad_request(call, "seq: an integer is needed");
  router_.acknowledge(call.connection, *seq);
  ok(call);
}

void Native::handle_join(const Call& call) {
  bool well_formed = true;
  const Text room(call.request.room, well_formed);
  if (!well_formed || room.empty()) return bad_request(call, "room: a non-empty string is needed");
  signal::RoomChange options;
  if (!native::read_room(call.request.options, options))
    return bad_request(call, "options: size, locked and meta");
  const auto joined =
      router_.join(call.now, call.connection, room.view(), call.request.meta.raw, options, outbox_);
  if (!joined) return refuse(call, joined.error());
  answer(call, native::encode_joined(call.id(), room.view(), *joined));
}

void Native::handle_leave(const Call& call) {
  bool well_formed = true;
  const Text room(call.request.room, well_formed);
  if (!well_formed || room.empty()) return bad_request(call, "room: a non-empty string is needed");
  const auto left = router_.leave(call.now, call.connection, room.view(), outbox_);
  if (!left) return refuse(call, left.error());
  ok(call);
}

void Native::handle_list(const Call& call) {
  bool well_formed = true;
  const Text room(call.request.room, well_formed);
  if (!well_formed || room.empty()) return bad_request(call, "room: a non-empty string is needed");
  const auto peers = router_.list(call.connection, room.view(), outbox_);
  if (!peers) return refuse(call, peers.error());
  answer(call, native::encode_list(call.id(), room.view(), *peers));
}

void Native::handle_send(const Call& call) {
  const Request& r = call.request;
  bool well_formed = true;
  const Text room(r.room, well_formed);
  if (!well_formed) return bad_request(call, "room: a non-empty string is needed");
  native::Targets targets;
  if (!targets.read(r.to)) return bad_request(call, "to: a peer, an array of at most 64 peers, or \"*\"");
  const auto kind = native::read_kind(r.kind);
  if (!kind) return bad_request(call, "kind: offer, answer, candidate, end or custom");
  const bool waits = !r.queue.absent() && !r.queue.is(json::Kind::Null);
  const auto queue = waits ? json::to_integer(r.queue) : std::uint64_t{0};
  if (!queue) return bad_request(call, "queue: milliseconds as an integer");
  signal::SendRequest request;
  request.room = room.view();
  request.to = targets.names;
  request.everyone = targets.everyone;
  request.kind = *kind;
  request.data = r.data.raw;
  request.queue = std::chrono::milliseconds(*queue);
  const auto sent = router_.send(call.now, call.connection, request, outbox_);
  if (!sent) return refuse(call, sent.error());
  if (call.id().empty()) return count(call, ErrorCode::None);
  answer(call, native::encode_sent(call.id(), *sent));
}

void Native::handle_update(const Call& call) {
  const Request& r = call.request;
  bool well_formed = true;
  const Text room(r.room, well_formed);
  if (!well_formed) return bad_request(call, "room: a non-empty string is needed");
  if (r.meta.absent()) return bad_request(call, "meta is needed");
  const auto updated = router_.update(call.connection, room.view(), r.meta.raw, outbox_);
  if (!updated) return refuse(call, updated.error());
  ok(call);
}

void Native::handle_ice(const Call& call) {
  const auto ice = router_.ice(call.now, call.connection, outbox_);
  if (!ice) return refuse(call, ice.error());
  reply(call, native::encode_ice(call.id(), {}, *ice));
}

void Native::handle_room(const Call& call) {
  const Request& r = call.request;
  bool well_formed = true;
  const Text room(r.room, well_formed);
  if (!well_formed || room.empty()) return bad_request(call, "room: a non-empty string is needed");
  signal::RoomChange change;
  if (!native::read_room(r.size, r.locked, r.meta, change))
    return bad_request(call, "size: an integer; locked: true or false");
  const auto changed = router_.configure(call.connection, room.view(), change, outbox_);
  if (!changed) return refuse(call, changed.error());
  ok(call);
}

void Native::handle_kick(const Call& call) {
  const Request& r = call.request;
  bool well_formed = true;
  const Text room(r.room, well_formed);
  const Text peer(r.peer, well_formed);
  if (!well_formed || room.empty() || peer.empty())
    return bad_request(call, "room and peer: non-empty strings are needed");
  bool reason_ok = true;  // an empty one is none
  const Text reason(r.reason, reason_ok);
  const auto kicked =
      router_.kick(call.now, call.connection, {room.view(), peer.view(), reason.view()}, outbox_);
  if (!kicked) return refuse(call, kicked.error());
  ok(call);
}

void Native::handle_ban(const Call& call) {
  const Request& r = call.request;
  bool well_formed = true;
  const Text room(r.room, well_formed);
  const Text peer(r.peer, well_formed);
  if (!well_formed || room.empty() || peer.empty())
    return bad_request(call, "room and peer: non-empty strings are needed");
  const auto seconds = r.seconds.is(json::Kind::Number) ? json::to_integer(r.seconds) : std::nullopt;
  if (!seconds) return bad_request(call, "seconds: an integer is needed");
  bool reason_ok = true;  // an empty one is none
  const Text reason(r.reason, reason_ok);
  signal::BanRequest request{room.view(), peer.view(), signal::kMaxBanTime, reason.view()};
  // What is more than that may be more than a duration holds.
  if (*seconds < static_cast<std::uint64_t>(std::chrono::seconds(signal::kMaxBanTime).count()))
    request.time = std::chrono::seconds(*seconds);
  const auto banned = router_.ban(call.now, call.connection, request, outbox_);
  if (!banned) return refuse(call, banned.error());
  ok(call);
}

void Native::alive(const Now& now, ConnectionId connection) noexcept { router_.alive(now, connection); }

void Native::closed(const Now& now, ConnectionId connection, CloseReason reason, Frames& out) {
  withdraw(connection);
  router_.closed(now, connection, reason, outbox_);
  deliver(out);
}

void Native::slow_consumer(const Now&, ConnectionId connection, Frames& out) {
  router_.close(connection, CloseReason::SlowConsumer, CloseCode::Limit, label(ErrorCode::SlowConsumer),
                outbox_);
  deliver(out);
}

void Native::tick(const Now& now, Frames& out) {
  router_.tick(now, outbox_);
  deliver(out);
}

void Native::drain(const Now& now, const signal::Farewell& how, Frames& out) {
  router_.drain(now, how, outbox_);
  deliver(out);
}

void Native::close_all(const Now&, CloseCode code, Frames& out) {
  router_.close_all(code, code == CloseCode::Restart ? "restart" : "drain", outbox_);
  deliver(out);
}

}  // namespace ts::dialect
