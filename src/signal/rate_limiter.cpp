// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/base/hash.hpp>
#include <turnstone/signal/rate_limiter.hpp>

namespace ts::signal {
namespace {

constexpr std::array<std::array<std::string_view, kRateUnitCount>, kRateScopeCount> kWhy{
    {{"too many messages", "too many bytes", "too many joins"},
     {"too many messages from this address", "too many bytes from this address",
      "too many joins from this address"}}};

/// Refusals that somebody may go on with for ever: one a second.
constexpr std::uint32_t kForgivenPerSecond = 1;

/// Rounded up, so that a window holds no more than its rate gives.
Duration cost(std::uint64_t count, std::uint32_t per_second) noexcept {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 33;  // no product overflows
  const std::uint64_t nanoseconds = (std::min(count, kMost) * kSecond + per_second - 1) / per_second;
  return Duration(static_cast<Duration::rep>(nanoseconds));
}

/// Where proxies are that do not tell whom they speak for: loopback, link-local addresses, private ones
/// (RFC 1918, RFC 4193).
bool is_near(const IpAddress& plain) noexcept {
  if (plain.is_loopback()) return true;
  const ByteView b = plain.bytes();
  if (plain.is_v6()) return (b[0] & 0xFE) == 0xFC || (b[0] == 0xFE && (b[1] & 0xC0) == 0x80);
  return b[0] == 10 || (b[0] == 172 && (b[1] & 0xF0) == 16) || (b[0] == 192 && b[1] == 168) ||
         (b[0] == 169 && b[1] == 254);
}

/// What one message may cost at most, at however low a rate; and the longest window.
constexpr Duration kLongestDebt = std::chrono::minutes(1);

}  // namespace

void RateCell::charge(TimePoint now, std::uint64_t count, std::uint32_t per_second) noexcept {
  full_ = std::max(full_, now) + std::min(cost(count, per_second), kLongestDebt);
}

void ConnectionRates::inherit(const ConnectionRates& other) noexcept {
  messages.inherit(other.messages);
  bytes.inherit(other.bytes);
  joins.inherit(other.joins);
  strikes.inherit(other.strikes);
}

std::uint32_t RateLimiter::place(const IpAddress& client) {
  const IpAddress address = client.unmapped();
  if (is_near(address) || address.is_unspecified()) return ConnectionRates::kNoPlace;
  if (shared_.empty()) shared_.resize(kPlaces);
  const ByteView bytes = address.bytes();
  const std::uint64_t name = address.is_v4() ? load_be32(bytes.data()) : load_be64(bytes.data());
  return static_cast<std::uint32_t>(mix64(name ^ seed_, seed_) % kPlaces);
}

RateLimiter::Shared* RateLimiter::shared(const ConnectionRates& rates) noexcept {
  return rates.place < shared_.size() ? &shared_[rates.place] : nullptr;
}

RateLimiter::Refusal RateLimiter::refuse(TimePoint now, ConnectionRates& rates, RateScope scope,
                                         RateUnit unit, Duration wait) {
  ++counters_.over_rate[index(scope)][index(unit)];
  // The gate of messages has counted its own.
  const bool counted = scope == RateScope::Connection && unit == RateUnit::Messages;
  const bool persists = counted
                            ? rates.messages.refusals() >= kMaxRefusals
                            : rates.strikes.take(now, kForgivenPerSecond, kMaxRefusals) != Duration::zero();
  return Refusal{wait, kWhy[index(scope)][index(unit)], persists};
}

std::optional<RateLimiter::Refusal> RateLimiter::message(TimePoint now, ConnectionRates& rates,
                                                         std::uint32_t own, std::size_t bytes) noexcept {
  const Options& o = options_;
  const Duration zero = Duration::zero();
  if (const std::uint32_t rate = own != 0 ? own : o.messages_per_second; rate != 0) {
    const Duration wait = rates.messages.take(now, rate, o.message_burst);
    if (wait != zero) return refuse(now, rates, RateScope::Connection, RateUnit::Messages, wait);
  }
  const auto is_over = [&](const RateCell& cell, std::uint32_t rate, Duration& wait) {
    wait = rate == 0 ? zero : cell.wait(now, kRateWindow);
    return wait != zero;
  };
  Duration wait = zero;
  if (is_over(rates.bytes, o.bytes_per_second, wait))
    return refuse(now, rates, RateScope::Connection, RateUnit::Bytes, wait);
  Shared* all = shared(rates);
  if (all != nullptr) {
    if (is_over(all->messages, o.address_messages_per_second, wait))
      return refuse(now, rates, RateScope::Address, RateUnit::Messages, wait);
    if (is_over(all->bytes, o.address_bytes_per_second, wait))
      return refuse(now, rates, RateScope::Address, RateUnit::Bytes, wait);
  }
  // It passes: whoever is refused has nothing taken from the others.
  if (o.bytes_per_second != 0) rates.bytes.charge(now, bytes, o.bytes_per_second);
  if (all != nullptr && o.address_messages_per_second != 0)
    all->messages.charge(now, 1, o.address_messages_per_second);
  if (all != nullptr && o.address_bytes_per_second != 0)
    all->bytes.charge(now, bytes, o.address_bytes_per_second);
  return std::nullopt;
}

std::optional<RateLimiter::Refusal> RateLimiter::join(TimePoint now, ConnectionRates& rates,
                                                      std::uint32_t rooms) noexcept {
  const std::uint32_t rate = options_.joins_per_second;
  const std::uint32_t address_rate = options_.address_joins_per_second;
  if (rate != 0) {
    const Duration window = std::max(Duration(kRateWindow), std::min(cost(rooms, rate), kLongestDebt));
    const Duration wait = rates.joins.wait(now, window);
    if (wait != Duration::zero()) return refuse(now, rates, RateScope::Connection, RateUnit::Joins, wait);
  }
  Shared* all = address_rate != 0 ? shared(rates) : nullptr;
  if (all != nullptr) {
    const Duration wait = all->joins.wait(now, kRateWindow);
    if (wait != Duration::zero()) return refuse(now, rates, RateScope::Address, RateUnit::Joins, wait);
    all->joins.charge(now, 1, address_rate);
  }
  if (rate != 0) rates.joins.charge(now, 1, rate);
  return std::nullopt;
}

}  // namespace ts::signal
