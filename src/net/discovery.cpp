// SPDX-License-Identifier: Apache-2.0
#include "discovery.hpp"

#include <algorithm>

#include <turnstone/net/listen.hpp>

namespace ts::net {
namespace {

const IpAddress* first_of(const std::vector<IpAddress>& addresses, IpFamily family) noexcept {
  const auto at = std::find_if(addresses.begin(), addresses.end(),
                               [family](const IpAddress& a) { return a.family() == family; });
  return at != addresses.end() ? &*at : nullptr;
}

/// An address that clients of `alternate` reach us at too: as local or as public as it is.
IpAddress primary_beside(const IpAddress& alternate, const std::vector<IpAddress>& preferred) {
  std::vector<IpAddress> all = preferred;
  for (const IpAddress& address : host_addresses()) all.push_back(address);
  const auto at = std::find_if(all.begin(), all.end(), [&](const IpAddress& a) {
    return a.family() == alternate.family() && a != alternate && a.is_loopback() == alternate.is_loopback() &&
           !a.is_unspecified();
  });
  return at != all.end() ? *at : IpAddress::any(alternate.family());
}

}  // namespace

std::vector<std::string> discovery_problems(const Options& options, const std::vector<IpAddress>& bound) {
  std::vector<std::string> out;
  const std::vector<IpAddress>& alternates = options.alt_addresses;
  if (alternates.empty()) return out;
  if (!options.udp)
    out.emplace_back("listen.alt_addresses needs UDP: set listen.udp to true, or leave it empty");
  if (options.alt_port != 0 && options.alt_port == options.port)
    out.push_back("listen.alt_port is listen.port (" + std::to_string(options.port) +
                  "): NAT behaviour discovery needs two ports; choose another --alt-port");
  for (auto at = alternates.begin(); at != alternates.end(); ++at) {
    const std::string name = "listen.alt_addresses has " + at->to_string();
    if (at->is_unspecified()) {
      out.push_back(name + ": name one address of this host");
      continue;
    }
    if (std::find_if(alternates.begin(), at,
                     [&](const IpAddress& a) { return a.family() == at->family(); }) != at)
      out.push_back(name + " though another one of that family is there: one a family");
    if (std::find(bound.begin(), bound.end(), *at) != bound.end())
      out.push_back(name + ", which is in listen.bind too: it must be a second address of this host");
    if (first_of(bound, at->family()) == nullptr)
      out.push_back(name + " but listen.bind has no address of that family: add one to --bind");
    if (open_relay_socket(Endpoint{*at, 0}, 65'536).error != 0)
      out.push_back(name + ": no interface of this host has that address; correct --alt-address");
  }
  return out;
}

std::vector<turn::DiscoveryPair> discovery_pairs(const Options& options, const Listeners& listeners,
                                                 const std::vector<IpAddress>& preferred) {
  std::vector<turn::DiscoveryPair> out;
  if (listeners.alt_port == 0) return out;
  for (const IpAddress& alternate : options.alt_addresses) {
    const IpAddress* bound = first_of(listeners.addresses, alternate.family());
    if (bound == nullptr) continue;
    const bool wildcard = bound->is_unspecified();
    const IpAddress primary = wildcard ? primary_beside(alternate, preferred) : *bound;
    // Without a first address there is nothing to change to (§6: "MUST NOT include an OTHER-ADDRESS").
    if (primary.is_unspecified()) continue;
    out.push_back({primary, alternate, listeners.port, listeners.alt_port, wildcard});
  }
  return out;
}

}  // namespace ts::net
