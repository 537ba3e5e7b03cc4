// SPDX-License-Identifier: Apache-2.0
// The native protocol's reader. A text is checked to its last byte before anything is done about it.
#include "native_request.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace ts::dialect::native {
namespace {

using signal::ErrorCode;
using signal::Failure;
using signal::MessageType;

/// Longest request id that is echoed, as raw JSON.
constexpr std::size_t kMaxIdBytes = 128;

constexpr std::array<std::pair<std::string_view, json::Value Request::*>, 18> kMembers{{
    {"t", &Request::t},
    {"id", &Request::id},
    {"room", &Request::room},
    {"to", &Request::to},
    {"kind", &Request::kind},
    {"data", &Request::data},
    {"queue", &Request::queue},
    {"meta", &Request::meta},
    {"v", &Request::v},
    {"token", &Request::token},
    {"peer", &Request::peer},
    {"resume", &Request::resume},
    {"seq", &Request::seq},
    {"options", &Request::options},
    {"size", &Request::size},
    {"locked", &Request::locked},
    {"reason", &Request::reason},
    {"seconds", &Request::seconds},
}};

bool is_nothing(const json::Value& value) noexcept { return value.absent() || value.is(json::Kind::Null); }

MessageType type_of(std::string_view name) noexcept {
  for (std::size_t i = 0; i < signal::index(MessageType::Unknown); ++i) {
    const auto type = static_cast<MessageType>(i);
    if (label(type) == name) return type;
  }
  return MessageType::Unknown;
}

}  // namespace

std::optional<Failure> parse(std::string_view text, Request& request) {
  std::string storage;
  const bool valid = json::for_each_member(text, [&](const json::Value& key, const json::Value& value) {
    const std::string_view name = json::decode(key, storage);
    for (const auto& [known, member] : kMembers) {
      if (name == known) request.*member = value;
    }
  });
  const json::Value id = std::exchange(request.id, {});
  if (!valid) return Failure{ErrorCode::BadJson, "not one valid JSON object"};
  if (!is_nothing(id)) {
    const bool fits = id.is(json::Kind::String) || id.is(json::Kind::Number);
    if (!fits || id.raw.size() > kMaxIdBytes)
      return Failure{ErrorCode::BadRequest, "id: a short string or a number"};
    request.id = id;
  }
  if (!request.t.is(json::Kind::String)) return Failure{ErrorCode::BadRequest, "t: a string is needed"};
  request.type = type_of(json::decode(request.t, storage));
  return std::nullopt;
}

Text::Text(const json::Value& value, bool& ok) {
  if (is_nothing(value)) return;
  if (value.is(json::Kind::String)) view_ = json::decode(value, storage_);
  if (view_.empty()) ok = false;
}

bool Targets::read(const json::Value& to) {
  std::string scratch;
  if (to.is(json::Kind::String)) {
    const std::string_view name = json::decode(to, scratch);
    everyone = name == "*";
    if (!everyone) storage_.emplace_back(name);
  } else if (to.is(json::Kind::Array)) {
    bool strings = true;
    json::for_each_element(to.raw, [&](const json::Value& value) {
      strings = strings && value.is(json::Kind::String) && storage_.size() <= signal::kMaxTargets;
      if (strings) storage_.emplace_back(json::decode(value, scratch));
    });
    if (!strings) return false;
  }
  names.assign(storage_.begin(), storage_.end());
  return everyone || !names.empty();
}

std::optional<signal::Kind> read_kind(const json::Value& kind) {
  if (!kind.is(json::Kind::String)) return std::nullopt;
  std::string storage;
  const std::string_view name = json::decode(kind, storage);
  for (std::size_t i = 0; i < signal::kKindCount; ++i) {
    const auto known = static_cast<signal::Kind>(i);
    if (label(known) == name) return known;
  }
  return std::nullopt;
}

bool read_resume(const json::Value& resume, std::optional<ResumeRequest>& out) {
  if (is_nothing(resume)) return true;
  if (!resume.is(json::Kind::Object)) return false;
  json::Value sid;
  json::Value key;
  json::Value seq;
  std::string storage;
  json::for_each_member(resume.raw, [&](const json::Value& name, const json::Value& value) {
    const std::string_view known = json::decode(name, storage);
    if (known == "sid") sid = value;
    if (known == "key") key = value;
    if (known == "seq") seq = value;
  });
  if (!sid.is(json::Kind::String) || !key.is(json::Kind::String)) return false;
  const auto number = is_nothing(seq) ? std::optional<std::uint64_t>(0) : json::to_integer(seq);
  if (!number) return false;
  out.emplace();
  out->sid = json::decode(sid, storage);
  out->key = json::decode(key, storage);
  out->seq = *number;
  return true;
}

bool read_room(const json::Value& size, const json::Value& locked, const json::Value& meta,
               signal::RoomChange& out) {
  if (!is_nothing(size)) {
    const auto number = size.is(json::Kind::Number) ? json::to_integer(size) : std::nullopt;
    if (!number) return false;
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    out.size = static_cast<std::uint32_t>(std::min(*number, kMost));
  }
  if (!is_nothing(locked)) {
    if (!locked.is(json::Kind::True) && !locked.is(json::Kind::False)) return false;
    out.locked = locked.is(json::Kind::True);
  }
  out.meta = meta.raw;
  return true;
}

bool read_room(const json::Value& options, signal::RoomChange& out) {
  if (is_nothing(options)) return true;
  if (!options.is(json::Kind::Object)) return false;
  json::Value size;
  json::Value locked;
  json::Value meta;
  std::string storage;
  json::for_each_member(options.raw, [&](const json::Value& name, const json::Value& value) {
    const std::string_view known = json::decode(name, storage);
    if (known == "size") size = value;
    if (known == "locked") locked = value;
    if (known == "meta") meta = value;
  });
  return read_room(size, locked, meta, out);
}

}  // namespace ts::dialect::native
