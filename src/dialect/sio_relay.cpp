// SPDX-License-Identifier: Apache-2.0
// Messages of the Socket.IO application. What is text and no larger than other dialects take goes by the
// Router, to all members of the room; the rest to those who speak Socket.IO.
#include <algorithm>
#include <utility>

#include <turnstone/dialect/sio_app.hpp>

#include "sio_texts.hpp"

namespace ts::dialect {

std::string SioApp::entry(std::string_view name) const {
  const auto at = names_.find(name);
  // Of another dialect: its name is the only one that it has.
  if (at == names_.end()) return sio::connection(name, name, {});
  const Peer& peer = *peers_.find(at->second);
  return sio::connection(sio_.sid(peer.socket), name, peer.type);
}

std::string SioApp::connections(std::string_view name) const {
  std::string out = "[";
  const auto at = room_names_.find(name.empty() ? std::string_view(options_.default_room) : name);
  if (at != room_names_.end()) {
    for (const SlotHandle member : rooms_.find(at->second)->members) {
      if (out.size() > 1) out.push_back(',');
      out.append(entry(peers_.find(member)->name));
    }
  }
  return out += ']';
}

void SioApp::error(const Now& now, const Peer& peer, std::string_view code, std::string_view more) {
  std::string text = "{\"code\":";
  json::append_string(text, code);
  SioMessage said("/", "messageError", text.append(more).append("}"));
  sio_.emit(now, peer.socket, said);
}

void SioApp::to_bystanders(const Now& now, const Room& room, SlotHandle but, SioMessage& message) {
  using signal::ErrorCode;
  const signal::Identity* asked = nullptr;  // many have the same one
  ErrorCode barred = ErrorCode::None;
  for (const SlotHandle at : room.bystanders) {
    const Peer& peer = *peers_.find(at);
    if (peer.identity.get() != asked) {
      asked = peer.identity.get();
      const auto in = router_.may_enter(now, *asked, room.name);
      barred = in ? ErrorCode::None : in.error().code;
    }
    // Who was a member, and is lost, is to miss nothing.
    const bool lost_member =
        barred == ErrorCode::RoomFull && !peer.name.empty() && !sio_.is_connected(peer.socket);
    if (!(at == but) && (barred == ErrorCode::None || lost_member)) sio_.emit(now, peer.socket, message);
  }
}

bool SioApp::may_send(const Now& now, const Peer& peer) {
  signal::ErrorCode why = signal::ErrorCode::None;
  if (!peer.identity->can.has(signal::Right::Send)) {
    why = signal::ErrorCode::Forbidden;
  } else if (!peer.member && options_.stamp_from) {
    why = signal::ErrorCode::NotJoined;
  } else if (!peer.member) {
    const auto in = router_.may_enter(now, *peer.identity, rooms_.find(peer.room)->name);
    if (!in) why = in.error().code;
  }
  if (why != signal::ErrorCode::None) error(now, peer, label(why));
  return why == signal::ErrorCode::None;
}

void SioApp::message(const Now& now, SlotHandle at, const SioEvent& event) {
  const json::Value body = event.argument(0);
  const Peer& peer = *peers_.find(at);
  if (!may_send(now, peer) || body.absent()) return;
  const bool stamps = options_.stamp_from && body.is(json::Kind::Object);
  const std::string text = stamps ? sio::with_from(body.raw, peer.name) : std::string(body.raw);
  SioMessage message("/", "message", text, event.attachments);
  const Room& room = *rooms_.find(peer.room);
  if (peer.member && event.attachments.empty() && text.size() <= router_.options().max_message_bytes) {
    signal::SendRequest request;
    request.room = room.name;
    request.everyone = true;
    request.data = text;
    const auto sent = router_.send(now, connection_of(at), request, outbox_);
    if (!sent) error(now, peer, label(sent.error().code));
    settle(now, {nullptr, nullptr, &message});
  } else {
    for (const SlotHandle member : room.members) {
      if (!(member == at)) sio_.emit(now, peers_.find(member)->socket, message);
    }
  }
  to_bystanders(now, room, at, message);
}

void SioApp::message_one(const Now& now, SlotHandle at, const SioEvent& event) {
  const json::Value body = event.argument(0);
  const Peer& peer = *peers_.find(at);
  if (!may_send(now, peer)) return;
  std::string target;
  bool named = false;
  if (body.is(json::Kind::Object)) {
    std::string storage;
    json::Scanner in(body.raw, kMaxSioDepth);
    in.enter('{');
    while (in.next('}')) {
      const bool is_target = json::decode(in.key(), storage) == "target";
      const json::Value value = in.value();
      if (!is_target) continue;
      named = value.is(json::Kind::String);
      if (named) target = json::decode(value, storage);
    }
  }
  if (!named) return error(now, peer, "bad_request");
  const std::string text = options_.stamp_from ? sio::with_from(body.raw, peer.name) : std::string(body.raw);
  SioMessage message("/", "message", text, event.attachments);
  const Room& room = *rooms_.find(peer.room);
  const auto known = names_.find(target);
  const Peer* here = known == names_.end() ? nullptr : peers_.find(known->second);
  const bool direct = here != nullptr && here->room == peer.room &&
                      (here == &peer || !peer.member || !event.attachments.empty() ||
                       text.size() > router_.options().max_message_bytes);
  if (direct) return sio_.emit(now, here->socket, message);
  if (peer.member && event.attachments.empty() && text.size() <= router_.options().max_message_bytes) {
    const std::string_view name = target;
    signal::SendRequest request;
    request.room = room.name;
    request.to = {&name, 1};
    request.data = text;
    const auto sent = router_.send(now, connection_of(at), request, outbox_);
    settle(now, {nullptr, nullptr, &message});
    if (sent) return;
    if (sent.error().code != signal::ErrorCode::UnknownTarget) {
      return error(now, peer, label(sent.error().code));
    }
  }
  std::string more = ",\"target\":";
  json::append_string(more, target);
  error(now, peer, label(signal::ErrorCode::UnknownTarget), more);
}

// What the Router says.

void SioApp::settle(const Now& now, const Made& made) {
  // Taken, since a member that is closed here makes the Router say more.
  signal::Outbox said;
  std::swap(said, outbox_);
  if (others_) others_(now, said);
  deliver(now, said, made);
  said.clear();
  if (outbox_.empty()) std::swap(said, outbox_);  // keeps its storage
}

/// What a member says who speaks another dialect.
std::string SioApp::foreign(const signal::Message& message) const {
  if (message.data.empty()) return "null";
  if (!options_.stamp_from || !message.data.starts_with('{')) return std::string(message.data);
  return sio::with_from(message.data, message.from);
}

void SioApp::deliver(const Now& now, const signal::Outbox& outbox) { deliver(now, outbox, {}); }

void SioApp::deliver(const Now& now, const signal::Outbox& outbox, const Made& made) {
  std::vector<SlotHandle> dropped;
  std::vector<SlotHandle> removed;
  for (const signal::Outbox::Item& item : outbox.items()) {
    std::optional<SioMessage> own;
    SioMessage* message = nullptr;
    const bool closes = std::holds_alternative<signal::Close>(item.event);
    for (const signal::Receiver& receiver : outbox.receivers(item)) {
      SlotHandle at;
      if (receiver.dialect != id_) continue;
      Peer* peer = peer_of(receiver.connection, at);
      if (peer == nullptr) continue;
      if (closes) {
        dropped.push_back(at);
        continue;
      }
      if (message == nullptr) {
        if (const auto* e = std::get_if<signal::PeerJoined>(&item.event)) {
          message = made.joined;
          if (message == nullptr)
            message = &own.emplace("/", "message", sio::opened(e->peer, entry(e->peer)));
        } else if (const auto* left = std::get_if<signal::PeerLeft>(&item.event)) {
          message = made.left;
          if (message == nullptr) message = &own.emplace("/", "message", sio::closed(left->peer));
        } else if (const auto* text = std::get_if<signal::Message>(&item.event)) {
          message = made.message;
          if (message == nullptr) message = &own.emplace("/", "message", foreign(*text));
        } else if (const auto* kicked = std::get_if<signal::Kicked>(&item.event)) {
          std::string code = "{\"code\":";
          json::append_string(code, label(kicked->code));
          message = &own.emplace("/", "messageError", code + "}");
        } else if (const auto* lost = std::get_if<signal::Undelivered>(&item.event)) {
          std::string why = "{\"code\":";
          json::append_string(why, label(signal::ErrorCode::UnknownTarget));
          json::append_string(why.append(",\"target\":"), lost->to);
          message = &own.emplace("/", "messageError", why + "}");
        } else {
          break;  // this dialect has no word for it
        }
      }
      sio_.emit(now, peer->socket, *message);
      // It has the one room.
      if (std::holds_alternative<signal::Kicked>(item.event)) removed.push_back(at);
    }
  }
  // Clients do not come back by themselves after a disconnect that was said to them.
  for (const SlotHandle at : removed) {
    if (const Peer* peer = peers_.find(at)) sio_.disconnect(now, peer->socket, true);
  }
  for (const SlotHandle at : dropped) {
    if (const Peer* peer = peers_.find(at)) sio_.drop(now, peer->socket);
  }
}

}  // namespace ts::dialect
