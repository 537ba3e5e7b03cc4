// SPDX-License-Identifier: Apache-2.0
// The native protocol's reader. A text is checked to its last byte before anything is done about it.
#include "native_request.hpp"

#include <array>
#include <utility>

namespace ts::dialect::native {
namespace {

using signal::ErrorCode;
using signal::Failure;
using signal::MessageType;

/// Longest request id that is echoed, as raw JSON.
constexpr std::size_t kMaxIdBytes = 128;

constexpr std::array<std::pair<std::string_view, json::Value Request::*>, 11> kMembers{{
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
}};

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
  if (!id.absent() && !id.is(json::Kind::Null)) {
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
  if (value.absent() || value.is(json::Kind::Null)) return;
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

}  // namespace ts::dialect::native
