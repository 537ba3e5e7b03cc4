// SPDX-License-Identifier: Apache-2.0
// Values of single attributes, decoded from their bytes (RFC 8489 §14, RFC 8656 §18). A value of the wrong
// size or with an unknown code decodes to nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <turnstone/base/address.hpp>
#include <turnstone/stun/message.hpp>

namespace ts::stun {

/// MAPPED-ADDRESS and its kin in clear.
std::optional<Endpoint> decode_address(ByteView value) noexcept;
/// XOR-MAPPED-, XOR-PEER- and XOR-RELAYED-ADDRESS; IPv6 is masked with the transaction id too.
std::optional<Endpoint> decode_xor_address(ByteView value, const TransactionId& id) noexcept;

/// ERROR-CODE.
struct ErrorValue {
  std::uint16_t code = 0;
  std::string_view reason;
};
std::optional<ErrorValue> decode_error_code(ByteView value) noexcept;

/// Exactly four bytes: LIFETIME (seconds), CONNECTION-ID, PRIORITY, …
std::optional<std::uint32_t> decode_u32(ByteView value) noexcept;
/// CHANNEL-NUMBER: 16 bits, then 16 reserved ones that are ignored.
std::optional<std::uint16_t> decode_channel_number(ByteView value) noexcept;
/// REQUESTED-TRANSPORT: the protocol number, then 24 reserved bits that are ignored.
std::optional<std::uint8_t> decode_requested_transport(ByteView value) noexcept;

/// REQUESTED- and ADDITIONAL-ADDRESS-FAMILY: the code on the wire, which need not be a known family.
std::optional<std::uint8_t> decode_address_family(ByteView value) noexcept;
/// The family of a code; nothing for an unknown one.
std::optional<IpFamily> family_of_code(std::uint8_t code) noexcept;

}  // namespace ts::stun
