// SPDX-License-Identifier: Apache-2.0
// The payload of a relayed packet: a seal, allocation, sequence number and time of sending, then bytes that
// depend on the sequence number; and what its check on arrival counts.
#pragma once

#include <cstdint>

#include <turnstone/base/bytes.hpp>

namespace ts::load {

inline constexpr std::size_t kStampBytes = 24;
inline constexpr std::size_t kMaxPayload = 9000;

struct Totals {
  std::uint64_t sent = 0, received = 0;
  std::uint64_t corrupt = 0, wrong_channel = 0, wrong_source = 0, duplicate = 0, reordered = 0, other = 0;
  std::uint64_t send_refused = 0;
  bool right(bool may_reorder) const noexcept {
    return corrupt + wrong_channel + wrong_source + duplicate + (may_reorder ? 0 : reordered) == 0;
  }
};

/// Which packets of a flow have arrived, by their sequence numbers.
class Order {
 public:
  enum class Arrival : std::uint8_t { InOrder, Late, Again };
  /// A gap is a loss, or its packet comes late; what is more than 64 numbers late may have come before, too.
  Arrival arrive(std::uint64_t sequence) noexcept;

 private:
  std::uint64_t next_ = 0;
  /// Bit i: the packet next_ - 1 - i has arrived.
  std::uint64_t seen_ = 0;
};

void stamp(std::uint8_t* out, std::size_t allocation, std::uint64_t sequence, std::uint64_t time_ns) noexcept;
/// The bytes behind the stamp of the packet with this number; at least kMaxPayload of them.
const std::uint8_t* filling(std::uint64_t sequence) noexcept;
/// Checks every byte of a payload that arrived, and counts it; true when it is right and new.
bool check(ByteView payload, std::size_t size, std::size_t allocation, Order& order, Totals& totals) noexcept;
/// The allocation that it says it belongs to; of at least kStampBytes.
std::size_t stamped_allocation(ByteView payload) noexcept;
/// When it was due.
std::uint64_t stamped_time(ByteView payload) noexcept;

}  // namespace ts::load
