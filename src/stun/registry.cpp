// SPDX-License-Identifier: Apache-2.0
#include <turnstone/stun/registry.hpp>

namespace ts::stun {

std::string_view reason_phrase(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::TryAlternate: return "Try Alternate";
    case ErrorCode::BadRequest: return "Bad Request";
    case ErrorCode::Unauthenticated: return "Unauthenticated";
    case ErrorCode::Forbidden: return "Forbidden";
    case ErrorCode::MobilityForbidden: return "Mobility Forbidden";
    case ErrorCode::UnknownAttribute: return "Unknown Attribute";
    case ErrorCode::AllocationMismatch: return "Allocation Mismatch";
    case ErrorCode::StaleNonce: return "Stale Nonce";
    case ErrorCode::AddressFamilyNotSupported: return "Address Family not Supported";
    case ErrorCode::WrongCredentials: return "Wrong Credentials";
    case ErrorCode::UnsupportedTransportProtocol: return "Unsupported Transport Protocol";
    case ErrorCode::PeerAddressFamilyMismatch: return "Peer Address Family Mismatch";
    case ErrorCode::ConnectionAlreadyExists: return "Connection Already Exists";
    case ErrorCode::ConnectionTimeoutOrFailure: return "Connection Timeout or Failure";
    case ErrorCode::AllocationQuotaReached: return "Allocation Quota Reached";
    case ErrorCode::RoleConflict: return "Role Conflict";
    case ErrorCode::ServerError: return "Server Error";
    case ErrorCode::InsufficientCapacity: return "Insufficient Capacity";
  }
  return {};
}

std::string_view name(AttributeType type) noexcept {
  switch (type) {
    case AttributeType::MappedAddress: return "MAPPED-ADDRESS";
    case AttributeType::ChangeRequest: return "CHANGE-REQUEST";
    case AttributeType::SourceAddress: return "SOURCE-ADDRESS";
    case AttributeType::ChangedAddress: return "CHANGED-ADDRESS";
    case AttributeType::Username: return "USERNAME";
    case AttributeType::MessageIntegrity: return "MESSAGE-INTEGRITY";
    case AttributeType::ErrorCode: return "ERROR-CODE";
    case AttributeType::UnknownAttributes: return "UNKNOWN-ATTRIBUTES";
    case AttributeType::ChannelNumber: return "CHANNEL-NUMBER";
    case AttributeType::Lifetime: return "LIFETIME";
    case AttributeType::XorPeerAddress: return "XOR-PEER-ADDRESS";
    case AttributeType::Data: return "DATA";
    case AttributeType::Realm: return "REALM";
    case AttributeType::Nonce: return "NONCE";
    case AttributeType::XorRelayedAddress: return "XOR-RELAYED-ADDRESS";
    case AttributeType::RequestedAddressFamily: return "REQUESTED-ADDRESS-FAMILY";
    case AttributeType::EvenPort: return "EVEN-PORT";
    case AttributeType::RequestedTransport: return "REQUESTED-TRANSPORT";
    case AttributeType::DontFragment: return "DONT-FRAGMENT";
    case AttributeType::AccessToken: return "ACCESS-TOKEN";
    case AttributeType::MessageIntegritySha256: return "MESSAGE-INTEGRITY-SHA256";
    case AttributeType::PasswordAlgorithm: return "PASSWORD-ALGORITHM";
    case AttributeType::Userhash: return "USERHASH";
    case AttributeType::XorMappedAddress: return "XOR-MAPPED-ADDRESS";
    case AttributeType::ReservationToken: return "RESERVATION-TOKEN";
    case AttributeType::Priority: return "PRIORITY";
    case AttributeType::UseCandidate: return "USE-CANDIDATE";
    case AttributeType::Padding: return "PADDING";
    case AttributeType::ResponsePort: return "RESPONSE-PORT";
    case AttributeType::ConnectionId: return "CONNECTION-ID";
    case AttributeType::AdditionalAddressFamily: return "ADDITIONAL-ADDRESS-FAMILY";
    case AttributeType::AddressErrorCode: return "ADDRESS-ERROR-CODE";
    case AttributeType::PasswordAlgorithms: return "PASSWORD-ALGORITHMS";
    case AttributeType::AlternateDomain: return "ALTERNATE-DOMAIN";
    case AttributeType::Icmp: return "ICMP";
    case AttributeType::Software: return "SOFTWARE";
    case AttributeType::AlternateServer: return "ALTERNATE-SERVER";
    case AttributeType::Fingerprint: return "FINGERPRINT";
    case AttributeType::IceControlled: return "ICE-CONTROLLED";
    case AttributeType::IceControlling: return "ICE-CONTROLLING";
    case AttributeType::ResponseOrigin: return "RESPONSE-ORIGIN";
    case AttributeType::OtherAddress: return "OTHER-ADDRESS";
    case AttributeType::ThirdPartyAuthorization: return "THIRD-PARTY-AUTHORIZATION";
    case AttributeType::Origin: return "ORIGIN";
    case AttributeType::MobilityTicket: return "MOBILITY-TICKET";
  }
  return {};
}

std::string_view name(Method method) noexcept {
  switch (method) {
    case Method::Binding: return "Binding";
    case Method::Allocate: return "Allocate";
    case Method::Refresh: return "Refresh";
    case Method::Send: return "Send";
    case Method::Data: return "Data";
    case Method::CreatePermission: return "CreatePermission";
    case Method::ChannelBind: return "ChannelBind";
    case Method::Connect: return "Connect";
    case Method::ConnectionBind: return "ConnectionBind";
    case Method::ConnectionAttempt: return "ConnectionAttempt";
  }
  return {};
}

}  // namespace ts::stun
