// SPDX-License-Identifier: Apache-2.0
// Many clients that say nothing: what they take (idle), and how long it takes until they are all back
// (storm). See options.hpp for what these say and wait for.
#include <cstdio>

#include <poll.h>
#include <unistd.h>

#include "../relay/usage.hpp"
#include "load.hpp"

namespace ts::load {
namespace {

constexpr double kComeSeconds = 120;

/// Looks after the clients, who answer pings, until there is a line to be read. False: the input has ended.
bool wait_for_line(Load& load) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  while (poll(&input, 1, 0) == 0) load.turn(5);
  return std::getchar() != EOF;
}

void say(const char* words) {
  std::printf("%s\n", words);
  std::fflush(stdout);
}

int not_there() {
  std::fprintf(stderr, "signload: the clients are not there in time\n");
  return 1;
}

template <class Predicate>
std::size_t count_if(Load& load, Predicate is) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < load.size(); ++i) out += is(load.client(i)) ? 1U : 0U;
  return out;
}

}  // namespace

int run_signal_idle(const SignalOptions& o) {
  Load load(o);
  say("sockets");
  if (!wait_for_line(load)) return 1;
  const std::uint64_t start = now_ns();
  if (!load.bring(kComeSeconds)) return not_there();
  char words[64];
  std::snprintf(words, sizeof words, "allocated %.3f", static_cast<double>(now_ns() - start) / 1e9);
  say(words);
  wait_for_line(load);
  return load.dropped == 0 && load.totals.other == 0 ? 0 : 1;
}

int run_storm(const SignalOptions& o) {
  Load load(o);
  if (!load.bring(kComeSeconds)) return not_there();
  // Tickets of TLS 1.3 come behind the handshake.
  for (int i = 0; i < 50; ++i) load.turn(10);
  say("ready");
  // The server may be another one afterwards: nobody looks after the connections meanwhile.
  if (std::getchar() == EOF) return 1;
  load.cut();
  load.dropped = 0;
  load.totals = {};
  const Usage before = usage(o.load.server_pid, o.load.server_core);
  const std::uint64_t start = now_ns();
  const bool all = load.bring(kComeSeconds);
  const double seconds = static_cast<double>(now_ns() - start) / 1e9;
  const Usage after = usage(o.load.server_pid, o.load.server_core);
  const std::size_t there = count_if(load, [](const Client& c) { return c.is_there(); });
  const std::size_t sessions = count_if(load, [](const Client& c) { return c.has_resumed(); });
  const std::size_t tls = count_if(load, [](const Client& c) { return c.has_resumed_tls(); });
  std::printf(
      "{\"clients\": %zu, \"there\": %zu, \"seconds\": %.3f, \"sessions_resumed\": %zu, \"tls_resumed\": "
      "%zu, "
      "\"refused_by_server\": %llu, \"dropped\": %llu, %s}\n",
      load.size(), there, seconds, sessions, tls, static_cast<unsigned long long>(load.totals.other),
      static_cast<unsigned long long>(load.dropped), usage_json(before, after).c_str());
  return all ? 0 : 1;
}

}  // namespace ts::load
