// SPDX-License-Identifier: Apache-2.0
// From facts to findings: each check of `turnstone doctor` as what it looks at and what it makes of that.
// Pure; a fact that is nothing could not be found out, and is never a fault.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/config/load.hpp>
#include <turnstone/offload/options.hpp>
#include <turnstone/turn/options.hpp>

#include "../external/discover.hpp"
#include "finding.hpp"

namespace ts::app::doctor {

Findings judge_configuration(const std::vector<config::Problem>& problems,
                             const std::vector<config::Problem>& warnings);

struct AddressFacts {
  bool relay_enabled = true;
  bool dev = false;
  /// As the server would use them; of relay.discover, what it found.
  std::vector<turn::RelayAddress> relays;
  /// relay.allow_peers.
  std::vector<IpNetwork> allowed_peers;
  std::vector<IpAddress> host;
  /// Somebody else was asked (--server, relay.discover_stun), and what came of it.
  bool asked = false;
  external::Discovery told;
};
Findings judge_address(const AddressFacts& facts);

struct FamilyFacts {
  /// The kernel has IPv6.
  bool kernel_v6 = false;
  std::vector<IpAddress> host;
  /// listen.bind; empty: all.
  std::vector<IpAddress> bind;
  bool relay_enabled = true;
  std::vector<turn::RelayAddress> relays;
};
Findings judge_families(const FamilyFacts& facts);

/// Who has a port.
enum class Holder : std::uint8_t { Nobody, Turnstone, Stranger, NotKnown };
struct PortFacts {
  /// "listen.port".
  std::string key;
  bool udp = false;
  std::uint16_t port = 0;
  /// Nothing: the kernel's tables could not be read.
  std::optional<Holder> holder;
  /// Of a stranger: "nginx (process 812)".
  std::string who{};
  /// Processes of Turnstone that have it.
  std::vector<int> servers{};
};
struct PortsFacts {
  std::vector<PortFacts> ports;
  /// A Turnstone answers at one of these ports.
  bool server_answers = false;
  /// net.ipv4.ip_unprivileged_port_start.
  std::optional<std::uint16_t> first_unprivileged;
  /// This process may bind below it.
  bool may_bind_privileged = false;
};
/// The process that runs with this configuration: a server that cannot have all of its ports does not start.
/// 0: there is none, or one may not see who has them.
int running_server(const PortsFacts& facts);
Findings judge_ports(const PortsFacts& facts);

struct RelayRangeFacts {
  bool relay_enabled = true;
  turn::PortRange relay;
  std::uint32_t max_allocations = 0;
  /// net.ipv4.ip_local_port_range.
  std::optional<turn::PortRange> ephemeral;
  /// net.ipv4.ip_local_reserved_ports.
  std::vector<turn::PortRange> reserved;
  /// UDP ports that are listened on.
  std::vector<std::uint16_t> listened;
};
Findings judge_relay_range(const RelayRangeFacts& facts);

/// A base chain of the packet filter that drops what no rule lets in.
struct FirewallFacts {
  /// Why it could not be read; empty: it was.
  std::string unreadable;
  std::vector<std::string> dropping;
  /// "3478/udp, 3478/tcp, 49152-65535/udp".
  std::string needed;
};
Findings judge_firewall(const FirewallFacts& facts);

/// One datagram to the advertised address, from its own relay port.
struct HairpinFacts {
  turn::RelayAddress relay;
  /// The advertised address is one of this host's: nothing has to turn back.
  bool own = false;
  /// Nothing: it could not be sent, and `why` says so.
  std::optional<bool> came_back;
  std::string why{};
};
Findings judge_hairpin(const std::vector<HairpinFacts>& facts);

struct CertificateFacts {
  bool configured = false;
  bool self_made = false;
  /// A file that cannot be read or parsed, in words; empty: all could be.
  std::string problem;
  std::chrono::seconds left{};
  /// "2026-12-31".
  std::string until;
  std::vector<std::string> names;
  /// Hosts of the turns: and stuns: URLs that are given to clients, and whether the certificate is for each.
  std::vector<std::pair<std::string, bool>> asked;
  bool key_matches = true;
  /// Why the system's authorities do not lead to it; empty: they do.
  std::string untrusted;
  /// Permissions of the key file.
  unsigned key_mode = 0;
  /// The service's user, where this host has one, may not read the key.
  std::string user_without_key;
};
Findings judge_certificate(const CertificateFacts& facts);

struct BufferFacts {
  /// "net.core.rmem_max".
  std::string limit;
  /// What a socket gets at most without CAP_NET_ADMIN.
  std::optional<std::uint64_t> granted;
  /// "listen.udp_listener_buffer" or its kin, the largest.
  std::string key;
  std::uint64_t wanted = 0;
};
Findings judge_buffers(const std::vector<BufferFacts>& facts);

struct LimitFacts {
  /// The hard limit of descriptors, to which the server raises its own; nothing: not known.
  std::optional<std::uint64_t> descriptors;
  /// "of the running server (process 812)" or "of this shell".
  std::string whose;
  std::uint64_t max_streams = 0;
  std::uint64_t max_allocations = 0;
};
Findings judge_limits(const LimitFacts& facts);

struct EngineFacts {
  net::UdpEngineKind wanted = net::UdpEngineKind::Auto;
  bool ring_works = false;
  /// The kernel's reason.
  std::string why;
  /// kernel.io_uring_disabled.
  std::optional<unsigned> disabled;
  offload::Mode offload = offload::Mode::Off;
  /// Of CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN: those that this process lacks.
  std::vector<std::string> missing_capabilities;
};
Findings judge_engines(const EngineFacts& facts);

struct ClockFacts {
  /// Nothing: the kernel did not say.
  std::optional<bool> synchronised;
  /// What the kernel takes the error to be at most.
  std::chrono::microseconds max_error{};
  /// Seconds since 1970.
  std::int64_t now = 0;
};
Findings judge_clock(const ClockFacts& facts);

struct NameFacts {
  /// "auth.hook_url".
  std::string key;
  std::string host;
  std::vector<IpAddress> addresses{};
  /// Why there is none; empty: there are.
  std::string problem{};
  /// There was no time to wait for the answer.
  bool late = false;
};
Findings judge_names(const std::vector<NameFacts>& facts);

struct RedisFacts {
  enum class State : std::uint8_t { Off, Answers, NotReached, Refused, NotKnown };
  State state = State::Off;
  /// "redis://HOST:PORT".
  std::string url;
  /// What it said, or why it was not reached.
  std::string detail;
};
Findings judge_redis(const RedisFacts& facts);

struct ConntrackFacts {
  /// Nothing: connections are not tracked here, or that cannot be read.
  std::optional<std::uint64_t> count;
  std::optional<std::uint64_t> max;
  std::uint64_t relay_ports = 0;
};
Findings judge_conntrack(const ConntrackFacts& facts);

struct ServerFacts {
  /// Where it was looked for; empty: the configuration has no HTTP.
  std::string url;
  bool answers = false;
  /// Why not.
  std::string why;
  bool ready = false;
  bool draining = false;
  /// Empty: it does not say (metrics.allow_from).
  std::string version;
  std::string own_version;
};
Findings judge_server(const ServerFacts& facts);

}  // namespace ts::app::doctor
