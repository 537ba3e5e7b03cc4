// SPDX-License-Identifier: Apache-2.0
// NAT behaviour discovery (RFC 5780): what an operator may get wrong about the second addresses.
#pragma once

#include <string>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/net/options.hpp>

namespace ts::net {

/// Everything that keeps the alternate addresses from working with the `bound` ones, with what to do.
std::vector<std::string> discovery_problems(const Options& options, const std::vector<IpAddress>& bound);

}  // namespace ts::net
