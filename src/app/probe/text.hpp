// SPDX-License-Identifier: Apache-2.0
// Texts: what servers send is made safe for a terminal before it is printed. Pure.
#pragma once

#include <string>
#include <string_view>

namespace ts::app::probe {

/// The text without control characters and broken UTF-8, cut after `max_bytes`.
std::string printable(std::string_view text, std::size_t max_bytes = 300);

/// ASCII letters in lower case.
std::string to_lower(std::string_view text);

/// The text in front of and behind which there is no space, tab, CR or LF.
std::string_view trimmed(std::string_view text) noexcept;

/// Columns of a terminal that UTF-8 text takes, when none is wide.
std::size_t columns(std::string_view text) noexcept;

}  // namespace ts::app::probe
