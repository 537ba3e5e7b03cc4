// SPDX-License-Identifier: Apache-2.0
// ICMP errors for datagrams that a relay sent (RFC 8656 §11.5): told to the client in a Data indication with
// an ICMP attribute (§18.13).
#include <turnstone/stun/builder.hpp>
#include <turnstone/turn/server.hpp>

#include "allocation.hpp"

namespace ts::turn {
namespace {

/// "the type is either 3 or 11 for an ICMPv4 packet or either 1, 2, or 3 for an ICMPv6 packet".
constexpr bool is_named(IpFamily family, const IcmpError& error) noexcept {
  if (family == IpFamily::V4) return error.type == 3 || error.type == 11;
  return error.type >= 1 && error.type <= 3;
}

/// Packet too big, and fragmentation needed: the only ones whose Error Data is not zero.
constexpr bool tells_mtu(IpFamily family, const IcmpError& error) noexcept {
  return family == IpFamily::V4 ? error.type == 3 && error.code == 4 : error.type == 2;
}

/// What a client is told in a second at most; a peer that is gone answers each datagram with one.
constexpr std::uint16_t kMostErrorsPerSecond = 50;
/// Header, XOR-PEER-ADDRESS of IPv6, ICMP.
constexpr std::size_t kIndicationBytes = 20 + 24 + 12;

}  // namespace

void Server::from_peer_error(Now now, const RelayId& relay, const Endpoint& peer, const IcmpError& error,
                             Outbox& out) {
  if (!is_named(relay.family, error)) return;
  Allocation* allocation = allocations_.find(relay.allocation);
  if (allocation == nullptr || !allocation->relays(relay.family, now.mono)) return drop(Drop::NoAllocation);
  // The destination of the datagram is compared, not the sender of the ICMP packet.
  if (!allocation->permits(peer.address, now.mono)) return drop(Drop::NoPermission);
  if (allocation->mobility && allocation->mobility->detached) return drop(Drop::NoAllocation);
  if (now.mono - allocation->errors_since >= std::chrono::seconds(1)) {
    allocation->errors_since = now.mono;
    allocation->errors_told = 0;
  }
  if (allocation->errors_told >= kMostErrorsPerSecond) return drop(Drop::PacketRate);
  ++allocation->errors_told;

  stun::TransactionId id;
  random_.fill(id);
  stun::MessageBuilder builder(out.reserve(kIndicationBytes), stun::MessageClass::Indication,
                               stun::Method::Data, id);
  builder.add_xor_address(stun::AttributeType::XorPeerAddress, peer);
  // §18.13: 16 reserved bits, 7 of the type, 9 of the code, then the Error Data.
  std::array<std::uint8_t, 8> value{};
  store_be16(&value[2], static_cast<std::uint16_t>((error.type << 9) | error.code));
  store_be32(&value[4], tells_mtu(relay.family, error) ? error.mtu : 0);
  builder.add(stun::AttributeType::Icmp, value);
  const ByteView bytes = builder.finish();
  out.commit(bytes.size());
  if (!bytes.empty()) out.to_clients.push_back(ToClient{allocation->route, allocation->tuple, bytes, true});
}

}  // namespace ts::turn
