// SPDX-License-Identifier: Apache-2.0
// Send indication (RFC 8656 §11.2): never answered, whatever is wrong with it.
#include <turnstone/stun/attributes.hpp>

#include "request.hpp"

namespace ts::turn {

using stun::AttributeType;

namespace {

/// RFC 8656 §14 and §15 honour DONT-FRAGMENT between IPv4 and IPv4 and from streams; §13: "the DONT-FRAGMENT
/// attribute MUST be ignored" in every other relay from UDP to UDP.
constexpr bool may_forbid_fragments(const FiveTuple& tuple, const Endpoint& peer) noexcept {
  return is_stream(tuple.transport) || (tuple.client.address.is_v4() && peer.address.is_v4());
}

}  // namespace

void Server::handle_send(Request& r) {
  Allocation* allocation = find(r.in.tuple);
  if (allocation == nullptr || allocation->state != Allocation::State::Ready ||
      r.now.mono >= allocation->expires) {
    return drop(Drop::NoAllocation);
  }
  // RFC 6062: data of a TCP allocation goes over data connections alone.
  if (allocation->protocol == RelayProtocol::Tcp) return drop(Drop::BadMessage);
  bool unknown = false;
  r.message.for_each([&](const stun::Attribute& attribute) {
    unknown = unknown || (stun::is_comprehension_required(static_cast<std::uint16_t>(attribute.type)) &&
                          !is_understood(attribute.type));
  });
  if (unknown) return drop(Drop::UnknownComprehension);
  const auto peer_value = r.message.find(AttributeType::XorPeerAddress);
  const auto data = r.message.find(AttributeType::Data);
  const auto peer =
      peer_value ? stun::decode_xor_address(*peer_value, r.message.transaction_id()) : std::nullopt;
  if (!peer || !data) return drop(Drop::BadMessage);
  if (!allocation->permits(peer->address, r.now.mono)) return drop(Drop::NoPermission);
  if (policy_.check_port(*peer)) return drop(Drop::PeerDenied);

  const bool dont_fragment =
      r.message.find(AttributeType::DontFragment).has_value() && may_forbid_fragments(r.in.tuple, *peer);
  const RelayId relay{by_tuple_.find(r.in.tuple)->second, peer->address.family()};
  if (allocation->mobility) data_came(relay.allocation, *allocation, r.in.tuple, r.now.mono, r.out);
  if (!allocation->relays(relay.family, r.now.mono)) return drop(Drop::NoAllocation);
  if (allocation->limits != nullptr && !within_limits(*allocation, data->size(), r.now.mono)) return;
  r.out.to_peers.push_back(ToPeer{relay, *peer, *data, dont_fragment, r.in.tos});
  ++counters_.requests[index(RequestKind::Send)][index(Outcome::Success)];
  allocation->to_peer.add(data->size());
  counters_.to_peer[index(allocation->tuple.transport)].add(data->size());
}

}  // namespace ts::turn
