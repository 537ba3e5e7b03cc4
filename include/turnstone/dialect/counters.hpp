// SPDX-License-Identifier: Apache-2.0
// What the Engine.IO and Socket.IO machines count, and the stable names of their enumerators: plain integers
// of one thread, copied by value at a scrape. A leaf.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ts::dialect {

enum class EngineTransport : std::uint8_t { Polling, WebSocket };
inline constexpr std::size_t kEngineTransportCount = 2;

/// Why a request was refused. The first six are the protocol's codes, in their order.
enum class EngineError : std::uint8_t {
  UnknownTransport,
  UnknownSession,
  BadHandshakeMethod,
  BadRequest,
  Forbidden,
  UnsupportedVersion,
  TooLarge,
  /// Too many sessions, or the server is about to stop.
  Unavailable
};
inline constexpr std::size_t kEngineErrorCount = 8;

/// Why a session ended.
enum class EngineEnd : std::uint8_t {
  /// The client said so.
  ClientClose,
  /// The WebSocket or a request broke off.
  TransportClose,
  /// Requests that overlap.
  TransportError,
  PingTimeout,
  /// A packet that is none.
  ParseError,
  /// No namespace was joined in time.
  ConnectTimeout,
  /// More waited for the client than may.
  SlowConsumer,
  /// The application's wish.
  ServerClose,
  Drain
};
inline constexpr std::size_t kEngineEndCount = 9;

/// Types of Socket.IO packets, as they are written.
enum class SioType : std::uint8_t { Connect, Disconnect, Event, Ack, ConnectError, BinaryEvent, BinaryAck };
inline constexpr std::size_t kSioTypeCount = 7;

/// How a CONNECT was answered.
enum class SioConnect : std::uint8_t { Accepted, Recovered, Refused, UnknownNamespace };
inline constexpr std::size_t kSioConnectCount = 4;

constexpr std::string_view label(EngineTransport v) noexcept {
  return v == EngineTransport::Polling ? "polling" : "websocket";
}
constexpr std::string_view label(EngineError v) noexcept {
  constexpr std::array<std::string_view, kEngineErrorCount> names{
      "unknown_transport",   "unknown_session", "bad_handshake_method", "bad_request", "forbidden",
      "unsupported_version", "too_large",       "unavailable"};
  return names[static_cast<std::size_t>(v)];
}
constexpr std::string_view label(EngineEnd v) noexcept {
  constexpr std::array<std::string_view, kEngineEndCount> names{
      "client_close",    "transport_close", "transport_error", "ping_timeout", "parse_error",
      "connect_timeout", "slow_consumer",   "server_close",    "drain"};
  return names[static_cast<std::size_t>(v)];
}
constexpr std::string_view label(SioType v) noexcept {
  constexpr std::array<std::string_view, kSioTypeCount> names{
      "connect", "disconnect", "event", "ack", "connect_error", "binary_event", "binary_ack"};
  return names[static_cast<std::size_t>(v)];
}
constexpr std::string_view label(SioConnect v) noexcept {
  constexpr std::array<std::string_view, kSioConnectCount> names{"accepted", "recovered", "refused",
                                                                 "unknown_namespace"};
  return names[static_cast<std::size_t>(v)];
}

/// Messages of PeerJS clients. Unknown: of a type that we do not know; Invalid: not a message at all.
enum class PeerJsType : std::uint8_t { Heartbeat, Offer, Answer, Candidate, Leave, Expire, Unknown, Invalid };
inline constexpr std::size_t kPeerJsTypeCount = 8;

/// How a PeerJS client was answered that opened a WebSocket.
enum class PeerJsOpen : std::uint8_t {
  Accepted,
  Replaced,
  IdTaken,
  InvalidKey,
  InvalidToken,
  BadRequest,
  Forbidden,
  Unavailable
};
inline constexpr std::size_t kPeerJsOpenCount = 8;

/// As it is on the wire; empty for the last two.
constexpr std::string_view word(PeerJsType v) noexcept {
  constexpr std::array<std::string_view, kPeerJsTypeCount> names{"HEARTBEAT", "OFFER",  "ANSWER", "CANDIDATE",
                                                                 "LEAVE",     "EXPIRE", "",       ""};
  return names[static_cast<std::size_t>(v)];
}
constexpr PeerJsType peerjs_type_of(std::string_view text) noexcept {
  for (std::size_t i = 0; i < static_cast<std::size_t>(PeerJsType::Unknown); ++i) {
    if (word(static_cast<PeerJsType>(i)) == text) return static_cast<PeerJsType>(i);
  }
  return PeerJsType::Unknown;
}
constexpr std::string_view label(PeerJsType v) noexcept {
  constexpr std::array<std::string_view, kPeerJsTypeCount> names{
      "heartbeat", "offer", "answer", "candidate", "leave", "expire", "unknown", "invalid"};
  return names[static_cast<std::size_t>(v)];
}
constexpr std::string_view label(PeerJsOpen v) noexcept {
  constexpr std::array<std::string_view, kPeerJsOpenCount> names{
      "accepted",      "replaced",    "id_taken",  "invalid_key",
      "invalid_token", "bad_request", "forbidden", "unavailable"};
  return names[static_cast<std::size_t>(v)];
}

struct PeerJsCounters {
  /// Gauge.
  std::uint64_t connections = 0;
  std::array<std::uint64_t, kPeerJsOpenCount> opened{};
  std::array<std::uint64_t, kPeerJsTypeCount> received{};
  /// EXPIRE messages sent.
  std::uint64_t expired = 0;
};

struct EngineCounters {
  /// Gauge, by transport.
  std::array<std::uint64_t, kEngineTransportCount> sessions{};
  std::uint64_t opened = 0;
  std::uint64_t upgraded = 0;
  std::array<std::uint64_t, kEngineErrorCount> refused{};
  std::array<std::uint64_t, kEngineEndCount> ended{};
};

struct SocketIoCounters {
  EngineCounters engine;
  /// Packets by type.
  std::array<std::uint64_t, kSioTypeCount> received{};
  std::array<std::uint64_t, kSioTypeCount> sent{};
  std::array<std::uint64_t, kSioConnectCount> connects{};
  /// Gauge: lost connections that may be recovered.
  std::uint64_t kept = 0;
  /// Gauge: messages that are kept for a recovery, in bytes.
  std::uint64_t kept_bytes = 0;
  /// Lost connections that had to make room for others.
  std::uint64_t crowded_out = 0;
};

}  // namespace ts::dialect
