// SPDX-License-Identifier: Apache-2.0
// A TURN client as far as a load generator needs one: Allocate, ChannelBind and Refresh with long-term
// credentials (RFC 8489 §9.2, RFC 8656 §7, §12), blocking; and the framing of TCP streams.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/message.hpp>

#include "sockets.hpp"

namespace ts::load {

enum class Transport : std::uint8_t { Udp, Tcp };

struct Credentials {
  std::string user;
  std::string password;
};

/// One allocation and the connection it hangs on.
struct Allocation {
  Fd socket;
  Transport transport = Transport::Udp;
  Endpoint relayed;
  std::uint16_t channel = 0;

  std::string realm;
  std::string nonce;
  std::optional<HmacSha1Key> key;

  /// TCP: received bytes of an unfinished frame, and bytes that the socket did not take yet.
  std::vector<std::uint8_t> in;
  std::vector<std::uint8_t> out;

  /// Sequence numbers by direction: next to send, next expected.
  std::uint64_t sent_to_peer = 0, expected_by_peer = 0;
  std::uint64_t sent_to_client = 0, expected_by_client = 0;
};

/// Opens the client's socket at `local` (port 0: any) towards the server.
Allocation open_client(Transport transport, const Endpoint& local, const Endpoint& server);
/// Opens a socket and asks for a relayed address of the family; another socket when the server still holds an
/// allocation of its 5-tuple (437). Ends the process with the server's error when it is refused.
Allocation allocate(Transport transport, const Endpoint& local, const Endpoint& server,
                    const Credentials& credentials, IpFamily family);
/// The same with an open socket; false for a 437.
bool allocate(Allocation& allocation, const Credentials& credentials, IpFamily family);
void bind_channel(Allocation& allocation, const Credentials& credentials, std::uint16_t channel,
                  const Endpoint& peer);
/// Refresh with lifetime 0; the answer is not waited for.
void release(Allocation& allocation, const Credentials& credentials);

/// A fresh transaction id (not for adversaries).
stun::TransactionId next_transaction_id() noexcept;

}  // namespace ts::load
