// SPDX-License-Identifier: Apache-2.0
// What all shards share when an allocation begins or ends: relay ports, reservations (RFC 8656 §7.2) and the
// counts that quotas hold. Not on the data path. LocalLedger is for one thread; the shell guards one with a
// lock.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/options.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/turn/budgets.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/options.hpp>

namespace ts::turn {

using ReservationToken = std::array<std::uint8_t, 8>;

/// What EVEN-PORT asks for.
enum class PortParity : std::uint8_t { Any, Even, EvenWithNextReserved };

/// Where a mobile allocation is (RFC 8016).
struct Place {
  std::uint8_t shard = 0;
  SlotHandle allocation;
};

class Ledger {
 public:
  Ledger() = default;
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  virtual ~Ledger() = default;

  /// Counts an allocation of the account (with its realm, auth::account_in), or says which quota it would
  /// break (QuotaUser, QuotaTotal).
  virtual std::optional<Denial> admit(std::string_view account) = 0;
  virtual void leave(std::string_view account) = 0;

  /// Counts an allocation of a credential that allows `most` of them at a time; false when it has as many.
  virtual bool admit_credential(std::string_view username, std::uint32_t most) = 0;
  virtual void leave_credential(std::string_view username) = 0;

  /// Rates that allocations share; see Budgets. lease() is on the data path, a few times a second; charge()
  /// with each read of a stream.
  virtual BudgetId join_budget(std::string_view name, TokenRate rate, TimePoint now) = 0;
  virtual void leave_budget(BudgetId id, std::uint64_t unused) = 0;
  virtual std::uint64_t lease(BudgetId id, std::uint64_t least, std::uint64_t wanted, TimePoint now) = 0;
  virtual Duration charge(BudgetId id, std::uint64_t tokens, TimePoint now) = 0;

  /// A free port at random (RFC 6056). EvenWithNextReserved also takes the next one, kept until reserve();
  /// the account may not hold too many of those.
  virtual std::optional<std::uint16_t> take_port(IpFamily family, PortParity parity, std::string_view account,
                                                 TimePoint now, RandomSource& random) = 0;
  virtual void return_port(IpFamily family, std::uint16_t port) = 0;

  /// Keeps a taken port for whoever shows the token before `expires` (30 s by RFC 8656 §7.2). It counts
  /// against the account, and outlives the allocation that asked for it.
  virtual ReservationToken reserve(IpFamily family, std::uint16_t port, std::string_view account,
                                   TimePoint expires, RandomSource& random) = 0;
  /// The reserved port, which the caller then owns; each token is good once.
  virtual std::optional<Endpoint> redeem(const ReservationToken& token, TimePoint now) = 0;

  /// A mobile allocation begins: gives it a name of 48 bits that stays the same on all shards.
  virtual std::uint64_t add_place(const Place& place, RandomSource& random) = 0;
  virtual void set_place(std::uint64_t id, const Place& place) = 0;
  virtual std::optional<Place> place_of(std::uint64_t id) const = 0;
  virtual void forget_place(std::uint64_t id) = 0;

  struct Ports {
    std::uint64_t used = 0;
    std::uint64_t free = 0;
  };
  virtual Ports ports() const = 0;
};

/// The ports of one relay address.
class PortPool {
 public:
  explicit PortPool(PortRange range);
  std::optional<std::uint16_t> take(PortParity parity, RandomSource& random);
  void put_back(std::uint16_t port) noexcept;
  std::uint64_t used() const noexcept { return used_; }
  std::uint64_t free() const noexcept { return size_ - used_; }

 private:
  bool is_free(std::uint32_t port) const noexcept;
  void mark(std::uint32_t port) noexcept;

  PortRange range_;
  std::uint32_t size_;
  std::uint64_t used_ = 0;
  std::vector<std::uint64_t> taken_;  // a bit a port from range_.low
};

class LocalLedger final : public Ledger {
 public:
  explicit LocalLedger(const Options& options);

  /// Takes the quotas of allocations over, for those that begin from now on. Realms must be the same ones.
  void use(const Options& options);

  std::optional<Denial> admit(std::string_view account) override;
  void leave(std::string_view account) override;
  bool admit_credential(std::string_view username, std::uint32_t most) override;
  void leave_credential(std::string_view username) override;
  BudgetId join_budget(std::string_view name, TokenRate rate, TimePoint now) override {
    return budgets_.join(name, rate, now);
  }
  void leave_budget(BudgetId id, std::uint64_t unused) override { budgets_.leave(id, unused); }
  std::uint64_t lease(BudgetId id, std::uint64_t least, std::uint64_t wanted, TimePoint now) override {
    return budgets_.lease(id, least, wanted, now);
  }
  Duration charge(BudgetId id, std::uint64_t tokens, TimePoint now) override {
    return budgets_.charge(id, tokens, now);
  }
  std::optional<std::uint16_t> take_port(IpFamily family, PortParity parity, std::string_view account,
                                         TimePoint now, RandomSource& random) override;
  void return_port(IpFamily family, std::uint16_t port) override;
  ReservationToken reserve(IpFamily family, std::uint16_t port, std::string_view account, TimePoint expires,
                           RandomSource& random) override;
  std::optional<Endpoint> redeem(const ReservationToken& token, TimePoint now) override;
  std::uint64_t add_place(const Place& place, RandomSource& random) override;
  void set_place(std::uint64_t id, const Place& place) override;
  std::optional<Place> place_of(std::uint64_t id) const override;
  void forget_place(std::uint64_t id) override;
  Ports ports() const override;

 private:
  struct Reservation {
    ReservationToken token;
    IpFamily family;
    std::uint16_t port;
    TimePoint expires;
    std::string account;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  /// One more reservation is within the bounds of all and of the account.
  bool may_reserve(const PortPool& ports, std::string_view account) const noexcept;
  /// Gives the ports of reservations nobody came for back.
  void drop_expired(TimePoint now);
  PortPool* pool(IpFamily family) noexcept;

  std::uint32_t max_total_;
  /// The most allocations of one user of a realm; 0: any number.
  std::uint32_t most_of_user(auth::RealmId realm) const noexcept;
  std::uint32_t max_per_account_;
  std::vector<RealmQuotas> realms_;
  std::vector<std::uint32_t> by_realm_;  // as realms_
  std::uint64_t total_ = 0;
  using Counts = boost::unordered_flat_map<std::string, std::uint32_t, TextHash, std::equal_to<>>;
  Counts by_account_;
  Counts by_credential_;  // only those that limit their allocations
  Budgets budgets_;
  std::optional<PortPool> v4_;
  std::optional<PortPool> v6_;
  boost::unordered_flat_map<std::uint64_t, Place> places_;
  std::vector<Reservation> reservations_;  // few, in order of expiry
};

}  // namespace ts::turn
