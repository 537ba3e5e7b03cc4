// SPDX-License-Identifier: Apache-2.0
// What all readers of JSON Web Tokens share: parts, header and registered claims (RFC 7515, RFC 7519).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/base/time.hpp>

namespace ts::auth {

/// The object that a part of the token holds.
std::optional<nlohmann::json> object_of(std::string_view part);

/// Null: there is no such member.
const nlohmann::json* member(const nlohmann::json& object, const char* name);

/// The `alg` of a header of ours (RFC 7515 §4.1): no extension that changes what is signed or must be
/// understood, and no other type. Empty: it is none.
std::string_view algorithm_of(const nlohmann::json& header);

/// A NumericDate (RFC 7519 §2): seconds since 1970, with or without a fraction.
std::optional<double> date_of(const nlohmann::json* value);

/// `now` is a whole second that has begun: a token ends with the second before its fraction of one.
WallTime end_of(double exp) noexcept;

/// `exp`, which must be there, `nbf` and `iat`. Nothing: the token is good now.
std::optional<Failure> out_of_time(const nlohmann::json& claims, WallTime now);

/// RFC 7519 §4.1.3: one name, or an array of them. An empty audience is anybody's.
bool is_for(const nlohmann::json* aud, std::string_view audience);

}  // namespace ts::auth
