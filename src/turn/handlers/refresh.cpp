// SPDX-License-Identifier: Apache-2.0
// Refresh (RFC 8656 §8.2).
#include <turnstone/stun/attributes.hpp>

#include "request.hpp"

namespace ts::turn {

using stun::AttributeType;

std::optional<std::uint32_t> Server::granted_refresh(const Request& r) const {
  const auto attribute = r.message.find(AttributeType::Lifetime);
  const auto wanted = attribute ? stun::decode_u32(*attribute) : std::nullopt;
  if (attribute && !wanted) return std::nullopt;
  const auto most = static_cast<std::uint32_t>(options_.max_lifetime.count());
  const auto least = std::min(most, static_cast<std::uint32_t>(options_.default_lifetime.count()));
  if (wanted == 0U) return 0U;
  std::int64_t granted = std::clamp(wanted.value_or(least), least, most);
  if (r.token) {
    granted = std::min<std::int64_t>(granted, r.token->remaining.count());
  } else if (r.allocation != nullptr && r.allocation->granted_until != TimePoint::max()) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(r.allocation->granted_until - r.now.mono);
    granted = std::clamp<std::int64_t>(left.count(), 1, granted);
  }
  return static_cast<std::uint32_t>(granted);
}

void Server::handle_refresh(Request& r) {
  Allocation& allocation = *r.allocation;
  // Data may still come from where the client was (RFC 8016 §3.2.2), but it is the new place that counts.
  if (is_left(allocation, r.in.tuple)) return respond_error(r, stun::ErrorCode::AllocationMismatch);
  const auto granted = granted_refresh(r);
  if (!granted) return respond_error(r, stun::ErrorCode::BadRequest);
  const std::uint32_t lifetime = *granted;

  std::optional<IpFamily> only;
  bool repeated = false;
  if (const auto family = r.message.find(AttributeType::RequestedAddressFamily)) {
    const auto code = stun::decode_address_family(*family);
    if (!code) return respond_error(r, stun::ErrorCode::BadRequest);
    only = stun::family_of_code(*code);
    const bool there = only && allocation.relays(*only, r.now.mono);
    // A retransmission of the Refresh that took this family away succeeds again.
    repeated = !there && only && lifetime == 0 && allocation.was_cut_by(r.message.transaction_id());
    if (!there && !repeated) return respond_error(r, stun::ErrorCode::PeerAddressFamilyMismatch);
  }
  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  response.builder.add_u32(AttributeType::Lifetime, lifetime);
  send_answer(r, response, Outcome::Success);
  if (repeated) return;
  if (lifetime == 0) {
    if (!only || !allocation.is_dual()) return end(r.handle, EndReason::Refreshed, r.now, r.out);
    drop_leg(r.handle, allocation, *only, r.out);
    allocation.second->deleted_by = r.message.transaction_id();
    return;
  }
  const TimePoint expires = r.now.mono + std::chrono::seconds(lifetime);
  allocation.set_expiry(only, expires);
  look_again_at(r.handle, allocation, expires);
  tell_flows(r.handle, allocation, r.now.mono, r.out);
}

}  // namespace ts::turn
