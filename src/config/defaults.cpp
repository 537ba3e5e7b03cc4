// SPDX-License-Identifier: Apache-2.0
// What is filled in after loading: networks, relay addresses, and dev mode.
#include <turnstone/base/hash.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/config/load.hpp>

namespace ts::config {
namespace {

std::vector<IpNetwork> networks(std::initializer_list<const char*> texts) {
  std::vector<IpNetwork> out;
  for (const char* text : texts) {
    if (const auto network = IpNetwork::parse(text)) out.push_back(*network);
  }
  return out;
}

bool in_any(const std::vector<IpNetwork>& list, const IpAddress& address) {
  for (const IpNetwork& network : list) {
    if (network.contains(address)) return true;
  }
  return false;
}

bool has_family(const Config& config, IpFamily family) {
  for (const auto& relay : config.turn.relay_addresses) {
    if (relay.advertised.family() == family) return true;
  }
  return false;
}

void add_relay_address(Config& config, const IpAddress& address) {
  if (!address.is_unspecified() && !has_family(config, address.family())) {
    config.turn.relay_addresses.push_back({address, address});
  }
}

/// May an address of this family be bound under listen.bind?
bool listens_on(const Config& config, IpFamily family) {
  if (config.net.bind.empty()) return true;
  for (const IpAddress& bound : config.net.bind) {
    if (bound.family() == family) return true;
  }
  return false;
}

}  // namespace

int reach(const IpAddress& address) {
  static const auto kUseless = networks({"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3",
                                         "::/128", "::1/128", "fe80::/10", "ff00::/8"});
  static const auto kPrivate =
      networks({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"});
  if (in_any(kUseless, address)) return 0;
  return in_any(kPrivate, address) ? 1 : 2;
}

std::vector<IpNetwork> local_networks() {
  return networks({"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"});
}

void apply_dev_defaults(Config& config, RandomSource& random) {
  if (!config.dev) return;
  config.turn.peers.allow_private = true;
  if (config.signal.token.empty()) config.signal.open = true;
  config.signal.token_can.assign(signal::kRightNames.begin(), signal::kRightNames.end());
  if (config.net.tls_cert_file.empty()) config.net.tls_self_signed = true;
  if (config.auth.secrets.empty()) config.auth.secrets.push_back(hex(random.bytes<32>()));
  if (!config.turn.relay_addresses.empty()) return;
  for (const IpAddress& bound : config.net.bind) add_relay_address(config, bound);
  if (config.turn.relay_addresses.empty()) add_relay_address(config, IpAddress::v4(127, 0, 0, 1));
}

std::vector<Problem> fill_relay_addresses(Config& config, std::span<const IpAddress> host_addresses) {
  if (!config.turn.enabled) return {};
  if (!config.turn.relay_addresses.empty() && config.discover.sources.empty()) return {};
  // With relay.discover a private address is one that nobody outside reaches.
  const int least = config.discover.sources.empty() ? 1 : 2;
  for (const IpAddress& bound : config.net.bind) {
    if (reach(bound) >= least) add_relay_address(config, bound);
  }
  for (const int wanted : {2, 1}) {
    for (const IpAddress& address : host_addresses) {
      if (wanted >= least && reach(address) == wanted && listens_on(config, address.family()))
        add_relay_address(config, address);
    }
  }
  if (!config.turn.relay_addresses.empty()) return {};
  return {{"", 0, "relay.addresses", "the address that peers see",
           "none, and this host has none but loopback",
           "Add relay.addresses (--relay-address), start with --dev, or set relay.enabled: false."}};
}

}  // namespace ts::config
