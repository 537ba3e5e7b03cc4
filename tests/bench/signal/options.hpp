// SPDX-License-Identifier: Apache-2.0
// What signload was asked for. Times, processes, rates and addresses are those of the relay's generator.
#pragma once

#include <string>

#include "../relay/options.hpp"

namespace ts::load {

/// What a client speaks: the native protocol, Socket.IO over WebSocket or long polling, PeerJS.
enum class Dialect : std::uint8_t { Native, SocketIo, Polling, PeerJs };

struct SignalOptions {
  /// server, spread, rate, window, payload, seconds, warmup, server_pid and server_core.
  Options load;
  Dialect dialect = Dialect::Native;
  bool tls = false;
  /// Every second client is on this node; port 0: all are on `server`.
  Endpoint second;
  /// An even number: client 2n talks with client 2n + 1, in a room of their own.
  std::size_t clients = 2;
  /// Clients that are coming at a time.
  std::size_t at_once = 128;
  std::string token;
};

/// Each prints one JSON object (idle and storm: lines on the way) and yields the exit code: 0 when everything
/// that came was right and something did.

/// Messages between pairs, with `window` of them under way, or at a pace (`rate`).
int run_talk(const SignalOptions& options);
/// Prints "sockets", waits for a line, connects all, prints "allocated SECONDS", waits for a line.
int run_signal_idle(const SignalOptions& options);
/// Connects all, prints "ready", waits for a line, resets all connections and brings all of them back.
int run_storm(const SignalOptions& options);

}  // namespace ts::load
