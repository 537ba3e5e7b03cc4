// SPDX-License-Identifier: Apache-2.0
#include "jwt_parts.hpp"

#include <algorithm>
#include <cmath>

#include <turnstone/base/hash.hpp>

#include "policy_json.hpp"

namespace ts::auth {
namespace {

using nlohmann::json;

/// RFC 7519 §4.1.5 allows "some small leeway, usually no more than a few minutes, to account for clock skew".
constexpr double kLeewaySeconds = 30;
/// A bound that no clock reaches keeps the arithmetic on times clear of overflow.
constexpr double kEndOfTime = 1LL << 40;

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::optional<json> object_of(std::string_view part) {
  const auto text = base64_decode(part);
  return text ? parse_object(*text) : std::nullopt;
}

const json* member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() ? &*found : nullptr;
}

std::string_view algorithm_of(const json& header) {
  const std::string* alg = text_of(member(header, "alg"));
  if (alg == nullptr || header.contains("crit") || header.contains("b64")) return {};
  // §4.1.9: a media type, whose case does not matter.
  const json* typ = member(header, "typ");
  if (typ != nullptr && !(typ->is_string() && equals_ignoring_case(*text_of(typ), "JWT"))) return {};
  return *alg;
}

std::optional<double> date_of(const json* value) {
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const double seconds = value->get<double>();
  if (!(seconds >= 0 && seconds <= kEndOfTime)) return std::nullopt;
  return seconds;
}

WallTime end_of(double exp) noexcept {
  return WallTime(std::chrono::seconds(static_cast<std::int64_t>(std::floor(exp))));
}

std::optional<Failure> out_of_time(const json& claims, WallTime now) {
  const auto exp = date_of(member(claims, "exp"));
  if (!exp) return Failure::BadPolicy;
  const auto seconds = static_cast<double>(now.time_since_epoch().count());
  for (const char* name : {"nbf", "iat"}) {
    const json* value = member(claims, name);
    if (value == nullptr) continue;
    const auto date = date_of(value);
    if (!date) return Failure::BadPolicy;
    if (*date > seconds + kLeewaySeconds) return Failure::Expired;
  }
  return now < end_of(*exp) ? std::nullopt : std::optional(Failure::Expired);
}

bool is_for(const json* aud, std::string_view audience) {
  if (const std::string* only = text_of(aud)) return audience.empty() || *only == audience;
  if (aud == nullptr) return audience.empty();
  if (!aud->is_array()) return false;
  bool named = audience.empty();
  for (const json& each : *aud) {
    const std::string* name = text_of(&each);
    if (name == nullptr) return false;
    named = named || *name == audience;
  }
  return named;
}

}  // namespace ts::auth
