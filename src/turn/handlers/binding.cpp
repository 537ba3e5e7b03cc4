// SPDX-License-Identifier: Apache-2.0
// Binding (RFC 8489 §3, §6.3.1), and its RFC 3489 form (RFC 5389 §12.2).
#include "discovery.hpp"
#include "request.hpp"

namespace ts::turn {

void Server::handle_binding(Request& r) {
  if (const auto other = other_endpoint(options_, r.in.tuple)) return handle_discovery(r, *other);
  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  if (r.message.has_magic_cookie()) {
    response.builder.add_xor_address(stun::AttributeType::XorMappedAddress, r.in.tuple.client);
  } else {
    response.builder.add_address(stun::AttributeType::MappedAddress, r.in.tuple.client);
  }
  send_answer(r, response, Outcome::Success);
}

}  // namespace ts::turn
