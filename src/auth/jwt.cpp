// SPDX-License-Identifier: Apache-2.0
// The JSON of a token is read only once its signature is known to be ours: what strangers send gets no
// further than is_jwt_shaped().
#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include <turnstone/auth/jwt.hpp>
#include <turnstone/base/precis.hpp>

#include "policy_json.hpp"

namespace ts::auth {
namespace {

using nlohmann::json;

/// RFC 7519 §4.1.5 allows "some small leeway, usually no more than a few minutes, to account for clock skew".
constexpr double kLeewaySeconds = 30;
/// A bound that no clock reaches keeps the arithmetic on times clear of overflow.
constexpr double kEndOfTime = 1LL << 40;
constexpr std::size_t kMaxSubjectBytes = 255;

/// The object that a part of the token holds.
std::optional<json> object_of(std::string_view part) {
  const auto text = base64_decode(part);
  return text ? parse_object(*text) : std::nullopt;
}

const json* member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() ? &*found : nullptr;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

/// RFC 7515 §4.1. No other algorithm, and no extension that changes what is signed or must be understood.
bool is_hs256(const json& header) {
  const std::string* alg = text_of(member(header, "alg"));
  if (alg == nullptr || *alg != "HS256") return false;
  if (header.contains("crit") || header.contains("b64")) return false;
  // §4.1.9: a media type, whose case does not matter.
  const json* typ = member(header, "typ");
  return typ == nullptr || (typ->is_string() && equals_ignoring_case(*text_of(typ), "JWT"));
}

/// A NumericDate (RFC 7519 §2): seconds since 1970, with or without a fraction.
std::optional<double> date_of(const json* value) {
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const double seconds = value->get<double>();
  if (!(seconds >= 0 && seconds <= kEndOfTime)) return std::nullopt;
  return seconds;
}

/// `now` is a whole second that has begun: a token ends with the second before its fraction of one.
WallTime end_of(double exp) noexcept {
  return WallTime(std::chrono::seconds(static_cast<std::int64_t>(std::floor(exp))));
}

/// Nothing: the token is good now.
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

/// RFC 7519 §4.1.3: one name, or an array of them.
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

/// A policy that is not understood allows nothing.
bool read_turn(const json* turn, Policy& out) { return turn == nullptr || read_policy(*turn, out); }

bool read_subject(const json* sub, Policy& out) {
  if (sub == nullptr) return true;
  const std::string* text = text_of(sub);
  if (text == nullptr || text->empty() || text->size() > kMaxSubjectBytes) return false;
  // With the colon of ephemeral credentials' users, so that it is no static user's account.
  out.account = ':' + *text;
  return true;
}

}  // namespace

bool is_jwt_shaped(std::string_view username) noexcept {
  if (username.size() > kMaxJwtUsernameBytes) return false;
  const std::size_t dot = username.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot + 1 == username.size()) return false;
  const auto is_digit_of_64 = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return std::all_of(username.begin(), username.begin() + static_cast<std::ptrdiff_t>(dot), is_digit_of_64) &&
         std::all_of(username.begin() + static_cast<std::ptrdiff_t>(dot) + 1, username.end(), is_digit_of_64);
}

std::string jwt_password(const HmacSha256Key& secret, std::string_view username) {
  return base64url(secret.sign({as_bytes(username)}));
}

Result<std::unique_ptr<const Policy>, Failure> read_jwt(std::string_view username, std::string_view audience,
                                                        WallTime now) {
  if (!is_jwt_shaped(username)) return Failure::BadPolicy;
  const std::size_t dot = username.find('.');
  const auto header = object_of(username.substr(0, dot));
  const auto claims = header && is_hs256(*header) ? object_of(username.substr(dot + 1)) : std::nullopt;
  if (!claims) return Failure::BadPolicy;
  if (const auto why = out_of_time(*claims, now)) return *why;
  auto policy = std::make_unique<Policy>();
  const bool good = is_for(member(*claims, "aud"), audience) &&
                    read_subject(member(*claims, "sub"), *policy) &&
                    read_turn(member(*claims, "turn"), *policy);
  if (!good) return Failure::BadPolicy;
  return std::unique_ptr<const Policy>(std::move(policy));
}

std::optional<WallTime> jwt_expiry(std::string_view username) {
  if (!is_jwt_shaped(username)) return std::nullopt;
  const auto claims = object_of(username.substr(username.find('.') + 1));
  const auto exp = claims ? date_of(member(*claims, "exp")) : std::nullopt;
  return exp ? std::optional(end_of(*exp)) : std::nullopt;
}

std::optional<Minted> mint_jwt(std::string_view secret, std::string_view user, const Policy& policy,
                               std::string_view audience, WallTime expiry) {
  if (secret.size() < kMinJwtSecretBytes) return std::nullopt;
  for (const std::string_view text :
       {user, std::string_view(policy.room), std::string_view(policy.member), audience}) {
    if (!is_utf8(text)) return std::nullopt;
  }
  json claims = {{"exp", expiry.time_since_epoch().count()}};
  if (!user.empty()) claims["sub"] = user;
  if (!audience.empty()) claims["aud"] = audience;
  if (json rules = to_json(policy); !rules.empty()) claims["turn"] = std::move(rules);
  std::string username = base64url(as_bytes(R"({"alg":"HS256"})")) + '.' + base64url(as_bytes(claims.dump()));
  if (username.size() > kMaxPolicyUsernameBytes) return std::nullopt;
  // What we would refuse is not handed out.
  if (!read_jwt(username, audience, expiry - std::chrono::seconds(1))) return std::nullopt;
  std::string password = jwt_password(HmacSha256Key(as_bytes(secret)), username);
  return Minted{std::move(username), std::move(password)};
}

}  // namespace ts::auth
