// SPDX-License-Identifier: Apache-2.0
#include "examine.hpp"

#include <turnstone/config/load.hpp>

#include "gather.hpp"

namespace ts::app::doctor {
namespace {

constexpr std::chrono::seconds kWholeRun{14};

class Examination {
 public:
  void add(Findings more) {
    for (Finding& finding : more) all_.push_back(std::move(finding));
  }
  Findings take() { return std::move(all_); }

 private:
  Findings all_;
};

/// As the server would run with it; what dev mode generates is not shown.
config::Config effective(const config::Config& loaded) {
  config::Config out = loaded;
  net::SystemRandom random;
  config::apply_dev_defaults(out, random);
  if (!out.signal.lets_anybody_in()) out.signaling_enabled = false;
  return out;
}

void examine_configured(const config::Config& config, const std::string& stun_server, Examination& out) {
  Budget budget(kWholeRun);
  const ServerFacts server = look_at_server(config, budget);
  PortsLook ports = look_at_ports(config);
  ports.facts.server_answers = server.answers;
  const AddressFacts addresses = look_at_addresses(config, stun_server, budget);
  out.add(judge_address(addresses));
  out.add(judge_families(look_at_families(config, addresses)));
  out.add(judge_hairpin(look_at_hairpin(config, addresses, budget)));
  out.add(judge_ports(ports.facts));
  out.add(judge_relay_range(look_at_relay_range(config)));
  out.add(judge_firewall(look_at_firewall(config)));
  out.add(judge_conntrack(look_at_conntrack(config)));
  out.add(judge_certificate(look_at_certificate(config)));
  out.add(judge_buffers(look_at_buffers(config)));
  out.add(judge_limits(look_at_limits(config, ports.server_process)));
  out.add(judge_engines(look_at_engines(config)));
  out.add(judge_clock(look_at_clock()));
  out.add(judge_names(look_at_names(config, budget)));
  out.add(judge_redis(look_at_redis(config, budget)));
  out.add(judge_server(server));
}

}  // namespace

Findings examine(const config::LoadResult& loaded, const std::string& stun_server) {
  Examination out;
  out.add(judge_configuration(loaded.problems, loaded.warnings));
  if (loaded.ok()) {
    examine_configured(effective(loaded.config), stun_server, out);
    return out.take();
  }
  out.add(judge_engines(look_at_engines(config::Config{})));
  out.add(judge_clock(look_at_clock()));
  out.add({unknown("everything else", "it depends on the configuration, which has problems",
                   "Mend these first, then run turnstone doctor again.")});
  return out.take();
}

}  // namespace ts::app::doctor
