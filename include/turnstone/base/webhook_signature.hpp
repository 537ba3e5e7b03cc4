// SPDX-License-Identifier: Apache-2.0
// Signatures of what is posted to applications, as Standard Webhooks has them (symmetric, v1):
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <turnstone/base/time.hpp>

namespace ts {

/// The key of a secret: base64 of 24 to 64 bytes, with `whsec_` before it or not. Nothing: it is none.
std::optional<std::string> webhook_key(std::string_view secret);

/// "v1,BASE64": HMAC-SHA256 over id, time and body. `key` is what webhook_key() gave.
std::string webhook_signature(std::string_view key, std::string_view id, WallTime time,
                              std::string_view body);

}  // namespace ts
