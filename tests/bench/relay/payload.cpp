// SPDX-License-Identifier: Apache-2.0
#include "payload.hpp"

#include <cstring>
#include <vector>

#include <turnstone/base/hash.hpp>

namespace ts::load {

namespace {

constexpr std::size_t kShifts = 64;

const std::vector<std::uint8_t>& pattern() {
  static const std::vector<std::uint8_t> bytes = [] {
    std::vector<std::uint8_t> out(kMaxPayload + kShifts);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(mix64(i, 7));
    return out;
  }();
  return bytes;
}

/// Over the other fields, so that a change of any of them shows.
std::uint32_t seal(std::uint32_t allocation, std::uint64_t sequence, std::uint64_t time_ns) noexcept {
  return static_cast<std::uint32_t>(mix64(mix64(allocation, sequence), time_ns));
}

}  // namespace

Order::Arrival Order::arrive(std::uint64_t sequence) noexcept {
  if (sequence >= next_) {
    const std::uint64_t shift = sequence - next_ + 1;
    seen_ = (shift < 64 ? seen_ << shift : 0) | 1;
    next_ = sequence + 1;
    return Arrival::InOrder;
  }
  const std::uint64_t back = next_ - 1 - sequence;
  if (back >= 64) return Arrival::Late;
  const std::uint64_t bit = std::uint64_t{1} << back;
  if ((seen_ & bit) != 0) return Arrival::Again;
  seen_ |= bit;
  return Arrival::Late;
}

void stamp(std::uint8_t* out, std::size_t allocation, std::uint64_t sequence,
           std::uint64_t time_ns) noexcept {
  store_be32(out, seal(static_cast<std::uint32_t>(allocation), sequence, time_ns));
  store_be32(out + 4, static_cast<std::uint32_t>(allocation));
  store_be64(out + 8, sequence);
  store_be64(out + 16, time_ns);
}

const std::uint8_t* filling(std::uint64_t sequence) noexcept { return pattern().data() + sequence % kShifts; }

bool check(ByteView payload, std::size_t size, std::size_t allocation, Order& order,
           Totals& totals) noexcept {
  if (payload.size() != size) {
    ++totals.corrupt;
    return false;
  }
  const auto from = static_cast<std::uint32_t>(stamped_allocation(payload));
  const std::uint64_t sequence = load_be64(payload.data() + 8);
  if (load_be32(payload.data()) != seal(from, sequence, stamped_time(payload)) || from != allocation ||
      std::memcmp(payload.data() + kStampBytes, filling(sequence), size - kStampBytes) != 0) {
    ++totals.corrupt;
    return false;
  }
  const Order::Arrival arrival = order.arrive(sequence);
  if (arrival == Order::Arrival::Again) {
    ++totals.duplicate;
    return false;
  }
  if (arrival == Order::Arrival::Late) ++totals.reordered;
  ++totals.received;
  return true;
}

std::size_t stamped_allocation(ByteView payload) noexcept { return load_be32(payload.data() + 4); }

std::uint64_t stamped_time(ByteView payload) noexcept { return load_be64(payload.data() + 16); }

}  // namespace ts::load
