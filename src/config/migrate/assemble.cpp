// SPDX-License-Identifier: Apache-2.0
// What several options of a turnserver.conf say together: relay addresses, ports, peers, certificates.
#include <algorithm>

#include "draft.hpp"

namespace ts::config {
namespace {

/// The first of the family, or nothing.
std::optional<IpAddress> first_of(const std::vector<IpAddress>& addresses, IpFamily family) {
  const auto found = std::find_if(addresses.begin(), addresses.end(),
                                  [&](const IpAddress& address) { return address.family() == family; });
  return found == addresses.end() ? std::nullopt : std::optional(*found);
}

void relay_address(Draft& draft, IpFamily family) {
  const auto own = first_of(draft.relays, family);
  const auto told =
      std::find_if(draft.external.begin(), draft.external.end(),
                   [&](const Draft::External& each) { return each.advertised.family() == family; });
  if (told == draft.external.end()) {
    if (own) draft.add("relay.addresses", own->to_string());
    return;
  }
  std::optional<IpAddress> local = told->local;
  if (!local) local = own;
  if (!local) local = first_of(draft.listening, family);
  std::string text = told->advertised.to_string();
  if (local && *local != told->advertised) text += '/' + local->to_string();
  draft.add("relay.addresses", std::move(text));
  if (!local) {
    draft.remark("relay.addresses: " + told->advertised.to_string() +
                 " is taken for an address of this host; behind 1:1 NAT write PUBLIC/LOCAL");
  }
}

void relay_addresses(Draft& draft) {
  for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
    relay_address(draft, family);
    const auto of_family = [&](const auto& each) {
      if constexpr (requires { each.advertised; }) {
        return each.advertised.family() == family;
      } else {
        return each.family() == family;
      }
    };
    if (std::count_if(draft.external.begin(), draft.external.end(), of_family) > 1 ||
        std::count_if(draft.relays.begin(), draft.relays.end(), of_family) > 1) {
      draft.remark(
          "relay.addresses: one address a family is relayed from, the first is kept; for more of them run a "
          "server for each");
    }
    if (!draft.no_rfc5780 && std::count_if(draft.listening.begin(), draft.listening.end(), of_family) > 1) {
      draft.remark(
          "NAT behaviour discovery (RFC 5780) is off: to have it, move one address of each family from "
          "listen.bind to listen.alt_addresses");
    }
  }
}

void ports(Draft& draft) {
  constexpr std::uint64_t kLow = 49'152;
  constexpr std::uint64_t kHigh = 65'535;
  if (!draft.min_port && !draft.max_port) return;
  const std::uint64_t low = draft.min_port.value_or(kLow);
  const std::uint64_t high = draft.max_port.value_or(kHigh);
  if (low < 1 || high > kHigh || low > high)
    return draft.remark("relay.ports: min-port and max-port are no range of ports; 49152-65535 is used");
  draft.set("relay.ports", std::to_string(low) + '-' + std::to_string(high));
}

/// Networks of one list; more are not what anybody could read.
constexpr std::size_t kMostNetworks = 4096;

/// coturn lets "allowed" win over "denied"; here "denied" wins, so that it must not hold what was allowed.
void denied_peers(Draft& draft) {
  std::vector<std::string> denied;
  for (const IpRange& range : draft.denied) {
    for (const IpRange& part : without(range, draft.allowed)) {
      for (const IpNetwork& network : networks_of(part)) denied.push_back(network.to_string());
    }
    if (denied.size() > kMostNetworks) {
      // Without them clients would reach what the old server kept from them.
      draft.set("relay.enabled", "false");
      return draft.remark("relay.enabled is false since denied-peer-ip makes more than " +
                          std::to_string(kMostNetworks) +
                          " networks: write relay.deny_peers by hand, then take the line out");
    }
  }
  for (std::string& network : denied) draft.add("relay.deny_peers", std::move(network));
}

void allowed_peers(Draft& draft) {
  std::vector<std::string> allowed;
  for (const IpRange& range : draft.allowed) {
    for (const IpNetwork& network : networks_of(range)) allowed.push_back(network.to_string());
    if (allowed.size() > kMostNetworks)
      return draft.remark("relay.allow_peers: too many networks; write them shorter by hand");
  }
  for (std::string& network : allowed) draft.add("relay.allow_peers", std::move(network));
}

void peers(Draft& draft) {
  denied_peers(draft);
  allowed_peers(draft);
  if (draft.denied.empty() && draft.allowed.empty()) {
    draft.remark(
        "coturn let clients reach private networks; here private, link-local and other special "
        "networks are refused unless relay.allow_peers names them");
  }
}

void certificate(Draft& draft) {
  if (draft.no_tls && draft.no_dtls) return;
  if (draft.no_tls != draft.no_dtls && !draft.certificate.empty()) {
    draft.remark(
        "TLS and DTLS share the certificate and cannot be switched off one without the other: close the port "
        "that is not to be reached in the firewall");
  }
  if (draft.certificate.empty() && draft.key.empty()) return;
  if (draft.certificate.empty() || draft.key.empty())
    return draft.remark("TLS is off: listen.tls_cert_file and listen.tls_key_file are needed both");
  draft.set("listen.tls_cert_file", draft.certificate);
  draft.set("listen.tls_key_file", draft.key);
}

}  // namespace

void assemble(Draft& draft) {
  relay_addresses(draft);
  ports(draft);
  peers(draft);
  certificate(draft);
}

}  // namespace ts::config
