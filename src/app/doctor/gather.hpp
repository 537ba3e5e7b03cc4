// SPDX-License-Identifier: Apache-2.0
// Looks at this host: /proc, sockets, files, other servers. Blocking, bounded in time, and without a trace:
// no listening port is bound, nothing is changed.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include <turnstone/config/config.hpp>
#include <turnstone/net/clock.hpp>

#include "judges.hpp"

namespace ts::app::doctor {

/// What is left of the whole run's time.
class Budget {
 public:
  explicit Budget(Duration all) : end_(net::now().mono + all) {}
  /// Too little for another server to answer in.
  bool is_used_up() const { return net::now().mono + std::chrono::milliseconds(300) > end_; }
  /// Until when one check over the network may take.
  TimePoint next(Duration most = std::chrono::seconds(2)) const {
    return std::min(net::now().mono + most, end_);
  }
  std::chrono::milliseconds left(Duration most) const {
    const Duration out = std::clamp<Duration>(end_ - net::now().mono, std::chrono::milliseconds(1), most);
    return std::chrono::ceil<std::chrono::milliseconds>(out);
  }

 private:
  TimePoint end_;
};

/// The beginning of a file of /proc or /sys; nothing: it is not there, or not for us.
std::optional<std::string> read_kernel(const std::string& path);
bool has_capability(unsigned number);

/// The process of the running server, as far as sockets tell; 0: none is known.
struct PortsLook {
  PortsFacts facts;
  int server_process = 0;
};
PortsLook look_at_ports(const config::Config& config);
RelayRangeFacts look_at_relay_range(const config::Config& config);
FirewallFacts look_at_firewall(const config::Config& config);
CertificateFacts look_at_certificate(const config::Config& config);
std::vector<BufferFacts> look_at_buffers(const config::Config& config);
LimitFacts look_at_limits(const config::Config& config, int server_process);
EngineFacts look_at_engines(const config::Config& config);
ClockFacts look_at_clock();
ConntrackFacts look_at_conntrack(const config::Config& config);

/// Fills in relay addresses as a start would, and asks `stun_server` too (empty: relay.discover_stun's).
AddressFacts look_at_addresses(const config::Config& config, const std::string& stun_server, Budget& budget);
FamilyFacts look_at_families(const config::Config& config, const AddressFacts& addresses);
std::vector<HairpinFacts> look_at_hairpin(const config::Config& config, const AddressFacts& addresses,
                                          Budget& budget);
std::vector<NameFacts> look_at_names(const config::Config& config, Budget& budget);
RedisFacts look_at_redis(const config::Config& config, Budget& budget);
ServerFacts look_at_server(const config::Config& config, Budget& budget);

}  // namespace ts::app::doctor
