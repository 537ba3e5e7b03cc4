// SPDX-License-Identifier: Apache-2.0
// The data path: ChannelData to peers, and peers' datagrams to clients (RFC 8656 §11.3, §12.6, §12.7). No
// heap allocation, no copy of payload, no exception; headers are written into the room around the payload.
#include <turnstone/stun/builder.hpp>
#include <turnstone/turn/server.hpp>

#include "allocation.hpp"

namespace ts::turn {

void Server::channel_data(Now now, const Inbound& in, Outbox& out) {
  const auto found = by_tuple_.find(in.tuple);
  Allocation* allocation = found != by_tuple_.end() ? allocations_.find(found->second) : nullptr;
  if (allocation == nullptr || now.mono >= allocation->expires) return drop(Drop::NoAllocation);
  const auto message = stun::parse_channel_data(in.bytes, max_channel());
  if (!message) return drop(Drop::BadMessage);
  const Channel* channel = allocation->channel(message->channel);
  if (channel == nullptr || now.mono >= channel->expires) return drop(Drop::NoChannel);
  if (!allocation->permits(channel->peer.address, now.mono)) return drop(Drop::NoPermission);
  if (allocation->mobility) data_came(found->second, *allocation, in.tuple, now.mono, out);
  const IpFamily family = channel->peer.address.family();
  if (allocation->second != nullptr && !allocation->relays(family, now.mono)) return drop(Drop::NoAllocation);
  if (allocation->limits != nullptr && !within_limits(*allocation, message->data.size(), now.mono)) return;

  // §14: DSCP and ECN as they came. DF as if the incoming one were 0, since no socket tells it.
  out.to_peers.push_back(ToPeer{RelayId{found->second, family}, channel->peer, message->data, false, in.tos});
  allocation->to_peer.add(message->data.size());
  counters_.to_peer[index(in.tuple.transport)].add(message->data.size());
}

namespace {

/// A Data indication's length field holds no more: 65,535 less its attributes, rounded down to a multiple of
/// four.
constexpr std::size_t kMaxIndicationPayload = 65'500;

/// Puts a ChannelData header in front and, on streams, padding behind (RFC 8656 §12.5).
ByteView wrap_channel_data(MutableBytes payload, std::uint16_t number, bool stream) noexcept {
  std::uint8_t* start = payload.data() - stun::kChannelDataHeaderBytes;
  stun::write_channel_data_header(start, number, payload.size());
  const std::size_t padding = stream ? stun::padded(payload.size()) - payload.size() : 0;
  std::memset(payload.data() + payload.size(), 0, padding);
  return {start, stun::kChannelDataHeaderBytes + payload.size() + padding};
}

/// Puts a Data indication's header, XOR-PEER-ADDRESS and DATA header in front, and DATA's padding behind.
ByteView wrap_data_indication(MutableBytes payload, const Endpoint& peer,
                              const stun::TransactionId& id) noexcept {
  const std::size_t front =
      stun::kHeaderBytes + 2 * stun::kAttributeHeaderBytes + stun::padded(4 + peer.address.bytes().size());
  static_assert(stun::kHeaderBytes + 2 * stun::kAttributeHeaderBytes + 20 <= kHeadroomBytes);
  std::uint8_t* start = payload.data() - front;
  stun::MessageBuilder builder({start, front}, stun::MessageClass::Indication, stun::Method::Data, id);
  builder.add_xor_address(stun::AttributeType::XorPeerAddress, peer);
  builder.finish();
  const std::size_t whole = front + stun::padded(payload.size());
  store_be16(start + 2, static_cast<std::uint16_t>(whole - stun::kHeaderBytes));
  store_be16(payload.data() - 4, static_cast<std::uint16_t>(stun::AttributeType::Data));
  store_be16(payload.data() - 2, static_cast<std::uint16_t>(payload.size()));
  std::memset(payload.data() + payload.size(), 0, whole - front - payload.size());
  return {start, whole};
}

}  // namespace

void Server::from_peer(Now now, const RelayId& relay, const Endpoint& peer, MutableBytes payload, Outbox& out,
                       std::uint8_t tos) {
  Allocation* allocation = allocations_.find(relay.allocation);
  if (allocation == nullptr || !allocation->relays(relay.family, now.mono)) return drop(Drop::NoAllocation);
  if (!allocation->permits(peer.address, now.mono)) return drop(Drop::NoPermission);
  if (allocation->mobility && allocation->mobility->detached) return drop(Drop::NoAllocation);
  if (allocation->limits != nullptr && !within_limits(*allocation, payload.size(), now.mono)) return;

  const Transport transport = allocation->tuple.transport;
  const bool stream = is_stream(transport);
  const Channel* channel = allocation->channel_to(peer);
  ByteView wire;
  if (channel != nullptr && now.mono < channel->expires) {
    wire = wrap_channel_data(payload, channel->number, stream);
  } else {
    // A channel's peer was judged with its port when it was bound; a permission is of the address alone.
    if (policy_.check_port(peer)) return drop(Drop::PeerDenied);
    if (payload.size() > kMaxIndicationPayload) return drop(Drop::TooLarge);
    stun::TransactionId id;
    random_.fill(id);
    wire = wrap_data_indication(payload, peer, id);
  }
  out.to_clients.push_back(
      ToClient{allocation->route, allocation->tuple, wire, true, stream ? std::uint8_t{0} : tos});
  allocation->to_client.add(payload.size());
  counters_.to_client[index(transport)].add(payload.size());
}

}  // namespace ts::turn
