// SPDX-License-Identifier: Apache-2.0
// `turnstone external-ip`: what relay.discover would find.
#include <csignal>
#include <iostream>

#include <turnstone/app/cli.hpp>

#include "external/discover.hpp"

namespace ts::app {

int run_external_ip(const config::Config& config) {
  for (const turn::RelayAddress& fixed : config.turn.relay_addresses)
    std::cout << fixed.advertised.to_string() << "  relay.addresses\n";
  if (!config.turn.relay_addresses.empty()) return 0;
  std::signal(SIGPIPE, SIG_IGN);
  config::DiscoverOptions options = config.discover;
  if (options.sources.empty()) {
    options.sources = {config::AddressSource::Node, config::AddressSource::Metadata};
    if (!options.stun_server.empty()) options.sources.push_back(config::AddressSource::Stun);
  }
  const external::Discovery discovery =
      external::discover(options, config.net.bind, external::Surroundings::of_this_process());
  for (const external::Found& found : discovery.found) {
    const turn::RelayAddress& address = found.address;
    std::cout << address.advertised.to_string() << "  " << found.source;
    if (address.local != address.advertised) std::cout << ", behind it " << address.local.to_string();
    std::cout << '\n';
  }
  for (const std::string& remark : discovery.remarks) std::cerr << remark << '\n';
  return discovery.found.empty() ? 1 : 0;
}

}  // namespace ts::app
