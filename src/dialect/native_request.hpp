// SPDX-License-Identifier: Apache-2.0
// Reading a text of the native protocol into slices, and the slices into values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/dialect/json.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::dialect::native {

/// The known members of one message as raw JSON; views into the text. Of a duplicate, the last one.
struct Request {
  signal::MessageType type = signal::MessageType::Invalid;
  json::Value t, id, v, token, peer, meta, room, to, kind, data, queue;
  json::Value resume, seq, options, size, locked, reason, seconds;
};

/// Fills `request`, whose type is Invalid on failure, and whose id is empty unless it may be echoed.
std::optional<signal::Failure> parse(std::string_view text, Request& request);

/// An optional string; null counts as absent. `ok` turns false when it is something else, or empty.
class Text {
 public:
  Text(const json::Value& value, bool& ok);
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  std::string_view view() const noexcept { return view_; }
  bool empty() const noexcept { return view_.empty(); }

 private:
  std::string storage_;
  std::string_view view_;
};

/// The targets of a send: "*", a name, or an array of names.
struct Targets {
  bool everyone = false;
  std::vector<std::string_view> names;

  /// False when `to` is none of these.
  bool read(const json::Value& to);

 private:
  std::vector<std::string> storage_;
};

std::optional<signal::Kind> read_kind(const json::Value& kind);

/// The `resume` of a hello: {"sid","key","seq"?}.
struct ResumeRequest {
  std::string sid;
  std::string key;
  std::uint64_t seq = 0;
};
/// Nothing in `out` when `resume` is absent or null. False when it is malformed.
bool read_resume(const json::Value& resume, std::optional<ResumeRequest>& out);

/// Options of a room: `size`, `locked`, `meta`; each may be absent, or null (except meta). False when
/// malformed.
bool read_room(const json::Value& size, const json::Value& locked, const json::Value& meta,
               signal::RoomChange& out);
/// The same as an object, which may be absent or null.
bool read_room(const json::Value& options, signal::RoomChange& out);

}  // namespace ts::dialect::native
