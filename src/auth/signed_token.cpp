// SPDX-License-Identifier: Apache-2.0
// Whole tokens. The header is read to learn which key is asked for; the claims only once the signature holds.
#include <algorithm>

#include <turnstone/auth/jwt_keys.hpp>

#include "jwt_parts.hpp"
#include "policy_json.hpp"

namespace ts::auth {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxNames = 256;
constexpr std::size_t kMaxNameBytes = 256;
constexpr double kMaxLimit = 4'294'967'295;

/// An optional text that is not empty.
bool read_text(const json* value, std::string& out) {
  if (value == nullptr) return true;
  const std::string* text = text_of(value);
  if (text == nullptr || text->empty() || text->size() > kMaxNameBytes) return false;
  out = *text;
  return true;
}

/// A name, or an array of names; optional.
bool read_names(const json* value, std::optional<std::vector<std::string>>& out) {
  if (value == nullptr) return true;
  out.emplace();
  if (const std::string* only = text_of(value)) {
    out->push_back(*only);
  } else if (!value->is_array() || value->size() > kMaxNames) {
    return false;
  } else {
    for (const json& each : *value) {
      const std::string* name = text_of(&each);
      if (name == nullptr) return false;
      out->push_back(*name);
    }
  }
  return std::all_of(out->begin(), out->end(),
                     [](const std::string& name) { return !name.empty() && name.size() <= kMaxNameBytes; });
}

/// 0 would read as no limit.
bool read_limit(const json* value, std::uint32_t& out) {
  if (value == nullptr) return true;
  if (!value->is_number_unsigned() || value->get<double>() > kMaxLimit) return false;
  out = value->get<std::uint32_t>();
  return out != 0;
}

bool read_limits(const json* limits, TokenClaims& out) {
  if (limits == nullptr) return true;
  return limits->is_object() && read_limit(member(*limits, "rooms"), out.max_rooms) &&
         read_limit(member(*limits, "messages"), out.max_messages_per_second);
}

/// RFC 7519 §4.1.1: a text that is compared as it is. An empty `wanted` is anybody.
bool read_issuer(const json* iss, std::string_view wanted, std::string& out) {
  return read_text(iss, out) && (wanted.empty() || out == wanted);
}

}  // namespace

bool is_token_shaped(std::string_view token) noexcept {
  const auto is_digit_of_64 = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (token.size() > kMaxTokenBytes) return false;
  for (int part = 0; part < 3; ++part) {
    const std::size_t dot = part < 2 ? token.find('.') : token.size();
    if (dot == 0 || dot == std::string_view::npos) return false;
    if (!std::all_of(token.begin(), token.begin() + static_cast<std::ptrdiff_t>(dot), is_digit_of_64))
      return false;
    token.remove_prefix(std::min(dot + 1, token.size()));
  }
  return true;
}

Result<TokenClaims, Failure> read_token(std::string_view token, const JwtKeys& keys, const TokenRules& rules,
                                        WallTime now) {
  if (!is_token_shaped(token)) return Failure::UnknownUser;
  const std::size_t first = token.find('.');
  const std::size_t second = token.rfind('.');
  const auto header = object_of(token.substr(0, first));
  const std::string_view algorithm = header ? algorithm_of(*header) : std::string_view();
  const auto signature = base64_decode(token.substr(second + 1));
  if (algorithm.empty() || !signature) return Failure::UnknownUser;
  const std::string* key_id = text_of(member(*header, "kid"));
  const std::string_view id = key_id == nullptr ? std::string_view() : std::string_view(*key_id);
  if (!keys.verify(algorithm, id, token.substr(0, second), *signature)) return Failure::WrongPassword;

  const auto claims = object_of(token.substr(first + 1, second - first - 1));
  if (!claims) return Failure::BadPolicy;
  if (const auto why = out_of_time(*claims, now)) return *why;
  TokenClaims out;
  out.expires = end_of(*date_of(member(*claims, "exp")));
  const bool good =
      is_for(member(*claims, "aud"), rules.audience) &&
      read_issuer(member(*claims, "iss"), rules.issuer, out.issuer) &&
      read_text(member(*claims, "sub"), out.subject) && read_text(member(*claims, "peer"), out.peer) &&
      read_names(member(*claims, "rooms"), out.rooms) && read_names(member(*claims, "can"), out.can) &&
      read_limits(member(*claims, "limits"), out);
  if (!good) return Failure::BadPolicy;
  return out;
}

}  // namespace ts::auth
