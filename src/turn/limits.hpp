// SPDX-License-Identifier: Apache-2.0
// What may be relayed in a time: an allocation's own token buckets, and this shard's shares of the budgets
// that allocations everywhere have in common. Policing: datagrams that exceed a limit are dropped, never
// queued; the bytes of TCP allocations are charged once they were read, and then the flow rests.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <turnstone/auth/policy.hpp>
#include <turnstone/base/token_bucket.hpp>
#include <turnstone/turn/ledger.hpp>
#include <turnstone/turn/options.hpp>

namespace ts::turn {

/// A shard's tokens out of a budget, for all of the shard's allocations that count against it.
struct Share {
  BudgetId budget;
  /// Asked for at a time: what the rate gives in kLeaseTime.
  std::uint64_t quantum = 0;
  std::uint64_t tokens = 0;
  /// The budget gave less than was asked for: it is not asked again before this.
  TimePoint ask_at = TimePoint::min();
  std::uint32_t users = 0;

  /// How much a lease is worth in time, and so how often the ledger's lock is taken for it.
  static constexpr std::chrono::milliseconds kLeaseTime{50};

  /// True when `wanted` tokens are there, leased if need be. They are not taken yet.
  bool has(std::uint64_t wanted, TimePoint now, Ledger& ledger) {
    return tokens >= wanted || (now >= ask_at && renew(wanted, now, ledger));
  }

 private:
  bool renew(std::uint64_t wanted, TimePoint now, Ledger& ledger);
};

/// The shares of one shard, by the names of their budgets.
class Shares {
 public:
  explicit Shares(Ledger& ledger) : ledger_(ledger) {}
  Share* join(const std::string& name, TokenRate rate, TimePoint now);
  void leave(const std::string& name);
  std::size_t size() const noexcept { return shares_.size(); }

 private:
  Ledger& ledger_;
  std::unordered_map<std::string, Share> shares_;  // whose addresses are stable
};

/// The limits of one allocation; an allocation without any has none of these.
class Limits {
 public:
  /// Null when neither the options nor the policy (may be null) limit anything.
  static std::unique_ptr<Limits> make(const Options& options, const auth::Policy* policy,
                                      std::string_view username, std::string_view account, Shares& shares,
                                      TimePoint now);
  /// Goes on with what the allocation's former limits, of the same options, have left of its own rates.
  void go_on_from(const Limits& former);
  /// Gives the shares back.
  void release(Shares& shares);

  /// Nothing when a datagram of `bytes` may pass, which is then paid for; else why not.
  std::optional<Drop> refuse(std::size_t bytes, TimePoint now, Ledger& ledger);
  /// Pays for bytes of a stream, in debt if need be, as if they had come in packets of kPacketBytes: how
  /// often they were read says nothing of how they were sent.
  Pace charge(std::size_t bytes, TimePoint now, Ledger& ledger);

 private:
  struct Shared {
    std::string name;
    Share* share = nullptr;
  };
  static Shared join(std::string name, std::uint64_t per_second, std::uint64_t least_burst, Shares& shares,
                     TimePoint now);

  static constexpr std::size_t kPacketBytes = 1200;
  /// One limit more, of so many bytes a second: no read takes more than a part of it.
  void bound_reads(std::uint64_t bytes_per_second) noexcept;

  std::size_t read_bytes_ = Pace{}.read_bytes;
  std::optional<TokenBucket> bytes_;
  std::optional<TokenBucket> packets_;
  // Null: no such limit.
  Shared credential_bytes_;
  Shared credential_packets_;
  Shared user_bytes_;
  Shared total_bytes_;
};

/// True when an allocation may name so many new peers, which are then paid for: `paid_until` is its state, in
/// which each of them takes the time that the rate gives to one.
bool take_new_peers(TimePoint& paid_until, std::size_t count, const Options& options, TimePoint now) noexcept;

}  // namespace ts::turn
