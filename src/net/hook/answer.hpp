// SPDX-License-Identifier: Apache-2.0
// What is asked of the external source of credentials, and what it answers: JSON texts. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <turnstone/auth/hook.hpp>
#include <turnstone/net/credential_hook.hpp>

namespace ts::net {

/// A longer answer is none.
inline constexpr std::size_t kMaxHookAnswerBytes = 16'384;

/// `{"username":…,"realm":…,"client":…}`
std::string hook_question(const HookQuestion& question);

/// An answer of kind Found. Nothing when it is not understood to the last member: what is misspelled might
/// have been a restriction.
std::optional<auth::HookAnswer> decode_hook_answer(std::string_view json);

}  // namespace ts::net
