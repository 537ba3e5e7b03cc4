// SPDX-License-Identifier: Apache-2.0
// MessageView: a STUN message in somebody else's bytes (RFC 8489 §5, §6.3, §14). Parsing allocates nothing,
// touches each attribute once and never reads past the given bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/stun/registry.hpp>

namespace ts::stun {

inline constexpr std::size_t kHeaderBytes = 20;
inline constexpr std::uint32_t kMagicCookie = 0x2112A442;
inline constexpr std::size_t kAttributeHeaderBytes = 4;

using TransactionId = std::array<std::uint8_t, 12>;

/// Attribute values are padded to a multiple of four (RFC 8489 §14).
constexpr std::size_t padded(std::size_t size) noexcept { return (size + 3) & ~std::size_t{3}; }

/// What is wrong with bytes that should be a message.
enum class MessageError : std::uint8_t {
  TooShort,      ///< fewer than 20 bytes
  NotStun,       ///< the first two bits are not zero
  BadLength,     ///< the length field is not a multiple of 4 or is not the size of the bytes
  BadAttribute,  ///< an attribute runs past the end
};

/// One attribute; `value` is without padding and lives as long as the message's bytes.
struct Attribute {
  AttributeType type{};
  ByteView value;
};

/// A checked message. A view: valid as long as the bytes it was parsed from.
class MessageView {
 public:
  /// Checks the header and every attribute's extent. `bytes` must be exactly one message.
  static Result<MessageView, MessageError> parse(ByteView bytes) noexcept;

  MessageClass message_class() const noexcept { return class_; }
  Method method() const noexcept { return method_; }
  /// RFC 8489 §5: false for an RFC 3489 message, whose transaction id has 16 bytes.
  bool has_magic_cookie() const noexcept { return load_be32(bytes_.data() + 4) == kMagicCookie; }
  TransactionId transaction_id() const noexcept;
  /// The whole message as received.
  ByteView bytes() const noexcept { return bytes_; }

  /// The first attribute of the type. MESSAGE-INTEGRITY(-SHA256) and what precedes it are seen; what follows
  /// it is not, except MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 §9, §14.5, §14.6). Nothing
  /// behind the first FINGERPRINT is seen, which is the last attribute (§14.7).
  std::optional<ByteView> find(AttributeType type) const noexcept;

  /// Calls `f(Attribute)` for each attribute that counts (see find), in order, duplicates too.
  template <class F>
  void for_each(F&& f) const {
    walk([&f](const Attribute& attribute) {
      f(attribute);
      return true;
    });
  }

  /// Byte offsets of these attributes' headers; 0: absent.
  std::size_t integrity_offset() const noexcept { return integrity_offset_; }
  std::size_t integrity_sha256_offset() const noexcept { return integrity_sha256_offset_; }
  std::size_t fingerprint_offset() const noexcept { return fingerprint_offset_; }

 private:
  /// Walks the attributes that count, until `f` returns false.
  template <class F>
  void walk(F&& f) const;

  ByteView bytes_;
  std::uint32_t integrity_offset_ = 0;
  std::uint32_t integrity_sha256_offset_ = 0;
  std::uint32_t fingerprint_offset_ = 0;
  Method method_{};
  MessageClass class_{};
};

template <class F>
void MessageView::walk(F&& f) const {
  bool after_integrity = false;
  for (std::size_t at = kHeaderBytes; at < bytes_.size();) {
    const std::size_t length = load_be16(bytes_.data() + at + 2);
    const auto type = static_cast<AttributeType>(load_be16(bytes_.data() + at));
    const bool integrity =
        type == AttributeType::MessageIntegrity || type == AttributeType::MessageIntegritySha256;
    const bool counts = !after_integrity || type == AttributeType::Fingerprint ||
                        (type == AttributeType::MessageIntegritySha256 && at == integrity_sha256_offset_);
    if (counts && !f(Attribute{type, bytes_.subspan(at + kAttributeHeaderBytes, length)})) return;
    if (type == AttributeType::Fingerprint) return;
    after_integrity = after_integrity || integrity;
    at += kAttributeHeaderBytes + padded(length);
  }
}

}  // namespace ts::stun
