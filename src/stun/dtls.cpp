// SPDX-License-Identifier: Apache-2.0
#include <array>

#include <turnstone/stun/dtls.hpp>

namespace ts::stun {
namespace {

constexpr std::size_t kRecordHeaderBytes = 13;
constexpr std::size_t kHandshakeHeaderBytes = 12;
constexpr std::uint8_t kVersionMajor = 0xFE;
constexpr std::uint16_t kDtls10 = 0xFEFF;
constexpr std::uint8_t kClientHello = 1;
constexpr std::uint8_t kHelloVerifyRequest = 3;
constexpr std::size_t kClientRandomBytes = 32;

std::uint32_t load_be24(const std::uint8_t* p) noexcept {
  return (std::uint32_t{p[0]} << 16) | load_be16(p + 1);
}
void store_be24(std::uint8_t* p, std::uint32_t value) noexcept {
  p[0] = static_cast<std::uint8_t>(value >> 16);
  store_be16(p + 1, static_cast<std::uint16_t>(value));
}

/// RFC 6347 §4.2.2, in an unencrypted record.
struct HandshakeHeader {
  std::uint8_t type;
  std::uint32_t length;
  std::uint16_t message_sequence;
  std::uint32_t fragment_offset;
  std::uint32_t fragment_length;
};

std::optional<HandshakeHeader> handshake_header(ByteView fragment) noexcept {
  if (fragment.size() < kHandshakeHeaderBytes) return std::nullopt;
  const std::uint8_t* p = fragment.data();
  const HandshakeHeader out{p[0], load_be24(p + 1), load_be16(p + 4), load_be24(p + 6), load_be24(p + 9)};
  const bool fits = out.fragment_length <= fragment.size() - kHandshakeHeaderBytes &&
                    out.fragment_offset + out.fragment_length <= out.length;
  return fits ? std::optional(out) : std::nullopt;
}

/// True when every handshake message of an unencrypted record is of a bearable size.
bool bearable_handshake(ByteView fragment) noexcept {
  while (!fragment.empty()) {
    const auto header = handshake_header(fragment);
    if (!header || header->length > kMaxDtlsHandshakeBytes) return false;
    fragment = fragment.subspan(kHandshakeHeaderBytes + header->fragment_length);
  }
  return true;
}

/// `changed`: a ChangeCipherSpec came before it in the datagram, as it does before a client's Finished.
bool acceptable(const DtlsRecord& record, bool established, bool changed, DtlsEarly& early) noexcept {
  if (record.epoch > 1) return false;
  if (established) return true;  // epoch 0 is of no effect any more: the library drops it
  if (record.content == DtlsContent::Application) return false;
  if (record.epoch == 1) {
    if (early.records >= (changed ? 2 * kMaxDtlsEarlyRecords : kMaxDtlsEarlyRecords)) return false;
    ++early.records;
    return true;
  }
  return record.content != DtlsContent::Handshake || bearable_handshake(record.fragment);
}

}  // namespace

std::optional<DtlsRecord> parse_dtls_record(ByteView datagram) noexcept {
  ByteReader in(datagram);
  const std::uint8_t content = in.u8();
  const std::uint8_t major = in.u8();
  in.skip(1);
  DtlsRecord out;
  out.epoch = in.u16();
  out.sequence = std::uint64_t{in.u16()} << 32;
  out.sequence |= in.u32();
  const std::size_t length = in.u16();
  out.fragment = in.bytes(length);
  const bool known = content >= static_cast<std::uint8_t>(DtlsContent::ChangeCipherSpec) &&
                     content <= static_cast<std::uint8_t>(DtlsContent::Application);
  if (!in.ok() || !known || major != kVersionMajor) return std::nullopt;
  out.content = static_cast<DtlsContent>(content);
  out.bytes = kRecordHeaderBytes + length;
  return out;
}

bool begins_dtls_client_hello(const DtlsRecord& record) noexcept {
  if (record.content != DtlsContent::Handshake || record.epoch != 0) return false;
  const auto header = handshake_header(record.fragment);
  return header && header->type == kClientHello && header->fragment_offset == 0;
}

std::optional<DtlsClientHello> parse_dtls_client_hello(const DtlsRecord& record) noexcept {
  if (!begins_dtls_client_hello(record)) return std::nullopt;
  const HandshakeHeader header = *handshake_header(record.fragment);
  const ByteView body = record.fragment.subspan(kHandshakeHeaderBytes, header.fragment_length);
  DtlsClientHello out;
  out.record_sequence = record.sequence;
  out.message_sequence = header.message_sequence;
  out.whole = header.fragment_length == header.length;
  ByteReader in(body);
  in.skip(2 + kClientRandomBytes);
  in.skip(in.u8());
  out.before_cookie = body.first(body.size() - in.remaining());
  out.cookie = in.bytes(in.u8());
  const std::size_t suites_at = body.size() - in.remaining();
  in.skip(in.u16());
  in.skip(in.u8());
  if (!in.ok()) return std::nullopt;
  out.after_cookie = body.subspan(suites_at, body.size() - in.remaining() - suites_at);
  return out;
}

std::size_t write_hello_verify_request(MutableBytes out, const DtlsClientHello& hello,
                                       ByteView cookie) noexcept {
  if (cookie.size() > kMaxDtlsCookieBytes) return 0;
  const auto body_bytes = static_cast<std::uint16_t>(3 + cookie.size());
  ByteWriter w(out);
  w.u8(static_cast<std::uint8_t>(DtlsContent::Handshake));
  w.u16(kDtls10);
  w.u16(0);  // epoch
  w.u16(static_cast<std::uint16_t>(hello.record_sequence >> 32));
  w.u32(static_cast<std::uint32_t>(hello.record_sequence));
  w.u16(static_cast<std::uint16_t>(kHandshakeHeaderBytes + body_bytes));
  std::array<std::uint8_t, kHandshakeHeaderBytes> header{};
  header[0] = kHelloVerifyRequest;
  store_be24(&header[1], body_bytes);
  store_be16(&header[4], hello.message_sequence);
  store_be24(&header[9], body_bytes);
  w.bytes(header);
  w.u16(kDtls10);
  w.u8(static_cast<std::uint8_t>(cookie.size()));
  w.bytes(cookie);
  return w.ok() ? w.size() : 0;
}

std::size_t acceptable_dtls_bytes(ByteView datagram, bool established, DtlsEarly& early) noexcept {
  std::size_t taken = 0;
  bool changed = false;
  while (taken < datagram.size()) {
    const auto record = parse_dtls_record(datagram.subspan(taken));
    if (!record || !acceptable(*record, established, changed, early)) break;
    changed = changed || record->content == DtlsContent::ChangeCipherSpec;
    taken += record->bytes;
  }
  return taken;
}

}  // namespace ts::stun
