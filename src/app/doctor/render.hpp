// SPDX-License-Identifier: Apache-2.0
// Findings for people and for programs. Pure.
#pragma once

#include <string>

#include "finding.hpp"

namespace ts::app::doctor {

bool has_fault(const Findings& findings);

/// A line a finding, below it what was expected and what to do; counts last.
std::string to_text(const Findings& findings, bool colours);

/// One JSON document.
std::string to_json(const Findings& findings);

}  // namespace ts::app::doctor
