// SPDX-License-Identifier: Apache-2.0
// MessageBuilder: writes one STUN message into bytes of the caller's (RFC 8489 §5, §14), allocating nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/stun/message.hpp>

namespace ts::stun {

/// Attributes are written in call order; integrity and fingerprint come last. When the bytes do not suffice,
/// finish() yields an empty view.
class MessageBuilder {
 public:
  MessageBuilder(MutableBytes out, MessageClass message_class, Method method,
                 const TransactionId& id) noexcept;
  /// An answer to an RFC 3489 message: its cookie field is echoed instead of the magic cookie.
  void echo_classic_cookie(std::uint32_t cookie) noexcept;

  MessageBuilder& add(AttributeType type, ByteView value) noexcept;
  MessageBuilder& add(AttributeType type, std::string_view text) noexcept {
    return add(type, as_bytes(text));
  }
  MessageBuilder& add_flag(AttributeType type) noexcept { return add(type, ByteView{}); }
  MessageBuilder& add_u32(AttributeType type, std::uint32_t value) noexcept;
  /// CHANNEL-NUMBER: the number and two reserved bytes.
  MessageBuilder& add_channel_number(std::uint16_t channel) noexcept;
  /// MAPPED-ADDRESS and its kin in clear.
  MessageBuilder& add_address(AttributeType type, const Endpoint& endpoint) noexcept;
  MessageBuilder& add_xor_address(AttributeType type, const Endpoint& endpoint) noexcept;
  /// ERROR-CODE with the given phrase, or the standard's.
  MessageBuilder& add_error(ErrorCode code, std::string_view reason = {}) noexcept;
  /// ERROR-CODE with an empty phrase, for answers that must be small.
  MessageBuilder& add_bare_error(ErrorCode code) noexcept;
  /// UNKNOWN-ATTRIBUTES (RFC 8489 §14.13).
  MessageBuilder& add_unknown_attributes(std::span<const std::uint16_t> types) noexcept;
  /// MESSAGE-INTEGRITY over what was written so far (RFC 8489 §14.5).
  MessageBuilder& add_integrity(const HmacSha1Key& key) noexcept;
  /// MESSAGE-INTEGRITY-SHA256, not truncated (RFC 8489 §14.6).
  MessageBuilder& add_integrity(const HmacSha256Key& key) noexcept;
  /// FINGERPRINT (RFC 8489 §14.7); must be the last attribute.
  MessageBuilder& add_fingerprint() noexcept;

  /// The finished message within the constructor's bytes; empty when they did not suffice.
  ByteView finish() noexcept;

 private:
  std::uint8_t* attribute(AttributeType type, std::size_t size) noexcept;
  /// Patches the header's length field as if `more` bytes followed.
  void set_length(std::size_t more) noexcept;

  MutableBytes out_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

/// The 16 type bits of a class and method (RFC 8489 §5, figure 3).
std::uint16_t message_type(MessageClass message_class, Method method) noexcept;

}  // namespace ts::stun
