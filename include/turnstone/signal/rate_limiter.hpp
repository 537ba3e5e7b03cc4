// SPDX-License-Identifier: Apache-2.0
// How much one connection, and all connections of one address together, may say: messages, bytes, joins.
// Fixed memory, whoever comes; time is an argument. Rates are those of the options at each call.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/base/rate_gate.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/signal/counters.hpp>
#include <turnstone/signal/options.hpp>

namespace ts::signal {

/// Messages refused for their rate, without a pause between them, before the connection is closed.
inline constexpr std::uint32_t kMaxRefusals = 200;
/// As much as a rate gives in this time may come at once.
inline constexpr std::chrono::seconds kRateWindow{4};

/// A token bucket in eight bytes (the generic cell rate algorithm). What comes while it is not empty passes
/// whole, however large, and is paid for afterwards.
class RateCell {
 public:
  /// Zero: something may pass. Else it may after this time.
  Duration wait(TimePoint now, Duration window) const noexcept {
    const Duration over = full_ - now - window;
    return over < Duration::zero() ? Duration::zero() : over + Duration(1);
  }
  void charge(TimePoint now, std::uint64_t count, std::uint32_t per_second) noexcept;
  /// Takes over what another one of the same sender has left, if that is less.
  void inherit(const RateCell& other) noexcept { full_ = std::max(full_, other.full_); }

 private:
  /// When it will be full again.
  TimePoint full_{};
};

/// Of one connection.
struct ConnectionRates {
  static constexpr std::uint32_t kNoPlace = 0xFFFFFFFFU;

  RateGate messages;
  RateCell bytes;
  RateCell joins;
  /// Refusals that `messages` does not count.
  RateGate strikes;
  /// Of its address, as RateLimiter::place() says.
  std::uint32_t place = kNoPlace;

  /// What another connection of the same client has used up counts; the place stays.
  void inherit(const ConnectionRates& other) noexcept;
};

class RateLimiter {
 public:
  static constexpr std::size_t kPlaces = 16'384;

  struct Refusal {
    Duration retry_after{};
    /// For people; static.
    std::string_view why;
    /// It goes on and on: the connection is to be closed.
    bool persists = false;
  };

  /// `options` and `counters` must outlive this object; `seed` is secret.
  RateLimiter(const Options& options, Counters& counters, std::uint64_t seed) noexcept
      : options_(options), counters_(counters), seed_(seed) {}
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  /// Where an address (of IPv6, its /64) has its buckets. A place may have several: whoever uses it up is in
  /// the way of one address in 16,384, and nobody but the seed says of which. Private and unknown
  /// addresses and loopback have none: they are those of proxies, perhaps, or nobody's.
  std::uint32_t place(const IpAddress& client);

  /// Takes a message of so many bytes. `own` is the rate of the sender's token; 0: it has none. Nothing: it
  /// may pass.
  std::optional<Refusal> message(TimePoint now, ConnectionRates& rates, std::uint32_t own,
                                 std::size_t bytes) noexcept;
  /// Takes a join of one who may be in so many rooms; all of them may be joined at once.
  std::optional<Refusal> join(TimePoint now, ConnectionRates& rates, std::uint32_t rooms) noexcept;

 private:
  struct Shared {
    RateCell messages;
    RateCell bytes;
    RateCell joins;
  };

  Shared* shared(const ConnectionRates& rates) noexcept;
  Refusal refuse(TimePoint now, ConnectionRates& rates, RateScope scope, RateUnit unit, Duration wait);

  const Options& options_;
  Counters& counters_;
  std::uint64_t seed_;
  /// Empty until the first address is known.
  std::vector<Shared> shared_;
};

}  // namespace ts::signal
