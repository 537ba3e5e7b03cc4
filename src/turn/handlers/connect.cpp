// SPDX-License-Identifier: Apache-2.0
// Connect (RFC 6062 §5.2). The answer goes out once the shell says what became of the connection.
#include <turnstone/stun/attributes.hpp>

#include "../peer_connection.hpp"
#include "../request.hpp"

namespace ts::turn {

using stun::AttributeType;
using stun::ErrorCode;

void Server::handle_connect(Request& r) {
  Allocation& allocation = *r.allocation;
  // No TCP allocation is there.
  if (allocation.protocol != RelayProtocol::Tcp) return respond_error(r, ErrorCode::AllocationMismatch);
  const auto value = r.message.find(AttributeType::XorPeerAddress);
  const auto peer = value ? stun::decode_xor_address(*value, r.message.transaction_id()) : std::nullopt;
  if (!peer || peer->port == 0) return respond_error(r, ErrorCode::BadRequest);
  if (peer->address.family() != allocation.family()) {
    return respond_error(r, ErrorCode::PeerAddressFamilyMismatch);
  }
  if (has_connection_to(allocation, *peer)) return respond_error(r, ErrorCode::ConnectionAlreadyExists);
  if (const auto denial = policy_.check(*peer)) return deny(r, ErrorCode::Forbidden, *denial);
  if (const auto denial = denied_by_credential(allocation, peer->address))
    return deny(r, ErrorCode::Forbidden, *denial);
  // A socket that connects to its own address finds itself.
  if (*peer == allocation.relayed || *peer == allocation.local) {
    return deny(r, ErrorCode::Forbidden, Denial::OwnEndpoint);
  }
  const std::size_t most = options_.max_connections_per_allocation;
  if (most != 0 && allocation.connections.size() >= most) {
    return deny(r, ErrorCode::InsufficientCapacity, Denial::QuotaConnections);
  }
  if (names_too_many(allocation, 1, r.now.mono))
    return deny(r, ErrorCode::InsufficientCapacity, Denial::NewPeerRate);
  PeerConnection& connection = add_connection(r.handle, allocation, *peer);
  connection.asked_by = r.message.transaction_id();
  connection.key = *r.key;
  connection.answers_with_fingerprint = r.message.fingerprint_offset() != 0;
  connection.deadline = r.now.mono + options_.connect_timeout;
  look_again_at(r.handle, allocation, connection.deadline);
  r.out.connect_peers.push_back(ConnectPeer{connection.id, allocation.local, *peer});
}

}  // namespace ts::turn
