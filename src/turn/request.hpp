// SPDX-License-Identifier: Apache-2.0
// One request on its way through a handler, and the answer under construction.
#pragma once

#include <optional>

#include <turnstone/auth/access_token.hpp>
#include <turnstone/auth/credentials.hpp>
#include <turnstone/auth/realms.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/turn/server.hpp>

#include "allocation.hpp"

namespace ts::turn {

/// Comprehension-required attributes that we understand in requests and indications.
constexpr bool is_understood(stun::AttributeType type) noexcept {
  switch (type) {
    case stun::AttributeType::MappedAddress:
    case stun::AttributeType::Username:
    case stun::AttributeType::MessageIntegrity:
    case stun::AttributeType::ErrorCode:
    case stun::AttributeType::UnknownAttributes:
    case stun::AttributeType::ChannelNumber:
    case stun::AttributeType::Lifetime:
    case stun::AttributeType::XorPeerAddress:
    case stun::AttributeType::Data:
    case stun::AttributeType::Realm:
    case stun::AttributeType::Nonce:
    case stun::AttributeType::XorRelayedAddress:
    case stun::AttributeType::RequestedAddressFamily:
    case stun::AttributeType::EvenPort:
    case stun::AttributeType::RequestedTransport:
    case stun::AttributeType::DontFragment:
    case stun::AttributeType::MessageIntegritySha256:
    case stun::AttributeType::PasswordAlgorithm:
    case stun::AttributeType::Userhash:
    case stun::AttributeType::XorMappedAddress:
    case stun::AttributeType::ConnectionId:
    case stun::AttributeType::ReservationToken: return true;
    default: return false;
  }
}

/// The column that an error response is counted in.
constexpr Outcome outcome_of(stun::ErrorCode code) noexcept {
  switch (code) {
    case stun::ErrorCode::TryAlternate: return Outcome::E300;
    case stun::ErrorCode::BadRequest: return Outcome::E400;
    case stun::ErrorCode::Unauthenticated: return Outcome::E401;
    case stun::ErrorCode::Forbidden: return Outcome::E403;
    case stun::ErrorCode::MobilityForbidden: return Outcome::E405;
    case stun::ErrorCode::UnknownAttribute: return Outcome::E420;
    case stun::ErrorCode::AllocationMismatch: return Outcome::E437;
    case stun::ErrorCode::StaleNonce: return Outcome::E438;
    case stun::ErrorCode::AddressFamilyNotSupported: return Outcome::E440;
    case stun::ErrorCode::WrongCredentials: return Outcome::E441;
    case stun::ErrorCode::UnsupportedTransportProtocol: return Outcome::E442;
    case stun::ErrorCode::PeerAddressFamilyMismatch: return Outcome::E443;
    case stun::ErrorCode::ConnectionAlreadyExists: return Outcome::E446;
    case stun::ErrorCode::ConnectionTimeoutOrFailure: return Outcome::E447;
    case stun::ErrorCode::AllocationQuotaReached: return Outcome::E486;
    case stun::ErrorCode::RoleConflict: return Outcome::E487;
    case stun::ErrorCode::ServerError: return Outcome::E500;
    case stun::ErrorCode::InsufficientCapacity: return Outcome::E508;
  }
  return Outcome::E500;
}

struct Request {
  Now now;
  const Inbound& in;
  const stun::MessageView& message;
  Outbox& out;
  RequestKind kind = RequestKind::Other;

  // Set by Server::authenticate.
  std::string_view username;
  /// With its realm (auth::account_in).
  std::string_view account;
  /// Of the live allocation, or `read_policy`; may be null.
  const auth::Policy* policy = nullptr;
  /// Read from the credential by this request.
  std::unique_ptr<const auth::Policy> read_policy;
  /// Signs the answer.
  std::optional<auth::MessageKey> key;

  // Set by Server::allocation_of_user.
  SlotHandle handle;
  Allocation* allocation = nullptr;

  /// Set by Server::take_token.
  std::optional<auth::TokenGrant> token = std::nullopt;

  /// Set where the answer takes another way than back (RFC 5780 §6.1).
  std::optional<FiveTuple> answer_tuple = std::nullopt;

  // Set by Server::meet_realm.
  auth::RealmId realm = auth::kDefaultRealm;
  const auth::Credentials* credentials = nullptr;
  /// Holds `account` where the realm is not the default one.
  std::string account_text = {};

  /// Takes over who sent it; `principal`'s names are views that outlive the request.
  void sent_by(auth::Principal&& principal) {
    username = principal.username;
    key = principal.key;
    account = principal.account;
    if (realm != auth::kDefaultRealm) {
      account_text = auth::account_in(realm, principal.account);
      account = account_text;
    }
    read_policy = std::move(principal.policy);
    policy = read_policy.get();
  }
};

/// Bytes of an Ethernet frame around a datagram, with its checksum; IPv4 or IPv6, UDP.
constexpr std::size_t frame_bytes(std::size_t payload, bool v6) noexcept {
  return std::max<std::size_t>(64, payload + (v6 ? 66 : 46));
}

/// What an unauthenticated source gets is at most 2.1 times what it sent. A realm of up to 36 bytes leaves
/// room for all of a challenge to an Allocate of 28 bytes, one of up to 56 for the compact one; longer ones
/// amplify.
constexpr bool amplifies(std::size_t request, std::size_t answer, bool v6) noexcept {
  return 10 * frame_bytes(answer, v6) > 21 * frame_bytes(request, v6);
}

/// The answer to a request. Room for a realm and a nonce of the greatest lengths that we configure.
class ResponseWriter {
 public:
  ResponseWriter(const Request& r, stun::MessageClass message_class)
      : builder(r.out.reserve(kRoom), message_class, r.message.method(), r.message.transaction_id()) {
    // An RFC 3489 client's transaction id has 16 bytes, the cookie's field among them (RFC 5389 §12.2).
    if (!r.message.has_magic_cookie()) builder.echo_classic_cookie(load_be32(r.message.bytes().data() + 4));
  }
  stun::MessageBuilder builder;
  static constexpr std::size_t kRoom = 2048;
};

}  // namespace ts::turn
