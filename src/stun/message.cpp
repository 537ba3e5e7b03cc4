// SPDX-License-Identifier: Apache-2.0
#include <turnstone/stun/message.hpp>

namespace ts::stun {

Result<MessageView, MessageError> MessageView::parse(ByteView bytes) noexcept {
  if (bytes.size() < kHeaderBytes) return MessageError::TooShort;
  const std::uint16_t type = load_be16(bytes.data());
  if ((type & 0xC000) != 0) return MessageError::NotStun;
  const std::size_t length = load_be16(bytes.data() + 2);
  if (length % 4 != 0 || bytes.size() - kHeaderBytes != length) return MessageError::BadLength;

  MessageView out;
  out.bytes_ = bytes;
  out.class_ = static_cast<MessageClass>(((type >> 7) & 2) | ((type >> 4) & 1));
  out.method_ = static_cast<Method>(((type & 0x3E00) >> 2) | ((type & 0x00E0) >> 1) | (type & 0x000F));

  for (std::size_t at = kHeaderBytes; at < bytes.size();) {
    // The length is a multiple of four, so that a header's four bytes are there.
    const std::size_t value_bytes = load_be16(bytes.data() + at + 2);
    if (bytes.size() - at - kAttributeHeaderBytes < padded(value_bytes)) return MessageError::BadAttribute;
    const auto offset = static_cast<std::uint32_t>(at);
    const bool before_fingerprint = out.fingerprint_offset_ == 0;
    switch (static_cast<AttributeType>(load_be16(bytes.data() + at))) {
      case AttributeType::MessageIntegrity:
        // Only the first counts, and none behind MESSAGE-INTEGRITY-SHA256, which covers all that counts
        // before it.
        if (out.integrity_offset_ == 0 && out.integrity_sha256_offset_ == 0 && before_fingerprint) {
          out.integrity_offset_ = offset;
        }
        break;
      case AttributeType::MessageIntegritySha256:
        if (out.integrity_sha256_offset_ == 0 && before_fingerprint) out.integrity_sha256_offset_ = offset;
        break;
      case AttributeType::Fingerprint:
        if (before_fingerprint) out.fingerprint_offset_ = offset;
        break;
      default: break;
    }
    at += kAttributeHeaderBytes + padded(value_bytes);
  }
  return out;
}

TransactionId MessageView::transaction_id() const noexcept {
  TransactionId id;
  std::memcpy(id.data(), bytes_.data() + 8, id.size());
  return id;
}

std::optional<ByteView> MessageView::find(AttributeType type) const noexcept {
  std::optional<ByteView> out;
  walk([&out, type](const Attribute& attribute) {
    if (attribute.type == type) out = attribute.value;
    return !out.has_value();
  });
  return out;
}

}  // namespace ts::stun
