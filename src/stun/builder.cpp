// SPDX-License-Identifier: Apache-2.0
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/integrity.hpp>

namespace ts::stun {
namespace {

/// RFC 8489 §14.8: the class and the number, behind 21 reserved bits.
void put_error_number(std::uint8_t* p, ErrorCode code) noexcept {
  const auto number = static_cast<unsigned>(code);
  store_be16(p, 0);
  p[2] = static_cast<std::uint8_t>(number / 100);
  p[3] = static_cast<std::uint8_t>(number % 100);
}

}  // namespace

std::uint16_t message_type(MessageClass message_class, Method method) noexcept {
  const auto m = static_cast<unsigned>(method);
  const auto c = static_cast<unsigned>(message_class);
  return static_cast<std::uint16_t>(((m & 0xF80) << 2) | ((m & 0x070) << 1) | (m & 0x00F) | ((c & 2) << 7) |
                                    ((c & 1) << 4));
}

MessageBuilder::MessageBuilder(MutableBytes out, MessageClass message_class, Method method,
                               const TransactionId& id) noexcept
    : out_(out), ok_(out.size() >= kHeaderBytes) {
  if (!ok_) return;
  store_be16(out_.data(), message_type(message_class, method));
  store_be16(out_.data() + 2, 0);
  store_be32(out_.data() + 4, kMagicCookie);
  std::memcpy(out_.data() + 8, id.data(), id.size());
  size_ = kHeaderBytes;
}

void MessageBuilder::echo_classic_cookie(std::uint32_t cookie) noexcept {
  if (ok_) store_be32(out_.data() + 4, cookie);
}

std::uint8_t* MessageBuilder::attribute(AttributeType type, std::size_t size) noexcept {
  const std::size_t whole = kAttributeHeaderBytes + padded(size);
  ok_ = ok_ && size <= 0xFFFF && out_.size() - size_ >= whole && size_ + whole - kHeaderBytes <= 0xFFFC;
  if (!ok_) return nullptr;
  std::uint8_t* p = out_.data() + size_;
  store_be16(p, static_cast<std::uint16_t>(type));
  store_be16(p + 2, static_cast<std::uint16_t>(size));
  std::memset(p + kAttributeHeaderBytes + size, 0, padded(size) - size);
  size_ += whole;
  return p + kAttributeHeaderBytes;
}

void MessageBuilder::set_length(std::size_t more) noexcept {
  store_be16(out_.data() + 2, static_cast<std::uint16_t>(size_ - kHeaderBytes + more));
}

MessageBuilder& MessageBuilder::add(AttributeType type, ByteView value) noexcept {
  std::uint8_t* p = attribute(type, value.size());
  if (p != nullptr && !value.empty()) std::memcpy(p, value.data(), value.size());
  return *this;
}

MessageBuilder& MessageBuilder::add_u32(AttributeType type, std::uint32_t value) noexcept {
  if (std::uint8_t* p = attribute(type, 4)) store_be32(p, value);
  return *this;
}

MessageBuilder& MessageBuilder::add_channel_number(std::uint16_t channel) noexcept {
  return add_u32(AttributeType::ChannelNumber, std::uint32_t{channel} << 16);
}

MessageBuilder& MessageBuilder::add_address(AttributeType type, const Endpoint& endpoint) noexcept {
  const ByteView ip = endpoint.address.bytes();
  if (std::uint8_t* p = attribute(type, 4 + ip.size())) {
    p[0] = 0;
    p[1] = endpoint.address.is_v4() ? kFamilyV4 : kFamilyV6;
    store_be16(p + 2, endpoint.port);
    std::memcpy(p + 4, ip.data(), ip.size());
  }
  return *this;
}

MessageBuilder& MessageBuilder::add_xor_address(AttributeType type, const Endpoint& endpoint) noexcept {
  const ByteView ip = endpoint.address.bytes();
  if (std::uint8_t* p = attribute(type, 4 + ip.size())) {
    const std::uint8_t* mask = out_.data() + 4;  // cookie and transaction id stand in the header
    p[0] = 0;
    p[1] = endpoint.address.is_v4() ? kFamilyV4 : kFamilyV6;
    store_be16(p + 2, static_cast<std::uint16_t>(endpoint.port ^ load_be16(mask)));
    for (std::size_t i = 0; i < ip.size(); ++i) p[4 + i] = static_cast<std::uint8_t>(ip[i] ^ mask[i]);
  }
  return *this;
}

MessageBuilder& MessageBuilder::add_error(ErrorCode code, std::string_view reason) noexcept {
  if (reason.empty()) reason = reason_phrase(code);
  if (std::uint8_t* p = attribute(AttributeType::ErrorCode, 4 + reason.size())) {
    put_error_number(p, code);
    if (!reason.empty()) std::memcpy(p + 4, reason.data(), reason.size());
  }
  return *this;
}

MessageBuilder& MessageBuilder::add_bare_error(ErrorCode code) noexcept {
  if (std::uint8_t* p = attribute(AttributeType::ErrorCode, 4)) put_error_number(p, code);
  return *this;
}

MessageBuilder& MessageBuilder::add_unknown_attributes(std::span<const std::uint16_t> types) noexcept {
  if (std::uint8_t* p = attribute(AttributeType::UnknownAttributes, 2 * types.size())) {
    for (std::size_t i = 0; i < types.size(); ++i) store_be16(p + 2 * i, types[i]);
  }
  return *this;
}

MessageBuilder& MessageBuilder::add_integrity(const HmacSha1Key& key) noexcept {
  const std::size_t covered = size_;
  if (std::uint8_t* p = attribute(AttributeType::MessageIntegrity, sizeof(Sha1Digest))) {
    set_length(0);
    const Sha1Digest mac = key.sign({out_.first(covered)});
    std::memcpy(p, mac.data(), mac.size());
  }
  return *this;
}

MessageBuilder& MessageBuilder::add_integrity(const HmacSha256Key& key) noexcept {
  const std::size_t covered = size_;
  if (std::uint8_t* p = attribute(AttributeType::MessageIntegritySha256, sizeof(Sha256Digest))) {
    set_length(0);
    const Sha256Digest mac = key.sign({out_.first(covered)});
    std::memcpy(p, mac.data(), mac.size());
  }
  return *this;
}

MessageBuilder& MessageBuilder::add_fingerprint() noexcept {
  const std::size_t covered = size_;
  if (std::uint8_t* p = attribute(AttributeType::Fingerprint, 4)) {
    set_length(0);
    store_be32(p, crc32(out_.first(covered)) ^ kFingerprintMask);
  }
  return *this;
}

ByteView MessageBuilder::finish() noexcept {
  if (!ok_) return {};
  set_length(0);
  return out_.first(size_);
}

}  // namespace ts::stun
