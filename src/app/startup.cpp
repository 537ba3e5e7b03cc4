// SPDX-License-Identifier: Apache-2.0
#include "startup.hpp"

#include <string>

#include <turnstone/app/logging.hpp>
#include <turnstone/net/udp_choice.hpp>

namespace ts::app {
namespace {

std::string url_host(const IpAddress& address) {
  return address.is_v6() ? '[' + address.to_string() + ']' : address.to_string();
}

void choose_engine(config::Config& config, std::vector<std::string>& warnings) {
  const net::UdpEngineKind wanted = config.net.udp_engine;
  std::string why;
  config.net.udp_engine = net::choose_udp_engine(wanted, why);
  if (why.empty()) return;
  if (wanted == net::UdpEngineKind::IoUring) {
    warnings.push_back(
        "relay.engine is io_uring, which the kernel refuses (" + why +
        "), so epoll moves the datagrams; allow io_uring to this process (Linux 6.1, "
        "kernel.io_uring_disabled, the container's seccomp profile) or set relay.engine to auto");
  } else {
    log::info("epoll moves the datagrams, since the kernel refuses io_uring", {{"reason", why}});
  }
}

/// What an operator should know about, though it is allowed.
std::vector<std::string> cautions(const config::Config& config) {
  std::vector<std::string> out;
  if (!config.signaling_enabled)
    out.emplace_back(
        "signaling is off: there is no signaling.token, and no key of tokens, to let anybody in");
  if (config.dev) return out;
  for (const turn::RelayAddress& relay : config.turn.relay_addresses) {
    if (!relay.advertised.is_loopback()) continue;
    out.push_back("relay address " + relay.advertised.to_string() +
                  " is reached from this host alone; set relay.addresses to the public one");
  }
  for (const IpNetwork& network : config.turn.peers.allow) {
    if (network.prefix_bits != 0) continue;
    out.push_back("relay.allow_peers has " + network.to_string() +
                  ": clients may reach loopback, private and cloud metadata addresses; name the networks "
                  "that you mean");
  }
  return out;
}

/// The URLs of this server, as far as clients can use them out of the box.
std::vector<std::string> own_urls(const config::Config& config, const net::Listeners& listeners) {
  std::vector<std::string> out;
  for (const turn::RelayAddress& relay : config.turn.relay_addresses) {
    const std::string at = url_host(relay.advertised) + ':' + std::to_string(listeners.port);
    if (config.net.udp) out.push_back("stun:" + at);
    if (!config.turn.enabled) continue;
    if (config.net.udp) out.push_back("turn:" + at + "?transport=udp");
    if (config.net.tcp) out.push_back("turn:" + at + "?transport=tcp");
    // A browser takes no self-signed certificate for turns:, and would only lose time on it.
    if (listeners.tls_port != 0 && !config.net.tls_self_signed) {
      out.push_back("turns:" + url_host(relay.advertised) + ':' + std::to_string(listeners.tls_port) +
                    "?transport=tcp");
    }
    if (listeners.dtls_port != 0 && !config.net.tls_self_signed) {
      out.push_back("turns:" + url_host(relay.advertised) + ':' + std::to_string(listeners.dtls_port) +
                    "?transport=udp");
    }
  }
  return out;
}

std::vector<Endpoint> own_endpoints(const net::Listeners& listeners,
                                    const std::vector<IpAddress>& alt_addresses) {
  std::vector<Endpoint> out;
  for (const IpAddress& address : listeners.addresses) {
    for (const std::uint16_t port :
         {listeners.port, listeners.tls_port, listeners.dtls_port, listeners.http_port}) {
      if (port != 0) out.push_back(Endpoint{address, port});
    }
  }
  if (listeners.alt_port == 0) return out;
  for (const IpAddress& address : listeners.addresses) out.push_back(Endpoint{address, listeners.alt_port});
  for (const IpAddress& address : alt_addresses) {
    out.push_back(Endpoint{address, listeners.port});
    out.push_back(Endpoint{address, listeners.alt_port});
  }
  return out;
}

/// The kernel's relay, where it is wanted and can be had; why not is a warning, since the sockets do it all.
std::unique_ptr<offload::Offload> start_offload(const config::Config& config, net::Listeners& listeners) {
  if (config.offload.mode == offload::Mode::Off || !config.turn.enabled || !config.net.udp) return nullptr;
  auto made = offload::Offload::make(config.offload);
  std::string problem = made ? "" : made.error();
  if (made) {
    const auto devices = (*made)->attach(listeners.warnings);
    if (devices) {
      std::string names;
      for (const std::string& name : *devices) names += (names.empty() ? "" : ", ") + name;
      log::info("bound channels are relayed in the kernel", {{"devices", names}});
      return std::move(*made);
    }
    problem = devices.error();
  }
  listeners.warnings.push_back("relay.offload: " + problem + "; everything is relayed by the sockets");
  return nullptr;
}

}  // namespace

std::unique_ptr<offload::Offload> settle(config::Config& config, net::Listeners& listeners,
                                         const std::vector<IpAddress>& host) {
  choose_engine(config, listeners.warnings);
  const std::vector<std::string> more = cautions(config);
  listeners.warnings.insert(listeners.warnings.end(), more.begin(), more.end());
  config.turn.peers.own_addresses = host;
  const std::vector<Endpoint> endpoints = own_endpoints(listeners, config.net.alt_addresses);
  auto& closed = config.turn.peers.own_endpoints;
  closed.insert(closed.end(), endpoints.begin(), endpoints.end());
  std::vector<IpAddress> relays;
  for (const turn::RelayAddress& relay : config.turn.relay_addresses) relays.push_back(relay.local);
  config.turn.discovery = net::discovery_pairs(config.net, listeners, relays);
  if (config.signal.ice_urls.empty()) config.signal.ice_urls = own_urls(config, listeners);
  std::unique_ptr<offload::Offload> offload = start_offload(config, listeners);
  config.turn.tell_flows = offload != nullptr;
  return offload;
}

}  // namespace ts::app
