// SPDX-License-Identifier: Apache-2.0
// Answers of the admin API for people. What the server says is made safe for a terminal. Pure.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "commands.hpp"

namespace ts::app::ctl {

using Json = nlohmann::ordered_json;

/// Rows under headings, in aligned columns; "(none)" when there is none.
std::string table(const std::vector<Column>& columns, const std::vector<Json>& rows);

/// An object: a line a member, lists indented.
std::string lines(const Json& object);

}  // namespace ts::app::ctl
