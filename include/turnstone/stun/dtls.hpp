// SPDX-License-Identifier: Apache-2.0
// The little of DTLS 1.2 (RFC 6347) that must be read before there is a session: record headers, a
// ClientHello's cookie, and the HelloVerifyRequest that answers it without state. Also what of a datagram a
// session may be given, so that nobody makes one grow. Pure; the cipher work is the net layer's.
#pragma once

#include <cstdint>
#include <optional>

#include <turnstone/base/bytes.hpp>

namespace ts::stun {

/// RFC 6347 §4.1: ContentType.
enum class DtlsContent : std::uint8_t { ChangeCipherSpec = 20, Alert = 21, Handshake = 22, Application = 23 };

/// A record in somebody else's bytes (RFC 6347 §4.1).
struct DtlsRecord {
  DtlsContent content{};
  std::uint16_t epoch = 0;
  /// 48 bits.
  std::uint64_t sequence = 0;
  ByteView fragment;
  /// The whole record with its header.
  std::size_t bytes = 0;
};

/// The first record of `datagram`; nothing when it is cut short, not of DTLS 1.x, or of an unknown content.
std::optional<DtlsRecord> parse_dtls_record(ByteView datagram) noexcept;

/// RFC 6347 §4.2.1. The views are the record's bytes.
struct DtlsClientHello {
  std::uint64_t record_sequence = 0;
  std::uint16_t message_sequence = 0;
  /// False: this is the first of several fragments.
  bool whole = false;
  /// client_version, random and session_id.
  ByteView before_cookie;
  ByteView cookie;
  /// cipher_suites and compression_methods.
  ByteView after_cookie;
};

/// True when the record begins an unencrypted ClientHello (its first fragment).
bool begins_dtls_client_hello(const DtlsRecord& record) noexcept;

/// The ClientHello up to its compression methods; nothing when these are not all in this record.
std::optional<DtlsClientHello> parse_dtls_client_hello(const DtlsRecord& record) noexcept;

inline constexpr std::size_t kMaxDtlsCookieBytes = 32;
inline constexpr std::size_t kMaxHelloVerifyRequestBytes = 13 + 12 + 3 + kMaxDtlsCookieBytes;

/// Writes a HelloVerifyRequest with `cookie` (at most kMaxDtlsCookieBytes) for the ClientHello; its size, or
/// 0 when `out` is too small. RFC 6347 §4.2.1: the version is DTLS 1.0 and the record's sequence number is
/// the ClientHello's.
std::size_t write_hello_verify_request(MutableBytes out, const DtlsClientHello& hello,
                                       ByteView cookie) noexcept;

/// What a session that has not finished its handshake was given of the next epoch so far. The TLS library
/// keeps such records until it has the keys, which costs a whole buffer each.
struct DtlsEarly {
  std::uint8_t records = 0;
};

/// The length of the front of `datagram` that a session may be given: whole records of a content and epoch
/// that fit its state. Epochs to come are never taken, as nothing is renegotiated; a handshake message may be
/// at most kMaxDtlsHandshakeBytes long.
std::size_t acceptable_dtls_bytes(ByteView datagram, bool established, DtlsEarly& early) noexcept;

inline constexpr std::size_t kMaxDtlsHandshakeBytes = 4096;
/// Records of the next epoch; twice as many behind a ChangeCipherSpec, which strangers are less likely to
/// send.
inline constexpr std::uint8_t kMaxDtlsEarlyRecords = 8;

}  // namespace ts::stun
