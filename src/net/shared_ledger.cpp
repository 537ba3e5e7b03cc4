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

bool SharedLedger::admit_credential(std::string_view username, std::uint32_t most) {
  const std::lock_guard lock(mutex_);
  return ledger_.admit_credential(username, most);
}

void SharedLedger::leave_credential(std::string_view username) {
  const std::lock_guard lock(mutex_);
  ledger_.leave_credential(username);
}

turn::BudgetId SharedLedger::join_budget(std::string_view name, TokenRate rate, TimePoint now) {
  const std::lock_guard lock(mutex_);
  return ledger_.join_budget(name, rate, now);
}

void SharedLedger::leave_budget(turn::BudgetId id, std::uint64_t unused) {
  const std::lock_guard lock(mutex_);
  ledger_.leave_budget(id, unused);
}

std::uint64_t SharedLedger::lease(turn::BudgetId id, std::uint64_t least, std::uint64_t wanted,
                                  TimePoint now) {
  const std::lock_guard lock(mutex_);
  return ledger_.lease(id, least, wanted, now);
}

Duration SharedLedger::charge(turn::BudgetId id, std::uint64_t tokens, TimePoint now) {
  const std::lock_guard lock(mutex_);
  return ledger_.charge(id, tokens, now);
}

std::optional<std::uint16_t> SharedLedger::take_port(IpFamily family, turn::PortParity parity,
                                                     std::string_view account, TimePoint now,
                                                     RandomSource& random) {
  const std::lock_guard lock(mutex_);
  return ledger_.take_port(family, parity, account, now, random);
}

void SharedLedger::return_port(IpFamily family, std::uint16_t port) {
  const std::lock_guard lock(mutex_);
  ledger_.return_port(family, port);
}

turn::ReservationToken SharedLedger::reserve(IpFamily family, std::uint16_t port, std::string_view account,
                                             TimePoint expires, RandomSource& random) {
  const std::lock_guard lock(mutex_);
  return ledger_.reserve(family, port, account, expires, random);
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

void SharedLedger::use(const turn::Options& options) {
  const std::lock_guard lock(mutex_);
  ledger_.use(options);
}

}  // namespace ts::net
