// SPDX-License-Identifier: Apache-2.0
// ChannelBind (RFC 8656 §12.2).
#include <turnstone/stun/attributes.hpp>

#include "request.hpp"

namespace ts::turn {

using stun::AttributeType;
using stun::ErrorCode;

void Server::handle_channel_bind(Request& r) {
  Allocation& allocation = *r.allocation;
  // RFC 6062: data of a TCP allocation goes over data connections alone.
  if (allocation.protocol == RelayProtocol::Tcp) return respond_error(r, ErrorCode::BadRequest);
  const auto number_value = r.message.find(AttributeType::ChannelNumber);
  const auto peer_value = r.message.find(AttributeType::XorPeerAddress);
  const auto number = number_value ? stun::decode_channel_number(*number_value) : std::nullopt;
  const auto peer =
      peer_value ? stun::decode_xor_address(*peer_value, r.message.transaction_id()) : std::nullopt;
  if (!number || !peer || !stun::is_channel_number(*number, max_channel()))
    return respond_error(r, ErrorCode::BadRequest);

  // A binding that has expired stands in nobody's way.
  sweep(r.handle, allocation, r.now.mono, r.out);
  Channel* bound = allocation.channel(*number);
  const Channel* other = allocation.channel_to(*peer);
  if ((bound != nullptr && bound->peer != *peer) || (other != nullptr && other->number != *number)) {
    return respond_error(r, ErrorCode::BadRequest);
  }
  if (!allocation.relays(peer->address.family(), r.now.mono))
    return respond_error(r, ErrorCode::PeerAddressFamilyMismatch);
  if (const auto denial = policy_.check(*peer)) return deny(r, ErrorCode::Forbidden, *denial);
  if (const auto denial = denied_by_credential(allocation, peer->address))
    return deny(r, ErrorCode::Forbidden, *denial);
  const std::size_t most = options_.max_channels_per_allocation;
  if (bound == nullptr && most != 0 && allocation.channels.size() >= most) {
    return deny(r, ErrorCode::InsufficientCapacity, Denial::QuotaChannels);
  }
  const std::size_t added = allocation.permission(peer->address) == nullptr ? 1 : 0;
  if (!has_room_for(allocation, added)) {
    return deny(r, ErrorCode::InsufficientCapacity, Denial::QuotaPermissions);
  }
  if (names_too_many(allocation, added, r.now.mono)) {
    return deny(r, ErrorCode::InsufficientCapacity, Denial::NewPeerRate);
  }
  permit(r.handle, allocation, peer->address, r.now.mono);
  const TimePoint expires = r.now.mono + options_.channel_lifetime;
  if (bound != nullptr) {
    bound->expires = expires;
  } else {
    allocation.channels.insert(Channel{*number, *peer, expires}, by_tuple_.hash_function().seed);
    ++counters_.channels;
  }
  look_again_at(r.handle, allocation, expires);
  tell_flows(r.handle, allocation, r.now.mono, r.out);
  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  send_answer(r, response, Outcome::Success);
}

}  // namespace ts::turn
