// SPDX-License-Identifier: Apache-2.0
// Which peers a client may reach: one policy for CreatePermission, ChannelBind and Send. Addresses are
// reduced to what they really lead to (mapped, compatible, NAT64, 6to4, Teredo) before they are judged.
#pragma once

#include <array>
#include <optional>

#include <turnstone/base/address.hpp>
#include <turnstone/turn/counters.hpp>
#include <turnstone/turn/options.hpp>

namespace ts::turn {

/// The IPv4 address that an IPv6 address leads to through a translation or a tunnel: IPv4-mapped
/// (::ffff:0:0/96), IPv4-compatible (::/96), IPv4-translated (::ffff:0:0:0/96), NAT64 (64:ff9b::/96,
/// 64:ff9b:1::/48), 6to4 (2002::/16), Teredo (2001::/32: the client's).
std::optional<IpAddress> embedded_v4(const IpAddress& address) noexcept;

class PeerPolicy {
 public:
  explicit PeerPolicy(const Options& options);

  /// Why no peer at this address may be reached at any port; nothing when some may.
  std::optional<Denial> check(const IpAddress& address) const noexcept;
  /// Why this very peer may not be reached. Cheap for addresses that are not ours when check() has passed.
  std::optional<Denial> check(const Endpoint& peer) const noexcept;
  /// The part of check(Endpoint) that the port decides: our own endpoints. For peers whose address has
  /// passed.
  std::optional<Denial> check_port(const Endpoint& peer) const noexcept;

 private:
  std::optional<Denial> check_form(const IpAddress& address) const noexcept;
  bool is_own(const IpAddress& address) const noexcept;
  bool is_relay(const IpAddress& address) const noexcept;
  bool listed(const std::vector<IpNetwork>& networks, const IpAddress& address) const noexcept;

  PeerPolicyOptions options_;
  std::vector<IpAddress> relay_addresses_;
  PortRange relay_ports_;
};

}  // namespace ts::turn
