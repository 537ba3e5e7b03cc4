// SPDX-License-Identifier: Apache-2.0
#include "answer.hpp"

#include <algorithm>
#include <array>

#include <turnstone/base/hex.hpp>
#include <turnstone/dialect/json.hpp>

namespace ts::net {
namespace {

namespace json = dialect::json;
using json::Kind;
using json::Value;

constexpr std::size_t kMaxPasswordBytes = 1024;
/// A bound that no clock reaches keeps the arithmetic on times clear of overflow.
constexpr std::uint64_t kEndOfTime = std::uint64_t{1} << 40;

/// The text of a string value; nothing for another kind.
std::optional<std::string> text_of(const Value& value) {
  if (!value.is(Kind::String)) return std::nullopt;
  std::string storage;
  return std::string(json::decode(value, storage));
}

bool read_text(const Value& value, std::size_t most, std::string& out) {
  auto text = text_of(value);
  if (!text || text->empty() || text->size() > most) return false;
  out = std::move(*text);
  return true;
}

template <class Digest>
bool read_key(const Value& value, std::optional<Digest>& out) {
  const auto text = text_of(value);
  Digest digest{};
  if (!text || text->size() != 2 * digest.size()) return false;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = hex_digit((*text)[2 * i]);
    const int low = hex_digit((*text)[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    digest[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  out = digest;
  return true;
}

/// Calls `read(key, value)` for each member; false when one is refused, or there twice.
template <class F>
bool read_members(std::string_view object, F&& read) {
  std::vector<std::string> seen;
  bool good = true;
  const bool well_formed = json::for_each_member(object, [&](const Value& name, const Value& value) {
    const auto key = text_of(name);
    good = good && key && std::find(seen.begin(), seen.end(), *key) == seen.end() && read(*key, value);
    if (good) seen.push_back(*key);
  });
  return good && well_formed;
}

bool read_member(std::string_view key, const Value& value, auth::HookAnswer& out) {
  if (key == "password") return read_text(value, kMaxPasswordBytes, out.password);
  if (key == "key") return read_key(value, out.md5_key);
  if (key == "sha256_key") return read_key(value, out.sha256_key);
  if (key == "policy") {
    auto policy = auth::parse_policy_json(value.raw);
    if (policy) out.policy = std::move(*policy);
    return policy.has_value();
  }
  const auto number = json::to_integer(value);
  if (!number || *number > kEndOfTime) return false;
  const std::chrono::seconds seconds{static_cast<std::int64_t>(*number)};
  if (key == "expires") {
    out.expires = WallTime{seconds};
    return true;
  }
  if (key == "ttl") {
    out.ttl = seconds;
    return true;
  }
  return false;
}

}  // namespace

std::string hook_question(const HookQuestion& question) {
  std::string out = R"({"username":)";
  json::append_string(out, question.username);
  out += R"(,"realm":)";
  json::append_string(out, question.realm);
  out += R"(,"client":)";
  json::append_string(out, question.client.unmapped().to_string());
  return out += '}';
}

std::optional<auth::HookAnswer> decode_hook_answer(std::string_view text) {
  if (text.size() > kMaxHookAnswerBytes) return std::nullopt;
  auth::HookAnswer out;
  out.kind = auth::HookAnswer::Kind::Found;
  const bool read = read_members(
      text, [&](std::string_view key, const Value& value) { return read_member(key, value, out); });
  const bool has_key = out.md5_key || out.sha256_key;
  // A password and a key might contradict each other.
  if (!read || has_key == !out.password.empty()) return std::nullopt;
  return out;
}

}  // namespace ts::net
