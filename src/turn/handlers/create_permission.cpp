// SPDX-License-Identifier: Apache-2.0
// CreatePermission (RFC 8656 §10.2): every peer in the request, or none.
#include <turnstone/stun/attributes.hpp>

#include "request.hpp"

namespace ts::turn {

using stun::AttributeType;
using stun::ErrorCode;

void Server::handle_create_permission(Request& r) {
  // A permission that has expired takes no room.
  sweep(*r.allocation, r.now.mono);
  std::size_t count = 0;
  std::size_t added = 0;
  std::optional<IpAddress> last_added;
  bool malformed = false;
  bool wrong_family = false;
  std::optional<Denial> denial;
  const stun::TransactionId id = r.message.transaction_id();
  r.message.for_each([&](const stun::Attribute& attribute) {
    if (attribute.type != AttributeType::XorPeerAddress) return;
    ++count;
    const auto peer = stun::decode_xor_address(attribute.value, id);
    if (!peer) {
      malformed = true;
      return;
    }
    wrong_family = wrong_family || !r.allocation->relays(peer->address.family(), r.now.mono);
    if (!denial) denial = policy_.check(peer->address);
    if (!denial) denial = denied_by_credential(*r.allocation, peer->address);
    // Clients name one address with many ports in a row; it takes room once.
    if (peer->address != last_added && r.allocation->permission(peer->address) == nullptr) {
      ++added;
      last_added = peer->address;
    }
  });
  // The whole request is judged, worst first, whatever the order of its peers.
  if (malformed || count == 0) return respond_error(r, ErrorCode::BadRequest);
  if (wrong_family) return respond_error(r, ErrorCode::PeerAddressFamilyMismatch);
  if (denial) return deny(r, ErrorCode::Forbidden, *denial);
  if (!has_room_for(*r.allocation, added)) {
    return deny(r, ErrorCode::InsufficientCapacity, Denial::QuotaPermissions);
  }
  if (names_too_many(*r.allocation, added, r.now.mono)) {
    return deny(r, ErrorCode::InsufficientCapacity, Denial::NewPeerRate);
  }
  r.message.for_each([&](const stun::Attribute& attribute) {
    if (attribute.type != AttributeType::XorPeerAddress) return;
    if (const auto peer = stun::decode_xor_address(attribute.value, id)) {
      permit(r.handle, *r.allocation, peer->address, r.now.mono);
    }
  });
  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  send_answer(r, response, Outcome::Success);
}

}  // namespace ts::turn
