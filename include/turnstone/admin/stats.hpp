// SPDX-License-Identifier: Apache-2.0
// What an operator sees at one moment, and what a graph shows of the last minutes, as JSON. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include <turnstone/metrics/snapshot.hpp>

namespace ts::admin {

/// What the counters do not tell.
struct Facts {
  /// Since the start, of a clock that never jumps: rates are differences over it.
  double uptime_seconds = 0;
  /// Seconds since 1970.
  std::int64_t time = 0;
  /// Signaling sessions of all dialects.
  std::uint64_t sessions = 0;
  std::size_t threads = 0;
  /// Limits; 0: there is none.
  std::uint64_t max_allocations = 0;
  std::uint64_t max_allocations_per_user = 0;
  std::uint64_t max_streams = 0;
  std::uint64_t max_bits_per_second = 0;
};

/// What graphs show: sums without their reasons. Counters but for allocations and sessions.
struct Moment {
  /// Facts::uptime_seconds.
  double at = 0;
  std::uint64_t allocations = 0;
  std::uint64_t sessions = 0;
  /// Payload.
  std::uint64_t to_peer_bytes = 0;
  std::uint64_t to_client_bytes = 0;
  /// Both directions.
  std::uint64_t packets = 0;
  /// Without what opens every authentication (no_credentials, stale_nonce).
  std::uint64_t auth_failures = 0;
  std::uint64_t denials = 0;
  /// By us and by the kernel, on either way.
  std::uint64_t drops = 0;
};

Moment moment_of(const metrics::Snapshot& snapshot, const Facts& facts);

/// The body of GET /v1/stats. `snapshot.process` may be empty.
std::string stats(const metrics::Snapshot& snapshot, const Facts& facts);

/// The last moments, oldest first.
class History {
 public:
  explicit History(std::size_t most) : most_(most) {}

  /// The oldest one goes when there are too many.
  void add(const Moment& moment);
  std::size_t size() const noexcept { return moments_.size(); }
  /// {"at":[…],"allocations":[…],…}: columns of equal length.
  std::string json() const;

 private:
  std::size_t most_;
  std::deque<Moment> moments_;
};

}  // namespace ts::admin
