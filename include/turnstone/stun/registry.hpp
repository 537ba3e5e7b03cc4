// SPDX-License-Identifier: Apache-2.0
// The numbers of STUN and TURN in one place: classes, methods, attributes, error codes, as IANA lists them.
// Sources: RFC 8489 §18, RFC 8656 §18, RFC 5780 §9, RFC 6062 §6, RFC 8016 §5, RFC 7635 §10, RFC 8445 §20.
#pragma once

#include <cstdint>
#include <string_view>

namespace ts::stun {

/// RFC 8489 §5. The two class bits.
enum class MessageClass : std::uint8_t {
  Request = 0,
  Indication = 1,
  SuccessResponse = 2,
  ErrorResponse = 3
};

/// The 12 method bits.
enum class Method : std::uint16_t {
  Binding = 0x001,
  Allocate = 0x003,
  Refresh = 0x004,
  Send = 0x006,
  Data = 0x007,
  CreatePermission = 0x008,
  ChannelBind = 0x009,
  Connect = 0x00A,
  ConnectionBind = 0x00B,
  ConnectionAttempt = 0x00C,
};

/// Attribute types. 0x0000-0x7FFF must be understood (comprehension-required), the rest may be ignored.
enum class AttributeType : std::uint16_t {
  MappedAddress = 0x0001,
  ChangeRequest = 0x0003,
  SourceAddress = 0x0004,   // RFC 3489 §11.2
  ChangedAddress = 0x0005,  // RFC 3489 §11.2
  Username = 0x0006,
  MessageIntegrity = 0x0008,
  ErrorCode = 0x0009,
  UnknownAttributes = 0x000A,
  ChannelNumber = 0x000C,
  Lifetime = 0x000D,
  XorPeerAddress = 0x0012,
  Data = 0x0013,
  Realm = 0x0014,
  Nonce = 0x0015,
  XorRelayedAddress = 0x0016,
  RequestedAddressFamily = 0x0017,
  EvenPort = 0x0018,
  RequestedTransport = 0x0019,
  DontFragment = 0x001A,
  AccessToken = 0x001B,
  MessageIntegritySha256 = 0x001C,
  PasswordAlgorithm = 0x001D,
  Userhash = 0x001E,
  XorMappedAddress = 0x0020,
  ReservationToken = 0x0022,
  Priority = 0x0024,
  UseCandidate = 0x0025,
  Padding = 0x0026,
  ResponsePort = 0x0027,
  ConnectionId = 0x002A,
  AdditionalAddressFamily = 0x8000,
  AddressErrorCode = 0x8001,
  PasswordAlgorithms = 0x8002,
  AlternateDomain = 0x8003,
  Icmp = 0x8004,
  Software = 0x8022,
  AlternateServer = 0x8023,
  Fingerprint = 0x8028,
  IceControlled = 0x8029,
  IceControlling = 0x802A,
  ResponseOrigin = 0x802B,
  OtherAddress = 0x802C,
  ThirdPartyAuthorization = 0x802E,
  Origin = 0x802F,  // draft-ietf-tram-stun-origin
  MobilityTicket = 0x8030,
};

/// True for types that a receiver must understand (RFC 8489 §14).
constexpr bool is_comprehension_required(std::uint16_t type) noexcept { return type < 0x8000; }

/// Error codes that are sent or understood here.
enum class ErrorCode : std::uint16_t {
  TryAlternate = 300,
  BadRequest = 400,
  Unauthenticated = 401,
  Forbidden = 403,
  MobilityForbidden = 405,
  UnknownAttribute = 420,
  AllocationMismatch = 437,
  StaleNonce = 438,
  AddressFamilyNotSupported = 440,
  WrongCredentials = 441,
  UnsupportedTransportProtocol = 442,
  PeerAddressFamilyMismatch = 443,
  ConnectionAlreadyExists = 446,
  ConnectionTimeoutOrFailure = 447,
  AllocationQuotaReached = 486,
  RoleConflict = 487,
  ServerError = 500,
  InsufficientCapacity = 508,
};

/// The standard's default reason phrase; empty for a code that is not ours.
std::string_view reason_phrase(ErrorCode code) noexcept;

/// IANA's name ("XOR-MAPPED-ADDRESS"), or empty.
std::string_view name(AttributeType type) noexcept;
/// IANA's name ("Allocate"), or empty.
std::string_view name(Method method) noexcept;

/// RFC 8656 §14: the protocol number in REQUESTED-TRANSPORT.
inline constexpr std::uint8_t kTransportUdp = 17;
inline constexpr std::uint8_t kTransportTcp = 6;

/// RFC 8489 §14.1: address family codes on the wire.
inline constexpr std::uint8_t kFamilyV4 = 0x01;
inline constexpr std::uint8_t kFamilyV6 = 0x02;

}  // namespace ts::stun
