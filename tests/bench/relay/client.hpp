// SPDX-License-Identifier: Apache-2.0
// A TURN client as far as a load generator needs one: Allocate, ChannelBind and Refresh with long-term
// credentials (RFC 8489 §9.2, RFC 8656 §7, §12), blocking; and the bytes of streams, with TLS or without.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/message.hpp>

#include "options.hpp"
#include "payload.hpp"
#include "sockets.hpp"
#include "tls_session.hpp"

namespace ts::load {

/// What a request carries for authentication once the server's challenge is there.
struct Challenge {
  std::string realm;
  std::string nonce;
  std::optional<HmacSha1Key> key;
};

/// One allocation and the connection it hangs on.
struct Allocation {
  Fd socket;
  Transport transport = Transport::Udp;
  Endpoint relayed;
  std::uint16_t channel = 0;

  Challenge challenge;

  /// Streams: received bytes of an unfinished frame, and bytes that the socket did not take yet (TLS:
  /// encrypted).
  std::vector<std::uint8_t> in;
  std::vector<std::uint8_t> out;
  std::unique_ptr<TlsSession> tls;

  /// By direction: the next sequence number to send, and what has arrived.
  std::uint64_t sent_to_peer = 0, sent_to_client = 0;
  Order at_peer, at_client;
};

/// Opens the client's socket at `local` (port 0: any) towards the server; TLS: with the handshake done.
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

/// A signed request once there is a challenge; `add` adds its own attributes to the stun::MessageBuilder.
template <class AddAttributes>
ByteView build_request(MutableBytes out, stun::Method method, const stun::TransactionId& id,
                       const Challenge& challenge, const Credentials& credentials, AddAttributes&& add) {
  stun::MessageBuilder builder(out, stun::MessageClass::Request, method, id);
  add(builder);
  if (challenge.key) {
    builder.add(stun::AttributeType::Username, credentials.user)
        .add(stun::AttributeType::Realm, challenge.realm)
        .add(stun::AttributeType::Nonce, challenge.nonce)
        .add_integrity(*challenge.key);
  }
  return builder.finish();
}
/// The attributes of an Allocate request: UDP, and the family unless it is IPv4.
void add_allocate(stun::MessageBuilder& builder, IpFamily family);
/// The code of an error response, 999 for one without a code; 0 for any other message.
std::uint16_t error_of(const stun::MessageView& view);
/// Takes realm and nonce from a 401 or 438; false when they are missing. The key is kept while the realm is
/// the same.
bool take_challenge(Challenge& challenge, const stun::MessageView& view, const Credentials& credentials);

/// Puts a frame into what the stream sends next; TLS: a record of its own.
void queue(Allocation& allocation, ByteView frame);
/// Sends what waits; the number of bytes that the socket did not take. Ends the process when the connection
/// is gone.
std::size_t flush(Allocation& allocation);
/// Appends what has arrived to allocation.in; false when nothing has. Ends the process when the connection is
/// gone.
bool receive_stream(Allocation& allocation);

/// A fresh transaction id (not for adversaries).
stun::TransactionId next_transaction_id() noexcept;

}  // namespace ts::load
