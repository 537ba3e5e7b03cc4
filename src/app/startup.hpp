// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include <turnstone/config/config.hpp>
#include <turnstone/net/listen.hpp>
#include <turnstone/offload/offload.hpp>

namespace ts::app {

/// Fills in what follows from open listeners and from this host, whose addresses are given: the engine, the
/// endpoints that are no peers, the URLs for clients. What an operator should know becomes a warning of the
/// listeners. The kernel's relay, where it is wanted and can be had; else null.
std::unique_ptr<offload::Offload> settle(config::Config& config, net::Listeners& listeners,
                                         const std::vector<IpAddress>& host);

}  // namespace ts::app
