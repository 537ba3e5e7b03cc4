// SPDX-License-Identifier: Apache-2.0
// Answers of the admin API for people. What the server says is made safe for a terminal. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "commands.hpp"

namespace ts::app::ctl {

using Json = nlohmann::ordered_json;

/// Rows under headings, in aligned columns; "(none)" when there is none.
std::string table(const std::vector<Column>& columns, const std::vector<Json>& rows);

/// JSON in which everything but ASCII is escaped.
std::string json_text(const Json& value);

/// What a drain still waits for, by an answer of /v1/status; nothing: it is none.
std::optional<std::uint64_t> left_of(const Json& status);

/// False: the answer says that it has not everything.
bool is_complete(const Json& answer);

/// An object: a line a member, lists indented.
std::string lines(const Json& object);

}  // namespace ts::app::ctl
