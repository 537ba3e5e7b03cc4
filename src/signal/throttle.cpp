// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include <turnstone/base/hash.hpp>
#include <turnstone/signal/throttle.hpp>

namespace ts::signal {
namespace {

/// Where reverse proxies are, behind which everybody looks alike: loopback, link-local addresses, private
/// ones (RFC 1918, RFC 4193).
bool is_near(const IpAddress& plain) noexcept {
  if (plain.is_loopback()) return true;
  const ByteView b = plain.bytes();
  if (plain.is_v6()) return (b[0] & 0xFE) == 0xFC || (b[0] == 0xFE && (b[1] & 0xC0) == 0x80);
  return b[0] == 10 || (b[0] == 172 && (b[1] & 0xF0) == 16) || (b[0] == 192 && b[1] == 168) ||
         (b[0] == 169 && b[1] == 254);
}

}  // namespace

void Allowance::inherit(const Allowance& other) noexcept {
  messages.inherit(other.messages);
  bytes.inherit(other.bytes);
  joins.inherit(other.joins);
}

Duration Throttle::message(TimePoint now, const Options& options, std::uint32_t own, Allowance& sender,
                           const IpAddress& from, std::size_t bytes) noexcept {
  // A message of the greatest length passes, if only now and then.
  const auto burst = [&](std::uint32_t rate, std::uint32_t seconds) {
    return std::max(std::uint64_t{rate} * seconds, std::uint64_t{options.max_message_bytes});
  };
  const std::size_t counted = std::min(bytes, std::size_t{options.max_message_bytes});
  const std::uint32_t rate = own != 0 ? own : options.messages_per_second;
  Duration over = take(Limit::Messages, sender.messages, now, rate, options.message_burst, 1);
  if (over == Duration::zero())
    over = take(Limit::Bytes, sender.bytes, now, options.bytes_per_second,
                burst(options.bytes_per_second, kBytesBurst), counted);
  Allowance* const all = over == Duration::zero() ? place(from) : nullptr;
  if (all == nullptr) return over;
  const std::uint32_t messages = options.address_messages_per_second;
  over =
      take(Limit::AddressMessages, all->messages, now, messages, std::uint64_t{messages} * kAddressBurst, 1);
  if (over != Duration::zero()) return over;
  return take(Limit::AddressBytes, all->bytes, now, options.address_bytes_per_second,
              burst(options.address_bytes_per_second, kAddressBurst), counted);
}

Duration Throttle::join(TimePoint now, const Options& options, Allowance& sender,
                        const IpAddress& from) noexcept {
  const std::uint32_t own = options.joins_per_second;
  const Duration over = take(Limit::Joins, sender.joins, now, own, std::uint64_t{own} * kJoinsBurst, 1);
  Allowance* const all = over == Duration::zero() ? place(from) : nullptr;
  if (all == nullptr) return over;
  const std::uint32_t joins = options.address_joins_per_second;
  return take(Limit::AddressJoins, all->joins, now, joins, std::uint64_t{joins} * kJoinsBurst, 1);
}

Duration Throttle::take(Limit limit, RateGate& gate, TimePoint now, std::uint32_t rate, std::uint64_t burst,
                        std::uint64_t count) noexcept {
  if (rate == 0) return Duration::zero();
  const auto most = std::uint64_t{std::numeric_limits<std::uint32_t>::max()};
  const Duration over = gate.take(now, rate, static_cast<std::uint32_t>(std::min(burst, most)),
                                  static_cast<std::uint32_t>(std::min(count, most)));
  if (over != Duration::zero()) ++refused_[static_cast<std::size_t>(limit)];
  return over;
}

Allowance* Throttle::place(const IpAddress& from) noexcept {
  const IpAddress plain = from.unmapped();
  if (is_near(plain) || plain.is_unspecified()) return nullptr;
  return &places_[mix64(source_key(plain) ^ seed_, seed_) % kPlaces];
}

}  // namespace ts::signal
