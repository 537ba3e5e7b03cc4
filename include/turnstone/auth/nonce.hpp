// SPDX-License-Identifier: Apache-2.0
// Stateless nonces (RFC 8489 §9.2): the nonce cookie, a time, and a MAC over both and the client's transport
// address. Nobody who has not authenticated costs memory. Time is monotonic, so that a clock jump neither
// revives nor kills a nonce.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string_view>

#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/time.hpp>

namespace ts::auth {

/// RFC 8489 §18.1: 24 flags, bit 0 the most significant.
using SecurityFeatures = std::uint32_t;
/// The challenge lists PASSWORD-ALGORITHMS.
inline constexpr SecurityFeatures kFeaturePasswordAlgorithms = 1U << 23;
/// Clients send USERHASH instead of USERNAME.
inline constexpr SecurityFeatures kFeatureUsernameAnonymity = 1U << 22;

/// The features that a nonce names behind "obMatJos2" (RFC 8489 §9.2); nothing when it has no nonce cookie.
/// Any text may say so: only NonceMaker::is_fresh tells that it is ours.
std::optional<SecurityFeatures> features_of(std::string_view nonce) noexcept;

/// The text of a nonce.
class Nonce {
 public:
  /// With the nonce cookie (13 characters), 4 of time and 7 of the MAC. It travels in every challenge, whose
  /// size is what a forged request can make us send; 42 bits are out of reach of guessing online, and a guess
  /// only lets an old request be replayed from its own address.
  static constexpr std::size_t kBytes = 24;
  /// Without the cookie and features.
  static constexpr std::size_t kCompactBytes = 12;
  std::string_view text() const noexcept { return {text_.data(), size_}; }

 private:
  friend class NonceMaker;
  std::array<char, kBytes> text_{};
  std::size_t size_ = 0;
};

/// Makes and checks nonces. All shards of a process share one secret, since a client may move between them.
class NonceMaker {
 public:
  NonceMaker(ByteView secret, std::chrono::seconds lifetime) noexcept : key_(secret), lifetime_(lifetime) {}

  Nonce make(TimePoint now, const Endpoint& client,
             SecurityFeatures features = kFeaturePasswordAlgorithms) const noexcept;
  /// A short one for challenges that must be small. It is never fresh: a nonce without a cookie that we
  /// accepted would let an attacker on the path take PASSWORD-ALGORITHMS away (RFC 8489 §9.2.1). Whoever uses
  /// it learns a whole one from the 438 that follows.
  Nonce make_compact(TimePoint now, const Endpoint& client) const noexcept;
  /// True when make() made the nonce for this client and it has not expired. False calls for 438 (Stale
  /// Nonce).
  bool is_fresh(std::string_view nonce, TimePoint now, const Endpoint& client) const noexcept;

 private:
  Nonce for_second(std::uint64_t second, const Endpoint& client, SecurityFeatures features) const noexcept;
  Sha256Digest mac(std::uint64_t second, const Endpoint& client, SecurityFeatures features) const noexcept;

  HmacSha256Key key_;
  std::chrono::seconds lifetime_;
};

}  // namespace ts::auth
