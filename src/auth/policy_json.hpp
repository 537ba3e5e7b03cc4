// SPDX-License-Identifier: Apache-2.0
// JSON objects that carry a policy, as tokens and the external source of credentials write it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <turnstone/auth/policy.hpp>

namespace ts::auth {

/// The object that the text is. Nothing: it is not one, a key is there twice somewhere in it (RFC 7519 §4:
/// such texts may be rejected, and are), or it is nested more deeply than anything of ours.
std::optional<nlohmann::json> parse_object(std::string_view text);

/// The text of a string; null for what is no string, and for null.
const std::string* text_of(const nlohmann::json* value);

/// What parse_policy_json() does, of an object that parse_object() has read. False: it is refused, and `out`
/// may hold a part of it.
bool read_policy(const nlohmann::json& rules, Policy& out);

/// What read_policy() reads; an empty object for an empty policy. The account is not in it.
nlohmann::json to_json(const Policy& policy);

}  // namespace ts::auth
