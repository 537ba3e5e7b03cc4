// SPDX-License-Identifier: Apache-2.0
// hostile: starts a server, storms it over every transport with mutated messages, and looks whether it still
// is what it was: it lives, answers are well-formed, a client that keeps the rules notices nothing, nothing
// is left behind.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include "sockets.hpp"
#include "storm.hpp"

namespace ts::hostile {

void Storm::fail(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (failure_count_++ < 20) failures_.push_back(what);
}

std::vector<std::string> Storm::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

void Storm::judge(const Answer& answer, ByteView bytes, const char* where) {
  ++answers;
  if (answer.success) ++successes;
  if (answer.wrong.empty()) return;
  fail(std::string(where) + ": " + answer.wrong + ": " +
       hex_of(bytes.first(std::min<std::size_t>(bytes.size(), 600))));
}

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: hostile [--server BINARY] [--messages N] [--core N] [--seed N]\n"
    "  --server BINARY  the server under test (default: $TURNSTONE, else turnstone beside this program)\n"
    "  --messages N     mutated messages in all (default 100000)\n"
    "  --core N         as many at turn::Server in this process, first (default: as --messages)\n"
    "  --seed N         of the storm (default 1)\n";
/// Room for the allocator's moods under a sanitizer.
constexpr std::size_t kToleratedBytes = 48U << 20;

struct Arguments {
  std::string server;
  std::uint64_t messages = 100'000;
  std::optional<std::uint64_t> core;
  std::uint64_t seed = 1;
};

Arguments read_arguments(int argc, char** argv) {
  Arguments out;
  const char* given = std::getenv("TURNSTONE");
  out.server =
      given != nullptr ? given : (std::filesystem::path(argv[0]).parent_path() / "turnstone").string();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--server") {
      out.server = argv[i + 1];
    } else if (name == "--messages") {
      out.messages = std::strtoull(argv[i + 1], nullptr, 10);
    } else if (name == "--core") {
      out.core = std::strtoull(argv[i + 1], nullptr, 10);
    } else if (name == "--seed") {
      out.seed = std::strtoull(argv[i + 1], nullptr, 10);
    } else {
      std::fputs(kUsage, stderr);
      std::exit(2);
    }
  }
  if (argc % 2 == 0) {
    std::fputs(kUsage, stderr);
    std::exit(2);
  }
  return out;
}

/// Nothing is held any more: allocations, streams and ports go back to where they were.
bool settles(const ServerProcess& server, std::chrono::seconds limit) {
  for (const auto until = Clock::now() + limit; Clock::now() < until; std::this_thread::sleep_for(500ms)) {
    const auto metrics = server.metrics();
    if (!metrics.empty() && sum_of(metrics, "turnstone_allocations{") == 0 &&
        sum_of(metrics, "turnstone_permissions") == 0 && sum_of(metrics, "turnstone_channels") == 0 &&
        sum_of(metrics, "turnstone_streams{kind=\"turn") == 0) {
      return true;
    }
  }
  return false;
}

/// All attacks at once, and the witness with them.
void run_attacks(Storm& storm, std::uint64_t messages) {
  const bool dtls = storm.ports.dtls != 0;
  const std::uint64_t part = messages / 100;
  std::vector<std::jthread> attacks;
  std::jthread watching([&] { witness(storm); });
  std::jthread silent([&] { attack_with_silence(storm, 40); });
  for (unsigned i = 0; i < 2; ++i) {
    attacks.emplace_back([&storm, part, i] { attack_udp(storm, i, part * 40); });
  }
  attacks.emplace_back([&] {
    split_everywhere(storm, false);
    split_everywhere(storm, true);
    attack_streams(storm, 0, part * (dtls ? 8 : 13), false);
  });
  attacks.emplace_back([&] { attack_streams(storm, 1, messages - part * 93, true); });
  attacks.emplace_back([&] { attack_handshakes(storm, 0, std::min<std::uint64_t>(messages / 800, 20'000)); });
  attacks.emplace_back([&] { attack_http(storm, 0, std::min<std::uint64_t>(messages / 400, 50'000)); });
  if (dtls) attacks.emplace_back([&] { attack_dtls(storm, 0, part * 5); });
  attacks.clear();
  storm.over = true;
}

std::uint64_t total(const Storm& storm) {
  return storm.udp_messages + storm.tcp_messages + storm.tls_messages + storm.dtls_messages;
}

void report(const Storm& storm, double seconds) {
  const auto n = [](std::uint64_t count) { return static_cast<unsigned long long>(count); };
  std::printf("%llu mutated messages in %.0f s, %.0f a second: %llu UDP, %llu TCP, %llu TLS, %llu DTLS\n",
              n(total(storm)), seconds, static_cast<double>(total(storm)) / seconds, n(storm.udp_messages),
              n(storm.tcp_messages), n(storm.tls_messages), n(storm.dtls_messages));
  std::printf(
      "%llu HTTP requests, %llu connections; %llu answers, of which %llu successes; %llu datagrams echoed\n",
      n(storm.http_requests), n(storm.connections), n(storm.answers), n(storm.successes), n(storm.relayed));
  std::printf("witness: %llu rounds of Binding and echo\n", n(storm.echoes));
}

/// What the server has left when the storm is over.
void check_remains(Storm& storm, ServerProcess& server, const Usage& before) {
  if (!server.alive()) return storm.fail("the server died");
  if (!settles(server, 90s)) storm.fail("allocations, permissions, channels or streams remain");
  const auto metrics = server.metrics();
  if (sum_of(metrics, "turnstone_bugs_total") != 0) storm.fail("turnstone_bugs_total is not 0");
  Usage after = server.usage();
  for (int i = 0; i < 100 && after.descriptors > before.descriptors; ++i) {
    std::this_thread::sleep_for(100ms);
    after = server.usage();
  }
  std::printf("before: %zu KiB resident, %zu descriptors; after: %zu KiB, %zu; datagrams in: %.0f\n",
              before.resident_bytes >> 10, before.descriptors, after.resident_bytes >> 10, after.descriptors,
              sum_of(metrics, "turnstone_udp_packets_total{direction=\"received"));
  for (const auto& [name, value] : metrics) {
    if (name.starts_with("turnstone_requests_total") && value != 0)
      std::printf("  %s %.0f\n", name.c_str(), value);
  }
  if (after.descriptors > before.descriptors) storm.fail("descriptors remain open");
  if (after.resident_bytes > before.resident_bytes + kToleratedBytes) storm.fail("memory did not come back");
}

/// The core alone. False: something was wrong.
bool run_core(const Arguments& arguments) {
  Storm storm;
  storm.seed = arguments.seed;
  const auto started = Clock::now();
  storm_core(storm, arguments.core.value_or(arguments.messages));
  const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
  std::printf("core: %llu mutated messages in %.0f s, %.0f a second; %llu answers, of which %llu successes\n",
              static_cast<unsigned long long>(storm.core_messages.load()), seconds,
              static_cast<double>(storm.core_messages) / seconds,
              static_cast<unsigned long long>(storm.answers.load()),
              static_cast<unsigned long long>(storm.successes.load()));
  for (const std::string& what : storm.failures()) std::printf("FAIL %s\n", what.c_str());
  return !storm.failed();
}

int run(const Arguments& arguments) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::signal(SIGPIPE, SIG_IGN);
  load::raise_descriptor_limit();
  std::printf("seed %llu, %llu messages, %s\n", static_cast<unsigned long long>(arguments.seed),
              static_cast<unsigned long long>(arguments.messages), arguments.server.c_str());
  if (!run_core(arguments)) return EXIT_FAILURE;
  char pattern[] = "/tmp/turnstone-hostile.XXXXXX";
  if (mkdtemp(pattern) == nullptr) load::die("mkdtemp");
  const std::filesystem::path folder = pattern;
  ServerProcess server(arguments.server, folder);
  const load::Fd peer(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  load::SocketAddress any(Endpoint::parse("127.0.0.1:0").value());
  if (bind(peer.get(), any.get(), any.size) != 0) load::die("bind");
  const timeval limit{0, 100'000};
  setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);

  Storm storm;
  storm.seed = arguments.seed;
  storm.ports = server.ports();
  storm.target.realm = "hostile.example";
  storm.target.accounts = {{"alice", storm.target.realm, "wonder"}, {"bob", storm.target.realm, "builder"}};
  storm.target.peers = {
      load::local_endpoint(peer), {IpAddress::v4(127, 0, 0, 9), 9}, {IpAddress::v4(127, 0, 0, 1), 20'002}};
  if (storm.ports.dtls == 0) std::printf("SKIPPED: DTLS: the server does not say that it listens for it\n");

  std::jthread echoing([&] { echo(storm, peer.get()); });
  {  // what the server keeps once it has worked
    Storm warm;
    warm.seed = arguments.seed + 1;
    warm.ports = storm.ports;
    warm.target = storm.target;
    run_attacks(warm, std::min<std::uint64_t>(arguments.messages / 20, 20'000));
    for (const std::string& what : warm.failures()) storm.fail("warming up: " + what);
  }
  if (!settles(server, 90s)) storm.fail("the server did not settle after warming up");
  const Usage before = server.usage();
  const auto started = Clock::now();
  run_attacks(storm, arguments.messages);
  report(storm, std::chrono::duration<double>(Clock::now() - started).count());
  check_remains(storm, server, before);
  echoing.join();
  if (const std::string wrong = server.stop(); !wrong.empty()) storm.fail(wrong + "\n" + server.log());
  for (const std::string& what : storm.failures()) std::printf("FAIL %s\n", what.c_str());
  if (!storm.failed()) {
    std::filesystem::remove_all(folder);
    std::printf("ok: nothing was wrong\n");
    return EXIT_SUCCESS;
  }
  std::printf("%llu failures; the server's files are in %s\n",
              static_cast<unsigned long long>(storm.failure_count()), folder.c_str());
  return EXIT_FAILURE;
}

}  // namespace
}  // namespace ts::hostile

int main(int argc, char** argv) { return ts::hostile::run(ts::hostile::read_arguments(argc, argv)); }
