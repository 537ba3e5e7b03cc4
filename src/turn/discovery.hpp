// SPDX-License-Identifier: Apache-2.0
// NAT behaviour discovery (RFC 5780): which endpoints of ours are the other ones.
#pragma once

#include <algorithm>
#include <optional>

#include <turnstone/stun/registry.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/options.hpp>

namespace ts::turn {

/// The comprehension-required attributes that discovery adds to Binding requests (RFC 5780 §7).
constexpr bool is_discovery_request(stun::AttributeType type) noexcept {
  return type == stun::AttributeType::ChangeRequest || type == stun::AttributeType::Padding ||
         type == stun::AttributeType::ResponsePort;
}

/// The other address and the other port (Ca:Cp of RFC 5780 §6.1) as seen from where a request came in.
/// Nothing: there are none, and the request is answered as if RFC 5780 was not known. That is so on streams
/// and DTLS too, whose answers can only go back the way the request came.
inline std::optional<Endpoint> other_endpoint(const Options& options, const FiveTuple& tuple) noexcept {
  if (options.discovery.empty() || tuple.transport != Transport::Udp) return std::nullopt;
  const Endpoint& here = tuple.server;
  for (const DiscoveryPair& pair : options.discovery) {
    if (pair.primary.family() != here.address.family()) continue;
    const bool first_port = here.port == pair.port;
    if (!first_port && here.port != pair.alternate_port) return std::nullopt;
    const std::uint16_t port = first_port ? pair.alternate_port : pair.port;
    if (here.address == pair.alternate) return Endpoint{pair.primary, port};
    if (here.address == pair.primary || pair.any_primary) return Endpoint{pair.alternate, port};
  }
  return std::nullopt;
}

}  // namespace ts::turn
