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

turn::Ledger::Ports SharedLedger::ports() const {
  const std::lock_guard lock(mutex_);
  return ledger_.ports();
}

}  // namespace ts::net
