// SPDX-License-Identifier: Apache-2.0
// How much one connection, and one address, may send: token buckets of messages, bytes and joins.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/base/rate_gate.hpp>
#include <turnstone/signal/counters.hpp>
#include <turnstone/signal/options.hpp>

namespace ts::signal {

/// What one sender may still send.
struct Allowance {
  RateGate messages;
  RateGate bytes;
  RateGate joins;

  /// Refusals of messages without a pause between them.
  std::uint32_t refusals() const noexcept { return messages.refusals() + bytes.refusals(); }
  /// Takes over what another one of the same sender has left, if that is less.
  void inherit(const Allowance& other) noexcept;
};

/// The limits of Options, and what is left to each address: an IPv4 address or an IPv6 /64. Fixed memory,
/// whoever comes: addresses that hash to the same place share what it has, which ones is known only to the
/// seed. Without limits are private addresses and loopback, where reverse proxies are, and who has no address
/// here: a member at another node.
class Throttle {
 public:
  static constexpr std::size_t kPlaces = 4096;
  /// How many seconds' worth may come at once: the bytes, the joins, and all of an address.
  static constexpr std::uint32_t kBytesBurst = 4;
  static constexpr std::uint32_t kJoinsBurst = 10;
  static constexpr std::uint32_t kAddressBurst = 4;

  using Refused = std::array<std::uint64_t, kLimitCount>;

  /// `seed` is secret; refusals are counted in `refused`, which must outlive this.
  Throttle(std::uint64_t seed, Refused& refused) : seed_(seed), refused_(refused), places_(kPlaces) {}

  /// A message of `bytes`; `own` messages a second are the sender's own limit, 0: that of the options. Zero:
  /// it may pass. Else it is refused, and one may pass after the time returned.
  Duration message(TimePoint now, const Options& options, std::uint32_t own, Allowance& sender,
                   const IpAddress& from, std::size_t bytes) noexcept;
  /// The same for entering a room.
  Duration join(TimePoint now, const Options& options, Allowance& sender, const IpAddress& from) noexcept;

 private:
  Duration take(Limit limit, RateGate& gate, TimePoint now, std::uint32_t rate, std::uint64_t burst,
                std::uint64_t count) noexcept;
  /// Null: there is no limit.
  Allowance* place(const IpAddress& from) noexcept;

  std::uint64_t seed_;
  Refused& refused_;
  std::vector<Allowance> places_;
};

}  // namespace ts::signal
