// SPDX-License-Identifier: Apache-2.0
// Allocate (RFC 8656 §7.2): the checks in the RFC's order; then relay sockets are asked for, and the answer
// goes out once the shell says that they are open (relay_legs.cpp).
#include <turnstone/stun/attributes.hpp>

#include "request.hpp"

namespace ts::turn {
namespace {

using stun::AttributeType;
using stun::ErrorCode;

/// ADDITIONAL-ADDRESS-FAMILY under the number of draft-martinsen-tram-ssoda, which coturn's clients send
/// still.
constexpr auto kDraftAdditionalAddressFamily = static_cast<AttributeType>(0x8032);

/// What the request asks for, once it has passed the checks of form.
struct Wish {
  RelayProtocol protocol = RelayProtocol::Udp;
  IpFamily family = IpFamily::V4;
  PortParity parity = PortParity::Any;
  std::optional<ReservationToken> token;
  /// ADDITIONAL-ADDRESS-FAMILY: a second relayed transport address of the other family.
  bool both_families = false;
  std::optional<std::uint32_t> lifetime_seconds;
};

const RelayAddress* relay_of(const Options& options, IpFamily family) noexcept {
  const auto& all = options.relay_addresses;
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const RelayAddress& r) { return r.local.family() == family; });
  return at != all.end() ? &*at : nullptr;
}

/// Checks 3 to 9 of §7.2 as far as the request alone decides them.
Result<Wish, ErrorCode> read_wish(const stun::MessageView& m, Transport client, const Options& options) {
  Wish wish;
  const auto transport = m.find(AttributeType::RequestedTransport);
  const auto protocol = transport ? stun::decode_requested_transport(*transport) : std::nullopt;
  if (!protocol) return ErrorCode::BadRequest;
  const bool tcp = *protocol == stun::kTransportTcp && options.tcp_relay;
  if (!tcp && *protocol != stun::kTransportUdp) return ErrorCode::UnsupportedTransportProtocol;

  const auto token = m.find(AttributeType::ReservationToken);
  const auto even = m.find(AttributeType::EvenPort);
  if (tcp) {
    // RFC 6062 §5.1: over TCP and TLS alone, and without what belongs to datagrams.
    if (!is_stream(client) || token || even || m.find(AttributeType::DontFragment)) {
      return ErrorCode::BadRequest;
    }
    wish.protocol = RelayProtocol::Tcp;
  }
  const auto family = m.find(AttributeType::RequestedAddressFamily);
  auto additional = m.find(AttributeType::AdditionalAddressFamily);
  if (!additional) additional = m.find(kDraftAdditionalAddressFamily);
  if (const auto lifetime = m.find(AttributeType::Lifetime)) {
    wish.lifetime_seconds = stun::decode_u32(*lifetime);
    if (!wish.lifetime_seconds) return ErrorCode::BadRequest;
  }
  if (token) {
    if (even || family || additional || token->size() != std::tuple_size_v<ReservationToken>)
      return ErrorCode::BadRequest;
    std::copy(token->begin(), token->end(), wish.token.emplace().begin());
    return wish;
  }
  if (family && additional) return ErrorCode::BadRequest;
  if (family) {
    const auto code = stun::decode_address_family(*family);
    if (!code) return ErrorCode::BadRequest;
    const auto known = stun::family_of_code(*code);
    if (!known) return ErrorCode::AddressFamilyNotSupported;
    wish.family = *known;
  }
  const bool second_will_do = additional && relay_of(options, IpFamily::V6) != nullptr;
  if (relay_of(options, wish.family) == nullptr && !second_will_do)
    return ErrorCode::AddressFamilyNotSupported;
  if (even) {
    if (even->size() != 1) return ErrorCode::BadRequest;
    const bool reserve_next = ((*even)[0] & 0x80) != 0;
    if (reserve_next && additional) return ErrorCode::BadRequest;
    wish.parity = reserve_next ? PortParity::EvenWithNextReserved : PortParity::Even;
  }
  if (additional) {
    // "if the attribute value is 0x01 (IPv4 address family)": 400; only IPv6 can be the second one.
    if (stun::decode_address_family(*additional) != stun::kFamilyV6) return ErrorCode::BadRequest;
    wish.both_families = true;
  }
  return wish;
}

std::uint32_t granted_lifetime(std::optional<std::uint32_t> wanted, const Options& options) {
  const auto most = static_cast<std::uint32_t>(options.max_lifetime.count());
  const auto least = std::min(most, static_cast<std::uint32_t>(options.default_lifetime.count()));
  return wanted ? std::clamp(*wanted, least, most) : least;
}

using PortOfFamily = std::array<std::optional<std::uint16_t>, 2>;

/// The relayed transport addresses that these ports make. Check 9: where only one of two could be had, the
/// client is told why with ADDRESS-ERROR-CODE.
void place(Allocation& allocation, const Wish& wish, const Options& options, const PortOfFamily& ports) {
  allocation.opening = std::make_unique<Opening>();
  bool first = true;
  for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
    const RelayAddress* address = relay_of(options, family);
    const auto& port = ports[family_index(family)];
    if (!port) {
      if (wish.both_families)
        allocation.address_error = static_cast<std::uint16_t>(
            address == nullptr ? ErrorCode::AddressFamilyNotSupported : ErrorCode::InsufficientCapacity);
      continue;
    }
    if (!first) allocation.second = std::make_unique<SecondRelay>();
    (first ? allocation.relayed : allocation.second->relayed) = Endpoint{address->advertised, *port};
    (first ? allocation.local : allocation.second->local) = Endpoint{address->local, *port};
    allocation.opening->legs[family_index(family)].wanted = true;
    first = false;
  }
}

void fill(Allocation& allocation, const Request& r, const Wish& wish, const Options& options,
          const PortOfFamily& ports) {
  place(allocation, wish, options, ports);
  allocation.tuple = r.in.tuple;
  allocation.route = r.in.route;
  allocation.username = r.username;
  allocation.account = r.account;
  allocation.realm = r.realm;
  allocation.key = *r.key;
  allocation.made_by = r.message.transaction_id();
  allocation.granted_seconds = granted_lifetime(wish.lifetime_seconds, options);
  if (r.token) {
    // RFC 7635: no allocation outlives its token.
    const auto left =
        static_cast<std::uint32_t>(std::min<std::int64_t>(r.token->remaining.count(), UINT32_MAX));
    allocation.granted_seconds = std::min(allocation.granted_seconds, left);
    allocation.granted_until = r.now.mono + r.token->remaining;
  }
  allocation.answers_with_fingerprint = r.message.fingerprint_offset() != 0;
  allocation.protocol = wish.protocol;
  allocation.opening->parity = wish.parity;
  allocation.opening->port_was_reserved = wish.token.has_value();
  allocation.started = r.now.mono;
  allocation.set_expiry(std::nullopt, r.now.mono + std::chrono::seconds(allocation.granted_seconds));
}

}  // namespace

void Server::handle_allocate(Request& r) {
  if (Allocation* former = find(r.in.tuple)) {
    const bool over = former->state == Allocation::State::Ready && r.now.mono >= former->expires;
    if (!over) {
      // An answer that got lost: the same again. While the socket is being opened the answer is on its way.
      if (former->made_by == r.message.transaction_id() && former->username == r.username &&
          former->realm == r.realm) {
        if (former->state == Allocation::State::Ready) answer_allocate(r, *former);
        return;
      }
      return respond_error(r, ErrorCode::AllocationMismatch);
    }
    // It has expired and the clock's tick is late. The five-tuple is free.
    end(by_tuple_.find(r.in.tuple)->second, EndReason::Expired, r.now, r.out);
  }
  const auto wish = read_wish(r.message, r.in.tuple.transport, options_);
  if (!wish) return respond_error(r, wish.error());
  const auto ticket = r.message.find(AttributeType::MobilityTicket);
  // RFC 8016 §3.1.2: without a value it asks for mobility; there is no ticket yet.
  if (ticket && !ticket->empty()) return respond_error(r, ErrorCode::BadRequest);
  // The connections of a TCP allocation (RFC 6062) stay with their streams: it cannot move.
  if (ticket && (!options_.mobility || wish->protocol == RelayProtocol::Tcp))
    return deny(r, ErrorCode::MobilityForbidden, Denial::MobilityOff);
  if (draining_) return refuse_draining(r, wish->token.has_value());
  // Check 11. A reserved port is here and nowhere else.
  if (!wish->token && send_elsewhere(r, options_.alternate_servers)) return;

  // The quota first ("at any point"), so that a refusal does not use up a token.
  if (const auto quota = admit(r)) {
    // 486 is about this user or credential; a full server has no capacity for anybody.
    const bool own = *quota == Denial::QuotaUser || *quota == Denial::QuotaCredential;
    return deny(r, own ? ErrorCode::AllocationQuotaReached : ErrorCode::InsufficientCapacity, *quota);
  }
  PortOfFamily ports;
  if (!wish->token) {
    for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
      const bool wanted = wish->both_families || family == wish->family;
      if (wanted && relay_of(options_, family) != nullptr)
        ports[family_index(family)] = ledger_.take_port(family, wish->parity, r.account, r.now.mono, random_);
    }
  } else if (const auto reserved = ledger_.redeem(*wish->token, r.now.mono)) {
    ports[family_index(reserved->address.family())] = reserved->port;
  }
  if (!ports[0] && !ports[1]) {
    leave(r.account, r.username, r.policy, r.realm);
    return deny(r, ErrorCode::InsufficientCapacity, Denial::NoPort);
  }
  const auto [handle, allocation] = allocations_.emplace();
  fill(allocation, r, *wish, options_, ports);
  limit(allocation, r);
  come_to_member(handle, allocation);
  reserve_next(allocation, r.now.mono);
  if (ticket) make_mobile(handle, allocation);
  by_tuple_.emplace(allocation.tuple, handle);
  r.out.open_relays.push_back(
      OpenRelay{RelayId{handle, allocation.family()}, allocation.local, allocation.protocol});
  if (allocation.second)
    r.out.open_relays.push_back(
        OpenRelay{RelayId{handle, other_family(allocation.family())}, allocation.second->local});
}

namespace {

/// Writes the attributes of an Allocate success response in the order of RFC 8656 §7.2.
void write_success(stun::MessageBuilder& builder, const Allocation& a) {
  builder.add_xor_address(AttributeType::XorRelayedAddress, a.relayed);
  if (a.is_dual()) builder.add_xor_address(AttributeType::XorRelayedAddress, a.second->relayed);
  builder.add_u32(AttributeType::Lifetime, a.granted_seconds);
  if (a.has_reservation) builder.add(AttributeType::ReservationToken, ByteView(a.reservation_token));
  builder.add_xor_address(AttributeType::XorMappedAddress, a.tuple.client);
  if (a.mobility) builder.add(AttributeType::MobilityTicket, a.mobility->ticket);
  if (a.address_error != 0) {
    // ADDRESS-ERROR-CODE (RFC 8656 §18.12), without a phrase.
    const std::uint8_t missing = a.family() == IpFamily::V4 ? stun::kFamilyV6 : stun::kFamilyV4;
    builder.add(AttributeType::AddressErrorCode,
                std::array<std::uint8_t, 4>{missing, 0, static_cast<std::uint8_t>(a.address_error / 100),
                                            static_cast<std::uint8_t>(a.address_error % 100)});
  }
}

}  // namespace

void Server::answer_allocate(Request& r, const Allocation& allocation) {
  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  write_success(response.builder, allocation);
  send_answer(r, response, Outcome::Success);
}

void Server::answer_opened(const Allocation& allocation, stun::MessageClass message_class, Outbox& out) {
  // The request is gone by now; the allocation remembers what its answer needs.
  const bool opened = message_class == stun::MessageClass::SuccessResponse;
  ++counters_.requests[index(RequestKind::Allocate)][index(opened ? Outcome::Success : Outcome::E508)];
  stun::MessageBuilder builder(out.reserve(ResponseWriter::kRoom), message_class, stun::Method::Allocate,
                               allocation.made_by);
  if (opened) {
    write_success(builder, allocation);
  } else {
    builder.add_error(ErrorCode::InsufficientCapacity);
  }
  if (!options_.software.empty()) builder.add(AttributeType::Software, options_.software);
  allocation.key.sign(builder);
  if (allocation.answers_with_fingerprint) builder.add_fingerprint();
  const ByteView bytes = builder.finish();
  out.commit(bytes.size());
  if (!bytes.empty()) out.to_clients.push_back(ToClient{allocation.route, allocation.tuple, bytes, false});
}

}  // namespace ts::turn
