// SPDX-License-Identifier: Apache-2.0
// turnload: loads a TURN server and prints what came through as JSON. See docs/benchmarks.md.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "load.hpp"

namespace {

using namespace ts::load;

constexpr const char* kUsage =
    "turnload relay|binding|idle --server HOST:PORT --user NAME --password P [options]\n"
    "turnload forward --listen HOST:PORT --to HOST:PORT [--batch N]\n"
    "  --transport udp|tcp        how the clients reach the server (udp)\n"
    "  --mode to-peer|to-client|echo   which way the packets go (to-peer)\n"
    "  --allocations N            each with a socket of its own (1)\n"
    "  --payload BYTES            24 to 9000 (1200)\n"
    "  --window N                 closed loop: packets in flight (64)\n"
    "  --rate PPS                 open loop: packets a second over all allocations\n"
    "  --burst N                  packets in a row over one of several allocations (1)\n"
    "  --train N                  the same, each burst as one train (UDP_SEGMENT), received as trains "
    "(UDP_GRO)\n"
    "  --seconds S --warmup S     measured time, and before it (3, 0.5)\n"
    "  --client ADDR --peer ADDR  local addresses (the server's address)\n"
    "  --spread                   clients from 127.1.0.0/16\n"
    "  --server-pid PID           report this process's processor time\n"
    "  --bare --peer-port P --relayed HOST:PORT   the server is `turnload forward`\n";

[[noreturn]] void usage(const char* problem) {
  std::fprintf(stderr, "turnload: %s\n%s", problem, kUsage);
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

Mode mode(std::string_view text) {
  if (text == "to-peer") return Mode::ToPeer;
  if (text == "to-client") return Mode::ToClient;
  if (text == "echo") return Mode::Echo;
  usage("--mode");
}

/// Sets one option with a value; false when there is none of that name.
bool set(Options& o, std::string_view name, const char* value) {
  if (name == "--server")
    o.server = endpoint(value);
  else if (name == "--user")
    o.credentials.user = value;
  else if (name == "--password")
    o.credentials.password = value;
  else if (name == "--transport")
    o.transport = std::string_view(value) == "tcp" ? Transport::Tcp : Transport::Udp;
  else if (name == "--mode")
    o.mode = mode(value);
  else if (name == "--allocations")
    o.allocations = count(value);
  else if (name == "--payload")
    o.payload = count(value);
  else if (name == "--window")
    o.window = count(value);
  else if (name == "--rate")
    o.rate = std::strtod(value, nullptr);
  else if (name == "--burst")
    o.burst = count(value);
  else if (name == "--train")
    o.burst = count(value), o.trains = true;
  else if (name == "--seconds")
    o.seconds = std::strtod(value, nullptr);
  else if (name == "--warmup")
    o.warmup = std::strtod(value, nullptr);
  else if (name == "--client")
    o.client_address = address(value);
  else if (name == "--peer")
    o.peer_address = address(value);
  else if (name == "--server-pid")
    o.server_pid = static_cast<int>(count(value));
  else if (name == "--peer-port")
    o.peer_port = static_cast<std::uint16_t>(count(value));
  else if (name == "--relayed" || name == "--to")
    o.forward_to = endpoint(value);
  else if (name == "--listen")
    o.listen = endpoint(value);
  else if (name == "--batch")
    o.batch = count(value);
  else
    return false;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) usage("what?");
  const std::string_view work = argv[1];
  Options options;
  for (int i = 2; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--spread")
      options.spread = true;
    else if (name == "--bare")
      options.bare = true;
    else if (i + 1 >= argc || !set(options, name, argv[i + 1]))
      usage(argv[i]);
    else
      ++i;
  }
  const ts::IpAddress unset;
  if (options.client_address == unset) options.client_address = options.server.address;
  if (options.peer_address == unset) options.peer_address = options.server.address;
  if (options.allocations == 0 || options.window == 0) usage("--allocations and --window: at least 1");
  raise_descriptor_limit();
  if (work == "relay") return run_relay(options);
  if (work == "binding") return run_binding(options);
  if (work == "idle") return run_idle(options);
  if (work == "forward") return run_forward(options);
  usage(argv[1]);
}
