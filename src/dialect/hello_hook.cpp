// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include <turnstone/dialect/hello_hook.hpp>
#include <turnstone/dialect/json.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::dialect {
namespace {

using json::Kind;
using json::Value;

/// A bound that no clock reaches keeps the arithmetic on times clear of overflow.
constexpr std::uint64_t kEndOfTime = std::uint64_t{1} << 40;
constexpr std::size_t kMaxSubjectBytes = 255;

bool read_name(const Value& value, std::size_t most, std::string& out) {
  if (!value.is(Kind::String)) return false;
  std::string storage;
  out = json::decode(value, storage);
  return signal::valid_name(out, most);
}

/// Calls `read(key, value)` for each member; false when one is refused, or there twice.
template <class F>
bool read_members(std::string_view object, F&& read) {
  std::vector<std::string> seen;
  bool good = true;
  const bool well_formed = json::for_each_member(object, [&](const Value& name, const Value& value) {
    if (!good) return;
    std::string storage;
    const std::string key(json::decode(name, storage));
    good = std::find(seen.begin(), seen.end(), key) == seen.end() && read(key, value);
    seen.push_back(key);
  });
  return good && well_formed;
}

bool read_rights(const Value& value, std::optional<signal::Rights>& out) {
  signal::Rights rights;
  bool good = value.is(Kind::Array);
  const bool well_formed =
      good && json::for_each_element(value.raw, [&](const Value& one) {
        std::string storage;
        const auto right = one.is(Kind::String) ? signal::right_of(json::decode(one, storage)) : std::nullopt;
        good = good && right;
        if (right) rights.add(*right);
      });
  out = rights;
  return good && well_formed;
}

bool read_rooms(const Value& value, std::optional<std::vector<std::string>>& out) {
  std::vector<std::string> rooms;
  bool good = value.is(Kind::Array);
  const bool well_formed =
      good && json::for_each_element(value.raw, [&](const Value& one) {
        std::string name;
        good = good && rooms.size() < kMaxHelloAnswerRooms && read_name(one, signal::kMaxRoomNameBytes, name);
        if (good) rooms.push_back(std::move(name));
      });
  out = std::move(rooms);
  return good && well_formed;
}

bool read_limits(const Value& value, signal::Limits& out) {
  return value.is(Kind::Object) && read_members(value.raw, [&](std::string_view key, const Value& number) {
           const auto count = number.is(Kind::Number) ? json::to_integer(number) : std::nullopt;
           if (!count || *count == 0 || *count > std::numeric_limits<std::uint32_t>::max()) return false;
           const auto limit = static_cast<std::uint32_t>(*count);
           if (key == "rooms") out.rooms = limit;
           if (key == "messages") out.messages_per_second = limit;
           return key == "rooms" || key == "messages";
         });
}

bool read_member(std::string_view key, const Value& value, signal::HelloAnswer& out) {
  if (key == "allow") {
    out.result = value.is(Kind::True) ? signal::HookResult::Allowed : signal::HookResult::Refused;
    return value.is(Kind::True) || value.is(Kind::False);
  }
  if (key == "reason") return read_name(value, signal::kMaxReasonBytes, out.reason);
  if (key == "sub") return read_name(value, kMaxSubjectBytes, out.subject);
  if (key == "peer") return read_name(value, signal::kMaxPeerNameBytes, out.peer) && out.peer != "*";
  if (key == "meta") {
    out.meta = value.raw;
    return value.raw.size() <= signal::kMaxMetaBytes;
  }
  if (key == "can") return read_rights(value, out.can);
  if (key == "rooms") return read_rooms(value, out.rooms);
  if (key == "limits") return read_limits(value, out.limits);
  if (key != "expires") return false;
  const auto seconds = value.is(Kind::Number) ? json::to_integer(value) : std::nullopt;
  if (!seconds || *seconds > kEndOfTime) return false;
  out.expires = WallTime(std::chrono::seconds(*seconds));
  return true;
}

void append(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  out.append(",\"").append(key).append("\":");
  json::append_string(out, value);
}

}  // namespace

std::string hello_question(std::string_view id, const signal::HelloQuestion& question) {
  std::string out = R"({"type":"hello","id":)";
  json::append_string(out, id);
  append(out, "token", question.token);
  append(out, "dialect", question.dialect);
  append(out, "address", question.client.unmapped().to_string());
  append(out, "peer", question.peer);
  append(out, "room", question.room);
  append(out, "origin", question.origin);
  return out += '}';
}

std::optional<signal::HelloAnswer> decode_hello_answer(std::string_view text) {
  if (text.size() > kMaxHelloAnswerBytes) return std::nullopt;
  signal::HelloAnswer out;
  const bool read = read_members(
      text, [&](std::string_view key, const Value& value) { return read_member(key, value, out); });
  // Whether somebody may come in is never guessed.
  if (!read || out.result == signal::HookResult::Unreachable) return std::nullopt;
  return out;
}

std::string decode_refusal(std::string_view text) {
  std::string out;
  if (text.size() > kMaxHelloAnswerBytes) return out;
  const bool good = json::for_each_member(text, [&](const Value& name, const Value& value) {
    std::string storage;
    if (json::decode(name, storage) == "reason" && !read_name(value, signal::kMaxReasonBytes, out))
      out.clear();
  });
  if (!good) out.clear();
  return out;
}

}  // namespace ts::dialect
