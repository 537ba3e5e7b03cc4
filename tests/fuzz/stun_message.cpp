// SPDX-License-Identifier: Apache-2.0
// Any bytes as a message: parse, walk, find and decode all; sign what has room for a MAC and verify it. Each
// input runs as it is, and once more with a header that fits it.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/integrity.hpp>

namespace {

using namespace ts;
using namespace ts::stun;

void check(bool holds) {
  if (!holds) std::abort();
}

const HmacSha1Key kKey(as_bytes("key"));
const HmacSha256Key kKey256(as_bytes("key"));

/// Touches each byte, so that a sanitizer sees a view that leaves its buffer.
unsigned sum(ByteView bytes) {
  unsigned out = 0;
  for (const std::uint8_t byte : bytes) out += byte;
  return out;
}

void decode_all(const Attribute& attribute, const TransactionId& id) {
  const ByteView value = attribute.value;
  sum(value);
  const auto clear = decode_address(value);
  const auto masked = decode_xor_address(value, id);
  check(clear.has_value() == masked.has_value());
  if (clear) {
    check(clear->address.bytes().size() + 4 == value.size());
    check(clear->address.family() == masked->address.family());
    check((clear->port ^ masked->port) == 0x2112);
  }
  if (const auto error = decode_error_code(value)) {
    check(error->code >= 300 && error->code <= 699 && error->reason.size() + 4 == value.size());
  }
  check(decode_u32(value).has_value() == (value.size() == 4));
  if (const auto family = decode_address_family(value)) family_of_code(*family);
  decode_channel_number(value);
  decode_requested_transport(value);
  name(attribute.type);
}

void check_found(const MessageView& message, AttributeType type, std::size_t offset) {
  const auto value = message.find(type);
  check(value.has_value() == (offset != 0));
  if (value) check(value->data() == message.bytes().data() + offset + kAttributeHeaderBytes);
}

/// Writes the right MACs into a copy, where there is room for them; then they verify.
void check_signing(const MessageView& message) {
  const std::size_t size = message.bytes().size();
  const std::unique_ptr<std::uint8_t[]> copy(new std::uint8_t[size]);
  const auto sign = [&](std::size_t offset, const auto& key, std::size_t least) {
    std::memcpy(copy.get(), message.bytes().data(), size);
    const std::size_t value_bytes = load_be16(copy.get() + offset + 2);
    const std::uint16_t length = load_be16(copy.get() + 2);
    store_be16(copy.get() + 2, static_cast<std::uint16_t>(offset + 4 + value_bytes - kHeaderBytes));
    const auto mac = key.sign({ByteView(copy.get(), offset)});
    store_be16(copy.get() + 2, length);
    const bool fits = value_bytes >= least && value_bytes <= mac.size() && value_bytes % 4 == 0;
    std::memcpy(copy.get() + offset + 4, mac.data(), std::min(value_bytes, mac.size()));
    const auto again = MessageView::parse({copy.get(), size});
    check(again.has_value() && verify_integrity(*again, key) == fits);
    if (!fits) return;
    copy[offset + 4] = static_cast<std::uint8_t>(copy[offset + 4] ^ 0x10);
    check(!verify_integrity(*MessageView::parse({copy.get(), size}), key));
  };
  if (message.integrity_offset() != 0) sign(message.integrity_offset(), kKey, 20);
  if (message.integrity_sha256_offset() != 0) sign(message.integrity_sha256_offset(), kKey256, 16);
}

void check_message(ByteView bytes) {
  const auto parsed = MessageView::parse(bytes);
  if (parsed.has_error()) return;
  const MessageView& message = *parsed;
  check(bytes.size() >= kHeaderBytes && bytes.size() % 4 == 0 &&
        load_be16(bytes.data() + 2) + 20U == bytes.size());
  check(static_cast<unsigned>(message.message_class()) < 4 &&
        static_cast<unsigned>(message.method()) < 0x1000);
  const TransactionId id = message.transaction_id();
  check(std::memcmp(id.data(), bytes.data() + 8, id.size()) == 0);
  name(message.method());

  const std::uint8_t* last = bytes.data() + kHeaderBytes;
  message.for_each([&](const Attribute& attribute) {
    const std::uint8_t* begin = attribute.value.data();
    check(begin >= last + 4 && begin + attribute.value.size() <= bytes.data() + bytes.size());
    last = begin + attribute.value.size();
    decode_all(attribute, id);
    const auto first = message.find(attribute.type);
    check(first.has_value() && first->data() <= begin);
  });
  check_found(message, AttributeType::MessageIntegrity, message.integrity_offset());
  check_found(message, AttributeType::MessageIntegritySha256, message.integrity_sha256_offset());
  check_found(message, AttributeType::Fingerprint, message.fingerprint_offset());
  for (const std::size_t offset : {message.integrity_offset(), message.integrity_sha256_offset()}) {
    check(message.fingerprint_offset() == 0 || offset < message.fingerprint_offset());
  }
  if (message.integrity_offset() == 0) check(!verify_integrity(message, kKey));
  if (message.integrity_sha256_offset() == 0) check(!verify_integrity(message, kKey256));
  if (message.fingerprint_offset() == 0) check(fingerprint_absent_or_right(message));
  fingerprint_absent_or_right(message);
  check_signing(message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_message({data, size});
  const std::size_t fitting = std::min<std::size_t>(size & ~std::size_t{3}, kHeaderBytes + 65'532);
  if (fitting < kHeaderBytes) return 0;
  const std::unique_ptr<std::uint8_t[]> fixed(new std::uint8_t[fitting]);
  std::memcpy(fixed.get(), data, fitting);
  fixed[0] &= 0x3F;
  store_be16(fixed.get() + 2, static_cast<std::uint16_t>(fitting - kHeaderBytes));
  check_message({fixed.get(), fitting});
  return 0;
}
