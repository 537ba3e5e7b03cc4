// SPDX-License-Identifier: Apache-2.0
// Binding for NAT behaviour discovery (RFC 5780 §6.1): the answer leaves from another endpoint of ours, or
// goes to another port of the client, or is padded. RFC 3489 clients get the attributes of their time.
#include <turnstone/stun/attributes.hpp>

#include "request.hpp"

namespace ts::turn {
namespace {

using stun::AttributeType;
using stun::ErrorCode;

/// RFC 5780 §7.2.
constexpr std::uint32_t kChangeAddress = 0x4;
constexpr std::uint32_t kChangePort = 0x2;
/// "equal to the MTU on the outgoing interface, rounded up to an even multiple of four bytes".
constexpr std::size_t kMtuBytes = 1500;

/// What the request asks for.
struct Wish {
  bool change_address = false;
  bool change_port = false;
  std::optional<std::uint16_t> response_port;
  std::optional<std::size_t> padding_bytes;
};

std::optional<Wish> read_wish(const stun::MessageView& m) noexcept {
  Wish wish;
  if (const auto change = m.find(AttributeType::ChangeRequest)) {
    const auto flags = stun::decode_u32(*change);
    if (!flags) return std::nullopt;
    wish.change_address = (*flags & kChangeAddress) != 0;
    wish.change_port = (*flags & kChangePort) != 0;
  }
  if (const auto port = m.find(AttributeType::ResponsePort)) {
    // 16 bits "followed by 2 bytes of padding", which some count as part of the value.
    if (port->size() != 2 && port->size() != 4) return std::nullopt;
    wish.response_port = load_be16(port->data());
    if (*wish.response_port == 0) return std::nullopt;  // nobody can be there
  }
  if (const auto padding = m.find(AttributeType::Padding)) wish.padding_bytes = padding->size();
  // "the server MUST return an error response of type 400"
  if (wish.response_port && wish.padding_bytes) return std::nullopt;
  return wish;
}

/// Departs from RFC 5780 §6.1: where four addresses would make more of the request than a stranger may get,
/// which is so for one over IPv6 without any attribute, MAPPED-ADDRESS is left out. The others tell something
/// of their own; XOR-MAPPED-ADDRESS says the same.
bool has_room_for_all(const Request& r) noexcept {
  const bool v6 = r.in.tuple.client.address.is_v6();
  const std::size_t address = stun::kAttributeHeaderBytes + (v6 ? 20 : 8);
  const std::size_t fingerprint = r.message.fingerprint_offset() != 0 ? stun::kAttributeHeaderBytes + 4 : 0;
  return !amplifies(r.message.bytes().size(), stun::kHeaderBytes + 4 * address + fingerprint, v6);
}

}  // namespace

void Server::handle_discovery(Request& r, const Endpoint& other) {
  const auto wish = read_wish(r.message);
  if (!wish) return respond_error(r, ErrorCode::BadRequest);
  FiveTuple tuple = r.in.tuple;
  if (wish->change_address) tuple.server.address = other.address;
  if (wish->change_port) tuple.server.port = other.port;
  if (wish->response_port) tuple.client.port = *wish->response_port;
  if (tuple != r.in.tuple) r.answer_tuple = tuple;

  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  stun::MessageBuilder& builder = response.builder;
  if (r.message.has_magic_cookie()) {
    builder.add_xor_address(AttributeType::XorMappedAddress, r.in.tuple.client);
    if (has_room_for_all(r)) builder.add_address(AttributeType::MappedAddress, r.in.tuple.client);
    builder.add_address(AttributeType::ResponseOrigin, tuple.server)
        .add_address(AttributeType::OtherAddress, other);
  } else {
    builder.add_address(AttributeType::MappedAddress, r.in.tuple.client)
        .add_address(AttributeType::SourceAddress, tuple.server)
        .add_address(AttributeType::ChangedAddress, other);
  }
  if (wish->padding_bytes) {
    // Departs from RFC 5780 §6.1 (SHOULD be the MTU): never more than the request brought, so that a forged
    // source address gains nothing by it.
    static constexpr std::array<std::uint8_t, kMtuBytes> kZeros{};
    builder.add(AttributeType::Padding, ByteView(kZeros).first(std::min(*wish->padding_bytes, kMtuBytes)));
  }
  send_answer(r, response, Outcome::Success);
}

}  // namespace ts::turn
