// SPDX-License-Identifier: Apache-2.0
// turnload: loads a TURN server and prints what came through as JSON. See docs/benchmarks.md.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string_view>

#include "load.hpp"
#include "sockets.hpp"

namespace {

using namespace ts::load;

constexpr const char* kUsage =
    "turnload relay|binding|cycles|idle --server HOST:PORT --user NAME --password P [options]\n"
    "turnload forward --listen HOST:PORT --to HOST:PORT --relayed HOST:PORT [--flows N] [--engine E]\n"
    "  --transport udp|tcp|tls    how the clients reach the server (udp)\n"
    "  --mode to-peer|to-client|echo   which way the packets go (to-peer)\n"
    "  --allocations N            each with a socket of its own (1)\n"
    "  --payload BYTES            24 to 9000 (1200)\n"
    "  --window N                 closed loop: packets or cycles in flight (64)\n"
    "  --rate N                   open loop: packets (all allocations) or cycles a second\n"
    "  --burst N                  packets in a row over one of several allocations (1)\n"
    "  --train N                  the same, each burst as one train (UDP_SEGMENT), received as trains "
    "(UDP_GRO)\n"
    "  --churn N                  beside the packets: N allocations a second come and go\n"
    "  --may-reorder              packets that overtake each other are no fault\n"
    "  --seconds S --warmup S     measured time, and before it (3, 0.5)\n"
    "  --client ADDR --peer ADDR  local addresses (the server's address)\n"
    "  --spread ADDR              clients from the 64,000 addresses after this one, IPv4 only\n"
    "  --server-pid PID           report this process's processor time\n"
    "  --server-core N            report how busy this core was\n"
    "  --bare --peer-port P --relayed HOST:PORT   the server is `turnload forward`\n"
    "  --engine one|batch|trains|ring   recvfrom, recvmmsg, recvmmsg and UDP_GRO, io_uring (one)\n"
    "  --flows N                  channels 0x4000 + i leave from the N ports from --relayed on (1)\n"
    "  --fault corrupt|channel|drop|duplicate|swap   done to one packet in 1,000 (engines batch, trains)\n";

[[noreturn]] void usage(std::string_view problem) {
  std::fprintf(stderr, "turnload: %.*s\n%s", static_cast<int>(problem.size()), problem.data(), kUsage);
  std::exit(2);
}

ts::Endpoint endpoint(const char* text) {
  const auto parsed = ts::Endpoint::parse(text);
  if (!parsed) usage(text);
  return *parsed;
}

ts::IpAddress address(const char* text) {
  const auto parsed = ts::IpAddress::parse(text);
  if (!parsed) usage(text);
  return *parsed;
}

std::size_t count(const char* text) { return std::strtoul(text, nullptr, 10); }
double number(const char* text) { return std::strtod(text, nullptr); }

/// One of a few words.
template <class T>
T word(const char* text, const std::map<std::string_view, T>& words) {
  const auto found = words.find(text);
  if (found == words.end()) usage(text);
  return found->second;
}

using Set = std::function<void(Options&, const char*)>;

const std::map<std::string_view, Set>& options_with_value() {
  static const std::map<std::string_view, Set> all = {
      {"--server", [](Options& o, const char* v) { o.server = endpoint(v); }},
      {"--user", [](Options& o, const char* v) { o.credentials.user = v; }},
      {"--password", [](Options& o, const char* v) { o.credentials.password = v; }},
      {"--transport",
       [](Options& o, const char* v) {
         o.transport =
             word<Transport>(v, {{"udp", Transport::Udp}, {"tcp", Transport::Tcp}, {"tls", Transport::Tls}});
       }},
      {"--mode",
       [](Options& o, const char* v) {
         o.mode =
             word<Mode>(v, {{"to-peer", Mode::ToPeer}, {"to-client", Mode::ToClient}, {"echo", Mode::Echo}});
       }},
      {"--allocations", [](Options& o, const char* v) { o.allocations = count(v); }},
      {"--payload", [](Options& o, const char* v) { o.payload = count(v); }},
      {"--window", [](Options& o, const char* v) { o.window = count(v); }},
      {"--rate", [](Options& o, const char* v) { o.rate = number(v); }},
      {"--burst", [](Options& o, const char* v) { o.burst = count(v); }},
      {"--train", [](Options& o, const char* v) { o.burst = count(v), o.trains = true; }},
      {"--churn", [](Options& o, const char* v) { o.churn = number(v); }},
      {"--seconds", [](Options& o, const char* v) { o.seconds = number(v); }},
      {"--warmup", [](Options& o, const char* v) { o.warmup = number(v); }},
      {"--client", [](Options& o, const char* v) { o.client_address = address(v); }},
      {"--peer", [](Options& o, const char* v) { o.peer_address = address(v); }},
      {"--spread", [](Options& o, const char* v) { o.spread = address(v); }},
      {"--server-pid", [](Options& o, const char* v) { o.server_pid = static_cast<int>(count(v)); }},
      {"--server-core", [](Options& o, const char* v) { o.server_core = static_cast<int>(count(v)); }},
      {"--peer-port", [](Options& o, const char* v) { o.peer_port = static_cast<std::uint16_t>(count(v)); }},
      {"--relayed", [](Options& o, const char* v) { o.relayed = endpoint(v); }},
      {"--to", [](Options& o, const char* v) { o.forward_to = endpoint(v); }},
      {"--listen", [](Options& o, const char* v) { o.listen = endpoint(v); }},
      {"--flows", [](Options& o, const char* v) { o.flows = count(v); }},
      {"--engine",
       [](Options& o, const char* v) {
         o.engine = word<Engine>(v, {{"one", Engine::One},
                                     {"batch", Engine::Batch},
                                     {"trains", Engine::Trains},
                                     {"ring", Engine::Ring}});
       }},
      {"--fault",
       [](Options& o, const char* v) {
         o.fault = word<Fault>(v, {{"corrupt", Fault::Corrupt},
                                   {"channel", Fault::Channel},
                                   {"drop", Fault::Drop},
                                   {"duplicate", Fault::Duplicate},
                                   {"swap", Fault::Swap}});
       }},
  };
  return all;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 2; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--bare") {
      options.bare = true;
      continue;
    }
    if (name == "--may-reorder") {
      options.may_reorder = true;
      continue;
    }
    const auto found = options_with_value().find(name);
    if (found == options_with_value().end() || i + 1 >= argc) usage(name);
    found->second(options, argv[++i]);
  }
  const ts::IpAddress unset;
  if (options.client_address == unset) options.client_address = options.server.address;
  if (options.peer_address == unset) options.peer_address = options.server.address;
  if (options.allocations == 0 || options.window == 0 || options.burst == 0)
    usage("--allocations, --window, --burst and --train: at least 1");
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) usage("what?");
  const std::map<std::string_view, int (*)(const Options&)> works = {{"relay", run_relay},
                                                                     {"binding", run_binding},
                                                                     {"cycles", run_cycles},
                                                                     {"idle", run_idle},
                                                                     {"forward", run_forward}};
  const auto work = works.find(argv[1]);
  if (work == works.end()) usage(argv[1]);
  raise_descriptor_limit();
  return work->second(parse(argc, argv));
}
