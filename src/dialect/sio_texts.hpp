// SPDX-License-Identifier: Apache-2.0
// The texts of the Socket.IO application: what clients say about themselves, and what they are told.
#pragma once

#include <string>
#include <string_view>

#include <turnstone/dialect/json.hpp>

namespace ts::dialect::sio {

/// What the application looks for in the auth object of a CONNECT.
struct Auth {
  explicit Auth(std::string_view object);
  std::string token;
  /// Empty: none was named.
  std::string room;
  bool room_is_valid = true;
};

/// One of `connections`. `type` is raw JSON, or empty.
std::string connection(std::string_view socket_id, std::string_view peer, std::string_view type);
/// A peer has come, as the others are told.
std::string opened(std::string_view peer, std::string_view connection);
/// Who is there already, as the newcomer is told; `connections` with commas between them.
std::string existing(std::string_view peer, std::string_view connections);
/// A peer has left.
std::string closed(std::string_view peer);
/// The object with `from` in place of what it said itself.
std::string with_from(std::string_view object, std::string_view from);

}  // namespace ts::dialect::sio
