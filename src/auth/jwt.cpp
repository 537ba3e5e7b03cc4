// SPDX-License-Identifier: Apache-2.0
// The JSON of a token is read only once its signature is known to be ours: what strangers send gets no
// further than is_jwt_shaped().
#include <algorithm>

#include <turnstone/auth/jwt.hpp>
#include <turnstone/base/precis.hpp>

#include "jwt_parts.hpp"
#include "policy_json.hpp"

namespace ts::auth {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxSubjectBytes = 255;

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
  const auto claims =
      header && algorithm_of(*header) == "HS256" ? object_of(username.substr(dot + 1)) : std::nullopt;
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
