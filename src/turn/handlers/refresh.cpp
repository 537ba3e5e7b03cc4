// SPDX-License-Identifier: Apache-2.0
// Refresh (RFC 8656 §8.2).
#include <turnstone/stun/attributes.hpp>

#include "request.hpp"

namespace ts::turn {

using stun::AttributeType;

void Server::handle_refresh(Request& r) {
  if (const auto family = r.message.find(AttributeType::RequestedAddressFamily)) {
    const auto code = stun::decode_address_family(*family);
    if (!code) return respond_error(r, stun::ErrorCode::BadRequest);
    if (stun::family_of_code(*code) != r.allocation->family()) {
      return respond_error(r, stun::ErrorCode::PeerAddressFamilyMismatch);
    }
  }
  const auto attribute = r.message.find(AttributeType::Lifetime);
  const auto wanted = attribute ? stun::decode_u32(*attribute) : std::nullopt;
  if (attribute && !wanted) return respond_error(r, stun::ErrorCode::BadRequest);

  const auto most = static_cast<std::uint32_t>(options_.max_lifetime.count());
  const auto least = std::min(most, static_cast<std::uint32_t>(options_.default_lifetime.count()));
  const std::uint32_t lifetime = wanted == 0U ? 0U : std::clamp(wanted.value_or(least), least, most);

  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  response.builder.add_u32(AttributeType::Lifetime, lifetime);
  send_answer(r, response, Outcome::Success);
  if (lifetime == 0) return end(r.handle, EndReason::Refreshed, r.now, r.out);
  r.allocation->expires = r.now.mono + std::chrono::seconds(lifetime);
  look_again_at(r.handle, *r.allocation, r.allocation->expires);
}

}  // namespace ts::turn
