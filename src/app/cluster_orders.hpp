// SPDX-License-Identifier: Apache-2.0
// Revocations as the orders that nodes of a cluster give one another. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <turnstone/turn/revocation.hpp>

namespace ts::app {

/// JSON text; realms are those of the configuration, which all nodes share.
std::string order_of(const turn::Revocation& revocation);

/// Nothing: it is no such order.
std::optional<turn::Revocation> revocation_of(std::string_view order);

}  // namespace ts::app
