// SPDX-License-Identifier: Apache-2.0
// Finds the addresses that the internet reaches this host by (relay.discover), once, at start: in Kubernetes'
// Node object, in a cloud's metadata, or by a Binding request to a STUN server, in this order. Blocks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/config/config.hpp>

namespace ts::app::external {

/// Where to ask.
struct Surroundings {
  Endpoint metadata;
  /// Kubernetes' API server, its port, and this pod's node; empty: this is no pod, or it does not know.
  std::string kubernetes_host;
  std::string kubernetes_port;
  std::string node;
  /// Token and ca.crt of the pod's service account.
  std::string account_directory;

  /// As Kubernetes' own variables and NODE_NAME say.
  static Surroundings of_this_process();
};

struct Found {
  /// Public, and the local address that its datagrams come to.
  turn::RelayAddress address;
  /// Who said so: "metadata of AWS".
  std::string source;
};

struct Discovery {
  /// At most one a family.
  std::vector<Found> found;
  /// What each source that found nothing says, for the log.
  std::vector<std::string> remarks;
};

/// Asks the sources in turn until an IPv4 address is known; each has DiscoverOptions::timeout. `bind`:
/// listen.bind.
Discovery discover(const config::DiscoverOptions& options, const std::vector<IpAddress>& bind,
                   const Surroundings& surroundings);

/// Fills relay.addresses with what discover() finds; the problem in words where it finds nothing. No-op
/// unless relay.discover asks for it. Logs what it found and what it did not.
std::string fill_discovered(config::Config& config);

}  // namespace ts::app::external
