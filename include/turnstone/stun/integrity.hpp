// SPDX-License-Identifier: Apache-2.0
// MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT of received messages (RFC 8489 §14.5-14.7).
#pragma once

#include <turnstone/base/hash.hpp>
#include <turnstone/stun/message.hpp>

namespace ts::stun {

/// True when the message has MESSAGE-INTEGRITY and it is the key's. Constant time in the MAC.
bool verify_integrity(const MessageView& message, const HmacSha1Key& key) noexcept;
/// True when the message has MESSAGE-INTEGRITY-SHA256 (16 to 32 bytes, a multiple of 4) and it is the key's.
bool verify_integrity(const MessageView& message, const HmacSha256Key& key) noexcept;

/// True when the message has no FINGERPRINT, or a right one as its last attribute (RFC 8489 §14.7).
bool fingerprint_absent_or_right(const MessageView& message) noexcept;

/// RFC 8489 §14.7: CRC-32 (ISO 3309) of the bytes, before the mask 0x5354554E.
std::uint32_t crc32(ByteView bytes) noexcept;
inline constexpr std::uint32_t kFingerprintMask = 0x5354554E;

}  // namespace ts::stun
