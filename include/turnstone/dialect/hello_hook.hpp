// SPDX-License-Identifier: Apache-2.0
// What the application is asked about a hello, and what it answers: JSON texts. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <turnstone/signal/doorman.hpp>

namespace ts::dialect {

/// A longer answer is none.
inline constexpr std::size_t kMaxHelloAnswerBytes = 16'384;
/// Patterns of rooms in an answer.
inline constexpr std::size_t kMaxHelloAnswerRooms = 256;

/// The question as JSON; `id` names the request. It holds the client's token.
std::string hello_question(std::string_view id, const signal::HelloQuestion& question);

/// What a 200 says: Allowed or Refused. Nothing when it is not understood to the last member: what is
/// misspelled might have been a restriction.
std::optional<signal::HelloAnswer> decode_hello_answer(std::string_view json);

/// The `reason` of a refusal with a status of its own; empty: none that could be shown.
std::string decode_refusal(std::string_view json);

}  // namespace ts::dialect
