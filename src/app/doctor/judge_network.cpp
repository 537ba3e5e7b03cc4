// SPDX-License-Identifier: Apache-2.0
// The judges of addresses, ports and what lies between here and the internet.
#include <algorithm>

#include "judges.hpp"

namespace ts::app::doctor {
namespace {

constexpr const char* kAddress = "external address";
constexpr const char* kFamilies = "IPv6";
constexpr const char* kPorts = "ports";
constexpr const char* kRange = "relay ports";
/// Fewer relay ports than these are for trying things out.
constexpr std::uint32_t kFewPorts = 100;

bool has(const std::vector<IpAddress>& all, const IpAddress& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool any_of_family(const std::vector<IpAddress>& all, IpFamily family) {
  return std::any_of(all.begin(), all.end(), [&](const IpAddress& a) { return a.family() == family; });
}

std::string text_of(const turn::RelayAddress& relay) {
  std::string out = relay.advertised.to_string();
  if (relay.local != relay.advertised) out += '/' + relay.local.to_string();
  return out;
}

std::string text_of(const turn::PortRange& range) {
  return std::to_string(range.low) + '-' + std::to_string(range.high);
}

const external::Found* told_of(const AddressFacts& facts, IpFamily family) {
  for (const external::Found& found : facts.told.found) {
    if (found.address.advertised.family() == family) return &found;
  }
  return nullptr;
}

std::string setting(const IpAddress& advertised, const IpAddress& local) {
  return "relay.addresses: [\"" + text_of({advertised, local}) + "\"]";
}

std::string lines(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& one : all) out += (out.empty() ? "" : "; ") + one;
  return out;
}

/// An address that only some can reach.
Finding judge_near_address(const AddressFacts& facts, const turn::RelayAddress& relay) {
  const IpAddress& address = relay.advertised;
  const bool meant = std::any_of(facts.allowed_peers.begin(), facts.allowed_peers.end(),
                                 [&](const IpNetwork& n) { return n.contains(address); });
  Finding out{kAddress, facts.dev || meant ? Verdict::Warning : Verdict::Fault, {}, {}, {}};
  out.found = "relay address " + text_of(relay) + " is " +
              (config::reach(address) == 0 ? "reached from this host alone" : "private") +
              ": the internet has no way to it, so clients get relay candidates nobody can reach";
  out.expected = "the address that the internet reaches this host by";
  if (const external::Found* found = told_of(facts, address.family())) {
    out.remedy = found->source + " sees this host as " + found->address.advertised.to_string() + ": write " +
                 setting(found->address.advertised, found->address.local);
    return out;
  }
  out.remedy = "Behind 1:1 NAT write relay.addresses: [\"PUBLIC/" + relay.local.to_string() +
               "\"], or let relay.discover find it; turnstone external-ip shows what it finds.";
  if (meant) out.remedy += " Where all clients and peers are in this network, leave it.";
  return out;
}

Finding judge_relay(const AddressFacts& facts, const turn::RelayAddress& relay) {
  if (!relay.local.is_loopback() && !has(facts.host, relay.local)) {
    return {kAddress, Verdict::Fault, "no device of this host has " + relay.local.to_string(),
            "an address to bind relay sockets to",
            relay.local == relay.advertised
                ? "Behind 1:1 NAT write relay.addresses: [\"" + relay.advertised.to_string() +
                      "/LOCAL\"] with an address of this host (ip address), else correct it."
                : "Correct the part of relay.addresses behind the slash (ip address)."};
  }
  if (config::reach(relay.advertised) < 2) return judge_near_address(facts, relay);
  const external::Found* found = told_of(facts, relay.advertised.family());
  if (found != nullptr && found->address.advertised != relay.advertised) {
    return {kAddress, Verdict::Warning,
            "clients are told " + text_of(relay) + ", but " + found->source + " sees this host as " +
                found->address.advertised.to_string(),
            "the same address",
            "Unless data that come to " + relay.advertised.to_string() +
                " are led here all the same, write " +
                setting(found->address.advertised, found->address.local)};
  }
  if (found != nullptr) return ok(kAddress, text_of(relay) + ", as " + found->source + " says");
  if (has(facts.host, relay.advertised)) return ok(kAddress, text_of(relay) + ", this host's own");
  const std::string why = facts.asked ? lines(facts.told.remarks) : "nobody outside was asked";
  return unknown(kAddress, "whether the internet reaches this host at " + text_of(relay) + " (" + why + ')',
                 "turnstone doctor --server stun:HOST asks a STUN server outside of this network.");
}

std::string holder_words(const PortFacts& port) {
  return port.key + ": " + std::to_string(port.port) + (port.udp ? "/udp" : "/tcp");
}

/// A Turnstone at this port that is not the running server; 0: there is none.
int other_server(const PortFacts& port, int server) {
  const auto other = std::find_if(port.servers.begin(), port.servers.end(),
                                  [server](int process) { return process != server; });
  return other == port.servers.end() ? 0 : *other;
}

}  // namespace

Findings judge_configuration(const std::vector<config::Problem>& problems,
                             const std::vector<config::Problem>& warnings) {
  Findings out;
  const auto add = [&](const config::Problem& p, Verdict verdict) {
    std::string where = p.source;
    if (p.line != 0 && where.find(':') == std::string::npos) where += ':' + std::to_string(p.line);
    if (!where.empty()) where += ": ";
    out.push_back({"configuration", verdict, where + p.key + (p.key.empty() ? "" : ": ") + p.found,
                   p.expected, p.remedy});
  };
  for (const config::Problem& problem : problems) add(problem, Verdict::Fault);
  for (const config::Problem& warning : warnings) add(warning, Verdict::Warning);
  if (out.empty()) out.push_back(ok("configuration", "no problem"));
  return out;
}

Findings judge_address(const AddressFacts& facts) {
  if (!facts.relay_enabled) return {ok(kAddress, "not needed: relay.enabled is false")};
  if (facts.relays.empty()) {
    const std::string why = facts.told.remarks.empty() ? "" : " (" + lines(facts.told.remarks) + ')';
    return {{kAddress, Verdict::Fault, "no address for relayed data" + why,
             "the address that the internet reaches this host by",
             "Write relay.addresses: [\"PUBLIC\"], or [\"PUBLIC/LOCAL\"] behind 1:1 NAT."}};
  }
  Findings out;
  for (const turn::RelayAddress& relay : facts.relays) out.push_back(judge_relay(facts, relay));
  return out;
}

Findings judge_families(const FamilyFacts& facts) {
  Findings out;
  const bool global = std::any_of(facts.host.begin(), facts.host.end(),
                                  [](const IpAddress& a) { return a.is_v6() && config::reach(a) == 2; });
  const bool relayed = std::any_of(facts.relays.begin(), facts.relays.end(),
                                   [](const turn::RelayAddress& r) { return r.local.is_v6(); });
  const bool bound = any_of_family(facts.bind, IpFamily::V6);
  if (!facts.kernel_v6) {
    if (!bound && !relayed) return {ok(kFamilies, "off, and not asked for")};
    return {{kFamilies, Verdict::Fault,
             bound ? "listen.bind has an IPv6 address, and this kernel has no IPv6"
                   : "relay.addresses has an IPv6 address, and this kernel has no IPv6",
             "IPv6 in the kernel, or no IPv6 address in the configuration",
             "sysctl -w net.ipv6.conf.all.disable_ipv6=0, or remove the address."}};
  }
  if (global && facts.relay_enabled && !relayed && !facts.relays.empty()) {
    out.push_back({kFamilies, Verdict::Warning,
                   "this host has a global IPv6 address, and relay.addresses none",
                   "a relay address of each family",
                   "Add the IPv6 address to relay.addresses: peers with IPv6 alone cannot be reached else."});
  } else {
    out.push_back(ok(kFamilies, global ? "on, with a global address" : "on, without a global address"));
  }
  return out;
}

int running_server(const PortsFacts& facts) {
  std::optional<std::vector<int>> all;
  for (const PortFacts& port : facts.ports) {
    if (!port.holder || *port.holder == Holder::NotKnown) continue;
    if (!all) all = port.servers;
    std::erase_if(*all, [&](int process) {
      return std::find(port.servers.begin(), port.servers.end(), process) == port.servers.end();
    });
  }
  return all && !all->empty() ? *std::min_element(all->begin(), all->end()) : 0;
}

Findings judge_ports(const PortsFacts& facts) {
  Findings out;
  std::string free;
  std::string ours;
  const int server = running_server(facts);
  for (const PortFacts& port : facts.ports) {
    const std::string what = holder_words(port);
    const bool privileged = facts.first_unprivileged && port.port < *facts.first_unprivileged;
    if (!port.holder) {
      out.push_back(unknown(kPorts, what + ": the kernel's tables of sockets cannot be read"));
    } else if (*port.holder == Holder::Stranger) {
      out.push_back({kPorts, Verdict::Fault, what + " is taken by " + port.who, "a free port",
                     "End that program or choose another port: ss -lnp" + std::string(port.udp ? "u" : "t") +
                         " 'sport = :" + std::to_string(port.port) + "'"});
    } else if (*port.holder == Holder::NotKnown && !facts.server_answers) {
      out.push_back(unknown(kPorts, what + " is in use, by whom this user may not see",
                            "Run turnstone doctor as root, or as the user of the server."));
    } else if (*port.holder == Holder::Nobody && privileged && !facts.may_bind_privileged) {
      out.push_back({kPorts, Verdict::Warning,
                     what + " is below " + std::to_string(*facts.first_unprivileged) +
                         ", and this user may not bind there",
                     "CAP_NET_BIND_SERVICE",
                     "The systemd unit grants it; elsewhere: setcap cap_net_bind_service+ep, or "
                     "sysctl -w net.ipv4.ip_unprivileged_port_start=" +
                         std::to_string(port.port)});
    } else if (const int other = other_server(port, server); other != 0) {
      out.push_back({kPorts, Verdict::Warning,
                     what + " is held by a Turnstone with another configuration (process " +
                         std::to_string(other) + "): it has not all ports of this one",
                     "a free port, or the server of this configuration",
                     "If the configuration was changed, restart that server; else end it, or choose another "
                     "port."});
    } else {
      std::string& list = *port.holder == Holder::Nobody ? free : ours;
      list += (list.empty() ? "" : ", ") + what;
    }
  }
  if (!ours.empty()) out.push_back(ok(kPorts, "held by a running Turnstone: " + ours));
  if (!free.empty()) out.push_back(ok(kPorts, "free: " + free));
  return out;
}

Findings judge_relay_range(const RelayRangeFacts& facts) {
  if (!facts.relay_enabled) return {ok(kRange, "not needed: relay.enabled is false")};
  Findings out;
  const turn::PortRange& r = facts.relay;
  const std::uint32_t count = r.high < r.low ? 0U : static_cast<std::uint32_t>(r.high - r.low) + 1U;
  const std::string name = "relay.ports " + text_of(r);
  if (count < kFewPorts || (facts.max_allocations != 0 && count < facts.max_allocations)) {
    const std::string wanted = facts.max_allocations == 0
                                   ? std::to_string(kFewPorts)
                                   : std::to_string(std::max(facts.max_allocations, kFewPorts));
    out.push_back({kRange, Verdict::Warning, name + " are " + std::to_string(count) + " ports",
                   wanted + " or more: one an allocation and family",
                   "Widen relay.ports, and open them in the firewall."});
  }
  for (const std::uint16_t port : facts.listened) {
    if (port < r.low || port > r.high) continue;
    out.push_back({kRange, Verdict::Warning,
                   name + " include " + std::to_string(port) + ", which is listened on",
                   "a range without listening ports", "Move relay.ports or that port."});
  }
  if (!facts.ephemeral) {
    out.push_back(unknown(kRange, "whether other programs draw from " + name +
                                      ": net.ipv4.ip_local_port_range cannot be read"));
  } else {
    turn::PortRange shared{std::max(r.low, facts.ephemeral->low), std::min(r.high, facts.ephemeral->high)};
    const bool kept = std::any_of(facts.reserved.begin(), facts.reserved.end(), [&](const auto& range) {
      return range.low <= shared.low && range.high >= shared.high;
    });
    if (shared.low <= shared.high && !kept) {
      out.push_back({kRange, Verdict::Warning,
                     "the kernel gives ports " + text_of(shared) + " of " + name +
                         " to other programs too (net.ipv4.ip_local_port_range)",
                     "relay ports that nobody else is given",
                     "sysctl -w net.ipv4.ip_local_reserved_ports=" + text_of(shared)});
    }
  }
  if (out.empty()) out.push_back(ok(kRange, name + ", " + std::to_string(count) + " ports"));
  return out;
}

Findings judge_firewall(const FirewallFacts& facts) {
  constexpr const char* kName = "firewall";
  if (!facts.unreadable.empty())
    return {unknown(kName, facts.unreadable, "Try turnstone probe from outside; needed: " + facts.needed)};
  if (facts.dropping.empty())
    return {ok(kName, "no base chain of nftables drops by policy; rules and clouds' own filters not judged")};
  return {unknown(kName, "whether its rules let in what is needed: by policy drops " + lines(facts.dropping),
                  "Needed from outside: " + facts.needed +
                      ". Look with nft list ruleset, and try turnstone "
                      "probe from outside.")};
}

Findings judge_hairpin(const std::vector<HairpinFacts>& facts) {
  constexpr const char* kName = "hairpin";
  Findings out;
  for (const HairpinFacts& one : facts) {
    const std::string address = one.relay.advertised.to_string();
    if (one.own) {
      out.push_back(ok(kName, address + " is this host's own address"));
    } else if (!one.came_back) {
      out.push_back(unknown(kName, "whether this host reaches itself at " + address + ": " + one.why));
    } else if (*one.came_back) {
      out.push_back(ok(kName, "a datagram to " + address + " came back here"));
    } else {
      out.push_back({kName, Verdict::Warning, "a datagram to " + address + " did not come back here",
                     "the NAT in front sends what is for its outer address back",
                     "Without, two clients that both relay here do not hear each other. Open relay.ports in "
                     "the cloud's firewall for this host itself, turn on NAT loopback, or give the host its "
                     "public address."});
    }
  }
  if (out.empty()) out.push_back(ok(kName, "not needed: there is no relay address"));
  return out;
}

Findings judge_names(const std::vector<NameFacts>& facts) {
  constexpr const char* kName = "DNS";
  Findings out;
  for (const NameFacts& one : facts) {
    const std::string what = one.key + ": " + one.host;
    if (one.late) {
      out.push_back(unknown(kName, what + ": no answer within the time of this check",
                            "Look at the name servers in /etc/resolv.conf."));
    } else if (!one.problem.empty()) {
      out.push_back({kName, Verdict::Fault, what + ": " + one.problem, "an address",
                     "Correct " + one.key + ", the name's records or /etc/resolv.conf."});
    } else {
      std::string said = what;
      for (const IpAddress& a : one.addresses)
        said.append(&a == one.addresses.data() ? " is " : ", ").append(a.to_string());
      out.push_back(ok(kName, said));
    }
  }
  if (out.empty()) out.push_back(ok(kName, "not needed: the configuration names no other host"));
  return out;
}

Findings judge_redis(const RedisFacts& facts) {
  constexpr const char* kName = "Redis";
  using State = RedisFacts::State;
  switch (facts.state) {
    case State::Off: return {ok(kName, "not configured")};
    case State::Answers: return {ok(kName, facts.url + " lets us in")};
    case State::NotKnown: return {unknown(kName, facts.url + ": " + facts.detail)};
    case State::NotReached:
      return {{kName, Verdict::Fault, facts.url + ": " + facts.detail, "an answer",
               "Start Redis, or correct signaling.redis.url; its port must be open to this host."}};
    case State::Refused: break;
  }
  return {{kName, Verdict::Fault, facts.url + " refuses us: " + facts.detail, "to be let in",
           "Correct signaling.redis.username and signaling.redis.password_file, or Redis' ACL."}};
}

Findings judge_conntrack(const ConntrackFacts& facts) {
  constexpr const char* kName = "conntrack";
  if (!facts.max) return {ok(kName, "no table of tracked connections to be seen here")};
  const std::string max = std::to_string(*facts.max);
  if (!facts.count) return {unknown(kName, "how full the table of " + max + " connections is")};
  const std::string full = std::to_string(*facts.count) + " of " + max + " tracked connections";
  const std::uint64_t larger = std::max<std::uint64_t>(*facts.max * 2, 4 * facts.relay_ports);
  const std::string remedy = "sysctl -w net.netfilter.nf_conntrack_max=" + std::to_string(larger) +
                             ", or leave relay.ports untracked (nft … notrack).";
  // A full table drops new flows, silently.
  if (*facts.count >= *facts.max - *facts.max / 20)
    return {{kName, Verdict::Fault, full, "room: a full table drops datagrams", remedy}};
  if (*facts.count >= *facts.max - *facts.max / 4)
    return {{kName, Verdict::Warning, full, "more room: a full table drops datagrams", remedy}};
  if (*facts.max < 2 * facts.relay_ports) {
    return {{kName, Verdict::Warning, "the table takes " + max + " connections",
             "two for each of " + std::to_string(facts.relay_ports) + " relay ports", remedy}};
  }
  return {ok(kName, full)};
}

}  // namespace ts::app::doctor
