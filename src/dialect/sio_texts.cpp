// SPDX-License-Identifier: Apache-2.0
#include "sio_texts.hpp"

#include <turnstone/dialect/socket_io.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::dialect::sio {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

/// Calls f(key, value) for each member of a valid object, keys decoded.
template <class F>
void each_member(std::string_view object, F&& f) {
  std::string storage;
  json::Scanner in(object, kMaxSioDepth);
  in.enter('{');
  while (in.next('}')) {
    const json::Value raw_key = in.key();
    const json::Value value = in.value();
    if (in.ok()) f(json::decode(raw_key, storage), raw_key, value);
  }
}

}  // namespace

Auth::Auth(std::string_view object) {
  each_member(object, [this](std::string_view key, const json::Value&, const json::Value& value) {
    std::string storage;
    const bool is_text = value.is(json::Kind::String);
    if (key == "token") token = is_text ? json::decode(value, storage) : std::string_view();
    if (key != "room") return;
    room = is_text ? json::decode(value, storage) : std::string_view();
    const bool absent = value.is(json::Kind::Null) || (is_text && room.empty());
    room_is_valid = absent || signal::valid_name(room, signal::kMaxRoomNameBytes);
  });
}

std::string connection(std::string_view socket_id, std::string_view peer, std::string_view type) {
  std::string out = "{\"socketId\":" + quoted(socket_id) + ",\"peerId\":" + quoted(peer);
  if (!type.empty()) out.append(",\"peerType\":").append(type);
  return out += '}';
}

std::string opened(std::string_view peer, std::string_view connection) {
  return "{\"from\":" + quoted(peer) + R"(,"target":"all","payload":{"action":"open","connections":[)" +
         std::string(connection) + R"(],"bePolite":true}})";
}

std::string existing(std::string_view peer, std::string_view connections) {
  return R"({"from":"all","target":)" + quoted(peer) + R"(,"payload":{"action":"open","connections":[)" +
         std::string(connections) + R"(],"bePolite":false}})";
}

std::string closed(std::string_view peer) {
  return "{\"from\":" + quoted(peer) +
         R"(,"target":"all","payload":{"action":"close","message":"Peer has left the signaling server"}})";
}

std::string with_from(std::string_view object, std::string_view from) {
  std::string out = "{\"from\":" + quoted(from);
  each_member(object, [&out](std::string_view key, const json::Value& raw_key, const json::Value& value) {
    if (key != "from") out.append(",").append(raw_key.raw).append(":").append(value.raw);
  });
  return out += '}';
}

}  // namespace ts::dialect::sio
