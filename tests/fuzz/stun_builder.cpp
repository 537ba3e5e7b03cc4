// SPDX-License-Identifier: Apache-2.0
// Bytes as a script of builder calls into a buffer of a size that the script gives: the message is there
// exactly when it fits, and parses back to what was added.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/integrity.hpp>

namespace {

using namespace ts;
using namespace ts::stun;

void check(bool holds) {
  if (!holds) std::abort();
}

using Bytes = std::vector<std::uint8_t>;

/// What a call was, and the value that it must have written before any mask.
struct Added {
  AttributeType type;
  Bytes value;
  bool masked = false;
};

Bytes copy(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

Bytes u32_bytes(std::uint32_t value) {
  Bytes out(4);
  store_be32(out.data(), value);
  return out;
}

Bytes address_bytes(const Endpoint& endpoint) {
  const ByteView ip = endpoint.address.bytes();
  Bytes out(4 + ip.size());
  out[1] = endpoint.address.is_v4() ? kFamilyV4 : kFamilyV6;
  store_be16(&out[2], endpoint.port);
  std::copy(ip.begin(), ip.end(), out.begin() + 4);
  return out;
}

Endpoint read_endpoint(ByteReader& in) {
  const std::size_t size = (in.u8() & 1) != 0 ? 16 : 4;
  const std::uint16_t port = in.u16();
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < size; ++i) bytes[i] = in.u8();
  return Endpoint{IpAddress::from_bytes(ByteView(bytes).first(size)), port};
}

/// A type that is none of the integrity attributes.
AttributeType read_type(ByteReader& in) {
  const auto type = static_cast<AttributeType>(in.u16());
  const bool special = type == AttributeType::MessageIntegrity ||
                       type == AttributeType::MessageIntegritySha256 || type == AttributeType::Fingerprint;
  return special ? AttributeType::Software : type;
}

void step(ByteReader& in, bool large, MessageBuilder& builder, std::vector<Added>& added) {
  switch (in.u8() % 8) {
    case 0: {
      const AttributeType type = read_type(in);
      const ByteView value = in.bytes(std::min<std::size_t>(in.u8(), in.remaining()));
      builder.add(type, value);
      added.push_back({type, copy(value)});
      break;
    }
    case 1: {
      const std::uint32_t value = in.u32();
      builder.add_u32(AttributeType::Lifetime, value);
      added.push_back({AttributeType::Lifetime, u32_bytes(value)});
      break;
    }
    case 2: {
      const std::uint16_t channel = in.u16();
      builder.add_channel_number(channel);
      added.push_back({AttributeType::ChannelNumber, u32_bytes(std::uint32_t{channel} << 16)});
      break;
    }
    case 3: {
      const Endpoint endpoint = read_endpoint(in);
      builder.add_address(AttributeType::MappedAddress, endpoint);
      added.push_back({AttributeType::MappedAddress, address_bytes(endpoint)});
      break;
    }
    case 4: {
      const Endpoint endpoint = read_endpoint(in);
      builder.add_xor_address(AttributeType::XorPeerAddress, endpoint);
      added.push_back({AttributeType::XorPeerAddress, address_bytes(endpoint), true});
      break;
    }
    case 5: {
      const auto code = static_cast<std::uint16_t>(300 + in.u16() % 400);
      std::string_view reason = as_text(in.bytes(std::min<std::size_t>(in.u8() % 32, in.remaining())));
      builder.add_error(static_cast<ErrorCode>(code), reason);
      if (reason.empty()) reason = reason_phrase(static_cast<ErrorCode>(code));
      Bytes value(4 + reason.size());
      value[2] = static_cast<std::uint8_t>(code / 100);
      value[3] = static_cast<std::uint8_t>(code % 100);
      std::copy(reason.begin(), reason.end(), value.begin() + 4);
      added.push_back({AttributeType::ErrorCode, value});
      break;
    }
    case 6: {
      std::vector<std::uint16_t> types(in.u8() % 9);
      Bytes value;
      for (std::uint16_t& type : types) {
        type = in.u16();
        value.push_back(static_cast<std::uint8_t>(type >> 8));
        value.push_back(static_cast<std::uint8_t>(type));
      }
      builder.add_unknown_attributes(types);
      added.push_back({AttributeType::UnknownAttributes, value});
      break;
    }
    default: {  // in a large buffer, up to a body that no length field can say
      const std::size_t length = in.u16();
      const Bytes value(large ? 2 * length : length % 2'048, in.u8());
      builder.add(AttributeType::Data, value);
      added.push_back({AttributeType::Data, value});
      break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const HmacSha1Key kKey(as_bytes("key"));
  static const HmacSha256Key kKey256(as_bytes("key"));
  ByteReader in({data, size});
  const std::uint16_t header = in.u16();
  const std::uint8_t flags = in.u8();
  const bool large = (flags & 0x80) != 0;
  const std::size_t room = large ? 70'000 : in.u16() % 1'024U;
  TransactionId id;
  for (std::uint8_t& byte : id) byte = in.u8();
  const auto method = static_cast<Method>(header & 0xFFF);
  const auto message_class = static_cast<MessageClass>(header >> 14);

  const std::unique_ptr<std::uint8_t[]> out(new std::uint8_t[room]);
  MessageBuilder builder({out.get(), room}, message_class, method, id);
  std::vector<Added> added;
  for (int calls = 0; calls < 64 && in.remaining() > 0 && in.ok(); ++calls) step(in, large, builder, added);
  std::size_t want = kHeaderBytes;
  for (const Added& one : added) want += kAttributeHeaderBytes + padded(one.value.size());
  if ((flags & 1) != 0) builder.add_integrity(kKey), want += 24;
  if ((flags & 2) != 0) builder.add_integrity(kKey256), want += 36;
  if ((flags & 4) != 0) builder.add_fingerprint(), want += 8;

  const ByteView bytes = builder.finish();
  check(bytes.empty() == (want > room || want > kHeaderBytes + 65'532));
  if (bytes.empty()) return 0;
  check(bytes.data() == out.get() && bytes.size() == want);
  const auto message = MessageView::parse(bytes);
  check(message.has_value() && message->message_class() == message_class && message->method() == method);
  check(message->transaction_id() == id && message->has_magic_cookie());
  std::size_t next = 0;
  message->for_each([&](const Attribute& attribute) {
    if (next >= added.size()) return;
    const Added& one = added[next++];
    check(attribute.type == one.type && attribute.value.size() == one.value.size());
    if (one.masked) {
      const auto endpoint = decode_xor_address(attribute.value, id);
      check(endpoint.has_value() && address_bytes(*endpoint) == one.value);
    } else {
      check(copy(attribute.value) == one.value);
    }
    for (std::size_t i = attribute.value.size(); i < padded(attribute.value.size()); ++i) {
      check(attribute.value.data()[i] == 0);
    }
  });
  check(next == added.size());
  check(verify_integrity(*message, kKey) == ((flags & 1) != 0));
  check(verify_integrity(*message, kKey256) == ((flags & 2) != 0));
  check((message->fingerprint_offset() != 0) == ((flags & 4) != 0) && fingerprint_absent_or_right(*message));
  return 0;
}
