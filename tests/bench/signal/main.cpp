// SPDX-License-Identifier: Apache-2.0
// signload: loads a signaling server and prints what came through as JSON. See docs/benchmarks-signaling.md.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string_view>

#include "../relay/sockets.hpp"
#include "frames.hpp"
#include "options.hpp"

namespace {

using namespace ts::load;

constexpr const char* kUsage =
    "signload talk|idle|storm --server HOST:PORT [options]\n"
    "  --dialect native|socketio|polling|peerjs   what the clients speak (native)\n"
    "  --second HOST:PORT         another node: each pair has one client here and one there\n"
    "  --tls                      they reach the server over TLS; its certificate is not looked at\n"
    "  --clients N                an even number: pairs, each in a room of its own (2)\n"
    "  --at-once N                clients that are coming at a time (128)\n"
    "  --token T                  what they show; nothing by default\n"
    "  --payload BYTES            of a message, at least 40 (200)\n"
    "  --window N                 talk, closed loop: messages under way (64)\n"
    "  --rate N                   talk, open loop: messages a second\n"
    "  --seconds S --warmup S     measured time, and before it (3, 0.5)\n"
    "  --client ADDR              local address (the server's)\n"
    "  --spread ADDR              clients from the addresses after this one, IPv4 only\n"
    "  --server-pid PID           report this process's processor time\n"
    "  --server-core N            report how busy this core was\n";

[[noreturn]] void usage_error(std::string_view problem) {
  std::fprintf(stderr, "signload: %.*s\n%s", static_cast<int>(problem.size()), problem.data(), kUsage);
  std::exit(2);
}

ts::Endpoint endpoint(const char* text) {
  const auto parsed = ts::Endpoint::parse(text);
  if (!parsed) usage_error(text);
  return *parsed;
}

ts::IpAddress address(const char* text) {
  const auto parsed = ts::IpAddress::parse(text);
  if (!parsed) usage_error(text);
  return *parsed;
}

std::size_t count(const char* text) { return std::strtoul(text, nullptr, 10); }
double number(const char* text) { return std::strtod(text, nullptr); }

Dialect dialect(const char* text) {
  static const std::map<std::string_view, Dialect> all = {{"native", Dialect::Native},
                                                          {"socketio", Dialect::SocketIo},
                                                          {"polling", Dialect::Polling},
                                                          {"peerjs", Dialect::PeerJs}};
  const auto found = all.find(text);
  if (found == all.end()) usage_error(text);
  return found->second;
}

using Set = std::function<void(SignalOptions&, const char*)>;

const std::map<std::string_view, Set>& options_with_value() {
  static const std::map<std::string_view, Set> all = {
      {"--server", [](SignalOptions& o, const char* v) { o.load.server = endpoint(v); }},
      {"--second", [](SignalOptions& o, const char* v) { o.second = endpoint(v); }},
      {"--dialect", [](SignalOptions& o, const char* v) { o.dialect = dialect(v); }},
      {"--clients", [](SignalOptions& o, const char* v) { o.clients = count(v); }},
      // As the relay's generator calls it, for the kit.
      {"--allocations", [](SignalOptions& o, const char* v) { o.clients = count(v); }},
      {"--at-once", [](SignalOptions& o, const char* v) { o.at_once = count(v); }},
      {"--token", [](SignalOptions& o, const char* v) { o.token = v; }},
      {"--payload", [](SignalOptions& o, const char* v) { o.load.payload = count(v); }},
      {"--window", [](SignalOptions& o, const char* v) { o.load.window = count(v); }},
      {"--rate", [](SignalOptions& o, const char* v) { o.load.rate = number(v); }},
      {"--seconds", [](SignalOptions& o, const char* v) { o.load.seconds = number(v); }},
      {"--warmup", [](SignalOptions& o, const char* v) { o.load.warmup = number(v); }},
      {"--client", [](SignalOptions& o, const char* v) { o.load.client_address = address(v); }},
      {"--spread", [](SignalOptions& o, const char* v) { o.load.spread = address(v); }},
      {"--server-pid",
       [](SignalOptions& o, const char* v) { o.load.server_pid = static_cast<int>(count(v)); }},
      {"--server-core",
       [](SignalOptions& o, const char* v) { o.load.server_core = static_cast<int>(count(v)); }},
  };
  return all;
}

SignalOptions parse(int argc, char** argv) {
  SignalOptions options;
  options.load.payload = 200;
  for (int i = 2; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--tls") {
      options.tls = true;
      continue;
    }
    const auto found = options_with_value().find(name);
    if (found == options_with_value().end() || i + 1 >= argc) usage_error(name);
    found->second(options, argv[++i]);
  }
  if (options.load.client_address == ts::IpAddress{})
    options.load.client_address = options.load.server.address;
  if (options.clients == 0 || options.clients % 2 != 0) usage_error("--clients: an even number");
  if (options.load.payload < kTextHeadBytes) usage_error("--payload: at least 40");
  if (options.load.window == 0 || options.at_once == 0) usage_error("--window and --at-once: at least 1");
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) usage_error("what?");
  const std::map<std::string_view, int (*)(const SignalOptions&)> works = {
      {"talk", run_talk}, {"idle", run_signal_idle}, {"storm", run_storm}};
  const auto work = works.find(argv[1]);
  if (work == works.end()) usage_error(argv[1]);
  raise_descriptor_limit();
  const SignalOptions options = parse(argc, argv);
  return work->second(options);
}
