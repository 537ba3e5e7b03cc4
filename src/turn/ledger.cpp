// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/auth/realms.hpp>
#include <turnstone/base/check.hpp>
#include <turnstone/turn/ledger.hpp>

namespace ts::turn {

PortPool::PortPool(PortRange range)
    : range_(range),
      size_(range.high >= range.low ? static_cast<std::uint32_t>(range.high - range.low) + 1U : 0U),
      taken_((size_ + 63) / 64) {}

bool PortPool::is_free(std::uint32_t port) const noexcept {
  if (port < range_.low || port > range_.high) return false;
  const std::uint32_t bit = port - range_.low;
  return (taken_[bit / 64] >> (bit % 64) & 1) == 0;
}

void PortPool::mark(std::uint32_t port) noexcept {
  const std::uint32_t bit = port - range_.low;
  taken_[bit / 64] |= std::uint64_t{1} << (bit % 64);
  ++used_;
}

std::optional<std::uint16_t> PortPool::take(PortParity parity, RandomSource& random) {
  if (used_ >= size_) return std::nullopt;
  const std::uint32_t start = random.below(size_);
  for (std::uint32_t i = 0; i < size_; ++i) {
    const std::uint32_t bit = start + i < size_ ? start + i : start + i - size_;
    if (bit % 64 == 0 && taken_[bit / 64] == ~std::uint64_t{0}) {  // a full word
      i += 63;
      continue;
    }
    const std::uint32_t port = range_.low + bit;
    if (!is_free(port) || (parity != PortParity::Any && port % 2 != 0)) continue;
    if (parity == PortParity::EvenWithNextReserved) {
      if (!is_free(port + 1)) continue;
      mark(port + 1);
    }
    mark(port);
    return static_cast<std::uint16_t>(port);
  }
  return std::nullopt;
}

void PortPool::put_back(std::uint16_t port) noexcept {
  if (port < range_.low || port > range_.high || is_free(port)) {
    TS_BUG("a port came back that was not taken");
    return;
  }
  const std::uint32_t bit = static_cast<std::uint32_t>(port - range_.low);
  taken_[bit / 64] &= ~(std::uint64_t{1} << (bit % 64));
  --used_;
}

LocalLedger::LocalLedger(const Options& options)
    : max_total_(options.max_allocations),
      max_per_account_(options.max_allocations_per_user),
      realms_(options.realms),
      by_realm_(options.realms.size()) {
  for (const RelayAddress& relay : options.relay_addresses) {
    (relay.local.is_v4() ? v4_ : v6_).emplace(options.ports);
  }
}

void LocalLedger::use(const Options& options) {
  max_total_ = options.max_allocations;
  max_per_account_ = options.max_allocations_per_user;
  if (options.realms.size() == realms_.size()) realms_ = options.realms;
}

namespace {

/// A reservation outlives its allocation, so that no quota of allocations bounds them: a quarter of the ports
/// at most, and few enough to be looked through.
std::size_t most_reservations(const PortPool& ports) noexcept {
  constexpr std::uint64_t kMost = 256;
  return std::clamp<std::uint64_t>((ports.used() + ports.free()) / 4, 1, kMost);
}

/// … and of one account a quarter of these: a client that reserves and ends its allocations in turn drains
/// nobody else's. Where allocations of an account are few, its reservations are as few.
std::size_t most_of_account(std::size_t most, std::uint32_t max_allocations) noexcept {
  const std::size_t quarter = std::max<std::size_t>(most / 4, 1);
  return max_allocations == 0 ? quarter : std::min<std::size_t>(quarter, max_allocations);
}

}  // namespace

bool LocalLedger::may_reserve(const PortPool& ports, std::string_view account) const noexcept {
  const std::size_t most = most_reservations(ports);
  if (reservations_.size() >= most) return false;
  const auto own = std::count_if(reservations_.begin(), reservations_.end(),
                                 [&](const Reservation& r) { return r.account == account; });
  const std::uint32_t allocations = most_of_user(auth::split_account(account).realm);
  return static_cast<std::size_t>(own) < most_of_account(most, allocations);
}

PortPool* LocalLedger::pool(IpFamily family) noexcept {
  auto& pool = family == IpFamily::V4 ? v4_ : v6_;
  return pool ? &*pool : nullptr;
}

std::uint32_t LocalLedger::most_of_user(auth::RealmId realm) const noexcept {
  const bool own = realm != auth::kDefaultRealm && realm <= realms_.size();
  return own ? realms_[realm - 1U].max_allocations_per_user.value_or(max_per_account_) : max_per_account_;
}

std::optional<Denial> LocalLedger::admit(std::string_view account) {
  if (max_total_ != 0 && total_ >= max_total_) return Denial::QuotaTotal;
  const auth::RealmId realm = auth::split_account(account).realm;
  const bool in_realm = realm != auth::kDefaultRealm && realm <= realms_.size();
  const std::uint32_t most_of_realm = in_realm ? realms_[realm - 1U].max_allocations : 0;
  if (most_of_realm != 0 && by_realm_[realm - 1U] >= most_of_realm) return Denial::QuotaTotal;
  const std::uint32_t most = most_of_user(realm);
  const auto found = by_account_.find(account);
  if (found == by_account_.end()) {
    by_account_.emplace(account, 1U);
  } else {
    if (most != 0 && found->second >= most) return Denial::QuotaUser;
    ++found->second;
  }
  if (in_realm) ++by_realm_[realm - 1U];
  ++total_;
  return std::nullopt;
}

void LocalLedger::leave(std::string_view account) {
  const auto found = by_account_.find(account);
  if (found == by_account_.end()) {
    TS_BUG("an account left that had not entered");
    return;
  }
  if (--found->second == 0) by_account_.erase(found);
  const auth::RealmId realm = auth::split_account(account).realm;
  if (realm != auth::kDefaultRealm && realm <= by_realm_.size()) --by_realm_[realm - 1U];
  --total_;
}

bool LocalLedger::admit_credential(std::string_view username, std::uint32_t most) {
  const auto found = by_credential_.find(username);
  if (found == by_credential_.end()) return most != 0 && by_credential_.emplace(username, 1U).second;
  if (found->second >= most) return false;
  ++found->second;
  return true;
}

void LocalLedger::leave_credential(std::string_view username) {
  const auto found = by_credential_.find(username);
  if (found == by_credential_.end()) {
    TS_BUG("a credential left that had not entered");
    return;
  }
  if (--found->second == 0) by_credential_.erase(found);
}

std::optional<std::uint16_t> LocalLedger::take_port(IpFamily family, PortParity parity,
                                                    std::string_view account, TimePoint now,
                                                    RandomSource& random) {
  drop_expired(now);
  PortPool* ports = pool(family);
  if (ports == nullptr) return std::nullopt;
  if (parity == PortParity::EvenWithNextReserved && !may_reserve(*ports, account)) return std::nullopt;
  return ports->take(parity, random);
}

void LocalLedger::return_port(IpFamily family, std::uint16_t port) {
  if (PortPool* ports = pool(family)) ports->put_back(port);
}

ReservationToken LocalLedger::reserve(IpFamily family, std::uint16_t port, std::string_view account,
                                      TimePoint expires, RandomSource& random) {
  reservations_.push_back(Reservation{random.bytes<8>(), family, port, expires, std::string(account)});
  return reservations_.back().token;
}

void LocalLedger::drop_expired(TimePoint now) {
  std::erase_if(reservations_, [&](const Reservation& r) {
    if (r.expires > now) return false;
    return_port(r.family, r.port);
    return true;
  });
}

std::optional<Endpoint> LocalLedger::redeem(const ReservationToken& token, TimePoint now) {
  drop_expired(now);
  const auto found = std::find_if(reservations_.begin(), reservations_.end(),
                                  [&](const Reservation& r) { return equal_constant_time(r.token, token); });
  if (found == reservations_.end()) return std::nullopt;
  const Endpoint out{IpAddress::any(found->family), found->port};
  reservations_.erase(found);
  return out;
}

std::uint64_t LocalLedger::add_place(const Place& place, RandomSource& random) {
  for (;;) {
    const std::uint64_t id = load_be64(random.bytes<8>().data()) >> 16;
    if (places_.try_emplace(id, place).second) return id;
  }
}

void LocalLedger::set_place(std::uint64_t id, const Place& place) { places_.insert_or_assign(id, place); }

std::optional<Place> LocalLedger::place_of(std::uint64_t id) const {
  const auto found = places_.find(id);
  return found != places_.end() ? std::optional(found->second) : std::nullopt;
}

void LocalLedger::forget_place(std::uint64_t id) { places_.erase(id); }

Ledger::Ports LocalLedger::ports() const {
  Ports out;
  for (const auto* pool : {&v4_, &v6_}) {
    if (!*pool) continue;
    out.used += (*pool)->used();
    out.free += (*pool)->free();
  }
  return out;
}

}  // namespace ts::turn
