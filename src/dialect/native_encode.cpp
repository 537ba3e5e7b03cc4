// SPDX-License-Identifier: Apache-2.0
// The native protocol's writer. Texts are built in one pass; opaque JSON is copied as it came.
#include "native_encode.hpp"

#include <turnstone/dialect/json.hpp>

namespace ts::dialect::native {
namespace {

/// One JSON object: members with literal keys, separated as needed.
class Writer {
 public:
  /// `reserve` beside about a hundred bytes for the envelope.
  explicit Writer(std::string_view type, std::string_view id = {}, std::size_t reserve = 0) {
    text_.reserve(96 + reserve);
    text_ = "{\"t\":";
    json::append_string(text_, type);
    if (!id.empty()) raw("id", id);
  }

  void key(std::string_view name) {
    if (text_.back() != '{') text_.push_back(',');
    text_.append("\"").append(name).append("\":");
  }
  void string(std::string_view name, std::string_view value) { key(name), json::append_string(text_, value); }
  void raw(std::string_view name, std::string_view value) { key(name), text_.append(value); }
  /// A member's own JSON; null when it gave none.
  void opaque(std::string_view name, std::string_view value) { raw(name, value.empty() ? "null" : value); }
  void number(std::string_view name, std::int64_t value) { raw(name, std::to_string(value)); }
  void boolean(std::string_view name, bool value) { raw(name, value ? "true" : "false"); }
  /// Seconds, to the millisecond.
  void seconds(std::string_view name, std::chrono::milliseconds value) {
    std::string digits = std::to_string(value.count() % 1000);
    digits.insert(0, 3 - digits.size(), '0');
    raw(name, std::to_string(value.count() / 1000) + '.' + digits);
  }
  void open(std::string_view name, char bracket) { key(name), text_.push_back(bracket); }
  void close(char bracket) { text_.push_back(bracket); }
  /// Begins an element of an array.
  void element() {
    if (text_.back() != '[') text_.push_back(',');
  }
  std::string& text() noexcept { return text_; }
  std::string take() { return text_.push_back('}'), std::move(text_); }

 private:
  std::string text_;
};

void write_ice(Writer& out, const signal::IceServers& ice) {
  out.open("servers", '[');
  for (const signal::IceServer& server : ice.servers) {
    out.element();
    out.text().push_back('{');
    out.open("urls", '[');
    for (const std::string& url : server.urls) {
      out.element();
      json::append_string(out.text(), url);
    }
    out.close(']');
    if (!server.username.empty()) {
      out.string("username", server.username);
      out.string("credential", server.credential);
    }
    out.close('}');
  }
  out.close(']');
  out.number("ttl", ice.ttl.count());
}

void write_peers(Writer& out, const std::vector<signal::PeerView>& peers) {
  out.open("peers", '[');
  for (const signal::PeerView& peer : peers) {
    out.element();
    out.text().push_back('{');
    out.string("peer", peer.peer);
    out.opaque("meta", peer.meta);
    out.boolean("polite", peer.polite);
    if (peer.lost) out.boolean("lost", true);
    out.close('}');
  }
  out.close(']');
}

std::string encode(const signal::PeerJoined& event) {
  Writer out("peer-joined", {}, event.meta.size());
  out.string("room", event.room);
  out.string("peer", event.peer);
  out.opaque("meta", event.meta);
  out.boolean("polite", event.polite);
  return out.take();
}

std::string encode(const signal::PeerLeft& event) {
  Writer out("peer-left");
  out.string("room", event.room);
  out.string("peer", event.peer);
  out.string("reason", event.reason);
  return out.take();
}

std::string encode(const signal::PeerUpdated& event) {
  Writer out("peer-updated", {}, event.meta.size());
  out.string("room", event.room);
  out.string("peer", event.peer);
  out.opaque("meta", event.meta);
  return out.take();
}

std::string encode(const signal::Message& event) {
  Writer out("msg", {}, event.data.size());
  if (!event.room.empty()) out.string("room", event.room);
  out.string("from", event.from);
  out.string("kind", label(event.kind));
  out.opaque("data", event.data);
  return out.take();
}

std::string encode(const signal::Expired& event) {
  Writer out("expired");
  out.string("to", event.to);
  return out.take();
}

std::string encode(const signal::IceRenewed& event) { return encode_ice({}, event.room, event.ice); }

std::string encode(const signal::Kicked& event) {
  Writer out("kicked");
  if (!event.room.empty()) out.string("room", event.room);
  out.string("code", label(event.code));
  out.string("reason", event.reason);
  return out.take();
}

std::string encode(const signal::GoAway& event) {
  Writer out("goaway");
  out.seconds("retryAfter", event.retry_after);
  return out.take();
}

std::string encode(const signal::Close&) { return {}; }

std::string encode(const signal::PeerResumed& event) {
  Writer out("peer-resumed");
  out.string("room", event.room);
  out.string("peer", event.peer);
  return out.take();
}

void write_room(Writer& out, const signal::RoomView& room) {
  out.number("size", room.size);
  out.boolean("locked", room.locked);
  out.opaque("meta", room.meta);
}

std::string encode(const signal::RoomUpdated& event) {
  Writer out("room-updated", {}, event.meta.size());
  out.string("room", event.room);
  write_room(out, {event.size, event.locked, event.meta});
  return out.take();
}

/// An error that answers nothing: what it means was answered before.
std::string encode(const signal::Undelivered& event) {
  Writer out("error");
  out.string("code", label(signal::ErrorCode::UnknownTarget));
  out.string("message", "the peer is out of reach: a message to it may not have arrived");
  if (!event.room.empty()) out.string("room", event.room);
  out.string("to", event.to);
  return out.take();
}

std::string features(const signal::Options& options) {
  std::string out = R"(["presence","queue","update","rooms","kick","ban")";
  if (options.resume_time.count() > 0) out += ",\"resume\"";
  return out + ']';
}

/// Nothing, when no resume was asked for.
void write_outcome(Writer& out, const std::optional<signal::ResumeOutcome>& outcome) {
  if (!outcome) return;
  const bool resumed = *outcome == signal::ResumeOutcome::Resumed;
  out.boolean("resumed", resumed);
  if (!resumed) out.string("reason", label(*outcome));
}

}  // namespace

std::string encode_welcome(std::string_view id, const signal::Welcome& welcome,
                           const signal::Options& options) {
  Writer out("welcome", id, 768);
  out.number("v", 1);
  out.string("sid", welcome.sid);
  out.string("key", welcome.key);
  out.string("peer", welcome.peer);
  write_outcome(out, welcome.outcome);
  out.raw("features", features(options));
  out.open("limits", '{');
  out.number("messageBytes", options.max_message_bytes);
  out.number("metaBytes", signal::kMaxMetaBytes);
  out.number("roomMembers", options.max_members_per_room);
  out.number("rooms", options.max_rooms_per_member);
  out.number("targets", signal::kMaxTargets);
  out.number("queueMs", options.max_queue_time.count());
  out.number("queued", options.max_queued_per_target);
  out.number("messagesPerSecond", options.messages_per_second);
  out.number("messageBurst", options.message_burst);
  out.number("resumeMs", options.resume_time.count());
  out.number("resumeMessages", options.max_resume_messages);
  out.number("resumeBytes", options.max_resume_bytes);
  out.close('}');
  out.number("heartbeat", options.heartbeat.count());
  out.open("ice", '{');
  write_ice(out, welcome.ice);
  out.close('}');
  return out.take();
}

std::string encode_joined(std::string_view id, std::string_view room, const signal::Joined& joined) {
  Writer out("joined", id, joined.peers.size() * 64);
  out.string("room", room);
  write_peers(out, joined.peers);
  if (!joined.room.is_plain()) {
    out.open("options", '{');
    write_room(out, joined.room);
    out.close('}');
  }
  if (!joined.ice.servers.empty()) {
    out.open("ice", '{');
    write_ice(out, joined.ice);
    out.close('}');
  }
  return out.take();
}

std::string encode_list(std::string_view id, std::string_view room,
                        const std::vector<signal::PeerView>& peers) {
  Writer out("list", id, peers.size() * 64);
  out.string("room", room);
  write_peers(out, peers);
  return out.take();
}

std::string encode_ok(std::string_view id) { return Writer("ok", id).take(); }

std::string encode_sent(std::string_view id, const signal::Sent& sent) {
  Writer out("ok", id);
  out.number("delivered", sent.delivered);
  out.number("queued", sent.queued);
  return out.take();
}

std::string encode_ice(std::string_view id, std::string_view room, const signal::IceServers& ice) {
  Writer out("ice", id, 512);
  if (!room.empty()) out.string("room", room);
  write_ice(out, ice);
  return out.take();
}

std::string encode_pong(std::string_view id) { return Writer("pong", id).take(); }

std::string encode_error(std::string_view id, const signal::Failure& failure) {
  Writer out("error", id);
  out.string("code", label(failure.code));
  out.string("message", failure.message);
  if (failure.retry_after.count() > 0) out.seconds("retryAfter", failure.retry_after);
  return out.take();
}

std::string with_number(std::string_view message, std::uint64_t seq) {
  const std::string digits = std::to_string(seq);
  std::string out;
  out.reserve(message.size() + digits.size() + 8);
  out.append(message.substr(0, message.size() - 1)).append(",\"seq\":").append(digits).push_back('}');
  return out;
}

std::string encode_event(const signal::Event& event) {
  return std::visit([](const auto& e) { return encode(e); }, event);
}

}  // namespace ts::dialect::native
