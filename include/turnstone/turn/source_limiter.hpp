// SPDX-License-Identifier: Apache-2.0
// How often an unauthenticated source may make us answer over UDP. Fixed memory, whoever sends: a table of
// token buckets, each shared by all sources that hash to it.
#pragma once

#include <cstdint>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/base/time.hpp>

namespace ts::turn {

/// A source is an IPv4 address or an IPv6 /64, of which a host has as many addresses as it likes. A source
/// that uses up its bucket starves those that share it, one in 4096; which ones is known only to the seed.
/// Forged sources must send the rate 4096 times over to starve everybody, and then the requests of those who
/// have a nonce and a key still go through. Loopback is exempt, since nobody forges it from elsewhere.
class SourceLimiter {
 public:
  static constexpr std::size_t kBuckets = 4096;

  /// `per_second` in the long run, twice as many at once; 0: no limit. `seed` is secret.
  SourceLimiter(std::uint32_t per_second, std::uint64_t seed);

  /// False: too many of late. Time must not go backwards; where it does, a source waits for it.
  bool admit(const IpAddress& source, TimePoint now) noexcept;

 private:
  /// Between two tokens; 0: no limit.
  Duration interval_{};
  std::uint64_t seed_;
  /// When each bucket is full again (the generic cell rate algorithm: one number a bucket).
  std::vector<TimePoint> full_at_;
};

}  // namespace ts::turn
