// SPDX-License-Identifier: Apache-2.0
#include <turnstone/net/shard.hpp>

namespace ts::net {

std::optional<turn::Denial> SharedLedger::admit(std::string_view account) {
  const std::lock_guard lock(mutex_);
  return ledger_.admit(account);
}

void SharedLedger::leave(std::string_view account) {
  const std::lock_guard lock(mutex_);
  ledger_.leave(account);
}

std::optional<std::uint16_t> SharedLedger::take_port(IpFamily family, turn::PortParity parity, TimePoint now,
                                                     RandomSource& random) {
  const std::lock_guard lock(mutex_);
  return ledger_.take_port(family, parity, now, random);
}

void SharedLedger::return_port(IpFamily family, std::uint16_t port) {
  const std::lock_guard lock(mutex_);
  ledger_.return_port(family, port);
}

turn::ReservationToken SharedLedger::reserve(IpFamily family, std::uint16_t port, TimePoint expires,
                                             RandomSource& random) {
  const std::lock_guard lock(mutex_);
  return ledger_.reserve(family, port, expires, random);
}

std::optional<Endpoint> SharedLedger::redeem(const turn::ReservationToken& token, TimePoint now) {
  const std::lock_guard lock(mutex_);
  return ledger_.redeem(token, now);
}

std::uint64_t SharedLedger::add_place(const turn::Place& place, RandomSource& random) {
  const std::lock_guard lock(mutex_);
  return ledger_.add_place(place, random);
}

void SharedLedger::set_place(std::uint64_t id, const turn::Place& place) {
  const std::lock_guard lock(mutex_);
  ledger_.set_place(id, place);
}

std::optional<turn::Place> SharedLedger::place_of(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  return ledger_.place_of(id);
}

void SharedLedger::forget_place(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  ledger_.forget_place(id);
}

turn::Ledger::Ports SharedLedger::ports() const {
  const std::lock_guard lock(mutex_);
  return ledger_.ports();
}

}  // namespace ts::net
