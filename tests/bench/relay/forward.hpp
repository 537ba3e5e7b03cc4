// SPDX-License-Identifier: Apache-2.0
// What forwarders share: sockets, and who is behind which channel.
#pragma once

#include <vector>

#include "options.hpp"
#include "sockets.hpp"

namespace ts::load {

inline constexpr std::size_t kHeaderBytes = 4;

/// The sockets of a forwarder: one in front that clients send ChannelData to, and one for each channel
/// behind.
struct Pipes {
  Fd front;
  std::vector<Fd> backs;
  /// By channel; size 0 until it has sent something.
  std::vector<SocketAddress> clients;
  SocketAddress peer;

  explicit Pipes(const Options& options);
  /// The flow of a ChannelData message; clients.size() when it has none.
  std::size_t flow_of(ByteView message) const noexcept;
};

/// False from SIGTERM or SIGINT on, which also interrupt a system call.
bool keep_running() noexcept;

}  // namespace ts::load
