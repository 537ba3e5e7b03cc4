// SPDX-License-Identifier: Apache-2.0
// All checks of `turnstone doctor`, one after the other, in an order that does not change.
#pragma once

#include <string>

#include <turnstone/config/load.hpp>

#include "finding.hpp"

namespace ts::app::doctor {

/// With problems in the configuration only what does not depend on it is looked at. `stun_server`: a URL, or
/// empty. Blocks for 14 seconds at most, save what one step takes beyond that.
Findings examine(const config::LoadResult& loaded, const std::string& stun_server);

}  // namespace ts::app::doctor
