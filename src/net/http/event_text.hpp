// SPDX-License-Identifier: Apache-2.0
// Texts of an event stream (WHATWG HTML §9.2) and of what is posted to it. Pure; knows no socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ts::net::event_text {

/// One event. `name` may be empty (then it is a "message"), `id` 0 (then it has none). Each line of `data`,
/// whatever ends it, is a line of its own.
std::string event(std::string_view name, std::uint64_t id, std::string_view data);

/// One chunk of a chunked body (RFC 9112 §7.1), added to `out`. An empty one is the last.
void append_chunk(std::string& out, std::string_view data);

/// Takes the next message off the front of a body with one message a line; empty lines are none. Nothing:
/// there is no more. The view is of the body.
std::optional<std::string_view> take_message(std::string_view& body) noexcept;

/// The number of a POST: decimal digits, above 0. Nothing when it is none.
std::optional<std::uint64_t> post_number(std::string_view text) noexcept;

}  // namespace ts::net::event_text
