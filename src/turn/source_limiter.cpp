// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/base/hash.hpp>
#include <turnstone/turn/source_limiter.hpp>

namespace ts::turn {
namespace {

constexpr Duration kBurst = std::chrono::seconds(2);

}  // namespace

SourceLimiter::SourceLimiter(std::uint32_t per_second, std::uint64_t seed) : seed_(seed) {
  if (per_second == 0) return;
  interval_ = std::max<Duration>(Duration(std::chrono::seconds(1)) / per_second, Duration(1));
  full_at_.assign(kBuckets, TimePoint::min());
}

bool SourceLimiter::admit(const IpAddress& source, TimePoint now) noexcept {
  if (full_at_.empty()) return true;
  const IpAddress address = source.unmapped();
  if (address.is_loopback()) return true;
  const ByteView bytes = address.bytes();
  const std::uint64_t name = address.is_v4() ? load_be32(bytes.data()) : load_be64(bytes.data());
  TimePoint& full_at = full_at_[mix64(name ^ seed_, seed_) % kBuckets];
  const TimePoint next = std::max(full_at, now) + interval_;
  if (next > now + kBurst) return false;
  full_at = next;
  return true;
}

}  // namespace ts::turn
